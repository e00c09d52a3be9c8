# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The integration targets: each on new hosts of its own, two at a time.

A target is a folder in tests/integration/targets with tasks/main.yml (run as a role; the file ``hosts`` holds the host
pattern, localhost without it) or a program run.py or run.sh that ends with ``N passed, N failed, N skipped``; it finds
hosts without any sources, because what they run is its to say (lab.site). The file ``hosts.lab`` names further hosts,
NAME=LAYER on each line, the file ``packages`` Debian packages the machine itself must have. With an empty file
``network`` the target is a program that runs without hosts, on the machine's own network, its files below $LAB_STATE. The
file ``venv`` names an environment of tests.run.machine to run the target in. A target with an empty file ``images`` boots
machines and takes all of this one: the part images runs it, alone. An Ansible warning fails a target.
"""

from __future__ import annotations

import concurrent.futures
import json
import re
from pathlib import Path

from tests.run import hosts
from tests.run.machine import TOP, WORK, environment, newest, prepare, remove, venv
from tests.run.report import Output, Report

TARGETS = TOP / "tests/integration/targets"
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+) .*unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
_WARNING = re.compile(r"^\[(?:DEPRECATION )?WARNING\].*", re.MULTILINE)


def names(images: bool = False) -> list[str]:
    """All targets of the part integration, or of the part images."""
    return sorted(path.name for path in TARGETS.iterdir() if path.is_dir() and (path / "images").exists() is images)


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """arguments: names of targets, instead of all."""
    targets(report, arguments, names(), 2)


def targets(report: Report, arguments: list[str], known: list[str], at_once: int) -> None:
    """Run the targets that are named, or all that are known, and count what they say."""
    chosen = arguments or known
    for name in [name for name in chosen if name not in known]:
        report.check(name, False, f"there is no such target; there are: {', '.join(known)}")
    chosen = [name for name in chosen if name in known and _equipped(report, name)]
    if not chosen or not hosts.ready(report):
        return
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for name, output in zip(chosen, pool.map(lambda name: _target(report, name), chosen)):
            _count(report, name, output)


def _equipped(report: Report, name: str) -> bool:
    """Install what the target needs on the machine; False, with a failed check, when that is impossible."""
    listed = TARGETS / name / "packages"
    try:
        prepare("need_packages", *(listed.read_text().split() if listed.exists() else []))
    except SystemExit as error:
        return report.check(name, False, str(error))
    return True


def _program(name: str) -> Path | None:
    return next((path for path in (TARGETS / name / "run.py", TARGETS / name / "run.sh") if path.exists()), None)


def _target(report: Report, name: str) -> Output:
    """Run one target; its hosts are removed when it passed, and stay to be looked at when it failed."""
    program = _program(name)
    if program and (TARGETS / name / "network").exists():
        return _on_the_network(report, name, program)
    state = hosts.copied(report, name, "bare" if program else "site")
    listed = TARGETS / name / "hosts.lab"
    more = [line.strip() for line in listed.read_text().splitlines() if line.strip()] if listed.exists() else []
    command = [program] if program else ["sh", "-c", 'exec ansible-playbook -i "$LAB_INVENTORY" "$0"', _playbook(name)]
    named = TARGETS / name / "venv"
    python = venv(named.read_text().strip()) if named.exists() else newest()
    output = hosts.session(report, state, command, more=more, python=python, ANSIBLE_ROLES_PATH=TARGETS)
    if output.status == 0:
        remove(state)
    return output


def _on_the_network(report: Report, name: str, program: Path) -> Output:
    """Run a program outside any session: inside, the only network is a loopback."""
    state = WORK / "network" / name
    remove(state)
    state.mkdir(parents=True)
    output = report.run(program, env=environment(newest(), LAB_STATE=state), cwd=TOP)
    if output.status == 0:
        remove(state)
    return output


def _playbook(name: str) -> Path:
    pattern = TARGETS / name / "hosts"
    play = {"name": name, "hosts": pattern.read_text().strip() if pattern.exists() else "localhost", "roles": [name]}
    path = WORK / "integration" / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([play]) + "\n")
    return path


def _count(report: Report, name: str, output: Output) -> None:
    if _program(name):
        report.tally(name, output)
        return
    recap = _RECAP.findall(output.text)
    for host, tasks, unreachable, failed in recap:
        report.check(f"{name} on {host}", tasks != "0" and unreachable == failed == "0", reason(output))
    if not recap or (output.status and all(row[2] == row[3] == "0" for row in recap)):
        report.check(name, False, f"exit status {output.status}\n{output.tail()}")
    for warning in warnings(output):
        report.check(f"{name} gives no warning", False, warning)


def warnings(output: Output) -> list[str]:
    """Every warning of Ansible, once."""
    return sorted(set(_WARNING.findall(output.text)))


def reason(output: Output) -> str:
    """The first failure and what Ansible says around it; the end of the output only shows the recap."""
    lines = output.text.splitlines()
    found = next((number for number, line in enumerate(lines) if line.startswith(("fatal:", "failed:", "[ERROR]"))), None)
    return output.tail() if found is None else "\n".join(lines[max(0, found - 3):found + 11])
