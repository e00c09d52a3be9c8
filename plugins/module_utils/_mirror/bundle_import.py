# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Taking a bundle into a mirror root without network: the same snapshot, of the same name, byte for byte.

First the signature of the bundle; then every file through its SHA-256 into the store, where an interrupted import goes
on; then the metadata is read as if the bundle's snapshot were an upstream, with the keyrings of this mirror's
configuration. Only what all of that vouches for becomes a snapshot, in one step; until then readers keep what they had.
"""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle as bundles
from ansible_collections.egi.cmd.plugins.module_utils._mirror import difference, reread, space, trust
from ansible_collections.egi.cmd.plugins.module_utils._mirror import manifest as manifests
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle import MANIFEST, Bundle, path_of
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle_medium import Chunks, Medium, checked, open_medium
from ansible_collections.egi.cmd.plugins.module_utils._mirror.difference import Change
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import NAMED_BY_HASH, Brought, Generation, selection
from ansible_collections.egi.cmd.plugins.module_utils._mirror.manifest import Manifest
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Source, Wanted, inside
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import sha256_of
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror

_DAMAGED = "Copy the bundle again; nothing was published"
_REFUSED = "Do not use this bundle before you know why; nothing was published"

Seen = t.Callable[[int, int], None]  # bytes done, bytes in all


class Import(t.NamedTuple):
    """What an import did, or would do. before, published: what the set's pointer led to, and leads to now; size: bytes
    the bundle carries; changes: packages of the bundle's snapshot against what was published before."""

    changed: bool
    bundle: Bundle
    signers: t.Tuple[str, ...]
    before: t.Optional[str]
    published: t.Optional[str]
    size: int
    changes: t.List[Change]
    warnings: t.List[str]


def take(mirror: Mirror, path: str, keyring: str, seen: Seen, dry: bool = False) -> Import:
    """Import a bundle; the mirror is locked. keyring: binary keyring of those who may sign bundles. dry: look at the
    signed document and at what is there, not at every byte."""
    action = f"import bundle {path}"
    with open_medium(path) as medium:
        document, signature = medium.head()
        signers = trust.detached(document, signature, keyring, MANIFEST)
        bundle = bundles.parse(document)
        sources = _sources(mirror, bundle, action)
        size = sum(bundle.contents().values())
        known = _known(mirror, bundle, action)
        now = mirror.pointers.get(bundle.set)
        before = now.generation if now else None
        if dry:
            moves = _lags(mirror, bundle)
            found = _here(mirror, bundle) if known else _manifests(bundle, medium, action)
            _require_base(mirror, bundle, found, action)
            changes = _changes(mirror, bundle, found, before)
            return Import(not known or moves, bundle, signers, before, bundle.generation if moves else before, size, changes, [])
        if not known:
            _bring(mirror, bundle, medium, sources, seen, action)
    moved, warnings = _publish(mirror, bundle)
    mirror.store.settle()
    now = mirror.pointers.get(bundle.set)
    changes = _changes(mirror, bundle, _here(mirror, bundle), before)
    return Import(not known or moved, bundle, signers, before, now.generation if now else None, size, changes, warnings)


def _here(mirror: Mirror, bundle: Bundle) -> t.Dict[str, Manifest]:
    """What the bundle's snapshot holds, once it is here."""
    return {name: mirror.generations.manifest(bundle.generation, name) for name in bundle.sources}


def _manifests(bundle: Bundle, medium: Medium, action: str) -> t.Dict[str, Manifest]:
    """What the bundle's snapshot holds, from the bundle."""
    needed = {carried.manifest for carried in bundle.sources.values()}
    found = {sha256: _manifest(b"".join(checked(chunks, sha256, action, path_of(sha256), _DAMAGED)))
             for sha256, chunks in medium.contents(bundle.contents()) if sha256 in needed}
    return {name: found[carried.manifest] for name, carried in bundle.sources.items()}


