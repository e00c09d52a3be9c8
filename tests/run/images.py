# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images, from a definition to a machine that boots and a drop that is signed off (root).

The integration targets with a file ``images``, and the third act of the demonstration as a stranger would see it.
"""

from __future__ import annotations

from tests.run import integration
from tests.run.machine import TOP, environment
from tests.run.report import Report

STORY = "demo"


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """One after the other: a machine that boots in emulation needs all processors. arguments: names of targets, ``demo`` for the act."""
    targets = [name for name in arguments if name != STORY]
    if targets or not arguments:
        integration.targets(report, targets, integration.names(images=True), 1)
    if STORY in arguments or not arguments:
        _story(report)


def _story(report: Report) -> None:
    """What the act says it has checked itself."""
    env = {name: value for name, value in environment().items() if not name.startswith("ANSIBLE_")}
    output = report.command("bin/demo --images ends well", TOP / "bin/demo", "--images", env=env, cwd=TOP)
    report.command("bin/demo --clean leaves nothing", TOP / "bin/demo", "--clean", env=env, cwd=TOP)
    claims = [line for line in output.text.splitlines() if line.lstrip().startswith("checked  ")]
    report.check("the act makes all its claims", len(claims) == 5, output.tail())
    report.check("both machines boot", output.text.count(" pass ") == 2, output.tail())
