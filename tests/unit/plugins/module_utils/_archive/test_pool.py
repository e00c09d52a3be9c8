# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published where, what is refused, what nobody needs any more."""

from __future__ import annotations

import hashlib
import os
import pathlib

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive import generations, intake
from ansible_collections.egi.cmd.plugins.module_utils._archive.pool import Pool
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _published(root: pathlib.Path, data: bytes) -> None:
    (root / "pool").mkdir(exist_ok=True)
    (root / "pool/a.deb").write_bytes(data)


def _placed(root: pathlib.Path, known: dict, *contents: bytes) -> Pool:
    refusals = intake.Refusals("publish")
    pool = Pool(str(root), known, refusals)
    for number, data in enumerate(contents):
        pool.place(f"/in/{number}/a.deb", "pool/a.deb", len(data), _sum(data), 0)
    refusals.end()
    return pool


def test_a_new_package_is_copied_and_a_published_one_is_not(tmp_path: pathlib.Path) -> None:
    """Known by its bytes, with and without a cache."""
    assert len(_placed(tmp_path, {}, b"one").copies) == 1
    _published(tmp_path, b"one")
    known: dict = {}
    pool = _placed(tmp_path, known, b"one", b"one")
    assert not pool.copies
    pool.remember()
    assert not _placed(tmp_path, known, b"one").copies


def test_other_bytes_under_a_published_name_are_refused(tmp_path: pathlib.Path) -> None:
    """Hosts that have the first would never get the second."""
    _published(tmp_path, b"one")
    with pytest.raises(Failure, match="/in/0/a.deb: the same version with other bytes is published as pool/a.deb"):
        _placed(tmp_path, {}, b"two")


def test_two_contents_in_one_batch_are_refused_by_name(tmp_path: pathlib.Path) -> None:
    """Whichever came first."""
    with pytest.raises(Failure, match="/in/1/a.deb: /in/0/a.deb has the same name"):
        _placed(tmp_path, {}, b"one", b"two")


def test_a_damaged_package_is_brought_in_again(tmp_path: pathlib.Path) -> None:
    """Recorded as these bytes, and other bytes now."""
    _published(tmp_path, b"one")
    known: dict = {}
    _placed(tmp_path, known, b"one").remember()
    _published(tmp_path, b"rotten")
    assert [item.target for item in _placed(tmp_path, known, b"one").copies] == ["pool/a.deb"]


def test_surplus_is_what_no_generation_names(tmp_path: pathlib.Path) -> None:
    """Declared now, or named by an index that is still there."""
    _published(tmp_path, b"one")
    for name in ("old.deb", "older.deb"):
        (tmp_path / "pool" / name).write_bytes(b"")
    assert _placed(tmp_path, {}, b"one").surplus(["pool"], ["pool/old.deb"]) == ["pool/older.deb"]


def test_two_generations_stay_beside_the_newest() -> None:
    """And publishing the same again is no new one."""
    known: list = []
    for number in (1, 2, 2, 3, 4):
        known = generations.after(known, [f"hash{number}"], [f"pool{number}"])
    assert generations.files(known, "index") == {"hash2", "hash3", "hash4"}
    assert generations.files(known, "pool") == {"pool2", "pool3", "pool4"}


def test_sources_are_found_once_and_links_are_not_lost(tmp_path: pathlib.Path) -> None:
    """Sorted, without hidden files; a link that cannot be followed is an error, not a missing package."""
    incoming = tmp_path / "in"
    (incoming / "b").mkdir(parents=True)
    for name in ("b/2.deb", "1.deb", ".hidden.deb"):
        (incoming / name).write_bytes(b"")
    found = intake.find([str(incoming), str(incoming / "1.deb")], str(tmp_path / "site"), (".deb",))
    assert [os.path.basename(file.path) for file in found] == ["1.deb", "2.deb"]
    (incoming / "gone.deb").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Failure, match="the link gone.deb leads nowhere"):
        intake.find([str(incoming)], str(tmp_path / "site"), (".deb",))


@pytest.mark.parametrize("source, why", [("missing", "does not exist"), ("site/pool", "lie in each other"), (".", "lie in each other"),
                                         ("note.txt", "does not end in .deb")])
def test_sources_that_cannot_be_are_refused(tmp_path: pathlib.Path, source: str, why: str) -> None:
    """Missing, inside the repository, around it, no package."""
    (tmp_path / "site/pool").mkdir(parents=True)
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(Failure) as caught:
        intake.find([str(tmp_path / source)], str(tmp_path / "site"), (".deb",))
    assert why in caught.value.why


def test_a_file_is_read_again_only_when_it_changed(tmp_path: pathlib.Path) -> None:
    """Size, time or inode."""
    path = tmp_path / "a.deb"
    path.write_bytes(b"one")
    known: dict = {}
    read: list = []

    def look() -> dict:
        files = intake.find([str(path)], "/nowhere", (".deb",))
        return intake.inspect(files, known, lambda name: read.append(name) or (name,), tuple, intake.Refusals("x"))

    assert look() == look() and len(read) == 1
    path.write_bytes(b"three")
    look()
    assert len(read) == 2
