# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/demo as a stranger would run it: its own test says what it must show and leave behind."""

from __future__ import annotations

from tests.run.machine import TOP, environment, prepare
from tests.run.report import Report


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """The demo prepares its own environment: it gets this machine's, without this runner's settings for Ansible."""
    prepare("need_root")
    prepare("need_packages", "mmdebstrap")  # the first story is told where nothing can be installed
    env = {name: value for name, value in environment().items() if not name.startswith("ANSIBLE_")}
    program = next((TOP / "tests/demo" / name for name in ("run.py", "run.sh") if (TOP / "tests/demo" / name).exists()), None)
    if report.check("there is a test of the demo", program is not None, "tests/demo/run.py and tests/demo/run.sh are missing") and program:
        report.tally("demo", report.run(program, *arguments, env=env, cwd=TOP))
