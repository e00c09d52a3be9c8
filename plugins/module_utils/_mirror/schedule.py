# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which file is fetched next and from where. A file that waits for its next attempt holds no slot."""

from __future__ import annotations

import heapq
import threading
import time
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from ansible_collections.egi.cmd.plugins.module_utils._mirror.exchange import Fault
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Site, pause_after


class Place(NamedTuple):
    """Where a file may be had: one mirror, one of the paths with this content."""

    site: Site
    path: str


class Trouble:
    """What went wrong with a task so far."""

    def __init__(self) -> None:
        self.reasons: Dict[str, str] = {}  # URL -> why not
        self.tries: Dict[Place, int] = {}
        self.closed: Set[Place] = set()  # not asked again
        self.suspect: Set[Place] = set()  # sent other content once: a cache on the way may be to blame


_NO_TROUBLE = Trouble()


class Task:
    """One content to fetch. ``received``: bytes of it so far, for the display. Larger ones come before smaller ones.

    There are as many as files, so what only failed ones need is made when one fails.
    """

    __slots__ = ("sha256", "size", "paths", "received", "trouble", "_sites")

    def __init__(self, sha256: str, size: int, paths: Sequence[str], sites: Sequence[Site]) -> None:
        self.sha256 = sha256
        self.size = size
        self.paths = paths
        self.received = 0
        self.trouble: Optional[Trouble] = None
        self._sites = sites

    def __lt__(self, other: Task) -> bool:
        return self.size > other.size

    def best(self) -> Optional[Place]:
        """Where to try next; None when there is nowhere left."""
        trouble = self.trouble or _NO_TROUBLE
        places = [Place(site, path) for path in self.paths for site in self._sites if not site.dead]
        left = [place for place in places if place not in trouble.closed]
        return min(left, key=lambda place: (place.site.resting > 0, trouble.tries.get(place, 0)), default=None)

    def failed(self, place: Place, fault: Fault, retries: int) -> float:
        """Count a failed attempt; return the seconds to wait before the next."""
        trouble = self.trouble = self.trouble or Trouble()
        trouble.reasons[place.site.address.url(place.path)] = fault.why
        if not fault.reached:  # counted against the mirror, which rests
            return 0.0
        tries = trouble.tries[place] = trouble.tries.get(place, 0) + 1
        if fault.final or tries > retries:
            trouble.closed.add(place)
        best = self.best()
        if best is None or trouble.tries.get(best, 0) < tries:
            return 0.0
        return max(fault.retry_after, pause_after(tries))

    def suspected(self, place: Place) -> bool:
        """Whether this place sent other content before."""
        return self.trouble is not None and place in self.trouble.suspect

    def suspect(self, place: Place) -> None:
        """Remember that this place sent other content."""
        self.trouble = self.trouble or Trouble()
        self.trouble.suspect.add(place)

    def why(self) -> str:
        """What is told when it could not be had: every URL and its reason."""
        reasons = dict(self.trouble.reasons) if self.trouble else {}
        for site in self._sites:
            if site.dead:
                reasons.setdefault(site.address.url(self.paths[0]), site.dead)
        return "; ".join(f"{url}: {reason}" for url, reason in reasons.items())


class Queue:
    """The tasks that are not finished: largest first, failed ones after their pause. Safe for threads."""

    def __init__(self, tasks: Iterable[Task], sites: List[Site]) -> None:
        self._sites = sites
        self._ready = sorted(tasks)  # a heap from the start
        self._later: List[Tuple[float, Task]] = []
        self._count = len(self._ready)  # unfinished, those being fetched included
        self._changed = threading.Condition()
        self._closed = False

    def take(self) -> Optional[Task]:
        """Return the task to work on, waiting for one; None when all are finished or the queue is closed."""
        with self._changed:
            while self._count and not self._closed:
                pause = self._advance()
                if self._ready and pause <= 0:
                    return heapq.heappop(self._ready)
                self._changed.wait(pause or None)
            return None

    def take_more(self, count: int, size: int) -> List[Task]:
        """Return further tasks that are ready: at most so many, and so many bytes; without waiting."""
        taken: List[Task] = []
        with self._changed:
            while not self._closed and self._ready and len(taken) < count and self._ready[0].size <= size:
                taken.append(heapq.heappop(self._ready))
                size -= taken[-1].size
        return taken

    def again(self, task: Task, seconds: float) -> None:
        """Put a taken task back, to be taken after a pause."""
        with self._changed:
            if seconds > 0:
                heapq.heappush(self._later, (time.monotonic() + seconds, task))
            else:
                heapq.heappush(self._ready, task)
            self._changed.notify()

    def finish(self) -> None:
        """Count a taken task as finished, well or not."""
        with self._changed:
            self._count -= 1
            if not self._count:
                self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _advance(self) -> float:
        """Make due tasks ready; return the seconds until there is something to do, 0 for now or when told."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            heapq.heappush(self._ready, heapq.heappop(self._later)[1])
        if self._ready:
            # When every mirror rests there is no use in taking files to see that.
            return min((site.resting_until for site in self._sites if not site.dead), default=0.0) - now
        return self._later[0][0] - now if self._later else 0.0
