# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The gate behind a wave: one of three verdicts, computed from what the record holds and from nothing else."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Wave


class Status(str, enum.Enum):
    """What the record says about one host, the last word counts. No word at all is NOT_ATTEMPTED."""

    NOT_ATTEMPTED = "not_attempted"
    STARTED = "started"
    PASSED = "passed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"


class Verdict(str, enum.Enum):
    """pass: the next wave may start. fail: the wave is rolled back. inconclusive: a person looks, then resumes."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


# A host that was rolled back had failed or shared a failed wave: it is evidence against the release, never for it.
FAILURES = (Status.FAILED, Status.ROLLED_BACK, Status.ROLLBACK_FAILED)
_WORDS = {
    Status.FAILED: "failed", Status.UNREACHABLE: "unreachable", Status.STARTED: "without a result",
    Status.NOT_ATTEMPTED: "not attempted", Status.ROLLED_BACK: "rolled back", Status.ROLLBACK_FAILED: "not rolled back",
}


@dataclass(frozen=True)
class Outcome:
    """A verdict and the words for it: ``early: 1 of 2 healthy, 1 failed: a.example (why); needs 2 of 2``."""

    wave: str
    verdict: Verdict
    reason: str


def judge(wave: Wave, statuses: t.Mapping[str, Status], reasons: t.Mapping[str, str] | None = None) -> Outcome:
    """Return the verdict on a wave.

    statuses: host -> Status; a host that is missing was never attempted. reasons: host -> why it did not pass.
    Only ``passed`` counts for the wave. Failures beyond max_failed, or so many that min_passed is out of reach,
    are a fail; everything else that is not yet a pass is inconclusive, because those hosts can still be tried.
    """
    found = {host: statuses.get(host, Status.NOT_ATTEMPTED) for host in wave.hosts}
    passed = sum(status is Status.PASSED for status in found.values())
    failed = sum(status in FAILURES for status in found.values())
    if failed > wave.max_failed or len(found) - failed < wave.min_passed:
        verdict = Verdict.FAIL
    elif passed >= wave.min_passed:
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    return Outcome(wave.name, verdict, _reason(wave, found, passed, reasons or {}))


def _reason(wave: Wave, found: t.Mapping[str, Status], passed: int, reasons: t.Mapping[str, str]) -> str:
    parts = [f"{wave.name}: {passed} of {len(found)} healthy"]
    for status, word in _WORDS.items():
        hosts = [f"{host} ({reasons[host]})" if reasons.get(host) else host for host, now in found.items() if now is status]
        if hosts:
            parts.append(f"{len(hosts)} {word}: {', '.join(hosts)}")
    needs = f"needs {wave.min_passed} of {len(found)}"
    if wave.max_failed:
        needs += f", at most {wave.max_failed} failed"
    return f"{', '.join(parts)}; {needs}"
