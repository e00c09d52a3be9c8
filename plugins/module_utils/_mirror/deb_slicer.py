# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Packages and Sources as entries: searched as text, not parsed, for 63,000 stanzas are read on every change.

A slice of whole stanzas is decoded as Latin-1, which costs nothing, and only the fields a mirror needs are looked for,
in the spelling every archive tool writes; what was found is then checked for the whole slice at once. A slice in
which one of these is odd, missing or there twice is read again line by line, so that an unusual index is slow and a
contradictory one refused.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry, Wanted, inside

_LONGEST_STANZA = 16 << 20  # bytes; Debian's longest has 200 kB
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]*")
_LONGEST_SIZE = 13  # digits
_FIELD = re.compile(r"([!-,./-9;-~][!-9;-~]*):[ \t]*(.*)")
_REMEDY = "The upstream's index is wrong or hostile; nothing was used"

_Lines = t.List[str]


def packages(slices: t.Iterable[bytes], what: str) -> t.Iterator[Entry]:
    """Entries of a Packages file given in slices of any size. what: names the file in the Failure.

    Raises Failure for a stanza that lacks a field or has it twice, a path that leaves the archive, a text without end.
    """
    for text in whole_stanzas(slices, what):
        yield from _quick(text) or _by_line(text, what, _package)


def sources(slices: t.Iterable[bytes], what: str) -> t.Iterator[Entry]:
    """Entries of a Sources file, one for each file of each source package; their architecture is ``source``."""
    for text in whole_stanzas(slices, what):
        yield from _by_line(text, what, _source)


def whole_stanzas(slices: t.Iterable[bytes], what: str) -> t.Iterator[str]:
    """Texts of one or more stanzas, a line feed before each line and one at the end."""
    rest = b""
    for data in slices:
        rest += data
        cut = rest.rfind(b"\n\n")
        if cut >= 0:
            yield "\n" + rest[:cut + 1].decode("latin-1")
            rest = rest[cut + 2:]
        if len(rest) > _LONGEST_STANZA:
            raise Failure(f"read {what}", f"a stanza is longer than {_LONGEST_STANZA} bytes", _REMEDY)
    if rest.strip(b"\n"):
        yield "\n" + rest.rstrip(b"\n").decode("latin-1") + "\n"


def _quick(text: str) -> t.List[Entry]:
    """The entries of a slice in which every stanza is as archive tools write it; none when one is not."""
    paths: _Lines = []
    sizes: _Lines = []
    sums: _Lines = []
    names: _Lines = []
    versions: _Lines = []
    architectures: _Lines = []
    find, start, last = text.find, 0, len(text) - 1
    while start < last:
        end = find("\n\n", start)
        if end < 0:
            end = last
        # Searched in the order all archive tools write; another order, or a second value, is left to the slow reader.
        # Of Version and Architecture dak and reprepro write the one first, apt-ftparchive the other.
        name = find("\nPackage: ", start, end)
        version = find("\nVersion: ", name, end)
        architecture = find("\nArchitecture: ", name, end)
        path = find("\nFilename: ", start, end)
        size = find("\nSize: ", path, end)
        digest = find("\nSHA256: ", path, end)
        if name < 0 or version < 0 or architecture < 0 or path < 0 or size < 0 or digest < 0:
            return []
        if find("\nFilename:", path + 1, end) >= 0 or find("\nSize:", size + 1, end) >= 0 or find("\nSHA256:", digest + 1, end) >= 0:
            return []
        names.append(text[name + 10:find("\n", name + 10)])
        versions.append(text[version + 10:find("\n", version + 10)])
        architectures.append(text[architecture + 15:find("\n", architecture + 15)])
        paths.append(text[path + 11:find("\n", path + 11)])
        sizes.append(text[size + 7:find("\n", size + 7)])
        sums.append(text[digest + 9:find("\n", digest + 9)])
        start = end + 1
    if not (_plain(paths) and _plain(names) and _plain(versions) and _plain(architectures) and _sound(sizes, sums)):
        return []
    shared: t.Dict[str, str] = {}
    return [
        Entry(Wanted(path, int(size), digest), name, version, shared.setdefault(architecture, architecture))
        for path, size, digest, name, version, architecture in zip(paths, sizes, sums, names, versions, architectures)
    ]


