# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images, from a definition to a machine that boots and a drop that is published (root): the integration targets with a file ``images``."""

from __future__ import annotations

from tests.run import integration
from tests.run.report import Report


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """One target after the other: a machine that boots in emulation needs all processors. arguments: names of targets."""
    integration.targets(report, arguments, integration.names(images=True), 1)
