# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Whether a wave may start, and what a person decided about it. Pure: the record in, new events and a refusal out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import record
from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import FAILURES, Status, Verdict
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan
from ansible_collections.egi.cmd.plugins.module_utils._rollout.record import Event, Rollout
from ansible_collections.egi.cmd.plugins.module_utils._rollout.timetable import hours_of, read, written
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave

_NO, _YES = ("", "none", "false", "no", "off", "0"), ("true", "yes", "on", "1")
_DIFFERENCES = 3


@dataclass(frozen=True)
class Wishes:
    """What the person who runs the rollout decided, beyond running it. text: why. emergency: why windows and soak do not count."""

    approve: t.Tuple[str, ...] = ()
    refuse: t.Tuple[str, ...] = ()
    set_aside: t.Tuple[str, ...] = ()
    text: str = ""
    emergency: str = ""
    replan: bool = False
    take_over: bool = False


@dataclass
class Admission:
    """What to add to the record, and why the wave may not start; refusal is None if it may.

    only: the hosts that are worked on because an earlier run left them in the middle, though no other may be begun now;
    None if any host may.
    """

    events: t.List[Event] = field(default_factory=list)
    refusal: t.Optional[Failure] = None
    only: t.Optional[t.List[str]] = None


def emergency_reason(given: t.Any) -> str:
    """Return the reason of an emergency, '' for none. An emergency without a reason is refused: the record keeps it."""
    text = "" if given is None else " ".join(str(given).split())
    if text.lower() in _YES:
        raise Failure("skip windows and soak", f"rollout_emergency is '{text}', which is no reason", "Write why, such as rollout_emergency='CVE-2026-1234'")
    return "" if text.lower() in _NO else text


def decide(rollout: Rollout, plan: Plan, name: str, user: str, wishes: Wishes, now: str) -> Admission:
    """Return whether the wave called name may start, and what the wishes add to the record.

    rollout: as recorded; it is brought up to date with the events. What was decided before a refusal is recorded all the same.
    """
    decision = Admission()

    def add(event: Event) -> None:
        decision.events.append(event)
        record.apply(rollout, {**event, "time": now})

    try:
        _adopt(rollout, plan, user, wishes, add)
        _set_aside(rollout, user, wishes, add)
        _answer(rollout, user, wishes, add)
        decision.only = _require(rollout, rollout.plan.wave(name), wishes, now)
    except Failure as refusal:
        decision.refusal = refusal
    return decision


def _adopt(rollout: Rollout, plan: Plan, user: str, wishes: Wishes, add: t.Callable[[Event], None]) -> None:
    """Let the plan take the place of the one that is recorded, if somebody said so."""
    if rollout.plan.digest == plan.digest:
        return
    action = f"resume {rollout.name}"
    if rollout.failed:
        raise Failure(action, f"wave '{next(iter(rollout.failed))}' is being rolled back, and the inventory or the waves have changed since it was opened: "
                              f"{difference(rollout.plan, plan)}", "Finish the roll-back with the plan it was opened with")
    if not wishes.replan:
        raise Failure(action, f"the inventory or the waves have changed since it was opened: {difference(rollout.plan, plan)}",
                      "Undo the change, or go on with the new plan: run the same command with -e rollout_replan=true")
    add(record.replanned(plan, user, wishes.text))


def difference(old: Plan, new: Plan) -> str:
    """Return in words what differs between two plans, the first few things."""
    said: t.List[str] = []
    before, after = {wave.name: wave for wave in old.waves}, {wave.name: wave for wave in new.waves}
    said += [f"wave '{name}' is gone" for name in before if name not in after]
    said += [f"wave '{name}' is new" for name in after if name not in before]
    for name in (name for name in after if name in before):
        said += [f"{host} is no longer in wave '{name}'" for host in before[name].hosts if host not in after[name].hosts]
        said += [f"{host} is now in wave '{name}'" for host in after[name].hosts if host not in before[name].hosts]
        one, other = before[name].as_dict(), after[name].as_dict()
        said += [f"{key} of wave '{name}' is {other[key]!r} instead of {one[key]!r}" for key in one if key not in ("hosts", "turns") and one[key] != other[key]]
    if not said:
        said = ["the order of waves or hosts"]
    return "; ".join(said[:_DIFFERENCES]) + (f"; and {len(said) - _DIFFERENCES} more" if len(said) > _DIFFERENCES else "")


