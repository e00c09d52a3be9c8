# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth table: what happens to a rollout over four real hosts, and what has to come of it.

apt1 and dnf1 are the early adopters, apt2 and dnf2 are production. A row is a rollout from its beginning, on hosts that are
as new; its steps are runs of the same playbook, one after the other.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from fleet import EARLY, PRODUCTION, Variables

NEW, OLD, UNTOUCHED = "new", "old", "-"  # old: was touched and is the same; "?" is for one that is none of them
# Nothing listens on the discard port of this session's loopback: a host that is down.
DOWN = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
ILL_APT1, ILL_DNF1, ILL_BOTH = "grep -qvx apt1 /etc/hostname", "grep -qvx dnf1 /etc/hostname", "test -e /nowhere"
RESCUED = str(Path(__file__).resolve().with_name("rescued.yml"))
# Where apt1's old versions come from; dnf1 has no such file, so that this check fails there.
WAY_BACK = "etc/apt/sources.list.d/base.sources"


@dataclass(frozen=True)
class Step:
    """One run. site: what the inventory says from here on, beside the defaults; arguments: of the command.

    good: whether the exit status is 0. verdicts: those the run records, in order, ``wave verdict``; a wave that passed before is
    judged again, one that failed is not. words: what the run must
    say. hosts: what apt1, dnf1, apt2 and dnf2 are afterwards, see NEW. how: who else is at work, see run.HOW.
    """

    good: bool
    hosts: str
    verdicts: t.Tuple[str, ...] = ()
    words: t.Tuple[str, ...] = ()
    arguments: t.Tuple[str, ...] = ()
    site: Variables = field(default_factory=dict)
    how: str = "alone"


@dataclass(frozen=True)
class Row:
    """name: what happens."""

    name: str
    steps: t.Tuple[Step, ...]


def row(name: str, *steps: Step) -> Row:
    return Row(name, steps)


def set_to(**variables: str) -> t.Tuple[str, ...]:
    """Return the command's arguments for variables of the rollout; values hold no blanks."""
    return tuple(word for name, value in variables.items() for word in ("-e", f"{name}={value}"))


def waves(production: t.Optional[Variables] = None, **early: t.Any) -> Variables:
    """Return a site's waves with more keys."""
    return {"rollout_waves": [{"name": "early_adopters", **early}, {"name": "production", **(production or {})}]}


def _closed() -> t.List[Variables]:
    """Return windows of which none is open now: they are on a day that is two or three days away in any time zone."""
    day = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=3)
    return [{"days": [day.strftime("%A").lower()], "from": "09:00", "to": "16:00", "timezone": "Europe/Amsterdam"}]


BEFORE = "the gate before it is closed: early_adopters: "
EARLY_PASS, BOTH_PASS = ("early_adopters pass",), ("early_adopters pass", "production pass")
EARLY_FIRST = Step(True, "new new - -", EARLY_PASS, arguments=("--limit", "early_adopters"))

