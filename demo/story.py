# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story bin/demo tells, inside a lab session: one command, run three times, while the repository changes.

What it says was checked is checked: with the hosts' own dpkg, apt, rpm and dnf, and it ends with 1 when it is not so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.egi.cmd.plugins.module_utils._rollout import record, table
from demo.screen import ClaimFailed, chapter, claim, command, quote, say, step
from demo.witness import Witness
from lab.content import OVERLAY
from lab.roots import LabError

TOP = Path(__file__).resolve().parent.parent
STATE = Path(os.environ["LAB_STATE"])
HOSTS = ("ea-apt", "ea-dnf", "prod-apt", "prod-dnf")
ROLLOUT = ["ansible-playbook", "-i", os.environ["LAB_INVENTORY"], "-i", str(TOP / "demo/inventory.yml"), "egi.cmd.rollout"]
PACKAGES = ("cloud-api", "cloud-client", "libcloud")


def overlay(host: Witness, version: str) -> str:
    """The overlay's build of a version, as the host's family writes it."""
    return f"{version}-1{OVERLAY['deb' if host.family == 'apt' else 'rpm']}"


def publish(stage: str, *options: str) -> None:
    """Publish the standard site up to a stage (see lab/content.py)."""
    log = STATE / "log" / f"publish-{stage}.log"
    done = _logged([sys.executable, "-m", "lab.site", "--stage", stage, *options], log)
    if done:
        raise LabError(_tail(log, f"publishing failed ({done})"))


def roll_out(number: int, passes: bool) -> record.Rollout:
    """Run the playbook a site runs, show how each wave was judged, and return the rollout as recorded.

    passes: whether all waves pass; else the first one fails and the playbook stops there.
    """
    log = STATE / "log" / f"rollout-{number}.log"
    command("ansible-playbook -i demo/inventory.yml egi.cmd.rollout")
    with step("running; its output goes to " + _short(log)):
        status = _logged(ROLLOUT, log)
    newest = max((STATE / "records").glob("*.jsonl"), key=lambda path: path.stat().st_mtime, default=None)
    rollout = record.fold(newest.read_text(), str(newest)) if newest else None
    if newest is None or rollout is None:
        raise LabError(_tail(log, "the rollout left no record"))
    events = [json.loads(line) for line in newest.read_text().splitlines()]
    gates = [event for event in events if event["event"] == "gate"]
    for gate in gates:
        say(f"{gate['verdict']}: {gate['reason']}")
    found = status == 0, [gate["verdict"] for gate in gates]
    if found != (passes, ["pass", "pass"] if passes else ["fail"]):
        raise ClaimFailed(_tail(log, f"the playbook ended with {status}, its gates said {found[1] or 'nothing'}"))
    return rollout


def _logged(arguments: t.Sequence[str], log: Path) -> int:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        return subprocess.run(arguments, cwd=TOP, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False).returncode


def _tail(log: Path, what: str) -> str:
    lines = log.read_text(errors="replace").splitlines()[-25:]
    return "\n".join([f"{what}. The end of {_short(log)}:", *(f"  {line}" for line in lines)])


def _short(path: Path) -> str:
    return str(path.relative_to(TOP)) if path.is_relative_to(TOP) else str(path)


def distributions(hosts: t.Sequence[Witness]) -> None:
    chapter(1, "A base distribution, and CMD-OS 1 to lay over it")
    with step("build deb and rpm packages, sign and publish them; four hosts install from them"):
        publish("release", "--install", "cloud-client")
    say("http://repo.demo.example/ (a real nginx, on a loopback of its own) serves",
        "  the base distribution:  cloud-api 2.5, cloud-client 3.0, libcloud 1.0, site-tools 1.1",
        "  CMD-OS 1:               cloud-api 2.1 (base) and 2.2 (updates), libcloud 0.9 (holdback), proposed is empty",
        "early adopters: ea-apt, ea-dnf.  production: prod-apt, prod-dnf.")
    for host in hosts:
        claim(f"{host.name} runs cloud-api 2.5 of its base distribution", host.packages().get("cloud-api"), "2.5-1")


