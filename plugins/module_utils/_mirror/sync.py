# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""From upstreams to a published generation: read, plan, make sure of the room, fetch, lay out, switch.

Whatever ends a run before the switch, readers keep what they had, and the next run goes on with what was fetched.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import os
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._mirror import difference, families, retention, space, upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.accepted import Acceptance, Accepted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration, Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.difference import Difference
from ansible_collections.egi.cmd.plugins.module_utils._mirror.draft import Work
from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import Progress, fetch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation, Generations, News, selection
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Snapshot, Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.places import Places
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import STATE, Pointers
from ansible_collections.egi.cmd.plugins.module_utils._mirror.space import Need
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store

if t.TYPE_CHECKING:
    from ansible_collections.egi.cmd.plugins.module_utils._mirror.rebuilding import Rebuilding

_READERS = 8  # sources read at once: each waits for its upstream most of the time

Show = t.Callable[[str, Progress], None]


class Busy(Failure):
    """Another run is at work in the same mirror root."""


class Plan(t.NamedTuple):
    """What a sync of a set would do. news: sources that changed; dropped: sources that are no longer asked
    for; read: what upstreams answered that is not what they answered last, changed or not; work: of the rebuilt sources."""

    of_set: Set
    last: t.Optional[Generation]
    news: t.Dict[str, News]
    dropped: t.List[str]
    difference: Difference
    need: Need
    read: t.Dict[str, Snapshot]
    work: Work
    warnings: t.List[str]

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return self.last is None or bool(self.news) or bool(self.dropped)


class Outcome(t.NamedTuple):
    """What a sync did. generation: the newest one; published: what the set's pointer leads to, None for nothing."""

    plan: Plan
    changed: bool
    generation: str
    published: t.Optional[str]
    freed: retention.Freed
    seconds: float
    warnings: t.List[str]


