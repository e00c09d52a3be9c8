# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Where everything of an ISO 9660 image with Rock Ridge names is: a disc, or a file one can mount.

All of it but the files' own bytes follows from their paths and sizes. So an image is written forward, without a second
copy of the files, into a pipe as well, and whoever writes the same files writes the same bytes.

ECMA-119 is the format (level 3: a file above 4 GiB has several extents), SUSP and RRIP 1.10 are the long names in it.
"""

from __future__ import annotations

import re
import struct
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

SECTOR = 2048
SYSTEM_AREA = 16  # sectors before the first volume descriptor
MULTI_EXTENT, DIRECTORY = 0x80, 0x02  # file flags
_EXTENT = (1 << 32) - SECTOR  # most bytes of one extent: a size has 32 bits, and the next extent begins at a sector
_FILE_MODE, _DIRECTORY_MODE = 0o100444, 0o040555
_SUSP = b"SP\x07\x01\xbe\xef\x00" + b"ER\x12\x01\x0a\x00\x00\x01RRIP_1991A"


class Layout:
    """An image to be written: its head, then every file, padded."""

    def __init__(self, files: t.Mapping[str, int], volume: str, moment: int, application: str = "CMD-MIRROR BUNDLE") -> None:
        """files: path in the image -> bytes, in the order they are written; volume: what the disc is called, see
        ``volume_name``; moment: unix time of everything in it; application: what made it."""
        if not re.fullmatch(r"[!-~]{1,32}", volume):
            raise Failure("lay out the image", f"{volume!r} cannot be the name of a disc", "Use 1 to 32 printable characters of ASCII")
        self._files = files
        self._volume, self._application = volume, application
        self._when = time.gmtime(moment)
        self._children = _tree(files)
        self._places: t.Dict[str, t.Tuple[int, int]] = {}  # path -> first sector, bytes
        self._table = self._path_table("<")
        sector = SYSTEM_AREA + 2 + 2 * _sectors(len(self._table))
        for path in self._children:
            size = len(self._directory(path))
            self._places[path] = (sector, size)
            sector += _sectors(size)
        for path, size in files.items():
            self._places[path] = (sector, size)
            sector += _sectors(size)
        if sector >= 1 << 32:
            raise Failure("lay out the image", "it would be larger than ISO 9660 can be, 8 TiB", "Write a directory instead")
        self._end = sector

    @property
    def size(self) -> int:
        """Bytes of the whole image."""
        return self._end * SECTOR

    def head(self) -> t.Iterator[bytes]:
        """Everything before the first file."""
        yield bytes(SYSTEM_AREA * SECTOR)
        yield self._volume_descriptor()
        yield _padded(b"\xffCD001\x01")
        for order in "<>":
            yield _padded(self._path_table(order))
        for path in self._children:
            yield self._directory(path)

    def _place(self, path: str) -> t.Tuple[int, int]:
        """First sector and bytes; before those are known, what a record of the same length is made of."""
        return self._places.get(path, (0, self._files.get(path, 0)))

    def _directory(self, path: str) -> bytes:
        """A directory's sectors; no record crosses from one to the next."""
        data = b""
        sectors = []
        for record in self._records(path):
            if len(data) + len(record) > SECTOR:
                sectors.append(_padded(data))
                data = b""
            data += record
        return b"".join([*sectors, _padded(data)])

    def _records(self, path: str) -> t.Iterator[bytes]:
        use = _attributes(_DIRECTORY_MODE)
        yield self._record(b"\0", *self._place(path), DIRECTORY, use if path else _SUSP + use)
        yield self._record(b"\1", *self._place(_parent(path)), DIRECTORY, use)
        for index, child in enumerate(self._children[path]):
            sector, size = self._place(child)
            name = _name(child.rpartition("/")[2])
            if child in self._children:
                yield self._record(_identifier(index, True), sector, size, DIRECTORY, use + name)
                continue
            while size > _EXTENT:
                yield self._record(_identifier(index, False), sector, _EXTENT, MULTI_EXTENT, _attributes(_FILE_MODE) + name)
                sector, size = sector + _sectors(_EXTENT), size - _EXTENT
            yield self._record(_identifier(index, False), sector, size, 0, _attributes(_FILE_MODE) + name)

    def _record(self, identifier: bytes, sector: int, size: int, flags: int, use: bytes = b"") -> bytes:
        when = self._when
        moment = bytes((when.tm_year - 1900, when.tm_mon, when.tm_mday, when.tm_hour, when.tm_min, when.tm_sec, 0))
        body = _both32(sector) + _both32(size) + moment + bytes((flags, 0, 0)) + _both16(1) + bytes((len(identifier),)) + identifier
        body += bytes(len(body) % 2) + use
        body += bytes(len(body) % 2)
        return bytes((len(body) + 2, 0)) + body

    def _path_table(self, order: str) -> bytes:
        numbers = {path: number for number, path in enumerate(self._children, 1)}
        table = b""
        for path in self._children:
            identifier = _identifier(self._children[_parent(path)].index(path), True) if path else b"\0"
            table += struct.pack(f"{order}BBIH", len(identifier), 0, self._place(path)[0], numbers[_parent(path)])
            table += identifier + bytes(len(identifier) % 2)
        return table

    def _volume_descriptor(self) -> bytes:
        when = time.strftime("%Y%m%d%H%M%S00", self._when).encode() + b"\0"
        first = SYSTEM_AREA + 2
        return _padded(b"".join((
            b"\x01CD001\x01\0", _text("LINUX", 32), _text(self._volume, 32), bytes(8), _both32(self._end), bytes(32),
            _both16(1), _both16(1), _both16(SECTOR), _both32(len(self._table)),
            struct.pack("<II", first, 0), struct.pack(">II", first + _sectors(len(self._table)), 0), self._record(b"\0", *self._place(""), DIRECTORY),
            _text("", 128), _text("", 128), _text("", 128), _text(self._application, 128), _text("", 37), _text("", 37), _text("", 37),
            when, when, b"0" * 16 + b"\0", b"0" * 16 + b"\0", b"\x01")))


