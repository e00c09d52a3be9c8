# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story bin/demo tells, inside a lab session: one command, run three times, while the repository changes; then the
base distribution breaks (see holdback_act).

What it says was checked is checked: with the hosts' own dpkg, apt, rpm and dnf, and it ends with 1 when it is not so.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.egi.cmd.plugins.module_utils._rollout import record, table
from demo import holdback_act
from demo.programs import ANSIBLE, STATE, publish, short, started, tail
from demo.screen import ClaimFailed, chapter, claim, command, quote, say, step
from demo.witness import Witness
from lab.content import OVERLAY
from lab.roots import LabError

HOSTS = ("ea-apt", "ea-dnf", "prod-apt", "prod-dnf")
RECORDS = STATE / "records"
_LOOK = 0.25  # seconds between two looks at the record
PACKAGES = ("cloud-api", "cloud-client", "libcloud")


def overlay(host: Witness, version: str) -> str:
    """The overlay's build of a version, as the host's family writes it."""
    return f"{version}-1{OVERLAY['deb' if host.family == 'apt' else 'rpm']}"


def roll_out(number: int, passes: bool) -> record.Rollout:
    """Run the playbook a site runs, show what its record says while it runs, and return the rollout as recorded.

    passes: whether all waves pass; else the first one fails and the playbook stops there.
    """
    log = STATE / "log" / f"rollout-{number}.log"
    command("ansible-playbook -i demo/inventory.yml egi.cmd.rollout")
    say(f"(its output goes to {short(log)})")
    known = set(RECORDS.glob("*.jsonl"))
    with started([*ANSIBLE, "egi.cmd.rollout"], log) as playbook:
        events: list[dict[str, t.Any]] = []
        ended = False
        while not ended:
            ended = playbook.poll() is not None
            recorded = _recorded(known)
            for event in recorded[len(events):]:
                _show(event)
            events = recorded
            time.sleep(0 if ended else _LOOK)
    verdicts = [event["verdict"] for event in events if event["event"] == "gate"]
    if (playbook.returncode == 0, verdicts) != (passes, ["pass", "pass"] if passes else ["fail"]):
        raise ClaimFailed(tail(log, f"the playbook ended with {playbook.returncode}, its gates said {verdicts or 'nothing'}"))
    (path,) = set(RECORDS.glob("*.jsonl")) - known
    rollout = record.fold(path.read_text(), str(path))
    assert rollout is not None  # a record with verdicts was opened
    return rollout


def _recorded(known: set[Path]) -> list[dict[str, t.Any]]:
    """The events of the record that is not among the known ones, as far as they are written."""
    return [json.loads(line) for path in set(RECORDS.glob("*.jsonl")) - known
            for line in record.whole_lines(path.read_text()).splitlines()]


def _show(event: t.Mapping[str, t.Any]) -> None:
    if event["event"] == "gate":
        say(f"gate   {event['verdict']}: {event['reason']}")
    elif event["event"] == "host" and event["status"] != "started":
        say(f"host   {event['host']}: {event['status'].replace('_', ' ')}")


def distributions(hosts: t.Sequence[Witness]) -> None:
    chapter(1, "A base distribution, and CMD-OS 1 to lay over it")
    with step("build deb and rpm packages, sign and publish them; four hosts install from them"):
        publish("release", "--install", "cloud-client")
    say("http://repo.demo.example/ (a real nginx, on a loopback of its own) serves",
        "  the base distribution:  cloud-api 2.5, cloud-client 3.0, libcloud 1.0, site-tools 1.1",
        "  CMD-OS 1:               cloud-api 2.1 (base) and 2.2 (updates), libcloud 0.9 (holdback), proposed is empty",
        "early adopters: ea-apt, ea-dnf.  production: prod-apt, prod-dnf.")
    claim("run cloud-api 2.5 of the base distribution", hosts, lambda host: host.version("cloud-api") == "2.5-1")


def first_release(hosts: t.Sequence[Witness]) -> record.Rollout:
    chapter(2, "Roll out CMD-OS 1: early adopters first, production only behind the gate")
    rollout = roll_out(1, passes=True)
    say("", "The overlay decides, although the base distribution has the higher version:")
    for name in ("prod-apt", "prod-dnf"):
        asked, answer = Witness.of(name).opinion("cloud-api")
        command(f"{asked}    # on {name}")
        quote(answer)
    claim("are offered 2.5, which their dpkg or rpm calls higher", hosts,
          lambda host: "2.5-1" in host.offered("cloud-api") and host.is_higher("2.5-1", overlay(host, "2.2")))
    claim("run the overlay's cloud-api 2.2 and its held back libcloud 0.9", hosts,
          lambda host: (host.version("cloud-api"), host.version("libcloud")) == (overlay(host, "2.2"), overlay(host, "0.9")))
    claim("kept cloud-client 3.0 and site-tools 1.0, which nobody asked to change", hosts,
          lambda host: (host.version("cloud-client"), host.version("site-tools")) == ("3.0-1", "1.0-1"))
    claim("would take site-tools 1.1 with a plain upgrade, and nothing that leaves the overlay", hosts,
          lambda host: host.upgrade_would_take() == {"site-tools"})
    return rollout


