# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO 9660 images: what was written is read back, by us and by xorriso; what xorriso makes is read; damage is seen."""

from __future__ import annotations

import io
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.iso_read import Entry, Image, is_image
from ansible_collections.egi.cmd.plugins.module_utils._mirror.iso_write import SECTOR, Layout, padding, volume_name

MOMENT = 1790000000
NAMES = st.from_regex(r"[a-z0-9._-]{1,80}", fullmatch=True).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
TREES = st.dictionaries(PATHS, st.binary(max_size=5000), max_size=40).filter(
    lambda files: not any(other.startswith(f"{path}/") for path in files for other in files))
with_xorriso = pytest.mark.skipif(not shutil.which("xorriso"), reason="xorriso is not installed")


def written(files: t.Mapping[str, bytes]) -> bytes:
    layout = Layout({path: len(content) for path, content in files.items()}, "bundle", MOMENT)
    image = b"".join([*layout.head(), *(content + padding(len(content)) for content in files.values())])
    assert len(image) == layout.size
    return image


def walked(image: Image, directory: t.Optional[Entry] = None, below: str = "") -> t.Iterator[t.Tuple[str, Entry]]:
    for entry in image.listing(directory or image.root):
        if entry.directory:
            yield from walked(image, entry, f"{below}{entry.name}/")
        else:
            yield below + entry.name, entry


def read(data: bytes) -> t.Dict[str, bytes]:
    image = Image(io.BytesIO(data))
    return {path: b"".join(image.chunks(entry)) for path, entry in walked(image)}


@given(TREES)
def test_what_was_written_is_read(files: t.Dict[str, bytes]) -> None:
    image = written(files)
    assert is_image(io.BytesIO(image)) and read(image) == files
    assert written(files) == image


def test_a_directory_of_many_sectors_is_whole() -> None:
    files = {f"files/{number:064d}": b"%d" % number for number in range(500)}
    assert read(written(files)) == files


@given(st.data())
def test_damage_is_refused_or_changes_what_is_read(data: st.DataObject) -> None:
    """No flipped byte makes the reader fail otherwise, or run without end."""
    files = {"bundle.json": b"{}", "files/ab/one": b"1" * 3000, "files/cd/two": b"2"}
    image = bytearray(written(files))
    position = data.draw(st.integers(16 * SECTOR, len(image) - 1))
    image[position] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(image), bytes(image[:position])):
        try:
            found: t.Dict[str, bytes] = {}
            reader = Image(io.BytesIO(damaged))
            for (path, entry), _bound in zip(walked(reader), range(100)):
                found[path] = b"".join(reader.chunks(entry))
        except (ValueError, RecursionError):  # a loop of directories ends the reading of this test, not of a bundle
            continue
        assert damaged == bytes(image)


def test_a_file_of_nine_gigabytes_has_three_extents(tmp_path: pathlib.Path) -> None:
    size = 9 * 10**9 + 1
    layout = Layout({"small": 1, "large": size, "last": 3}, "bundle", MOMENT)
    path = tmp_path / "image.iso"
    with open(path, "wb") as file:  # a sparse file: it takes no room
        for chunk in layout.head():
            file.write(chunk)
        file.write(b"s" + padding(1))
        file.seek(size - 3, 1)
        file.write(b"end" + padding(size) + b"abc" + padding(3))
    assert path.stat().st_size == layout.size
    with open(path, "rb") as file:
        image = Image(file)
        found = dict(walked(image))
        assert found["large"].size == size and len(found["large"].extents) == 3
        assert b"".join(image.chunks(found["last"])) == b"abc"
        offset, length = found["large"].extents[-1]
        assert b"".join(image.chunks(found["large"]._replace(extents=((offset + length - 3, 3),)))) == b"end"
    if shutil.which("xorriso"):
        listed = xorriso("-indev", str(path), "-lsl", "/", "--").stdout
        assert f" {size} " in listed and "'large'" in listed


@pytest.mark.parametrize("volume", ["", "two words", "a" * 33, "\u00e4"])
def test_what_cannot_be_the_name_of_a_disc_is_refused(volume: str) -> None:
    with pytest.raises(Failure, match="cannot be the name of a disc"):
        Layout({}, volume, MOMENT)


def test_a_discs_name_is_taken_as_it_is_or_made_to_fit() -> None:
    """Cloud-init looks for config-2; the standard has neither small letters nor hyphens."""
    image = b"".join(Layout({}, "config-2", MOMENT).head())
    assert image[16 * SECTOR + 40:16 * SECTOR + 72] == b"config-2".ljust(32)
    assert volume_name("cmd-os-1-2026") == "CMD_OS_1_2026"


def test_more_than_the_format_can_hold_is_refused() -> None:
    with pytest.raises(Failure, match="larger than ISO 9660 can be"):
        Layout({"large": 1 << 43}, "bundle", MOMENT)


def xorriso(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["xorriso", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, timeout=60, text=True)


@with_xorriso
def test_xorriso_reads_ours_and_we_read_its(tmp_path: pathlib.Path) -> None:
    files = {f"files/{number % 7:02x}/{number:064x}": b"x" * number * 50 for number in range(100)}
    (tmp_path / "ours.iso").write_bytes(written(files))
    xorriso("-osirrox", "on", "-indev", str(tmp_path / "ours.iso"), "-extract", "/", str(tmp_path / "tree"))
    there = {str(path.relative_to(tmp_path / "tree")): path.read_bytes() for path in (tmp_path / "tree").rglob("*") if path.is_file()}
    assert there == files
    for name, flags in (("plain", ["-R"]), ("more", ["-R", "-J", "-iso-level", "3"])):
        xorriso("-as", "mkisofs", *flags, "-o", str(tmp_path / name), str(tmp_path / "tree"))
        assert read((tmp_path / name).read_bytes()) == files
    for path in (tmp_path / "tree").rglob("*"):  # so that pytest can remove it
        path.chmod(0o700)


@with_xorriso
def test_an_image_without_long_names_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/name").write_text("x")
    xorriso("-as", "mkisofs", "--norock", "-o", str(tmp_path / "its.iso"), str(tmp_path / "tree"))
    with pytest.raises(ValueError, match="has no Rock Ridge names"):
        read((tmp_path / "its.iso").read_bytes())
