# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing packages: what is written is read back as it was, and the same input gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import ova, ovf_build, ovf_package, ovf_read, ovf_write
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_certificate import Signer
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import (
    CONTROLLERS,
    Card,
    Controller,
    Disk,
    Drive,
    Envelope,
    File,
    Network,
    Product,
    Property,
    System,
)
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._image.ovf_packages import DISK, STEM, envelope, packed, vmdk

# Anything XML can carry; elements lose the blanks around their text, attributes keep everything.
CHARACTERS = st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff", whitelist_characters="\n\t")
TEXT = st.text(CHARACTERS, max_size=12).map(str.strip)
VALUE = st.text(st.one_of(CHARACTERS, st.just("\r")), max_size=20)
WORD = st.text("abcdefgh-0123", min_size=1, max_size=8)
CELL = {"name": "cmd-cloud", "release": "cmd-os-1", "platform": "bookworm", "variant": "generic", "architecture": "x86_64",
        "disk": {"virtual_size": 64 << 20, "minimum_memory": 512, "boot": ["bios", "uefi"]}}


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    """Any envelope that hangs together."""
    files = [File(f"file{number}", f"d{number}.vmdk", draw(st.none() | st.integers(0, 1 << 40))) for number in range(draw(st.integers(0, 3)))]
    disks = [Disk(f"disk{number}", draw(st.integers(1, 1 << 45)), file.id) for number, file in enumerate(files)] + [Disk("blank", 1 << 20)]
    networks = [Network(name, draw(TEXT) or "A network") for name in sorted(draw(st.sets(WORD, max_size=2)))]
    return Envelope(
        tuple(draw(systems(name, disks, files, networks)) for name in sorted(draw(st.sets(WORD, min_size=1, max_size=3)))),
        tuple(files), tuple(disks), tuple(networks), draw(st.sampled_from(["1.1", "2.0"])), "collection", draw(TEXT),
    )


@st.composite
def systems(draw: st.DrawFn, name: str, disks: list[Disk], files: list[File], networks: list[Network]) -> System:
    buses = draw(st.lists(st.sampled_from(sorted(CONTROLLERS)), min_size=1, max_size=3))
    controllers = tuple(Controller(bus, draw(st.sampled_from(CONTROLLERS[bus])), number) for number, bus in enumerate(buses))
    drives = [Drive("disk", draw(st.integers(0, len(controllers) - 1)), draw(st.integers(0, 15)), disk.id) for disk in draw(st.lists(st.sampled_from(disks)))]
    drives += [Drive("cdrom", -1, 0, "", file.id) for file in files[:1]] + [Drive("cdrom", 0)]
    properties = draw(st.lists(st.builds(Property, WORD, VALUE, st.just("string"), TEXT, TEXT, st.booleans(), st.booleans()), max_size=3))
    return System(
        name, draw(TEXT), draw(st.integers(0, 200)), draw(TEXT), draw(st.integers(1, 64)), draw(st.integers(1, 1 << 20)), draw(st.sampled_from(["", "vmx-10"])),
        draw(st.sampled_from(["", "bios", "efi"])), draw(st.sampled_from([(), ("iso",), ("iso", "com.vmware.guestInfo")])), controllers, tuple(drives),
        tuple(Card(network.name, "VmxNet3") for network in networks), (Product(draw(TEXT), draw(TEXT), draw(TEXT), "", tuple(properties), "org.example", "1"),),
    )


@given(envelopes())
def test_every_envelope_is_read_back_as_it_was(wanted: Envelope) -> None:
    assert ovf_read.read(ovf_write.descriptor(wanted)) == (wanted, ())


def test_what_xml_cannot_carry_is_refused() -> None:
    system = envelope().systems[0]._replace(name="a\x00b")
    with pytest.raises(Failure, match="XML cannot carry"):
        ovf_write.descriptor(envelope()._replace(systems=(system,)))


