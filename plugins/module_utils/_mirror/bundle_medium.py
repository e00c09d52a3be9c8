# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A bundle on a medium: a plain directory, a tar stream with the two signed documents first, or an ISO 9660 image.

Nothing on a medium is believed: only plain files of the names and sizes the signed document gives are opened, and no
link is followed. In a directory or an image everything else is refused before the first byte is taken.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import tarfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle import LARGEST_MANIFEST, LARGEST_SIGNATURE, MANIFEST, SIGNATURE, Files, path_of
from ansible_collections.egi.cmd.plugins.module_utils._mirror.iso_read import Entry, Image, is_image

CHUNK = 1 << 20
_BLOCK = 512
_REMEDY = "Copy the bundle again; if that does not help, export it again"

Chunks = t.Iterator[bytes]


class Medium(t.Protocol):
    """What reading a bundle needs. form: directory, tar or iso."""

    form: str

    def head(self) -> t.Tuple[bytes, bytes]:
        """The document and its signature, neither checked."""

    def contents(self, files: Files) -> t.Iterator[t.Tuple[str, Chunks]]:
        """Every file once, with its bytes; those need not be taken. Raises Failure for anything missing or in excess."""


@contextlib.contextmanager
def open_medium(path: str) -> t.Iterator[Medium]:
    """Open a directory, a tar file, an image or the drive it is in, or for ``-`` a tar stream on standard input."""
    if path == "-":
        yield TarStream(sys.stdin.buffer, "standard input")
    elif os.path.isdir(path):
        yield Directory(path)
    else:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise Failure(f"read bundle {path}", error.strerror or str(error), "Name a bundle's directory, tar file or image") from error
        with os.fdopen(descriptor, "rb") as stream:
            yield IsoImage(stream, path) if is_image(stream) else TarStream(stream, path)


class Directory:
    """A bundle as a plain directory."""

    form = "directory"

    def __init__(self, path: str) -> None:
        self._path = path
        self._action = f"read bundle {path}"

    def head(self) -> t.Tuple[bytes, bytes]:
        """The document and its signature, neither checked."""
        found = []
        for name, most in ((MANIFEST, LARGEST_MANIFEST), (SIGNATURE, LARGEST_SIGNATURE)):
            with self._open(name) as file:
                content = file.read(most + 1)
            if len(content) > most:
                raise Failure(self._action, f"{name} is larger than {most} bytes", _REMEDY)
            found.append(content)
        return found[0], found[1]

    def contents(self, files: Files) -> t.Iterator[t.Tuple[str, Chunks]]:
        """Every file once; the whole directory is looked through first."""
        expected = {path_of(sha256): size for sha256, size in files.items()}
        for path, found in listing(self._path):
            if path in (MANIFEST, SIGNATURE):
                continue
            if not stat.S_ISREG(found.st_mode):
                raise Failure(self._action, f"{path} is no plain file", _REMEDY)
            if path not in expected:
                raise Failure(self._action, f"{path} is not of this bundle", "Remove it if you know what it is; nothing was imported")
            if found.st_size != expected[path]:
                raise Failure(self._action, f"{path} has {found.st_size} bytes, not {expected[path]}", _REMEDY)
            del expected[path]
        if expected:
            raise Failure(self._action, f"{len(expected)} files are missing, the first is {min(expected)}", _REMEDY)
        for sha256 in sorted(files):
            yield sha256, self._chunks(path_of(sha256))

    def _open(self, path: str) -> t.BinaryIO:
        full = os.path.join(self._path, path)
        try:
            descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            why = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
            raise Failure(self._action, f"{path} {why}", "Wait until its export or copy is complete, or do that again") from error
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise Failure(self._action, f"{path} is no plain file", _REMEDY)
        return file

    def _chunks(self, path: str) -> Chunks:
        with self._open(path) as file:
            yield from iter(lambda: file.read(CHUNK), b"")