def volume_name(text: str) -> str:
    """A disc's name of only those characters that the standard allows; what looks for a label may want others."""
    return re.sub(r"[^A-Z0-9_]", "_", text.upper())[:32]


def padding(size: int) -> bytes:
    """What fills up the last sector of a file."""
    return bytes(-size % SECTOR)


def _tree(files: t.Iterable[str]) -> t.Dict[str, t.List[str]]:
    """Directories and what is in each, in the order a path table has them: by depth, then by name."""
    children: t.Dict[str, t.Set[str]] = {"": set()}
    for path in files:
        while path:
            children.setdefault(_parent(path), set()).add(path)
            path = _parent(path)
    return {path: sorted(children[path]) for path in sorted(children, key=lambda path: (path.count("/") + bool(path), path.split("/")))}


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _identifier(index: int, directory: bool) -> bytes:
    """The name without Rock Ridge, of the few characters and the length every reader takes."""
    return f"{index:08d}".encode() if directory else f"{index:08d}.;1".encode()


def _attributes(mode: int) -> bytes:
    """Rock Ridge: what stat(2) says. Everything is root's; a directory's links are not counted."""
    return b"PX\x24\x01" + b"".join(map(_both32, (mode, 1, 0, 0)))


def _name(name: str) -> bytes:
    """Rock Ridge: the real name."""
    encoded = name.encode("ascii")
    return b"NM" + bytes((len(encoded) + 5, 1, 0)) + encoded


def _sectors(size: int) -> int:
    return -(-size // SECTOR)


def _padded(data: bytes) -> bytes:
    return data + padding(len(data))


def _text(text: str, width: int) -> bytes:
    return text.ljust(width).encode("ascii")


def _both16(number: int) -> bytes:
    return struct.pack("<H", number) + struct.pack(">H", number)


def _both32(number: int) -> bytes:
    return struct.pack("<I", number) + struct.pack(">I", number)
