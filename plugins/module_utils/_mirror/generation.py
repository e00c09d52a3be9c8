# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Generations: what every source of a set held at one moment, in a directory that never changes once it is there.

    <root>/snapshots/<set>-<timestamp>/<source>/dists/…   metadata: real files, and links into the store
    <root>/snapshots/<set>-<timestamp>/<source>/pool      -> ../../../tree/<source>/<id>/pool
    <root>/snapshots/<set>-<timestamp>/.cmd-mirror/       what it holds, for us
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import manifest as manifests
from ansible_collections.egi.cmd.plugins.module_utils._mirror.manifest import Manifest
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Entry, Snapshot, Source, Wanted, inside
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store, make_directory, sync_directory, sync_file_system
from ansible_collections.egi.cmd.plugins.module_utils._mirror.tree import Tree, link_to_store

SNAPSHOTS = "snapshots"
_ABOUT = ".cmd-mirror"
_STAGING = ".new-"
# What a reader asks for by the hash in its name may still be asked for after a switch (apt by-hash, rpm repodata).
NAMED_BY_HASH = re.compile(r"(^|/)by-hash/|(^|/)[0-9a-f]{32,128}-[^/]+$")

_SELECTING = ("format", "suites", "components", "architectures", "sources", "contents", "languages", "installer", "signed_metadata", "mode", "select")


class Part(t.NamedTuple):
    """One source in a generation. selection: digest of what of the upstream was asked for; tree: id of the tree its
    packages are in; size: bytes of all its files."""

    format: str
    url: str
    selection: str
    identity: str
    dated: int
    tree: str
    packages: int
    size: int


class Generation(t.NamedTuple):
    """One generation. created: unix time; sources: by name."""

    name: str
    set: str
    created: int
    sources: t.Dict[str, Part]


class News(t.NamedTuple):
    """A source that is not as it was in the generation before."""

    format: str
    url: str
    selection: str
    snapshot: Snapshot


class Brought(t.NamedTuple):
    """A source as another mirror laid it out. part: its tree is not used; moments: unix time of each document."""

    part: Part
    manifest: Manifest
    documents: t.Sequence[Document]
    moments: t.Mapping[str, int]


