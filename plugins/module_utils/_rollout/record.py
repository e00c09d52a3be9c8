# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The record of a rollout: one JSON object a line, and what a reader may conclude from the lines that are there.

The shape of every line is published in record.schema.json beside this file.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Outcome, Status, Verdict, judge, unproven_hosts
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave

SCHEMA = 1
# A host that failed or was unreachable before "started" was not changed.
_TOUCHED = (Status.STARTED, Status.SOAKING, Status.PASSED, Status.ROLLED_BACK, Status.ROLLBACK_FAILED)
Event = t.Dict[str, t.Any]
_REPAIR = "Move the file away to forget this rollout, or restore it from a backup"
_KEYS: t.Dict[str, t.Dict[str, type]] = {
    "opened": {"rollout": str, "schema": int, "plan": dict},
    "run_started": {"run": dict},
    "run_ended": {},
    "host": {"wave": str, "host": str, "status": str},
    "gate": {"wave": str, "verdict": str, "reason": str},
    "approval": {"wave": str, "verdict": str, "by": str},
    "set_aside": {"wave": str, "host": str, "by": str},
    "replanned": {"plan": dict, "by": str},
}
_ANSWERS = ("approved", "refused")


@dataclass
class HostRecord:
    """What the record says about one host.

    result: how the last attempt ended, which a roll-back does not unsay.
    attempted: something may have been changed on it. previous: where a roll-back takes its repositories,
    {"set": name, "generation": id or None}; None while that was not recorded. since: when it was first found healthy
    after the change, UTC as in the record; '' while it was not. checks: what each of its checks last said, {name,
    verdict, detail}. boot: the host's boot id when its last line was written.
    """

    status: Status = Status.NOT_ATTEMPTED
    result: t.Optional[Status] = None
    reason: str = ""
    packages: t.List[t.Dict[str, str]] = field(default_factory=list)
    attempted: bool = False
    previous: t.Optional[t.Dict[str, t.Any]] = None
    since: str = ""
    checks: t.List[t.Dict[str, str]] = field(default_factory=list)
    boot: str = ""


@dataclass
class Rollout:
    """A rollout as its record tells it.

    run: who runs it, None when nobody does; emergency: why that run does not wait for windows and soak. failed: wave ->
    why it failed. approvals: wave -> the last answer {verdict, by, text}; aside: host -> who decided to go on without it.
    """

    name: str
    plan: Plan
    hosts: t.Dict[str, HostRecord]
    failed: t.Dict[str, str] = field(default_factory=dict)
    run: t.Optional[t.Dict[str, t.Any]] = None
    emergency: str = ""
    approvals: t.Dict[str, Event] = field(default_factory=dict)
    aside: t.Dict[str, Event] = field(default_factory=dict)

    @classmethod
    def unrecorded(cls, plan: Plan) -> Rollout:
        """Return a rollout of which nothing is recorded: no host was attempted."""
        return cls("", plan, {host: HostRecord() for wave in plan.waves for host in wave.hosts})

    def outcome(self, wave: Wave) -> Outcome:
        """Return the verdict on a wave; a recorded fail stays one, or an interrupted roll-back would be forgotten."""
        found = {host: self.hosts[host] for host in wave.hosts}
        outcome = judge(wave, {host: one.status for host, one in found.items()}, {host: one.reason for host, one in found.items()},
                        self._proven(wave), self.aside)
        if wave.name in self.failed:
            return Outcome(wave.name, Verdict.FAIL, self.failed[wave.name])
        return outcome

    def blocking(self, wave: str) -> t.Optional[Outcome]:
        """Return the first earlier wave whose gate is closed; None when the wave called wave may start."""
        for earlier in self.plan.before(wave):
            outcome = self.outcome(earlier)
            if outcome.verdict is not Verdict.PASS:
                return outcome
        return None

    def to_do(self, wave: Wave) -> t.List[str]:
        """Return the hosts of a wave that have yet to be changed, or to pass a check that is required; nobody works on one set aside."""
        unproven = unproven_hosts(wave, {host: self.hosts[host].status for host in wave.hosts}, self._proven(wave))
        return [host for host in wave.hosts
                if host in unproven or (self.hosts[host].status not in (Status.PASSED, Status.SOAKING) and host not in self.aside)]

    def begun(self, wave: Wave) -> t.List[str]:
        """Return the hosts of a wave that a run left in the middle of their change."""
        return [host for host in self.to_do(wave)
                if self.hosts[host].attempted and self.hosts[host].status in (Status.STARTED, Status.UNREACHABLE)]

    def soaking(self, wave: Wave) -> t.List[str]:
        """Return the hosts of a wave that were healthy after the change and are being watched."""
        return [host for host in wave.hosts if self.hosts[host].status is Status.SOAKING and host not in self.aside]

    def approved(self, wave: str) -> bool:
        """Return whether the last answer to a wave that waits for approval is yes."""
        return wave in self.approvals and self.approvals[wave]["verdict"] == "approved"

    def _proven(self, wave: Wave) -> t.Dict[str, t.List[str]]:
        return {host: [one["name"] for one in self.hosts[host].checks if one["verdict"] == "passed"] for host in wave.hosts}

    def to_roll_back(self, wave: Wave) -> t.List[str]:
        """Return the hosts of a wave that may have been changed and are not known to be back."""
        return [host for host in wave.hosts
                if self.hosts[host].attempted and self.hosts[host].status is not Status.ROLLED_BACK]

    @property
    def over(self) -> bool:
        """Whether there is nothing left to resume: every gate passed, or a failed wave is wholly back."""
        if self.failed:
            return not any(self.to_roll_back(self.plan.wave(wave)) for wave in self.failed)
        return all(self.outcome(wave).verdict is Verdict.PASS for wave in self.plan.waves)


