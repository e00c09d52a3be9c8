# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The steps of one wave as the playbook takes them: admit, judge, close. Each reads the record anew."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import journal, table
from ansible_collections.egi.cmd.plugins.module_utils._rollout import run as runs
from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Outcome, Status, Verdict
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan
from ansible_collections.egi.cmd.plugins.module_utils._rollout.record import Rollout, gate_event, host_event
from ansible_collections.egi.cmd.plugins.module_utils._rollout.timetable import read, timetable
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave

Answer = t.Dict[str, t.Any]
# A host with more packages is one row in the table behind a wave; the record has them all.
_MOST_PACKAGES = 8


def preview(plan: Plan, name: str, now: str) -> Answer:
    """Return what admit would, without a record: for check mode."""
    wave = plan.wave(name)
    return {"wave": name, "record": "", "stop": False, "path": "", "phase": "preview", "hosts": list(wave.hosts), "previous": {}, "verdict": "",
            "message": f"{name}: {len(wave.hosts)} hosts, nothing is changed in check mode.",
            "table": table.lines(table.plan_rows(plan, timetable(plan, read(now))), table.PLAN_COLUMNS)}


def admit(directory: str, plan: Plan, name: str, batch: t.Sequence[str], run: runs.Run, take_over: bool, now: str) -> Answer:
    """Open or resume the rollout and let a wave start, or raise Failure saying which gate is closed.

    batch: the hosts Ansible is about to work on. The gates of all earlier waves are computed from the record, where
    a host that --limit left out was never attempted: a limit cannot get past them.
    """
    wave = _whole_batch(plan, name, batch)
    with journal.locked(directory):
        _refuse_second(directory, run, take_over)
        rollout = journal.newest_open(directory, plan) or Rollout.unrecorded(plan)
        closed = rollout.blocking(name)
        if closed is not None:
            raise Failure(f"start wave '{name}'", f"the gate before it is closed: {closed.reason}",
                          _how_on(closed.wave, closed.verdict))
        if not rollout.name:
            rollout = journal.create(directory, plan, now)
        _start_run(directory, rollout, run, now)
    failed = name in rollout.failed
    return _answer(directory, rollout, wave, "roll_back" if failed else "work", [] if failed else rollout.to_do(wave))


def take_back(directory: str, plan: Plan, name: str, batch: t.Sequence[str], run: runs.Run, take_over: bool, now: str) -> Answer:
    """Let a wave be rolled back because somebody asks for it, however far the newest rollout of this plan came."""
    wave = _whole_batch(plan, name, batch)
    with journal.locked(directory):
        _refuse_second(directory, run, take_over)
        rollout = journal.newest(directory, plan)
        if rollout is None:
            raise Failure("roll back", f"no rollout with this plan is recorded in {directory}",
                          "Use the variables, the inventory and the manifest that it was started with")
        _start_run(directory, rollout, run, now)
        if name not in rollout.failed:
            reason = f"{name}: {run.get('user') or 'somebody'} asked for the roll-back"
            journal.append(directory, rollout.name, [gate_event(Outcome(name, Verdict.FAIL, reason))], now)
            rollout = journal.load(directory, rollout.name)
    return _answer(directory, rollout, wave, "roll_back", [])


def note(directory: str, rollout_name: str, name: str, host: str, status: str, now: str, write: bool, **details: t.Any) -> str:
    """Record what became of a host; return the record's file. write: false in check mode, where nothing is recorded."""
    if write:
        with journal.locked(directory):
            wave = journal.load_plan(directory, rollout_name).wave(name)
            if host not in wave.hosts:
                raise Failure(f"record host '{host}'", f"it is not in wave '{name}' of {rollout_name}")
            journal.append(directory, rollout_name, [host_event(name, host, status, **details)], now)
    return journal.path_of(directory, rollout_name)


def judge(directory: str, rollout_name: str, name: str, now: str) -> Answer:
    """Compute the verdict on a wave, record it, and return it with the hosts to roll back."""
    with journal.locked(directory):
        rollout = journal.load(directory, rollout_name)
        wave = rollout.plan.wave(name)
        outcome = rollout.outcome(wave)
        if name not in rollout.failed:
            journal.append(directory, rollout_name, [gate_event(outcome)], now)
    failed = outcome.verdict is Verdict.FAIL
    return _answer(directory, rollout, wave, "roll_back" if failed else "done", rollout.to_roll_back(wave) if failed else [])


