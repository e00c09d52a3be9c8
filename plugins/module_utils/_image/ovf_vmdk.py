# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a disk image says of itself, before any program is given it: qemu-img opens every file that an image names."""

from __future__ import annotations

import re
import struct
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Disk, Problem

HEAD = 1 << 20  # bytes of the beginning that are looked at; a VMDK's embedded descriptor is in the first 64 KiB
_SECTOR = 512
_SPARSE_HEADER = struct.Struct("<4sIIQQQQ")  # magic, version, flags, capacity, grain size, descriptor's offset and size
_REMEDY = "Do not use this package"
_EXTENT = re.compile(rb'^\s*(?:RW|RDONLY|NOACCESS)\s+\S+\s+\S+(?:\s+"(?P<name>[^"]*)")?', re.MULTILINE | re.IGNORECASE)
_PARENT = re.compile(rb"^\s*(?:parentCID\s*=\s*(?!f{8}\s*$)|parentFileNameHint)", re.MULTILINE | re.IGNORECASE)


def judge(disk: Disk, name: str, head: bytes) -> t.Tuple[Problem, ...]:
    """What is wrong with a disk. name: of its file; head: the first HEAD bytes of it."""
    shown = repr(name[:80])
    if head.startswith(b"# Disk DescriptorFile"):
        return (Problem("disk-extents", f"{shown} is only a list of other files", _REMEDY),)
    if head.startswith(b"QFI\xfb") and head[8:16].strip(b"\0"):
        return (Problem("disk-parent", f"{shown} names another file its content comes from", _REMEDY),)
    if "vmdk" not in disk.format.lower():
        what = f"{shown} has the format {disk.format[:80]!r}, which few importers take"
        return (Problem("disk-format", what, "Convert it to streamOptimized VMDK", "warning"),)
    if not head.startswith(b"KDMV") or len(head) < _SPARSE_HEADER.size:
        return (Problem("disk-content", f"{shown} is not the VMDK it is said to be", _REMEDY),)
    _magic, _version, _flags, sectors, _grain, offset, size = _SPARSE_HEADER.unpack_from(head)
    problems = []
    if sectors * _SECTOR != disk.capacity:
        what = f"{shown} holds a disk of {sectors * _SECTOR} bytes, the descriptor says {disk.capacity}"
        problems.append(Problem("disk-capacity", what, "Export the package again"))
    text = head[offset * _SECTOR:(offset + size) * _SECTOR].rstrip(b"\0")
    if _PARENT.search(text):
        problems.append(Problem("disk-parent", f"{shown} names another disk its content comes from", _REMEDY))
    if len(_EXTENT.findall(text)) != 1 or any(b"/" in extent or b"\\" in extent for extent in _EXTENT.findall(text)):
        problems.append(Problem("disk-extents", f"{shown} names other files", _REMEDY))
    return tuple(problems)


def capacity(path: str, head: bytes) -> int:
    """Bytes of the disk in a streamOptimized VMDK that is to be packed; refuses everything else."""
    if not head.startswith(b"KDMV") or len(head) < _SPARSE_HEADER.size or b'createType="streamOptimized"' not in head:
        raise Failure(f"pack {path}", "it is not a streamOptimized VMDK", "Convert it: qemu-img convert -O vmdk -o subformat=streamOptimized")
    sectors = _SPARSE_HEADER.unpack_from(head)[3]
    problems = judge(Disk("", sectors * _SECTOR), path, head)
    if problems:
        raise Failure(f"pack {path}", problems[0].what, "Convert it again with qemu-img")
    return sectors * _SECTOR
