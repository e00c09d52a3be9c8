# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Whether what is coming fits, before the first byte of it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store

_BLOCK = 4096  # what a file's last block and a link into the store (longer than an inode holds) take on ext4


class Need(t.NamedTuple):
    """What a sync will write: files and bytes to fetch, and bytes and inodes of all it puts on the disk."""

    files: int
    fetch: int
    size: int
    inodes: int


def need(store: Store, wanted: t.Iterable[Wanted], links: int, metadata: int) -> Need:
    """Count what the store lacks. links: new links; metadata: bytes of metadata written beside the store."""
    coming = [file for file in wanted if not store.has(file.sha256, file.size)]
    lacking = {file.sha256: file.size for file in coming}
    directories = len({file.path.rpartition("/")[0] for file in coming}) + len({sha256[:2] for sha256 in lacking})
    begun = {name: size for name, size, _changed in store.partials()}
    fetch = sum(max(0, size - begun.get(sha256, 0)) for sha256, size in lacking.items())
    return Need(len(lacking), fetch, fetch + (len(lacking) + directories + links) * _BLOCK + metadata, len(lacking) + directories + links)


def require(root: str, coming: Need, margin: int) -> None:
    """Raise Failure when the file system cannot hold what is coming and keep margin bytes free."""
    free = os.statvfs(root)
    left = available(root)
    if left < coming.size + margin:
        raise Failure(f"sync into {root}", f"{mebibytes(coming.size)} are needed and {mebibytes(margin)} are to stay free, {mebibytes(left)} are free",
                      "Make room, or let old snapshots go: cmd-mirror snapshot prune; nothing was fetched")
    if free.f_files and free.f_favail < coming.inodes:
        raise Failure(f"sync into {root}", f"{coming.inodes} files are coming, the file system has room for {free.f_favail}",
                      "Use a file system with more inodes, or let old snapshots go: cmd-mirror snapshot prune; nothing was fetched")


def available(root: str) -> int:
    """Bytes that may still be written on a file system."""
    free = os.statvfs(root)
    return free.f_bavail * free.f_frsize


def mebibytes(size: int) -> str:
    """A size for people."""
    return f"{size / (1 << 20):,.1f} MiB"
