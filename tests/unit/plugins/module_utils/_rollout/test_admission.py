# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wave waits for: windows, days without a release, approvals, a changed inventory; and what a person may decide."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import journal, steps
from ansible_collections.egi.cmd.plugins.module_utils._rollout.admission import Wishes, difference, emergency_reason
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan, plan_of
from ansible_collections.egi.cmd.plugins.module_utils._rollout.run import observed, this_run

GROUPS = {"all": ["a", "b", "c"], "early": ["a", "b"], "late": ["c"]}
FRIDAY = "2026-11-20T12:00:00Z"
MONDAY = "2026-11-23T10:00:00Z"
OFFICE = {"days": ["monday", "tuesday"], "from": "09:00", "to": "16:00"}


class Site:
    """Records of one controller; who runs it is said in each call."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory, self.record = str(directory), ""

    def admit(self, plan: Plan, wave: str, now: str = FRIDAY, user: str = "alice", **wishes: t.Any) -> dict[str, t.Any]:
        run = {**observed(), **this_run(os.getpid(), user)}
        answer = steps.admit(self.directory, plan, wave, plan.wave(wave).hosts, run, Wishes(**wishes), now)
        self.record = answer["record"]
        return answer

    def note(self, wave: str, status: str, *hosts: str, now: str = FRIDAY, **details: t.Any) -> dict[str, t.Any]:
        return steps.note(self.directory, self.record, wave, [{"host": host, "status": status, **details} for host in hosts], ["a", "b", "c"], now)

    def passes(self, plan: Plan, wave: str) -> None:
        self.admit(plan, wave)
        self.note(wave, "healthy", *plan.wave(wave).hosts)

    def close(self, wave: str) -> None:
        steps.close(self.directory, self.record, wave, True, False, FRIDAY)


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path)


def planned(release: t.Any = "r", groups: t.Mapping[str, list[str]] | None = None, early: t.Mapping[str, t.Any] | None = None,
            **late: t.Any) -> Plan:
    return plan_of([{"name": "early", **(early or {})}, {"name": "late", **late}], groups or GROUPS, release)


def test_a_closed_window_stops_the_wave_and_says_when_it_opens(site: Site) -> None:
    plan = planned(early={"windows": [OFFICE]})
    with pytest.raises(Failure, match="outside the wave's windows; it opens at 2026-11-23T09:00:00Z"):
        site.admit(plan, "early")
    assert os.listdir(site.directory) == ["lock"], "nothing was decided, so nothing is recorded"
    assert site.admit(plan, "early", MONDAY)["hosts"] == ["a", "b"]


def test_a_day_without_a_release_stops_the_wave(site: Site) -> None:
    plan = planned({"name": "r", "no_release": [{"days": ["friday"], "reason": "nobody is here at the weekend"}]})
    with pytest.raises(Failure, match="nothing is released on this day: nobody is here at the weekend; it opens at 2026-11-21T00:00:00Z"):
        site.admit(plan, "early")


def test_an_emergency_waits_for_no_window_and_no_soak_but_for_gates(site: Site) -> None:
    plan = planned(early={"windows": [OFFICE], "soak": "1h"})
    assert site.admit(plan, "early", emergency="CVE-2026-1")["soak"] == 0
    site.note("early", "healthy", "a")
    with pytest.raises(Failure, match="1 of 2 healthy, 1 not attempted: b"):
        site.admit(plan, "late", emergency="CVE-2026-1")
    assert journal.load(site.directory, site.record).hosts["a"].status == "passed"


@pytest.mark.parametrize("given, reason", [(None, ""), ("", ""), (False, ""), ("false", ""), ("no", ""), (" CVE \n 1 ", "CVE 1")])
def test_an_emergency_has_a_reason(given: t.Any, reason: str) -> None:
    assert emergency_reason(given) == reason
    for one in (True, "true", "Yes"):
        with pytest.raises(Failure, match="which is no reason"):
            emergency_reason(one)


def test_what_is_only_watched_needs_no_window(site: Site) -> None:
    plan = planned(early={"windows": [OFFICE], "soak": "1h"})
    site.admit(plan, "early", MONDAY)
    site.note("early", "healthy", "a", "b", now=MONDAY)
    site.close("early")
    assert site.admit(plan, "early", "2026-11-23T17:00:00Z")["hosts"] == []


def test_hosts_left_in_the_middle_are_finished_outside_the_window(site: Site) -> None:
    plan = planned(early={"windows": [OFFICE]})
    site.admit(plan, "early", MONDAY)
    site.note("early", "started", "a", now=MONDAY)
    site.close("early")
    assert site.admit(plan, "early", "2026-11-23T17:00:00Z")["turns"] == [["a"]]
    site.note("early", "healthy", "a", now="2026-11-23T17:10:00Z")
    with pytest.raises(Failure, match="it opens at 2026-11-24T09:00:00Z"):
        site.admit(plan, "early", "2026-11-23T17:11:00Z")


def test_nobody_approves_in_advance(site: Site) -> None:
    plan = planned(approval=True)
    with pytest.raises(Failure, match="approve wave 'late': the gate before it is closed: early: 0 of 2 healthy"):
        site.admit(plan, "early", approve=("late",))
    site.passes(plan, "early")
    with pytest.raises(Failure, match="it waits for the approval of a person. To approve it, run the same command with -e rollout_approve=late"):
        site.admit(plan, "late")
    assert site.admit(plan, "late", approve=("late",), text="seen the graphs")["hosts"] == ["c"]
    assert journal.load(site.directory, site.record).approvals["late"]["text"] == "seen the graphs"


def test_only_those_who_may_approve(site: Site) -> None:
    plan = planned(approval={"by": ["bob", "carol"]})
    site.passes(plan, "early")
    site.close("early")
    with pytest.raises(Failure, match="alice is not one of those who may: bob, carol"):
        site.admit(plan, "late", approve=("late",))
    assert site.admit(plan, "late", user="carol", approve=("late",))["hosts"] == ["c"]


def test_a_refusal_stands_until_somebody_approves(site: Site) -> None:
    plan = planned(approval=True)
    site.passes(plan, "early")
    site.close("early")
    with pytest.raises(Failure, match=r"bob refused it \(the load is up\)"):
        site.admit(plan, "late", user="bob", refuse=("late",), text="the load is up")
    with pytest.raises(Failure, match=r"bob refused it \(the load is up\). To approve it after all, run"):
        site.admit(plan, "late")
    assert journal.running(site.directory) == [], "a run that was refused has ended"
    assert site.admit(plan, "late", approve=("late",))["hosts"] == ["c"]


def test_the_waves_of_a_run_record_its_answer_once(site: Site) -> None:
    plan = planned(approval=True)
    site.passes(plan, "early")
    site.admit(plan, "early", refuse=("late",))
    with pytest.raises(Failure, match="alice refused it"):
        site.admit(plan, "late", refuse=("late",))
    assert pathlib.Path(journal.path_of(site.directory, site.record)).read_text().count('"event": "approval"') == 1
    with pytest.raises(Failure, match="it is both approved and refused"):
        site.admit(plan, "late", refuse=("late",), approve=("late",))


def test_an_answer_to_a_wave_that_is_not_there_is_refused(site: Site) -> None:
    for wishes in ({"approve": ("never",)}, {"refuse": ("never",)}):
        with pytest.raises(Failure, match="the plan has early, late"):
            site.admit(planned(), "early", **wishes)


def test_a_host_is_set_aside_and_not_worked_on(site: Site) -> None:
    plan = planned()
    site.admit(plan, "early")
    site.note("early", "healthy", "a")
    site.note("early", "unreachable", "b")
    with pytest.raises(Failure, match="set a aside: it has passed"):
        site.admit(plan, "early", set_aside=("a",))
    with pytest.raises(Failure, match="set x aside: it is in no wave"):
        site.admit(plan, "early", set_aside=("x",))
    answer = site.admit(plan, "early", set_aside=("b",), text="in repair")
    assert (answer["hosts"], answer["verdict"]) == ([], "pass")
    assert "1 set aside: b; needs 1 of 1" in answer["message"]
    assert site.admit(plan, "late")["hosts"] == ["c"]


def test_setting_everybody_aside_opens_no_gate(site: Site) -> None:
    plan = planned()
    assert site.admit(plan, "early", set_aside=("a", "b"))["verdict"] == "inconclusive"
    with pytest.raises(Failure, match="2 set aside: a, b; needs 1 of 0"):
        site.admit(plan, "late")


def test_a_changed_inventory_is_named_and_adopted_on_request(site: Site) -> None:
    site.passes(planned(), "early")
    smaller = planned(groups={"all": ["a", "c", "d"], "early": ["a"], "late": ["c", "d"]})
    with pytest.raises(Failure, match="have changed since it was opened: b is no longer in wave 'early'; min_passed of wave 'early' is 1 instead of 2; "
                                      "d is now in wave 'late'; and 1 more. Undo the change, or go on with the new plan"):
        site.admit(smaller, "late")
    assert site.admit(smaller, "late", replan=True, text="b is gone")["hosts"] == ["c", "d"]
    told = journal.load(site.directory, site.record)
    assert (told.plan.digest, told.hosts["a"].status.value, "b" in told.hosts) == (smaller.digest, "passed", False)


def test_a_wave_that_is_gone_is_a_changed_plan_and_no_other_rollout(site: Site) -> None:
    site.passes(planned(), "early")
    with pytest.raises(Failure, match="wave 'late' is gone"):
        site.admit(plan_of([{"name": "early"}], GROUPS, "r"), "early")


def test_a_wave_that_is_being_rolled_back_keeps_its_plan(site: Site) -> None:
    plan = planned()
    site.admit(plan, "early")
    site.note("early", "started", "a", "b")
    site.note("early", "failed", "a")
    steps.judge(site.directory, site.record, "early", FRIDAY)
    with pytest.raises(Failure, match="wave 'early' is being rolled back"):
        site.admit(planned(min_passed=1, early={"hosts": "a"}), "early", replan=True)


def test_what_differs_between_plans_is_said() -> None:
    assert difference(planned(), planned()) == "the order of waves or hosts"
    one, other = planned(soak="10m"), plan_of([{"name": "early"}, {"name": "last", "hosts": "late"}], GROUPS, "r")
    assert difference(one, other) == "wave 'late' is gone; wave 'last' is new"
    assert difference(planned(), one) == "soak of wave 'late' is 600 instead of 0; recheck of wave 'late' is 300 instead of 0"


def test_a_host_without_a_required_check_is_tried_again(site: Site) -> None:
    plan = planned(early={"required_checks": ["api"]})
    site.admit(plan, "early")
    site.note("early", "healthy", "a", checks=[{"name": "api", "verdict": "passed", "detail": ""}])
    site.note("early", "healthy", "b", checks=[{"name": "api", "verdict": "failed_before", "detail": "as before"}])
    answer = site.admit(plan, "early")
    assert (answer["hosts"], answer["verdict"]) == (["b"], "inconclusive")
