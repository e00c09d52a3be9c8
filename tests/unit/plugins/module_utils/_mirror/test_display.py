# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run's lines go: to standard error, or to whoever asked for them, as a module does for the host's log."""

from __future__ import annotations

from typing import List

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._mirror import display
from ansible_collections.egi.cmd.plugins.module_utils._mirror.display import Display


def test_lines_go_to_whoever_asked_for_them(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(display, "_LINE", 0.0)
    lines: List[str] = []
    shown = Display(False, lines.append)
    shown.amount("deb", 1 << 20, 4 << 20, "3/9 files")
    shown.say("deb: warning")
    assert lines == ["deb: 1.0 MiB of 4.0 MiB, 3/9 files", "deb: warning"] and capfd.readouterr() == ("", "")


def test_without_a_terminal_progress_is_a_line_now_and_then_and_quiet_has_none(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    shown = Display(False)
    shown.amount("deb", 1, 2)
    assert capfd.readouterr().err == ""  # the last line was a moment ago
    monkeypatch.setattr(display, "_LINE", 0.0)
    shown.amount("deb", 1, 2)
    Display(True).amount("deb", 1, 2)
    assert capfd.readouterr() == ("", "deb: 1 B of 2 B\n")
