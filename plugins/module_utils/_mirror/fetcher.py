# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Bring files into the store: in parallel, verified while they arrive, resumed where an earlier run broke off."""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import os
import threading
import time
from typing import TYPE_CHECKING, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.exchange import Fault, Reply, said
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Unobtainable, Wanted, inside
from ansible_collections.egi.cmd.plugins.module_utils._mirror.partial import Store, claim
from ansible_collections.egi.cmd.plugins.module_utils._mirror.schedule import Place, Queue, Task
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport

if TYPE_CHECKING:
    from ansible_collections.egi.cmd.plugins.module_utils._mirror.rsync import Rsync

_SHOWN = 3  # failures told in full; the rest is counted
_TICK = 0.2  # seconds between two looks at progress and stop
_PATIENCE = 2.0  # seconds stopped workers get: one that connects or waits for a name server cannot be woken
_CHUNK = 1 << 20


class Progress(NamedTuple):
    """How far a fetch is. size counts bytes of wanted files, those in transfer included; failed: files given up."""

    files: int
    files_total: int
    size: int
    size_total: int
    failed: int


def fetch(
    transport: Transport,
    wanted: Sequence[Wanted],
    store: Store,
    progress: Callable[[Progress], None] = lambda progress: None,
    stop: Optional[threading.Event] = None,
) -> None:
    """Fetch what the store does not have; return when all of it is there.

    Wanted files of the same content are fetched once, from any of their paths. Raises Unobtainable that names the first
    files that could not be had, every URL and reason; Failure when ``stop`` is set or the disk refuses. Files that were
    finished stay in the store whatever happens, and unfinished ones are resumed by the next fetch. ``progress`` is
    called from this thread.
    """
    tasks = _tasks(transport, wanted, store)
    if tasks:
        _Fetch(transport, store, tasks).run(progress, stop or transport.stop)


def _tasks(transport: Transport, wanted: Sequence[Wanted], store: Store) -> List[Task]:
    paths: Dict[Tuple[str, int], List[str]] = {}
    for file in wanted:
        if not store.has(file.sha256, file.size):
            paths.setdefault((file.sha256, file.size), []).append(inside(file.path))
    return [Task(sha256, size, at, transport.sites) for (sha256, size), at in paths.items()]


class _Fetch:
    """One call of fetch()."""

    def __init__(self, transport: Transport, store: Store, tasks: List[Task]) -> None:
        self._transport = transport
        self._store = store
        self._tasks = tasks
        self._queue = Queue(tasks, transport.sites)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._active: Dict[int, Task] = {}
        self._total_size = sum(task.size for task in tasks)
        self._done = 0
        self._done_size = 0
        self._failed: List[Task] = []
        self._broken: Optional[BaseException] = None  # what ends everything: a full disk

    def run(self, progress: Callable[[Progress], None], stop: threading.Event) -> None:
        count = min(self._transport.connections, len(self._tasks))
        workers = [threading.Thread(target=self._work, name=f"mirror-fetch-{number}", daemon=True) for number in range(count)]
        try:
            for worker in workers:
                worker.start()
            while not self._ended.wait(_TICK):
                progress(self._progress())
                if stop.is_set() or self._transport.stopped:
                    break
        finally:
            if not self._ended.is_set() or self._broken:
                self._transport.halt()
            self._queue.close()
            until = time.monotonic() + _PATIENCE
            for worker in workers:
                worker.join(max(0.0, until - time.monotonic()))
        progress(self._progress())
        self._report()

    def _report(self) -> None:
        total = len(self._tasks)
        if isinstance(self._broken, OSError):
            where = getattr(self._broken, "filename", None) or "the store"
            raise Failure(f"write {where}", said(self._broken), "Make room or repair the disk, then run it again: it goes on from here") from self._broken
        if self._broken:
            raise self._broken
        if self._done + len(self._failed) < total:
            remedy = "Run it again: it goes on from there"
            raise Failure(f"fetch files of source {self._transport.name!r}", f"stopped on request after {self._done} of {total} files", remedy)
        if self._failed:
            first = heapq.nsmallest(_SHOWN, self._failed, key=lambda task: task.paths[0])
            listed = [f"{task.paths[0]} ({task.why()})" for task in first]
            rest = len(self._failed) - len(listed)
            why = "; ".join(listed) + (f"; and {rest} more" if rest else "")
            remedy = "What arrived is kept. If the upstream is just being updated, run it again; else ask who runs it, or name another mirror"
            raise Unobtainable(f"fetch {len(self._failed)} of {total} files of source {self._transport.name!r}", why, remedy)

    def _progress(self) -> Progress:
        with self._lock:
            size = self._done_size + sum(task.received for task in self._active.values())
            return Progress(self._done, len(self._tasks), size, self._total_size, len(self._failed))

    def _work(self) -> None:
        try:
            for task in iter(self._queue.take, None):
                self._attempt(task)
        except BaseException as error:  # told by run(): a thread has nobody to tell
            self._broken = error
            self._ended.set()
            self._queue.close()

    def _attempt(self, task: Task) -> None:
        place = task.best()
        if place is None:
            self._give_up(task)
            return
        resting = place.site.resting
        if resting:
            self._queue.again(task, resting)
            return
        if place.site.rsync:
            self._attempt_lot(task, place, place.site.rsync)
            return
        fault: Optional[Fault] = None
        there = False
        self._begin([task])
        try:
            there = self._bring(task, place)
        except Fault as error:
            fault = error
        self._settle(task, place, there, fault)

    def _attempt_lot(self, first: Task, place: Place, rsync: Rsync) -> None:
        """Fetch a file, and with it others that are to be had from the same rsync daemon."""
        # As in Transport: compiled by those who need it.
        from ansible_collections.egi.cmd.plugins.module_utils._mirror.lot import MOST_BYTES, MOST_FILES, Lot

        places = {first: place}
        for task in self._queue.take_more(MOST_FILES - 1, MOST_BYTES - first.size):
            best = task.best()
            if best and best.site is place.site:
                places[task] = best
            else:
                self._queue.again(task, 0)
        self._begin(places)
        for result in Lot(self._transport, self._store, place.site, rsync).receive(places):
            self._settle(*result)

    def _begin(self, tasks: Iterable[Task]) -> None:
        with self._lock:
            self._active.update((id(task), task) for task in tasks)

    def _settle(self, task: Task, place: Place, there: bool, fault: Optional[Fault]) -> None:
        """Count a file as there, or put it back for its next attempt."""
        with self._lock:  # before anyone else may take it again
            del self._active[id(task)]
            self._done += there
            self._done_size += task.size if there else 0
        if fault:
            self._retry(task, place, fault)
        elif there:
            self._finish()
        else:
            self._queue.again(task, _TICK)

    def _retry(self, task: Task, place: Place, fault: Fault) -> None:
        if self._transport.stopped:
            self._queue.close()
            self._ended.set()
            return
        pause = task.failed(place, fault, self._transport.retries)
        if task.best() is None:
            self._give_up(task)
        else:
            self._queue.again(task, pause)

    def _give_up(self, task: Task) -> None:
        with self._lock:
            self._failed.append(task)
        self._finish()

    def _finish(self) -> None:
        self._queue.finish()
        if self._done + len(self._failed) == len(self._tasks):
            self._ended.set()

    def _bring(self, task: Task, place: Place) -> bool:
        """Fetch one file from one place into the store; False: somebody else is at it.

        Raises Fault; OSError is of our own disk.
        """
        partial = self._store.partial(task.sha256)
        descriptor = claim(partial)
        if descriptor is None:
            return False
        try:
            if self._store.has(task.sha256, task.size):  # the one who was at it is done
                os.unlink(partial)
                return True
            _Arrival(self._transport, task, place, descriptor).receive()
            self._store.keep(task.sha256)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(partial)  # a full disk needs the room more than the next run needs the start of a file
            raise
        finally:
            os.close(descriptor)
        return True


