# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Whether the kernel in a disk can drive the hardware a package asks for: otherwise it boots nowhere, or sees no CD-ROM."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Envelope, Problem

# ResourceSubType in lower case -> the options of a kernel that has a driver, any one of them
_STORAGE = {
    "piix4": ("ATA_PIIX", "ATA_GENERIC"), "piix3": ("ATA_PIIX", "ATA_GENERIC"), "lsilogic": ("FUSION_SPI", "SCSI_SYM53C8XX_2"), "lsilogicsas": ("FUSION_SAS",),
    "buslogic": ("SCSI_BUSLOGIC",), "virtualscsi": ("VMWARE_PVSCSI",), "virtio-scsi": ("SCSI_VIRTIO",), "ahci": ("SATA_AHCI",),
}
_CARDS = {"vmxnet3": ("VMXNET3",), "virtio": ("VIRTIO_NET",), "e1000": ("E1000",), "pcnet32": ("PCNET32",)}
_KINDS = {"disk": "BLK_DEV_SD", "cdrom": "BLK_DEV_SR"}
_BUSES = {"ide": "piix4", "sata": "ahci"}  # when no model is said


def judge(envelope: Envelope, configuration: str) -> t.Tuple[Problem, ...]:
    """What a kernel cannot drive. configuration: its ``/boot/config-*``. Models that are not known here are not judged."""
    known = set(re.findall(r"^CONFIG_(\w+)=[ym]$", configuration, re.MULTILINE))
    problems = []
    for system in envelope.systems:
        for drive in system.drives:
            controller = system.controllers[drive.controller] if drive.controller >= 0 else None
            model = (controller.model.lower() or _BUSES.get(controller.bus, "")) if controller else ""
            if _KINDS[drive.kind] not in known or (model in _STORAGE and not known.intersection(_STORAGE[model])):
                on = (controller.model or controller.bus) if controller else "no controller"
                problems.append(_problem(system.id, f"{drive.kind} on {on}", "ide, VirtualSCSI or virtio-scsi"))
        for card in system.cards:
            if card.model.lower() in _CARDS and not known.intersection(_CARDS[card.model.lower()]):
                problems.append(_problem(system.id, f"{card.model} network card", "VmxNet3 or virtio"))
    return tuple(problems)


def _problem(system: str, what: str, instead: str) -> Problem:
    return Problem("no-driver", f"the kernel has no driver for the {what} of {system[:60]!r}", f"Choose {instead}, or another kernel")