class Generations:
    """The generations of one mirror root."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.root = store.root
        self.directory = os.path.join(store.root, SNAPSHOTS)
        self.tree = Tree(store.root)
        make_directory(self.directory)

    def all(self, of_set: t.Optional[str] = None) -> t.List[Generation]:
        """Every generation, or those of one set, oldest first."""
        found = []
        for name in os.listdir(self.directory):
            if name.startswith("."):
                continue
            try:
                found.append(self.load(name))
            except Failure:
                # Gone since it was listed is no error; damaged is: what it refers to must not be taken for garbage.
                if os.path.lexists(self.path(name)):
                    raise
        return sorted((one for one in found if of_set in (None, one.set)), key=lambda one: (one.created, one.name))

    def load(self, name: str) -> Generation:
        """One generation by its name."""
        path = os.path.join(self.path(name), _ABOUT, "generation.json")
        try:
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
            return Generation(name, data["set"], data["created"], {source: Part(**part) for source, part in data["sources"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if not os.path.lexists(self.path(name)):
                raise Failure(f"find snapshot {name!r}", "there is none of this name", "List them with: cmd-mirror snapshot list") from error
            raise Failure(f"read {path}", str(error), "Delete this snapshot; the next sync makes a new one") from error

    def path(self, name: str) -> str:
        """Where a generation is."""
        if not name or "/" in name or name.startswith("."):
            raise Failure(f"find snapshot {name!r}", "it is no name of a snapshot", "List them with: cmd-mirror snapshot list")
        return os.path.join(self.directory, name)

    def manifest(self, name: str, source: str) -> Manifest:
        """What a generation holds of a source."""
        return manifests.load(self.manifest_file(name, source))

    def build(self, of_set: str, sources: t.Mapping[str, t.Optional[News]], last: t.Optional[Generation]) -> Generation:
        """Make a generation: what is new of each source, or for None what the last generation holds. Every file must
        be in the store. It gets its name when every byte it refers to was found through the path a reader takes."""
        self.clear_staging()
        created, name = self._fresh_name(of_set)
        staging = os.path.join(self.directory, _STAGING + name)
        make_directory(os.path.join(staging, _ABOUT))
        parts = {}
        for source, news in sources.items():
            if news is not None:
                parts[source] = self._add(staging, source, news, last, created)
            elif last is not None:
                parts[source] = self._repeat(staging, source, last)
        return self._finish(staging, Generation(name, of_set, created, parts))

    def adopt(self, generation: Generation, sources: t.Mapping[str, Brought], check: t.Callable[[str, str, Manifest], None]) -> Generation:
        """Lay out a generation of another mirror with the same name and bytes. Every file but the documents must be in
        the store. check: called with source, directory and manifest once its metadata is there; what it raises ends it."""
        self.clear_staging()
        known = self.all(generation.set)
        staging = os.path.join(self.directory, _STAGING + generation.name)
        make_directory(os.path.join(staging, _ABOUT))
        parts = {}
        for source, (part, manifest, documents, moments) in sources.items():
            top = os.path.join(staging, source)
            if _write_documents(source, top, documents, "", generation.created) != manifest.documents:
                raise Failure(f"take over {generation.name}", f"the metadata of {source} is not what its manifest says", "Nothing was published")
            for path, moment in moments.items():
                os.utime(os.path.join(top, path), (moment, moment))
            self._link_metadata(staging, source, manifest)
            check(source, top, manifest)
            before = known[-1].sources.get(source) if known else None
            tree = self.tree.place(source, [entry.wanted for entry in manifest.entries], before.tree if before else None)
            self._reach(staging, source, manifest, tree)
            parts[source] = part._replace(tree=tree)
        return self._finish(staging, generation._replace(sources=parts))

    def _finish(self, staging: str, generation: Generation) -> Generation:
        """Say what a laid out generation is, bring it to disk and give it its name."""
        data = {"set": generation.set, "created": generation.created, "sources": {source: part._asdict() for source, part in generation.sources.items()}}
        with open(os.path.join(staging, _ABOUT, "generation.json"), "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, sort_keys=True)
        sync_file_system(staging)
        os.rename(staging, self.path(generation.name))
        sync_directory(self.directory)
        return generation

    def missing(self, name: str, source: str) -> t.List[Wanted]:
        """The files of a generation a reader would not get, or not with the right size."""
        return _unreachable(os.path.join(self.path(name), source), self.manifest(name, source))

    def damaged_documents(self, name: str, source: str) -> t.List[Wanted]:
        """The metadata of a generation that is not what it was when it was made; every byte is read."""
        bad = []
        for document in manifests.load(self.manifest_file(name, source), entries=False).documents:
            try:
                with open(os.path.join(self.path(name), source, document.path), "rb") as file:
                    content = file.read()
            except OSError:
                content = b""
            if hashlib.sha256(content).hexdigest() != document.sha256:
                bad.append(document)
        return bad

    def delete(self, name: str) -> None:
        """Remove a generation nothing points to; it leaves the readers' sight in one step."""
        aside = os.path.join(self.directory, f"{_STAGING}gone-{name}")
        os.rename(self.path(name), aside)
        shutil.rmtree(aside)

    def clear_staging(self) -> None:
        """Remove what an interrupted run left."""
        for entry in os.listdir(self.directory):
            path = os.path.join(self.directory, entry)
            if entry.startswith(_STAGING) and os.path.islink(path):  # never ours: what it leads to is not to go
                os.unlink(path)
            elif entry.startswith(_STAGING):
                shutil.rmtree(path)

    def manifest_file(self, name: str, source: str) -> str:
        """Where it is written down what a generation holds of a source."""
        return os.path.join(self.path(name), _ABOUT, source)

    def _fresh_name(self, of_set: str) -> t.Tuple[int, str]:
        created = int(time.time())
        while True:
            name = f"{of_set}-{time.strftime('%Y-%m-%d-%H%M%S', time.gmtime(created))}"
            if not os.path.lexists(self.path(name)):
                return created, name
            created += 1

    def _add(self, staging: str, source: str, news: News, last: t.Optional[Generation], created: int) -> Part:
        """Lay out a source from its snapshot."""
        snapshot = news.snapshot
        before = last.sources.get(source) if last else None
        earlier = self._still_wanted(source, snapshot, last) if before and last else []
        entries = _each_once(snapshot.entries)
        tree = self.tree.place(source, [entry.wanted for entry in entries], before.tree if before else None)
        top = os.path.join(staging, source)
        old = os.path.join(self.path(last.name), source) if last else ""
        documents = _write_documents(source, top, snapshot.documents, old, created)
        manifest = Manifest(documents, list(dict.fromkeys(snapshot.large)), earlier, entries, snapshot.upstream)
        self._link_metadata(staging, source, manifest)
        self._reach(staging, source, manifest, tree)
        size = sum(file.size for file in documents) + sum({file.sha256: file.size for file in manifest.in_store()}.values())
        return Part(news.format, news.url, news.selection, snapshot.identity, snapshot.dated, tree, len(entries), size)

    def _link_metadata(self, staging: str, source: str, manifest: Manifest) -> None:
        """Link the large metadata into the store."""
        below = f"{SNAPSHOTS}/{os.path.basename(staging)}/{source}"
        for file in [*manifest.large, *manifest.earlier]:
            _link(source, os.path.join(staging, source), file.path, link_to_store(below, file.path, file.sha256))

    def _reach(self, staging: str, source: str, manifest: Manifest, tree: str) -> None:
        """Link the packages into their tree, make sure a reader gets every file, and write down what there is."""
        top, below = os.path.join(staging, source), f"{SNAPSHOTS}/{os.path.basename(staging)}/{source}"
        metadata = {""}
        for file in [*manifest.documents, *manifest.large, *manifest.earlier]:
            metadata.update(_parents(file.path))
        for path in _grafts((entry.wanted.path for entry in manifest.entries), metadata):
            target = f"{'../' * f'{below}/{path}'.count('/')}{self.tree.directory(source, tree)}/{path}"
            _link(source, top, path, target)
        holes = _unreachable(top, manifest)
        if holes:
            raise Failure(f"make a snapshot of {source}", f"{len(holes)} files are missing, the first is {holes[0].path}", "Sync again; nothing was published")
        manifests.write(os.path.join(staging, _ABOUT, source), manifest)

    def _repeat(self, staging: str, source: str, last: Generation) -> Part:
        """Lay out a source as the last generation has it. Links are relative and of equal depth: they stay true."""
        old, manifest = os.path.join(self.path(last.name), source), self.manifest(last.name, source)
        holes = _unreachable(old, manifest)
        if holes:
            raise Failure(f"take {source} over from {last.name}", f"{len(holes)} of its files are missing, the first is {holes[0].path}",
                          "Run: cmd-mirror verify --repair")
        shutil.copytree(old, os.path.join(staging, source), symlinks=True, copy_function=os.link)
        manifests.write(os.path.join(staging, _ABOUT, source), manifest)
        return last.sources[source]

    def _still_wanted(self, source: str, snapshot: Snapshot, last: Generation) -> t.List[Wanted]:
        """Indices named by their hash that a reader of the last generation may still ask for after the switch."""
        new = {file.path for file in snapshot.large} | {document.path for document in snapshot.documents}
        held = manifests.load(self.manifest_file(last.name, source), entries=False)
        return [file for file in held.large if NAMED_BY_HASH.search(file.path) and file.path not in new and self._store.has(file.sha256, file.size)]


