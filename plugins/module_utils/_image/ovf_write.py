# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The descriptor of a package, written: OVF 1.1 (DSP0243 1.1.0), or 2.0 with the hardware elements both versions have."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import (
    CARDS,
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
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_xml import Node, serialize

ENVELOPES = {"1.1": "http://schemas.dmtf.org/ovf/envelope/1", "2.0": "http://schemas.dmtf.org/ovf/envelope/2"}
_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
RASD, VSSD = f"{_CIM}CIM_ResourceAllocationSettingData", f"{_CIM}CIM_VirtualSystemSettingData"
VMWARE = "http://www.vmware.com/schema/ovf"
# CIM_ResourceAllocationSettingData.ResourceType
CPU, MEMORY, ETHERNET, CDROM, DISK = 3, 4, 10, 15, 17
BUSES = {"ide": 5, "scsi": 6, "sata": 20}


def descriptor(envelope: Envelope) -> bytes:
    """The bytes of the .ovf file. The same envelope always gives the same bytes."""
    return serialize(_envelope(envelope))


def _envelope(envelope: Envelope) -> Node:
    several = len(envelope.systems) > 1 or bool(envelope.name)
    systems = [_system(system, envelope) for system in envelope.systems]
    root = Node("Envelope", {
        "xmlns": ENVELOPES[envelope.version], "xmlns:ovf": ENVELOPES[envelope.version], "xmlns:rasd": RASD, "xmlns:vssd": VSSD, "xmlns:vmw": VMWARE,
        "xml:lang": "en-US",
    }, Node("References", {}, *[_file(file) for file in envelope.files]))
    if envelope.disks:
        root.children.append(_section("DiskSection", "Virtual disks of the package", *[_disk(disk) for disk in envelope.disks]))
    if envelope.networks:
        root.children.append(_section("NetworkSection", "Networks the systems are connected to", *[_network(network) for network in envelope.networks]))
    licence = [_section("EulaSection", "Licence", _text("License", envelope.licence))] if envelope.licence else []
    if several:
        info = _text("Info", "Systems that are deployed together")
        root.children.append(Node("VirtualSystemCollection", {"ovf:id": envelope.name or "systems"}, info, *licence, *systems))
    else:
        systems[0].children += licence
        root.children += systems
    return root


def _file(file: File) -> Node:
    return Node("File", {"ovf:href": file.name, "ovf:id": file.id, **({} if file.size is None else {"ovf:size": str(file.size)})})


def _disk(disk: Disk) -> Node:
    reference = {"ovf:fileRef": disk.file} if disk.file else {}
    return Node("Disk", {"ovf:capacity": str(disk.capacity), "ovf:diskId": disk.id, **reference, "ovf:format": disk.format})


def _network(network: Network) -> Node:
    return Node("Network", {"ovf:name": network.name}, _text("Description", network.description or f"The network {network.name}"))


def _system(system: System, envelope: Envelope) -> Node:
    system_type = [_text("vssd:VirtualSystemType", system.platform)] if system.platform else []
    hardware = Node(
        "VirtualHardwareSection", {"ovf:transport": " ".join(system.transports)} if system.transports else {}, _text("Info", "Virtual hardware"),
        Node("System", {}, _text("vssd:ElementName", "Virtual hardware family"), _text("vssd:InstanceID", "0"),
             _text("vssd:VirtualSystemIdentifier", system.name or system.id), *system_type),
        *_items(system, envelope),
    )
    if system.firmware:
        hardware.children.append(Node("vmw:Config", {"ovf:required": "false", "vmw:key": "firmware", "vmw:value": system.firmware}))
    operating = _section("OperatingSystemSection", "Operating system", *([_text("Description", system.os_description)] if system.os_description else []))
    operating.attributes["ovf:id"] = str(system.os)
    name = [_text("Name", system.name)] if system.name else []
    return Node("VirtualSystem", {"ovf:id": system.id}, _text("Info", "A virtual system"), *name, *[_product(product) for product in system.products],
                operating, hardware)


def _product(product: Product) -> Node:
    attributes = {key: value for key, value in (("ovf:class", product.name_class), ("ovf:instance", product.instance)) if value}
    told = [("Product", product.product), ("Vendor", product.vendor), ("Version", product.version), ("ProductUrl", product.url)]
    return Node("ProductSection", attributes, _text("Info", "The product, and what it is told at deployment"),
                *[_text(name, value) for name, value in told if value], *[_property(one) for one in product.properties])


def _property(one: Property) -> Node:
    attributes = {"ovf:key": one.key, "ovf:type": one.kind, "ovf:userConfigurable": "true" if one.user_configurable else "false", "ovf:value": one.value}
    if one.password:
        attributes["ovf:password"] = "true"
    told = [("Label", one.label), ("Description", one.description)]
    return Node("Property", attributes, *[_text(name, value) for name, value in told if value])


def _items(system: System, envelope: Envelope) -> t.Iterator[Node]:
    """Hardware, in the order of what it hangs on: instance 1 is the CPU, 2 the memory, then controllers, drives, cards."""
    yield _item(1, CPU, f"{system.cpus} virtual CPU", AllocationUnits="hertz * 10^6", VirtualQuantity=str(system.cpus))
    yield _item(2, MEMORY, f"{system.memory} MiB of memory", AllocationUnits="byte * 2^20", VirtualQuantity=str(system.memory))
    for number, controller in enumerate(system.controllers):
        yield _controller(3 + number, controller)
    instance = 3 + len(system.controllers)
    for number, drive in enumerate(system.drives):
        yield _drive(instance + number, number, drive)
    instance += len(system.drives)
    networks = {network.name: network for network in envelope.networks}
    for number, card in enumerate(system.cards):
        yield _card(instance + number, number, card, networks[card.network])


def _controller(instance: int, controller: Controller) -> Node:
    name = f"{controller.bus.upper()} controller {controller.address}"
    return _item(instance, BUSES[controller.bus], name, Address=str(controller.address), ResourceSubType=controller.model)


def _drive(instance: int, number: int, drive: Drive) -> Node:
    told = {}
    if drive.controller >= 0:
        told = {"AddressOnParent": str(drive.address), "Parent": str(3 + drive.controller)}
    if drive.disk or drive.file:
        told["HostResource"] = f"ovf:/disk/{drive.disk}" if drive.disk else f"ovf:/file/{drive.file}"
    if drive.kind == "cdrom":
        told["AutomaticAllocation"] = "true" if drive.file else "false"
    return _item(instance, DISK if drive.kind == "disk" else CDROM, f"{'Disk' if drive.kind == 'disk' else 'CD-ROM drive'} {number}", **told)


def _card(instance: int, number: int, card: Card, network: Network) -> Node:
    return _item(instance, ETHERNET, f"Network card {number}", AutomaticAllocation="true", Connection=network.name, ResourceSubType=card.model or CARDS[0])


def _item(instance: int, kind: int, name: str, **told: str) -> Node:
    """Hardware. The schema takes the properties in the order of the alphabet alone."""
    everything = {"ElementName": name, "InstanceID": str(instance), "ResourceType": str(kind), **told}
    return Node("Item", {}, *[_text(f"rasd:{key}", everything[key]) for key in sorted(everything)])


def _section(name: str, info: str, *children: Node) -> Node:
    return Node(name, {}, _text("Info", info), *children)


def _text(name: str, text: str) -> Node:
    return Node(name, {}, text)
