# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Whether what readers get still is what the upstreams signed: signatures, every link, every byte; and mending it.

A generation is read again like an upstream, from disk: signature, indices, packages. Nothing we wrote down about it
is believed. What was rebuilt has to be covered twice: by the site's signature, and by the upstream's, kept beside it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import reread
from ansible_collections.egi.cmd.plugins.module_utils._mirror import store as stores
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation, selection
from ansible_collections.egi.cmd.plugins.module_utils._mirror.manifest import Manifest
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.repair import Held, held, mend, mend_document
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror, Show


class Finding(t.NamedTuple):
    """One thing that is wrong. path: as a reader asks for it, below the mirror's root."""

    path: str
    why: str
    repaired: bool


class Report(t.NamedTuple):
    """files, size: how much was read; notes: what could not be checked, and why."""

    files: int
    size: int
    findings: t.List[Finding]
    notes: t.List[str]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong any more."""
        return all(finding.repaired for finding in self.findings)


def verify(mirror: Mirror, sets: t.Sequence[Set], repair: bool, show: Show, seen: t.Callable[[int, int], None] = lambda done, total: None) -> Report:
    """Check every generation of the sets. repair: fetch again what is damaged, as long as the upstream has it.
    seen: called with the bytes read so far and in total."""
    notes: t.List[str] = []
    parts = held(mirror, sets)
    needed = {file.sha256: file.size for part in parts for file in part.files(mirror)}
    progress = _Progress(sum(needed.values()), seen)
    damaged = set(mirror.store.scrub(needed, progress.add))
    damaged |= {sha256 for sha256, size in needed.items() if not mirror.store.has(sha256, size)}
    mended = mend(mirror, parts, damaged, show, notes) if repair and damaged else set()
    findings: t.List[Finding] = []
    told: t.Set[str] = set()
    for part in parts:
        manifest = mirror.generations.manifest(part.generation.name, part.name)
        for file in manifest.in_store():
            if file.sha256 in damaged and file.sha256 not in told:
                told.add(file.sha256)
                findings.append(Finding(f"{part.where}/{file.path}", "its content is damaged or gone", file.sha256 in mended))
        findings += _structure(mirror, part, manifest, damaged, show if repair else None)
        if part.source is None or selection(part.source) != part.generation.sources[part.name].selection:
            notes.append(f"{part.where}: the configuration asks for something else now, its signature was not checked again")
        else:
            findings += _signed(mirror, part.generation, part.source, manifest, part.where)
    mirror.store.settle()
    return Report(len(needed), progress.total, findings, notes)


class _Progress:
    """Adds up what was read."""

    def __init__(self, total: int, seen: t.Callable[[int, int], None]) -> None:
        self.total, self._done, self._seen = total, 0, seen

    def add(self, one: stores.Held) -> None:
        self._done += one.size
        self._seen(self._done, self.total)


def documents(mirror: Mirror, part: Held, show: t.Optional[Show]) -> t.Iterator[Finding]:
    """Metadata that is not what was published. show: progress of mending it, None to leave it as it is."""
    for document in mirror.generations.damaged_documents(part.generation.name, part.name):
        repaired = show is not None and mend_document(mirror, part, document, show)
        why = "this metadata is not what was published"
        if show is not None and not repaired:
            why += f", and neither another snapshot nor the upstream has it; a sync makes a new one, then: cmd-mirror snapshot delete {part.generation.name}"
        yield Finding(f"{part.where}/{document.path}", why, repaired)


def _structure(mirror: Mirror, part: Held, manifest: Manifest, damaged: t.Collection[str], show: t.Optional[Show]) -> t.Iterator[Finding]:
    """Metadata that changed, and files a reader does not reach although the store has them. show: as above."""
    generation, name = part.generation, part.name
    yield from documents(mirror, part, show)
    holes = [file for file in mirror.generations.missing(generation.name, name) if file.sha256 not in damaged and file not in manifest.documents]
    if not holes:
        return
    if show:
        mirror.generations.tree.place(name, [entry.wanted for entry in manifest.entries], generation.sources[name].tree)
    left = set(mirror.generations.missing(generation.name, name)) if show else set(holes)
    for file in holes:
        yield Finding(f"{part.where}/{file.path}", "the link to it is gone", file not in left)


def _signed(mirror: Mirror, generation: Generation, source: Source, manifest: Manifest, where: str) -> t.Iterator[Finding]:
    """Read a generation as if it were an upstream and compare. Its dates are its own matter: it is meant to be old."""
    try:
        snapshot = reread.published(mirror.store, source, f"{mirror.generations.path(generation.name)}/{source.name}",
                                    mirror.configuration.sets[generation.set].signing)
        unvouched = reread.unvouched(mirror.store, source, manifest) if source.mode == "rebuilt" else []
    except Failure as failure:
        yield Finding(where, str(failure), False)
        return
    for file in unvouched:
        yield Finding(f"{where}/{file.path}", "the upstream did not sign it", False)
    if snapshot.identity != generation.sources[source.name].identity:
        yield Finding(where, "its signed metadata is not what was published", False)
        return
    signed = {entry.wanted for entry in snapshot.entries} | set(snapshot.large)
    written = {entry.wanted for entry in manifest.entries} | set(manifest.large)
    for file in sorted(signed ^ written):
        yield Finding(f"{where}/{file.path}", "the signed index and what we wrote down about this snapshot differ", False)