def safe_name(text: str) -> str:
    """Return text with what a file name or a package record cannot hold replaced."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "release"


def opened_at(text: str) -> str:
    """Return when a record was opened, as written in its first line; empty if that cannot be read."""
    found = re.search(r'"time": "([0-9TZ:-]+)"', text.partition("\n")[0])
    return found.group(1) if found else ""


def opened(rollout: str, plan: Plan) -> Event:
    """Return the first event of a record."""
    return {"event": "opened", "schema": SCHEMA, "rollout": rollout, "plan": plan.as_dict()}


def host_event(wave: str, host: str, status: str, **details: t.Any) -> Event:
    """Return the event that says what became of a host; details without a value are left out, secrets masked."""
    event: Event = {"event": "host", "wave": wave, "host": host, "status": status}
    event.update({key: value for key, value in details.items() if value not in (None, "", [])})
    if "previous" in event:
        # Before 2.19, ansible-core makes an empty text of a templated null.
        event["previous"] = {key: value or None for key, value in event["previous"].items()}
    if "reason" in event:
        event["reason"] = masked(" ".join(str(event["reason"]).split()))
    return event


def gate_event(outcome: Outcome) -> Event:
    """Return the event that says how a wave was judged."""
    return {"event": "gate", "wave": outcome.wave, "verdict": outcome.verdict.value, "reason": outcome.reason}


def approval(wave: str, verdict: str, by: str, text: str) -> Event:
    """Return the event of a person's answer to a wave that waits for it. verdict: approved or refused."""
    return _decision({"event": "approval", "wave": wave, "verdict": verdict, "by": by}, text)


def set_aside(wave: str, host: str, by: str, text: str) -> Event:
    """Return the event of a person's decision to go on without a host."""
    return _decision({"event": "set_aside", "wave": wave, "host": host, "by": by}, text)


def replanned(plan: Plan, by: str, text: str) -> Event:
    """Return the event of a person's decision to go on with another plan."""
    return _decision({"event": "replanned", "plan": plan.as_dict(), "by": by}, text)


def run_started(run: t.Dict[str, t.Any], emergency: str) -> Event:
    """Return the event with which a run begins. emergency: why it does not wait, '' if it does."""
    event: Event = {"event": "run_started", "run": run}
    return {**event, "emergency": masked(emergency)} if emergency else event


def _decision(event: Event, text: str) -> Event:
    said = masked(" ".join(text.split()))
    return {**event, "text": said} if said else event


def line(event: Event, now: str) -> str:
    """Return an event as a line of the record. now: UTC, ``2026-01-31T12:00:00Z``."""
    return json.dumps({"time": now, **event}, sort_keys=True) + "\n"


def whole_lines(text: str) -> str:
    """Return text up to its last line end: a line without one was cut off by a crash and never acknowledged."""
    return text[:text.rfind("\n") + 1]


