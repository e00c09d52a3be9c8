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
IDENTITY = ("machine", "boot", "pid", "started", "user")


def this_run(pid: int, user: str) -> Run:
    """Return what identifies a run of ansible-playbook: machine, boot, process and when it started (proc(5))."""
    return {"machine": platform.node(), "boot": _boot(), "pid": pid, "started": _started(pid), "user": user}


def observed() -> Run:
    """Return machine, boot and the processes there are now, number -> start: what a judge elsewhere needs to know of this machine."""
    numbers = [name for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []
    return {"machine": platform.node(), "boot": _boot(), "processes": {number: _started(int(number)) for number in numbers}}


def identity(run: t.Mapping[str, t.Any]) -> Run:
    """Return what a record keeps of a run: not what its machine looked like."""
    return {key: run[key] for key in IDENTITY}


def alive(run: t.Mapping[str, t.Any], here: t.Optional[t.Mapping[str, t.Any]] = None) -> t.Optional[bool]:
    """Return whether a run is still at work; None if it ran on another machine than the one that was observed, or nothing was.

    here: what observed returned; this machine, now, if left out. A record may lie on another host than the one runs work on.
    """
    here = observed() if here is None else here
    processes = here.get("processes") or {}
    if run.get("machine") != here.get("machine") or not processes:
        return None
    started = str(run.get("started") or "")
    if run.get("boot") != here.get("boot") or not started.isdigit():
        return False
    # A process number is used again; the time it started is not. What began after the look was not seen by it.
    newest = max(int(one) for one in processes.values() if one.isdigit())
    return processes.get(str(run.get("pid"))) == started or int(started) > newest


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
