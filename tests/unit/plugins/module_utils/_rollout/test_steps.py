# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a wave: who may start, what resumes, what is rolled back, and what is said."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import journal, steps
from ansible_collections.egi.cmd.plugins.module_utils._rollout.admission import Wishes
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan, plan_of
from ansible_collections.egi.cmd.plugins.module_utils._rollout.run import observed, this_run

GROUPS = {"all": ["a", "b", "c"], "early_adopters": ["a", "b"], "production": ["c"]}
NOW = "2026-11-20T12:00:00Z"
LATER = "2026-11-20T13:00:00Z"


def run_of(pid: int, user: str) -> dict[str, t.Any]:
    """A run as the lookup hands it over."""
    return {**observed(), **this_run(pid, user)}


class Site:
    """A controller with its records, driven as the playbook does."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = str(directory)
        self.plan: Plan = plan_of(None, GROUPS, "cmd-os-1")
        self.run = run_of(os.getpid(), "alice")
        self.record = ""

    def admit(self, wave: str, now: str = NOW, take_over: bool = False, batch: t.Sequence[str] = (), **wishes: t.Any) -> dict[str, t.Any]:
        answer = steps.admit(self.directory, self.plan, wave, batch or self.plan.wave(wave).hosts, self.run, Wishes(take_over=take_over, **wishes), now)
        self.record = answer["record"]
        return answer

    def note(self, status: str, *hosts: str, now: str = NOW, **details: t.Any) -> dict[str, t.Any]:
        wave = next(wave.name for wave in self.plan.waves if hosts[0] in wave.hosts)
        results = [{"host": host, "status": status, **details} for host in hosts]
        return steps.note(self.directory, self.record, wave, results, [host for one in self.plan.waves for host in one.hosts], now)

    def judge(self, wave: str) -> dict[str, t.Any]:
        return steps.judge(self.directory, self.record, wave, NOW)

    def take_back(self, wave: str) -> dict[str, t.Any]:
        answer = steps.take_back(self.directory, self.plan, wave, self.plan.wave(wave).hosts, self.run, Wishes(), NOW)
        self.record = answer["record"]
        return answer

    def close(self, wave: str, last: bool = False, asked: bool = False) -> dict[str, t.Any]:
        return steps.close(self.directory, self.record, wave, last, asked, NOW)


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path)


def dead_run() -> dict[str, t.Any]:
    return {**run_of(os.getpid(), "bob"), "started": "1"}


def test_two_waves_that_pass(site: Site) -> None:
    assert site.admit("early_adopters")["hosts"] == ["a", "b"]
    site.note("started", "a", "b")
    site.note("healthy", "a", "b")
    assert (site.judge("early_adopters")["phase"], site.close("early_adopters")["verdict"]) == ("done", "pass")
    first = site.record
    assert site.admit("production")["hosts"] == ["c"]
    assert site.record == first
    site.note("healthy", "c")
    assert site.judge("production")["verdict"] == "pass"
    assert site.close("production", last=True)["message"] == "production: 1 of 1 healthy; needs 1 of 1. cmd-os-1 is rolled out."
    assert journal.running(site.directory) == []
    assert journal.newest_open(site.directory, site.plan) is None


def test_a_limit_cannot_get_past_the_gate(site: Site) -> None:
    with pytest.raises(Failure, match="early_adopters: 0 of 2 healthy, 2 not attempted: a, b; needs 2 of 2"):
        site.admit("production")
    assert list(pathlib.Path(site.directory).glob("*.jsonl")) == []


def test_half_a_wave_is_not_a_pass(site: Site) -> None:
    site.admit("early_adopters", batch=["a"])
    site.note("healthy", "a")
    assert site.judge("early_adopters")["verdict"] == "inconclusive"
    with pytest.raises(Failure, match="1 not attempted: b"):
        site.admit("production")
    assert site.admit("early_adopters")["hosts"] == ["b"]


def test_a_batch_that_mixes_waves_is_refused(site: Site) -> None:
    with pytest.raises(Failure, match="c is not in it"):
        site.admit("early_adopters", batch=["a", "c"])


def test_a_failed_wave_goes_back_and_says_why(site: Site) -> None:
    site.admit("early_adopters")
    site.note("started", "a", "b", previous={"set": "s", "generation": "g"})
    site.note("healthy", "b")
    site.note("failed", "a", reason="health check 'cloud-api --check' exited 1")
    verdict = site.judge("early_adopters")
    assert (verdict["phase"], verdict["hosts"], verdict["previous"]["a"]) == ("roll_back", ["a", "b"], {"set": "s", "generation": "g"})
    site.note("rolled_back", "a", "b")
    assert site.close("early_adopters")["message"] == (
        "early_adopters: 1 of 2 healthy, 1 failed: a (health check 'cloud-api --check' exited 1); needs 2 of 2. "
        "Rolled back: a, b. production was not started. Correct the cause and run the same command again."
    )
    first = site.record
    assert site.admit("early_adopters", LATER)["hosts"] == ["a", "b"]
    assert site.record != first


def test_a_host_that_was_never_touched_is_not_rolled_back(site: Site) -> None:
    site.admit("early_adopters")
    site.note("failed", "a")
    site.note("unreachable", "b")
    assert site.judge("early_adopters")["hosts"] == []
    assert "No host had been changed" in site.close("early_adopters")["message"]


def test_a_host_that_was_lost_in_the_middle_is_rolled_back(site: Site) -> None:
    site.admit("early_adopters")
    site.note("started", "a", "b")
    site.note("unreachable", "a")
    site.note("failed", "b")
    assert site.judge("early_adopters")["hosts"] == ["a", "b"]


def test_an_interrupted_roll_back_is_finished_first(site: Site) -> None:
    site.admit("early_adopters")
    site.note("started", "a", "b")
    site.note("failed", "a", "b")
    site.judge("early_adopters")
    site.note("rolled_back", "a")
    first = site.record
    again = site.admit("early_adopters", LATER)
    assert (again["phase"], again["hosts"], again["record"]) == ("roll_back", [], first)
    assert site.judge("early_adopters")["hosts"] == ["b"]
    site.note("rollback_failed", "b", reason="disk full")
    assert "Rolled back: a. Not rolled back: b (disk full)" in site.close("early_adopters")["message"]
    with pytest.raises(Failure, match="the gate before it is closed"):
        site.admit("production")


def test_an_unreachable_host_pauses_and_resumes(site: Site) -> None:
    site.admit("early_adopters")
    site.note("healthy", "a")
    site.note("unreachable", "b")
    verdict = site.judge("early_adopters")
    assert (verdict["verdict"], verdict["hosts"]) == ("inconclusive", [])
    message = site.close("early_adopters")["message"]
    assert "Nothing was rolled back. production was not started" in message
    assert "to resume" in message
    assert site.admit("early_adopters", LATER)["hosts"] == ["b"]


def test_another_release_does_not_resume(site: Site) -> None:
    site.admit("early_adopters")
    site.note("healthy", "a", "b")
    site.plan = plan_of(None, GROUPS, "cmd-os-1", packages="cloud-api")
    with pytest.raises(Failure, match="2 not attempted: a, b"):
        site.admit("production")


def test_a_second_operator_is_told_who_is_at_work(site: Site, tmp_path: pathlib.Path) -> None:
    site.admit("early_adopters")
    second = Site(tmp_path)
    second.run = run_of(os.getppid(), "bob")
    with pytest.raises(Failure, match=f"is being run by alice, process {os.getpid()} on ") as caught:
        second.admit("early_adopters", take_over=True)
    assert "Wait until that run ends" in str(caught.value)


def test_a_run_that_was_killed_is_resumed_without_asking(site: Site) -> None:
    site.run = dead_run()
    site.admit("early_adopters")
    site.note("healthy", "a")
    first, site.run = site.record, run_of(os.getpid(), "alice")
    assert (site.admit("early_adopters", LATER)["hosts"], site.record) == (["b"], first)


def test_a_run_on_another_machine_is_taken_over_only_on_request(site: Site) -> None:
    site.run = {**dead_run(), "machine": "elsewhere.example.org"}
    site.admit("early_adopters")
    site.run = run_of(os.getpid(), "alice")
    with pytest.raises(Failure, match="rollout_take_over=true"):
        site.admit("early_adopters")
    assert site.admit("early_adopters", take_over=True)["hosts"] == ["a", "b"]


def test_the_next_job_on_another_machine_goes_on_after_a_proper_end(site: Site) -> None:
    site.run = {**dead_run(), "machine": "job-1"}
    site.admit("early_adopters")
    site.note("healthy", "a", "b")
    site.close("early_adopters", last=True)
    first, site.run = site.record, run_of(os.getpid(), "alice")
    assert (site.admit("production")["hosts"], site.record) == (["c"], first)


def test_two_rollouts_opened_in_one_second_keep_their_order(site: Site) -> None:
    names = [journal.create(site.directory, site.plan, NOW).name for _number in range(11)]
    assert len(set(names)) == 11
    found = journal.newest_open(site.directory, site.plan)
    assert found is not None
    assert found.name == names[-1]


def test_a_finished_rollout_goes_back_on_request(site: Site) -> None:
    site.admit("early_adopters")
    site.note("started", "a", "b")
    site.note("healthy", "a", "b")
    site.judge("early_adopters")
    site.admit("production")
    site.note("started", "c")
    site.note("healthy", "c")
    site.close("production", last=True)
    first = site.record
    assert (site.take_back("early_adopters")["record"], site.judge("early_adopters")["hosts"]) == (first, ["a", "b"])
    site.note("rolled_back", "a", "b")
    closed = site.close("early_adopters", asked=True)
    assert (closed["stop"], closed["message"]) == (False, "early_adopters: alice asked for the roll-back. Rolled back: a, b.")
    assert site.take_back("production")["phase"] == "roll_back"
    assert site.judge("production")["hosts"] == ["c"]
    site.note("rollback_failed", "c", reason="disk full")
    assert site.close("production", last=True, asked=True)["stop"] is True
    assert site.admit("early_adopters")["record"] == first, "the roll-back is not over yet"


def test_there_must_be_something_to_roll_back(site: Site) -> None:
    with pytest.raises(Failure, match="no rollout with this plan is recorded"):
        site.take_back("early_adopters")


def test_a_preview_records_nothing(site: Site) -> None:
    answer = steps.preview(site.plan, "production", "", NOW)
    assert (answer["phase"], answer["hosts"], answer["record"]) == ("preview", ["c"], "")
    assert [line.split()[:3] for line in answer["table"][1:]] == [
        ["1", "early_adopters", "a"], ["1", "early_adopters", "b"], ["2", "production", "c"],
    ]
    assert os.listdir(site.directory) == []


def test_a_host_of_another_wave_cannot_be_recorded(site: Site) -> None:
    site.admit("early_adopters")
    with pytest.raises(Failure, match="not in wave 'early_adopters'"):
        steps.note(site.directory, site.record, "early_adopters", [{"host": "c", "status": "healthy"}], [], NOW)


def test_a_missing_record_is_no_traceback(site: Site) -> None:
    with pytest.raises(Failure, match="there is no such file"):
        steps.judge(site.directory, "gone", "early_adopters", NOW)


def test_the_table_is_made_from_the_record_alone(site: Site) -> None:
    site.admit("early_adopters")
    site.note("healthy", "a", packages=[{"name": "cloud-api", "version": "2.2-1", "origin": "cmd-os-1-updates"}])
    site.note("failed", "b")
    site.note("rolled_back", "b")
    assert site.judge("early_adopters")["table"] == [
        "HOST  WAVE            RELEASE   PACKAGE    VERSION  ORIGIN            VERDICT",
        "a     early_adopters  cmd-os-1  cloud-api  2.2-1    cmd-os-1-updates  passed",
        "b     early_adopters  cmd-os-1  -          -        -                 failed, rolled back",
        "c     production      cmd-os-1  -          -        -                 not attempted",
    ]


def test_a_host_with_many_packages_is_one_row(site: Site) -> None:
    site.admit("early_adopters")
    site.note("healthy", "a", packages=[{"name": f"p{number}", "version": "1", "origin": "o"} for number in range(9)])
    assert site.judge("early_adopters")["table"][1] == "a     early_adopters  cmd-os-1  9 packages  -        -       passed"


def test_a_host_left_in_the_middle_is_finished_when_the_window_has_closed_but_no_other_is_begun(site: Site) -> None:
    opening = {"days": ["friday"], "from": "09:00", "to": "12:30"}
    site.plan = plan_of([{"name": "early_adopters", "windows": [opening]}, {"name": "production"}], GROUPS, "cmd-os-1")
    assert site.admit("early_adopters")["hosts"] == ["a", "b"]
    site.note("started", "a")
    assert site.admit("early_adopters", now=LATER)["hosts"] == ["a"]
    site.note("healthy", "a", now=LATER)
    with pytest.raises(Failure, match="it is outside the wave's windows; it opens at 2026-11-27T09:00:00Z"):
        site.admit("early_adopters", now=LATER)