def fold(text: str, where: str) -> t.Optional[Rollout]:
    """Return the rollout that a record's text tells, None if not even its first line is whole.

    where: the file, for messages. Raise Failure with file and line if a whole line is not an event.
    """
    rollout: t.Optional[Rollout] = None
    for number, one in enumerate(whole_lines(text).split("\n")[:-1], 1):
        try:
            event = _event(one)
            if rollout is None:
                rollout = _open(event)
            else:
                apply(rollout, event)
        except (KeyError, TypeError, ValueError, Failure) as error:
            why = error.why if isinstance(error, Failure) else _why(error)
            raise Failure(f"read the rollout record {where}", f"line {number} is not one of its events: {why}", _REPAIR) from None
    return rollout


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "it is not JSON"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _event(one: str) -> Event:
    event = json.loads(one)
    if not isinstance(event, dict) or event.get("event") not in _KEYS:
        raise ValueError(f"expected one of the events {', '.join(_KEYS)}")
    for key, kind in {"time": str, **_KEYS[event["event"]]}.items():
        if not isinstance(event[key], kind):
            raise ValueError(f"{key} is {json.dumps(event[key])}")
    return event


def _open(event: Event) -> Rollout:
    if event["event"] != "opened" or event["schema"] != SCHEMA:
        raise ValueError(f"expected the event 'opened' of schema {SCHEMA}")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", event["rollout"]):
        raise ValueError(f"rollout is {json.dumps(event['rollout'])}")
    rollout = Rollout.unrecorded(Plan.from_dict(event["plan"]))
    rollout.name = event["rollout"]
    return rollout


def apply(rollout: Rollout, event: Event) -> None:
    """Bring a rollout up to date with one more event. Raise ValueError, KeyError or Failure for one that cannot follow."""
    kind = event["event"]
    if kind == "opened":
        raise ValueError("a second event 'opened'")
    if kind in ("run_started", "run_ended"):
        rollout.run, rollout.emergency = event.get("run"), str(event.get("emergency", ""))
    elif kind == "gate":
        wave = rollout.plan.wave(event["wave"])
        if Verdict(event["verdict"]) is Verdict.FAIL:
            rollout.failed.setdefault(wave.name, event["reason"])
    elif kind == "approval":
        if event["verdict"] not in _ANSWERS:
            raise ValueError(f"verdict is {json.dumps(event['verdict'])}")
        rollout.approvals[rollout.plan.wave(event["wave"]).name] = event
    elif kind == "set_aside":
        _known(rollout, event)
        rollout.aside[event["host"]] = event
    elif kind == "replanned":
        _replan(rollout, Plan.from_dict(event["plan"]))
    else:
        _apply_host(rollout, event)


def _replan(rollout: Rollout, plan: Plan) -> None:
    """Go on with another plan: what is known of hosts and waves that are still there is kept."""
    if plan.content != rollout.plan.content:
        raise ValueError("the plan brings hosts something else")
    names = [wave.name for wave in plan.waves]
    hosts = [host for wave in plan.waves for host in wave.hosts]
    rollout.plan = plan
    rollout.hosts = {host: rollout.hosts.get(host) or HostRecord() for host in hosts}
    rollout.failed = {wave: why for wave, why in rollout.failed.items() if wave in names}
    rollout.approvals = {wave: event for wave, event in rollout.approvals.items() if wave in names}
    rollout.aside = {host: event for host, event in rollout.aside.items() if host in hosts}


def _known(rollout: Rollout, event: Event) -> None:
    if event["host"] not in rollout.plan.wave(event["wave"]).hosts:
        raise ValueError(f"host {json.dumps(event['host'])} is not in wave '{event['wave']}'")


def _apply_host(rollout: Rollout, event: Event) -> None:
    _known(rollout, event)
    host = rollout.hosts[event["host"]]
    host.status = Status(event["status"])
    if host.status in (Status.PASSED, Status.FAILED, Status.UNREACHABLE):
        host.result = host.status
    host.attempted = host.attempted or host.status in _TOUCHED
    host.reason = str(event.get("reason", ""))
    host.packages = [dict(one) for one in event.get("packages", host.packages)]
    # A host that is changed again is watched again from its beginning.
    host.since = event["time"] if host.status is Status.SOAKING else "" if host.status is Status.STARTED else host.since
    host.checks = [] if host.status is Status.STARTED else [_check(one) for one in event.get("checks", host.checks)]
    host.boot = str(event.get("boot", host.boot))
    if host.previous is None and "previous" in event:
        # The first word is the one from before the rollout; a resumed run sees its own earlier work.
        host.previous = dict(event["previous"])


def _check(one: t.Mapping[str, t.Any]) -> t.Dict[str, str]:
    return {"name": str(one["name"]), "verdict": str(one["verdict"]), "detail": str(one.get("detail", ""))}
