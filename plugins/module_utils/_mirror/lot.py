# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Many files in one transfer of an rsync daemon: claimed, brought, and each judged by itself."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import Dict, Iterable, List, NamedTuple, Optional

from ansible_collections.egi.cmd.plugins.module_utils._mirror.exchange import Fault
from ansible_collections.egi.cmd.plugins.module_utils._mirror.partial import Store, claim
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rsync import Rsync
from ansible_collections.egi.cmd.plugins.module_utils._mirror.schedule import Place, Task
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Site, Transport

# A file of a lot is an open descriptor, twice over with two lots at once, and a process may have 1,024.
MOST_FILES = 256
MOST_BYTES = 256 << 20  # what is on its way when a run ends is little, and others get their turn
_CHUNK = 1 << 20


class Result(NamedTuple):
    """How it ended for one file. Neither there nor at fault: it has to be asked for again."""

    task: Task
    place: Place
    there: bool
    fault: Optional[Fault] = None


class _Part(NamedTuple):
    """A file of the lot. held: bytes an earlier transfer left."""

    task: Task
    place: Place
    descriptor: int
    held: int

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size


class Lot:
    """Files to be had from one site, whose rsync daemon a program speaks to."""

    def __init__(self, transport: Transport, store: Store, site: Site, rsync: Rsync) -> None:
        self._transport = transport
        self._store = store
        self._site = site
        self._rsync = rsync
        self._parts: Dict[str, _Part] = {}

    def receive(self, places: Dict[Task, Place]) -> List[Result]:
        """Bring them into the store; returns how it ended for each. OSError is of our own disk."""
        try:
            unclaimed = [Result(task, place, False) for task, place in places.items() if not self._claim(task, place)]
            missing = {path: part for path, part in self._parts.items() if part.size != part.task.size}
            faults: Dict[str, Fault] = {}
            broken: Optional[Fault] = None
            try:
                if missing:
                    faults = self._bring(missing)
            except Fault as fault:
                broken = fault
            return unclaimed + [self._judge(part, faults.get(path), broken) for path, part in self._parts.items()]
        except OSError:
            for part in self._parts.values():  # a full disk needs the room more than the next run needs the start of a file
                with contextlib.suppress(OSError):
                    os.unlink(self._store.partial(part.task.sha256))
            raise
        finally:
            for part in self._parts.values():
                os.close(part.descriptor)

    def _claim(self, task: Task, place: Place) -> bool:
        """Begin with a file; False where somebody else is at it."""
        descriptor = None if place.path in self._parts else claim(self._store.partial(task.sha256))
        if descriptor is None:
            return False
        self._parts[place.path] = _Part(task, place, descriptor, os.fstat(descriptor).st_size)
        return True

    def _bring(self, missing: Dict[str, _Part]) -> Dict[str, Fault]:
        files = {path: self._store.partial(part.task.sha256) for path, part in missing.items()}
        most = max(part.task.size for part in missing.values())
        hold = [part.descriptor for part in missing.values()]
        return self._transport.answering(
            self._site,
            lambda: self._rsync.bring(self._site.address, files, most, self._store.arriving, lambda: _received(missing.values()), hold),
        )

    def _judge(self, part: _Part, fault: Optional[Fault], broken: Optional[Fault]) -> Result:
        task, place = part.task, part.place
        size = part.size
        if size == task.size:
            return self._verify(part)
        if size > task.size:
            os.ftruncate(part.descriptor, 0)
            return Result(task, place, False, Fault(f"it sends more than the {task.size} bytes that are signed for", final=True))
        if broken:
            # Of a transfer that broke off, the file it broke off in may be to blame; those not begun are not.
            return Result(task, place, False, broken if size > part.held or not broken.reached else None)
        if fault is None:
            os.ftruncate(part.descriptor, 0)
            fault = Fault(f"what it has does not have the {task.size} bytes that are signed for", final=True)
        return Result(task, place, False, fault)

    def _verify(self, part: _Part) -> Result:
        """Take a file in that has as many bytes as it should."""
        task, place = part.task, part.place
        if _sha256(part.descriptor) == task.sha256:
            self._store.keep(task.sha256)
            return Result(task, place, True)
        os.ftruncate(part.descriptor, 0)
        if part.held:  # the bytes that were here may be the wrong ones: all of it is asked for now
            return Result(task, place, False)
        return Result(task, place, False, Fault("its content is not what is signed for", final=True))


def _received(parts: Iterable[_Part]) -> int:
    """Bytes there are of all files; each task is told its own."""
    for part in parts:
        part.task.received = min(part.size, part.task.size)
    return sum(part.task.received for part in parts)


def _sha256(descriptor: int) -> str:
    digest = hashlib.sha256()
    os.lseek(descriptor, 0, os.SEEK_SET)
    for data in iter(lambda: os.read(descriptor, _CHUNK), b""):
        digest.update(data)
    return digest.hexdigest()
