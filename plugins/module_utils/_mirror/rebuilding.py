# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The rebuilt sources of a set in one sync: whether there is anything to rebuild, what became of it, and its signatures.

Unchanged input is not looked at again, and what comes out as it was published keeps its bytes and signatures.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import release_file
from ansible_collections.egi.cmd.plugins.module_utils._archive.signing import Keyring
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._mirror import manifest as manifests
from ansible_collections.egi.cmd.plugins.module_utils._mirror import rebuild, reread, site_key, upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.accepted import Accepted, Built
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Set, Signing
from ansible_collections.egi.cmd.plugins.module_utils._mirror.draft import Draft, Head, Held, Work
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation, Generations, News, selection
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Snapshot, Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Validators

Signed = t.Tuple[str, t.List[Document]]  # key and documents of a head

_SOON = 30 * 86400  # seconds people get to give clients another key


class Rebuilding:
    """One set and the newest generation of it."""

    def __init__(self, of_set: Set, store: Store, generations: Generations, last: t.Optional[Generation]) -> None:
        self._set, self._store, self._generations, self._last = of_set, store, generations, last
        accepted = Accepted(store.root)
        self._known = {source.name: accepted.get(of_set.name, source.name) for source in of_set.sources}

    def work(self, read: t.Mapping[str, Snapshot], now: int) -> Work:
        """Rebuild what has to be. read: of the sources whose upstream changed; now: unix time."""
        work = Work({}, {}, {}, [])
        for source in self._set.sources:
            if source.mode != "verbatim" and source.name in read:
                work.kept[source.name] = self._keep(read[source.name])
        for form in ("deb", "rpm"):
            sources = rebuild.world_of(self._set, form)
            if sources:
                self._rebuild(sources, read, now, work)
        ends = min((known.built.key_ends for known in self._known.values() if known.built.key_ends), default=0)
        if ends and ends - now < _SOON:
            work.warnings.append(f"the key that signs {self._set.name} expires on {time.strftime('%Y-%m-%d', time.gmtime(ends))}: "
                                 "make another, give it to clients, and name both in signing")
        return work

    def news(self, work: Work) -> t.Dict[str, News]:
        """The drafts as what is new, not signed yet."""
        sources = {source.name: source for source in self._set.sources}
        return {
            name: News(sources[name].format, masked(sources[name].place), selection(sources[name]), Snapshot(
                [], draft.large, draft.entries, "", draft.dated, upstream=work.kept.get(name, self._known[name].kept)))
            for name, draft in work.drafts.items()
        }

    def check_keys(self) -> None:
        """Raise Failure unless the site's keys can sign today."""
        with site_key.secret(self._set.signing, self._set.name):
            pass

    def sign(self, news: t.Mapping[str, News], work: Work, now: int) -> t.Dict[str, News]:
        """The news with every draft signed."""
        done = dict(news)
        with site_key.public(self._set.signing) as keyring, site_key.secret(self._set.signing, self._set.name) as home:
            ends = min((key.expires for key in home.keys() if key.fingerprint in self._set.signing.keys and key.expires), default=0)
            for source in self._set.sources:
                if source.name in work.drafts:
                    heads = [self._signed(head, self._held(source), now, keyring, home) for head in work.drafts[source.name].heads]
                    documents = [document for _key, documents in heads for document in documents]
                    snapshot = news[source.name].snapshot._replace(documents=documents, identity=_identity(source, heads))
                    done[source.name] = news[source.name]._replace(snapshot=snapshot)
                    work.built[source.name] = work.built[source.name]._replace(key_ends=ends)
        return done

    def _signed(self, head: Head, held: Held, now: int, keyring: str, home: Keyring) -> Signed:
        """A head's key and documents; one that is as published keeps its signature."""
        if _stands(head, held, now, self._set.signing, keyring):
            return head.key, [Document(path, held[path]) for path in head.documents]
        return head.key, head.sign(held, now, home, self._set.signing.keys)

    def _keep(self, snapshot: Snapshot) -> t.Tuple[Wanted, ...]:
        """Bring the documents into the store, beside the indices."""
        self._store.unsettled()
        documents = [Wanted(document.path, len(document.content), self._store.add(document.content)) for document in snapshot.documents]
        return (*documents, *snapshot.large)

    def _rebuild(self, sources: t.Sequence[Source], read: t.Mapping[str, Snapshot], now: int, work: Work) -> None:
        """Rebuild the sources of one format, unless nothing they are made of has changed."""
        identities = {source.name: read[source.name].identity if source.name in read else self._known[source.name].identity for source in sources}
        basis = rebuild.basis(self._set, sources, identities)
        ours = [source for source in sources if source.mode == "rebuilt"]
        if all(self._settled(source, basis, now) for source in ours):
            work.warnings.extend(self._known[ours[0].name].built.warnings)
            return
        upstreams = {source.name: read[source.name] if source.name in read else self._again(source) for source in sources}
        self._store.unsettled()
        rebuilt = rebuild.rebuild(self._set, sources, upstreams, self._store)
        work.warnings.extend(rebuilt.warnings)
        standing = self._standing(ours, rebuilt.drafts, now)
        for source in ours:
            if source.name not in standing:
                work.drafts[source.name] = rebuilt.drafts[source.name]
            work.built[source.name] = Built(basis, "", tuple(rebuilt.warnings), self._known[source.name].built.key_ends)

    def _standing(self, sources: t.Sequence[Source], drafts: t.Mapping[str, Draft], now: int) -> t.Set[str]:
        """The sources of which the last generation has what was drafted, as it was asked for."""
        parts = self._last.sources if self._last else {}
        same = [source for source in sources if source.name in parts and parts[source.name].selection == selection(source)]
        if not same:
            return set()
        with site_key.public(self._set.signing) as keyring:
            return {source.name for source in same
                    if all(_stands(head, self._held(source), now, self._set.signing, keyring) for head in drafts[source.name].heads)}

    def _settled(self, source: Source, basis: str, now: int) -> bool:
        """Whether the last generation has what comes of this basis, with half of its time left."""
        part = self._last.sources.get(source.name) if self._last else None
        built = self._known[source.name].built
        if part is None or (built.basis, built.identity) != (basis, part.identity) or 0 < built.key_ends <= now:
            return False
        held = self._held(source)
        if len(held) != len(self._documents(source)):
            return False
        ends = [release_file.dates(content)[1] for path, content in held.items() if path.endswith("/Release")]
        return all(not end or 2 * (end - now) >= int(self._set.valid_days * 86400) for end in ends)

    def _again(self, source: Source) -> Snapshot:
        """What an upstream holds that answered that nothing changed."""
        if source.mode == "verbatim" and self._last is not None:
            return reread.published(self._store, source, os.path.join(self._generations.path(self._last.name), source.name), self._set.signing)
        kept = self._known[source.name].kept
        damaged = [file for file in kept if not self._store.sound(file.sha256)]
        for file in damaged:  # no reader asks for it
            self._store.remove(file.sha256)
        if damaged:
            raise Failure(f"rebuild from {upstream.named(source, damaged[0].path)}", "it was damaged on this disk", "Sync again: it is fetched again")
        return reread.kept(self._store, source, kept)

    def _documents(self, source: Source) -> t.List[Wanted]:
        """What the last generation has of a source besides indices and packages."""
        if self._last is None or source.name not in self._last.sources:
            return []
        return manifests.load(self._generations.manifest_file(self._last.name, source.name), entries=False).documents

    def _held(self, source: Source) -> Held:
        """The content of these documents, but of damaged ones."""
        held: t.Dict[str, bytes] = {}
        if self._last is None:
            return held
        top = os.path.join(self._generations.path(self._last.name), source.name)
        for document in self._documents(source):
            path = os.path.join(top, document.path)
            with contextlib.suppress(OSError), open(path, "rb") as file:
                content = file.read()
                if hashlib.sha256(content).hexdigest() == document.sha256:
                    held[document.path] = content
        return held


def _identity(source: Source, heads: t.Sequence[Signed]) -> str:
    """As the snapshot of a mirror of what is published would have it: reading it again has to give the same."""
    asked, _trusted = upstream.asked(reread.by_site(source, ""))
    found = {
        key: upstream.Head(os.path.basename(documents[0].path), hashlib.sha256(documents[0].content).hexdigest(), 0, 0, Validators())
        for key, documents in heads
    }
    return upstream.identity(upstream.Memory(asked, "", found))


def _stands(head: Head, held: Held, now: int, told: Signing, keyring: str) -> bool:
    """Whether what is published of a head is whole, says the same, lasts, and is signed as it would be now."""
    text, signature = head.signed
    whole = all(path in held for path in head.documents)
    return whole and head.good(held, now) and site_key.signed_by(told, keyring, held[text], held[signature])