class Mirror:
    """One mirror root and what is known about it."""

    def __init__(self, configuration: Configuration, stop: t.Optional[threading.Event] = None) -> None:
        self.configuration = configuration
        self.store = Store(configuration.root)
        self.generations = Generations(self.store)
        self.pointers = Pointers(self.generations)
        self.stop = stop or threading.Event()
        self.places = Places(configuration, self.stop)
        self.accepted = Accepted(configuration.root)
        self._state = os.path.join(configuration.root, STATE)

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Hold the lock of the root; the kernel lets it go with the process, however that ends."""
        with open(os.path.join(self._state, "lock"), "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(f"work in {self.configuration.root}", "another run is at work there", "Run again when it has ended") from error
            self.generations.clear_staging()
            self.pointers.heal()
            yield

    def plan(self, of_set: Set, show: Show = lambda what, progress: None) -> Plan:
        """Find out what a sync would do. Indices are fetched into the store for that, packages are not."""
        known = self.generations.all(of_set.name)
        last = known[-1] if known else None
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            readings = [(source, pool.submit(self._read, of_set, source, last, show)) for source in of_set.sources]
        read = {}
        for source, reading in readings:
            snapshot = reading.result()
            if snapshot is not None:
                read[source.name] = snapshot
        news = {source.name: News(source.format, masked(source.place), selection(source), read[source.name])
                for source in of_set.sources
                if source.mode == "verbatim" and source.name in read and not _holds(last, source, read[source.name].identity)}
        work = Work({}, {}, {}, [])
        if any(source.mode != "verbatim" for source in of_set.sources):
            rebuilding = self._rebuilding(of_set, last)
            work = rebuilding.work(read, int(time.time()))
            news.update(rebuilding.news(work))
        dropped = sorted(set(last.sources) - {source.name for source in of_set.sources if source.mode != "elsewhere"}) if last else []
        changes = self._difference(news, dropped, last)
        wanted = [file for one in news.values() for file in (*one.snapshot.large, *(entry.wanted for entry in one.snapshot.entries))]
        added = sum(len(change.after) for change in changes.changes)
        documents = [document for one in news.values() for document in one.snapshot.documents]
        indices = sum(len(one.snapshot.large) for one in news.values())
        coming = space.need(self.store, wanted, added + indices + len(documents), sum(len(document.content) for document in documents))
        warnings = [warning for source in of_set.sources
                    for warning in (*self.places.warnings(source), *self._said(of_set, source, read.get(source.name)))]
        return Plan(of_set, last, news, dropped, changes, coming, read, work, warnings + work.warnings)

    def sync(self, of_set: Set, show: Show = lambda what, progress: None) -> Outcome:
        """Bring a set to what its upstreams hold now, and let its pointer lead there unless it is held."""
        started = time.monotonic()
        warnings = [f"{sha256} was damaged by an unclean restart and is fetched again" for sha256 in self.store.recover()]
        plan = self.plan(of_set, show)
        warnings += plan.warnings
        if plan.last is None or plan.changed:
            space.require(self.configuration.root, plan.need, self.configuration.margin)
            generation = self._bring(plan, show)
        else:
            generation = plan.last
        pointer = self.pointers.get(of_set.name)
        if pointer is not None and pointer.held:
            if pointer.generation != generation.name:
                warnings.append(f"{of_set.name} is held at {pointer.generation}; let it go on with: cmd-mirror snapshot publish {generation.name}")
        elif of_set.publish:
            self.pointers.publish(of_set.name, generation.name)
        self._accept(plan, generation)
        self.store.settle()
        freed = retention.Freed([], 0, 0)
        if plan.changed:
            try:
                freed = self._prune(of_set)
            except Failure as failure:
                warnings.append(str(failure))
        pointer = self.pointers.get(of_set.name)
        return Outcome(plan, plan.changed, generation.name, pointer.generation if pointer else None, freed, time.monotonic() - started, warnings)

    def holds(self, name: str, generation: Generation) -> bool:
        """Whether a pointer that a person lets lead to a generation is held there: a set's own one is where it is moved
        back; moved to the newest, it goes on with the syncs."""
        return name in self.configuration.sets and generation.name != self.generations.all(generation.set)[-1].name

    def fetch(self, source: Source, wanted: t.Sequence[Wanted], show: Show) -> None:
        """Bring files of one source into the store."""
        self.store.unsettled()
        with self.places.transport(source) as transport:
            fetch(transport, wanted, self.store, lambda progress: show(source.name, progress), self.stop)

    def _read(self, of_set: Set, source: Source, last: t.Optional[Generation], show: Show) -> t.Optional[Snapshot]:
        """Ask one upstream; None when the last generation holds what it has now."""
        accepted = self.accepted.get(of_set.name, source.name)
        state = accepted.state
        if state and not self._has(last, source, accepted):
            # What was accepted is no longer here: everything is read again, and still nothing older is accepted.
            state = {**state, "selection": ""}
        with self.places.transport(source) as transport:
            def take(wanted: t.Sequence[Wanted]) -> t.Dict[str, str]:
                coming = space.need(self.store, wanted, 0, 0)
                space.require(self.configuration.root, coming, self.configuration.margin)
                self.store.unsettled()
                fetch(transport, wanted, self.store, lambda progress: show(f"{source.name} indices", progress), self.stop)
                return {file.path: self.store.path(file.sha256) for file in wanted}

            found: t.Optional[Snapshot] = families.family(source).read(source, transport.get, take, state, int(time.time()), self.stop.wait)
            if found is not None and source.installer:
                # As in families: compiled by those who need it.
                from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_installer

                return deb_installer.with_images(source, found, self.store.path, transport.sizes)
            return found

    def _said(self, of_set: Set, source: Source, snapshot: t.Optional[Snapshot]) -> t.Sequence[str]:
        """What a person should know of a source, in every run for as long as it is so."""
        if snapshot is not None:
            return snapshot.warnings
        return upstream.standing(source, self.accepted.get(of_set.name, source.name).state, int(time.time()))

    def _difference(self, news: t.Mapping[str, News], dropped: t.Sequence[str], last: t.Optional[Generation]) -> Difference:
        changes, size = [], 0
        for name in sorted({*news, *dropped}):
            before = self.generations.manifest(last.name, name).entries if last and name in last.sources else []
            found = difference.of_entries(name, before, news[name].snapshot.entries if name in news else [])
            changes += found.changes
            size += found.size
        return Difference(changes, size)

    def _bring(self, plan: Plan, show: Show) -> Generation:
        """Fetch what is missing, sign what was rebuilt and lay the generation out."""
        news = plan.news
        rebuilding = self._rebuilding(plan.of_set, plan.last) if plan.work.drafts else None
        if rebuilding:  # better before the first byte than after the last
            rebuilding.check_keys()
        self._fetch_all([source for source in plan.of_set.sources if source.name in plan.news], plan.news, show)
        if self.stop.is_set():
            raise Failure(f"sync {plan.of_set.name}", "stopped on request", "Run it again: it goes on from there")
        if rebuilding:
            news = rebuilding.sign(news, plan.work, int(time.time()))
        sources = {source.name: news.get(source.name) for source in plan.of_set.sources if source.mode != "elsewhere"}
        return self.generations.build(plan.of_set.name, sources, plan.last)

    def _fetch_all(self, sources: t.Sequence[Source], news: t.Mapping[str, News], show: Show) -> None:
        """Bring what is missing of each source: from several hosts at once, from one host for one source after the other,
        so that no host sees more connections than it is meant to."""
        hosts: t.Dict[t.Tuple[t.Optional[str], t.Optional[int]], t.List[Source]] = {}
        for source in sources:
            parts = urlsplit(source.place)
            hosts.setdefault((parts.hostname, parts.port), []).append(source)

        def one_host(together: t.Sequence[Source]) -> None:
            for source in together:
                snapshot = news[source.name].snapshot
                large = snapshot.large if source.mode == "verbatim" else []  # made here
                self.fetch(source, [*large, *(entry.wanted for entry in snapshot.entries)], show)

        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            fetched = [pool.submit(one_host, together) for together in hosts.values()]
        for one in fetched:  # after the last: what others bring meanwhile need not be fetched again
            one.result()

    def _prune(self, of_set: Set) -> retention.Freed:
        if not retention.expired(self.generations, self.pointers, of_set.name, of_set.policy, time.time()):
            return retention.Freed([], 0, 0)
        return retention.prune(self.store, self.generations, self.pointers, {of_set.name: of_set.policy}, time.time())

    def _rebuilding(self, of_set: Set, last: t.Optional[Generation]) -> Rebuilding:
        """Imported where something is rebuilt, as families.family() is."""
        from ansible_collections.egi.cmd.plugins.module_utils._mirror.rebuilding import Rebuilding

        return Rebuilding(of_set, self.store, self.generations, last)

    def _has(self, last: t.Optional[Generation], source: Source, accepted: Acceptance) -> bool:
        """Whether what was accepted of a source is here."""
        if source.mode == "verbatim":
            return _holds(last, source, accepted.identity)
        return accepted.kept != () and all(self.store.has(file.sha256, file.size) for file in accepted.kept)

    def _accept(self, plan: Plan, generation: Generation) -> None:
        """Remember what was accepted, so that nothing older is, and the next request can be conditional."""
        of_set, work = plan.of_set, plan.work
        for name in {**plan.read, **work.built}:
            acceptance = self.accepted.get(of_set.name, name)
            if name in plan.read:
                snapshot = plan.read[name]
                acceptance = Acceptance(snapshot.identity, snapshot.dated, snapshot.state, work.kept.get(name, ()), acceptance.built)
            if name in work.built:
                acceptance = acceptance._replace(built=work.built[name]._replace(identity=generation.sources[name].identity))
            self.accepted.put(of_set.name, name, acceptance)
        if plan.changed:
            self.accepted.release(of_set.name, [source.name for source in of_set.sources if source.mode != "verbatim"])


def _holds(generation: t.Optional[Generation], source: Source, identity: t.Optional[str]) -> bool:
    """Return whether a generation has this state of a source, with all that is asked for."""
    part = generation.sources.get(source.name) if generation else None
    return part is not None and (part.selection, part.identity) == (selection(source), identity)