class _Arrival:
    """One file on its way from one place into an open partial file."""

    def __init__(self, transport: Transport, task: Task, place: Place, descriptor: int) -> None:
        self._transport = transport
        self._task = task
        self._place = place
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._encoding = ""

    def receive(self) -> None:
        """Return when the partial file has the wanted content. Raises Fault."""
        start = self._resume()
        if start and self._arrive(start, fresh=False):
            return
        # What was there may have been damaged, or sent by another mirror: this one is not to blame yet.
        suspected = self._task.suspected(self._place)
        if not self._arrive(0, fresh=suspected or start > 0):
            # Once may be a cache on the way; twice is this mirror.
            self._task.suspect(self._place)
            raise Fault("its content is not what is signed for" + self._encoding, final=suspected)

    def _arrive(self, start: int, fresh: bool) -> bool:
        """Get the bytes from start on; return whether all of it is right, else forget them."""
        self._task.received = start
        if start < self._task.size:
            reply = self._transport.open(self._place.site, self._place.path, start, fresh)
            try:
                if start and reply.status == 200:  # it cannot resume, so it sends everything
                    self._restart()
                self._stream(reply)
            finally:
                reply.close()
        if self._digest.hexdigest() == self._task.sha256:
            return True
        self._restart()
        return False

    def _resume(self) -> int:
        """Digest what an earlier attempt left; return how much that is."""
        held = os.fstat(self._descriptor).st_size
        if held > self._task.size:
            self._restart()
            return 0
        for data in iter(lambda: os.read(self._descriptor, _CHUNK) if held else b"", b""):
            self._digest.update(data)
        return held

    def _restart(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self._task.received = 0

    def _stream(self, reply: Reply) -> None:
        task = self._task
        encoding = reply.headers.get("Content-Encoding")
        self._encoding = f" (sent with Content-Encoding {encoding[:40]!r})" if encoding else ""
        if reply.length is not None and task.received + reply.length != task.size:
            raise Fault(f"it offers {task.received + reply.length} bytes, not the {task.size} that are signed for", final=True)
        while True:
            data = self._transport.read(reply)
            if not data:
                break
            task.received += len(data)
            if task.received > task.size:
                self._restart()
                raise Fault(f"it sends more than the {task.size} bytes that are signed for", final=True)
            self._digest.update(data)
            self._write(data)
        if task.received < task.size:
            raise Fault(f"the transfer ended {task.size - task.received} bytes early")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
