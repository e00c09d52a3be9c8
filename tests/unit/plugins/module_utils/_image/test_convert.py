# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversions of a 64 MiB disk: each says the same disk, and the same bytes at another time in another place."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile
import time

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import convert
from ansible_collections.egi.cmd.plugins.module_utils._image.disk_image import sha256

EPOCH = 1763596800
pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("qemu-img", "tar", "xz", "setpriv"))), reason="needs qemu-utils, tar and xz")


@pytest.fixture(name="source")
def _source(tmp_path: pathlib.Path) -> convert.Source:
    """Data, zeros that were written, and a hole."""
    disk = tmp_path / "disk.raw"
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(25_000))
    with open(disk, "wb") as handle:
        handle.write(noise + bytes(4 << 20))
        handle.seek(40 << 20)
        handle.write(noise)
        handle.truncate(64 << 20)
    return convert.Source(str(disk), sha256(str(disk)), EPOCH)


def written(source: convert.Source, form: str, directory: pathlib.Path) -> bytes:
    directory.mkdir(parents=True)
    target = directory / f"site-cloud.{form}"
    convert.write(source, form, str(target), "zstd", str(directory / "log"))
    assert sorted(os.listdir(directory)) == ["log", target.name]
    return target.read_bytes()


@pytest.mark.parametrize("form", convert.DISK_FORMATS)
def test_a_conversion_has_the_same_bytes_at_another_time_in_another_place(
        source: convert.Source, form: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = written(source, form, tmp_path / "first")
    time.sleep(1.1)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    copy = tmp_path / "elsewhere.raw"
    copy.write_bytes(pathlib.Path(source.path).read_bytes())  # no holes
    assert written(source._replace(path=str(copy)), form, tmp_path / "a" / "b") == first


@pytest.mark.parametrize(("form", "name"), [("qcow2", "qcow2"), ("vmdk", "vmdk"), ("vhd", "vpc")])
def test_qemu_reads_the_same_disk(source: convert.Source, form: str, name: str, tmp_path: pathlib.Path) -> None:
    written(source, form, tmp_path / "one")
    subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", name, source.path, f"{tmp_path}/one/site-cloud.{form}"], check=True)
    info = subprocess.run(["qemu-img", "info", "-f", name, f"{tmp_path}/one/site-cloud.{form}"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "64 MiB (67108864 bytes)" in info


def test_the_archive_has_one_sparse_member(source: convert.Source, tmp_path: pathlib.Path) -> None:
    written(source, "raw.tar.xz", tmp_path / "one")
    with tarfile.open(tmp_path / "one/site-cloud.raw.tar.xz") as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.size, member.mtime, member.uid, member.mode, member.issparse()) == ("site-cloud.raw", 64 << 20, EPOCH, 0, 0o644, True)


def test_both_copies_of_a_vhd_footer_have_the_right_sum(source: convert.Source, tmp_path: pathlib.Path) -> None:
    content = written(source, "vhd", tmp_path / "one")
    assert content[:512] == content[-512:]
    footer = bytearray(content[:512])
    said, footer[64:68] = int.from_bytes(footer[64:68], "big"), bytes(4)
    assert said == ~sum(footer) & 0xFFFFFFFF


def test_a_source_that_is_something_else_is_found(source: convert.Source, tmp_path: pathlib.Path) -> None:
    with pytest.raises(Failure, match="same content"):
        written(source._replace(digest="0" * 64), "raw.tar.xz", tmp_path / "one")


def test_too_little_room_is_told_with_numbers(source: convert.Source, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((*real[:4], 1, *real[5:])))
    with pytest.raises(Failure, match=r"2 formats take up to \d+ MiB, 0 MiB are free"):
        convert.require_room(source, ["qcow2", "vmdk"], str(tmp_path))


@pytest.mark.parametrize("number", [b"1", b"0abcdef", b"fedcba98"])
def test_a_content_identifier_of_any_width_is_replaced(number: bytes, source: convert.Source, tmp_path: pathlib.Path) -> None:
    content = written(source, "vmdk", tmp_path / "one")
    path = tmp_path / "one/site-cloud.vmdk"
    start = content.index(b"\nCID=") + 5
    end = content.index(b"\0", start)
    path.write_bytes(content[:start] + number + content[start + 8:end] + bytes(8 - len(number)) + content[end:])
    convert.fix_vmdk(str(path), source.digest)
    assert path.read_bytes() == content
