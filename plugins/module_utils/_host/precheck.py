# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Whether a host is fit to be changed: room on the disk, nothing half done, nobody else at the package manager."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import struct
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._host import sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Run

NAMES = ("disk", "packages", "locks")

_MIB = 1 << 20
_PLACES = {"apt": ("/usr", "/var/cache/apt"), "dnf": ("/usr", "/var/cache/dnf")}
_LOCKS = {
    "apt": ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"),
    "dnf": ("/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"),
}
# dnf.lock: a file with the number of the process that works; it is removed at the end, and left behind by a kill.
_PROCESS_FILES = {"apt": (), "dnf": ("/var/cache/dnf/metadata_lock.pid", "/var/cache/dnf/download_lock.pid", "/var/lib/dnf/rpmdb_lock.pid")}
_HISTORY = "/var/lib/dnf/history.sqlite"
# struct flock of fcntl(2): type, whence, start, length, process.
_FLOCK = "hhlli"


class Finding(t.NamedTuple):
    """One thing that was looked at: name as in NAMES; problem is '' when all is well."""

    name: str
    problem: str

    def as_result(self) -> t.Dict[str, str]:
        """Return the finding as checks are recorded: name, verdict, detail."""
        return {"name": self.name, "verdict": "failed" if self.problem else "passed", "detail": self.problem}


def findings(family: str, run: Run, skip: t.Collection[str], free_mib: int, wait: int, record: str,
             records: str = sync_record.DIRECTORY) -> t.List[Finding]:
    """Return one finding for each of NAMES that is not in skip.

    free_mib: how much room /usr and the package cache must have. wait: seconds to wait for whoever holds a lock.
    record: the package_sync record of this rollout, whose own interrupted work is finished by running it again.
    """
    looks: t.Dict[str, t.Callable[[], str]] = {
        "disk": lambda: disk(_PLACES[family], free_mib),
        "packages": lambda: pending(family, run, record, records),
        "locks": lambda: held(_LOCKS[family], _PROCESS_FILES[family], wait),
    }
    return [Finding(name, looks[name]()) for name in NAMES if name not in skip]


def disk(places: t.Sequence[str], free_mib: int) -> str:
    """Return which place has less than free_mib MiB for an ordinary program, '' when none; a place that is missing counts as its parent."""
    for place in places:
        while not os.path.exists(place):
            place = os.path.dirname(place)
        found = os.statvfs(place)
        free = found.f_bavail * found.f_frsize // _MIB
        if free < free_mib:
            return f"{place} has {free} MiB free, {free_mib} are needed"
    return ""


def pending(family: str, run: Run, record: str, records: str) -> str:
    """Return what an earlier change of packages left half done, '' when nothing or when this rollout itself did."""
    paths = [sync_record.path_of(one, records) for one in sync_record.ids(records)]
    path = max(paths, key=os.path.getmtime, default="")
    newest = sync_record.load(path) if path else None
    verified = 0.0
    if newest is not None and newest.state in (sync_record.PLANNED, sync_record.FAILED):
        if newest.record == record:
            return ""
        if newest.state == sync_record.PLANNED:
            return f"package_sync was interrupted in the middle of record '{newest.record}'"
    elif newest is not None:
        verified = os.path.getmtime(path)
    return _pending_apt(run) if family == "apt" else _pending_dnf(_HISTORY, verified)


def _pending_apt(run: Run) -> str:
    status, out, err = run(["dpkg", "--audit"], {"LC_ALL": "C"})
    # The packages stand on indented lines, their state in the sentence above them.
    names = [line.split()[0] for line in out.splitlines() if line.startswith(" ") and line.strip()]
    if names:
        return f"dpkg --audit finds {', '.join(names)} half done"
    return f"dpkg --audit: {(out or err).strip().splitlines()[0]}" if status and (out or err).strip() else ""


def _pending_dnf(history: str, verified: float) -> str:
    """Return whether dnf's newest transaction never ended: its state in the history is still 0, "unknown".

    verified: when package_sync last saw that all is as it should be; dnf does not look back at what was killed before.
    """
    if not os.path.exists(history):
        return ""
    with contextlib.closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as database:
        try:
            newest = database.execute("SELECT id, state, dt_begin FROM trans ORDER BY id DESC LIMIT 1").fetchone()
        except sqlite3.Error as error:
            return f"dnf's history cannot be read ({error})"
    return f"dnf's transaction {newest[0]} was interrupted" if newest and newest[1] == 0 and newest[2] > verified else ""


def held(locks: t.Sequence[str], process_files: t.Sequence[str], wait: int) -> str:
    """Return which lock is still held after wait seconds, and by whom; '' when none is."""
    deadline = time.monotonic() + wait
    while True:
        holders = [(path, _holder(path)) for path in locks] + [(path, _named(path)) for path in process_files]
        problem = next((f"{path} is held by {_described(process)}" for path, process in holders if process is not None), "")
        if not problem or time.monotonic() >= deadline:
            return problem
        time.sleep(1)


def _holder(path: str) -> t.Optional[int]:
    """Return the process that locks a file for writing (F_GETLK); 0 when it is in another namespace, None when nobody does."""
    try:
        handle = open(path, "rb")  # noqa: SIM115
    except OSError:
        return None
    with handle:
        answer = fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
    kind, _whence, _start, _length, process = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else max(0, process)


def _named(path: str) -> t.Optional[int]:
    """Return the living process whose number a file holds, None when there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as handle:
            number = handle.read().strip()
    except OSError:
        return None
    return int(number) if number.isdigit() and os.path.exists(f"/proc/{number}") else None


def _described(process: int) -> str:
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as handle:
            return f"process {process} ({handle.read().strip()})"
    except OSError:
        return f"process {process}" if process else "a process that cannot be seen from here"
