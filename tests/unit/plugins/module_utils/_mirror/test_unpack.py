# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacking: every format, and no more than was declared."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import unpack

DATA = b"".join(b"%d some text\n" % (number * number) for number in range(20_000))[:300_000]


def _zstd(data: bytes) -> bytes:
    program = shutil.which("zstd")
    if program is None:
        pytest.skip("zstd is not installed")
    return subprocess.run([program, "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


def _zchunk(data: bytes) -> bytes:
    program = shutil.which("zck")
    if program is None or shutil.which("unzck") is None:
        pytest.skip("zchunk is not installed")
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "file").write_bytes(data)
        subprocess.run([program, "-o", "file.zck", "file"], cwd=directory, check=True)
        return (pathlib.Path(directory) / "file.zck").read_bytes()


PACKINGS: t.Dict[str, t.Callable[[bytes], bytes]] = {
    "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": _zstd, "zck": _zchunk, "plain": lambda data: data,
}


def _unpacked(tmp_path: pathlib.Path, data: bytes, most: int) -> bytes:
    path = tmp_path / "file"
    path.write_bytes(data)
    return b"".join(unpack.slices(str(path), most, "primary.xml"))


@pytest.mark.parametrize("packing", PACKINGS)
def test_content_comes_back_up_to_the_declared_size(packing: str, tmp_path: pathlib.Path) -> None:
    data = PACKINGS[packing](DATA)
    assert _unpacked(tmp_path, data, len(DATA)) == DATA
    with pytest.raises(Failure, match="more than the 299999 bytes"):
        _unpacked(tmp_path, data, len(DATA) - 1)
    assert _unpacked(tmp_path, PACKINGS[packing](b""), 0) == b""


@pytest.mark.parametrize("packing", ["gz", "xz", "bz2", "zst", "zck"])
def test_damaged_content_is_refused(packing: str, tmp_path: pathlib.Path) -> None:
    data = PACKINGS[packing](DATA)
    middle = len(data) // 2
    for broken in (data[:-5], data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1:]):
        with pytest.raises(Failure, match="it is damaged"):
            _unpacked(tmp_path, broken, 1 << 30)


def test_a_bomb_is_left_early(tmp_path: pathlib.Path) -> None:
    """8 MiB of zeros in a few bytes: it is over after the declared megabyte."""
    path = tmp_path / "bomb"
    packer = bz2.BZ2Compressor()
    path.write_bytes(packer.compress(bytes(8 << 20)) + packer.flush())
    seen: t.List[int] = []
    with pytest.raises(Failure, match="more than"):
        seen.extend(map(len, unpack.slices(str(path), 1 << 20, "Packages")))
    assert sum(seen) <= 1 << 20


def test_what_a_reader_leaves_unread_costs_no_process(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(_zstd(DATA * 50))
    slices = unpack.slices(str(tmp_path / "file"), 1 << 30, "primary.xml")
    assert next(slices)
    slices.close()  # type: ignore[attr-defined]
    own = [path for path in pathlib.Path("/proc/self/task").glob("*/children") if path.read_text().strip()]
    assert not own


@pytest.mark.parametrize("content, program, package", [(b"\x00ZCK1rest", "unzck", "zchunk"), (b"\x28\xb5\x2f\xfdrest", "zstd", "zstd")])
def test_a_missing_program_is_named_with_its_package(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, content: bytes, program: str, package: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(Failure, match=f"program {program} is missing. Install {package}"):
        _unpacked(tmp_path, content, 100)


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Failure, match="unpack Packages"):
        list(unpack.slices(str(tmp_path / "nowhere"), 1, "Packages"))
