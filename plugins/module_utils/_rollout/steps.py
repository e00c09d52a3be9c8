# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The steps of one wave as the playbook takes them: admit, note, watch, judge, close. Each reads the record anew."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import journal, table
from ansible_collections.egi.cmd.plugins.module_utils._rollout import run as runs
from ansible_collections.egi.cmd.plugins.module_utils._rollout.admission import Wishes, decide, how_on
from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Outcome, Status, Verdict
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan
from ansible_collections.egi.cmd.plugins.module_utils._rollout.record import Event, Rollout, apply, gate_event, host_event, run_started
from ansible_collections.egi.cmd.plugins.module_utils._rollout.timetable import read, timetable
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave

Answer = t.Dict[str, t.Any]
NOTHING_TO_WATCH: Answer = {"hosts": [], "pause": 0, "passing": []}
_NOTHING: Answer = {
    "wave": "", "record": "", "stop": False, "path": "", "phase": "done", "hosts": [], "turns": [], "soak": 0,
    "watch": NOTHING_TO_WATCH, "previous": {}, "verdict": "", "message": "", "table": [],
}
# The playbook's rounds are nested in each other, which Ansible does not do without end.
_ROUNDS = 40
# A host with more packages is one row in the table behind a wave; the record has them all.
_MOST_PACKAGES = 8


def preview(plan: Plan, name: str, emergency: str, now: str) -> Answer:
    """Return what admit would, without a record: for check mode."""
    wave = plan.wave(name)
    rows = table.plan_rows(plan, timetable(plan, read(now), bool(emergency)))
    return {**_NOTHING, "wave": name, "phase": "preview", "hosts": list(wave.hosts),
            "message": f"{name}: {len(wave.hosts)} hosts, nothing is changed in check mode.", "table": table.lines(rows, table.PLAN_COLUMNS)}


def admit(directory: str, plan: Plan, name: str, batch: t.Sequence[str], run: runs.Run, wishes: Wishes, now: str) -> Answer:
    """Open or resume the rollout and let a wave start, or raise Failure saying what it waits for.

    batch: the hosts Ansible is about to work on. The gates of all earlier waves are computed from the record, where
    a host that --limit left out was never attempted: a limit cannot get past them. run: as the lookup rollout_run
    returns it, with the processes of its machine.
    """
    _whole_batch(plan, name, batch)
    with journal.locked(directory):
        _refuse_second(directory, run, wishes.take_over)
        rollout = journal.newest_open(directory, plan) or Rollout.unrecorded(plan)
        decision = decide(rollout, plan, name, run["user"], wishes, now)
        if decision.refusal is None or decision.events:
            recorded = rollout.name or journal.create(directory, plan, now).name
            _start_run(directory, recorded, rollout.run, run, wishes.emergency, decision.events, now)
            rollout = journal.load(directory, recorded)
        if decision.refusal is not None:
            if rollout.run == runs.identity(run):
                journal.append(directory, rollout.name, [{"event": "run_ended"}], now)
            raise decision.refusal
    wave = rollout.plan.wave(name)
    failed = name in rollout.failed
    to_do = [] if failed else [host for host in rollout.to_do(wave) if host in batch and (decision.only is None or host in decision.only)]
    answer = _answer(directory, rollout, wave, "roll_back" if failed else "work", to_do)
    turns = [[host for host in turn if host in to_do] for turn in wave.turns]
    return {**answer, "turns": [turn for turn in turns if turn], "soak": 0 if failed else _soak(rollout, wave)}


def take_back(directory: str, plan: Plan, name: str, batch: t.Sequence[str], run: runs.Run, wishes: Wishes, now: str) -> Answer:
    """Let a wave be rolled back because somebody asks for it, however far the newest rollout of this plan came."""
    wave = _whole_batch(plan, name, batch)
    with journal.locked(directory):
        _refuse_second(directory, run, wishes.take_over)
        rollout = journal.newest(directory, plan)
        if rollout is None:
            raise Failure("roll back", f"no rollout with this plan is recorded in {directory}",
                          "Use the variables, the inventory and the manifest that it was started with")
        events: t.List[Event] = []
        if name not in rollout.failed:
            reason = f"{name}: {run.get('user') or 'somebody'} asked for the roll-back"
            events = [gate_event(Outcome(name, Verdict.FAIL, reason))]
        _start_run(directory, rollout.name, rollout.run, run, "", events, now)
        rollout = journal.load(directory, rollout.name)
    return _answer(directory, rollout, wave, "roll_back", [])


