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
from ansible_collections.egi.cmd.plugins.module_utils._host import sync, sync_record
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
        self.installed, self.candidates = dict(installed), dict(candidates)
        self.lives: t.Optional[int] = None
        self.fails = False

    def require_set(self) -> None:
        """The set is always there."""

    def refresh(self, required: bool) -> None:
        """The indices are always fresh."""

    def mend(self, broken: t.Collection[str]) -> bool:
        assert not broken
        return False

    def offered(self) -> t.List[str]:
        return [name for name in self.installed if name != "tools"]

    def look(self, names: t.Collection[str]) -> t.Dict[str, Known]:
        return {name: Known(self.installed.get(name), self.candidates.get(name), {str(number): "updates" for number in range(9)}) for name in names}

    def simulate(self, targets: Targets, action: str) -> t.List[Step]:  # noqa: ARG002
        wanted = dict(targets)
        for name in [name for name, version in targets.items() if version]:
            needed = NEEDS.get(name)
            while needed:
                if needed not in self.installed and wanted.get(needed) is None:
                    wanted[needed] = self.candidates[needed]
                needed = NEEDS.get(needed)
        for name, needed in NEEDS.items():
            if needed in wanted and wanted[needed] is None and name in self.installed:
                wanted.setdefault(name, None)
        return [self._step(name, version) for name, version in sorted(wanted.items()) if self.installed.get(name) != version]

    def _step(self, name: str, version: t.Optional[str]) -> Step:
        now = self.installed.get(name)
        kind = REMOVE if version is None else INSTALL if now is None else UPGRADE if int(version) > int(now) else DOWNGRADE
        return Step(name, kind, now, version, "updates")

    def apply(self, targets: Targets, action: str) -> t.List[str]:
        for number, step in enumerate(self.simulate(targets, action)):
            if self.lives is not None and number >= self.lives:
                raise Killed
            if self.fails and number:
                raise Failure(action, "a script failed")
            self.installed.pop(step.package, None)
            if step.after is not None:
                self.installed[step.package] = step.after
        return []


class Story(RuleBasedStateMachine):
    """Runs, failures, kills and roll-backs in any order."""

    @initialize(installed=st.dictionaries(st.sampled_from(["tools"]), st.just("1")), cloud=st.sampled_from([(), ("library",), ("api", "library"), NAMES[:3]]),
                version=st.sampled_from("15"))
    def begin(self, installed: t.Dict[str, str], cloud: t.Sequence[str], version: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.host = Host({**installed, **dict.fromkeys(cloud, version)}, dict.fromkeys(NAMES, "3"))
        self.first = dict(self.host.installed)

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
            assert all(self.host.installed.get(name) == "3" for name in asked if name != "*")
            assert outcome.after == {name: self.host.installed.get(name) for name in outcome.after}
            again = sync.to_latest(self.host, "r", "s", asked, False, self.folder.name)
            assert not again.changed
            assert not again.steps

    @rule(asked=PACKAGES)
    def foresee(self, asked: t.List[str]) -> None:
        before, record = dict(self.host.installed), sync_record.load(self._path())
        foreseen = sync.to_latest(self.host, "r", "s", asked, True, self.folder.name)
        assert self.host.installed == before
        assert sync_record.load(self._path()) == record
        assert foreseen.changed == any(foreseen.before.get(step.package) != step.after or step.before != step.after for step in foreseen.steps)

    @rule(lives=st.none() | st.integers(0, 2))
    def restore(self, lives: t.Optional[int]) -> None:
        self.host.lives = lives
        if self._run(lambda: sync.to_restored(self.host, "r", "s", False, self.folder.name)):
            assert self.host.installed == self.first
            assert not sync.to_restored(self.host, "r", "s", False, self.folder.name).changed

    @rule(version=st.sampled_from("37"))
    def publish(self, version: str) -> None:
        # Only once the host is as it was: a candidate that moves under a half-done run is tried in synchronise().
        if self.host.installed == self.first and version == "3":
            self.host.candidates = dict.fromkeys(NAMES, version)

    @invariant()
    def nothing_else_moves(self) -> None:
        if hasattr(self, "host"):
            assert self.host.installed.get("tools") == self.first.get("tools")

    @invariant()
    def the_record_knows_what_is_not_as_it_was(self) -> None:
        if not hasattr(self, "host"):
            return
        record = sync_record.load(self._path())
        touched = set(record.touched) if record and record.state != sync_record.RESTORED else set()
        assert {name for name in NAMES if self.host.installed.get(name) != self.first.get(name)} <= touched
        if record and record.state != sync_record.RESTORED:
            assert all(record.before[name] == self.first.get(name) for name in record.touched)

    def _path(self) -> str:
        return sync_record.path_of("r", self.folder.name)


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)


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
    assert record.after == host.installed
    assert record.before == {"library": "1", "api": "1"}


def test_what_the_package_manager_did_not_do_is_noticed(tmp_path: t.Any) -> None:
    class Liar(Host):
        def apply(self, targets: Targets, action: str) -> t.List[str]:  # noqa: ARG002
            return []

    with pytest.raises(Failure, match="library is 1 instead of 3"):
        sync.to_latest(Liar({"library": "1"}, {"library": "3"}), "r", "s", ["library"], False, str(tmp_path))


def test_a_package_somebody_else_needs_by_now_stays_and_is_named(tmp_path: t.Any) -> None:
    host = Host({}, dict.fromkeys(NAMES, "3"))
    sync.to_latest(host, "r", "s", ["library"], False, str(tmp_path))
    host.installed["api"] = "3"
    with pytest.raises(Failure, match="api 3 would be removed"):
        sync.to_restored(host, "r", "s", False, str(tmp_path))
    assert host.installed == {"library": "3", "api": "3"}