def selection(source: Source) -> str:
    """A digest of what of the upstream a source asks for: another selection is another snapshot of the same state."""
    chosen = [getattr(source, field) for field in _SELECTING]
    return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()


def _each_once(entries: t.Sequence[Entry]) -> t.List[Entry]:
    """Entries without those that several indices repeat (Architecture: all), by path."""
    return list({entry.wanted: entry for entry in entries}.values())


def _write_documents(source: str, top: str, documents: t.Sequence[Document], old: str, created: int) -> t.List[Wanted]:
    """Write metadata verbatim. Last-Modified is the moment of the generation that brought the content: a conditional
    GET across a switch, forward or back, never takes one content for the other."""
    written = []
    for path, content in documents:
        full = os.path.join(top, inside(path))
        moment: float = created
        with contextlib.suppress(OSError):
            with open(os.path.join(old, path), "rb") as file:
                if file.read() == content:
                    moment = os.fstat(file.fileno()).st_mtime
        try:
            make_directory(os.path.dirname(full))
            with open(full, "xb") as file:
                file.write(content)
        except (FileExistsError, NotADirectoryError) as error:
            raise _twice(source, path) from error
        os.chmod(full, 0o644)
        os.utime(full, (moment, moment))
        written.append(Wanted(path, len(content), hashlib.sha256(content).hexdigest()))
    return written


def _link(source: str, top: str, path: str, target: str) -> None:
    full = os.path.join(top, inside(path))
    try:
        make_directory(os.path.dirname(full))
        os.symlink(target, full)
    except (FileExistsError, NotADirectoryError) as error:
        raise _twice(source, path) from error


def _twice(source: str, path: str) -> Failure:
    return Failure(f"make a snapshot of {source}", f"{path}, or a part of it, stands for two different things", "Tell the upstream; nothing was published")


def _parents(path: str) -> t.Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def _grafts(paths: t.Iterable[str], metadata: t.Collection[str]) -> t.List[str]:
    """Where a link into the tree is set: at the highest directory that holds no metadata, else at the file itself."""
    grafts: t.Dict[str, str] = {}
    files = []
    for path in paths:
        directory = path.rpartition("/")[0]
        if directory in metadata:
            files.append(path)
        elif directory not in grafts:
            place = directory
            for parent in _parents(directory):
                if parent in metadata:
                    break
                place = parent
            grafts[directory] = place
    return sorted({*grafts.values(), *files})


def _unreachable(top: str, manifest: Manifest) -> t.List[Wanted]:
    """The files that are not there for a reader. One stat takes link, tree and store."""
    holes = []
    for group in (manifest.documents, manifest.linked()):
        for file in group:
            try:
                if os.stat(f"{top}/{file.path}").st_size == file.size:
                    continue
            except OSError:
                pass
            holes.append(file)
    return holes