def _changes(mirror: Mirror, bundle: Bundle, after: t.Mapping[str, Manifest], before: t.Optional[str]) -> t.List[Change]:
    if before == bundle.generation:
        return []
    old = mirror.generations.load(before).sources if before else {}
    changes = []
    for name in sorted({*old, *after}):
        was = mirror.generations.manifest(before, name).entries if before and name in old else []
        changes += difference.of_entries(name, was, after[name].entries if name in after else []).changes
    return changes


def _sources(mirror: Mirror, bundle: Bundle, action: str) -> t.Dict[str, Source]:
    """The configuration of every source of the bundle: it says which keys its metadata must be signed with."""
    of_set = mirror.configuration.sets.get(bundle.set)
    if of_set is None:
        raise Failure(action, f"the configuration has no set {bundle.set!r}", "Use the configuration of the mirror that exported it, with keyrings of your own")
    sources = {source.name: source for source in of_set.sources}
    for name, carried in bundle.sources.items():
        if name not in sources:
            raise Failure(action, f"the set {bundle.set} has no source {name!r} in the configuration", "Bring both configurations in line")
        if selection(sources[name]) != carried.part.selection:
            raise Failure(action, f"the configuration asks for something else of source {name!r} than the mirror that exported it did",
                          "Give it the same suites, components and architectures")
    return sources


def _known(mirror: Mirror, bundle: Bundle, action: str) -> bool:
    """Whether the snapshot is here already."""
    if not os.path.lexists(mirror.generations.path(bundle.generation)):
        return False
    here = mirror.generations.load(bundle.generation)
    same = {source: (part._replace(tree=""), sha256_of(mirror.generations.manifest_file(here.name, source))) for source, part in here.sources.items()}
    if same != {source: (carried.part, carried.manifest) for source, carried in bundle.sources.items()}:
        raise Failure(action, f"another snapshot has the name {bundle.generation} here", _REFUSED)
    return True


def _bring(mirror: Mirror, bundle: Bundle, medium: Medium, sources: t.Mapping[str, Source], seen: Seen, action: str) -> None:
    store = mirror.store
    store.recover()
    carried = [Wanted(path_of(sha256), size, sha256) for sha256, size in bundle.files.items()]
    packages = sum(one.part.packages for one in bundle.sources.values())
    space.require(mirror.configuration.root, space.need(store, carried, packages, sum(bundle.metadata.values())), mirror.configuration.margin)
    store.unsettled()
    metadata: t.Dict[str, bytes] = {}
    total, done = sum(bundle.contents().values()), 0
    for sha256, chunks in medium.contents(bundle.contents()):
        good = checked(_stoppable(mirror, chunks, action), sha256, action, path_of(sha256), _DAMAGED)
        if sha256 in bundle.metadata:
            metadata[sha256] = b"".join(good)
            if sha256 in bundle.files:
                store.add(metadata[sha256])
        elif not store.has(sha256, bundle.files[sha256]):
            with open(store.partial(sha256), "wb") as file:
                for chunk in good:
                    file.write(chunk)
            store.keep(sha256)
        done += bundle.size_of(sha256)
        seen(done, total)
    brought = {name: _source(bundle, name, metadata, action) for name in bundle.sources}
    _require_base(mirror, bundle, {name: one.manifest for name, one in brought.items()}, action)

    def check(source: str, top: str, manifest: Manifest) -> None:
        _vouched(mirror, sources[source], top, manifest, bundle, action)

    mirror.generations.adopt(Generation(bundle.generation, bundle.set, bundle.created, {}), brought, check)


def _stoppable(mirror: Mirror, chunks: Chunks, action: str) -> Chunks:
    for chunk in chunks:
        if mirror.stop.is_set():
            raise Failure(action, "stopped on request", "Run it again: it goes on from there")
        yield chunk


