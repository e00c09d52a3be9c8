# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A healthy host counts only once it was watched for as long as the wave says; turns; and no order of events opens a gate alone."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._rollout import journal, record, steps
from ansible_collections.egi.cmd.plugins.module_utils._rollout.admission import Wishes
from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Status, Verdict
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import plan_of
from ansible_collections.egi.cmd.plugins.module_utils._rollout.run import observed, this_run

GROUPS = {"all": ["a", "b", "c", "d"], "early": ["a", "b", "c"], "late": ["d"]}
CLUSTERS = {"a": {"rollout_cluster": "one"}, "b": {"rollout_cluster": "one"}}
EARLY = {"name": "early", "soak": "1h", "recheck": "20m", "slots": 1}
PLAN = plan_of([EARLY, {"name": "late"}], GROUPS, "r", hostvars=CLUSTERS)
SMALLER = plan_of([{**EARLY, "hosts": "a,b"}, {"name": "late"}], GROUPS, "r", hostvars=CLUSTERS)
ALL = ["a", "b", "c", "d"]


class Site:
    """A wave with a soak, at any time of one day."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.record = str(directory), ""

    def admit(self, hour: str, **wishes: t.Any) -> dict[str, t.Any]:
        run = {**observed(), **this_run(os.getpid(), "alice")}
        answer = steps.admit(self.directory, PLAN, "early", ["a", "b", "c"], run, Wishes(**wishes), at(hour))
        self.record = answer["record"]
        return answer

    def note(self, hour: str, status: str, *hosts: str) -> dict[str, t.Any]:
        return steps.note(self.directory, self.record, "early", [{"host": host, "status": status} for host in hosts], ALL, at(hour))

    def watch(self, hour: str, batch: t.Sequence[str] = tuple(ALL)) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", steps.watch(self.directory, self.record, "early", batch, at(hour))["watch"])

    def statuses(self) -> list[str]:
        return [journal.load(self.directory, self.record).hosts[host].status.value for host in "abc"]


def at(hour: str) -> str:
    return f"2026-11-20T{hour}:00Z"


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    site = Site(tmp_path)
    site.admit("10:00")
    return site


def test_hosts_go_in_turns(site: Site) -> None:
    answer = site.admit("10:00")
    assert (answer["turns"], answer["soak"]) == ([["a", "c"], ["b"]], 3600)
    site.note("10:05", "healthy", "a")
    assert site.admit("10:06")["turns"] == [["c"], ["b"]]


def test_a_healthy_host_is_watched_before_it_passes(site: Site) -> None:
    answer = site.note("10:00", "healthy", "a", "b", "c")
    assert (site.statuses(), answer["verdict"]) == (["soaking"] * 3, "inconclusive")
    assert answer["watch"] == {"hosts": ["a", "b", "c"], "pause": 1200, "passing": []}
    again = site.note("10:20", "healthy", "a", "b", "c")
    assert (again["watch"]["pause"], again["watch"]["passing"]) == (1200, [])
    assert site.watch("10:45") == {"hosts": ["a", "b", "c"], "pause": 900, "passing": ["a", "b", "c"]}
    assert site.note("10:59", "healthy", "a")["verdict"] == "inconclusive", "nobody passes early"
    last = site.note("11:00", "healthy", "a", "b", "c")
    assert (last["verdict"], last["watch"]) == ("pass", steps.NOTHING_TO_WATCH)
    assert site.statuses() == ["passed"] * 3


def test_a_killed_controller_resumes_what_is_left_of_the_soak(site: Site) -> None:
    site.note("10:00", "healthy", "a", "b", "c")
    answer = site.admit("10:50")
    assert (answer["turns"], answer["soak"]) == ([], 3600)
    assert site.watch("10:50")["pause"] == 600
    assert site.watch("14:00") == {"hosts": ["a", "b", "c"], "pause": 0, "passing": ["a", "b", "c"]}


def test_a_host_that_says_itself_that_it_is_watched_does_not_pass_in_the_record(site: Site) -> None:
    site.note("10:00", "watched", "a", "b", "c")
    assert site.note("12:00", "watched", "a", "b", "c")["watch"] == {"hosts": ["a", "b", "c"], "pause": 0, "passing": ["a", "b", "c"]}
    assert site.statuses() == ["soaking"] * 3
    assert site.note("12:00", "healthy", "a", "b", "c")["verdict"] == "pass"


def test_hosts_that_began_later_pass_later(site: Site) -> None:
    site.note("10:00", "healthy", "a", "b")
    site.note("10:30", "healthy", "c")
    assert site.watch("10:59") == {"hosts": ["a", "b", "c"], "pause": 1200, "passing": ["a", "b"]}
    site.note("11:19", "healthy", "a", "b", "c")
    assert site.statuses() == ["passed", "passed", "soaking"]


def test_a_wave_that_cannot_pass_any_more_is_not_watched(site: Site) -> None:
    site.note("10:00", "healthy", "a", "b")
    assert site.note("10:20", "failed", "c")["watch"]["hosts"] == []


def test_only_hosts_of_this_run_are_watched(site: Site) -> None:
    site.note("10:00", "healthy", "a", "b", "c")
    assert site.watch("10:00", ["b"])["hosts"] == ["b"]


def test_a_host_that_is_changed_again_is_watched_again(site: Site) -> None:
    site.note("10:00", "healthy", "a")
    site.note("10:30", "unreachable", "a")
    site.note("10:40", "started", "a")
    site.note("11:10", "healthy", "a")
    assert site.statuses()[0] == "soaking"
    assert journal.load(site.directory, site.record).hosts["a"].since == at("11:10")


def test_an_emergency_ends_the_soak(site: Site) -> None:
    site.note("10:00", "healthy", "a", "b", "c")
    steps.close(site.directory, site.record, "early", True, False, at("10:01"))
    assert site.admit("10:05", emergency="CVE")["soak"] == 0
    site.note("10:05", "healthy", "a")
    assert site.statuses()[0] == "passed"


def test_the_rounds_of_a_long_soak_are_few() -> None:
    plan = plan_of([{"name": "early", "soak": "2d", "recheck": "1m"}, {"name": "late"}], GROUPS, "r")
    rollout = record.Rollout.unrecorded(plan)
    record.apply(rollout, {**record.host_event("early", "a", "soaking"), "time": at("10:00")})
    assert steps._watch(rollout, plan.waves[0], ALL, at("10:00"))["pause"] == 2 * 86400 // 40


_HOST = st.sampled_from(ALL).flatmap(lambda host: st.sampled_from([one.value for one in Status if one is not Status.NOT_ATTEMPTED]).map(
    lambda status: record.host_event("late" if host == "d" else "early", host, status)))
_WAVE = st.sampled_from(["early", "late"])
_EVENT = st.one_of(
    _HOST, _HOST, _HOST,
    st.builds(lambda wave, verdict: {"event": "gate", "wave": wave, "verdict": verdict.value, "reason": "r"}, _WAVE, st.sampled_from(Verdict)),
    st.builds(lambda wave, verdict: record.approval(wave, verdict, "alice", ""), _WAVE, st.sampled_from(["approved", "refused"])),
    st.sampled_from("abc").map(lambda host: record.set_aside("early", host, "alice", "")),
    st.sampled_from([PLAN, SMALLER]).map(lambda plan: record.replanned(plan, "alice", "")),
    st.sampled_from([{"event": "run_ended"}, record.run_started({"machine": "m"}, ""), record.run_started({"machine": "m"}, "CVE")]),
)


@given(st.lists(_EVENT, max_size=25))
def test_no_order_of_events_opens_a_gate_without_recorded_passes(given_events: list[record.Event]) -> None:
    rollout = record.Rollout.unrecorded(PLAN)
    for event in given_events:
        try:
            record.apply(rollout, {**event, "time": at("10:00")})
        except ValueError:
            assert event.get("host") == "c", "only a host that the plan has lost cannot be told of"
    early = rollout.plan.waves[0]
    status = {host: rollout.hosts[host].status for host in early.hosts}
    if rollout.blocking("late") is None:
        assert "early" not in rollout.failed
        assert any(one is Status.PASSED for one in status.values())
        assert all(one is Status.PASSED or host in rollout.aside for host, one in status.items())
    assert set(rollout.to_do(early)).isdisjoint(rollout.soaking(early))
    assert set(rollout.to_roll_back(early)) <= {host for host in early.hosts if rollout.hosts[host].attempted}
    steps._message(rollout, early)
