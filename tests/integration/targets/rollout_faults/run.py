#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of a rollout over four real hosts at 30 moments: what the hosts are, and what the record says of them.

Each rollout is killed three times and then let run to its end, always by the same command. Half of the kills take what runs
on the hosts along, half leave it running beside the resumed rollout. The moments are random but for some, which are where it
matters most. An argument is the seed of an earlier run.
"""

from __future__ import annotations

import json
import random
import sys
import time
import typing as t
from dataclasses import dataclass

import jsonschema
from fleet import ALL, EARLY, PRODUCTION, STATE, TOP, Event, Fleet, Manifest, differences, publish
from killing import Kill

KILLS_EACH = 3
SHORTEST, LONGEST = 0.15, 0.6  # of the time that a rollout takes which nobody kills; a resumed one has less to do
SCHEMA = jsonschema.Draft202012Validator(json.loads((TOP / "plugins/module_utils/_rollout/record.schema.json").read_text()))
Moment = t.Union[float, t.Tuple[str, ...]]


@dataclass(frozen=True)
class Story:
    """A rollout and how it has to end.

    ill: the host whose health check fails; new: the hosts that end up on the release; moments: where one kill of each is
    aimed, as words that the record has to have; soak: how long early adopters are watched.
    """

    name: str
    ill: str
    new: t.Tuple[str, ...]
    moments: t.Tuple[t.Tuple[str, ...], ...]
    soak: str = ""


HEALTHY = Story("everybody is healthy", "", ALL, (("host passed", "host passed"), ("gate pass",), ("host started", "host started")))
WATCHED = Story("everybody is healthy and watched", "", ALL, (("host soaking", "host soaking"),), soak="4s")
ILL_EARLY = Story("an early adopter fails", "dnf1", (), (("host failed",), ("gate fail",), ("host rolled_back",)))
ILL_PRODUCTION = Story("a production host fails", "apt2", EARLY,
                       (("host passed", "host passed"), ("gate pass", "host failed"), ("gate fail", "host rolled_back")))
STORIES = (HEALTHY, HEALTHY, HEALTHY, WATCHED, ILL_EARLY, ILL_EARLY, ILL_EARLY, ILL_PRODUCTION, ILL_PRODUCTION, ILL_PRODUCTION)


class Judge:
    """What has to be true of four hosts and their record at any moment. old, new: host -> what it is made of."""

    def __init__(self, fleet: Fleet, old: t.Mapping[str, Manifest], new: t.Mapping[str, Manifest]) -> None:
        self.fleet, self.old, self.new = fleet, old, new

    def at_any_moment(self) -> t.Iterator[str]:
        """Yield what is wrong; a host that is said to be changing may be anything."""
        yield from self.damage()
        yield from self.order()
        for name in ALL:
            status = self.fleet.status(name)
            if status == "passed" and self.is_going_back(name):
                continue
            if status == "passed" and (self.fleet[name].says() or {}).get("status") != "passed":
                yield f"{name} is recorded as passed and says itself: {self.fleet[name].says()}"
            if status in ("passed", "rolled_back"):
                yield from self.is_wholly(name, self.new if status == "passed" else self.old, f"recorded as {status}")
            if status == "not_attempted":
                # It may have been looked at, which leaves what its Python compiled, if its wave may start; see order.
                changed = [path for path in self.fleet[name].touched() if path.startswith(("etc/", "usr/bin/", "usr/share/"))]
                yield from [f"{name} is recorded as never attempted and has other files: {changed[:5]}"] if changed else []

    def at_the_end(self, story: Story, status: int) -> t.Iterator[str]:
        """Yield what is wrong after a rollout that nobody killed."""
        yield from self.at_any_moment()
        if (status == 0) != (story.new == ALL):
            yield f"exit status {status}"
        for name in ALL:
            expected = "passed" if name in story.new else "rolled_back" if name in EARLY or story.new else "not_attempted"
            if self.fleet.status(name) != expected:
                yield f"{name} is recorded as {self.fleet.status(name)}, not as {expected}"
            yield from self.is_wholly(name, self.new if name in story.new else self.old, "at the end")
        if self.fleet.events()[-1]["event"] != "run_ended":
            yield "the run did not record its end"

    def is_going_back(self, name: str) -> bool:
        """Whether the last verdict on the host's wave is a fail: whoever passed there is rolled back with the others."""
        wave = "early_adopters" if name in EARLY else "production"
        return [event["verdict"] for event in self.fleet.events() if event["event"] == "gate" and event["wave"] == wave][-1:] == ["fail"]

    def damage(self) -> t.Iterator[str]:
        """Yield every line that the published schema does not allow; only a last one may be cut off."""
        for path in self.fleet.record_files():
            for number, line in enumerate(path.read_text().splitlines(keepends=True), 1):
                if line.endswith("\n") and not SCHEMA.is_valid(json.loads(line)):
                    yield f"{path.name}: line {number} is not what the schema allows: {line}"

    def order(self) -> t.Iterator[str]:
        """Yield the production hosts that somebody wrote to before the early adopters had passed."""
        opened = [event["time"] for event in self.fleet.events() if _word(event) == "gate pass" and event["wave"] == "early_adopters"]
        for name in PRODUCTION:
            first = self.fleet[name].first_touched()
            if first is not None and (not opened or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(first)) < opened[0]):
                yield f"{name} was touched at {first:.2f}, the gate before it opened at {opened[:1]}: {self.fleet[name].touched()[:5]}"

    def is_wholly(self, name: str, manifests: t.Mapping[str, Manifest], when: str) -> t.Iterator[str]:
        """Yield in what a host is not the one it should be."""
        wrong = differences(manifests[name], self.fleet[name].manifest())
        if wrong:
            yield f"{name}, {when}: {'; '.join(wrong)}"