def note(directory: str, rollout_name: str, name: str, results: t.Sequence[t.Mapping[str, t.Any]], batch: t.Sequence[str], now: str) -> Answer:
    """Record what became of hosts, all in one write; return path, verdict and what is to be watched, as watch does.

    results: mappings with host, status and details of record.host_event. The status ``healthy`` says what was seen, not
    what it counts: a host that is still to be watched is recorded as soaking, and as passed once its time is over. A host
    that has itself noted that it is still watched (``watched``) does not pass, even if its time ran out meanwhile: host and
    record say the same.
    """
    with journal.locked(directory):
        rollout = journal.load(directory, rollout_name)
        wave = rollout.plan.wave(name)
        events = []
        for one in results:
            if one["host"] not in wave.hosts:
                raise Failure(f"record host '{one['host']}'", f"it is not in wave '{name}' of {rollout_name}")
            details = {key: value for key, value in one.items() if key not in ("host", "status")}
            status = _counted(rollout, wave, one["host"], one["status"], now)
            if status is not None:
                events.append(host_event(name, one["host"], status.value, **details))
        journal.append(directory, rollout_name, events, now)
        for event in events:
            apply(rollout, {**event, "time": now})
    return {"path": journal.path_of(directory, rollout_name), "verdict": rollout.outcome(wave).verdict.value, "watch": _watch(rollout, wave, batch, now)}


def watch(directory: str, rollout_name: str, name: str, batch: t.Sequence[str], now: str) -> Answer:
    """Return which hosts of the batch are watched, how long until their next check, and which of them pass with it.

    Under ``watch``: hosts, pause (seconds), passing. A wave that cannot pass any
    more is not watched.
    """
    rollout = journal.load(directory, rollout_name)
    wave = rollout.plan.wave(name)
    return {**_answer(directory, rollout, wave, "work", []), "watch": _watch(rollout, wave, batch, now)}


def _counted(rollout: Rollout, wave: Wave, host: str, status: str, now: str) -> t.Optional[Status]:
    """Return the status to record; None for a watched host that is healthy and goes on being watched."""
    if status not in ("healthy", "watched"):
        return Status(status)
    found = rollout.hosts[host]
    if status == "healthy" and (not _soak(rollout, wave) or (found.status is Status.SOAKING and _ends(rollout, wave, host) <= read(now))):
        return Status.PASSED
    return None if found.status is Status.SOAKING else Status.SOAKING


def _soak(rollout: Rollout, wave: Wave) -> int:
    return 0 if rollout.emergency else wave.soak


def _ends(rollout: Rollout, wave: Wave, host: str) -> datetime.datetime:
    return read(rollout.hosts[host].since) + datetime.timedelta(seconds=_soak(rollout, wave))


def _watch(rollout: Rollout, wave: Wave, batch: t.Sequence[str], now: str) -> Answer:
    hosts = [host for host in rollout.soaking(wave) if host in batch]
    if not hosts or rollout.outcome(wave).verdict is Verdict.FAIL:
        return NOTHING_TO_WATCH
    ends = {host: _ends(rollout, wave, host) for host in hosts}
    left = max(0, int((max(ends.values()) - read(now)).total_seconds()))
    pause = min(left, max(wave.recheck or wave.soak, wave.soak // _ROUNDS))
    due = read(now) + datetime.timedelta(seconds=pause)
    return {"hosts": hosts, "pause": pause, "passing": [host for host in hosts if ends[host] <= due]}


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


def _start_run(directory: str, name: str, before: t.Optional[runs.Run], run: runs.Run, emergency: str, events: t.Sequence[Event], now: str) -> None:
    """Record that a run begins, if it is not the one that is recorded as being at work, and what was decided with it."""
    begins = [] if before == runs.identity(run) else [run_started(runs.identity(run), emergency)]
    if begins or events:
        journal.append(directory, name, [*begins, *events], now)


def _refuse_second(directory: str, run: runs.Run, take_over: bool) -> None:
    """Raise Failure if somebody else is at work on a rollout recorded here."""
    for other in journal.running(directory):
        if other.run is None or other.run == runs.identity(run):
            continue
        state = runs.alive(other.run, run)
        if state:
            raise Failure("start the rollout", f"{other.name} is being run by {runs.described(other.run)}",
                          "Wait until that run ends, or stop it")
        if state is None and not take_over:
            raise Failure("start the rollout", f"{other.name} was last run by {runs.described(other.run)}, and its end is not recorded",
                          "If that run is gone, start again with rollout_take_over=true")


def _answer(directory: str, rollout: Rollout, wave: Wave, phase: str, hosts: t.List[str]) -> Answer:
    return {
        **_NOTHING, "wave": wave.name, "record": rollout.name, "path": journal.path_of(directory, rollout.name), "phase": phase,
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
        parts.append(how_on(wave.name, outcome.verdict))
    return ". ".join(part for part in parts if part) + "."


def _rolled_back(rollout: Rollout, wave: Wave) -> str:
    back = [host for host in wave.hosts if rollout.hosts[host].status is Status.ROLLED_BACK]
    left = [f"{host} ({rollout.hosts[host].reason})" if rollout.hosts[host].reason else host for host in rollout.to_roll_back(wave)]
    said = [f"Rolled back: {', '.join(back)}"] if back else []
    said += [f"Not rolled back: {', '.join(left)}"] if left else []
    return ". ".join(said) or "No host had been changed"
