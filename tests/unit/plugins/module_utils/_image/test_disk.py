# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks: arithmetic of the table, the same file system on every host, boot code where firmware looks for it."""

from __future__ import annotations

import io
import os
import pathlib
import shutil
import struct
import subprocess
import tarfile
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import disk_boot, disk_ext4, disk_layout

DIGEST = "0" * 64
EPOCH = 1763596800
PATH = "/usr/sbin:/sbin:" + os.environ["PATH"]
needs_tools = pytest.mark.skipif(not all(shutil.which(name, path=PATH) for name in (*disk_ext4.TOOLS, "sfdisk", "setpriv")), reason="needs e2fsprogs and fdisk")


@given(st.integers(1, 1 << 20), st.sampled_from(["x86_64", "i686", "aarch64"]))
def test_partitions_are_in_order_and_leave_room_for_both_tables(mebibytes: int, architecture: str) -> None:
    size = mebibytes << 20
    if mebibytes < 83:
        with pytest.raises(Failure, match="fewer than"):
            disk_layout.layout(size, architecture, DIGEST)
        return
    one = disk_layout.layout(size, architecture, DIGEST)
    end = disk_layout.MEBIBYTE
    for part in (one.bios, one.esp, one.root):
        assert part.start == end and part.size > 0 and part.start % disk_layout.MEBIBYTE == 0
        end = part.start + part.size
    assert end == size - disk_layout.MEBIBYTE
    assert len({one.identifier, one.bios.identifier, one.esp.identifier, one.root.identifier}) == 4


def test_identifiers_belong_to_the_definition() -> None:
    assert disk_layout.identifier(DIGEST, "root") == disk_layout.identifier(DIGEST, "root") != disk_layout.identifier("1" * 64, "root")


@needs_tools
def test_sfdisk_understands_the_table(tmp_path: pathlib.Path) -> None:
    one = disk_layout.layout(128 << 20, "x86_64", DIGEST)
    disk = tmp_path / "disk.raw"
    disk.touch()
    os.truncate(disk, one.size)
    subprocess.run(["sfdisk", "-q", str(disk)], input=disk_layout.sfdisk_script(one), text=True, check=True, env={"PATH": PATH})
    said = subprocess.run(["sfdisk", "--dump", str(disk)], stdout=subprocess.PIPE, text=True, check=True, env={"PATH": PATH}).stdout
    assert f"label-id: {one.identifier.upper()}" in said
    assert f"start={one.root.start // 512:>12}" in said and f"size={one.root.size // 512:>12}" in said


