# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A file that is being fetched belongs to one thread of one process at a time."""

from __future__ import annotations

import fcntl
import os
from typing import Optional, Protocol


class Store(Protocol):
    """What fetching needs of the store. arriving: a directory on its file system."""

    arriving: str

    def has(self, sha256: str, size: int) -> bool:
        """Whether the file is there."""

    def partial(self, sha256: str) -> str:
        """The path a file is written to until it is verified."""

    def keep(self, sha256: str) -> str:
        """Take in the verified partial file."""


def claim(partial: str) -> Optional[int]:
    """Open a partial file for this thread alone; None while another has it.

    Two sources are read at once, and repositories often share an index: the same content is then wanted twice.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            descriptor = os.open(partial, flags, 0o644)
        except PermissionError:  # a run was killed between making the whole file read-only and naming it
            os.chmod(partial, 0o644)
            descriptor = os.open(partial, flags, 0o644)
    except FileNotFoundError:
        if not os.path.isdir(os.path.dirname(partial)):
            raise
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(partial)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    # What is open here may be a verified file by now: it must not be written to.
    os.close(descriptor)
    return None
