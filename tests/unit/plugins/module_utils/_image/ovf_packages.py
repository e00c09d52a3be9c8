# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An invented package for the tests: one machine, one disk of 64 MiB, everything of the model used once."""

from __future__ import annotations

import struct
from pathlib import Path

from ansible_collections.egi.cmd.plugins.module_utils._image import ova
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_build import CLOUD_INIT, Storage, machine
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import TRANSPORTS, Card, Disk, Envelope, File, Network, Product, System

CAPACITY = 64 << 20
STEM, DISK = "alpha", "alpha-disk1.vmdk"


def vmdk(capacity: int = CAPACITY, descriptor: str = 'parentCID=ffffffff\nRDONLY 131072 SPARSE "alpha-disk1.vmdk"\n', tail: bytes = b"grains") -> bytes:
    """The beginning of a sparse VMDK as qemu-img writes one: header in the first sector, descriptor in the second."""
    header = struct.pack("<4sIIQQQQ", b"KDMV", 3, 0x30001, capacity // 512, 128, 1, 20)
    return header.ljust(512, b"\0") + f"# Disk DescriptorFile\nversion=1\n{descriptor}".encode().ljust(20 * 512, b"\0") + tail


def envelope() -> Envelope:
    """As the build makes it."""
    controllers, drives = machine(["disk1"], Storage(), Storage())
    system = System("alpha", "Alpha", 96, "Debian", 2, 1024, "vmx-10", "", TRANSPORTS, controllers, drives, (Card("default"),),
                    (Product("Alpha", "Example", "1.0", "https://www.example.org/", CLOUD_INIT),))
    return Envelope((system,), (File("file1", DISK),), (Disk("disk1", CAPACITY, "file1"),), (Network("default", "The network"),))


def packed(folder: Path, digest: str = "sha256") -> Path:
    """A good OVA."""
    disk = folder / DISK
    disk.write_bytes(vmdk())
    path = folder / f"{STEM}.ova"
    ova.write(str(path), ova.parts(STEM, envelope(), {DISK: str(disk)}, digest), 1763596800)
    return path
