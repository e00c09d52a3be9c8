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


def test_a_host_that_a_person_set_aside_leaves_the_count() -> None:
    wave = Wave("w", ("a", "b", "c"), 3, 0)
    outcome = judge(wave, {"a": Status.PASSED, "b": Status.PASSED, "c": Status.UNREACHABLE}, set_aside={"c"})
    assert (outcome.verdict, outcome.reason) == (Verdict.PASS, "w: 2 of 2 healthy, 1 set aside: c; needs 2 of 2")


@pytest.mark.parametrize("wave", waves(), ids=lambda wave: f"{len(wave.hosts)}-{wave.min_passed}-{wave.max_failed}")
def test_setting_aside_never_hides_a_failure_nor_opens_a_gate_nobody_passed(wave: Wave) -> None:
    for outcome in itertools.product(Status, repeat=len(wave.hosts)):
        found = dict(zip(wave.hosts, outcome))
        for aside in itertools.chain.from_iterable(itertools.combinations(wave.hosts, size) for size in range(1, len(wave.hosts) + 1)):
            verdict = judge(wave, found, set_aside=aside).verdict
            if verdict is Verdict.PASS:
                assert Status.PASSED in outcome
                assert sum(outcome.count(bad) for bad in BAD) <= wave.max_failed
            if judge(wave, found).verdict is Verdict.FAIL and sum(outcome.count(bad) for bad in BAD) > wave.max_failed:
                assert verdict is Verdict.FAIL


def test_a_required_check_must_be_recorded() -> None:
    wave = Wave("w", ("a", "b"), 2, 0, required_checks=("api", "db"))
    both = {"a": Status.PASSED, "b": Status.PASSED}
    assert judge(wave, both, checks={"a": ["api", "db"], "b": ["db", "api", "x"]}).verdict is Verdict.PASS
    outcome = judge(wave, both, checks={"a": ["api", "db"], "b": ["db"]})
    assert (outcome.verdict, outcome.reason) == (
        Verdict.INCONCLUSIVE, "w: 1 of 2 healthy, 1 without a required check: b (api); needs 2 of 2")
    assert judge(wave, both).verdict is Verdict.INCONCLUSIVE


def test_a_wave_without_a_host_says_that_nobody_is_asked_for() -> None:
    outcome = judge(Wave("w", (), 0, 0), {})
    assert (outcome.verdict, outcome.reason) == (Verdict.PASS, "w: no host is asked for")


P, F, U, R, N, S = Status.PASSED, Status.FAILED, Status.UNREACHABLE, Status.ROLLED_BACK, Status.NOT_ATTEMPTED, Status.SOAKING
TRUTH = [
    # hosts' last words, min_passed, max_failed, the verdict, what is told
    ("all pass", (P, P, P, P), 4, 0, "pass", "4 of 4 healthy; needs 4 of 4"),
    ("one unreachable", (P, P, P, U), 4, 0, "inconclusive", "3 of 4 healthy, 1 unreachable: h3; needs 4 of 4"),
    ("only unreachable", (U, U, U, U), 4, 0, "inconclusive", "0 of 4 healthy, 4 unreachable: h0, h1, h2, h3; needs 4 of 4"),
    ("unreachable, although one may fail", (P, P, P, U), 4, 1, "inconclusive", "3 of 4 healthy, 1 unreachable: h3; needs 4 of 4, at most 1 failed"),
    ("unreachable, and three are enough", (P, P, P, U), 3, 1, "pass", "3 of 4 healthy, 1 unreachable: h3; needs 3 of 4, at most 1 failed"),
    ("only rescued", (R, R, R, R), 4, 0, "fail", "0 of 4 healthy, 4 rolled back: h0, h1, h2, h3; needs 4 of 4"),
    ("one rescued", (P, P, P, R), 4, 0, "fail", "3 of 4 healthy, 1 rolled back: h3; needs 4 of 4"),
    ("never attempted", (N, N, N, N), 4, 0, "inconclusive", "0 of 4 healthy, 4 not attempted: h0, h1, h2, h3; needs 4 of 4"),
    ("half by --limit", (P, P, N, N), 4, 0, "inconclusive", "2 of 4 healthy, 2 not attempted: h2, h3; needs 4 of 4"),
    ("killed before the result", (P, P, P, Status.STARTED), 4, 0, "inconclusive", "3 of 4 healthy, 1 without a result: h3; needs 4 of 4"),
    ("still watched", (P, P, S, S), 4, 0, "inconclusive", "2 of 4 healthy, 2 still watched: h2, h3; needs 4 of 4"),
    ("49 %: one of four may fail, two did", (P, P, F, F), 3, 1, "fail", "2 of 4 healthy, 2 failed: h2, h3; needs 3 of 4, at most 1 failed"),
    ("50 %: two of four may fail, two did", (P, P, F, F), 2, 2, "pass", "2 of 4 healthy, 2 failed: h2, h3; needs 2 of 4, at most 2 failed"),
    ("51 %: two of four may fail, three did", (P, F, F, F), 2, 2, "fail", "1 of 4 healthy, 3 failed: h1, h2, h3; needs 2 of 4, at most 2 failed"),
    ("one failed, one unreachable, one may fail", (P, P, F, U), 3, 1, "inconclusive",
     "2 of 4 healthy, 1 failed: h2, 1 unreachable: h3; needs 3 of 4, at most 1 failed"),
]


@pytest.mark.parametrize("_name, outcome, min_passed, max_failed, verdict, told", TRUTH, ids=[row[0] for row in TRUTH])
def test_the_truth_table(_name: str, outcome: tuple[Status, ...], min_passed: int, max_failed: int, verdict: str, told: str) -> None:
    wave = Wave("w", tuple(f"h{number}" for number in range(len(outcome))), min_passed, max_failed)
    found = judge(wave, dict(zip(wave.hosts, outcome)))
    assert (found.verdict.value, found.reason) == (verdict, f"w: {told}")
