# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Virtual machines for a package: hardware that the guest's kernel can drive, and what cloud-init asks for."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import (
    CARDS,
    CONTROLLERS,
    TRANSPORTS,
    Card,
    Controller,
    Disk,
    Drive,
    Envelope,
    File,
    Network,
    Product,
    Property,
    System,
)

_PLACES = {"ide": 2, "scsi": 16, "sata": 30}
_SCSI_HOST = 7  # the controller's own place on its bus
# CIM_OperatingSystem.OsType: platform -> 32 and 64 bits
_SYSTEMS = {"el": (79, 80), "debian": (95, 96), "ubuntu": (93, 94)}
_CODENAMES = {"bullseye": "debian", "bookworm": "debian", "trixie": "debian", "jammy": "ubuntu", "noble": "ubuntu"}
_LINUX = (36, 101)
OLD_SYSTEMS = frozenset(numbers[0] for numbers in (*_SYSTEMS.values(), _LINUX))
"""Of 32 bits."""
_MEMORY = 1024

# What cloud-init reads from the OVF environment, and what a person is told who deploys the image.
CLOUD_INIT = (
    Property("instance-id", "", "string", "Instance id", "Changes when the machine is to be set up anew"),
    Property("hostname", "", "string", "Host name", "Name of the machine"),
    Property("public-keys", "", "string", "SSH public key", "Who may log in as the default user"),
    Property("password", "", "string", "Password", "Of the default user, to be changed at the first login", True, True),
    Property("user-data", "", "string", "User data", "A cloud-config or a script, in base64"),
    Property("seedfrom", "", "string", "Seed address", "URL below which meta-data and user-data are fetched"),
    Property("network-config", "", "string", "Network configuration", "Of cloud-init, version 1 or 2, in base64"),
)


class Storage(t.NamedTuple):
    """A controller asked for. bus: a key of CONTROLLERS; model: one of its values, or empty for the bus' usual one."""

    bus: str = "ide"
    model: str = ""


def machine(disks: t.Sequence[str], storage: Storage, cdrom: t.Optional[Storage]) -> t.Tuple[t.Tuple[Controller, ...], t.Tuple[Drive, ...]]:
    """Controllers and drives for disks, by their ids, and a CD-ROM drive. Drives have their places in the order they are given."""
    controllers: t.List[Controller] = []
    drives = []
    taken: t.List[int] = []
    wanted = [("disk", disk, storage) for disk in disks] + ([("cdrom", "", cdrom)] if cdrom else [])
    for kind, disk, on in wanted:
        model = on.model or CONTROLLERS[on.bus][0]
        place = _free(controllers, taken, on.bus, model)
        if place is None:
            number = sum(one.bus == on.bus for one in controllers)
            if number >= (2 if on.bus == "ide" else 4):
                raise Failure("plan the hardware", f"there are more drives on {on.bus} than a machine has places for", "Use scsi for the disks")
            controllers.append(Controller(on.bus, model, number))
            taken.append(0)
            place = len(controllers) - 1
        drives.append(Drive(kind, place, taken[place], disk))
        taken[place] += 2 if on.bus == "scsi" and taken[place] + 1 == _SCSI_HOST else 1
    return tuple(controllers), tuple(drives)


def _free(controllers: t.Sequence[Controller], taken: t.Sequence[int], bus: str, model: str) -> t.Optional[int]:
    for place, controller in enumerate(controllers):
        if (controller.bus, controller.model) == (bus, model) and taken[place] < _PLACES[bus]:
            return place
    return None


def from_cell(cell: t.Mapping[str, t.Any], disk_name: str, disk_size: t.Optional[int] = None) -> Envelope:
    """The package of one image of the build, with one disk.

    cell: the build's ``image.json``; disk_name: name of its streamOptimized VMDK in the package; disk_size: bytes of that file,
    filled in at packing. Everything is on IDE, which every hypervisor has and every kernel drives (Debian's cloud kernel has no
    driver for lsilogic, AHCI or e1000); the network card is vmxnet3.
    """
    disk = cell["disk"]
    if not disk:
        raise Failure(f"pack {cell['name']}", "it is a container image, which has no disk", "Pack a generic or ec2 image")
    controllers, drives = machine(["disk1"], Storage(), Storage())
    name = f"{cell['name']}-{cell['variant']}"
    product = Product(cell["name"], "", cell["release"], "", CLOUD_INIT)
    system = System(
        name, name, os_type(cell["platform"], cell["architecture"]), f"{cell['platform']} {cell['architecture']}".strip(), 1,
        max(disk["minimum_memory"], _MEMORY), "vmx-10", "" if "bios" in disk["boot"] else "efi", TRANSPORTS, controllers, drives,
        (Card("default", CARDS[0]),), (product,),
    )
    return Envelope((system,), (File("file1", disk_name, disk_size),), (Disk("disk1", disk["virtual_size"], "file1"),), (Network("default"),))


def os_type(platform: str, architecture: str) -> int:
    """The number of CIM_OperatingSystem.OsType for a platform of a release manifest: Linux when it is none that has a number."""
    family = "el" if platform.startswith("el") else _CODENAMES.get(platform, platform.rstrip("0123456789."))
    return _SYSTEMS.get(family, _LINUX)[architecture not in ("i686", "i386")]
