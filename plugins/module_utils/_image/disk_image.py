# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A raw disk from a root file system: table, file systems, GRUB, one file. Nothing is mounted and no device is made."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import build_tools, disk_boot, disk_ext4
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell
from ansible_collections.egi.cmd.plugins.module_utils._image.disk_layout import MEBIBYTE, identifier, layout, sfdisk_script

Disk = t.Dict[str, t.Any]

_CHUNK = 1 << 20


def tools(cell: Cell) -> t.Tuple[str, ...]:
    """Return the programs that build() needs. Raises Failure."""
    return () if cell.definition.external else (*disk_ext4.TOOLS, *disk_boot.tools(cell.architecture))


def build(cell: Cell, archive: str, digest: str, stage: str, log: str) -> Disk:
    """Make <stage>/disk.raw from the tar of a root file system; return what image.json says of a disk. digest: of the definition."""
    one = cell.definition
    disk = f"{stage}/disk.raw"
    plan = layout(one.size, cell.architecture, digest)
    with open(disk, "wb") as handle:
        handle.truncate(plan.size)
    with open(f"{stage}/table", "w", encoding="ascii") as handle:
        handle.write(sfdisk_script(plan))
    env = build_tools.environment(one.epoch, stage)
    build_tools.run(["sh", "-c", 'exec sfdisk -q --no-reread --no-tell-kernel "$1" <"$2"', "sh", disk, f"{stage}/table"], "write the partition table",
                    env, log)
    volume = disk_ext4.Volume(one.root_label, identifier(digest, "root-file-system"), identifier(digest, "directory-hash"))
    work = f"{stage}/ext4"
    os.mkdir(work)
    disk_ext4.write(archive, disk, plan.root, volume, one.epoch, work, log)
    disk_boot.install(disk, plan, cell.architecture, volume.identifier, digest, one.epoch, stage, log)
    return describe(disk, [firmware.name for firmware in disk_boot.FIRMWARE[cell.architecture]], cell)


def adopt(cell: Cell, stage: str) -> Disk:
    """Take a raw disk that was built elsewhere as <stage>/disk.raw, if it is the one that was meant. Raises Failure."""
    external = cell.definition.external
    action = f"take {external.path if external else ''} as a disk"
    if external is None or not os.path.isfile(external.path):
        raise Failure(action, "it is no regular file", "Give the path of a raw disk on the build host")
    if os.path.getsize(external.path) % MEBIBYTE:
        raise Failure(action, f"its size, {os.path.getsize(external.path)} bytes, is no whole number of MiB: not every format can say that",
                      "Enlarge it: truncate -s %1M")
    os.symlink(external.path, f"{stage}/disk.raw")
    disk = describe(external.path, external.boot, cell)
    if disk["sha256"] != external.sha256:
        raise Failure(action, f"its SHA-256 is {disk['sha256']}, and not {external.sha256}", "Compare both with what its builder says")
    return disk


def describe(path: str, boot: t.Sequence[str], cell: Cell) -> Disk:
    """Return what image.json says of a raw disk."""
    return {"virtual_size": os.path.getsize(path), "sha256": sha256(path), "boot": list(boot), "root_label": cell.definition.root_label,
            "minimum_memory": cell.definition.minimum_memory}


def sha256(path: str) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for chunk in iter(lambda: handle.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()