def test_members_are_in_the_order_a_stream_needs(tmp_path: Path) -> None:
    with tarfile.open(packed(tmp_path)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [f"{STEM}.ovf", f"{STEM}.mf", DISK]
    assert {(member.uid, member.gid, member.uname, member.gname, member.mode, member.mtime) for member in members} == {(0, 0, "", "", 0o644, 1763596800)}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = []
    for number, zone in enumerate(("UTC", "Asia/Tokyo")):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        before = os.umask(0o077 if number else 0o022)
        (tmp_path / str(number)).mkdir()
        packages.append(packed(tmp_path / str(number)).read_bytes())
        os.umask(before)
    monkeypatch.undo()
    time.tzset()
    assert packages[0] == packages[1]


def test_every_python_writes_the_same_header() -> None:
    header = next(ova.archive([ova.from_bytes("alpha.ovf", b"x" * 100)], 1763596800))
    assert header == (
        b"alpha.ovf".ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"00000000144\0" + b"15107455000\0" + b"007601\0 " + b"0"
        + bytes(100) + b"ustar\x0000" + bytes(247)
    )


def test_packing_again_changes_nothing_and_another_disk_does(tmp_path: Path) -> None:
    path = packed(tmp_path)
    content = ova.parts(STEM, envelope(), {DISK: str(tmp_path / DISK)})
    inode = path.stat().st_ino
    assert not ova.write(str(path), content, 1763596800)
    assert path.stat().st_ino == inode
    (tmp_path / DISK).write_bytes(vmdk(tail=b"other!"))
    content = ova.parts(STEM, envelope(), {DISK: str(tmp_path / DISK)})
    assert ova.write(str(path), content, 1763596800, dry=True)
    assert path.stat().st_ino == inode
    assert ova.write(str(path), content, 1763596800)
    assert sorted(one.name for one in tmp_path.iterdir()) == [DISK, f"{STEM}.ova"]


def test_a_disk_that_changes_while_it_is_packed_leaves_the_old_package(tmp_path: Path) -> None:
    path = packed(tmp_path)
    before = path.read_bytes()
    (tmp_path / DISK).write_bytes(vmdk(tail=b"x" * 3000))
    content = ova.parts(STEM, envelope(), {DISK: str(tmp_path / DISK)})
    (tmp_path / DISK).write_bytes(vmdk())
    with pytest.raises(Failure, match="changed from"):
        ova.write(str(path), content, 1763596800)
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == [DISK, f"{STEM}.ova"]


def test_a_disk_that_is_too_large_for_an_archive_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / DISK
    with disk.open("wb") as file:
        file.truncate(1 << 33)
    part = ova.from_file(DISK, str(disk))
    with pytest.raises(Failure, match="more than a member of an OVA can have"):
        ova.write(str(tmp_path / "large.ova"), [part])
    assert not (tmp_path / "large.ova").exists()


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512", "none"])
def test_each_digest_is_written_and_read(tmp_path: Path, digest: str) -> None:
    with ovf_package.Source(str(packed(tmp_path, digest))) as source:
        package = ovf_package.inspect(source)
    assert package.digest == digest
    assert [problem.rule for problem in package.problems] == (["manifest-absent"] if digest == "none" else [])


def test_a_file_without_portable_name_is_not_packed(tmp_path: Path) -> None:
    wrong = envelope()._replace(files=(File("file1", "../d.vmdk"),))
    with pytest.raises(Failure, match="no portable file name"):
        ova.parts(STEM, wrong, {"../d.vmdk": str(tmp_path / "d.vmdk")})


def keys(folder: Path, name: str) -> Signer:
    signer = Signer(str(folder / f"{name}.key"), str(folder / f"{name}.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, "-keyout", signer.key, "-out", signer.certificate], check=True, stderr=subprocess.DEVNULL)
    return signer


def test_a_signed_package_is_believed_by_who_trusts_its_signer_alone(tmp_path: Path) -> None:
    alice, mallory = keys(tmp_path, "alice"), keys(tmp_path, "mallory")
    (tmp_path / DISK).write_bytes(vmdk())
    path = tmp_path / f"{STEM}.ova"
    content = ova.parts(STEM, envelope(), {DISK: str(tmp_path / DISK)}, "sha256", alice)
    ova.write(str(path), content)
    rules = {}
    for name, authorities in (("nobody", ""), ("alice", alice.certificate), ("mallory", mallory.certificate)):
        with ovf_package.Source(str(path)) as source:
            package = ovf_package.inspect(source, authorities)
            rules[name] = (package.signed, [problem.rule for problem in package.problems])
    assert rules == {"nobody": (True, []), "alice": (True, []), "mallory": (False, ["certificate-untrusted"])}
    other = ova.parts(STEM, envelope(), {DISK: str(tmp_path / DISK)}, "sha512", alice)
    ova.write(str(path), [content[0], content[1], other[2], content[3]])
    with ovf_package.Source(str(path)) as source:
        assert [problem.rule for problem in ovf_package.inspect(source).problems] == ["certificate-signature"]
    with pytest.raises(Failure, match="is not the certificate of"):
        ova.parts(STEM, envelope(), {DISK: str(tmp_path / DISK)}, "sha256", Signer(alice.key, mallory.certificate))


def test_who_wants_a_signature_does_not_get_an_unsigned_package(tmp_path: Path) -> None:
    authority = keys(tmp_path, "alice").certificate
    with ovf_package.Source(str(packed(tmp_path))) as source:
        assert [problem.rule for problem in ovf_package.inspect(source, authority).errors()] == ["not-signed"]


def test_a_cell_of_the_build_becomes_a_machine_every_kernel_can_drive() -> None:
    made = ovf_build.from_cell(CELL, "cmd.vmdk")
    system = made.systems[0]
    assert (system.os, system.cpus, system.memory, made.disks[0].capacity) == (96, 1, 1024, 64 << 20)
    assert [(drive.kind, system.controllers[drive.controller].bus, drive.address) for drive in system.drives] == [("disk", "ide", 0), ("cdrom", "ide", 1)]
    assert system.transports == ("iso", "com.vmware.guestInfo")
    assert [one.key for one in system.products[0].properties if one.password] == ["password"]


def test_a_container_has_no_package() -> None:
    with pytest.raises(Failure, match="container"):
        ovf_build.from_cell({**CELL, "disk": None}, "cmd.vmdk")


def test_scsi_leaves_the_controllers_own_place_free() -> None:
    _controllers, drives = ovf_build.machine([f"disk{number}" for number in range(18)], ovf_build.Storage("scsi"), None)
    assert [drive.address for drive in drives if drive.controller == 0] == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15]
    assert [drive.address for drive in drives if drive.controller == 1] == [0, 1, 2]


def test_ide_has_four_places() -> None:
    with pytest.raises(Failure, match="more drives on ide"):
        ovf_build.machine(["a", "b", "c", "d"], ovf_build.Storage("ide"), ovf_build.Storage("ide"))


@pytest.mark.parametrize("unit, bytes_in_it", [("byte", 1), ("byte * 2^30", 1 << 30), ("byte*10^9", 10 ** 9), ("MegaBytes", 1 << 20), ("hertz", 0)])
def test_units_of_every_age_are_read(unit: str, bytes_in_it: int) -> None:
    assert ovf_read.factor_of(unit) == bytes_in_it
