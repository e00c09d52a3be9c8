# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""How a disk starts, with BIOS and with UEFI: GRUB as a program that finds its configuration in the root file system.

What is on the disk outside the root file system never has to change: a new kernel in the guest changes two links, see rootfs_files.
"""

from __future__ import annotations

import os
import struct
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import build_tools
from ansible_collections.egi.cmd.plugins.module_utils._image.disk_layout import SECTOR, Layout, volume_number

GRUB = "/usr/lib/grub"
_COMMON = ("boot", "configfile", "echo", "ext2", "gzio", "linux", "normal", "part_gpt", "search", "search_fs_uuid", "serial", "terminal", "test")


class Firmware(t.NamedTuple):
    """How a firmware starts an architecture. target: of grub-mkimage; file: the removable media path of UEFI, '' for BIOS."""

    name: str
    target: str
    modules: t.Tuple[str, ...]
    file: str
    package: str


_BIOS = Firmware("bios", "i386-pc", ("biosdisk",), "", "grub-pc-bin")
# Debian 12 has no signed 32-bit GRUB for UEFI and hardly a machine is left that needs one: i686 starts with BIOS.
FIRMWARE: t.Dict[str, t.Tuple[Firmware, ...]] = {
    "x86_64": (_BIOS, Firmware("uefi", "x86_64-efi", ("fat", "part_msdos"), "BOOTX64.EFI", "grub-efi-amd64-bin")),
    "i686": (_BIOS,),
    "aarch64": (Firmware("uefi", "arm64-efi", ("fat", "part_msdos"), "BOOTAA64.EFI", "grub-efi-arm64-bin"),),
}


def tools(architecture: str) -> t.Tuple[str, ...]:
    """Return the programs that install() needs. Raises Failure when GRUB for the architecture is missing."""
    missing = [one.package for one in FIRMWARE[architecture] if not os.path.isdir(f"{GRUB}/{one.target}")]
    if missing:
        raise Failure(f"make a disk for {architecture}", f"{GRUB} has no {' and no '.join(one.target for one in FIRMWARE[architecture])}",
                      f"Install {' '.join(missing)}")
    return ("grub-mkimage", "mkfs.vfat", "mtools", "sfdisk")


def install(disk: str, one: Layout, architecture: str, root_identifier: str, digest: str, epoch: int, stage: str, log: str) -> None:
    """Make a disk, whose table is written, start. root_identifier: of the root file system; digest: of the definition. Raises Failure."""
    env = build_tools.environment(epoch, stage)
    with open(f"{stage}/early.cfg", "w", encoding="ascii") as handle:
        handle.write(f"search.fs_uuid {root_identifier} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n")
    action = "make the disk start"
    at = f"{disk}@@{one.esp.start}"
    build_tools.run(["mkfs.vfat", "--invariant", "-F", "32", "-s", "1", "-n", "ESP", "-i", volume_number(digest), f"--offset={one.esp.start // SECTOR}",
                     disk, str(one.esp.size >> 10)], action, env, log)
    build_tools.run(["mmd", "-i", at, "::/EFI", "::/EFI/BOOT"], action, env, log)
    for firmware in FIRMWARE[architecture]:
        core = f"{stage}/{firmware.target}.img"
        build_tools.run(["grub-mkimage", "-O", firmware.target, "-o", core, "-c", f"{stage}/early.cfg", "-p", "/boot/grub", *_COMMON, *firmware.modules],
                        action, env, log)
        if firmware.file:
            build_tools.run(["mcopy", "-i", at, core, f"::/EFI/BOOT/{firmware.file}"], action, env, log)
        else:
            embed(disk, one, _read(f"{GRUB}/{firmware.target}/boot.img"), _read(core))


def _read(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read()


def embed(disk: str, one: Layout, boot: bytes, core: bytes) -> None:
    """Write GRUB's two parts for BIOS: boot.img to the first sector, core.img to the BIOS boot partition.

    boot.img has at 0x5c the sector of core.img; core.img's first sector has at 0x1f4 where the rest is: sector, count, segment
    (grub-core/boot/i386/pc/boot.S, diskboot.S). Partition table and disk signature, from byte 440 on, stay. Raises Failure.
    """
    core += b"\0" * (-len(core) % SECTOR)
    if len(boot) != SECTOR or len(core) < 2 * SECTOR or len(core) > one.bios.size:
        raise Failure("make the disk start with BIOS", f"GRUB's images have {len(boot)} and {len(core)} bytes", "Install grub-pc-bin anew")
    sector = one.bios.start // SECTOR
    code = bytearray(boot[:440])
    struct.pack_into("<Q", code, 0x5C, sector)
    head = bytearray(core[:SECTOR])
    struct.pack_into("<QHH", head, 0x1F4, sector + 1, len(core) // SECTOR - 1, 0x820)
    with open(disk, "r+b") as handle:
        handle.write(code)
        handle.seek(one.bios.start)
        handle.write(bytes(head) + core[SECTOR:])
