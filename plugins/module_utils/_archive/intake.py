# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Declared packages: found on disk, inspected once, and taken or refused as one batch."""

from __future__ import annotations

import concurrent.futures
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

Stamp = t.Tuple[int, int, int]
Package = t.TypeVar("Package")

_READERS = 2  # hashing and decompression release the interpreter lock; more threads only fight for it (measured)
_NAMED = 20  # refusals spelled out in one message


class Found(t.NamedTuple):
    """A file of a source directory. stamp: size, mtime_ns and inode, which change when its content does."""

    path: str
    stamp: Stamp


class Refusals:
    """Why packages are not taken, collected so that a person repairs a batch in one go."""

    def __init__(self, action: str) -> None:
        self._action = action
        self._reasons: t.List[str] = []

    def add(self, path: str, why: str) -> None:
        """Refuse the file at path."""
        self._reasons.append(f"{path}: {why}")

    def end(self) -> None:
        """Raise one Failure that names every refused file; do nothing when there is none."""
        if not self._reasons:
            return
        count = len(self._reasons)
        shown = sorted(self._reasons)[:_NAMED] + ([f"and {count - _NAMED} more"] if count > _NAMED else [])
        raise Failure(
            self._action, f"{count} package file{'s are' if count > 1 else ' is'} refused: {'; '.join(shown)}",
            "Correct or remove what is named; nothing of this batch was published",
        )


def find(sources: t.Iterable[str], root: str, endings: t.Tuple[str, ...]) -> t.List[Found]:
    """Every regular file of the sources (files, or directories with all below them), sorted by path.

    Hidden files and directories are left out; endings: those of packages, which a source that is a file must have.
    Raises Failure for a source that is missing or no package, for a link that leads nowhere or to a directory, and for
    a source inside root: an index must not feed on what it published.
    """
    inside = os.path.realpath(root) + os.sep
    found: t.Dict[str, Stamp] = {}
    for source in sources:
        real = os.path.realpath(source)
        if (real + os.sep).startswith(inside) or inside.startswith(real + os.sep):
            raise Failure(f"read packages of {source}", f"it and the repository {root} lie in each other", "Keep incoming packages elsewhere")
        if os.path.isdir(source):
            _walk(source, found)
        elif os.path.exists(source):
            if not source.endswith(endings):
                raise Failure(f"read package {source}", f"its name does not end in {' or '.join(endings)}", "Name a package or a directory")
            found[source] = _stamp(os.stat(source))
        else:
            raise Failure(f"read packages of {source}", "it does not exist", "Correct the path, or mount what should be there")
    return [Found(path, found[path]) for path in sorted(found)]


def inspect(files: t.Sequence[Found], known: t.Dict[str, t.List[t.Any]], read: t.Callable[[str], Package],
            restore: t.Callable[[t.List[t.Any]], Package], refusals: Refusals) -> t.Dict[str, Package]:
    """path -> package, reading only files that known does not hold with the same stamp; known is brought up to date.

    A file that cannot be taken is added to refusals and is missing from the answer.
    """
    packages: t.Dict[str, Package] = {}
    unread = []
    for file in files:
        row = known.get(file.path)
        if row and tuple(row[0]) == file.stamp:
            packages[file.path] = restore(row[1])
        else:
            unread.append(file)

    def attempt(file: Found) -> t.Union[Package, str]:
        try:
            return read(file.path)
        except Failure as failure:
            return failure.why

    with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
        for file, package in zip(unread, pool.map(attempt, unread)):
            if isinstance(package, str):
                refusals.add(file.path, package)
            else:
                packages[file.path] = package
                known[file.path] = [list(file.stamp), list(t.cast(t.Iterable[t.Any], package))]
    return packages


def _walk(directory: str, found: t.Dict[str, Stamp]) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                _walk(entry.path, found)
            elif entry.is_file():
                found[entry.path] = _stamp(entry.stat())
            elif entry.is_symlink():
                # Following links to directories may never end; leaving them out silently would lose packages.
                raise Failure(f"read packages of {directory}", f"the link {entry.name} leads nowhere or to a directory",
                              "Name that directory as a source of its own, or remove the link")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ino
