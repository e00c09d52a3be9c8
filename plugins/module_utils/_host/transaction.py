# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Several files change together or not at all: stage, journal, rename, done; what was cut short is undone later.

Every backup is a hard link or a rename of the file itself, so an undo gives back the same inode: content, mode, owner,
times and labels. An undo needs no free space. A journal beside the state says how far a change came:

staging    new files are being written beside their places; undo removes them
switching  live names are changing; undo puts every backup back
committed  everything is live; what is left to do is removing backups
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import shutil
import stat
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File

_LOCKED = "/var/lib"
"""flock(2) takes a directory, so the lock needs no file of its own and leaves none behind."""

_POLL = 0.1


@dataclass(frozen=True)
class Write:
    """Put a file with these bytes and mode at path."""

    path: str
    file: File


@dataclass(frozen=True)
class Move:
    """Put what lies at staged (a file or a directory; it stays there as well) at path."""

    path: str
    staged: str


@dataclass(frozen=True)
class Remove:
    """Remove the file or directory at path, if there is one."""

    path: str


Operation = t.Union[Write, Move, Remove]


@contextlib.contextmanager
def only_one(timeout: int, action: str = "change the host's repositories") -> t.Iterator[None]:
    """Let one change of repositories or packages at a time run on this host. Raises Failure when that is not free within timeout seconds."""
    handle = os.open(_LOCKED, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _wait(lambda: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB), timeout, action, "another run is at it")
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def holding(locks: t.Sequence[str], timeout: int, action: str) -> t.Iterator[None]:
    """Hold the package manager's own locks, those that exist. Raises Failure when one is not free within timeout seconds."""
    with contextlib.ExitStack() as stack:
        for path in filter(os.path.exists, locks):
            handle = stack.enter_context(open(path, "rb+"))
            lock = functools.partial(fcntl.lockf, handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _wait(lock, timeout, action, f"the package manager is at work ({path} is locked)")
        yield


def _wait(lock: t.Callable[[], t.Any], timeout: int, action: str, why: str) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            lock()
            return
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            if time.monotonic() > deadline:
                raise Failure(action, f"{why}, and did not finish in {timeout} s", "Wait for it, or raise timeout") from None
            time.sleep(_POLL)


def apply(journal: str, operations: t.Sequence[Operation], prune: t.Sequence[str] = ()) -> None:
    """Do all operations or none; directories that are missing are made.

    journal: path of the journal; only one change may use it. prune: directories removed at the end if they are empty.
    Any exception leaves the host as it was before.
    """
    planned = [(_planned(operation), operation) for operation in operations]
    entries = [entry for entry, _operation in planned]
    own = missing_directories([journal])
    made = missing_directories([journal, *(entry["path"] for entry in entries if entry["staged"])])
    record: t.Dict[str, t.Any] = {"phase": "staging", "made": made, "operations": entries, "prune": list(prune)}
    try:
        for directory in own:
            os.mkdir(directory, 0o755)
        _note(journal, record)
        for directory in made[len(own):]:
            os.mkdir(directory, 0o755)
        for entry, operation in planned:
            _stage(entry, operation)
        record["phase"] = "switching"
        _note(journal, record)
        for entry in entries:
            _switch(entry)
        _sync_directories(entry["path"] for entry in entries)
        record["phase"] = "committed"
        _note(journal, record)
    except BaseException:
        _undo(journal, record)
        raise
    _finish(journal, record)


def missing_directories(paths: t.Iterable[str]) -> t.List[str]:
    """Return the directories that must be made for paths to exist, outermost first."""
    missing: t.List[str] = []
    for path in paths:
        chain = []
        directory = os.path.dirname(path)
        while not os.path.isdir(directory) and directory not in missing:
            chain.append(directory)
            directory = os.path.dirname(directory)
        missing += reversed(chain)
    return missing


def unfinished(directory: str) -> t.List[str]:
    """Return what runs that were cut short left in the directory of journals."""
    return [os.path.join(directory, name) for name in _names(directory) if name.endswith(("_journal", "_journal_new", "_scratch"))]


def heal(directory: str) -> bool:
    """Undo or finish every change that was cut short; return whether there was one. Call it under only_one()."""
    left = unfinished(directory)
    for journal in left:
        if journal.endswith("_journal"):
            with open(journal, encoding="utf-8") as handle:
                record = json.load(handle)
            if record["phase"] == "committed":
                _finish(journal, record)
            else:
                _undo(journal, record)
    for path in left:
        _delete(path)
    remove_empty([directory, os.path.dirname(directory)])
    return bool(left)


def _names(directory: str) -> t.List[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _planned(operation: Operation) -> t.Dict[str, t.Any]:
    directory, name = os.path.split(operation.path)
    # Hidden names: neither apt nor dnf reads them while they lie beside the live files.
    return {
        "path": operation.path,
        "staged": None if isinstance(operation, Remove) else os.path.join(directory, f".{name}.egi-cmd-new"),
        "backup": os.path.join(directory, f".{name}.egi-cmd-old"),
        "existed": os.path.lexists(operation.path),
    }


def _note(journal: str, record: t.Mapping[str, t.Any]) -> None:
    """Write the journal so that it is either the old or the new one, on the disk, whatever happens next."""
    fresh = f"{journal}_new"
    _delete(fresh)
    _write(fresh, json.dumps(record).encode(), 0o600)
    os.rename(fresh, journal)
    _sync_directories([journal])


def _write(path: str, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with naming(path), os.fdopen(handle, "wb") as stream:
        stream.write(content)
        os.fchmod(stream.fileno(), mode)
        stream.flush()
        os.fsync(stream.fileno())


@contextlib.contextmanager
def naming(path: str) -> t.Iterator[None]:
    """Let an OSError of an open file say which file: the kernel does not, and "No space left" alone helps nobody."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def _stage(entry: t.Mapping[str, t.Any], operation: Operation) -> None:
    for leftover in (entry["staged"], entry["backup"]):
        if leftover:
            _delete(leftover)
    if isinstance(operation, Write):
        _write(entry["staged"], operation.file.content, operation.file.mode)
    elif isinstance(operation, Move):
        if os.path.isdir(operation.staged):
            _copy_tree(operation.staged, entry["staged"])
        else:
            # A copy, never a link: rename(2) does nothing when both names are one file.
            shutil.copy2(operation.staged, entry["staged"])


def _copy_tree(source: str, target: str) -> None:
    try:
        shutil.copytree(source, target, symlinks=True)
    except shutil.Error as error:  # a list of (source, target, reason)
        raise Failure(f"copy {source}", str(error.args[0][0][2]), "Check free space and permissions") from None


def _switch(entry: t.Mapping[str, t.Any]) -> None:
    if entry["existed"]:
        # A file keeps its name until the new one takes it over; a directory cannot have two names.
        if entry["staged"] and not _is_directory(entry["path"]):
            os.link(entry["path"], entry["backup"], follow_symlinks=False)
        else:
            os.rename(entry["path"], entry["backup"])
    if entry["staged"]:
        os.rename(entry["staged"], entry["path"])


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _sync_directories(paths: t.Iterable[str]) -> None:
    for directory in sorted({os.path.dirname(path) for path in paths if os.path.isdir(os.path.dirname(path))}):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _undo(journal: str, record: t.Mapping[str, t.Any]) -> None:
    for entry in reversed(record["operations"]):
        if record["phase"] != "staging":
            _switch_back(entry)
        if entry["staged"]:
            _delete(entry["staged"])
    _forget(journal, list(reversed(record["made"])))


def _switch_back(entry: t.Mapping[str, t.Any]) -> None:
    path, backup = entry["path"], entry["backup"]
    if entry["existed"]:
        if not os.path.lexists(backup):
            return
        if _is_directory(path):
            _delete(path)
        if os.path.lexists(path) and os.path.samestat(os.lstat(path), os.lstat(backup)):
            os.unlink(backup)  # the backup is a link, and rename(2) does nothing when both names are one file
        else:
            os.rename(backup, path)
    elif entry["staged"] and not os.path.lexists(entry["staged"]):
        _delete(path)


def _finish(journal: str, record: t.Mapping[str, t.Any]) -> None:
    for entry in record["operations"]:
        _delete(entry["backup"])
    _forget(journal, record["prune"])


def _forget(journal: str, directories: t.Sequence[str]) -> None:
    """Remove the journal, the last act of every change, between two looks at directories that may have become empty."""
    remove_empty(directories)
    for path in (f"{journal}_new", journal):
        _delete(path)
    remove_empty(directories)


def remove_empty(directories: t.Iterable[str]) -> None:
    """Remove those directories that are empty."""
    for directory in directories:
        with contextlib.suppress(OSError):
            os.rmdir(directory)


def _delete(path: str) -> None:
    """Remove a file, a link or a directory tree; nothing there is as good."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)