class Trials:
    """The rollouts, one after the other, and the count of what was claimed of them."""

    def __init__(self, fleet: Fleet, judge: Judge, length: float, seed: int) -> None:
        self.fleet, self.judge, self.length, self.chance = fleet, judge, length, random.Random(seed)
        self.passed = self.failed = self.kills = 0
        self.where: t.Dict[str, int] = {}

    def tell(self, story: Story, number: int) -> None:
        """Run a rollout, kill it at KILLS_EACH moments, let it end."""
        self.fleet.renew()
        self.fleet.site(rollout_waves=[{"name": "early_adopters", "soak": story.soak, "recheck": "2s"}, {"name": "production"}],
                        rollout_health_checks=["cloud-api --check", *([f"grep -qvx {story.ill} /etc/hostname"] if story.ill else [])])
        aimed = story.moments[number % len(story.moments)]
        moments: t.List[Moment] = [aimed, *(self.chance.uniform(SHORTEST, LONGEST) * self.length for _kill in range(1, KILLS_EACH))]
        self.chance.shuffle(moments)
        for moment in moments:
            self.cut_short(story, moment, alone=self.chance.random() < 0.5)
        kill = Kill()
        status, said = self.fleet.rollout()
        kill.everything()
        if not self.claim(f"{story.name}: resumed to its end", [*self.judge.at_the_end(story, status)]):
            print(said)

    def cut_short(self, story: Story, moment: Moment, alone: bool) -> None:
        """Kill a run. moment: seconds after its start, or what has to be recorded, in this order; alone: hosts go on."""
        kill, before, begun = Kill(), len(self.fleet.events()), time.monotonic()
        process = self.fleet.start()
        while process.poll() is None and not self.reached(moment, before, begun):
            time.sleep(0.01)
        self.kills += process.poll() is None
        at = time.monotonic() - begun
        (kill.controller if alone else kill.everything)()
        process.wait()
        last = self.last_word()
        self.where[last] = self.where.get(last, 0) + 1
        left = len(kill.on_hosts())
        if left == 0 and self.chance.random() < 0.3:
            self.tear()
        self.claim(f"{story.name}: killed after {at:.1f} s, {last}, {left} processes go on", [*self.judge.at_any_moment()])

    def reached(self, moment: Moment, before: int, begun: float) -> bool:
        """Whether it is time. Words are looked for in this run's events, one after the other."""
        if isinstance(moment, float):
            return time.monotonic() - begun > moment
        wanted = list(moment)
        for event in self.fleet.events()[before:]:
            if wanted and _word(event) == wanted[0]:
                wanted.pop(0)
        return not wanted

    def last_word(self) -> str:
        events = self.fleet.events()
        return f"after '{_word(events[-1])}'" if events else "before the record was opened"

    def tear(self) -> None:
        """Leave what a kill in the middle of a write would."""
        for path in self.fleet.record_files()[-1:]:
            with path.open("a") as file:
                file.write('{"event": "host", "host": "ap')

    def claim(self, what: str, wrong: t.Sequence[str]) -> bool:
        self.passed, self.failed = self.passed + (not wrong), self.failed + bool(wrong)
        print(f"{'FAILED' if wrong else 'ok    '}  {what}", *wrong, sep="\n        ", flush=True)
        return not wrong


def _word(event: Event) -> str:
    return " ".join([event["event"], *(event[key] for key in ("status", "verdict") if key in event)])


def main() -> int:
    seed = int(sys.argv[1]) if sys.argv[1:] else random.SystemRandom().randrange(10**6)
    publish()
    fleet = Fleet(STATE / "rollout")
    fleet.renew()
    fleet.site()
    old = {name: fleet[name].manifest() for name in ALL}
    fleet.renew()
    begun = time.monotonic()
    status, said = fleet.rollout()
    length = time.monotonic() - begun
    new = {name: fleet[name].manifest() for name in ALL}
    if status or any(old[name] == new[name] for name in ALL):
        print(said)
    trials = Trials(fleet, Judge(fleet, old, new), length, seed)
    print(f"seed {seed}, a rollout that nobody kills takes {length:.1f} s", flush=True)
    for number, story in enumerate(STORIES):
        trials.tell(story, number)
    trials.claim(f"{trials.kills} of {KILLS_EACH * len(STORIES)} were at work when they were killed: {trials.where}", [])
    print(f"{time.monotonic() - begun:.0f} s")
    print(f"{trials.passed} passed, {trials.failed} failed, 0 skipped")
    return 1 if trials.failed else 0


if __name__ == "__main__":
    sys.exit(main())
