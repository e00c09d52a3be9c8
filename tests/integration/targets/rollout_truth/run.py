#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollout's truth table on four real hosts: verdicts, exit status, words, and what every host is afterwards.

Arguments are parts of the names of rows to run; all if there are none.
"""

from __future__ import annotations

import subprocess
import sys
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "rollout_faults"))

from fleet import ALL, EARLY, STATE, Event, Fleet, Manifest, differences, publish  # noqa: E402
from killing import Kill  # noqa: E402
from rows import NEW, OLD, ROWS, UNTOUCHED, WAY_BACK, Row, Step  # noqa: E402

_PATIENCE = 300.0
Outcome = t.Tuple[int, str]


def alone(fleet: Fleet, step: Step) -> Outcome:
    return fleet.rollout(*step.arguments)


def killed_before_the_gate(fleet: Fleet, step: Step) -> Outcome:
    """Kill the controller the moment the last early adopter is recorded as passed."""
    kill, process = Kill(), fleet.start(*step.arguments)
    until(lambda: all(fleet.status(name) == "passed" for name in EARLY), process)
    kill.everything()
    return process.wait(), ""


def beside_a_second_operator(fleet: Fleet, step: Step) -> Outcome:
    """Let somebody start the same rollout while it runs: they are told who is at work, and change nothing."""
    process = fleet.start(*step.arguments, output=subprocess.PIPE)
    until(lambda: fleet.status("apt1") == "started", process)
    status, said = fleet.rollout()
    assert status != 0 and f"process {process.pid} on " in said and "is being run by " in said, said
    first, _errors = process.communicate(timeout=_PATIENCE)
    return process.returncode, first


def with_the_way_back(fleet: Fleet, step: Step) -> Outcome:
    """Repair what kept apt1 from going back, then go on."""
    root = fleet["apt1"].root
    (root / "root" / Path(WAY_BACK).name).rename(root / WAY_BACK)
    return fleet.rollout(*step.arguments)


HOW = {"alone": alone, "with the way back": with_the_way_back,
       "killed before the gate": killed_before_the_gate, "beside a second operator": beside_a_second_operator}


def until(true: t.Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not true():
        assert process.poll() is None and time.monotonic() < deadline, "the run did not come that far"
        time.sleep(0.01)


class Table:
    """Judges rows. old, new: host -> what it is made of, before and after a rollout."""

    def __init__(self, fleet: Fleet, old: t.Mapping[str, Manifest], new: t.Mapping[str, Manifest]) -> None:
        self.fleet, self.old, self.new = fleet, old, new

    def judge(self, row: Row) -> t.List[str]:
        """Run a row's steps; return what is not as it says."""
        self.fleet.renew()
        wrong: t.List[str] = []
        for number, step in enumerate(row.steps, 1):
            self.fleet.site(**step.site)
            seen = len(self.fleet.events())
            status, said = HOW[step.how](self.fleet, step)
            found = [*self.differing(step, status, said, self.fleet.events()[seen:]), *self.hosts(step)]
            wrong += [f"run {number}: {one}" for one in found]
            if found:
                wrong.append(said)
                break
        return wrong

    def differing(self, step: Step, status: int, said: str, events: t.Sequence[Event]) -> t.Iterator[str]:
        """Yield in what a run's end is not the one it should be."""
        if (status == 0) != step.good:
            yield f"exit status {status}"
        verdicts = tuple(f"{event['wave']} {event['verdict']}" for event in events if event["event"] == "gate")
        if verdicts != step.verdicts:
            yield f"verdicts {verdicts}, not {step.verdicts}"
        plain = " ".join(said.split())
        yield from (f"it does not say {words!r}" for words in step.words if words not in plain)
        yield from (f"it says {words}" for words in ("Traceback", "WARNING") if words in said)

    def hosts(self, step: Step) -> t.Iterator[str]:
        """Yield in what the hosts are not what they should be."""
        for name, meant in zip(("apt1", "dnf1", "apt2", "dnf2"), step.hosts.split()):
            touched = self.fleet[name].touched()
            if meant == UNTOUCHED and touched:
                yield f"{name} was touched: {touched[:5]}"
            if meant in (NEW, OLD):
                wrong = differences((self.new if meant == NEW else self.old)[name], self.fleet[name].manifest())
                yield from [f"{name} is not {meant}: {'; '.join(wrong)}"] if wrong else []


def main() -> int:
    publish()
    fleet = Fleet(STATE / "rollout")
    fleet.renew()
    fleet.site()
    old = {name: fleet[name].manifest() for name in ALL}
    fleet.renew()
    status, said = fleet.rollout()
    new = {name: fleet[name].manifest() for name in ALL}
    assert status == 0 and not any(old[name] == new[name] for name in ALL), said
    table, failed = Table(fleet, old, new), 0
    rows = [row for row in ROWS if any(part in row.name for part in sys.argv[1:]) or not sys.argv[1:]]
    for row in rows:
        begun = time.monotonic()
        wrong = table.judge(row)
        failed += bool(wrong)
        print(f"{'FAILED' if wrong else 'ok    '}  {row.name} ({time.monotonic() - begun:.0f} s)", *wrong, sep="\n        ", flush=True)
    print(f"{len(rows) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
