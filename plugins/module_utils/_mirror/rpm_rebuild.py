# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Metadata of an rpm repository for some of its packages: primary, filelists, other, group, updateinfo, modules, repomd.xml.

What is kept is the upstream's own bytes. Equal input gives equal bytes. Read and written as streams. Databases, deltas,
zchunk and other types are left out: they tell of packages that are not there, and no client needs them.
"""

from __future__ import annotations

import hashlib
import os
import typing as t
import zlib
from xml.sax.saxutils import quoteattr

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rpm_groups import Groups
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rpm_modules import Modules
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_filter import Element, Filter
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_stream import REMEDY

# type -> file name. yum of old hosts reads group only as it is, and everything but group only packed.
_FILES = {
    "primary": "primary.xml.gz", "filelists": "filelists.xml.gz", "other": "other.xml.gz",
    "group": "comps.xml", "updateinfo": "updateinfo.xml.gz", "modules": "modules.yaml.gz",
}
KINDS = tuple(_FILES)
_LISTS = ("primary", "filelists", "other")
_LEVEL = 6

Slices = t.Callable[[], t.Iterable[bytes]]


class Metadata(t.NamedTuple):
    """A metadata file of the upstream. kind: its type in repomd.xml. what: names it in Failures. slices: begins reading it
    anew, unpacked."""

    kind: str
    what: str
    slices: Slices


class File(t.NamedTuple):
    """A rebuilt file. wanted: where it is published; local: where it lies; open_sha256, open_size: of its content unpacked."""

    kind: str
    wanted: Wanted
    local: str
    open_sha256: str
    open_size: int


class Rebuilt(t.NamedTuple):
    """repomd: the bytes of repodata/repomd.xml, to be signed; files: what it names."""

    repomd: bytes
    files: t.Tuple[File, ...]


def rebuild(upstream: t.Iterable[Metadata], kept: t.Collection[Entry], dated: int, directory: str) -> Rebuilt:
    """Write the metadata for the kept packages into an existing directory, under file names of no meaning.

    upstream: its metadata, of KINDS; what is of another kind is passed over. Whatever rpm_primary.packages() refuses in
    the primary must have been refused before. kept: entries of that primary. dated: unix time, written as revision and
    as time of every file: with the same one, equal input gives equal bytes.
    A group file, updateinfo or modules in which nothing is left is left out. Raises Failure when a file is not what it should be,
    or does not list every kept package.
    """
    given = {metadata.kind: metadata for metadata in upstream if metadata.kind in _FILES}
    files = []
    gone: t.Set[str] = set()  # names of which nothing is kept; primary comes first and tells
    for kind in KINDS:
        if kind in given:
            content = _content(given[kind], kept, gone)
            file = _written(kind, content.copy(given[kind].slices), directory)
            if kind in _LISTS or content.kept:
                files.append(file)
            else:
                os.unlink(file.local)
    return Rebuilt(repomd(files, dated), tuple(files))


class _Content(t.Protocol):
    """What makes a file. kept: how much of it was kept, when copy() has ended."""

    kept: int

    def copy(self, slices: Slices) -> t.Iterator[bytes]:
        """The content. slices: begins reading the upstream's anew."""


def _content(metadata: Metadata, kept: t.Collection[Entry], gone: t.Set[str]) -> _Content:
    if metadata.kind == "group":
        return Groups(metadata.what, {entry.package for entry in kept}, gone)
    if metadata.kind == "modules":
        return Modules(metadata.what, kept, gone)
    if metadata.kind == "updateinfo":
        return _Advisories(metadata.what, kept)
    return _List(metadata, kept, gone)


class _List:
    """primary, filelists or other: a package element for each package. Primary adds to gone the names it keeps nothing of."""

    def __init__(self, metadata: Metadata, kept: t.Collection[Entry], gone: t.Set[str]) -> None:
        self.kept = 0
        self._metadata = metadata
        self._names, self._gone = {entry.package for entry in kept}, gone
        self._expected = len(kept)
        # Only primary tells packages apart that have the same content and lie at two places.
        self._left: t.Dict[t.Tuple[str, str], int] = {}
        for entry in kept:
            key = (entry.wanted.sha256, entry.wanted.path if metadata.kind == "primary" else "")
            self._left[key] = self._left.get(key, 0) + 1

    def copy(self, slices: Slices) -> t.Iterator[bytes]:
        document = Filter(self._metadata.what, ("package",), self._keep, {"packages": str(self._expected)})
        yield from document.copy(slices())
        self.kept = document.kept
        if self.kept != self._expected:
            raise Failure(f"read {self._metadata.what}", f"it lists {self.kept} of {self._expected} packages that primary lists", REMEDY)

    def _keep(self, element: Element) -> bool:
        if self._metadata.kind == "primary":
            key = element.children.get("checksum", ""), element.given.get("location", {}).get("href", "")
            name = element.children.get("name", "")
            if name not in self._names:
                self._gone.add(name)
        else:
            key = element.attributes.get("pkgid", ""), ""
        if not self._left.get(key):
            return False
        self._left[key] -= 1
        return True


class _Advisories:
    """updateinfo: advisories about a kept package, and of their packages the kept ones."""

    def __init__(self, what: str, kept: t.Collection[Entry]) -> None:
        self.kept = 0
        self._what = what
        self._packages = {(entry.package, entry.version, entry.architecture) for entry in kept}

    def copy(self, slices: Slices) -> t.Iterator[bytes]:
        document = Filter(self._what, ("update", "collection", "package"), self._keep)
        yield from document.copy(slices())
        self.kept = document.kept

    def _keep(self, element: Element) -> bool:
        if element.name != "package":
            return element.held > 0
        name, epoch, version, release, architecture = (element.attributes.get(key, "") for key in ("name", "epoch", "version", "release", "arch"))
        return (name, f"{'' if epoch in ('', '0') else epoch + ':'}{version}-{release}", architecture) in self._packages


def _written(kind: str, content: t.Iterable[bytes], directory: str) -> File:
    packed, opened = hashlib.sha256(), hashlib.sha256()
    size = open_size = 0
    # A gzip file without time and name
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31) if _FILES[kind].endswith(".gz") else None
    local = os.path.join(directory, kind)
    with open(local, "wb") as file:
        def write(data: bytes) -> int:
            packed.update(data)
            return file.write(data)

        for data in content:
            opened.update(data)
            open_size += len(data)
            size += write(packer.compress(data) if packer else data)
        size += write(packer.flush() if packer else b"")
    name = f"repodata/{packed.hexdigest()}-{_FILES[kind]}"
    return File(kind, Wanted(name, size, packed.hexdigest()), local, opened.hexdigest(), open_size)


def repomd(files: t.Iterable[File], dated: int) -> bytes:
    """repomd.xml of rebuilt files. dated: as for rebuild(); another date is another repomd.xml of the same files."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">\n'
        f"  <revision>{dated}</revision>\n"
    ]
    for kind, wanted, _local, open_sha256, open_size in files:
        parts.append(
            f'  <data type="{kind}">\n    <checksum type="sha256">{wanted.sha256}</checksum>\n'
            f'    <open-checksum type="sha256">{open_sha256}</open-checksum>\n    <location href={quoteattr(wanted.path)}/>\n'
            f"    <timestamp>{dated}</timestamp>\n    <size>{wanted.size}</size>\n    <open-size>{open_size}</open-size>\n  </data>\n"
        )
    parts.append("</repomd>\n")
    return "".join(parts).encode()
