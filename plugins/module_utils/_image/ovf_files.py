# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Files compared and replaced as a whole, whatever their content comes from."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import sync_directory

_CHUNK = 1 << 20
_HOLE = 1 << 16


def slices(path: str) -> t.Iterator[bytes]:
    """The bytes of a file."""
    with open(path, "rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            if not chunk:
                return
            yield chunk


def equal(path: str, wanted: t.Callable[[], t.Iterator[bytes]]) -> bool:
    """Whether a file has these bytes."""
    if not os.path.isfile(path) or os.path.islink(path):
        return False
    with open(path, "rb") as file:
        return all(file.read(len(chunk)) == chunk for chunk in wanted()) and not file.read(1)


def replace(path: str, chunks: t.Iterable[bytes], sparse: bool = False) -> None:
    """Write a file beside its place and rename it there; what a killed run left beside is overwritten.

    If chunks raises, there is nothing new. sparse: blocks of zeros take no space.
    """
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.new")
    if os.path.lexists(temporary):
        os.unlink(temporary)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
            for chunk in chunks:
                _put(file, chunk, sparse)
            file.truncate()  # to where it stands now: after a hole nothing was written
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(folder)


def _put(file: t.BinaryIO, chunk: bytes, sparse: bool) -> None:
    if not sparse:
        file.write(chunk)
        return
    for start in range(0, len(chunk), _HOLE):
        block = chunk[start:start + _HOLE]
        if block.strip(b"\0"):
            file.write(block)
        else:
            file.seek(len(block), os.SEEK_CUR)