class TarStream:
    """A bundle as a tar archive, read forward once: plain files only, no extended headers."""

    form = "tar"

    def __init__(self, stream: t.BinaryIO, name: str) -> None:
        self._stream = stream
        self._action = f"read bundle {name}"

    def head(self) -> t.Tuple[bytes, bytes]:
        """The document and its signature, neither checked."""
        found = []
        for name, most in ((MANIFEST, LARGEST_MANIFEST), (SIGNATURE, LARGEST_SIGNATURE)):
            member = self._next()
            if member is None or member[0] != name:
                raise Failure(self._action, f"it does not hold {name} where a bundle does", "Name a tar file made by cmd-mirror bundle export --tar")
            if member[1] > most:
                raise Failure(self._action, f"{name} is larger than {most} bytes", _REMEDY)
            found.append(b"".join(self._body(member[1])))
        return found[0], found[1]

    def contents(self, files: Files) -> t.Iterator[t.Tuple[str, Chunks]]:
        """Every file once, in the stream's order."""
        expected = {path_of(sha256): (sha256, size) for sha256, size in files.items()}
        while True:
            member = self._next()
            if member is None:
                break
            path, size = member
            if path not in expected:
                raise Failure(self._action, f"{path[:200]!r} is not of this bundle, or is there twice", _REMEDY)
            sha256, right = expected.pop(path)
            if size != right:
                raise Failure(self._action, f"{path} has {size} bytes, not {right}", _REMEDY)
            body = self._body(size)
            yield sha256, body
            for _rest in body:
                pass
        if expected:
            raise Failure(self._action, f"{len(expected)} files are missing, the first is {min(expected)}", _REMEDY)

    def _next(self) -> t.Optional[t.Tuple[str, int]]:
        """Name and size of the next member, None at the end."""
        header = self._exactly(_BLOCK)
        if header == bytes(_BLOCK):
            if any(any(chunk) for chunk in iter(lambda: self._stream.read(CHUNK), b"")):
                raise Failure(self._action, "something follows the end of the archive", _REMEDY)
            return None
        try:
            member = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise Failure(self._action, f"it is no tar archive, or damaged: {error}", _REMEDY) from error
        if member.type != tarfile.REGTYPE or member.size < 0:
            raise Failure(self._action, f"{member.name[:200]!r} is no plain file", _REMEDY)
        return member.name, member.size

    def _body(self, size: int) -> Chunks:
        left = size
        while left:
            chunk = self._exactly(min(left, CHUNK))
            left -= len(chunk)
            yield chunk
        self._exactly(-size % _BLOCK)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._stream.read(size - len(data))
            if not more:
                raise Failure(self._action, "it was cut off", _REMEDY)
            data += more
        return data


class IsoImage:
    """A bundle as an ISO 9660 image, which need not be mounted."""

    form = "iso"

    def __init__(self, stream: t.BinaryIO, name: str) -> None:
        self._action = f"read bundle {name}"
        with self._reading():
            self._image = Image(stream)

    def head(self) -> t.Tuple[bytes, bytes]:
        """The document and its signature, neither checked."""
        with self._reading():
            top = {entry.name: entry for entry in self._image.listing(self._image.root) if entry.name in (MANIFEST, SIGNATURE)}
            found = []
            for name, most in ((MANIFEST, LARGEST_MANIFEST), (SIGNATURE, LARGEST_SIGNATURE)):
                if name not in top or top[name].directory:
                    raise ValueError(f"it does not hold {name} where a bundle does")
                if top[name].size > most:
                    raise ValueError(f"{name} is larger than {most} bytes")
                found.append(b"".join(self._image.chunks(top[name])))
            return found[0], found[1]

    def contents(self, files: Files) -> t.Iterator[t.Tuple[str, Chunks]]:
        """Every file once, in the order a disc gives them fastest; all directories are looked through first."""
        expected = {path_of(sha256): size for sha256, size in files.items()}
        found = {}
        with self._reading():
            for path, entry in self._walk({path.rpartition("/")[0] for path in expected} | {"files"}):
                if path in (MANIFEST, SIGNATURE):
                    continue
                if path not in expected:
                    raise ValueError(f"{path[:200]!r} is not of this bundle, or is there twice")
                if entry.size != expected.pop(path):
                    raise ValueError(f"{path} has another size than its bundle says: {entry.size} bytes")
                found[path.rpartition("/")[2]] = entry
            if expected:
                raise ValueError(f"{len(expected)} files are missing, the first is {min(expected)}")
        for sha256, entry in sorted(found.items(), key=lambda item: item[1].extents):
            yield sha256, self._chunks(entry)

    def _walk(self, directories: t.Collection[str]) -> t.Iterator[t.Tuple[str, Entry]]:
        """Every file, and no directory but these, by path."""
        waiting = [("", self._image.root)]
        while waiting:
            below, directory = waiting.pop()
            for entry in self._image.listing(directory):
                path = below + entry.name
                if not entry.directory:
                    yield path, entry
                elif path in directories:
                    waiting.append((f"{path}/", entry))
                else:
                    raise ValueError(f"{path[:200]!r} is not of this bundle")

    def _chunks(self, entry: Entry) -> Chunks:
        with self._reading():
            yield from self._image.chunks(entry)

    @contextlib.contextmanager
    def _reading(self) -> t.Iterator[None]:
        """Turn what ends an image early into the one error."""
        try:
            yield
        except ValueError as error:
            raise Failure(self._action, str(error), _REMEDY) from error


def listing(top: str) -> t.Iterator[t.Tuple[str, os.stat_result]]:
    """Everything below a directory but directories, by path below it; links are not followed."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        for entry in os.scandir(os.path.join(top, below)):
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{path}/")
            else:
                yield path, entry.stat(follow_symlinks=False)


def tar_header(path: str, size: int) -> bytes:
    """The header of a member: the same for everyone who exports the same bundle."""
    member = tarfile.TarInfo(path)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


def checked(chunks: Chunks, sha256: str, action: str, path: str, remedy: str) -> Chunks:
    """The bytes, and a Failure after the last one if they are not what their SHA-256 says."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != sha256:
        raise Failure(action, f"{path} is damaged or was changed: its SHA-256 is another", remedy)
