# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a .deb says about itself, and whether that is true (deb(5), deb-control(5))."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import re
import shutil
import subprocess
import typing as t
import zlib

from ansible_collections.egi.cmd.plugins.module_utils._archive import stanza, tar_stream
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import deb

PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
VERSION = re.compile(r"(?:[0-9]+:)?[0-9A-Za-z][0-9A-Za-z.+~-]*")
ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")

_AR_MAGIC = b"!<arch>\n"
_CHUNK = 1 << 20
_LARGEST_CONTROL = 16 << 20
# The index's own fields: a package must not smuggle them in through its control data.
_INDEX_FIELDS = ("Filename", "Size", "Md5sum", "Sha1", "Sha256", "Sha512", "Status")
_SOURCE = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?: +\([^()\s]+\))?")
_BROKEN = (EOFError, ValueError, OSError, lzma.LZMAError, zlib.error)


class DebPackage(t.NamedTuple):
    """control: its stanza without the index's fields; size: bytes; files: its paths without directories, one per line."""

    name: str
    version: str
    architecture: str
    source: str
    section: str
    priority: str
    control: str
    size: int
    sha256: str
    files: str

    @property
    def file_name(self) -> str:
        """The only name this package may have: the epoch is left out (deb-version(7))."""
        return f"{self.name}_{without_epoch(self.version)}_{self.architecture}.deb"


def without_epoch(version: str) -> str:
    """``1:2.0-1`` -> ``2.0-1``: file names carry no epoch."""
    return version.split(":", 1)[-1]


def read_deb(path: str, list_files: bool = True) -> DebPackage:
    """Read and check one binary package; list_files also decompresses the whole content, which proves it.

    Raises Failure when the file is truncated, no package, or named other than its control data says.
    """
    action = f"take package {os.path.basename(path)}"
    with open(path, "rb") as file:
        try:
            members = _ar_members(file)
            control_name, data_name = _check_members(members)
            fields = stanza.parse(_control_file(file, path, control_name, *members[control_name]), action)
            files = _file_list(file, path, data_name, *members[data_name]) if list_files else ""
        except _BROKEN as error:
            raise Failure(action, f"it is damaged or no Debian package ({error})", "Fetch or build it again") from error
        file.seek(0)
        sha256 = hashlib.sha256()
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            sha256.update(chunk)
        package = _described(fields, file.tell(), sha256.hexdigest(), files, action)
    said = os.path.basename(path).replace("%3a", ":").replace("%3A", ":")
    if said not in (package.file_name, f"{package.name}_{package.version}_{package.architecture}.deb"):
        raise Failure(action, f"its control data calls it {package.file_name}", "Rename the file, or find out who renamed it")
    return package


def read_content(path: str, wanted: t.Collection[str], limit: int) -> t.Dict[str, bytes]:
    """Path -> bytes of those wanted files that the package installs; paths without a leading slash, links are not followed.

    Raises Failure when the package is damaged, or one of the files is larger than limit bytes.
    """
    found = {}
    with open(path, "rb") as file:
        try:
            members = _ar_members(file)
            name = _check_members(members)[1]
            with _decompressed(file, path, name, *members[name]) as stream:
                for entry in tar_stream.entries(stream):
                    plain = entry.name[2:] if entry.name.startswith("./") else entry.name.lstrip("/")
                    if plain in wanted and entry.kind == b"0":
                        if entry.size > limit:
                            raise ValueError(f"{plain} is larger than {limit} bytes")
                        found[plain] = entry.read()
                _drain(stream)
        except _BROKEN as error:
            why = f"it is damaged or no Debian package ({error})"
            raise Failure(f"read package {os.path.basename(path)}", why, "Fetch or build it again") from error
    return found


def _described(fields: stanza.Fields, size: int, sha256: str, files: str, action: str) -> DebPackage:
    for name, pattern in (("Package", PACKAGE_NAME), ("Version", VERSION), ("Architecture", ARCHITECTURE)):
        if not pattern.fullmatch(fields.get(name, "")):
            raise Failure(action, f"its control data has {name} {fields.get(name, '')!r}", f"Build it with a valid {name}")
    deb.parse(fields["Version"])
    source = _SOURCE.fullmatch(fields.get("Source", fields["Package"]))
    if not source:
        raise Failure(action, f"its control data has Source {fields['Source']!r}", "Build it with a valid Source")
    for name in ("Section", "Priority"):
        if re.search(r"\s", fields.get(name, "")):
            raise Failure(action, f"its control data has {name} {fields[name]!r}", f"Build it with a valid {name}")
    kept = {name: value for name, value in fields.items() if name not in _INDEX_FIELDS}
    return DebPackage(
        fields["Package"], fields["Version"], fields["Architecture"], source.group(1),
        fields.get("Section") or "misc", fields.get("Priority") or "optional", stanza.render(kept), size, sha256, files,
    )


