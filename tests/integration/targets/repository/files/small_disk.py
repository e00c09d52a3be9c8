# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``small_disk.py mount|umount DIRECTORY``: a disk of one and a half MiB, on hosts too small to have mount(8)."""

from __future__ import annotations

import ctypes
import os
import sys

verb, directory = sys.argv[1], os.fsencode(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
if verb == "mount":
    failed = libc.mount(b"tmpfs", directory, b"tmpfs", 0, b"size=1536k,mode=0755")
else:
    failed = libc.umount2(directory, 0)
if failed:
    sys.exit(os.strerror(ctypes.get_errno()))