def close(directory: str, rollout_name: str, name: str, last: bool, asked: bool, now: str) -> Answer:
    """Return the last word on a wave; end the run in the record if no other wave follows in it.

    last: whether this run has no further wave. asked: whether the roll-back was asked for, and so is no failure.
    """
    with journal.locked(directory):
        rollout = journal.load(directory, rollout_name)
        wave = rollout.plan.wave(name)
        stop = bool(rollout.to_roll_back(wave)) if asked else rollout.outcome(wave).verdict is not Verdict.PASS
        if last or stop:
            journal.append(directory, rollout_name, [{"event": "run_ended"}], now)
    answer = _answer(directory, rollout, wave, "done", [])
    if asked:
        answer["message"] = f"{rollout.failed[name]}. {_rolled_back(rollout, wave)}."
    return {**answer, "stop": stop}


def _whole_batch(plan: Plan, name: str, batch: t.Sequence[str]) -> Wave:
    """Return the wave called name, or raise Failure if the batch has a host of another one."""
    wave = plan.wave(name)
    strangers = sorted(set(batch) - set(wave.hosts))
    if strangers:
        raise Failure(f"start wave '{name}'", f"{strangers[0]} is not in it", "Run the playbook with strategy linear")
    return wave


def _start_run(directory: str, rollout: Rollout, run: runs.Run, now: str) -> None:
    if rollout.run != run:
        journal.append(directory, rollout.name, [{"event": "run_started", "run": run}], now)


def _refuse_second(directory: str, run: runs.Run, take_over: bool) -> None:
    """Raise Failure if somebody else is at work on a rollout recorded here."""
    for other in journal.running(directory):
        if other.run is None or other.run == run:
            continue
        state = runs.alive(other.run)
        if state:
            raise Failure("start the rollout", f"{other.name} is being run by {runs.described(other.run)}",
                          "Wait until that run ends, or stop it")
        if state is None and not take_over:
            raise Failure("start the rollout", f"{other.name} was last run by {runs.described(other.run)}, and its end is not recorded",
                          "If that run is gone, start again with rollout_take_over=true")


def _answer(directory: str, rollout: Rollout, wave: Wave, phase: str, hosts: t.List[str]) -> Answer:
    return {
        "wave": wave.name, "record": rollout.name, "stop": False, "path": journal.path_of(directory, rollout.name), "phase": phase,
        "hosts": hosts, "previous": {host: rollout.hosts[host].previous or {} for host in hosts},
        "verdict": rollout.outcome(wave).verdict.value, "message": _message(rollout, wave),
        "table": table.lines(table.result_rows(rollout, _MOST_PACKAGES), table.RESULT_COLUMNS),
    }


def _message(rollout: Rollout, wave: Wave) -> str:
    """Return the sentence that explains a wave's end to somebody who reads nothing else."""
    outcome = rollout.outcome(wave)
    parts = [outcome.reason]
    if outcome.verdict is Verdict.FAIL:
        parts.append(_rolled_back(rollout, wave))
    if outcome.verdict is Verdict.INCONCLUSIVE:
        parts.append("Nothing was rolled back")
    if outcome.verdict is Verdict.PASS and rollout.over:
        parts.append(f"{rollout.plan.release} is rolled out")
    if outcome.verdict is not Verdict.PASS:
        waiting = [later.name for later in rollout.plan.after(wave.name)]
        if waiting:
            parts.append(f"{', '.join(waiting)} {'was' if len(waiting) == 1 else 'were'} not started")
        parts.append(_how_on(wave.name, outcome.verdict))
    return ". ".join(part for part in parts if part) + "."


def _rolled_back(rollout: Rollout, wave: Wave) -> str:
    back = [host for host in wave.hosts if rollout.hosts[host].status is Status.ROLLED_BACK]
    left = [f"{host} ({rollout.hosts[host].reason})" if rollout.hosts[host].reason else host for host in rollout.to_roll_back(wave)]
    said = [f"Rolled back: {', '.join(back)}"] if back else []
    said += [f"Not rolled back: {', '.join(left)}"] if left else []
    return ". ".join(said) or "No host had been changed"


def _how_on(wave: str, verdict: Verdict) -> str:
    if verdict is Verdict.FAIL:
        return "Correct the cause and run the same command again"
    return f"Run the same command without --limit to resume with those hosts of {wave}"