def _ar_members(file: t.BinaryIO) -> t.Dict[str, t.Tuple[int, int]]:
    """Member name -> (offset, size), in file order; the last member must end where the file does."""
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(8) != _AR_MAGIC:
        raise ValueError("it does not start as one")
    members: t.Dict[str, t.Tuple[int, int]] = {}
    position = 8
    while position < length:
        file.seek(position)
        header = file.read(60)
        if len(header) < 60 or header[58:] != b"`\n":
            raise ValueError("an archive member's header is damaged")
        size = int(header[48:58])
        if size < 0 or position + 60 + size > length:
            raise EOFError("it is truncated")
        members.setdefault(header[:16].decode("ascii").strip().rstrip("/"), (position + 60, size))
        position += 60 + size + size % 2
    return members


def _check_members(members: t.Dict[str, t.Tuple[int, int]]) -> t.Tuple[str, str]:
    names = [name for name in members if not name.startswith("_")]  # deb(5): tools ignore names beginning with _
    if len(names) < 3 or names[0] != "debian-binary" or not names[1].startswith("control.tar") or not names[2].startswith("data.tar"):
        raise ValueError(f"it holds {', '.join(names) or 'nothing'} instead of debian-binary, control.tar, data.tar")
    return names[1], names[2]


def _control_file(file: t.BinaryIO, path: str, name: str, offset: int, size: int) -> bytes:
    if size > _LARGEST_CONTROL:
        raise ValueError("its control archive is larger than 16 MiB")
    control = None
    with _decompressed(file, path, name, offset, size) as stream:
        for entry in tar_stream.entries(stream):
            if entry.name in ("./control", "control") and entry.kind == b"0" and entry.size <= _LARGEST_CONTROL:
                control = entry.read()
        _drain(stream)
    if control is None:
        raise ValueError("it has no control file")
    return control


def _file_list(file: t.BinaryIO, path: str, name: str, offset: int, size: int) -> str:
    names = []
    with _decompressed(file, path, name, offset, size) as stream:
        for entry in tar_stream.entries(stream):
            if entry.kind != b"5":
                names.append(entry.name[2:] if entry.name.startswith("./") else entry.name.lstrip("/"))
        _drain(stream)
    if any("\n" in name for name in names):
        raise ValueError("a file name in it contains a line feed")
    return "\n".join(sorted(names)).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _drain(stream: t.BinaryIO) -> None:
    """Read to the end: a compressor's own checksum comes last."""
    while stream.read(_CHUNK):
        pass


def _decompressed(file: t.BinaryIO, path: str, name: str, offset: int, size: int) -> t.ContextManager[t.BinaryIO]:
    """The member's tar stream; zstd has no reader in Python before 3.14, there dpkg-deb lends its own."""
    suffix = name.rpartition(".tar")[2]
    if suffix == ".zst":
        return _dpkg_deb("--ctrl-tarfile" if name.startswith("control") else "--fsys-tarfile", path)
    window = io.BufferedReader(_Window(file, offset, size), 1 << 16)
    openers: t.Dict[str, t.Callable[[t.BinaryIO], t.Any]] = {
        "": lambda raw: raw,
        ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
        ".xz": lzma.LZMAFile,
        ".lzma": lzma.LZMAFile,
        ".bz2": bz2.BZ2File,
    }
    if suffix not in openers:
        raise ValueError(f"it holds {name}, a compression nobody knows")
    return contextlib.closing(openers[suffix](window))


@contextlib.contextmanager
def _dpkg_deb(option: str, path: str) -> t.Iterator[t.BinaryIO]:
    program = shutil.which("dpkg-deb")
    if not program:
        raise Failure(f"take package {os.path.basename(path)}", "it is compressed with zstd and dpkg-deb is missing: install dpkg")
    with subprocess.Popen([program, option, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        yield t.cast(t.BinaryIO, process.stdout)
        if process.wait() != 0:
            raise ValueError("dpkg-deb cannot read it")


class _Window(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: t.BinaryIO, offset: int, size: int) -> None:
        self._file, self._position, self._end = file, offset, offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        self._file.seek(self._position)
        data = self._file.read(min(len(buffer), self._end - self._position))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
