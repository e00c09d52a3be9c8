# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What an OVF package describes: virtual systems, their hardware, disks and files (DMTF DSP0243)."""

from __future__ import annotations

import typing as t

# Bus of a storage controller -> the models a package may ask for, the first one unless it says otherwise.
CONTROLLERS: t.Dict[str, t.Tuple[str, ...]] = {
    "ide": ("PIIX4", "PIIX3"),
    "scsi": ("lsilogic", "lsilogicsas", "buslogic", "VirtualSCSI", "virtio-scsi"),
    "sata": ("AHCI",),
}
CARDS = ("VmxNet3", "virtio", "E1000", "PCNet32")
# Format URIs of disks; the first is the one every importer takes.
STREAM_OPTIMIZED = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
# How a guest finds the properties: on a CD-ROM, or through the tools of the hypervisor.
TRANSPORTS = ("iso", "com.vmware.guestInfo")


class Problem(t.NamedTuple):
    """A rule that a package breaks. rule: its id in docs/ovf.md; what: what was found; remedy: what to do."""

    rule: str
    what: str
    remedy: str
    severity: str = "error"


class File(t.NamedTuple):
    """A file of the package. name: as References has it, a plain file name; size: bytes, None when it is not said."""

    id: str
    name: str
    size: t.Optional[int] = None


class Disk(t.NamedTuple):
    """A virtual disk. file: id of its File, empty for a disk that starts blank; capacity: bytes; format: a URI."""

    id: str
    capacity: int
    file: str = ""
    format: str = STREAM_OPTIMIZED


class Network(t.NamedTuple):
    """A network the importer connects to one of the site's."""

    name: str
    description: str = ""


class Property(t.NamedTuple):
    """A value a person sets at deployment. kind: the type's word in OVF, such as ``string`` or ``uint16``."""

    key: str
    value: str = ""
    kind: str = "string"
    label: str = ""
    description: str = ""
    user_configurable: bool = True
    password: bool = False


class Product(t.NamedTuple):
    """What runs in a system, and its properties. name_class and instance: prefix and suffix of the keys in the guest."""

    product: str = ""
    vendor: str = ""
    version: str = ""
    url: str = ""
    properties: t.Tuple[Property, ...] = ()
    name_class: str = ""
    instance: str = ""


class Controller(t.NamedTuple):
    """A storage controller. bus: a key of CONTROLLERS; model: as written in ResourceSubType; address: its number on the machine."""

    bus: str
    model: str
    address: int = 0


class Drive(t.NamedTuple):
    """A drive. kind: ``disk`` or ``cdrom``; controller: place in the system's controllers, -1 when it names none; address: its
    place on the controller; disk: id of its Disk; file: id of a File in it. Both are empty for an empty drive."""

    kind: str
    controller: int
    address: int = 0
    disk: str = ""
    file: str = ""


class Card(t.NamedTuple):
    """A network card. network: name of a Network; model: as written in ResourceSubType."""

    network: str
    model: str = CARDS[0]


class System(t.NamedTuple):
    """A virtual system. os: number in CIM_OperatingSystem.OsType; memory: MiB; platform: types of virtual hardware, such as
    ``vmx-10``; firmware: ``bios``, ``efi``, or empty when it does not say; other: hardware that is none of these, described."""

    id: str
    name: str = ""
    os: int = 0
    os_description: str = ""
    cpus: int = 1
    memory: int = 512
    platform: str = ""
    firmware: str = ""
    transports: t.Tuple[str, ...] = ()
    controllers: t.Tuple[Controller, ...] = ()
    drives: t.Tuple[Drive, ...] = ()
    cards: t.Tuple[Card, ...] = ()
    products: t.Tuple[Product, ...] = ()
    other: t.Tuple[str, ...] = ()


class Envelope(t.NamedTuple):
    """A whole package. version: ``1.1`` or ``2.0``; name: of the collection when there are several systems; licence: a text the
    importer shows and has accepted."""

    systems: t.Tuple[System, ...]
    files: t.Tuple[File, ...] = ()
    disks: t.Tuple[Disk, ...] = ()
    networks: t.Tuple[Network, ...] = ()
    version: str = "1.1"
    name: str = ""
    licence: str = ""
