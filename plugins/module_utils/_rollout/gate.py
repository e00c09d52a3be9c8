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

from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave


class Status(str, enum.Enum):
    """What the record says about one host, the last word counts. No word at all is NOT_ATTEMPTED."""

    NOT_ATTEMPTED = "not_attempted"
    STARTED = "started"
    SOAKING = "soaking"
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
    Status.SOAKING: "still watched", Status.NOT_ATTEMPTED: "not attempted", Status.ROLLED_BACK: "rolled back", Status.ROLLBACK_FAILED: "not rolled back",
}


@dataclass(frozen=True)
class Outcome:
    """A verdict and the words for it: ``early: 1 of 2 healthy, 1 failed: a.example (why); needs 2 of 2``."""

    wave: str
    verdict: Verdict
    reason: str


def judge(
    wave: Wave, statuses: t.Mapping[str, Status], reasons: t.Mapping[str, str] | None = None,
    checks: t.Mapping[str, t.Container[str]] | None = None, set_aside: t.Container[str] = (),
) -> Outcome:
    """Return the verdict on a wave.

    statuses: host -> Status; a host that is missing was never attempted. reasons: host -> why it did not pass. checks:
    host -> names of the checks it is recorded to have passed; one that lacks a required check has not passed.
    set_aside: hosts that a person decided to go on without. They leave the count, and min_passed falls with each, but at
    least one host must pass; a host that passed or failed says something about the release and cannot be set aside.
    Only ``passed`` counts for the wave. Failures beyond max_failed, or so many that min_passed is out of reach,
    are a fail; everything else that is not yet a pass is inconclusive, because those hosts can still be tried.
    """
    recorded = {host: statuses.get(host, Status.NOT_ATTEMPTED) for host in wave.hosts}
    aside = [host for host, status in recorded.items() if host in set_aside and status not in (Status.PASSED, *FAILURES)]
    found = {host: status for host, status in recorded.items() if host not in aside}
    unproven = unproven_hosts(wave, found, checks or {})
    passed = sum(status is Status.PASSED for status in found.values()) - len(unproven)
    failed = sum(status in FAILURES for status in found.values())
    needed = max(wave.min_passed - len(aside), min(1, wave.min_passed))
    if failed > wave.max_failed or len(found) - failed < needed:
        verdict = Verdict.FAIL if failed else Verdict.INCONCLUSIVE
    elif passed >= needed:
        verdict = Verdict.PASS
    else:
        verdict = Verdict.INCONCLUSIVE
    return Outcome(wave.name, verdict, _reason(wave, found, passed, needed, reasons or {}, unproven, aside))


def unproven_hosts(
    wave: Wave, statuses: t.Mapping[str, Status], checks: t.Mapping[str, t.Container[str]]
) -> t.Dict[str, t.List[str]]:
    """Return hosts recorded as passed without a check that the wave requires, each with the names that are missing."""
    missing = {host: [name for name in wave.required_checks if name not in checks.get(host, ())]
               for host, status in statuses.items() if status is Status.PASSED}
    return {host: lacking for host, lacking in missing.items() if lacking}


def _reason(
    wave: Wave, found: t.Mapping[str, Status], passed: int, needed: int, reasons: t.Mapping[str, str],
    unproven: t.Mapping[str, t.Sequence[str]], aside: t.Sequence[str],
) -> str:
    if not wave.hosts:
        return f"{wave.name}: no host is asked for"
    parts = [f"{wave.name}: {passed} of {len(found)} healthy"]
    for status, word in _WORDS.items():
        hosts = [f"{host} ({reasons[host]})" if reasons.get(host) else host for host, now in found.items() if now is status]
        if hosts:
            parts.append(f"{len(hosts)} {word}: {', '.join(hosts)}")
    if unproven:
        missing = ", ".join(f"{host} ({', '.join(names)})" for host, names in unproven.items())
        parts.append(f"{len(unproven)} without a required check: {missing}")
    if aside:
        parts.append(f"{len(aside)} set aside: {', '.join(aside)}")
    needs = f"needs {needed} of {len(found)}"
    if wave.max_failed:
        needs += f", at most {wave.max_failed} failed"
    return f"{', '.join(parts)}; {needs}"
