# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Mending what a disk spoiled: files of the store from the upstreams, documents from another snapshot or the upstream.

The mirror is locked. Whatever is put in place was hashed first.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import manifest as manifests
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import STATE
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import make_directory, sync_directory
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror, Show


class Held(t.NamedTuple):
    """One source in one generation. source: as it is configured now, None if it no longer is."""

    generation: Generation
    name: str
    source: t.Optional[Source]

    @property
    def where(self) -> str:
        """Where readers find it, below the mirror's root."""
        return f"snapshots/{self.generation.name}/{self.name}"

    def files(self, mirror: Mirror) -> t.Iterator[Wanted]:
        """What it needs of the store; read each time, because all generations together do not fit in memory."""
        return mirror.generations.manifest(self.generation.name, self.name).in_store()

    def offered(self, mirror: Mirror) -> t.Iterator[Wanted]:
        """What of that the upstream has: indices that were rebuilt it has not."""
        manifest = mirror.generations.manifest(self.generation.name, self.name)
        if self.source is not None and self.source.mode == "rebuilt":
            return itertools.chain(manifest.upstream, (entry.wanted for entry in manifest.entries))
        return manifest.in_store()


def held(mirror: Mirror, sets: t.Sequence[Set]) -> t.List[Held]:
    """Every source of every generation of the sets."""
    parts = []
    for of_set in sets:
        sources = {source.name: source for source in of_set.sources}
        for generation in mirror.generations.all(of_set.name):
            parts += [Held(generation, name, sources.get(name)) for name in generation.sources]
    return parts


def mend(mirror: Mirror, parts: t.Sequence[Held], damaged: t.Collection[str], show: Show, notes: t.List[str]) -> t.Set[str]:
    """Fetch damaged files of the store again from the sources that had them; return those that are whole now. notes:
    gets why others are not."""
    asked: t.Dict[Source, t.Dict[str, Wanted]] = {}
    for part in parts:
        if part.source is not None:
            asked.setdefault(part.source, {}).update({file.sha256: file for file in part.offered(mirror) if file.sha256 in damaged})
    for source, files in asked.items():
        lacking = [file for file in files.values() if not mirror.store.has(file.sha256, file.size)]
        try:
            if lacking:
                mirror.fetch(source, lacking, show)
        except Failure as failure:
            notes.append(str(failure))
    mended = {sha256 for files in asked.values() for sha256, file in files.items() if mirror.store.has(sha256, file.size)}
    for part in parts:
        if part.source is not None and part.source.mode == "rebuilt":
            mended |= _made_again(mirror, part.source, part, damaged, notes)
    return mended


def _made_again(mirror: Mirror, source: Source, part: Held, damaged: t.Collection[str], notes: t.List[str]) -> t.Set[str]:
    """Rebuild the damaged indices of a rebuilt source from the upstream's, which are kept beside them: equal input gives
    equal bytes. Returns those that are whole now."""
    manifest = mirror.generations.manifest(part.generation.name, part.name)
    lacking = {file.sha256: file.size for file in manifest.linked() if file.sha256 in damaged and not mirror.store.has(file.sha256, file.size)}
    if lacking:
        from ansible_collections.egi.cmd.plugins.module_utils._mirror import rebuild

        try:
            rebuild.again(source, manifest, mirror.store)
        except Failure as failure:
            notes.append(str(failure))
    return {sha256 for sha256, size in lacking.items() if mirror.store.has(sha256, size)}


def mend_document(mirror: Mirror, part: Held, document: Wanted, show: Show) -> bool:
    """Put a document right that is not what was published; return whether that was possible."""
    content = _of_siblings(mirror, document)
    if content is None and part.source is not None:
        content = _of_upstream(mirror, part.source, document, show)
    if content is None:
        return False
    path = os.path.join(mirror.generations.path(part.generation.name), part.name, document.path)
    moment: float = part.generation.created
    with contextlib.suppress(OSError):
        moment = os.stat(path).st_mtime  # rot leaves it alone, and readers were told it as Last-Modified
    temporary = os.path.join(mirror.configuration.root, STATE, "document")
    with open(temporary, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)
        file.flush()
        os.utime(file.fileno(), (moment, moment))
        os.fsync(file.fileno())
    make_directory(os.path.dirname(path))
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path))
    return True


def _of_siblings(mirror: Mirror, document: Wanted) -> t.Optional[bytes]:
    """The document as another place of this mirror still has it."""
    for generation in mirror.generations.all():
        for name in generation.sources:
            listed = manifests.load(mirror.generations.manifest_file(generation.name, name), entries=False).documents
            for path in [other.path for other in listed if other.sha256 == document.sha256]:
                content = _whole(os.path.join(mirror.generations.path(generation.name), name, path), document)
                if content is not None:
                    return content
    return None


def _of_upstream(mirror: Mirror, source: Source, document: Wanted, show: Show) -> t.Optional[bytes]:
    """The document as the upstream has it: it may have gone on since, then what it has is another one."""
    kept = mirror.store.has(document.sha256, document.size)
    with contextlib.suppress(Failure):
        mirror.fetch(source, [document], show)
    content = _whole(mirror.store.path(document.sha256), document)
    if not kept:  # documents are not of the store
        mirror.store.remove(document.sha256)
    return content


def _whole(path: str, document: Wanted) -> t.Optional[bytes]:
    try:
        with open(path, "rb") as file:
            content = file.read(document.size + 1)
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == document.sha256 else None
