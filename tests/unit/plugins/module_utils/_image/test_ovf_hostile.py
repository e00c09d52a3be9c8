# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile and broken packages: each is refused by the name of its rule, and nothing is written but below the target."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import ova, ovf_package, ovf_write
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._image.ovf_packages import CAPACITY, DISK, STEM, envelope, packed, vmdk

OVF, MF = f"{STEM}.ovf", f"{STEM}.mf"
DESCRIPTOR = ovf_write.descriptor(envelope()._replace(files=(envelope().files[0]._replace(size=len(vmdk())),)))
Member = t.Union[t.Tuple[str, bytes], tarfile.TarInfo]


def manifest(files: t.Mapping[str, bytes], spelling: str = "SHA256({})= {}\n") -> bytes:
    return "".join(spelling.format(name, hashlib.sha256(data).hexdigest()) for name, data in files.items()).encode()


def archive(*members: Member, form: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                header = tarfile.TarInfo(member[0])
                header.size = len(member[1])
                tar.addfile(header, io.BytesIO(member[1]))
    return buffer.getvalue()


def package(descriptor: bytes = DESCRIPTOR, disk: bytes = vmdk(), **more: bytes) -> bytes:  # noqa: B008
    """Whole and consistent but for what is given."""
    files = {OVF: descriptor, DISK: disk}
    return archive((OVF, descriptor), (MF, more.pop("mf", manifest(files))), (DISK, disk), *more.items())


def described(old: str, new: str) -> bytes:
    """A package whose descriptor says something else, and whose manifest agrees."""
    text = DESCRIPTOR.decode()
    assert re.search(old, text), old
    return package(re.sub(old, new, text, count=1).encode())


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def pax(**values: str) -> tarfile.TarInfo:
    """An extension header of these values, as a member of its own."""

    class Header(tarfile.TarInfo):
        def tobuf(self, *_arguments: t.Any, **_more: t.Any) -> bytes:
            return tarfile.TarInfo._create_pax_generic_header(values, tarfile.XHDTYPE, "utf-8")  # type: ignore[attr-defined,no-any-return]

    return Header("pax")


def header_patched(offset: int, data: bytes, checksum: bool = True) -> bytes:
    """The first header changed, with a checksum that fits or not."""
    whole = bytearray(package())
    whole[offset:offset + len(data)] = data
    if checksum:
        whole[148:156] = b" " * 8
        whole[148:156] = b"%06o\0 " % sum(whole[:512])
    return bytes(whole)


GOOD: t.Tuple[Member, ...] = ((OVF, DESCRIPTOR), (MF, manifest({OVF: DESCRIPTOR, DISK: vmdk()})), (DISK, vmdk()))
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><Envelope>&b;</Envelope>'
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/hostname">]><Envelope>&a;</Envelope>'
HOSTILE: t.Dict[str, t.Tuple[str, bytes]] = {
    "an absolute name": ("name-absolute", archive(*GOOD, ("/tmp/escaped", b"x"))),
    "a drive of Windows": ("name-absolute", archive(*GOOD, ("C:escaped", b"x"))),
    "a name that leads upwards": ("name-parent", archive(*GOOD, ("../escaped", b"x"))),
    "a name that leads upwards, by Windows' separator": ("name-parent", archive(*GOOD, ("..\\escaped", b"x"))),
    "a directory in a name": ("name-nested", archive(*GOOD, ("sub/escaped", b"x"))),
    "a control character in a name": ("name-control", archive(*GOOD, ("a\x1b[2Jb", b"x"))),
    "a name that reads backwards": ("name-control", archive(*GOOD, ("a\u202egpj.exe", b"x"))),
    "a hidden name": ("name-form", archive(*GOOD, (".profile", b"x"))),
    "a name that is not UTF-8": ("name-encoding", header_patched(0, b"\xff\xfe.ovf\0\0\0")),
    "a symbolic link": ("symbolic-link", archive(*GOOD, special("link", tarfile.SYMTYPE, "/etc/hostname"))),
    "a hard link": ("hard-link", archive(*GOOD, special("link", tarfile.LNKTYPE, OVF))),
    "a character device": ("device", archive(*GOOD, special("null", tarfile.CHRTYPE))),
    "a block device": ("device", archive(*GOOD, special("disk", tarfile.BLKTYPE))),
    "a named pipe": ("fifo", archive(*GOOD, special("pipe", tarfile.FIFOTYPE))),
    "a directory": ("directory", archive(*GOOD, special("sub", tarfile.DIRTYPE))),
    "a type nobody knows": ("member-type", archive(*GOOD, special("what", b"Q"))),
    "a pax header": ("pax-header", archive(("n" * 120, b"x"), form=tarfile.PAX_FORMAT)),
    "a pax header that moves the size": ("pax-header", archive(pax(size="1"), *GOOD)),
    "a pax header that goes on": ("pax-header", archive(pax(comment="x" * 70000), *GOOD)),
    "a pax header that is none": ("pax-header", header_patched(156, b"x")),
    "a global pax header": ("pax-header", header_patched(156, b"g")),
    "a GNU long name": ("gnu-header", archive(("n" * 120, b"x"), form=tarfile.GNU_FORMAT)),
    "a GNU sparse file": ("gnu-header", header_patched(156, b"S")),
    "a size in base 256": ("header-number", header_patched(124, b"\x80" + b"\0" * 10 + b"\1")),
    "a wrong checksum": ("header-checksum", header_patched(100, b"7777777", checksum=False)),
    "a member twice": ("duplicate-name", archive(*GOOD, (DISK, vmdk()))),
    "a member twice, but for case": ("duplicate-name", archive(*GOOD, (DISK.upper(), vmdk()))),
    "too many members": ("too-many", archive(*GOOD, *[(f"f{number}", b"") for number in range(120)])),
    "an archive that is cut": ("truncated", package()[:9000]),
    "an archive without end": ("truncated", package()[:-10240]),
    "something after the end": ("archive-end", package() + archive(("second", b"x"))),
    "no archive": ("not-ustar", b"PK\x03\x04" + b"x" * 2000),
    "nothing": ("truncated", b""),
    "no descriptor": ("no-descriptor", archive((DISK, vmdk()))),
    "two descriptors": ("two-descriptors", archive(*GOOD, ("other.ovf", DESCRIPTOR))),
    "the descriptor second": ("descriptor-first", archive(GOOD[1], GOOD[0], GOOD[2])),
    "the manifest last": ("manifest-second", archive(GOOD[0], GOOD[2], GOOD[1])),
    "an undeclared file": ("undeclared-file", package(extra=b"x")),
    "a declared file that is missing": ("missing-file", archive(*GOOD[:2])),
    "a file of another size": ("file-size", described('ovf:size="[0-9]+"', 'ovf:size="5"')),
    "a changed disk": ("digest-mismatch", archive(*GOOD[:2], (DISK, vmdk(tail=b"GRAINS")))),
    "a file the manifest lacks": ("manifest-missing", package(mf=manifest({OVF: DESCRIPTOR}))),
    "a manifest with another file": ("manifest-unknown", package(mf=manifest({OVF: DESCRIPTOR, DISK: vmdk(), "gone": b""}))),
    "a manifest with a blank": ("manifest-spelling", package(mf=manifest({OVF: DESCRIPTOR, DISK: vmdk()}, "SHA256 ({}) = {}\n"))),
    "a manifest with a short digest": ("manifest-spelling", package(mf=f"SHA256({OVF})= abcd\n".encode())),
    "a manifest with MD5": ("manifest-spelling", package(mf=f"MD5({OVF})= {'a' * 32}\n".encode())),
    "a manifest with a file twice": ("manifest-duplicate", package(mf=2 * manifest({OVF: DESCRIPTOR, DISK: vmdk()}))),
    "a manifest that is not UTF-8": ("manifest-encoding", package(mf=b"\xff\xff")),
    "a manifest without end": ("manifest-size", package(mf=b"\n" * (1 << 20) + b"x")),
    "a certificate that is none": ("certificate-spelling", archive(*GOOD[:2], (f"{STEM}.cert", b"trust me"), GOOD[2])),
    "a certificate after the disk": ("certificate-third", archive(*GOOD, (f"{STEM}.cert", b"trust me"))),
    "a descriptor that doubles itself": ("xml-doctype", package(LAUGHS)),
    "a descriptor that reads a file": ("xml-doctype", package(EXTERNAL)),
    "a descriptor that is not well-formed": ("xml-malformed", package(DESCRIPTOR[:-20])),
    "a descriptor that is not UTF-8": ("xml-encoding", package(DESCRIPTOR.replace(b"Alpha", b"Alph\xe9"))),
    "a descriptor without bottom": ("xml-depth", package(b"<a>" * 5000 + b"</a>" * 5000)),
    "a descriptor without end": ("descriptor-size", package(DESCRIPTOR + b"<!-- -->" * (1 << 19))),
    "a descriptor of something else": ("not-an-envelope", package(b"<html/>")),
    "a descriptor of OVF 0.9": ("not-an-envelope", package(DESCRIPTOR.replace(b"ovf/envelope/1", b"ovf/envelope/0"))),
    "a file from the network": ("href-remote", described(f'ovf:href="{DISK}"', 'ovf:href="https://www.example.org/d.vmdk"')),
    "a file from this machine": ("name-absolute", described(f'ovf:href="{DISK}"', 'ovf:href="/etc/hostname"')),
    "a compressed file": ("compressed", described('ovf:id="file1"', 'ovf:id="file1" ovf:compression="gzip"')),
    "a file in chunks": ("chunked", described('ovf:id="file1"', 'ovf:id="file1" ovf:chunkSize="7"')),
    "a disk without file": ("reference", described('ovf:fileRef="file1"', 'ovf:fileRef="file9"')),
    "a drive without disk": ("reference", described("ovf:/disk/disk1", "ovf:/disk/disk9")),
    "a drive with a device": ("reference", described("ovf:/disk/disk1", "/dev/sda")),
    "a card without network": ("reference", described("Connection>default", "Connection>internal")),
    "two files of an id": ("duplicate-id", described("(<File [^>]*/>)", r"\1\1")),
    "a size that is no number": ("number", described('ovf:size="[0-9]+"', 'ovf:size="1e9"')),
    "a disk without end": ("disk-huge", described(f'ovf:capacity="{CAPACITY}"', f'ovf:capacity="{1 << 60}"')),
    "a unit of nothing": ("unit", described("ovf:capacity=", 'ovf:capacityAllocationUnits="furlong" ovf:capacity=')),
    "a disk that is a difference": ("disk-parent", described("ovf:capacity=", 'ovf:parentRef="x" ovf:capacity=')),
    "no system": ("no-system", described("(?s)<VirtualSystem .*</VirtualSystem>", "")),
    "a disk larger than it says": ("disk-capacity", package(disk=vmdk(capacity=CAPACITY * 2))),
    "a disk that is none": ("disk-content", package(disk=b"MZ" * 9000)),
    "a disk that is a list of files": ("disk-extents", package(disk=b'# Disk DescriptorFile\nRW 1 FLAT "/etc/hostname" 0\n'.ljust(len(vmdk())))),
    "a disk with a file of this machine": ("disk-extents", package(disk=vmdk(descriptor='parentCID=ffffffff\nRW 1 FLAT "/etc/hostname" 0\n'))),
    "a disk with a second extent": ("disk-extents", package(disk=vmdk(descriptor='RDONLY 1 SPARSE "a"\nRW 1 FLAT "b" 0\n'))),
    "a disk that has a parent": ("disk-parent", package(disk=vmdk(descriptor='parentCID=12345678\nRDONLY 1 SPARSE "a"\n'))),
    "a qcow2 with a backing file": ("disk-parent", package(disk=b"QFI\xfb\0\0\0\3\0\0\0\0\0\0\1\0".ljust(len(vmdk()), b"\0"))),
}


def unpack(path: Path, target: Path) -> None:
    with ovf_package.Source(str(path)) as source:
        package_read = ovf_package.inspect(source)
        ovf_package.require(package_read, str(path))
        ova.write_directory(str(target), ovf_package.parts(source, package_read))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_package_is_refused_by_name(name: str, tmp_path: Path) -> None:
    rule, data = HOSTILE[name]
    path = tmp_path / "in.ova"
    path.write_bytes(data)
    with ovf_package.Source(str(path)) as source:
        found = ovf_package.inspect(source).errors()
    assert rule in [problem.rule for problem in found], found
    assert all(problem.what and problem.remedy for problem in found)
    with pytest.raises(Failure):
        unpack(path, tmp_path / "out")
    assert [one.name for one in tmp_path.rglob("*")] == ["in.ova"]


def test_a_good_package_has_no_problem_and_comes_out_as_it_went_in(tmp_path: Path) -> None:
    unpack(packed(tmp_path), tmp_path / "out")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [DISK, MF, OVF]
    assert (tmp_path / "out" / DISK).read_bytes() == vmdk()


def test_times_and_owners_in_pax_headers_are_only_a_warning(tmp_path: Path) -> None:
    (tmp_path / "in.ova").write_bytes(archive(pax(mtime="1763596800.5", uname="someone"), *GOOD))
    with ovf_package.Source(str(tmp_path / "in.ova")) as source:
        assert [(problem.rule, problem.severity) for problem in ovf_package.inspect(source).problems] == [("not-plain-ustar", "warning")]


def test_a_link_in_a_directory_is_not_followed(tmp_path: Path) -> None:
    unpack(packed(tmp_path), tmp_path / "out")
    (tmp_path / "out" / DISK).unlink()
    (tmp_path / "out" / DISK).symlink_to(tmp_path / DISK)
    with ovf_package.Source(str(tmp_path / "out")) as source:
        rules = [problem.rule for problem in ovf_package.inspect(source).errors()]
    assert "symbolic-link" in rules


def test_a_link_where_a_file_is_to_be_written_is_replaced(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / DISK).symlink_to(victim)
    unpack(packed(tmp_path), tmp_path / "out")
    assert victim.read_text() == "untouched"
    assert (tmp_path / "out" / DISK).read_bytes() == vmdk()


@given(place=st.integers(0, len(package()) - 1), data=st.binary(min_size=1, max_size=12), cut=st.integers(0, 600))
def test_a_mutated_package_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, place: int, data: bytes, cut: int) -> None:
    whole = bytearray(package())
    whole[place:place + len(data)] = data
    folder = tmp_path_factory.mktemp("mutated")
    (folder / "in.ova").write_bytes(bytes(whole[:len(whole) - (cut if cut > 300 else 0)]))
    try:
        unpack(folder / "in.ova", folder / "out")
    except Failure as failure:
        assert ": " in failure.why
    assert {one.name for one in folder.iterdir()} <= {"in.ova", "out"}


@given(place=st.integers(0, len(DESCRIPTOR) - 1), text=st.text(min_size=1, max_size=6), many=st.integers(0, 40))
def test_a_mutated_descriptor_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, place: int, text: str, many: int) -> None:
    changed = DESCRIPTOR[:place] + text.encode("utf-8", "surrogatepass") + DESCRIPTOR[place + many:]
    folder = tmp_path_factory.mktemp("mutated")
    (folder / "in.ova").write_bytes(package(changed))
    try:
        unpack(folder / "in.ova", folder / "out")
    except Failure as failure:
        assert ": " in failure.why
    assert {one.name for one in folder.iterdir()} <= {"in.ova", "out"}
