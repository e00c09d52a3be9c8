# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate, all of it: every outcome of every small wave under every gate."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Status, Verdict, judge
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave

BAD = (Status.FAILED, Status.ROLLED_BACK, Status.ROLLBACK_FAILED)


def waves() -> list[Wave]:
    return [
        Wave("w", tuple(f"h{number}" for number in range(size)), min_passed, max_failed)
        for size in (1, 2, 3) for min_passed in range(1, size + 1) for max_failed in range(size + 1)
    ]


@pytest.mark.parametrize("wave", waves(), ids=lambda wave: f"{len(wave.hosts)}-{wave.min_passed}-{wave.max_failed}")
def test_every_outcome_of_every_small_wave(wave: Wave) -> None:
    for outcome in itertools.product(Status, repeat=len(wave.hosts)):
        verdict = judge(wave, dict(zip(wave.hosts, outcome))).verdict
        passed, failed = outcome.count(Status.PASSED), sum(outcome.count(bad) for bad in BAD)
        open_hosts = len(outcome) - passed - failed
        if verdict is Verdict.PASS:
            assert passed >= wave.min_passed
            assert failed <= wave.max_failed
        elif verdict is Verdict.FAIL:
            # Whatever the open hosts will do, this wave cannot pass any more.
            assert failed > wave.max_failed or passed + open_hosts < wave.min_passed
        else:
            # It can still pass, so nothing is rolled back; and it has not passed, so nothing goes on.
            assert passed < wave.min_passed <= passed + open_hosts
            assert failed <= wave.max_failed


@pytest.mark.parametrize("wave", waves(), ids=lambda wave: f"{len(wave.hosts)}-{wave.min_passed}-{wave.max_failed}")
def test_silence_is_never_a_pass(wave: Wave) -> None:
    assert judge(wave, {}).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PASSED])
def test_without_a_gate_of_its_own_a_wave_needs_all_its_hosts(status: Status) -> None:
    wave = Wave("w", ("a", "b"), 2, 0)
    verdict = judge(wave, {"a": Status.PASSED, "b": status}).verdict
    assert verdict is (Verdict.FAIL if status in BAD else Verdict.INCONCLUSIVE)


def test_a_host_of_another_wave_does_not_count() -> None:
    assert judge(Wave("w", ("a",), 1, 0), {"b": Status.PASSED}).verdict is Verdict.INCONCLUSIVE


def test_a_better_result_never_closes_a_gate() -> None:
    order = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
    for wave in waves():
        for outcome in itertools.product((Status.FAILED, Status.UNREACHABLE, Status.PASSED), repeat=len(wave.hosts)):
            before = order[judge(wave, dict(zip(wave.hosts, outcome))).verdict]
            for place in range(len(outcome)):
                better = [*outcome[:place], Status.PASSED, *outcome[place + 1:]]
                assert order[judge(wave, dict(zip(wave.hosts, better))).verdict] >= before


def test_the_reason_explains_itself() -> None:
    wave = Wave("early_adopters", ("ea-apt", "ea-dnf", "ea-far"), 3, 0)
    statuses = {"ea-apt": Status.FAILED, "ea-dnf": Status.PASSED, "ea-far": Status.UNREACHABLE}
    assert judge(wave, statuses, {"ea-apt": "health check 'cloud-api --check' exited 1"}).reason == (
        "early_adopters: 1 of 3 healthy, 1 failed: ea-apt (health check 'cloud-api --check' exited 1), "
        "1 unreachable: ea-far; needs 3 of 3"
    )
