# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What an .rpm says about itself, and whether that is true: lead, signature header, header, payload digests.

Read without librpm, so that one bad file among hundreds is refused by its name, and its payload is proved too
(``rpm --query`` reads the header only and takes a truncated package for a good one).
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_LARGEST_HEADER = 256 << 20
_CHUNK = 1 << 20
_NAME, _VERSION, _RELEASE, _EPOCH, _BUILD_TIME, _ARCH, _SOURCE_RPM, _PAYLOAD_DIGEST = 1000, 1001, 1002, 1003, 1006, 1022, 1044, 5092
_NO_SOURCE, _NO_PATCH = 1051, 1052
_PACKAGER, _CHANGELOG_NAME, _CHANGELOG_TEXT = 1015, 1081, 1082
_SIG_SIZE, _SIG_MD5, _SIG_LONG_SIZE, _SIG_SHA1, _SIG_SHA256 = 1000, 1004, 270, 269, 273
_WORD = re.compile(r"[A-Za-z0-9._+~^%{}-]+")
_Header = t.Dict[int, t.Union[int, bytes]]


class RpmPackage(t.NamedTuple):
    """One package. epoch: "0" when it has none; build_time: seconds since 1970; size: bytes."""

    name: str
    epoch: str
    version: str
    release: str
    architecture: str
    build_time: int
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The only name this package may have; the epoch is left out."""
        return f"{self.name}-{self.version}-{self.release}.{self.architecture}.rpm"


class RpmNotes(t.NamedTuple):
    """What a package says about its making. source: name of the source package it was built from, its own if it is one;
    author, text: of the newest changelog entry. Empty where it says nothing.
    """

    packager: str
    source: str
    author: str
    text: str


def read_rpm(path: str) -> RpmPackage:
    """Read and check one package: sizes, header digest, payload digest, and its name against its header.

    Raises Failure when the file is truncated, damaged, no package, or named other than its header says.
    """
    return _read(path)[0]


def read_notes(path: str) -> t.Tuple[RpmPackage, RpmNotes]:
    """Read and check one package as ``read_rpm`` does, and what it says about its making."""
    package, header = _read(path)
    packager, source, author, text = (
        value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
        for value in (header.get(tag) for tag in (_PACKAGER, _SOURCE_RPM, _CHANGELOG_NAME, _CHANGELOG_TEXT))
    )
    return package, RpmNotes(packager, source.rsplit("-", 2)[0] or package.name, author, text)


def _read(path: str) -> t.Tuple[RpmPackage, _Header]:
    base = os.path.basename(path)
    action = f"take package {base}"
    with open(path, "rb") as file:
        sha256 = hashlib.sha256()
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            sha256.update(chunk)
        size = file.tell()
        file.seek(0)
        try:
            header = _checked_header(file, size)
            package = _described(header, size, sha256.hexdigest())
        except (ValueError, EOFError, struct.error) as error:
            raise Failure(action, f"it is damaged or no RPM package ({error})", "Fetch or build it again") from error
    if base != package.file_name:
        raise Failure(action, f"its header calls it {package.file_name}", "Rename the file, or find out who renamed it")
    return package, header


def _checked_header(file: t.BinaryIO, size: int) -> _Header:
    if _exactly(file, 96)[:4] != _LEAD_MAGIC:
        raise ValueError("it does not start as one")
    signature, raw = _header(file)
    file.seek(-len(raw) % 8, os.SEEK_CUR)
    start = file.tell()
    header, raw = _header(file)
    stated = signature.get(_SIG_LONG_SIZE, signature.get(_SIG_SIZE))
    if isinstance(stated, int) and stated != size - start:
        raise ValueError("it is truncated" if size - start < stated else "it is longer than it says")
    for tag, digest in ((_SIG_SHA256, hashlib.sha256), (_SIG_SHA1, hashlib.sha1)):
        said = signature.get(tag)
        if isinstance(said, bytes) and digest(raw).hexdigest().encode() != said:
            raise ValueError("its header differs from its header digest")
    _check_payload(file, raw, signature, header)
    return header


def _check_payload(file: t.BinaryIO, raw: bytes, signature: _Header, header: _Header) -> None:
    """rpm 4.14 and newer state a SHA-256 of the payload, older ones an MD5 of header and payload."""
    said = header.get(_PAYLOAD_DIGEST)
    whole = hashlib.sha256() if isinstance(said, bytes) else None
    if whole is None:
        said = signature.get(_SIG_MD5)
        if not isinstance(said, bytes):
            raise ValueError("it states no digest of its payload")
        whole, said = hashlib.md5(raw), said.hex().encode()
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        whole.update(chunk)
    if whole.hexdigest().encode() != said:
        raise ValueError("its payload differs from its payload digest")


def _described(header: _Header, size: int, sha256: str) -> RpmPackage:
    words = []
    for tag, what in ((_NAME, "name"), (_VERSION, "version"), (_RELEASE, "release"), (_ARCH, "architecture")):
        value = header.get(tag)
        word = value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
        if not _WORD.fullmatch(word) or word.startswith("."):
            raise ValueError(f"its header has the {what} {word!r}")
        words.append(word)
    name, version, release, architecture = words
    if _SOURCE_RPM not in header:  # only a binary package names the source package it came from
        architecture = "nosrc" if _NO_SOURCE in header or _NO_PATCH in header else "src"
    epoch, build_time = header.get(_EPOCH, 0), header.get(_BUILD_TIME, 0)
    if not isinstance(epoch, int) or not isinstance(build_time, int):
        raise ValueError("its header has an epoch or build time of the wrong type")
    return RpmPackage(name, str(epoch), version, release, architecture, build_time, size, sha256)


def _header(file: t.BinaryIO) -> t.Tuple[_Header, bytes]:
    """One header structure: first value of every integer, string and binary tag, and its raw bytes."""
    intro = _exactly(file, 16)
    magic, entries, length = intro[:4], *struct.unpack(">II", intro[8:])
    if magic != _HEADER_MAGIC or entries * 16 + length > _LARGEST_HEADER:
        raise ValueError("a header is damaged")
    index, store = _exactly(file, entries * 16), _exactly(file, length)
    values: _Header = {}
    for tag, kind, offset, count in struct.iter_unpack(">IIII", index):
        if offset > length:
            raise ValueError("a header's index points outside")
        if kind == 4:
            values[tag] = struct.unpack_from(">I", store, offset)[0]
        elif kind == 5:
            values[tag] = struct.unpack_from(">Q", store, offset)[0]
        elif kind in (6, 8, 9):
            values[tag] = store[offset : store.find(b"\0", offset)]
        elif kind == 7:
            values[tag] = store[offset : offset + count]
    return values, intro + index + store


def _exactly(file: t.BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError("it is truncated")
    return data