def proposed_package(hosts: t.Sequence[Witness]) -> record.Rollout:
    chapter(3, "cloud-client 3.1 is proposed: the same command, and only early adopters get it")
    with step("publish cloud-client 3.1 in cmd-os-1-proposed"):
        publish("proposed", "--no-hosts")
    rollout = roll_out(2, passes=True)
    early, others = _split(hosts)
    claim("run the proposed cloud-client 3.1", early, lambda host: host.version("cloud-client") == overlay(host, "3.1"))
    claim("still run cloud-client 3.0", others, lambda host: host.version("cloud-client") == "3.0-1")
    return rollout


def broken_update(hosts: t.Sequence[Witness]) -> record.Rollout:
    chapter(4, "cloud-api 2.3 is broken: the same command stops at the early adopters and puts them back")
    with step("publish cloud-api 2.3 in cmd-os-1-updates"):
        publish("broken", "--no-hosts")
    before = {host.name: host.state() for host in hosts}
    rollout = roll_out(3, passes=False)
    early, others = _split(hosts)
    claim("did run cloud-api 2.3: their package logs say so", early, lambda host: host.had("cloud-api", overlay(host, "2.3")))
    claim("are back: every package and every file of apt and dnf is what it was", early, lambda host: host.state() == before[host.name])
    claim("were not touched: every package and every file of apt and dnf is what it was", others,
          lambda host: host.state() == before[host.name])
    claim("are healthy", hosts, lambda host: host.healthy())
    return rollout


def _split(hosts: t.Sequence[Witness]) -> tuple[list[Witness], list[Witness]]:
    """The early adopters, and the others."""
    return [host for host in hosts if host.name.startswith("ea-")], [host for host in hosts if not host.name.startswith("ea-")]


def outcome(hosts: t.Sequence[Witness], rollouts: t.Sequence[record.Rollout]) -> None:
    """Show what every host runs, asked from the host, and what the records say about it."""
    chapter(5, "Where everything stands")
    # Later rollouts overwrite what earlier ones said about a package.
    verdicts = {(row["host"], row["package"]): row["verdict"] for rollout in rollouts for row in table.result_rows(rollout)}
    last = {row["host"]: row for row in table.result_rows(rollouts[-1])}
    rows = []
    for host in hosts:
        for package in PACKAGES:
            version, origin = host.installed_from(package)
            verdict = f"2.3 {last[host.name]['verdict']}" if package == "cloud-api" else verdicts.get((host.name, package), "")
            rows.append({**last[host.name], "package": package, "version": version, "origin": origin, "verdict": verdict})
    say(*table.lines(rows, table.RESULT_COLUMNS))


def farewell() -> None:
    if os.environ.get("DEMO_KEEP"):
        say("", "The hosts are kept. Look around, with the repository served:",
            "  bin/demo --enter ea-apt                                  a shell on a host",
            "  bin/demo --enter prod-dnf -- dnf history list            one command",
            "  bin/demo --clean                                         remove them")
    else:
        say("", "The hosts are gone. bin/demo --keep leaves them for you to look around.")
    minutes, seconds = divmod(int(time.time()) - int(os.environ.get("DEMO_STARTED") or time.time()), 60)
    say(f"Everything above was checked; it took {f'{minutes} min ' if minutes else ''}{seconds} s.")


def main() -> int:
    """Tell the story; 0 when every claim holds, 130 when the reader interrupts it."""
    hosts = [Witness.of(name) for name in HOSTS]
    # What an interrupted demonstration recorded is about hosts that no longer exist.
    for part in ("records", "log", "ansible"):
        shutil.rmtree(STATE / part, ignore_errors=True)
    try:
        distributions(hosts)
        rollouts = [first_release(hosts), proposed_package(hosts), broken_update(hosts)]
        outcome(hosts, rollouts)
        holdback_act.tell(*_split(hosts))
        farewell()
    except (ClaimFailed, LabError) as error:
        print(f"\ndemo: {error}\ndemo: the logs are in {short(STATE / 'log')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(flush=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
