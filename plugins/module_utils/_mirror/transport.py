# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Fetch from the mirrors of one source: http, https, file or rsync, with fail-over and back-off."""

from __future__ import annotations

import concurrent.futures
import hashlib
import random
import threading
import time
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.address import Address, parse
from ansible_collections.egi.cmd.plugins.module_utils._mirror.connections import Connections, Watch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.exchange import Absent, Exchanges, Fault, Reply
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source, inside
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rate import Limit

if TYPE_CHECKING:
    from ansible_collections.egi.cmd.plugins.module_utils._mirror.rsync import Rsync

MOST_METADATA = 64 * 1024 * 1024
LEAST_BYTES_PER_SECOND = 500  # slower than this over a whole time-out is no transfer
_LONGEST_PAUSE = 30.0
_ABSENT = (404, 410)
_T = TypeVar("_T")
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # the same request may be answered later (RFC 9110, section 15)


class Validators(NamedTuple):
    """What makes the next request conditional. url: the mirror that gave them, '' any: others count differently."""

    etag: str = ""
    last_modified: str = ""
    url: str = ""


class Answer(NamedTuple):
    """status: 200, 304 or 404; body: empty unless 200; url: who answered, without login."""

    status: int
    body: bytes
    validators: Validators
    url: str


class Site:
    """One mirror of the source, and whether it answers."""

    def __init__(self, address: Address, place: int = 0) -> None:
        """place: its rank, the preferred mirror first."""
        self.address = address
        self.rsync: Optional[Rsync] = None  # the program that speaks to it
        self.place = place
        self.dead = ""  # why it is not asked any more
        self.resting_until = 0.0
        self._silences = 0
        self._lock = threading.Lock()

    @property
    def resting(self) -> float:
        """Seconds to leave it alone, 0 for none."""
        return max(0.0, self.resting_until - time.monotonic())

    def order(self) -> Tuple[bool, bool, int]:
        """Sort key: mirrors that answer before those that do not, then the preferred one."""
        return bool(self.dead), self.resting > 0, self.place

    def answered(self) -> None:
        """It is there."""
        self._silences = 0

    def silent(self, why: str, retries: int, final: bool) -> None:
        """It did not answer: let it rest, longer every time; after ``retries`` rests it is given up.

        Requests that were under way together count once: they met the same outage.
        """
        with self._lock:
            now = time.monotonic()
            if now < self.resting_until and not final:
                return
            self._silences += 1
            self.resting_until = now + pause_after(self._silences)
            if final or self._silences > retries:
                self.dead = why


def pause_after(failures: int) -> float:
    """Seconds of back-off after that many failures: doubled every time, spread so that clients do not come in step."""
    return min(_LONGEST_PAUSE, 0.25 * 2.0**failures) * random.uniform(0.5, 1.0)


