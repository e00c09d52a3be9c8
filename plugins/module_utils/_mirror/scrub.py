# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Walking through the whole store, a part each night: what a disk lost is found while the upstream still has it.

Reading needs no lock, so a sync never waits for a scrub: files get their names when they are whole and are never written
again. Only mending takes the lock. Where the walk stopped, and what is still damaged, is kept in <root>/.cmd-mirror/scrub.json.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import report, verify
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import STATE
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rate import Limit
from ansible_collections.egi.cmd.plugins.module_utils._mirror.repair import Held, held, mend
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Busy, Mirror, Show
from ansible_collections.egi.cmd.plugins.module_utils._mirror.verify import Finding

_SAVE = 10.0  # seconds of walking a killed scrub does again

Seen = t.Callable[[int, int], None]  # bytes read in this round, bytes the round probably has


class Scrub(t.NamedTuple):
    """What a scrub did. files, size: what it read of the store; share: how far the round is, 1.0 at its end; notes: why
    something was not mended."""

    files: int
    size: int
    share: float
    findings: t.List[Finding]
    notes: t.List[str]

    @property
    def sound(self) -> bool:
        """Whether nothing is known to be damaged any more."""
        return all(finding.repaired for finding in self.findings)


def scrub(mirror: Mirror, limit: Limit, seconds: t.Optional[float], repair: bool, show: Show, seen: Seen = lambda done, total: None) -> Scrub:
    """Go on with the walk until its end, or for so many seconds; then mend what was found in this or an earlier one, as
    long as the upstream has it. Raises Busy when another scrub is at work."""
    started = time.monotonic()
    with _alone(mirror):
        walk = _Walk(mirror, limit, started + seconds if seconds is not None else None, seen)
        findings, notes = walk.documents(), walk.notes
        walk.files()
        if (walk.damaged or findings) and not mirror.stop.is_set():
            try:
                with mirror.locked():
                    findings = walk.findings(show if repair else None)
            except Failure as failure:
                notes.append(f"nothing was mended, the next scrub tries again: {failure}")
                findings += [Finding(_place(sha256), "its content is damaged", False) for sha256 in sorted(walk.damaged)]
        repaired = sum(finding.repaired for finding in findings)
        walk.save(repaired=repaired, unmended=len(findings) - repaired, seconds=round(time.monotonic() - started, 3))
        report.write_metrics(mirror.configuration)
    return Scrub(walk.read, walk.size, walk.share, findings, notes)


class _Walk:
    """One call of scrub()."""

    def __init__(self, mirror: Mirror, limit: Limit, until: t.Optional[float], seen: Seen) -> None:
        self._mirror, self._limit, self._until, self._seen = mirror, limit, until, seen
        self._state = report.load_scrub(mirror.configuration)
        self._saved = time.monotonic()
        self.damaged: t.Set[str] = set(self._state["damaged"])
        self.read = self.size = 0
        self.share: float = self._state["share"]
        self.notes: t.List[str] = []

    def documents(self) -> t.List[Finding]:
        """Metadata of all snapshots that is not what was published. It is little, and read each time."""
        found: t.List[Finding] = []
        for name in sorted(os.listdir(self._mirror.generations.directory)):
            if name.startswith(".") or self._mirror.stop.is_set():
                continue
            try:
                generation = self._mirror.generations.load(name)
                parts = [Held(generation, source, None) for source in generation.sources]
                bad = [finding for part in parts for finding in verify.documents(self._mirror, part, None)]
            except Failure as failure:
                bad = [Finding(f"snapshots/{name}", str(failure), False)]
            if os.path.lexists(self._mirror.generations.path(name)):  # a prune may have taken it meanwhile
                found += bad
        return found

    def files(self) -> None:
        """Read files of the store from where the last walk stopped, in the order of their SHA-256."""
        state = self._state
        if not state["position"]:
            state.update(begun=int(time.time()), files=0, bytes=0)
        for sha256, path in self._mirror.store.in_order(state["position"]):
            if self._until is not None and time.monotonic() >= self._until:
                break
            size = self._check(sha256, path)
            if self._mirror.stop.is_set():
                break
            self.read, self.size = self.read + 1, self.size + size
            state.update(position=sha256, files=state["files"] + 1, bytes=state["bytes"] + size)
            self.share = (int(sha256[:8], 16) + 1) / (1 << 32)  # digests are spread evenly
            self._seen(state["bytes"], int(state["bytes"] / self.share))
            if time.monotonic() - self._saved > _SAVE:
                self.save()
        else:
            self.share = 1.0
            state.update(position="", round_ended=int(time.time()), round_begun=state["begun"], round_files=state["files"], round_bytes=state["bytes"])

    def findings(self, show: t.Optional[Show]) -> t.List[Finding]:
        """What is damaged in words, mended where that can be done. show: progress of that, None to leave it. The mirror
        is locked."""
        mirror = self._mirror
        parts = held(mirror, list(mirror.configuration.sets.values()))
        found = [finding for part in parts for finding in verify.documents(mirror, part, show)]
        self.damaged = {sha256 for sha256 in self.damaged if not mirror.store.sound(sha256)}
        for sha256 in self.damaged:
            mirror.store.distrust(sha256)
        places: t.Dict[str, str] = {}
        for part in parts if self.damaged else ():
            for file in part.files(mirror):
                if file.sha256 in self.damaged:
                    places.setdefault(file.sha256, f"{part.where}/{file.path}")
        mended = mend(mirror, parts, self.damaged, show, self.notes) if show and self.damaged else set()
        if show:
            for sha256 in self.damaged - set(places):
                mirror.store.remove(sha256)  # no snapshot needs it, and no later sync is to find it
                mended.add(sha256)
        mirror.store.settle()
        found += [Finding(places.get(sha256, _place(sha256)), "its content is damaged", sha256 in mended) for sha256 in sorted(self.damaged)]
        self.damaged -= mended
        return found

    def save(self, **ended: float) -> None:
        """Write down where the walk is; ended: what else is known at its end."""
        self._saved = time.monotonic()
        if ended:
            self._state.update(ended, ended=int(time.time()))
        self._state.update(share=self.share, damaged=sorted(self.damaged))
        report.save_scrub(self._mirror.configuration, self._state)

    def _check(self, sha256: str, path: str) -> int:
        """Read one file; return its size."""
        digest, size = hashlib.sha256(), 0
        try:
            with open(path, "rb", buffering=0) as file:
                # What the kernel remembers says nothing about the disk.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                for chunk in iter(lambda: file.read(self._limit.portion), b""):
                    digest.update(chunk)
                    size += len(chunk)
                    if self._mirror.stop.wait(self._limit.charge(len(chunk))):
                        return size
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        except FileNotFoundError:  # a prune took it
            return 0
        except OSError as error:  # the disk cannot read it any more
            self.notes.append(f"{path}: {error.strerror}")
        if digest.hexdigest() != sha256:
            self.damaged.add(sha256)
        return size


@contextlib.contextmanager
def _alone(mirror: Mirror) -> t.Iterator[None]:
    root = mirror.configuration.root
    with open(os.path.join(root, STATE, "scrub.lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"scrub {root}", "another scrub is at work there", "Run again when it has ended") from error
        yield


def _place(sha256: str) -> str:
    return f"store/sha256/{sha256[:2]}/{sha256}"
