# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Where a rollout stands, and what to do next. Pure: the record in, data and lines out; no host is asked.

The shape of the answer is published in status.schema.json beside this file.
"""

from __future__ import annotations

import collections
import copy
import datetime
import shlex
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._rollout import admission
from ansible_collections.egi.cmd.plugins.module_utils._rollout import run as runs
from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Status, Verdict
from ansible_collections.egi.cmd.plugins.module_utils._rollout.record import Rollout
from ansible_collections.egi.cmd.plugins.module_utils._rollout.table import lines as table
from ansible_collections.egi.cmd.plugins.module_utils._rollout.timetable import hours_of, read, written
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave

SCHEMA = 1
DONE, ROLLED_BACK, RUNNING, UNKNOWN, INTERRUPTED, ROLLING_BACK, STOPPED = (
    "done", "rolled_back", "running", "unknown", "interrupted", "rolling_back", "stopped")
"""States of a rollout. unknown: a run on another machine did not record its end. rolling_back: somebody must resume the roll-back."""

_WORDS = {
    DONE: "is rolled out", ROLLED_BACK: "failed and was rolled back", RUNNING: "is being run", UNKNOWN: "was last run on another machine",
    INTERRUPTED: "was interrupted", ROLLING_BACK: "failed, and its roll-back is not finished", STOPPED: "stopped",
}
_WAVE_COLUMNS = ("wave", "verdict", "hosts", "stands", "starts", "soak ends", "approval")
_HOST_COLUMNS = ("host", "wave", "status", "since", "until", "why")

Answer = t.Dict[str, t.Any]


def status(rollout: Rollout, now: str, command: t.Sequence[str], here: t.Optional[t.Mapping[str, t.Any]] = None) -> Answer:
    """Return where a rollout stands.

    now: UTC as in the record. command: the words that run the rollout, from which the command to paste is made. here: what
    run.observed() returned where runs work, to tell whether the recorded one is alive; this machine if left out.
    """
    alive = runs.alive(rollout.run, here) if rollout.run else None
    state = _state(rollout, alive)
    wave = next((one for one in rollout.plan.waves if rollout.outcome(one).verdict is not Verdict.PASS), None)
    waits = _waits(rollout, wave, now) if wave is not None and state not in (DONE, ROLLED_BACK, ROLLING_BACK, RUNNING) else ""
    return {
        "schema": SCHEMA, "time": now, "rollout": rollout.name, "release": rollout.plan.release, "state": state,
        "run": {**rollout.run, "alive": alive} if rollout.run else None, "emergency": rollout.emergency,
        "waves": [_wave(rollout, one, now) for one in rollout.plan.waves],
        "hosts": [_host(rollout, one, host) for one in rollout.plan.waves for host in one.hosts],
        "closed": _closed(rollout, wave) if wave is not None else None,
        "waits": waits,
        "next": _next(rollout, state, wave, waits, now),
        "command": _command(rollout, state, wave, command),
    }


def lines(found: Answer) -> t.List[str]:
    """Return a status as a person reads it: one sentence, two tables, what to do."""
    run = f" by {runs.described(found['run'])}" if found["run"] else ""
    emergency = f" Emergency: {found['emergency']}." if found["emergency"] else ""
    waves = [{**one, "stands": _counted(one["counts"]), "hosts": str(sum(one["counts"].values())), "soak ends": one["soak_ends"]} for one in found["waves"]]
    hosts = [{**one, "status": one["status"].replace("_", " "), "why": one["reason"]} for one in found["hosts"]]
    said = [f"{found['rollout']} {_WORDS[found['state']]}{run}.{emergency}", "", *table(waves, _WAVE_COLUMNS), "", *table(hosts, _HOST_COLUMNS), ""]
    if found["closed"]:
        said.append(f"Closed gate: {found['closed']['reason']}.")
    return [*said, found["next"], *([f"  {found['command']}"] if found["command"] else [])]


def _state(rollout: Rollout, alive: t.Optional[bool]) -> str:
    if rollout.run:
        return RUNNING if alive else UNKNOWN if alive is None else ROLLING_BACK if rollout.failed and not rollout.over else INTERRUPTED
    if rollout.over:
        return ROLLED_BACK if rollout.failed else DONE
    return ROLLING_BACK if rollout.failed else STOPPED


def _waits(rollout: Rollout, wave: Wave, now: str) -> str:
    """Return what keeps a run from starting the wave now, in the words the run itself would use; '' for nothing."""
    refusal = admission.decide(copy.deepcopy(rollout), rollout.plan, wave.name, "", admission.Wishes(emergency=rollout.emergency), now).refusal
    return refusal.why if refusal else ""


def _wave(rollout: Rollout, wave: Wave, now: str) -> Answer:
    outcome = rollout.outcome(wave)
    ends = [_until(rollout, wave, host) for host in rollout.soaking(wave)]
    return {
        "wave": wave.name, "verdict": outcome.verdict.value, "reason": outcome.reason,
        "counts": dict(collections.Counter(_status(rollout, host) for host in wave.hosts)),
        "starts": _starts(rollout, wave, now), "soak_ends": max(ends, default=""), "approval": _approval(rollout, wave),
    }


def _starts(rollout: Rollout, wave: Wave, now: str) -> str:
    """Return when the windows of a wave that still has work let it start; '' when they do now, or it has none."""
    if not rollout.to_do(wave) or rollout.emergency:
        return ""
    found = hours_of(rollout.plan, wave, read(now))
    return "" if found.is_open else written(found.until) if found.until else "never"


def _approval(rollout: Rollout, wave: Wave) -> str:
    if wave.approval is None:
        return ""
    answer = rollout.approvals.get(wave.name)
    return f"{answer['verdict']} by {answer['by']}" if answer else f"waits for {' or '.join(wave.approval) or 'anybody'}"


def _host(rollout: Rollout, wave: Wave, host: str) -> Answer:
    known = rollout.hosts[host]
    aside = rollout.aside.get(host)
    reason = known.reason or (f"{aside['by']} decided to go on without it" if aside else "")
    return {"host": host, "wave": wave.name, "status": _status(rollout, host), "since": known.since,
            "until": _until(rollout, wave, host) if known.status is Status.SOAKING else "", "reason": reason}


def _status(rollout: Rollout, host: str) -> str:
    status = rollout.hosts[host].status
    return "set_aside" if host in rollout.aside and status is not Status.PASSED else status.value


def _until(rollout: Rollout, wave: Wave, host: str) -> str:
    soak = 0 if rollout.emergency else wave.soak
    return written(read(rollout.hosts[host].since) + datetime.timedelta(seconds=soak))


def _closed(rollout: Rollout, wave: Wave) -> t.Optional[Answer]:
    """Return the gate that nothing passes now; None while no host of its wave was attempted, which is no verdict on the release."""
    outcome = rollout.outcome(wave)
    if wave.name not in rollout.failed and all(rollout.hosts[host].status is Status.NOT_ATTEMPTED for host in wave.hosts):
        return None
    return {"wave": wave.name, "verdict": outcome.verdict.value, "reason": outcome.reason}


def _next(rollout: Rollout, state: str, wave: t.Optional[Wave], waits: str, now: str) -> str:
    if state == DONE:
        return "Nothing is left to do."
    if state == ROLLED_BACK:
        return "Correct the cause and roll out again; that is a new rollout."
    if state == RUNNING:
        return "Wait until that run ends, or stop it."
    if state == ROLLING_BACK:
        back = ", ".join(host for name in rollout.failed for host in rollout.to_roll_back(rollout.plan.wave(name)))
        return f"Not yet back: {back}. Finish the roll-back:"
    if state == UNKNOWN:
        return "If that run is gone, go on without it:"
    if wave is None:
        return "Every gate is open. Let the run end properly:"
    if _needs_approval(rollout, wave) and waits:
        return f"{wave.name}: {waits}. To approve it{' after all' if wave.name in rollout.approvals else ''}:"
    if waits:
        return f"{wave.name}: {waits}. {'Correct its windows, then' if _starts(rollout, wave, now) == 'never' else 'Then'}:"
    if _closed(rollout, wave):
        return f"{admission.how_on(wave.name, rollout.outcome(wave).verdict)}."
    return f"Go on with {wave.name}:"


def _needs_approval(rollout: Rollout, wave: Wave) -> bool:
    return wave.approval is not None and not rollout.approved(wave.name) and rollout.blocking(wave.name) is None


def _command(rollout: Rollout, state: str, wave: t.Optional[Wave], command: t.Sequence[str]) -> str:
    """Return what to paste; '' where nothing is to be run, or only after something else."""
    if state in (DONE, ROLLED_BACK, RUNNING):
        return ""
    words = list(command)
    if state == UNKNOWN:
        words += ["-e", "rollout_take_over=true"]
    if state != ROLLING_BACK and wave is not None and rollout.to_do(wave) and _needs_approval(rollout, wave):
        words += ["-e", f"rollout_approve={wave.name}"]
    return " ".join(shlex.quote(word) for word in words)


def _counted(counts: t.Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in counts.items())
