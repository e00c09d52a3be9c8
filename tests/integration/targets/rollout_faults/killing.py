# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of a controller: it and everything it started, alone or with what already runs on the hosts.

Ansible's workers are sessions of their own, so that a process group does not reach them. A lab session has process numbers
of its own: whatever was not there before the controller is the controller's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import typing as t
from pathlib import Path

_PATIENCE = 60.0


class Kill:
    """Ends what was started after this object was made."""

    def __init__(self) -> None:
        self._others = set(_processes())

    def controllers(self) -> t.List[int]:
        """Return the processes of the controller itself."""
        return [pid for pid, root in self._new() if root == "/"]

    def on_hosts(self) -> t.List[int]:
        """Return the processes that run on a host."""
        return [pid for pid, root in self._new() if root != "/"]

    def controller(self) -> None:
        """Kill the controller; what runs on the hosts does not notice, as over ssh."""
        _end(self.controllers)

    def everything(self) -> None:
        """Kill the controller and what runs on the hosts: a power cut."""
        _end(lambda: [pid for pid, _root in self._new()])

    def _new(self) -> t.List[t.Tuple[int, str]]:
        return [(pid, root) for pid, root in _processes().items() if pid not in self._others]


def _processes() -> t.Dict[int, str]:
    """Return process number -> root directory of every process that has not ended yet."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = os.readlink(entry / "root")
    return found


def _end(victims: t.Callable[[], t.List[int]]) -> None:
    """Kill until nobody is left: one that is killed last may have started another."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        alive = victims()
        if not alive:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"still there: {alive}")
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