def _source(bundle: Bundle, name: str, metadata: t.Mapping[str, bytes], action: str) -> Brought:
    """One source of the bundle, its every path checked."""
    carried = bundle.sources[name]
    manifest = _manifest(metadata[carried.manifest])
    for wanted in (*manifest.documents, *manifest.in_store()):
        inside(wanted.path)
    if any(wanted.sha256 not in metadata for wanted in manifest.documents) or set(carried.moments) != {wanted.path for wanted in manifest.documents}:
        raise Failure(action, f"it does not carry the metadata its manifest of {name} names", _REFUSED)
    documents = [Document(wanted.path, metadata[wanted.sha256]) for wanted in manifest.documents]
    return Brought(carried.part, manifest, documents, carried.moments)


def _manifest(content: bytes) -> Manifest:
    with tempfile.NamedTemporaryFile(prefix="egi-bundle-") as file:
        file.write(content)
        file.flush()
        return manifests.load(file.name)


def _require_base(mirror: Mirror, bundle: Bundle, found: t.Mapping[str, Manifest], action: str) -> None:
    """A delta leaves out what the site has: it must be here."""
    lacking = [file for manifest in found.values() for file in manifest.in_store()
               if file.sha256 not in bundle.files and not mirror.store.has(file.sha256, file.size)]
    if not lacking:
        return
    base = f"it builds on {', '.join(bundle.base)}, and" if bundle.base else "it is incomplete:"
    raise Failure(action, f"{base} {len(lacking)} files are not here, the first is {lacking[0].path}",
                  "Import the bundle of that snapshot first, or export again with the inventory of this site")


def _vouched(mirror: Mirror, source: Source, top: str, manifest: Manifest, bundle: Bundle, action: str) -> None:
    """Raise Failure unless signatures cover what the bundle wants to publish: the upstream's, and of what was rebuilt the
    site's as well."""
    snapshot = reread.published(mirror.store, source, top, mirror.configuration.sets[bundle.set].signing)
    if snapshot.identity != bundle.sources[source.name].part.identity:
        raise Failure(action, f"the signed metadata of {source.name} is not what the bundle says", _REFUSED)
    signed = {entry.wanted for entry in snapshot.entries} | set(snapshot.large)
    written = {entry.wanted for entry in manifest.entries} | set(manifest.large)
    documents = {document.path: document.content for document in snapshot.documents}
    unsigned = sorted(file.path for file in signed ^ written)
    unsigned += [wanted.path for wanted in manifest.documents if wanted.path not in documents]
    # What only readers of an earlier snapshot ask for is signed by that one: no reader of this one takes it for anything.
    unsigned += [wanted.path for wanted in manifest.earlier if not NAMED_BY_HASH.search(wanted.path)]
    if source.mode == "rebuilt":
        unsigned += [wanted.path for wanted in reread.unvouched(mirror.store, source, manifest)]
    if unsigned:
        raise Failure(action, f"what {source.name} signed and what the bundle holds differ in {len(unsigned)} files, the first is {unsigned[0]}", _REFUSED)


def _lags(mirror: Mirror, bundle: Bundle) -> bool:
    """Whether the set's own pointer is to move to the bundle's snapshot: forward only, and not when a person holds it."""
    pointer = mirror.pointers.get(bundle.set)
    if pointer is None:
        return mirror.configuration.sets[bundle.set].publish
    if pointer.held or pointer.frozen or pointer.generation == bundle.generation:
        return False
    newest = max((one.created for one in mirror.generations.all(bundle.set)), default=0)
    return mirror.configuration.sets[bundle.set].publish and bundle.created >= newest


def _publish(mirror: Mirror, bundle: Bundle) -> t.Tuple[bool, t.List[str]]:
    """Let the set's pointer lead to the snapshot if that is forward. Returns whether it moved, and warnings."""
    if _lags(mirror, bundle):
        return mirror.pointers.publish(bundle.set, bundle.generation), []
    pointer = mirror.pointers.get(bundle.set)
    if pointer is None or pointer.generation == bundle.generation:
        return False, []
    why = "is held there" if pointer.held or pointer.frozen else "leads to a newer snapshot"
    return False, [f"{bundle.set} leads to {pointer.generation} and {why}; to change that: cmd-mirror snapshot publish {bundle.generation}"]
