# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a synchronisation started is killed at random moments; the next run, in either direction, ends where it should."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import signal
import time
import typing as t
from pathlib import Path

KILLS, MOST_ATTEMPTS = 15, 40
PACKAGES = ("service", "slow", "tools")
_NEW = {"library": "1.1-1 installed", "service": "2.0-1 installed", "slow": "2.0-1 installed", "tools": "1.1-1 installed"}
_OTHER = {"latest": "restored", "restored": "latest"}


def torn(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """Killed while dpkg unpacks a new package: dpkg then refuses to remove it before it is reinstalled."""
    flag = host.root / "tmp/slow"
    started = host.start("early", record="torn")
    yield "it is in the middle of it", appeared(flag)
    kill_all(host.processes())
    started.wait()
    yield "dpkg wants it reinstalled", host.run("dpkg-query", "-W", "-f", "${db:Status-Eflag}", "early") == "reinstreq"
    host.site.publish("release", without="early_")
    host.run("apt-get", "clean")
    result = host.back("torn")
    yield "nobody offers it: apt's own words, and nothing is touched", result["failed"] and "early needs to be reinstalled" in result["msg"]
    host.site.publish("release")
    result = host.back("torn")
    yield f"it goes once it is offered again | {result.get('msg')}", result.get("record_state") == "restored"
    flag.unlink()


def appeared(flag: Path) -> bool:
    """Wait half a minute for a file; return whether it came."""
    for _attempt in range(300):
        if flag.exists():
            return True
        time.sleep(0.1)
    return False


def kills(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """Kill runs of both directions until enough of them were at work when it came."""
    chance = random.Random(host.name)
    flag = host.root / "tmp/slow"
    flag.touch()
    first = host.versions()
    ends = {"latest": {**first, **_NEW}, "restored": first}
    spans = {state: _undisturbed(host, state) for state in ends}
    at, hits = "restored", 0
    for _attempt in range(MOST_ATTEMPTS):
        towards, part, repair = _OTHER[at], chance.random(), chance.choice(sorted(ends))
        hit = _cut_short(host, towards, part * spans[towards])
        whole = _readable(host)
        result = host.sync(*PACKAGES, record="kills") if repair == "latest" else host.back("kills")
        hits, at = hits + hit, repair
        yield (f"{towards} cut short after {part:.0%}, then {repair} | {result.get('msg')}",
               whole and not result["failed"] and host.versions() == ends[repair])
        if hits == KILLS:
            break
    yield f"{KILLS} of them were at work when they were killed | {hits}", hits == KILLS
    yield "back at last", not host.back("kills")["failed"]
    flag.unlink()


def _undisturbed(host: t.Any, state: str) -> float:
    """Let one run come to its end; return how many seconds it worked on the host."""
    started = host.start(*PACKAGES, record="kills", state=state)
    begin = _begun(host, started)
    started.wait()
    return time.monotonic() - begin


def _begun(host: t.Any, started: t.Any) -> float:
    while not host.processes() and started.poll() is None:
        time.sleep(0.02)
    return time.monotonic()


def _cut_short(host: t.Any, state: str, after: float) -> bool:
    """Kill a run so many seconds after it began to work on the host; return whether it was still at work."""
    started = host.start(*PACKAGES, record="kills", state=state)
    _begun(host, started)
    time.sleep(after)
    hit = False
    while True:
        alive = host.processes()
        if not alive:
            break
        hit = True
        kill_all(alive)
    started.wait()
    return hit


def _readable(host: t.Any) -> bool:
    """Return whether the record is there as a whole, or not at all."""
    try:
        host.state_of("kills")
    except FileNotFoundError:
        return True
    except (json.JSONDecodeError, KeyError):
        return False
    return True


def kill_all(processes: t.Sequence[int]) -> None:
    """Kill processes and wait until they are gone: dnf takes a dead process that nobody waited for to be still running."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for _attempt in range(100):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if not any(Path(f"/proc/{pid}").exists() for pid in processes):
            return
        time.sleep(0.1)
    raise RuntimeError(f"still there: {processes}")


def adopt_orphans() -> None:
    """Become the parent of processes whose parent dies (PR_SET_CHILD_SUBREAPER, prctl(2)), so that they can be waited for."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
