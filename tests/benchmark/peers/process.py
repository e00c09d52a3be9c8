# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program and say what it cost, with everything it starts."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time
import typing as t

_SAMPLE = 0.02  # seconds between two looks at the memory of the processes
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Cost(t.NamedTuple):
    """wall, processor: seconds; memory: bytes at the peak, of all processes together; code: exit code, -9 when killed."""

    wall: float
    processor: float
    memory: int
    code: int


def run(command: t.Sequence[str], env: t.Mapping[str, str], log: pathlib.Path, patience: float, enough: t.Optional[t.Callable[[], bool]] = None) -> Cost:
    """Run to the end, or until enough() or out of patience, in seconds: then kill -9 to all of its processes."""
    with log.open("ab") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        peak = _Peak(process.pid)
        killer = threading.Timer(patience, _kill, [process.pid])
        killer.start()
        try:
            _let(process.pid, enough)
            _pid, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
        except BaseException:  # somebody ends this program: the tool, in a session of its own, would not hear of it
            _kill(process.pid)
            raise
        finally:
            killer.cancel()
            memory = peak.end()
        process.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        return Cost(wall, usage.ru_utime + usage.ru_stime, memory, process.returncode)


def _let(pid: int, enough: t.Optional[t.Callable[[], bool]]) -> None:
    """Let it run until it is enough, then kill it."""
    if enough:
        while not enough() and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.002)
        _kill(pid)


def _kill(session: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


class _Peak:
    """The most memory a process and its descendants were seen to hold together, shared pages counted in each.

    ru_maxrss would not do: it begins with what this program holds, and knows the largest process only.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> int:
        """Stop looking; return the bytes."""
        self._ended.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE):
            self._most = max(self._most, _resident(self._pid), _highest(self._pid))


def _highest(pid: int) -> int:
    """The most bytes a process itself has held since it was started, also between two looks."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _resident(pid: int) -> int:
    """Bytes of a process and its descendants; those that just ended count nothing."""
    try:
        pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = [child for task in os.listdir(f"/proc/{pid}/task") for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except (OSError, IndexError):
        return 0
    return pages * _PAGE + sum(_resident(int(child)) for child in children)
