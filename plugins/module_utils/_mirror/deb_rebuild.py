# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A Debian archive cut down to some of its packages: the worlds they are chosen from, the indices, the Release to sign.

Stanzas are the upstream's own bytes. A suite stays who it was, Origin, Label, Suite and Codename, for pins go by these.
"""

from __future__ import annotations

import re
import typing as t
import zlib

from ansible_collections.egi.cmd.plugins.module_utils._archive import release_file
from ansible_collections.egi.cmd.plugins.module_utils._archive.signing import Keyring
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_indices, deb_release, deb_slicer, trust, unpack, upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_indices import Index
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_packages import DebPackage, DebWorld
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_upstream import directory_of
from ansible_collections.egi.cmd.plugins.module_utils._mirror.draft import Draft, Held
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Entry, Snapshot, Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Repository
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store

_PACKAGES = re.compile(r"(?:(?P<component>.+)/binary-(?P<architecture>[^/]+)/)?Packages")
_NO_MACHINE = ("all", "source")
_SOURCE = re.compile(r"(\S+)(?: \((\S+)\))?")
_LEVEL = 6

Kept = t.Mapping[str, t.Sequence[DebPackage]]  # architecture -> what is kept of its world


class Suite(t.NamedTuple):
    """One suite as its upstream signed it. key: its name in the configuration; directory: ends in "/", or is empty."""

    source: Source
    key: str
    directory: str
    release: deb_release.Release
    indices: t.Tuple[Index, ...]

    @property
    def repository(self) -> Repository:
        """What the world calls it."""
        return Repository(f"{self.source.name}/{self.key}", self.source.order, self.source.mode != "rebuilt")

    def named(self, index: Index) -> str:
        """How an index is called in messages."""
        return upstream.named(self.source, self.directory + index.stem)

    def slices(self, index: Index, store: Store) -> t.Iterator[bytes]:
        """An index unpacked."""
        unpacked = self.release.files.get(index.stem)
        path = deb_indices.readable(index, self.named(index))
        return unpack.slices(store.path(self.release.files[path].sha256), unpacked.size if unpacked else unpack.UNDECLARED, self.named(index))

    def architectures(self) -> t.List[str]:
        """Those of the machines it is for."""
        found = [name for name in self.source.architectures or self.release.architectures if name not in _NO_MACHINE]
        if not found:
            raise Failure(f"rebuild {upstream.named(self.source, self.directory)}", "its Release names no architecture", "Give the source's architectures")
        return found

    def serves(self, index: Index, architecture: str) -> bool:
        """Whether hosts of an architecture read an index of packages."""
        match = _PACKAGES.fullmatch(index.stem)
        own = match.group("architecture") if match else None
        if own == "all":  # listed with every architecture as well, where the Release says so
            return "Packages" not in self.release.fields.get("no-support-for-architecture-all", "")
        return match is not None and own in (None, architecture)


def suites(source: Source, snapshot: Snapshot) -> t.List[Suite]:
    """The suites of a source. snapshot: verified."""
    content = {document.path: document.content for document in snapshot.documents}
    found = []
    for key in source.suites:
        directory = directory_of(key)
        what = upstream.named(source, f"{directory}Release")
        inline = content.get(f"{directory}InRelease")
        text = trust.clearsigned(inline, source.keyring, what).text if inline else content[f"{directory}Release"]
        release = deb_release.parse(text, what)
        found.append(Suite(source, key, directory, release, tuple(deb_indices.chosen(release, source, what))))
    return found


def worlds(found: t.Sequence[Suite], store: Store) -> t.Dict[str, DebWorld]:
    """Every package hosts of an architecture could install, for each architecture something is rebuilt for."""
    built = {}
    for architecture in sorted({name for suite in found if suite.source.mode == "rebuilt" for name in suite.architectures()}):
        world = built[architecture] = DebWorld(architecture)
        for suite in found:
            for index in suite.indices:
                if index.kind == "packages" and suite.serves(index, architecture):
                    world.add(suite.repository, _component(index), suite.slices(index, store), suite.named(index))
    return built


def draft(source: Source, found: t.Sequence[Suite], kept: Kept, store: Store, valid_for: int, dated: int) -> Draft:
    """A source with what is kept of it. found: its suites; valid_for: seconds, 0 for ever; dated: of its snapshot."""
    heads, large = [], []
    entries: t.List[Entry] = []
    for suite in found:
        here = {name: [one for one in packages if one.repository == suite.repository] for name, packages in kept.items()}
        texts = {**_packages(suite, here), **_others(suite, here, store)}
        for stem, text in texts.items():
            kind = stem.rpartition("/")[2]
            if kind in ("Packages", "Sources"):
                what = upstream.named(source, suite.directory + stem)
                entries += deb_slicer.packages([text], what) if kind == "Packages" else deb_slicer.sources([text], what)
        packed = {f"{stem}.gz": _gzip(text) for stem, text in texts.items()}
        head = Head(suite.key, suite.directory, _identity(suite, valid_for), {**texts, **packed})
        heads.append(head)
        large += head.published(store)
    return Draft(heads, large, upstream.united(source, entries), dated)


class Head(t.NamedTuple):
    """A Release to be signed. indices: path below the suite's directory -> content, packed and as it is: only what its
    Release lists as it is does apt ask for, in whatever packing."""

    key: str
    directory: str
    suite: release_file.Suite
    indices: t.Mapping[str, bytes]

    @property
    def documents(self) -> t.Tuple[str, ...]:
        """Paths of its documents."""
        return (f"{self.directory}InRelease", *self.signed)

    @property
    def signed(self) -> t.Tuple[str, str]:
        """Paths of the text and of the detached signature beside it."""
        return f"{self.directory}Release", f"{self.directory}Release.gpg"

    def good(self, held: Held, now: int) -> bool:
        """Whether what is published says the same and has half of its time left."""
        return release_file.still_good(held.get(self.signed[0], b""), self.suite, self.indices, now)

    def sign(self, held: Held, now: int, keyring: Keyring, keys: t.Sequence[str]) -> t.List[Document]:
        """InRelease, Release and Release.gpg."""
        previous, _valid_until = release_file.dates(held.get(self.signed[0], b""))
        text = release_file.render(self.suite, self.indices, release_file.next_date(previous, now))
        contents = (keyring.clearsign(text, keys), text, keyring.detach(text, keys))
        return [Document(path, content) for path, content in zip(self.documents, contents)]

    def published(self, store: Store) -> t.List[Wanted]:
        """Its packed indices, brought into the store, at every path they are published at."""
        release = deb_release.parse(release_file.render(self.suite, self.indices, 0), self.directory)
        packed = [path for path in self.indices if path.endswith(".gz")]
        for path in packed:
            store.add(self.indices[path])
        return [wanted for path in packed for wanted in deb_indices.published(release, self.directory, path)]


def _component(index: Index) -> str:
    match = _PACKAGES.fullmatch(index.stem)
    return (match.group("component") if match else None) or ""


def _packages(suite: Suite, kept: Kept) -> t.Dict[str, bytes]:
    """Packages for every component and architecture, some of them empty: readers ask for all that the Release offers."""
    components = sorted({_component(index) for index in suite.indices if index.kind == "packages"})
    if "" in components:
        return {"Packages": _joined(one.stanza for packages in kept.values() for one in packages)}
    return {
        f"{component}/binary-{name}/Packages": _joined(one.stanza for one in kept.get(name, ()) if one.component == component)
        for component in components for name in suite.architectures()
    }


def _others(suite: Suite, kept: Kept, store: Store) -> t.Dict[str, bytes]:
    """What the other indices say about the kept packages."""
    packages = [one for each in kept.values() for one in each]
    names = {one.name for one in packages}
    origins = {_origin(one) for one in packages}
    found = {}
    for index in suite.indices:
        slices = suite.slices(index, store)
        if index.kind == "sources":
            stanzas = _stanzas(slices, suite.named(index))
            found[index.stem] = _joined(one.stanza for one in stanzas if (one.field("Package"), one.field("Version")) in origins)
        elif index.kind == "translation":
            found[index.stem] = _joined(one.stanza for one in _stanzas(slices, suite.named(index)) if one.field("Package") in names)
        elif index.kind == "contents":
            found[index.stem] = b"".join(_owned(slices, {name.encode() for name in names}))
    return found


def _origin(package: DebPackage) -> t.Tuple[str, str]:
    """Name and version of the source package a package was built from; what Source leaves out is the package's own."""
    match = _SOURCE.fullmatch(package.field("Source"))
    name, version = match.groups() if match else (None, None)
    return name or package.name, version or package.version


