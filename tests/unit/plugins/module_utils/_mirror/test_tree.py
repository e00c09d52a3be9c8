# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path keeps its content for as long as its tree lives."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.holdings import Root


def test_new_packages_go_into_the_same_tree(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    tree = root.generations.tree
    first = tree.place("s", [root.put("pool/a.deb", b"a")], None)
    assert tree.place("s", [root.put("pool/a.deb", b"a"), root.put("pool/b.deb", b"b")], first) == first
    assert root.read("tree/s", first, "pool/a.deb") == b"a" and root.read("tree/s", first, "pool/b.deb") == b"b"


def test_a_path_with_new_content_gets_a_new_tree_and_the_old_one_stays(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    tree = root.generations.tree
    first = tree.place("s", [root.put("pool/a.deb", b"a")], None)
    second = tree.place("s", [root.put("pool/a.deb", b"rebuilt")], first)
    third = tree.place("s", [root.put("pool/a.deb/b.deb", b"b")], second)
    assert len({first, second, third}) == 3
    assert root.read("tree/s", first, "pool/a.deb") == b"a" and root.read("tree/s", second, "pool/a.deb") == b"rebuilt"


def test_an_upstream_that_contradicts_itself_is_refused(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    for paths in (("a.deb", "a.deb"), ("a.deb", "a.deb/b"), ("a.deb/b", "a.deb")):
        with pytest.raises(Failure):
            root.generations.tree.place("s", [root.put(path, bytes([number])) for number, path in enumerate(paths)], None)


def test_links_are_relative_so_that_a_mirror_may_be_moved(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path / "here")
    name = root.generations.tree.place("s", [root.put("pool/main/a/a.deb", b"a")], None)
    os.rename(tmp_path / "here", tmp_path / "there")
    assert (tmp_path / "there/tree/s" / name / "pool/main/a/a.deb").read_bytes() == b"a"


def test_trim_takes_only_old_links_nobody_names(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    tree = root.generations.tree
    files = [root.put(f"pool/{name}/{name}.deb", name.encode()) for name in "abc"]
    name = tree.place("s", files, None)
    os.utime(tmp_path / "tree/s" / name / "pool/b/b.deb", (1, 1), follow_symlinks=False)
    assert tree.trim("s", name, {"pool/a/a.deb"}, older=1000.0) == {files[2].sha256}
    assert sorted(os.listdir(tmp_path / "tree/s" / name / "pool")) == ["a", "c"]
