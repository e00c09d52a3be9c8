# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' Molecule scenarios, each on new throw-away hosts with the standard site."""

from __future__ import annotations

import re

from tests.run import hosts
from tests.run.integration import reason, warnings
from tests.run.machine import TOP, WORK, prepare, remove, venv
from tests.run.report import Output, Report

SCENARIOS = TOP / "extensions/molecule"
_STEPS = re.compile(r"scenario test matrix: (.+)")


def names() -> list[str]:
    """All scenarios."""
    return sorted(path.parent.name for path in SCENARIOS.glob("*/molecule.yml"))


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """arguments: names of scenarios, instead of all."""
    # the scenario holdback makes this machine a repository host
    prepare("need_packages", "createrepo-c", "gnupg", "gpgv", "python3-solv")
    molecule = venv("molecule") / "bin"
    if not hosts.ready(report):
        return
    for name in arguments or names():
        state = hosts.copied(report, name)
        scratch = WORK / "molecule"
        output = hosts.session(report, state, [molecule / "molecule", "test", "--scenario-name", name], MOLECULE_EPHEMERAL_DIRECTORY=scratch)
        _count(report, name, output)
        remove(state)


def _count(report: Report, name: str, output: Output) -> None:
    """Each step of the scenario is one check; a step molecule never came to did not succeed."""
    found = _STEPS.search(output.text)
    steps = found.group(1).split(", ") if found else []
    for step in steps:
        report.check(f"{name}: {step}", f"[{name} > {step}] Executed: Successful" in output.text, reason(output))
    if not steps or (output.status and not report.failed):
        report.check(name, False, f"exit status {output.status}\n{output.tail()}")
    for warning in warnings(output):
        report.check(f"{name} gives no warning", False, warning)
