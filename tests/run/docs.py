# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""."""

from __future__ import annotations

from tests.run.report import Report


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """."""
