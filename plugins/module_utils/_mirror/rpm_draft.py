# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""An rpm repository cut down to some of its packages: the worlds they are chosen from, and the repomd.xml to sign."""

from __future__ import annotations

import functools
import os
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.signing import Keyring
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import rpm_rebuild, rpm_repomd, unpack, upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.draft import Draft, Held
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Snapshot, Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Repository
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rpm_packages import RpmWorld
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store

_REPOMD = "repodata/repomd.xml"
_ANY = ("noarch", "src", "nosrc")
# What else a machine runs (rpm's arch_compat, for the architectures distributions still build).
_RUNS = {
    "x86_64": ("i686", "i586", "i486", "i386"), "x86_64_v2": ("x86_64", "i686", "i586", "i486", "i386"), "i686": ("i586", "i486", "i386"),
}


class Contents(t.NamedTuple):
    """One repository as its upstream offers it."""

    source: Source
    snapshot: Snapshot
    repomd: rpm_repomd.Repomd

    @property
    def repository(self) -> Repository:
        """What the world calls it."""
        return Repository(self.source.name, self.source.order, self.source.mode != "rebuilt")

    def architectures(self) -> t.Set[str]:
        """The machines it is for; none if everything in it runs anywhere."""
        found = set(self.source.architectures) or {entry.architecture for entry in self.snapshot.entries}
        found -= {*_ANY, *(other for name in found for other in _RUNS.get(name, ()))}
        return found

    def metadata(self, store: Store) -> t.List[rpm_rebuild.Metadata]:
        """Its metadata, to be read."""
        return [self._opened(data, store) for data in self.repomd.readable(rpm_rebuild.KINDS)]

    def _opened(self, data: rpm_repomd.Data, store: Store) -> rpm_rebuild.Metadata:
        what = upstream.named(self.source, data.wanted.path)
        most = data.open_size or unpack.UNDECLARED
        return rpm_rebuild.Metadata(data.type, what, functools.partial(unpack.slices, store.path(data.wanted.sha256), most, what))


def contents(source: Source, snapshot: Snapshot) -> Contents:
    """A repository. snapshot: verified."""
    repomd = next(document.content for document in snapshot.documents if document.path == _REPOMD)
    return Contents(source, snapshot, rpm_repomd.parse(repomd, upstream.named(source, _REPOMD)))


def worlds(found: t.Sequence[Contents], store: Store) -> t.Dict[str, RpmWorld]:
    """Every package hosts of an architecture could install, for each architecture something is rebuilt for."""
    names = {name for one in found if one.source.mode == "rebuilt" for name in one.architectures()}
    if not names:
        names = {name for one in found for name in one.architectures()} or {"noarch"}
    built = {}
    for architecture in sorted(names):
        world = built[architecture] = RpmWorld({architecture, "noarch", *_RUNS.get(architecture, ())})
        here = [one for one in found if not one.architectures() or architecture in one.architectures()]
        for one in here:
            for metadata in one.metadata(store):
                if metadata.kind == "primary":
                    world.add(one.repository, metadata.slices(), metadata.what)
        unknown = world.unknown_files()
        for one in here if unknown else ():
            for metadata in one.metadata(store):
                if metadata.kind == "filelists":
                    world.add_files(one.repository, unknown, metadata.slices(), metadata.what)
    return built


def draft(one: Contents, sums: t.Container[str], store: Store) -> Draft:
    """A repository with what is kept of it. sums: SHA-256 of the packages."""
    entries = [entry for entry in one.snapshot.entries if entry.wanted.sha256 in sums]
    with tempfile.TemporaryDirectory(prefix="rebuilt-", dir=store.directory) as work:
        rebuilt = rpm_rebuild.rebuild(one.metadata(store), entries, one.snapshot.dated, work)
        for file in rebuilt.files:
            if not store.has(file.wanted.sha256, file.wanted.size):
                os.replace(file.local, store.partial(file.wanted.sha256))
                store.keep(file.wanted.sha256)
    files = tuple(file._replace(local=store.path(file.wanted.sha256)) for file in rebuilt.files)
    return Draft([Head(files, one.snapshot.dated)], [file.wanted for file in files], entries, one.snapshot.dated)


class Head(t.NamedTuple):
    """A repomd.xml to be signed. dated: of the upstream's, unix time."""

    files: t.Tuple[rpm_rebuild.File, ...]
    dated: int
    key: str = ""
    documents: t.Tuple[str, ...] = (_REPOMD, f"{_REPOMD}.asc")

    @property
    def signed(self) -> t.Tuple[str, str]:
        """Paths of the text and of the detached signature beside it."""
        return _REPOMD, f"{_REPOMD}.asc"

    def metadata(self, store: Store) -> t.List[rpm_rebuild.Metadata]:
        """Its metadata, to be read."""
        return [
            rpm_rebuild.Metadata(kind, wanted.path, functools.partial(unpack.slices, store.path(wanted.sha256), open_size, wanted.path))
            for kind, wanted, _local, _open_sha256, open_size in self.files
        ]

    def good(self, held: Held, now: int) -> bool:  # noqa: ARG002  it has no end
        """Whether what is published says the same."""
        return held.get(_REPOMD) == rpm_rebuild.repomd(self.files, self._before(held))

    def sign(self, held: Held, now: int, keyring: Keyring, keys: t.Sequence[str]) -> t.List[Document]:  # noqa: ARG002
        """repomd.xml and repomd.xml.asc. Its revision is the upstream's, or later, for none may be older than one before."""
        text = rpm_rebuild.repomd(self.files, max(self.dated, self._before(held) + 1))
        return [Document(_REPOMD, text), Document(f"{_REPOMD}.asc", keyring.detach(text, keys))]

    def _before(self, held: Held) -> int:
        try:
            return rpm_repomd.parse(held.get(_REPOMD, b""), "the published repomd.xml").dated
        except Failure:
            return 0
