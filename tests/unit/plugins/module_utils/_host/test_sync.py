# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A synchronisation that dies anywhere can be run again or restored, and the record never lies about it.

The host is a model in memory: a dictionary of versions and a solver that knows what depends on what. It stands for any
package manager, so that thousands of stories can be told; the real ones are tried in tests/integration.
"""

from __future__ import annotations

import tempfile
import typing as t

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import sync, sync_listing, sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_plan import DOWNGRADE, INSTALL, REMOVE, UPGRADE, Known, Step, Targets

NAMES = ("api", "client", "library", "tools")
NEEDS = {"api": "library", "client": "api"}
PACKAGES = st.lists(st.sampled_from(["api", "client", "library", "*"]), min_size=1, unique=True)


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


class Host:
    """Installed and offered versions (plain integers as text); dies after so many changes when told to."""

    family = "apt"

    def __init__(self, installed: t.Dict[str, str], candidates: t.Dict[str, str]) -> None:
        self.present, self.candidates = dict(installed), dict(candidates)
        self.lives: t.Optional[int] = None
        self.fails = False
        self.automatic: t.Set[str] = set()
        self.offers = [str(number) for number in range(9)]

    def require_set(self) -> None:
        """The set is always there."""

    def refresh(self, required: bool) -> None:
        """The indices are always fresh."""

    def mend(self, broken: t.Collection[str]) -> bool:
        assert not broken
        return False

    def offered(self) -> t.List[str]:
        return [name for name in self.present if name != "tools"]

    def installed(self) -> t.Dict[str, str]:
        return dict(self.present)

    def look(self, names: t.Collection[str]) -> t.Dict[str, Known]:
        return {name: Known(self.present.get(name), self.candidates.get(name), dict.fromkeys(self.offers, "updates")) for name in names}

    def simulate(self, targets: Targets, action: str) -> t.List[Step]:  # noqa: ARG002
        wanted = dict(targets)
        for name in [name for name, version in targets.items() if version]:
            needed = NEEDS.get(name)
            while needed:
                if needed not in self.present and wanted.get(needed) is None:
                    wanted[needed] = self.candidates[needed]
                needed = NEEDS.get(needed)
        for name, needed in NEEDS.items():
            if needed in wanted and wanted[needed] is None and name in self.present:
                wanted.setdefault(name, None)
        return [self._step(name, version) for name, version in sorted(wanted.items()) if self.present.get(name) != version]

    def _step(self, name: str, version: t.Optional[str]) -> Step:
        now = self.present.get(name)
        kind = REMOVE if version is None else INSTALL if now is None else UPGRADE if int(version) > int(now) else DOWNGRADE
        return Step(name, kind, now, version, "updates" if version else None)

    def apply(self, targets: Targets, action: str, dependencies: t.Collection[str]) -> t.List[str]:
        self.automatic |= set(dependencies)
        for number, step in enumerate(self.simulate(targets, action)):
            if self.lives is not None and number >= self.lives:
                raise Killed
            if self.fails and number:
                raise Failure(action, "a script failed")
            self.present.pop(step.package, None)
            if step.after is not None:
                self.present[step.package] = step.after
        return []


class Story(RuleBasedStateMachine):
    """Runs, failures, kills and roll-backs in any order."""

    @initialize(installed=st.dictionaries(st.sampled_from(["tools"]), st.just("1")), cloud=st.sampled_from([(), ("library",), ("api", "library"), NAMES[:3]]),
                version=st.sampled_from("15"))
    def begin(self, installed: t.Dict[str, str], cloud: t.Sequence[str], version: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.host = Host({**installed, **dict.fromkeys(cloud, version)}, dict.fromkeys(NAMES, "3"))
        self.first = dict(self.host.present)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def _run(self, call: t.Callable[[], sync.Outcome]) -> t.Optional[sync.Outcome]:
        try:
            return call()
        except (Killed, Failure):
            return None
        finally:
            self.host.lives, self.host.fails = None, False

    @rule(asked=PACKAGES, lives=st.none() | st.integers(0, 2), fails=st.booleans())
    def synchronise(self, asked: t.List[str], lives: t.Optional[int], fails: bool) -> None:
        self.host.lives, self.host.fails = lives, fails
        outcome = self._run(lambda: sync.to_latest(self.host, "r", "s", asked, False, self.folder.name))
        if outcome:
            assert all(self.host.present.get(name) == "3" for name in asked if name != "*")
            assert outcome.after == {name: self.host.present.get(name) for name in outcome.after}
            again = sync.to_latest(self.host, "r", "s", asked, False, self.folder.name)
            assert not again.changed
            assert not again.steps

    @rule(asked=PACKAGES)
    def foresee(self, asked: t.List[str]) -> None:
        before, record = dict(self.host.present), sync_record.load(self._path())
        foreseen = sync.to_latest(self.host, "r", "s", asked, True, self.folder.name)
        assert self.host.present == before
        assert sync_record.load(self._path()) == record
        assert foreseen.changed == any(foreseen.before.get(step.package) != step.after or step.before != step.after for step in foreseen.steps)

    @rule(asked=PACKAGES, lives=st.none() | st.integers(0, 2), newer=st.booleans())
    def synchronise_as_foreseen(self, asked: t.List[str], lives: t.Optional[int], newer: bool) -> None:
        foreseen = sync.to_latest(self.host, "r", "s", asked, True, self.folder.name)
        candidates = self.host.candidates
        if newer:
            self.host.candidates = dict.fromkeys(NAMES, "8")
        self.host.lives = lives
        self._run(lambda: sync.to_latest(self.host, "r", "s", ["*"], False, self.folder.name, plan=foreseen.steps))
        done = sync.to_latest(self.host, "r", "s", ["*"], False, self.folder.name, plan=foreseen.steps)
        self.host.candidates = candidates
        assert {step.package: self.host.present.get(step.package) for step in foreseen.steps} == {step.package: step.after for step in foreseen.steps}
        assert set(done.steps) <= set(foreseen.steps)

    @rule(lives=st.none() | st.integers(0, 2))
    def restore(self, lives: t.Optional[int]) -> None:
        self.host.lives = lives
        if self._run(lambda: sync.to_restored(self.host, "r", "s", False, self.folder.name)):
            assert self.host.present == self.first
            assert not sync.to_restored(self.host, "r", "s", False, self.folder.name).changed

    @rule(version=st.sampled_from("37"))
    def publish(self, version: str) -> None:
        # Only once the host is as it was: a candidate that moves under a half-done run is tried in synchronise().
        if self.host.present == self.first and version == "3":
            self.host.candidates = dict.fromkeys(NAMES, version)

    @invariant()
    def nothing_else_moves(self) -> None:
        if hasattr(self, "host"):
            assert self.host.present.get("tools") == self.first.get("tools")

    @invariant()
    def the_record_knows_what_is_not_as_it_was(self) -> None:
        if not hasattr(self, "host"):
            return
        record = sync_record.load(self._path())
        touched = set(record.touched) if record and record.state != sync_record.RESTORED else set()
        assert {name for name in NAMES if self.host.present.get(name) != self.first.get(name)} <= touched
        if record and record.state != sync_record.RESTORED:
            assert all(record.before[name] == self.first.get(name) for name in record.touched)

    def _path(self) -> str:
        return sync_record.path_of("r", self.folder.name)


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)


def synced(host: Host, folder: t.Any, record: str = "r", whole_host: bool = False) -> sync.Outcome:
    return sync.to_latest(host, record, "s", ["*"], False, str(folder), whole_host=whole_host)


def restored(host: Host, folder: t.Any, record: str = "r", whole_host: bool = False, plan: sync.Plan = None) -> sync.Outcome:
    return sync.to_restored(host, record, "s", False, str(folder), whole_host=whole_host, plan=plan)


def test_any_record_can_be_restored_in_any_order_and_again(tmp_path: t.Any) -> None:
    host = Host({"library": "1"}, {"library": "2"})
    for number in "234":
        host.candidates = {"library": number}
        synced(host, tmp_path, f"to-{number}")
    for number, found in (("3", "2"), ("2", "1"), ("4", "3"), ("2", "1")):
        restored(host, tmp_path, f"to-{number}")
        assert host.present == {"library": found}
        assert not restored(host, tmp_path, f"to-{number}").changed


def test_a_way_back_that_is_cut_short_is_seen(tmp_path: t.Any) -> None:
    host = Host({"api": "1", "library": "1"}, dict.fromkeys(NAMES, "3"))
    synced(host, tmp_path)
    host.lives = 1
    with pytest.raises(Killed):
        restored(host, tmp_path)
    record = sync_record.load(sync_record.path_of("r", str(tmp_path)))
    assert record
    assert record.state == sync_record.PLANNED


def test_the_whole_host_goes_back_and_otherwise_only_what_was_touched(tmp_path: t.Any) -> None:
    first = {"api": "1", "library": "1", "tools": "1"}
    host = Host(first, {**dict.fromkeys(NAMES, "3"), "library": "1"})
    synced(host, tmp_path, whole_host=True)
    host.present.update({"client": "5", "library": "4"})
    del host.present["tools"]
    restored(host, tmp_path)
    assert host.present == {"api": "1", "library": "4", "client": "5"}
    outcome = restored(host, tmp_path, whole_host=True)
    assert host.present == first
    assert outcome.before == {"api": "1", "library": "1", "client": None, "tools": "1"}
    assert not restored(host, tmp_path, whole_host=True).changed


def test_the_whole_host_is_kept_although_nothing_has_to_change(tmp_path: t.Any) -> None:
    host = Host({"library": "3"}, {"library": "3"})
    assert not synced(host, tmp_path, whole_host=True).changed
    host.present["library"] = "4"
    assert restored(host, tmp_path, whole_host=True).changed
    assert host.present == {"library": "3"}


def test_the_whole_host_asked_for_late_is_still_the_host_before_the_first_run(tmp_path: t.Any) -> None:
    host = Host({"api": "1", "tools": "1"}, dict.fromkeys(NAMES, "3"))
    synced(host, tmp_path)
    synced(host, tmp_path, whole_host=True)
    record = sync_record.load(sync_record.path_of("r", str(tmp_path)))
    assert record
    assert record.manifest == {"api": "1", "tools": "1"}


def test_a_record_without_the_whole_host_says_so(tmp_path: t.Any) -> None:
    host = Host({"library": "1"}, {"library": "3"})
    synced(host, tmp_path)
    with pytest.raises(Failure, match="only has the packages its runs changed"):
        restored(host, tmp_path, whole_host=True)
    assert host.present == {"library": "3"}


def test_a_dependency_of_a_plan_counts_as_one(tmp_path: t.Any) -> None:
    host = Host({}, dict.fromkeys(NAMES, "3"))
    plan = sync.to_latest(host, "r", "s", ["client"], True, str(tmp_path)).steps
    assert {step.package: step.dependency for step in plan} == {"api": True, "client": False, "library": True}
    sync.to_latest(host, "r", "s", [], False, str(tmp_path), plan=plan)
    assert host.automatic == {"api", "library"}


def test_a_plan_of_the_way_back_is_followed_or_refused(tmp_path: t.Any) -> None:
    host = Host({"library": "1"}, dict.fromkeys(NAMES, "3"))
    sync.to_latest(host, "r", "s", ["api", "library"], False, str(tmp_path))
    plan = sync.to_restored(host, "r", "s", True, str(tmp_path)).steps
    with pytest.raises(Failure, match=r"would remove api 3 -> \(none\), which is not in the plan"):
        restored(host, tmp_path, plan=[step for step in plan if step.package != "api"])
    assert host.present == {"api": "3", "library": "3"}
    with pytest.raises(Failure, match=r"would not install tools \(none\) -> 3"):
        restored(host, tmp_path, plan=[*plan, Step("tools", INSTALL, None, "3", "updates")])
    assert host.present == {"api": "3", "library": "3"}
    assert restored(host, tmp_path, plan=plan).steps == plan
    assert host.present == {"library": "1"}


def test_the_list_says_of_every_record_whether_the_host_can_go_back(tmp_path: t.Any) -> None:
    host = Host({"library": "1"}, {"library": "2"})
    synced(host, tmp_path, "first")
    host.candidates = {"library": "3"}
    synced(host, tmp_path, "second")
    host.offers = ["2", "3"]
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "second.json.part").write_text("{")
    listing = sync_listing.listed(host, "s", None, False, str(tmp_path))
    rows = {row["record"]: row for row in listing.rows}
    assert set(rows) == {"first", "second"}
    assert not rows["first"]["restorable"]
    assert rows["first"]["missing"] == ["library 1"]
    assert "offers library 1 any more" in rows["first"]["obstacle"]
    assert rows["second"]["restorable"]
    assert rows["second"]["plan"] == [Step("library", DOWNGRADE, "3", "2", "updates").as_result()]
    assert [reason for reason in listing.damaged if "broken.json" in reason] == listing.damaged != []
    assert [row["record"] for row in sync_listing.listed(host, "s", "second", False, str(tmp_path)).rows] == ["second"]
    assert sync_listing.listed(host, "other", None, False, str(tmp_path)).rows == []
    assert [row["obstacle"] for row in sync_listing.listed(host, "s", "second", True, str(tmp_path)).rows if "whole host" in row["obstacle"]]
    assert host.present == {"library": "3"}


def test_a_record_of_another_set_is_refused(tmp_path: t.Any) -> None:
    host = Host({"library": "1"}, {"library": "3"})
    sync.to_latest(host, "r", "one", ["library"], False, str(tmp_path))
    for call in (lambda: sync.to_latest(host, "r", "two", ["library"], False, str(tmp_path)), lambda: sync.to_restored(host, "r", "two", False, str(tmp_path))):
        with pytest.raises(Failure, match="belongs to repository set 'one', not to 'two'"):
            call()


def test_a_failure_is_written_into_the_record_with_what_is_installed(tmp_path: t.Any) -> None:
    host = Host({"library": "1", "api": "1"}, dict.fromkeys(NAMES, "3"))
    host.fails = True
    with pytest.raises(Failure, match="a script failed"):
        sync.to_latest(host, "r", "s", ["*"], False, str(tmp_path))
    record = sync_record.load(sync_record.path_of("r", str(tmp_path)))
    assert record
    assert record.state == sync_record.FAILED
    assert "a script failed" in str(record.error)
    assert record.after == host.present
    assert record.before == {"library": "1", "api": "1"}


def test_what_the_package_manager_did_not_do_is_noticed(tmp_path: t.Any) -> None:
    class Liar(Host):
        def apply(self, targets: Targets, action: str, dependencies: t.Collection[str]) -> t.List[str]:  # noqa: ARG002
            return []

    with pytest.raises(Failure, match="library is 1 instead of 3"):
        sync.to_latest(Liar({"library": "1"}, {"library": "3"}), "r", "s", ["library"], False, str(tmp_path))


def test_a_package_somebody_else_needs_by_now_stays_and_is_named(tmp_path: t.Any) -> None:
    host = Host({}, dict.fromkeys(NAMES, "3"))
    sync.to_latest(host, "r", "s", ["library"], False, str(tmp_path))
    host.present["api"] = "3"
    with pytest.raises(Failure, match="api 3 would be removed"):
        sync.to_restored(host, "r", "s", False, str(tmp_path))
    assert host.present == {"library": "3", "api": "3"}