ROWS = (
    row("only unreachable hosts",
        Step(False, "- - - -", ("early_adopters inconclusive",),
             ("early_adopters: 0 of 2 healthy, 2 unreachable: apt1", "Nothing was rolled back", "production was not started"),
             site={"hosts": dict.fromkeys(EARLY, DOWN)})),
    row("only rescued hosts: Ansible counts them as ok",
        Step(False, "old old - -", ("early_adopters fail",),
             ("early_adopters: 0 of 2 healthy, 2 failed: apt1", "rescued=1", "Rolled back: apt1, dnf1", "production was not started"),
             site={"rollout_health_checks": [ILL_BOTH]})),
    row("hosts that the site's own tasks rescued",
        Step(False, "old old - -", ("early_adopters fail",), ("2 failed: apt1 (health check 'service' failed", "Rolled back: apt1, dnf1"),
             site={"rollout_health_checks": [{"name": "service", "tasks": RESCUED}]})),
    row("a group without a host is a mistake",
        Step(False, "- - - -", (), ("wave 'early_adopters'", "host"),
             site={"groups": {"early_adopters": [], "production": PRODUCTION}})),
    row("0 percent is not a mistake",
        Step(True, "- - new new", ("production pass",), ("production: 2 of 2 healthy; needs 2 of 2. cmd-os-1 is rolled out.",), site=waves(percent=0))),
    row("--limit production comes first",
        Step(False, "- - - -", (), (BEFORE + "0 of 2 healthy, 2 not attempted: apt1, dnf1; needs 2 of 2",), ("--limit", "production"))),
    row("--limit leaves half of the early adopters out",
        Step(False, "new - - -", ("early_adopters inconclusive",),
             ("1 of 2 healthy, 1 not attempted: dnf1; needs 2 of 2", "Nothing was rolled back"), ("--limit", "apt1")),
        Step(False, "new - - -", (), (BEFORE + "1 of 2 healthy, 1 not attempted: dnf1",), ("--limit", "production")),
        Step(True, "new new new new", BOTH_PASS)),
    row("a host leaves the inventory in the middle",
        EARLY_FIRST,
        Step(False, "new new - -", (), ("dnf2 is no longer in wave 'production'", "rollout_replan=true"),
             site={"groups": {"early_adopters": EARLY, "production": ["apt2"]}}),
        Step(True, "new new new -", BOTH_PASS, ("production: 1 of 1 healthy",), set_to(rollout_replan="true"),
             site={"groups": {"early_adopters": EARLY, "production": ["apt2"]}})),
    row("a person goes on without a host that is down",
        Step(False, "- new - -", ("early_adopters inconclusive",), ("1 of 2 healthy, 1 unreachable: apt1",), site={"hosts": {"apt1": DOWN}}),
        Step(True, "- new new new", BOTH_PASS, ("1 set aside: apt1",), set_to(rollout_set_aside="apt1", rollout_reason="broken-disk", rollout_user="alice"),
             site={"hosts": {"apt1": DOWN}})),
    row("50 % fail, 49 % may",
        Step(False, "old old - -", ("early_adopters fail",), ("1 of 2 healthy, 1 failed: dnf1", "Rolled back: apt1, dnf1"),
             site={**waves(max_failed_percent=49), "rollout_health_checks": [ILL_DNF1]})),
    *(row(f"50 % fail, {percent} % may",
          Step(True, "new new - -", EARLY_PASS, ("1 of 2 healthy, 1 failed: dnf1", "needs 1 of 2, at most 1 failed"), ("--limit", "early_adopters"),
               site={**waves(max_failed_percent=percent), "rollout_health_checks": [ILL_DNF1]})) for percent in (50, 51)),
    row("the controller is killed between the last result and the gate",
        Step(False, "new new - -", how="killed before the gate"),
        Step(True, "new new new new", BOTH_PASS)),
    row("an approval is missing, then given by somebody who may not, then by somebody who may",
        Step(False, "new new - -", EARLY_PASS, ("it waits for the approval of alice", "rollout_approve=production"),
             site=waves({"approval": {"by": ["alice"]}})),
        Step(False, "new new - -", (), ("mallory is not one of those who may: alice",), set_to(rollout_approve="production", rollout_user="mallory"),
             site=waves({"approval": {"by": ["alice"]}})),
        Step(True, "new new new new", BOTH_PASS, (), set_to(rollout_approve="production", rollout_user="alice"),
             site=waves({"approval": {"by": ["alice"]}}))),
    row("an approval is refused, and stays refused",
        Step(False, "new new - -", EARLY_PASS, ("bob refused it (exam-week)",),
             set_to(rollout_refuse="production", rollout_reason="exam-week", rollout_user="bob"), site=waves({"approval": True})),
        Step(False, "new new - -", EARLY_PASS, ("bob refused it (exam-week)",), site=waves({"approval": True}))),
    row("outside the window; an emergency does not wait",
        Step(False, "new new - -", EARLY_PASS, ("it opens at ", "rollout_emergency"), site=waves({"windows": _closed()})),
        Step(True, "new new new new", BOTH_PASS, (), set_to(rollout_emergency="CVE-2026-1234"), site=waves({"windows": _closed()}))),
    row("an emergency opens no gate",
        Step(False, "- - - -", (), (BEFORE,), ("--limit", "production", *set_to(rollout_emergency="CVE-2026-1234")))),
    row("healthy after the change, ill while it is watched",
        Step(False, "old old - -", ("early_adopters fail",), ("2 failed: apt1", "health check 'fades'", "Rolled back: apt1, dnf1"),
             site={**waves(soak="2s", recheck="1s"), "rollout_health_checks": [{"name": "fades", "command": "mkdir /run/asked"}]})),
    row("a wave is judged by the checks that it requires",
        Step(False, "new new - -", ("early_adopters inconclusive",), ("2 without a required check: apt1 (dashboard)",),
             site=waves(required_checks=["dashboard"]))),
    row("one host of a cluster at a time: the first fails, the second is not touched",
        Step(False, "old - - -", ("early_adopters fail",), ("1 failed: apt1", "1 not attempted: dnf1", "Rolled back: apt1."),
             site={**waves(slots=1), "hosts": dict.fromkeys(EARLY, {"rollout_cluster": "galera"}), "rollout_health_checks": [ILL_APT1]})),
    row("the way back is gone, and is found again",
        Step(False, "? old - -", ("early_adopters fail",), ("Rolled back: dnf1. Not rolled back: apt1", "production was not started"),
             site={"rollout_health_checks": [f"mv /{WAY_BACK} /root"]}),
        Step(False, "old old - -", (), ("Rolled back: apt1, dnf1",), how="with the way back",
             site={"rollout_health_checks": [f"mv /{WAY_BACK} /root"]})),
    row("a second operator",
        Step(True, "new new new new", BOTH_PASS, how="beside a second operator")),
)
