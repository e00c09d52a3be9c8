# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Records on disk: append only, locked, on the disk before anyone is told."""

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import record
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan

_SUFFIX = ".jsonl"


@contextlib.contextmanager
def locked(directory: str) -> t.Iterator[None]:
    """Hold the directory of records; made if it is not there. Waits: nobody holds it longer than one append."""
    os.makedirs(directory, mode=0o755, exist_ok=True)
    with open(os.path.join(directory, "lock"), "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def path_of(directory: str, rollout: str) -> str:
    """Return the file of a rollout's record."""
    return os.path.join(directory, rollout + _SUFFIX)


def load(directory: str, rollout: str) -> record.Rollout:
    """Return a rollout as its record tells it."""
    path = path_of(directory, rollout)
    found = record.fold(_text(path), path)
    if found is None:
        raise Failure(f"read the rollout record {path}", "it is empty", "Start the rollout again")
    return found


def newest(directory: str, plan: Plan) -> t.Optional[record.Rollout]:
    """Return the newest rollout of the same plan; None if there is none."""
    return _newest(directory, lambda found: found.digest == plan.digest)


def newest_open(directory: str, plan: Plan) -> t.Optional[record.Rollout]:
    """Return the newest rollout that brings hosts what the plan brings, if it is not over; an older one is never gone on with.

    Its waves may be others than the plan's.
    """
    found = _newest(directory, lambda found: found.content == plan.content)
    return None if found is None or found.over else found


def _newest(directory: str, fits: t.Callable[[Plan], bool]) -> t.Optional[record.Rollout]:
    for path in _paths(directory):
        found = record.fold(_text(path), path)
        if found is not None and fits(found.plan):
            return found
    return None


def names(directory: str) -> t.List[str]:
    """Return the names of the rollouts that were opened, the newest first; one whose first line a crash cut off was not."""
    return [os.path.basename(path)[:-len(_SUFFIX)] for path in _paths(directory) if _first_line(path).endswith("\n")]


def running(directory: str) -> t.List[record.Rollout]:
    """Return the rollouts that say somebody runs them."""
    found = [record.fold(_text(path), path) for path in _paths(directory)]
    return [one for one in found if one is not None and one.run]


def create(directory: str, plan: Plan, now: str) -> record.Rollout:
    """Open the record of a new rollout, called ``<release>-<UTC time>``; with -2, -3 behind it if that is taken."""
    stem = "-".join([record.safe_name(plan.release), now.replace("-", "").replace(":", "")])
    name, number = stem, 1
    while os.path.exists(path_of(directory, name)):
        number += 1
        name = f"{stem}-{number}"
    append(directory, name, [record.opened(name, plan)], now)
    return load(directory, name)


def append(directory: str, rollout: str, events: t.Sequence[record.Event], now: str) -> None:
    """Add events and return when they are on the disk; what a crash cut off before is removed first."""
    path = path_of(directory, rollout)
    fresh = not os.path.exists(path)
    with open(path, "a+b") as file:
        _cut_torn_line(file)
        file.write("".join(record.line(event, now) for event in events).encode())
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        _sync_directory(directory)


def _cut_torn_line(file: t.BinaryIO) -> None:
    """Remove what stands behind the last line end; reads the file only if there is something."""
    end = file.seek(0, os.SEEK_END)
    if end:
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def _sync_directory(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _paths(directory: str) -> t.List[str]:
    """Return the records, the newest first; the order of opening is the order of the files' first lines."""
    try:
        names = [name for name in os.listdir(directory) if name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return []
    paths = [os.path.join(directory, name) for name in names]
    return sorted(paths, key=lambda path: (record.opened_at(_first_line(path)), len(path), path), reverse=True)


def _first_line(path: str) -> str:
    with _opened(path) as file:
        return file.readline()


def _text(path: str) -> str:
    with _opened(path) as file:
        return file.read()


@contextlib.contextmanager
def _opened(path: str) -> t.Iterator[t.TextIO]:
    """Open a record to read; what is not UTF-8 is kept, so that the reader can name its line. Line ends are not touched."""
    try:
        file = open(path, encoding="utf-8", errors="surrogateescape", newline="\n")  # noqa: SIM115
    except FileNotFoundError:
        raise Failure(f"read the rollout record {path}", "there is no such file", "Start the rollout again") from None
    with file:
        yield file