def _set_aside(rollout: Rollout, user: str, wishes: Wishes, add: t.Callable[[Event], None]) -> None:
    for host in wishes.set_aside:
        wave = next((wave for wave in rollout.plan.waves if host in wave.hosts), None)
        if wave is None:
            raise Failure(f"set {host} aside", "it is in no wave of the plan", "Name hosts as the inventory does")
        status = rollout.hosts[host].status
        if status is Status.PASSED or status in FAILURES:
            raise Failure(f"set {host} aside", f"it has {'passed' if status is Status.PASSED else 'failed'}, which says something about the release",
                          "Leave it out of rollout_set_aside")
        if host not in rollout.aside:
            add(record.set_aside(wave.name, host, user, wishes.text))


def _answer(rollout: Rollout, user: str, wishes: Wishes, add: t.Callable[[Event], None]) -> None:
    """Record approvals and refusals. An approval is an answer to what the waves before have shown: none is taken in advance."""
    both = sorted(set(wishes.refuse) & set(wishes.approve))
    if both:
        raise Failure(f"answer for wave '{both[0]}'", "it is both approved and refused", "Say one of them")
    for name in wishes.refuse:
        rollout.plan.wave(name)
        event = record.approval(name, "refused", user, wishes.text)
        # The waves of one run hand over the same wishes, one after the other.
        if {**event, "time": ""} != {**rollout.approvals.get(name, {}), "time": ""}:
            add(event)
    for name in wishes.approve:
        wave = rollout.plan.wave(name)
        if rollout.approved(name):
            continue
        if wave.approval and user not in wave.approval:
            raise Failure(f"approve wave '{name}'", f"{user} is not one of those who may: {', '.join(wave.approval)}", "Ask one of them")
        closed = rollout.blocking(name)
        if closed is not None:
            raise Failure(f"approve wave '{name}'", f"the gate before it is closed: {closed.reason}", "Approve it when that gate is open")
        add(record.approval(name, "approved", user, wishes.text))


def _require(rollout: Rollout, wave: Wave, wishes: Wishes, now: str) -> t.Optional[t.List[str]]:
    """Refuse a wave whose gate, approval or window is not open. What is only to be rolled back or watched needs no window.

    Return the hosts to finish if the window has closed over them, None if there is no such limit: a window says when a
    change may begin, and a host left in the middle of one is worse than one that is changed late.
    """
    action = f"start wave '{wave.name}'"
    closed = rollout.blocking(wave.name)
    if closed is not None:
        raise Failure(action, f"the gate before it is closed: {closed.reason}", how_on(closed.wave, closed.verdict))
    if wave.name in rollout.failed or not rollout.to_do(wave):
        return None
    if wave.approval is not None and not rollout.approved(wave.name):
        answer = rollout.approvals.get(wave.name)
        how = f"run the same command with -e rollout_approve={wave.name}"
        if answer is not None:
            why = f" ({answer['text']})" if answer.get("text") else ""
            raise Failure(action, f"{answer['by']} refused it{why}", f"To approve it after all, {how}")
        raise Failure(action, f"it waits for the approval of {' or '.join(wave.approval) or 'a person'}", f"To approve it, {how}")
    found = hours_of(rollout.plan, wave, read(now))
    if not found.is_open and not wishes.emergency:
        begun = rollout.begun(wave)
        if begun:
            return begun
        opens = f"it opens at {written(found.until)}" if found.until else "it does not open in a year"
        raise Failure(action, f"{found.why}; {opens}",
                      "Run the same command then. An emergency does not wait: -e rollout_emergency='the reason'")
    return None


def how_on(wave: str, verdict: Verdict) -> str:
    """Return what to do behind a closed gate."""
    if verdict is Verdict.FAIL:
        return "Correct the cause and run the same command again"
    return f"Run the same command without --limit to resume with those hosts of {wave}, or go on without a host: -e rollout_set_aside=HOST"
