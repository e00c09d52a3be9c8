# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Index files as a stream of unpacked slices, whatever they were packed with, and never more than was declared.

The format is told from the first bytes: the store names files by content, and dnf and apt look no closer either.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import os
import shutil
import subprocess
import tempfile
import typing as t
import zlib

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

UNDECLARED = 4 << 30  # bytes an index may unpack to when nothing signed says how large it is
_SLICE = 1 << 18  # fits a core's own cache, where searching is fastest
_DAMAGED = (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error)

Stream = t.Union[t.IO[bytes], gzip.GzipFile, lzma.LZMAFile, bz2.BZ2File]


def slices(path: str, most: int, what: str) -> t.Iterator[bytes]:
    """Yield the unpacked content of the file in slices of at most 256 KiB.

    most: bytes it may unpack to. what: names it in the Failure, raised when it is damaged or unpacks to more.
    """
    action = f"unpack {what}"
    total = 0
    try:
        with open(path, "rb") as file:
            for data in _unpacked(file, action):
                total += len(data)
                if total > most:
                    raise Failure(action, f"it unpacks to more than the {most} bytes it declares", "The upstream is broken or hostile; nothing was used")
                yield data
    except _DAMAGED as error:
        raise Failure(action, f"it is damaged ({error})", "Ask the upstream; nothing was used") from error


def _unpacked(file: t.IO[bytes], action: str) -> t.Iterator[bytes]:
    magic = file.read(6)
    file.seek(0)
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return _unpacked_zstd(file, action)
    if magic[:5] == b"\x00ZCK1":
        return _unpacked_zchunk(file, action)
    stream: Stream = file
    if magic[:2] == b"\x1f\x8b":
        stream = gzip.GzipFile(fileobj=file)
    elif magic == b"\xfd7zXZ\x00":
        stream = lzma.LZMAFile(file)  # noqa: SIM115  the file under it is closed by its own caller
    elif magic[:3] == b"BZh":
        stream = bz2.BZ2File(file)  # noqa: SIM115  likewise
    return iter(lambda: stream.read(_SLICE), b"")


def _unpacked_zstd(file: t.IO[bytes], action: str) -> t.Iterator[bytes]:
    """By a module where this Python has one (3.14's own, or python3-zstandard), by the program otherwise."""
    for name, reader in (("compression.zstd", "ZstdFile"), ("zstandard", "open")):
        try:
            module: t.Any = importlib.import_module(name)
        except ImportError:
            continue
        try:
            with getattr(module, reader)(file) as stream:
                yield from iter(lambda: stream.read(_SLICE), b"")
        except module.ZstdError as error:
            raise ValueError(str(error)) from error
        return
    program = shutil.which("zstd")
    if not program:
        raise Failure(action, "it is packed with zstd and the program zstd is missing", "Install zstd")
    yield from _piped([program, "-dcq"], file)


def _unpacked_zchunk(file: t.IO[bytes], action: str) -> t.Iterator[bytes]:
    """By its own program, which has to be given a name: it reads back and forth."""
    program = shutil.which("unzck")
    if not program:
        raise Failure(action, "it is packed with zchunk and the program unzck is missing", "Install zchunk")
    return _piped([program, "--stdout", file.name], file)


def _piped(command: t.Sequence[str], file: t.IO[bytes]) -> t.Iterator[bytes]:
    """What the program writes; it is ended when the reader stops reading, and its failure is a ValueError."""
    with tempfile.TemporaryFile() as messages:
        # The program reads the file's own descriptor, which stands where the first bytes were looked at.
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        with subprocess.Popen(command, stdin=file.fileno(), stdout=subprocess.PIPE, stderr=messages) as process:
            try:
                stream = t.cast("t.IO[bytes]", process.stdout)
                yield from iter(lambda: stream.read(_SLICE), b"")
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            messages.seek(0)
            raise ValueError(messages.read(500).decode("utf-8", "replace").strip() or f"{command[0]} ended with {process.returncode}")
