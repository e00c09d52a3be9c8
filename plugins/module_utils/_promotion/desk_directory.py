# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A desk on disk.

    desk.json            the desk; replaced by one rename
    desk.json.next       a change whose pointer switch was not seen yet: the pointer decides what becomes of it
    files/<sha256>/...   the bytes that were taken in, read-only
    kinds/...            hard links to them, repository by repository: what the indices are made of
    repositories/...     signed repositories, which the mirror reads; no reader sees them
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import desk as desks
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Desk, Item

_STATE, _NEXT = "desk.json", "desk.json.next"
_CHUNK = 1 << 20


class DeskDirectory:
    """One desk's directory. Changes are made under ``locked`` only."""

    def __init__(self, path: str, release: str) -> None:
        self.path, self._release = path, release

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Be the only one that changes the desk; the kernel lets go when the process ends."""
        os.makedirs(self.path, exist_ok=True)
        with open(os.path.join(self.path, ".lock"), "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Failure(f"work at desk {self.path}", "somebody else is at work there", "Run again when they have ended") from error
            yield

    def load(self) -> Desk:
        """The desk; an empty one if there is none yet."""
        return self._read(_STATE) or Desk(self._release, {})

    def pending(self) -> t.Optional[Desk]:
        """A change that was cut short, if there is one."""
        return self._read(_NEXT)

    def announce(self, desk: Desk) -> None:
        """Write down what the desk will be once the pointer leads to its generation."""
        _replace(os.path.join(self.path, _NEXT), desks.to_text(desk))

    def settle(self, happened: bool) -> None:
        """Make an announced change the desk, or forget it."""
        announced = os.path.join(self.path, _NEXT)
        if happened:
            os.rename(announced, os.path.join(self.path, _STATE))
        else:
            os.unlink(announced)
        _sync(self.path)

    def save(self, desk: Desk) -> None:
        """Write a desk whose repositories are the same: reports and waivers were added."""
        _replace(os.path.join(self.path, _STATE), desks.to_text(desk))

    def file(self, item: Item) -> str:
        """Where an item's bytes are."""
        return os.path.join(self.path, "files", item.sha256, item.file)

    def bytes_of(self, sha256: str) -> t.Optional[str]:
        """Where the bytes with this SHA-256 are, None if the desk has none."""
        directory = os.path.join(self.path, "files", sha256)
        names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        return os.path.join(directory, names[0]) if names else None

    def take(self, item: Item, source: str) -> None:
        """Copy an item's bytes in and make sure that they are what was declared. Raises Failure."""
        target = self.file(item)
        if os.path.exists(target):
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        digest, partial = hashlib.sha256(), target + ".partial"
        with open(source, "rb") as original, open(partial, "wb") as copy:
            for chunk in iter(lambda: original.read(_CHUNK), b""):
                digest.update(chunk)
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        if digest.hexdigest() != item.sha256:
            os.unlink(partial)
            raise Failure(f"take in {source}", f"[intake.checksum] its SHA-256 is {digest.hexdigest()}, declared is {item.sha256}",
                          "Fetch it again, or correct the declaration; nothing of this batch was taken")
        os.chmod(partial, 0o444)
        os.rename(partial, target)

    def lay_out(self, content: t.Mapping[str, t.Sequence[Item]]) -> str:
        """Link the items of each repository below a directory of its own; returns the directory above them all."""
        top = os.path.join(self.path, "kinds")
        for place, items in content.items():
            directory = os.path.join(top, place)
            os.makedirs(directory, exist_ok=True)
            wanted = {item.file: item for item in items}
            for name in os.listdir(directory):
                here = os.path.join(directory, name)
                if name not in wanted or not os.path.samefile(here, self.file(wanted[name])):
                    os.unlink(here)
            for name, item in wanted.items():
                if not os.path.exists(os.path.join(directory, name)):
                    os.link(self.file(item), os.path.join(directory, name))
        for name in set(os.listdir(top) if os.path.isdir(top) else ()) - set(content):
            shutil.rmtree(os.path.join(top, name))
        return top

    def forget_files(self, desk: Desk) -> None:
        """Remove bytes no batch of the desk names."""
        named = {item.sha256 for batch in desk.batches.values() for item in batch.items}
        top = os.path.join(self.path, "files")
        for sha256 in set(os.listdir(top) if os.path.isdir(top) else ()) - named:
            shutil.rmtree(os.path.join(top, sha256))

    def _read(self, name: str) -> t.Optional[Desk]:
        path = os.path.join(self.path, name)
        try:
            with open(path, encoding="utf-8") as file:
                desk = desks.from_text(file.read(), path)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"read {path}", str(error), "Restore it from a backup") from error
        if desk.release != self._release:
            raise Failure(f"work at desk {self.path}", f"it is that of release {desk.release}, not {self._release}", "Name the right directory")
        return desk


def _replace(path: str, text: str) -> None:
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)
    _sync(os.path.dirname(path))


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
