# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata appears as a whole, on file systems that can swap directories and on those that cannot."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive import publisher
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure


def _tree(files: t.Mapping[str, bytes], kept: t.Sequence[str] = (), date: int = 1000) -> publisher.Tree:
    return publisher.Tree("dists/suite", files, kept, ("Release", "InRelease"), date)


def _publish(root: pathlib.Path, *trees: publisher.Tree) -> t.Dict[str, bytes]:
    for tree in trees:
        with publisher.open_root(str(root)) as site:
            site.switch([tree])
    live = root / "dists/suite"
    return {str(path.relative_to(live)): path.read_bytes() for path in live.rglob("*") if path.is_file()}


@pytest.mark.parametrize("can_swap", [True, False])
def test_new_metadata_takes_the_place_of_the_old(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, can_swap: bool) -> None:
    """What is kept stays, what is gone goes; equal content is one file."""
    if not can_swap:
        monkeypatch.setattr(publisher, "_exchange", lambda one, other: False)
    first = _tree({"a/Packages": b"1", "a/by-hash/1": b"1", "InRelease": b"1"})
    second = _tree({"a/Packages": b"2", "a/by-hash/2": b"2", "InRelease": b"2"}, ["a/by-hash/1"], 2000)
    third = _tree({"b/Packages": b"3", "b/by-hash/3": b"3", "InRelease": b"3"}, ["a/by-hash/2", "a/by-hash/missing"])
    assert _publish(tmp_path, first, second) == {"a/Packages": b"2", "a/by-hash/2": b"2", "a/by-hash/1": b"1", "InRelease": b"2"}
    assert os.path.samefile(tmp_path / "dists/suite/a/Packages", tmp_path / "dists/suite/a/by-hash/2")
    assert (tmp_path / "dists/suite/InRelease").stat().st_mtime == 2000
    assert _publish(tmp_path, third) == {"b/Packages": b"3", "b/by-hash/3": b"3", "a/by-hash/2": b"2", "InRelease": b"3"}
    assert not (tmp_path / ".egi-cmd/staging").exists()


def test_files_that_readers_open_first_are_replaced_last(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where directories cannot be swapped."""
    _publish(tmp_path, _tree({"Packages": b"1", "Release": b"1", "InRelease": b"1"}))
    monkeypatch.setattr(publisher, "_exchange", lambda one, other: False)
    order: t.List[str] = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (order.append(os.path.basename(target)), replace(source, target)))
    _publish(tmp_path, _tree({"Release": b"2", "InRelease": b"2", "Packages": b"2", "Contents": b"2"}))
    assert order == ["Contents", "Packages", "Release", "InRelease"]


def test_a_web_server_may_read_it_whatever_the_umask(tmp_path: pathlib.Path) -> None:
    """And may not read our own record."""
    before = os.umask(0o077)
    try:
        _publish(tmp_path / "site", _tree({"a/Packages": b"1"}))
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "site", tmp_path / "site/dists/suite", tmp_path / "site/dists/suite/a/Packages")]
    assert modes == [0o755, 0o755, 0o644]
    assert (tmp_path / "site/.egi-cmd").stat().st_mode & 0o777 == 0o700


def test_a_package_that_changes_while_it_is_copied_is_not_published(tmp_path: pathlib.Path) -> None:
    """The bytes that were checked are the bytes that are published."""
    (tmp_path / "a.deb").write_bytes(b"changed")
    with pytest.raises(Failure, match="it changed while it was being published"):
        with publisher.open_root(str(tmp_path / "site")) as site:
            site.copy([publisher.Copy(str(tmp_path / "a.deb"), "pool/a.deb", 7, "0" * 64, 0)])
    assert not (tmp_path / "site/pool").exists()


def test_two_runs_do_not_publish_at_once(tmp_path: pathlib.Path) -> None:
    """The second says so."""
    with publisher.open_root(str(tmp_path)):
        with pytest.raises(Failure, match="another run is publishing there"):
            with publisher.open_root(str(tmp_path)):
                pass


def test_too_little_room_is_said_before_the_first_byte(tmp_path: pathlib.Path) -> None:
    """With what is needed and what there is."""
    with publisher.open_root(str(tmp_path)) as site:
        with pytest.raises(Failure, match="Make room; nothing was changed"):
            site.require_space(1 << 60, 1)


def test_empty_directories_go_with_what_was_in_them(tmp_path: pathlib.Path) -> None:
    """Up to the root, which stays."""
    _publish(tmp_path, _tree({"a/Packages": b"1"}))
    with publisher.open_root(str(tmp_path)) as site:
        site.remove(["dists/suite"])
    assert [path.name for path in tmp_path.iterdir()] == [".egi-cmd"]
