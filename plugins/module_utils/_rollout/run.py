# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Who runs a rollout: told by the process, so that a run killed in the middle is known to be gone."""

from __future__ import annotations

import os
import platform
import typing as t

Run = t.Dict[str, t.Any]


def this_run(pid: int, user: str) -> Run:
    """Return what identifies a run of ansible-playbook: machine, boot, process and when it started (proc(5))."""
    return {"machine": platform.node(), "boot": _boot(), "pid": pid, "started": _started(pid), "user": user}


def alive(run: t.Mapping[str, t.Any]) -> t.Optional[bool]:
    """Return whether a run is still at work; None if it ran on another machine, where this one cannot look."""
    if run.get("machine") != platform.node():
        return None
    pid = run.get("pid")
    if run.get("boot") != _boot() or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    # A process number is used again; the time it started is not.
    return bool(run.get("started") == _started(pid))


def described(run: t.Mapping[str, t.Any]) -> str:
    """Return a run in words: ``alice, process 4711 on bastion``."""
    return f"{run.get('user') or 'somebody'}, process {run.get('pid')} on {run.get('machine')}"


def _boot() -> str:
    return _first_line("/proc/sys/kernel/random/boot_id")


def _started(pid: int) -> str:
    """Return field 22 of /proc/<pid>/stat, counted behind the command's name, which may hold blanks and brackets."""
    fields = _first_line(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _first_line(path: str) -> str:
    """Return a file's first line; empty where there is no /proc, as on a macOS controller."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""