def archive(path: pathlib.Path) -> None:
    """A tar with one of everything."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        def add(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", link: str = "", mode: int = 0o644, **fields: int) -> None:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname, member.mode, member.mtime = kind, len(content), link, mode, 1700000000
            for field, value in fields.items():
                setattr(member, field, value)
            if name == "./bin/ping":
                member.pax_headers["SCHILY.xattr.security.capability"] = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
            tar.addfile(member, io.BytesIO(content))

        add("./", tarfile.DIRTYPE, mode=0o755)
        add("./bin", tarfile.DIRTYPE, mode=0o755)
        add("./bin/ping", content=b"ping" * 3000, mode=0o755)
        add("./bin/su", content=b"su", mode=0o4755)
        add("./bin/other name", tarfile.LNKTYPE, link="./bin/su")
        add("./dev", tarfile.DIRTYPE, mode=0o755)
        add("./dev/null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
        add("./etc", tarfile.DIRTYPE, mode=0o755)
        add("./etc/shadow", content=b"root:*:1::::::\n", mode=0o640, gid=42)
        add("./etc/Főtanúsítvány.pem", content=b"x")
        add("./lib", tarfile.SYMTYPE, link="bin")


def written(directory: pathlib.Path, size: int = 32) -> bytes:
    directory.mkdir(parents=True)
    (directory / "stage").mkdir()
    archive(directory / "root.tar")
    disk = directory / "disk.raw"
    disk.touch()
    os.truncate(disk, (size + 4) << 20)
    part = disk_layout.Partition(1 << 20, size << 20, "", "")
    volume = disk_ext4.Volume("cloudroot", disk_layout.identifier(DIGEST, "fs"), disk_layout.identifier(DIGEST, "hash"))
    disk_ext4.write(str(directory / "root.tar"), str(disk), part, volume, EPOCH, str(directory / "stage"), str(directory / "log"))
    return disk.read_bytes()


@needs_tools
def test_a_file_system_is_what_the_tar_says(tmp_path: pathlib.Path) -> None:
    written(tmp_path / "one")
    where = f"{tmp_path}/one/disk.raw?offset={1 << 20}"

    def asked(request: str) -> str:
        done = subprocess.run(["debugfs", "-R", request, where], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, env={"PATH": PATH})
        return done.stdout

    assert asked("cat /etc/shadow") == "root:*:1::::::\n"
    shadow, su = asked("stat /etc/shadow"), asked("stat /bin/su")
    assert "Mode:  0640" in shadow and "Group:    42" in shadow and "mtime: 0x6553f100" in shadow
    assert "Mode:  04755" in su and "Links: 2" in su
    assert asked('stat "/bin/other name"').split()[1] == su.split()[1]
    assert "Type: character special" in asked("stat /dev/null")
    assert 'Fast link dest: "bin"' in asked("stat /lib")
    assert "security.capability" in asked("ea_list /bin/ping")
    assert asked("cat /etc/Főtanúsítvány.pem") == "x"


@needs_tools
def test_the_same_tar_gives_the_same_bytes_later_elsewhere_with_another_umask(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = written(tmp_path / "first")
    time.sleep(1.1)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    before = os.umask(0o077)
    try:
        second = written(tmp_path / "some" / "where" / "else")
    finally:
        os.umask(before)
    assert first == second


@needs_tools
def test_a_root_that_does_not_fit_is_refused_with_numbers(tmp_path: pathlib.Path) -> None:
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        member = tarfile.TarInfo("./large")
        member.size = 40 << 20
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    (tmp_path / "stage").mkdir()
    part = disk_layout.Partition(1 << 20, 32 << 20, "", "")
    volume = disk_ext4.Volume("x", disk_layout.identifier(DIGEST, "fs"), disk_layout.identifier(DIGEST, "hash"))
    with pytest.raises(Failure, match="it has 40 MiB, the partition has room for"):
        disk_ext4.write(str(tmp_path / "root.tar"), str(tmp_path / "disk"), part, volume, EPOCH, str(tmp_path / "stage"), str(tmp_path / "log"))


def test_boot_code_leaves_the_table_alone(tmp_path: pathlib.Path) -> None:
    one = disk_layout.layout(96 << 20, "x86_64", DIGEST)
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"\xaa" * (2 << 20))
    core = bytes(range(256)) * 8
    disk_boot.embed(str(disk), one, b"\x55" * 512, core)
    content = disk.read_bytes()
    assert content[440:1 << 20] == b"\xaa" * ((1 << 20) - 440)
    assert struct.unpack_from("<Q", content, 0x5C) == (2048,)
    assert struct.unpack_from("<QHH", content, (1 << 20) + 0x1F4) == (2049, 3, 0x820)
    assert content[(1 << 20) + 512:(1 << 20) + 2048] == core[512:]


def test_boot_code_that_does_not_fit_is_refused(tmp_path: pathlib.Path) -> None:
    one = disk_layout.layout(96 << 20, "x86_64", DIGEST)
    with pytest.raises(Failure, match="GRUB's images"):
        disk_boot.embed(str(tmp_path / "none"), one, bytes(512), bytes(one.bios.size + 1))


@pytest.mark.skipif(not all(shutil.which(name, path=PATH) for name in ("grub-mkimage", "mkfs.vfat", "mtools", "setpriv"))
                    or not all(os.path.isdir(f"{disk_boot.GRUB}/{one.target}") for one in disk_boot.FIRMWARE["x86_64"]), reason="needs GRUB and mtools")
def test_what_firmware_starts_is_the_same_later_elsewhere(tmp_path: pathlib.Path) -> None:
    one = disk_layout.layout(96 << 20, "x86_64", DIGEST)

    def installed(directory: pathlib.Path) -> bytes:
        directory.mkdir(parents=True)
        disk = directory / "disk.raw"
        disk.touch()
        os.truncate(disk, one.size)
        disk_boot.install(str(disk), one, "x86_64", disk_layout.identifier(DIGEST, "fs"), DIGEST, EPOCH, str(directory), str(directory / "log"))
        return disk.read_bytes()

    first = installed(tmp_path / "first")
    time.sleep(2.1)  # the step of FAT's clock
    assert first == installed(tmp_path / "some" / "where")
    assert b"BOOTX64 EFI" in first