class Transport:
    """The mirrors of one source. Safe for threads; close() ends it."""

    def __init__(
        self,
        source: Source,
        connections: int = 8,
        limit_bytes_per_second: Optional[int] = None,
        timeout: float = 30.0,
        retries: int = 5,
        stop: Optional[threading.Event] = None,
        document: bool = False,
        content: Optional[Mapping[str, Sequence[str]]] = None,
    ) -> None:
        """connections: transfers at once. timeout: seconds of silence, and the window the least rate is measured over.
        retries: attempts after the first at each URL. stop: when set, transfers end at once. document: the URLs are
        those of one document, got under any path. content: what get() may return for a path, SHA-256 sums, the best first.
        """
        if not source.urls:
            raise Failure(f"fetch from source {source.name!r}", "it names no URL", "Give it at least one")
        self.name = source.name
        self.sites = [Site(parse(url, document), place) for place, url in enumerate(source.urls)]
        self._content = content or {}
        self.connections = connections
        self.retries = retries
        self.limit = Limit(limit_bytes_per_second)
        self.stop = stop or threading.Event()
        self._halted = False
        daemons = [site for site in self.sites if site.address.module]
        if daemons:
            # Compiled by those who need it, in every run.
            from ansible_collections.egi.cmd.plugins.module_utils._mirror.rsync import LOTS, Rsync

            program = Rsync(source, timeout, limit_bytes_per_second, LEAST_BYTES_PER_SECOND, lambda: self.stopped)
            for site in daemons:
                site.rsync = program
            self.connections = min(connections, LOTS)
        own = {site.address.origin: site.address.authorization for site in reversed(self.sites) if site.address.origin and not site.rsync}
        self._pool = Connections(source, set(own), timeout)
        self._watch = Watch(timeout, LEAST_BYTES_PER_SECOND, lambda: self.stopped)
        self._exchanges = Exchanges(self._pool, self._watch, own)

    def get(self, path: str, validators: Optional[Validators] = None, most: int = MOST_METADATA) -> Answer:
        """Return small metadata, at most ``most`` bytes of it.

        404 only if a mirror says so and none has it. Raises Failure, naming every URL and its reason, when no mirror
        gives a definite answer.
        """
        inside(path)
        if path in self._content:
            return self._get_best(path, self._content[path], most)
        return self._any_site(path, lambda site: self._get_once(site, path, validators, most), lambda answer: answer.status == 404)

    def sizes(self, paths: Sequence[str]) -> Dict[str, int]:
        """How many bytes files have, as a mirror says, without fetching them; those no mirror has are left out.

        For files whose digest is signed and whose size is not. Raises Failure as get() does.
        """
        asked = [inside(path) for path in paths]
        known: Dict[str, int] = {}
        if asked:
            self._any_site(asked[0], lambda site: self._measure(site, asked, known), lambda complete: not complete)
        return known

    def open(self, site: Site, path: str, start: int = 0, fresh: bool = False) -> Reply:
        """Ask one mirror for a file from byte ``start``; fresh: caches on the way must ask the mirror themselves.

        The reply's status is 200 or 206; everything else is raised as Fault.
        """
        reply = self._ask(site, path, {"Cache-Control": "no-cache"} if fresh else {}, start)
        if reply.status in (200, 206):
            return reply
        reply.close()
        raise _refused(reply)

    def answering(self, site: Site, ask: Callable[[], _T]) -> _T:
        """Return what ask() does. Its Fault tells whether the mirror is there; one that is not gets a rest."""
        try:
            found = ask()
        except Fault as fault:
            if not fault.reached and not self.stopped:
                site.silent(fault.why, self.retries, fault.final)
            raise
        site.answered()
        return found

    def read(self, reply: Reply) -> bytes:
        """Return the next bytes of a reply, within the bandwidth limit."""
        if self.stopped:
            raise Fault("stopped on request")
        data = reply.read(self.limit.portion)
        seconds = self.limit.charge(len(data))
        if seconds:
            reply.pause(self.stop.wait, seconds)
        return data

    @property
    def stopped(self) -> bool:
        """Whether transfers are to end."""
        return self._halted or self.stop.is_set()

    def halt(self) -> None:
        """End every transfer, as ``stop`` does, for good."""
        self._halted = True

    def close(self) -> None:
        """End every transfer and close all connections."""
        self.halt()
        self._watch.close()
        self._pool.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _any_site(self, path: str, once: Callable[[Site], _T], absent: Callable[[_T], bool]) -> _T:
        """The first answer that is not absent() of any mirror, else the first that is. path: for messages."""
        left = set(self.sites)
        missing: List[_T] = []
        reasons: Dict[str, str] = {}
        for attempt in range(self.retries + 1):
            if attempt and self.stop.wait(pause_after(attempt)):
                break
            for site in sorted(left, key=Site.order):
                if self.stopped:
                    break
                try:
                    answer = once(site)
                except Fault as fault:
                    reasons[site.address.url(path)] = fault.why
                    if fault.final:
                        left.discard(site)
                    continue
                if not absent(answer):
                    return answer
                missing.append(answer)
                left.discard(site)
            if not left:
                break
        if self.stopped:
            raise Failure(f"fetch {path}", "stopped on request", "Run it again; what was fetched is kept")
        if missing:
            return missing[0]
        why = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
        raise Failure(f"fetch {path}", why, f"Check the URLs, proxy and login of source {self.name!r}")

    def _get_best(self, path: str, sums: Sequence[str], most: int) -> Answer:
        """The content with the first of the sums that any mirror has; a mirror that has another lags behind or lies."""
        spare: Dict[int, Answer] = {}

        def once(site: Site) -> Answer:
            answer = self._get_once(site, path, None, most)
            found = hashlib.sha256(answer.body).hexdigest()
            state = sums.index(found) if answer.status == 200 and found in sums else len(sums)
            if state == 0:
                return answer
            # What belongs to it, a signature, is asked for at the mirrors that keep up.
            site.place += state * len(self.sites)
            if state == len(sums):
                raise Fault("it is not what the metalink names" if answer.status == 200 else "it is not there", final=True)
            spare.setdefault(state, answer)
            raise Fault("it is of an earlier state", final=True)

        try:
            return self._any_site(path, once, lambda answer: False)
        except Failure:
            if not spare or self.stopped:
                raise
            return spare[min(spare)]

    def _ask(self, site: Site, path: str, headers: Dict[str, str], start: int = 0, method: str = "GET") -> Reply:
        return self.answering(site, lambda: self._exchanges.ask(site.address, path, headers, start, method))

    def _get_once(self, site: Site, path: str, validators: Optional[Validators], most: int) -> Answer:
        url = site.address.url(path)
        rsync = site.rsync
        if rsync:
            try:
                body = self.answering(site, lambda: rsync.read(site.address, path, most))
            except Absent:
                return Answer(404, b"", Validators(), url)
            return Answer(200, body, Validators(), url)
        # Caches on the way revalidate: an index of yesterday with packages of today is no state of the upstream.
        headers = {"Cache-Control": "max-age=0"}
        known = validators if validators and validators.url in ("", site.address.shown) else Validators()
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        reply = self._ask(site, path, headers)
        try:
            if reply.status == 304 and (known.etag or known.last_modified):
                return Answer(304, b"", known, url)
            if reply.status in _ABSENT:
                return Answer(404, b"", Validators(), url)
            if reply.status != 200:
                raise _refused(reply)
            return Answer(200, self._body(reply, most), _validators(reply, site), url)
        finally:
            reply.close()

    def _measure(self, site: Site, paths: Sequence[str], known: Dict[str, int]) -> bool:
        """Add the sizes a mirror tells to those that are known; return whether these are all."""
        left = [path for path in paths if path not in known]
        rsync = site.rsync
        if rsync:
            known.update(self.answering(site, lambda: rsync.sizes(site.address, left)))
        else:
            with concurrent.futures.ThreadPoolExecutor(self.connections) as pool:
                for path, size in zip(left, pool.map(lambda path: self._size_once(site, path), left)):
                    if size is not None:
                        known[path] = size
        return len(known) == len(set(paths))

    def _size_once(self, site: Site, path: str) -> Optional[int]:
        """The size of a file in bytes; None if the mirror does not have it."""
        if self.stopped:
            raise Fault("stopped on request")
        reply = self._ask(site, path, {}, method="HEAD")
        reply.close()
        if reply.status in _ABSENT:
            return None
        if reply.status != 200:
            raise _refused(reply)
        size = reply.headers.get("Content-Length") or ""
        if not size.isdecimal() or len(size) > 15:
            raise Fault("it does not say how long the file is", final=True)
        return int(size)

    def _body(self, reply: Reply, most: int) -> bytes:
        encoding = reply.headers.get("Content-Encoding") or "identity"
        if encoding.lower() != "identity":
            raise Fault(f"it sent Content-Encoding {encoding[:40]!r}, which was not asked for", final=True)
        parts: List[bytes] = []
        size = reply.length or 0  # what it announces is refused before it is read
        while size <= most:
            data = self.read(reply)
            if not data:
                return b"".join(parts)
            parts.append(data)
            size = max(size, sum(map(len, parts)))
        raise Fault(f"it is larger than {most} bytes", final=True)


def _validators(reply: Reply, site: Site) -> Validators:
    etag, changed = reply.headers.get("ETag") or "", reply.headers.get("Last-Modified") or ""
    fit = [text if text.isprintable() and len(text) < 200 else "" for text in (etag, changed)]
    return Validators(fit[0], fit[1], site.address.shown)


def _refused(reply: Reply) -> Fault:
    status = reply.status
    if status in _ABSENT:
        return Fault(f"not there (HTTP {status})", final=True)
    if status == 416:  # only what goes on from bytes already here can meet it
        return Fault("its file is shorter than what is signed for (HTTP 416)", final=True)
    after = reply.headers.get("Retry-After") or ""
    wait = min(float(after), _LONGEST_PAUSE) if after.isdigit() and len(after) < 6 else 0.0
    return Fault(f"HTTP {status}", final=status not in _PASSING, retry_after=wait)