def first_release(hosts: t.Sequence[Witness]) -> None:
    chapter(2, "Roll out CMD-OS 1: early adopters first, production only behind the gate")
    roll_out(1, passes=True)
    say("", "The overlay decides, although the base distribution has the higher version:")
    for name in ("prod-apt", "prod-dnf"):
        asked, answer = Witness.of(name).opinion("cloud-api")
        command(f"{asked}    # on {name}")
        quote(answer)
    for host in hosts:
        installed = host.packages()
        claim(f"{host.name}: 2.5 is offered and higher, and cloud-api is the overlay's 2.2",
              ("2.5-1" in host.offered("cloud-api"), host.is_higher("2.5-1", overlay(host, "2.2")), installed["cloud-api"]),
              (True, True, overlay(host, "2.2")))
        claim(f"{host.name}: libcloud is held back at 0.9, cloud-client and site-tools were left alone",
              [installed[name] for name in ("libcloud", "cloud-client", "site-tools")], [overlay(host, "0.9"), "3.0-1", "1.0-1"])
        claim(f"{host.name}: its own unattended upgrades go on, and leave the overlay alone", host.upgrade_would_take(), {"site-tools"})


def proposed_package(hosts: t.Sequence[Witness]) -> None:
    chapter(3, "cloud-client 3.1 is proposed: the same command, and only early adopters get it")
    with step("publish cloud-client 3.1 in cmd-os-1-proposed"):
        publish("proposed", "--no-hosts")
    roll_out(2, passes=True)
    for host in hosts:
        early = host.name.startswith("ea-")
        claim(f"{host.name}: cloud-client is {'the proposed 3.1' if early else 'still 3.0'}",
              host.packages()["cloud-client"], overlay(host, "3.1") if early else "3.0-1")


def broken_update(hosts: t.Sequence[Witness]) -> record.Rollout:
    chapter(4, "cloud-api 2.3 is broken: the same command stops at the early adopters and puts them back")
    with step("publish cloud-api 2.3 in cmd-os-1-updates"):
        publish("broken", "--no-hosts")
    before = {host.name: (host.packages(), host.configuration()) for host in hosts}
    rollout = roll_out(3, passes=False)
    for host in hosts:
        early = host.name.startswith("ea-")
        if early:
            claim(f"{host.name}: its package log says that it ran 2.3", host.had("cloud-api", overlay(host, "2.3")), True)
        claim(f"{host.name}: packages and configuration are {'back to' if early else 'exactly'} what they were, and it is healthy",
              (host.packages(), host.configuration(), host.healthy()), (*before[host.name], True))
        claim(f"{host.name}: the record says {'rolled back' if early else 'not attempted'}",
              rollout.hosts[host.name].status.value, "rolled_back" if early else "not_attempted")
    return rollout


def outcome(hosts: t.Sequence[Witness], last: record.Rollout) -> None:
    chapter(5, "Where everything stands")
    verdicts = {row["host"]: (row["wave"], row["release"], row["verdict"]) for row in table.result_rows(last)}
    rows = []
    for host in hosts:
        wave, release, verdict = verdicts[host.name]
        for package in PACKAGES:
            version, origin = host.installed_from(package)
            rows.append({"host": host.name, "wave": wave, "release": release, "package": package, "version": version,
                         "origin": origin, "verdict": f"2.3 {verdict}" if package == "cloud-api" else "passed"})
    say(*table.lines(rows, table.RESULT_COLUMNS))


def farewell() -> None:
    if os.environ.get("DEMO_KEEP"):
        say("", "The hosts are kept. Look around, with the repository served:",
            "  bin/demo --enter ea-apt                                  a shell on a host",
            "  bin/demo --enter prod-dnf -- dnf history list            one command",
            "  bin/demo --clean                                         remove them")
    else:
        say("", "The hosts are gone. bin/demo --keep leaves them for you to look around.")
    seconds = int(time.time()) - int(os.environ.get("DEMO_STARTED") or time.time())
    say(f"Everything above was checked; it took {seconds // 60} min {seconds % 60} s.")


def main() -> int:
    """Tell the story; 0 when every claim holds."""
    hosts = [Witness.of(name) for name in HOSTS]
    # What an interrupted demonstration recorded is about hosts that no longer exist.
    for part in ("records", "log", "ansible"):
        shutil.rmtree(STATE / part, ignore_errors=True)
    try:
        distributions(hosts)
        first_release(hosts)
        proposed_package(hosts)
        outcome(hosts, broken_update(hosts))
        farewell()
    except (ClaimFailed, LabError) as error:
        print(f"\ndemo: {error}\ndemo: the logs are in {_short(STATE / 'log')}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
