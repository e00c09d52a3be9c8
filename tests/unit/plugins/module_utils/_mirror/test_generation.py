# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A generation appears whole or not at all, and holds what it says."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import manifest as manifests
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import News
from ansible_collections.egi.cmd.plugins.module_utils._mirror.manifest import Manifest
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Entry, Snapshot, Wanted
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.holdings import Root

ONE = {"pool/a_1_all.deb": b"a1"}
TWO = {"pool/a_2_all.deb": b"a2"}


def _news(documents: list, large: list, entries: list) -> News:
    return News("rpm", "http://repo.example.org/", "", Snapshot(documents, large, entries, "identity", 0))


def test_readers_find_metadata_and_packages(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one = root.build("set", deb=ONE, rpm={"b_1_noarch.rpm": b"b1"})
    assert root.read("snapshots", one.name, "deb/pool/a_1_all.deb") == b"a1"
    assert root.read("snapshots", one.name, "rpm/b_1_noarch.rpm") == b"b1"
    assert root.generations.load(one.name) == one and root.generations.all() == [one] and root.holes() == []


def test_packages_beside_metadata_and_in_the_root_are_reached(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    paths = ["top.rpm", "repodata/odd.rpm", "Packages/a/a.rpm", "deep/er/b.rpm", "meta/pool/c.rpm"]
    entries = [Entry(root.put(path, path.encode()), path, "1", "noarch") for path in paths]
    documents = [Document("repodata/repomd.xml", b"<repomd/>"), Document("meta/README", b"read")]
    one = root.generations.build("set", {"s": _news(documents, [root.put("repodata/primary.xml.gz", b"primary")], entries)}, None)
    for path in paths:
        assert root.read("snapshots", one.name, "s", path) == path.encode()
    assert os.readlink(tmp_path / "snapshots" / one.name / "s/Packages") == "../../../tree/s/1/Packages"


def test_a_missing_file_is_no_generation(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    gone = Entry(Wanted("pool/gone.deb", 4, "ab" * 32), "gone", "1", "all")
    for news in (_news([], [], [gone]), _news([], [gone.wanted], [])):
        with pytest.raises(Failure, match="pool/gone.deb"):
            root.generations.build("set", {"s": news}, None)
    assert root.generations.all() == []
    root.generations.clear_staging()
    assert os.listdir(tmp_path / "snapshots") == []


def test_hostile_paths_write_nothing_outside(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path / "root")
    for path in ("../../../escaped", "/escaped", "a/../../escaped"):
        with pytest.raises(Failure):
            root.generations.build("set", {"s": _news([Document(path, b"x")], [], [])}, None)
        with pytest.raises(Failure):
            root.generations.build("set", {"s": _news([], [root.put(path, b"x")], [])}, None)
    assert not list(tmp_path.rglob("escaped"))


def test_metadata_that_contradicts_itself_is_refused(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    twice = Entry(root.put("pool", b"package"), "p", "1", "all")
    for news in (_news([Document("pool", b"x")], [], [twice]), _news([Document("a", b"x"), Document("a/b", b"x")], [], [])):
        with pytest.raises(Failure):
            root.generations.build("set", {"s": news}, None)


def test_what_did_not_change_is_taken_over(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one = root.build("set", deb=ONE, rpm={"b_1_noarch.rpm": b"b1"})
    two = root.build("set", one, deb=TWO, rpm=None)
    assert two.sources["rpm"] == one.sources["rpm"]
    assert root.read("snapshots", two.name, "rpm/b_1_noarch.rpm") == b"b1"
    assert root.generations.manifest(two.name, "rpm") == root.generations.manifest(one.name, "rpm")
    root.generations.delete(one.name)
    assert root.holes() == [] and root.generations.damaged_documents(two.name, "rpm") == []


def test_indices_a_slow_reader_asks_for_stay_for_one_generation(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one = root.build("set", s=ONE)
    old = next(file.path for file in root.generations.manifest(one.name, "s").large if "by-hash" in file.path)
    two = root.build("set", one, s=TWO)
    assert root.read("snapshots", two.name, "s", old) == root.read("snapshots", one.name, "s", old)
    assert root.read("snapshots", two.name, "s/pool/a_1_all.deb") == b"a1"
    three = root.build("set", two, s={})
    assert not (tmp_path / "snapshots" / three.name / "s" / old).exists()


def test_last_modified_tells_contents_apart_and_stays_with_the_content(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one = root.build("set", s=ONE)
    two = root.build("set", one, s=TWO)
    three = root.build("set", two, s=TWO)
    times = [os.stat(tmp_path / "snapshots" / each.name / "s/dists/suite/InRelease").st_mtime for each in (one, two, three)]
    assert times[0] < times[1] == times[2]


def test_manifest_is_read_as_written_and_damage_is_seen(tmp_path: pathlib.Path) -> None:
    files = [Wanted(f"pool/{number} ü", number, f"{number:064x}") for number in range(5)]
    manifest = Manifest(files[:1], files[1:3], [], [Entry(file, "name", "1:2~3", "all") for file in files])
    path = str(tmp_path / "manifest")
    manifests.write(path, manifest)
    assert manifests.load(path) == manifest
    text = pathlib.Path(path).read_text(encoding="utf-8")
    for damaged in (text[:-1], text[:len(text) // 2], text + "x\n", "", text.replace("entries 5", "entries 4"), text.replace("large 2", "large x")):
        pathlib.Path(path).write_text(damaged, encoding="utf-8")
        with pytest.raises(Failure):
            manifests.load(path)
    with pytest.raises(Failure):
        manifests.write(path, Manifest([], [], [], [Entry(files[0], "two\nlines", "1", "all")]))


def test_a_damaged_generation_is_no_empty_one(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one = root.build("set", s=ONE)
    (tmp_path / "snapshots" / one.name / ".cmd-mirror/generation.json").unlink()
    with pytest.raises(Failure, match="Delete this snapshot"):
        root.generations.all()
