# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Members of a tar stream, read forward once.

Python's own reader builds an object of two dozen attributes for each member; listing the files of a repository's
packages needs names only, and this is an order of magnitude faster.
"""

from __future__ import annotations

import typing as t

_BLOCK = 512
_EMPTY = bytes(_BLOCK)
_CHUNK = 1 << 20
# A name or a pax header larger than this is an attack, not a package.
_LARGEST_HEADER = 1 << 20


class Entry(t.NamedTuple):
    """name: as stored, for example ``./usr/bin/tool``; kind: the type flag (b"0" file, b"2" symlink, b"5" directory)."""

    name: str
    kind: bytes
    size: int
    read: t.Callable[[], bytes]


def entries(stream: t.BinaryIO) -> t.Iterator[Entry]:
    """Yield the members of a v7, ustar, GNU or pax archive. ``read`` works until the next member is asked for.

    Raises EOFError when the stream ends before the archive does, ValueError when it is no tar archive.
    """
    long_name = ""
    while True:
        header = _exactly(stream, _BLOCK)
        if header == _EMPTY:
            return
        stored = _number(header[148:156])
        if stored != sum(header) - sum(header[148:156]) + 8 * 0x20:
            raise ValueError("a tar header has a wrong checksum")
        size, kind = _number(header[124:136]), header[156:157]
        padding = -size % _BLOCK
        if kind in (b"L", b"K", b"x", b"g"):
            if size > _LARGEST_HEADER:
                raise ValueError("a tar header is larger than 1 MiB")
            body = _exactly(stream, size + padding)[:size]
            if kind == b"L":
                long_name = _text(body)
            elif kind == b"x":
                long_name = _pax_path(body) or long_name
            continue
        name, long_name = long_name or _short_name(header), ""
        # Links and directories have no content, whatever their size field says (GNU tar writes the target's size).
        stored_size = 0 if kind in (b"1", b"2", b"3", b"4", b"5", b"6") else size
        content = _Body(stream, stored_size)
        yield Entry(name, kind if kind != b"\0" else b"0", stored_size, content.read)
        if stored_size:
            _skip(stream, content.left + padding)


class _Body:
    """What a member holds; left: bytes of it nobody has read."""

    def __init__(self, stream: t.BinaryIO, size: int) -> None:
        self._stream, self.left = stream, size

    def read(self) -> bytes:
        """All of it, once."""
        size, self.left = self.left, 0
        return _exactly(self._stream, size)


def _short_name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _pax_path(body: bytes) -> str:
    while body:
        length = int(body.split(b" ", 1)[0])
        if length < 5 or length > len(body):
            raise ValueError("a pax header is damaged")
        record = body[:length].split(b" ", 1)[1]
        if record.startswith(b"path="):
            return record[5:-1].decode("utf-8", "surrogateescape")
        body = body[length:]
    return ""


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU base-256, for files of 8 GiB and more
        return int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    return int(field.strip(b" \0") or b"0", 8)


def _exactly(stream: t.BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise EOFError("the archive ends early")
        data += more
    return data


def _skip(stream: t.BinaryIO, size: int) -> None:
    while size:
        size -= len(_exactly(stream, min(size, _CHUNK)))
