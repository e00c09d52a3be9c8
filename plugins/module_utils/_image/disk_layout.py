# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Where everything is on the disk: partitions, their identifiers, the file systems' sizes. Pure arithmetic.

One GUID partition table that both firmwares start from: a BIOS boot partition, an EFI system partition, and the root file
system as the last, so that it can grow when the disk does.
"""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

SECTOR = 512
MEBIBYTE = 1 << 20
ESP_SIZE = 64 * MEBIBYTE
"""FAT32 needs 65525 clusters (of 512 bytes here): 34 MiB at the least."""

_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
# Discoverable Partitions Specification: the root partition's type says its architecture.
_ROOT = {
    "x86_64": "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "i686": "44479540-F297-41B2-9AF7-D131D5F0458A",
    "aarch64": "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
}
_SPACE = uuid.UUID("6f3c9a52-0f43-4d0e-9df2-5b8e1d7c2a64")


class Partition(t.NamedTuple):
    """start and size in bytes, both whole mebibytes."""

    start: int
    size: int
    kind: str
    identifier: str


class Layout(t.NamedTuple):
    """size: of the whole disk in bytes."""

    size: int
    identifier: str
    bios: Partition
    esp: Partition
    root: Partition


def identifier(digest: str, what: str) -> str:
    """Return the UUID that something in an image of this definition always has. digest: of the definition."""
    return str(uuid.uuid5(_SPACE, f"{digest}/{what}"))


def volume_number(digest: str) -> str:
    """Return the serial number of a FAT volume, 8 hexadecimal digits."""
    return uuid.uuid5(_SPACE, f"{digest}/esp-volume").hex[:8]


def layout(size: int, architecture: str, digest: str) -> Layout:
    """Return the layout of a disk. size: in bytes. Raises Failure when that is no whole number of MiB, or too small for anything."""
    root_start = 2 * MEBIBYTE + ESP_SIZE
    root_size = size - root_start - MEBIBYTE  # the last mebibyte holds the second table
    if size % MEBIBYTE or root_size < 16 * MEBIBYTE:
        raise Failure("lay out the disk", f"{size} bytes are no whole number of MiB, or fewer than {(root_start >> 20) + 17} MiB", "Correct size")
    return Layout(
        size, identifier(digest, "disk"),
        Partition(MEBIBYTE, MEBIBYTE, _BIOS_BOOT, identifier(digest, "bios")),
        Partition(2 * MEBIBYTE, ESP_SIZE, _ESP, identifier(digest, "esp")),
        Partition(root_start, root_size, _ROOT[architecture], identifier(digest, "root")),
    )


def sfdisk_script(one: Layout) -> str:
    """Return the table as sfdisk(8) reads it."""
    lines = ["label: gpt", f"label-id: {one.identifier}", "unit: sectors", "first-lba: 34"]
    for number, part in enumerate((one.bios, one.esp, one.root), start=1):
        lines.append(f"{number} : start={part.start // SECTOR}, size={part.size // SECTOR}, type={part.kind}, uuid={part.identifier}")
    return "\n".join(lines) + "\n"