def _plain(values: _Lines) -> bool:
    """Whether every value is printable ASCII without blanks and, taken as a path, certainly inside()."""
    joined = " " + " ".join(values) + " "
    return (
        joined.isascii() and joined.isprintable() and joined.count(" ") == len(values) + 1 and max(map(len, values)) <= 255
        and not any(sign in joined for sign in ("  ", " .", "/.", "//", " /", "/ ", "\\"))
    )


def _sound(sizes: _Lines, sums: _Lines) -> bool:
    """Whether every value is a number of bytes, and a SHA-256."""
    return (
        "".join(sizes).isdecimal() and min(map(len, sizes)) > 0 and max(map(len, sizes)) <= _LONGEST_SIZE
        and set(map(len, sums)) == {64} and bool(_HEX.fullmatch("".join(sums)))
    )


def _by_line(text: str, what: str, read: t.Callable[[t.Mapping[str, str], str], t.Iterator[Entry]]) -> t.Iterator[Entry]:
    for stanza in filter(None, (part.strip("\n") for part in text.split("\n\n"))):
        fields: t.Dict[str, str] = {}
        value: _Lines = []
        name = ""
        for line in stanza.split("\n"):
            if line[:1] in (" ", "\t") and name:
                value.append(line)
                continue
            match = _FIELD.fullmatch(line)
            if not match:
                raise Failure(f"read {what}", f"its line {line[:60]!r} is no field", _REMEDY)
            if name:
                fields[name] = "\n".join(value)
            name = match.group(1).lower()
            if name in fields:
                raise Failure(f"read {what}", f"a stanza has the field {match.group(1)[:60]} twice", _REMEDY)
            value = [match.group(2).rstrip()]
        fields[name] = "\n".join(value)
        yield from read(fields, what)


def _package(fields: t.Mapping[str, str], what: str) -> t.Iterator[Entry]:
    name = _field(fields, "package", what, "?")
    path, size, digest, version, architecture = (
        _field(fields, field, what, name) for field in ("filename", "size", "sha256", "version", "architecture")
    )
    yield Entry(_wanted(path, size, digest, what), name, version, architecture)


def _source(fields: t.Mapping[str, str], what: str) -> t.Iterator[Entry]:
    name = _field(fields, "package", what, "?")
    version, directory, listing = (_field(fields, field, what, name) for field in ("version", "directory", "checksums-sha256"))
    for line in listing.strip().split("\n"):
        words = line.split()
        if len(words) != 3:
            raise Failure(f"read {what}", f"the line {line[:120]!r} of {name} is not a digest, a size and a name", _REMEDY)
        if "/" in words[2]:
            raise Failure(f"read {what}", f"{words[2][:120]!r}, a file of {name}, leaves its directory", _REMEDY)
        path = words[2] if directory in (".", "./") else f"{directory.rstrip('/')}/{words[2]}"
        yield Entry(_wanted(path, words[1], words[0], what), name, version, "source")


def _field(fields: t.Mapping[str, str], field: str, what: str, package: str) -> str:
    value = fields.get(field, "")
    if not value:
        raise Failure(f"read {what}", f"the package {package[:60]} has no {field.capitalize()}", _REMEDY)
    try:
        return value if value.isascii() else value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failure(f"read {what}", f"the {field.capitalize()} of {package[:60]!r} is not UTF-8", _REMEDY) from error


def _wanted(path: str, size: str, digest: str, what: str) -> Wanted:
    # A flat archive's own tool writes ./name.
    path = inside(path[2:] if path[:2] == "./" else path)
    if not (size.isascii() and size.isdecimal() and len(size) <= _LONGEST_SIZE and _SHA256.fullmatch(digest)):
        raise Failure(f"read {what}", f"size {size[:30]!r} and SHA256 {digest[:80]!r} of {path} cannot be", _REMEDY)
    return Wanted(path, int(size), digest)
