# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing anybody may still read ever goes."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import time
from typing import Dict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import difference, retention
from ansible_collections.egi.cmd.plugins.module_utils._mirror.retention import Policy
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.holdings import Root

DAY = 86400.0
ALL = Policy(keep=1, grace=0, most=1)


def _history(root: Root, count: int) -> list:
    last, names = None, []
    for number in range(count):
        last = root.build("set", last, s={f"pool/a_{number}_all.deb": bytes([number]), "pool/b_1_all.deb": b"b"})
        names.append(last.name)
        root.pointers.publish("set", last.name)
    return names


def _later() -> float:
    return time.time() + 1000


def test_old_generations_go_with_what_only_they_had(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    names = _history(root, 4)
    root.pointers.freeze("ga", names[0])
    freed = retention.prune(root.store, root.generations, root.pointers, {"set": ALL}, _later())
    assert freed.generations == names[1:3] and freed.files > 0
    assert [one.name for one in root.generations.all()] == [names[0], names[3]]
    assert root.holes() == []
    tree = tmp_path / "tree/s/1/pool"
    assert sorted(os.listdir(tree)) == ["a_0_all.deb", "a_3_all.deb", "b_1_all.deb"]
    assert retention.prune(root.store, root.generations, root.pointers, {"set": ALL}, _later()) == retention.Freed([], 0, 0)


def test_dry_run_says_what_the_run_then_does(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    _history(root, 4)
    said = retention.prune(root.store, root.generations, root.pointers, {"set": ALL}, _later(), dry=True)
    assert len(root.generations.all()) == 4
    assert retention.prune(root.store, root.generations, root.pointers, {"set": ALL}, _later()) == said


def test_count_age_and_grace_each_keep(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    names = _history(root, 5)

    def gone(now: float, **policy: float) -> list:
        return [one.name for one in retention.expired(root.generations, root.pointers, "set", Policy(**{"keep": 1, "days": 0, "grace": 0, **policy}), now)]

    assert gone(_later()) == names[:4] and gone(_later(), keep=3) == names[:2]
    assert gone(_later(), days=1) == [] and gone(_later() + DAY, days=1) == names[:4]
    # Made long ago, published until a moment ago: its readers are not done.
    assert gone(_later(), grace=1) == [] and gone(_later() + 3600, grace=1) == names[:4]


def test_the_guard_stops_a_mass_deletion(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one = root.build("set", s={f"pool/a_{number}_all.deb": b"%d" % number for number in range(150)})
    two = root.build("set", one, s={"pool/b_1_all.deb": b"b"})
    root.pointers.publish("set", two.name)
    policies = {"set": Policy(keep=1, grace=0, most=0.4)}
    with pytest.raises(Failure, match="40%"):
        retention.prune(root.store, root.generations, root.pointers, policies, _later())
    assert len(root.generations.all()) == 2
    assert retention.prune(root.store, root.generations, root.pointers, policies, _later(), force=True).files == 150
    assert root.holes() == []


def test_what_an_interrupted_sync_fetched_stays_for_the_grace_time(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    file = root.put("pool/a_1_all.deb", b"a")
    with open(root.store.partial("ab" * 32), "wb") as begun:
        begun.write(b"begun")
    for hours, there in ((1, True), (0, False)):
        retention.prune(root.store, root.generations, root.pointers, {"set": Policy(grace=hours, most=1)}, _later())
        assert root.store.has(file.sha256, file.size) is there and bool(list(root.store.partials())) is there


def test_delete_is_refused_while_something_leads_there(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    names = _history(root, 2)
    for name in (names[1], "no-such-snapshot", "", "..", "a/b"):
        with pytest.raises(Failure):
            retention.delete(root.generations, root.pointers, name)
    retention.delete(root.generations, root.pointers, names[0])
    assert [one.name for one in root.generations.all()] == names[1:]


def test_difference_names_added_removed_and_changed_packages(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one = root.build("set", s={"pool/a_1_all.deb": b"a", "pool/b_1_all.deb": b"b", "pool/d_1_all.deb": b"d"})
    two = root.build("set", one, s={"pool/a_2_all.deb": b"a2", "pool/c_1_all.deb": b"ccc", "pool/d_1_all.deb": b"d"})
    found = difference.between(root.generations, one, two)
    assert [(change.kind, change.package, [version.version for version in change.before], [version.version for version in change.after])
            for change in found.changes] == [("changed", "a", ["1"], ["2"]), ("removed", "b", ["1"], []), ("added", "c", [], ["1"])]
    assert found.counts() == {"added": 1, "removed": 1, "changed": 1} and found.size == 3
    assert difference.between(root.generations, two, two).changes == []


class Life(RuleBasedStateMachine):
    """Snapshots come, names move, things are thrown away in any order; what a name leads to is always whole."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)  # hundreds of syncs of a disk take long
        self.root = Root(self.directory)
        self.contents: Dict[str, Dict[str, bytes]] = {}
        self.frozen: Dict[str, str] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    @rule(packages=st.dictionaries(st.sampled_from([f"{top}/{name}_1_all.deb" for top in ("pool", "x/y") for name in "abc"]), st.sampled_from([b"1", b"22"])))
    def sync(self, packages: Dict[str, bytes]) -> None:
        known = self.root.generations.all("set")
        made = self.root.build("set", known[-1] if known else None, s=packages)
        self.contents[made.name] = packages
        if "set" not in self.frozen:
            self.root.pointers.publish("set", made.name)

    @precondition(lambda self: self.contents)
    @rule(data=st.data(), name=st.sampled_from(["set", "stage", "ga", "gb"]), freeze=st.booleans())
    def point(self, data: st.DataObject, name: str, freeze: bool) -> None:
        generation = data.draw(st.sampled_from(sorted(self.contents)))
        known = self.root.pointers.all()
        movable = name not in self.frozen or self.frozen[name] == generation
        if freeze and name != "set" and movable and (name not in known or known[name].generation == generation):
            self.root.pointers.freeze(name, generation)
            self.frozen[name] = generation
        elif not freeze and movable:
            self.root.pointers.publish(name, generation)
        else:
            with pytest.raises(Failure):
                (self.root.pointers.freeze if freeze else self.root.pointers.publish)(name, generation)

    @precondition(lambda self: self.frozen)
    @rule(data=st.data())
    def unfreeze(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.frozen)))
        assert self.root.pointers.unfreeze(name)
        del self.frozen[name]

    @precondition(lambda self: "set" in self.root.pointers.all())
    @rule()
    def roll_back(self) -> None:
        try:
            self.root.pointers.roll_back("set")
        except Failure:
            return

    @rule(keep=st.integers(1, 3), grace=st.sampled_from([0.0, 1.0]))
    def prune(self, keep: int, grace: float) -> None:
        freed = retention.prune(self.root.store, self.root.generations, self.root.pointers, {"set": Policy(keep, 0, grace, 1)}, time.time() + 1000)
        for name in freed.generations:
            del self.contents[name]

    @precondition(lambda self: self.contents)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.contents)))
        if name in {pointer.generation for pointer in self.root.pointers.all().values()}:
            with pytest.raises(Failure):
                retention.delete(self.root.generations, self.root.pointers, name)
        else:
            retention.delete(self.root.generations, self.root.pointers, name)
            del self.contents[name]

    @invariant()
    def nothing_named_is_missing(self) -> None:
        assert self.root.holes() == []
        assert {one.name for one in self.root.generations.all()} == set(self.contents)
        for name, pointer in self.root.pointers.all().items():
            assert self.frozen.get(name, pointer.generation) == pointer.generation
            assert self.root.read(f"{name}.target.txt") == f"snapshots/{pointer.generation}\n".encode()
            for path, content in self.contents[pointer.generation].items():
                assert self.root.read(name, "s", path) == content


Life.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
test_no_order_of_events_loses_a_file = Life.TestCase