def _stanzas(slices: t.Iterable[bytes], what: str) -> t.Iterator[DebPackage]:
    """Stanzas of any kind, to be asked for their fields."""
    nowhere = Repository("")
    for text in deb_slicer.whole_stanzas(slices, what):
        for stanza in text.strip("\n").split("\n\n"):
            if stanza:
                yield DebPackage("", "", "", "", nowhere, f"\n{stanza}\n")


def _owned(slices: t.Iterable[bytes], names: t.Container[bytes]) -> t.Iterator[bytes]:
    """Lines of Contents, ``path  section/package,section/package``, of which some package is one of the names."""
    rest = b""
    for data in slices:
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for line in lines:
            path, _blank, owners = line.rpartition(b" ")
            ours = [owner for owner in owners.split(b",") if owner.rpartition(b"/")[2] in names]
            if ours:
                yield b"%s %s\n" % (path, b",".join(ours))


def _identity(suite: Suite, valid_for: int) -> release_file.Suite:
    release, fields = suite.release, suite.release.fields
    wanted = suite.source.components
    # A suite stable/updates may say updates/main and mean main/.
    components = [name for name in release.components if not wanted or name in wanted or name.rpartition("/")[2] in wanted]
    return release_file.Suite(
        release.suite, release.origin, release.label, release.codename, fields.get("version", ""), fields.get("description", ""),
        tuple(suite.architectures()), tuple(components), fields.get("notautomatic") == "yes", valid_for, fields.get("butautomaticupgrades") == "yes",
    )


def _joined(stanzas: t.Iterable[str]) -> bytes:
    """An index of these stanzas, each once."""
    return "".join(dict.fromkeys(stanza[1:] + "\n" for stanza in stanzas)).encode("latin-1")


def _gzip(data: bytes) -> bytes:
    """Packed without name and time: the same bytes for the same content, whatever Python's gzip writes into its header."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()
