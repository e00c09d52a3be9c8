#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staged rollouts on real hosts: apt1 is the early adopter, dnf1 is production; runs inside a lab session.

Arguments name the cases to run; all if there are none.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import decisions
from controller import (
    MEMORY,
    RECORDS,
    ROOTS,
    UNREACHABLE,
    WORK,
    behind_a_cable,
    command,
    environment,
    events,
    publish,
    records,
    rollout,
    same,
    sites,
    state,
    statuses,
    version,
    wait_until,
)


def the_plan_is_shown_and_nothing_changes() -> None:
    before = state("apt1"), state("dnf1")
    code, said = rollout("--check")
    assert code == 0, said
    assert re.search(r"2 +production +dnf1 .*1 of 1 pass, 0 may fail", said), said
    same("apt1", before[0])
    same("dnf1", before[1])
    assert records() == []


def a_limit_cannot_get_past_the_gate() -> None:
    before = state("dnf1")
    code, said = rollout("--limit", "production")
    assert code != 0, said
    assert "early_adopters: 0 of 1 healthy, 1 not attempted: apt1; needs 1 of 1" in said, said
    same("dnf1", before)


def a_first_rollout_that_fails_leaves_no_trace() -> None:
    """A check fails on apt1, which goes back to the base distribution's packages; dnf1 never hears of it."""
    sites(rollout_health_checks=["cloud-api --check", "test -e /nowhere"])
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "early_adopters: 0 of 1 healthy, 1 failed: apt1 (health check 'test -e /nowhere' exited 1); needs 1 of 1" in said, said
    assert "Rolled back: apt1. production was not started" in said, said
    assert "rescued=1" in said, said
    assert statuses(records()[-1], "apt1") == ["started", "failed", "rolled_back"]
    assert statuses(records()[-1], "dnf1") == []
    assert not (ROOTS["apt1"] / MEMORY).exists()
    same("apt1", before[0])
    same("dnf1", before[1])


def a_host_that_is_down_pauses_the_rollout() -> None:
    sites(apt1=UNREACHABLE)
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "early_adopters: 0 of 1 healthy, 1 unreachable: apt1" in said, said
    assert "Nothing was rolled back. production was not started. Run the same command" in said, said
    same("apt1", before[0])
    same("dnf1", before[1])
    assert [event["verdict"] for event in events(records()[-1]) if event["event"] == "gate"] == ["inconclusive"]


def a_rollout_survives_kill_9_and_a_second_operator() -> None:
    """Resume what the host that was down had paused; be killed in the middle; be refused meanwhile; resume again."""
    sites()
    paused, before = records()[-1], state("dnf1")
    first = subprocess.Popen(command(), cwd=WORK, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: "started" in statuses(paused, "apt1"), "apt1 is being changed")
        code, said = rollout()
        assert code != 0, said
        assert f"{paused.stem} is being run by " in said, said
        assert f"process {first.pid} on " in said, said
    finally:
        first.kill()
        first.wait()
    same("dnf1", before)
    with paused.open("a") as file:
        file.write('{"event": "host", "host": "ap')  # what a write looks like that the kill cut in two
    code, said = rollout()
    assert code == 0, said
    assert records()[-1] == paused, "the rollout was not resumed"
    assert "production: 1 of 1 healthy; needs 1 of 1. cmd-os-1 is rolled out." in said, said
    assert version("apt1", "cloud-api").startswith("2.2-")
    assert version("dnf1", "cloud-api").startswith("2.2-")
    assert statuses(paused, "apt1")[-1] == statuses(paused, "dnf1")[-1] == "passed"


def a_host_lost_in_the_middle_has_not_passed() -> None:
    """apt1 is cut off before its change: the wave's only host is gone, and the gate is computed all the same."""
    sites(apt1=behind_a_cable("apt1"), rollout_pre_checks=["touch /unplugged"], rollout_packages="cloud-api")
    before = state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "early_adopters: 0 of 1 healthy, 1 unreachable: apt1" in said, said
    assert "Nothing was rolled back. production was not started" in said, said
    assert statuses(records()[-1], "apt1") == ["started", "unreachable"]
    same("dnf1", before)
    (ROOTS["apt1"] / "unplugged").unlink()
    sites(rollout_packages="cloud-api")
    first = records()[-1]
    code, said = rollout()
    assert code == 0, said
    assert records()[-1] == first


def a_second_rollout_changes_nothing() -> None:
    sites()
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code == 0, said
    same("apt1", before[0])
    same("dnf1", before[1])
    assert said.count("changed=0") == 2, said


def a_hand_over_between_two_runs() -> None:
    """Early adopters in one run, production in the next, as with an approval between two jobs."""
    sites()
    code, said = rollout("--limit", "early_adopters")
    assert code == 0, said
    first = records()[-1]
    code, said = rollout("--limit", "production")
    assert code == 0, said
    assert records()[-1] == first
    assert statuses(first, "dnf1") == ["started", "passed"]


def a_finished_rollout_goes_back_on_request() -> None:
    """Early adopters, and nobody else, get what is proposed; then both go back to what they had before."""
    sites(rollout_waves=[{"name": "early_adopters", "opt_in": "proposed"}, {"name": "production"}])
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code == 0, said
    assert version("apt1", "cloud-client").startswith("3.1-")
    assert version("dnf1", "cloud-client").startswith("3.0-")
    code, said = rollout("-e", "rollout_roll_back=true")
    assert code == 0, said
    assert " asked for the roll-back. Rolled back: apt1." in said, said
    same("apt1", before[0])
    same("dnf1", before[1])


def a_broken_update_goes_back_to_the_update_before() -> None:
    sites()
    publish("broken")
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "1 failed: apt1 (health check 'cloud-api --check' exited 1: cloud-api 2.3: cannot read its own database)" in said, said
    same("apt1", before[0])
    same("dnf1", before[1])


def damage_is_named() -> None:
    damaged = RECORDS / "damaged.jsonl"
    damaged.write_text("not a record\n")
    code, said = rollout()
    damaged.unlink()
    assert code != 0, said
    assert f"Failed to read the rollout record {damaged}: line 1 is not one of its events" in said, said


CASES = (
    the_plan_is_shown_and_nothing_changes, a_limit_cannot_get_past_the_gate, a_first_rollout_that_fails_leaves_no_trace,
    a_host_that_is_down_pauses_the_rollout, a_rollout_survives_kill_9_and_a_second_operator,
    a_host_lost_in_the_middle_has_not_passed, a_second_rollout_changes_nothing, a_hand_over_between_two_runs, a_finished_rollout_goes_back_on_request,
    *decisions.CASES, a_broken_update_goes_back_to_the_update_before, damage_is_named, decisions.every_line_keeps_the_published_schema,
)


def main() -> int:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    publish("proposed")
    sites()
    failed = 0
    cases = [case for case in CASES if case.__name__ in sys.argv[1:] or not sys.argv[1:]]
    for case in cases:
        try:
            case()
            print(f"ok      {case.__name__}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {case.__name__}: {error}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
