# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The newest entry of a Debian changelog, wherever it is kept: in a .deb, beside a .dsc, in a .changes (deb-changelog(5)).

Only that entry counts here, and its form is a line, text and a line: reading it takes less than a library would.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import typing as t
import zlib

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_package, tar_stream
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

# A changelog of twenty years has two megabytes; the newest entry stands at its beginning.
_LARGEST = 16 << 20
_LARGEST_ENTRY = 1 << 20
_HEAD = re.compile(r"([A-Za-z0-9][A-Za-z0-9+.-]*) \(([^()\s]+)\)((?:\s+[A-Za-z0-9+.~-]+)+)\s*;.*")
_OPENERS: t.Dict[str, t.Callable[[str], t.Any]] = {".gz": gzip.open, ".xz": lzma.open, ".lzma": lzma.open, ".bz2": bz2.open}
_BROKEN = (EOFError, ValueError, OSError, lzma.LZMAError, zlib.error)


class Entry(t.NamedTuple):
    """source, version: what the entry is about, empty where the format does not say; text: all of it, author included."""

    source: str
    version: str
    text: str


def parse(text: str) -> t.Optional[Entry]:
    """Return the first entry of a changelog, None if it does not begin with one."""
    lines = text.lstrip("\n").split("\n")
    head = _HEAD.fullmatch(lines[0].rstrip())
    if not head:
        return None
    kept: t.List[str] = []
    for line in lines:
        if kept and line[:1].strip():
            break
        kept.append(line.rstrip())
    return Entry(head[1], head[2], "\n".join(kept).strip())


def of_deb(path: str, name: str) -> t.Optional[Entry]:
    """Return the newest entry of the changelog a binary package installs; None if it has none of its own.

    ``changelog.gz`` is the upstream's where there is a ``changelog.Debian.gz``; only native packages use it for theirs.
    """
    names = [f"usr/share/doc/{name}/changelog{middle}{end}" for middle in (".Debian", "") for end in (".gz", "")]
    found = deb_package.read_content(path, names, _LARGEST)
    for candidate in names:
        if candidate in found:
            raw = found[candidate]
            try:
                raw = zlib.decompressobj(31).decompress(raw, _LARGEST_ENTRY) if candidate.endswith(".gz") else raw
            except zlib.error as error:
                raise Failure(f"read {candidate} of {os.path.basename(path)}", f"it is damaged ({error})", "Build the package again") from error
            return _first(raw)
    return None


def of_source(directory: str, files: t.Sequence[str]) -> t.Optional[Entry]:
    """Return the newest entry of a source package's changelog. files: those its .dsc names, in directory."""
    for ending, read in ((r"\.debian\.tar\.\w+", _in_tar), (r"\.diff\.gz", _in_diff), (r"\.tar\.\w+", _in_tar)):
        for name in files:
            if re.search(rf"{ending}$", name):
                try:
                    raw = read(os.path.join(directory, name))
                except _BROKEN as error:
                    raise Failure(f"read the changelog in {name}", f"it is damaged ({error})", "Fetch or build it again") from error
                return _first(raw)
    return None


def _first(raw: bytes) -> t.Optional[Entry]:
    return parse(raw[:_LARGEST_ENTRY].decode("utf-8", "replace"))


def _open(path: str) -> t.BinaryIO:
    ending = os.path.splitext(path)[1]
    if ending not in _OPENERS:
        raise ValueError(f"{ending} is a compression nobody uses in source packages")
    return t.cast(t.BinaryIO, _OPENERS[ending](path))


def _in_tar(path: str) -> bytes:
    """The changelog is debian/changelog, in a native package below its one directory."""
    with _open(path) as stream:
        for entry in tar_stream.entries(stream):
            if re.fullmatch(r"(?:\./)?(?:[^/]+/)?debian/changelog", entry.name) and entry.kind == b"0":
                if entry.size > _LARGEST:
                    raise ValueError("debian/changelog is larger than 16 MiB")
                return entry.read()
    return b""


def _in_diff(path: str) -> bytes:
    """Source format 1.0 adds the file with a patch: the added lines are the changelog."""
    with _open(path) as stream:
        text = stream.read(_LARGEST)
    part = re.search(rb"^\+\+\+ [^/\n]+/debian/changelog[^\n]*\n@@[^\n]*\n((?:\+[^\n]*\n)+)", text, re.MULTILINE)
    return re.sub(rb"^\+", b"", part[1], flags=re.MULTILINE) if part else b""
