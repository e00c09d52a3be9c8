# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What is in an ISO 9660 image with Rock Ridge names, whoever made it, read from its file or its drive without mounting it.

Nothing in an image is believed: every place is checked against the size of the file, names are only reported, and a
directory is read record by record, so that a hostile image takes no memory. What ends an image early is ValueError.
"""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.iso_write import DIRECTORY, MULTI_EXTENT, SECTOR, SYSTEM_AREA

_MAGIC = b"CD001"
_PRIMARY, _LAST = 1, 255  # types of volume descriptors
_DESCRIPTORS = 64  # most of them that are looked at
_ROOT_RECORD, _RECORD = 156, 33  # where the root's record is in a descriptor; bytes of a record before its identifier
_ASSOCIATED = 0x04  # file flag
_CHUNK = 1 << 20


class Entry(t.NamedTuple):
    """A file or directory. extents: where its bytes are, offset and length."""

    name: str
    directory: bool
    extents: t.Tuple[t.Tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes of all its extents."""
        return sum(length for _offset, length in self.extents)


class Image:
    """An image in an open file one can seek in."""

    def __init__(self, file: t.BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        descriptor = self._primary()
        sectors = _both(descriptor, 80, "I")
        if _both(descriptor, 128, "H") != SECTOR:
            raise ValueError("its blocks have not 2048 bytes")
        if sectors * SECTOR > self._size:
            raise ValueError(f"it was cut off: {self._size} bytes of {sectors * SECTOR} are there")
        self.root = self._entry(descriptor[_ROOT_RECORD:_ROOT_RECORD + _RECORD + 1], "")
        first = next(self._records(self.root), b"")
        if not _system_use(first).startswith(b"SP\x07\x01\xbe\xef\x00"):
            raise ValueError("it has no Rock Ridge names")

    def listing(self, directory: Entry) -> t.Iterator[Entry]:
        """What is in a directory, in its order."""
        begun: t.Optional[Entry] = None
        for record in self._records(directory):
            if record[_RECORD - 1] == 1 and record[_RECORD] in (0, 1):  # itself and its parent
                continue
            entry = self._entry(record, _name(record))
            if begun:
                if begun.name != entry.name or entry.directory:
                    raise ValueError(f"{begun.name!r} has no end")
                entry = entry._replace(extents=begun.extents + entry.extents)
            begun = entry if record[25] & MULTI_EXTENT else None
            if not begun:
                yield entry
        if begun:
            raise ValueError(f"{begun.name!r} has no end")

    def chunks(self, entry: Entry) -> t.Iterator[bytes]:
        """The bytes of a file."""
        for offset, length in entry.extents:
            while length:
                chunk = self._read(offset, min(length, _CHUNK))
                offset, length = offset + len(chunk), length - len(chunk)
                yield chunk

    def _primary(self) -> bytes:
        for sector in range(SYSTEM_AREA, SYSTEM_AREA + _DESCRIPTORS):
            descriptor = self._read(sector * SECTOR, SECTOR)
            if descriptor[1:6] != _MAGIC or descriptor[0] == _LAST:
                break
            if descriptor[0] == _PRIMARY:
                return descriptor
        raise ValueError("it has no primary volume descriptor")

    def _records(self, directory: Entry) -> t.Iterator[bytes]:
        for sector in self._sectors(directory):
            position = 0
            while position < len(sector) and sector[position]:
                length = sector[position]
                record = sector[position:position + length]
                if length <= _RECORD or len(record) < length or _RECORD + record[_RECORD - 1] > length:
                    raise ValueError("a directory is damaged")
                position += length
                yield record

    def _sectors(self, directory: Entry) -> t.Iterator[bytes]:
        for offset, length in directory.extents:
            for begin in range(0, length, SECTOR):
                yield self._read(offset + begin, min(SECTOR, length - begin))

    def _entry(self, record: bytes, name: str) -> Entry:
        if record[1] or record[26] or record[27] or record[25] & _ASSOCIATED:
            raise ValueError(f"{name!r} is interleaved, associated or has extended attributes, which a bundle has not")
        offset, length = _both(record, 2, "I") * SECTOR, _both(record, 10, "I")
        if offset + length > self._size:
            raise ValueError(f"it was cut off: {name!r} ends behind the image")
        return Entry(name, bool(record[25] & DIRECTORY), ((offset, length),))

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        data = b""
        while len(data) < length:
            more = self._file.read(length - len(data))
            if not more:
                raise ValueError("it was cut off")
            data += more
        return data


def is_image(file: t.BinaryIO) -> bool:
    """Whether an open file is an ISO 9660 image; of something one cannot seek in, nothing is read."""
    if not file.seekable():
        return False
    file.seek(SYSTEM_AREA * SECTOR)
    head = file.read(6)
    file.seek(0)
    return head[1:] == _MAGIC


def _both(data: bytes, offset: int, kind: str) -> int:
    """A number that is there in both byte orders."""
    width = struct.calcsize(f"<{kind}")
    little = struct.unpack_from(f"<{kind}", data, offset)[0]
    if little != struct.unpack_from(f">{kind}", data, offset + width)[0]:
        raise ValueError("a number in it differs between its two byte orders")
    return int(little)


def _system_use(record: bytes) -> bytes:
    """What follows the identifier of a record, which has an even length with its padding."""
    identifier = record[_RECORD - 1] if len(record) >= _RECORD else 0
    return record[_RECORD + identifier + (identifier + 1) % 2:]


def _name(record: bytes) -> str:
    """The Rock Ridge name of a record."""
    use, found = _system_use(record), b""
    while len(use) >= 4 and use[2] >= 4:
        if use[:2] == b"NM" and use[2] > 5:
            found += use[5:use[2]]
        use = use[use[2]:]
    if not found:
        raise ValueError("a file in it has no Rock Ridge name")
    return found.decode("ascii", "backslashreplace")
