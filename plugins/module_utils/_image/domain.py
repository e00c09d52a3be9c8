# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A package's system as a domain of libvirt, and a domain as a system. What the other side cannot say is named, not dropped silently."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_build import OLD_SYSTEMS, Storage, machine
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import CONTROLLERS, Card, Drive, Envelope, System
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_xml import Node, Refused, parse, serialize

# Words of OVF (in lower case) -> words of libvirt
_SCSI = {"": "lsilogic", "lsilogic": "lsilogic", "lsilogicsas": "lsisas1068", "buslogic": "buslogic", "virtualscsi": "vmpvscsi", "virtio-scsi": "virtio-scsi"}
_CARDS = {"": "e1000", "vmxnet3": "vmxnet3", "virtio": "virtio", "e1000": "e1000", "pcnet32": "pcnet"}
_CARDS_BACK = {"vmxnet3": "VmxNet3", "virtio": "virtio", "e1000": "E1000", "pcnet": "PCNet32"}
_PREFIXES = {"ide": "hd", "scsi": "sd", "sata": "sd"}
_UNITS = {"b": 1, "bytes": 1, "k": 1 << 10, "KiB": 1 << 10, "KB": 1000, "M": 1 << 20, "MiB": 1 << 20, "MB": 10 ** 6, "G": 1 << 30,
          "GiB": 1 << 30, "GB": 10 ** 9}
_NEUTRAL = ("emulator", "disk", "controller", "interface", "console", "serial", "input", "graphics", "video", "memballoon", "rng", "channel", "audio", "sound")


class Found(t.NamedTuple):
    """A domain read. disks: paths of its disks in the order of the system's drives; lost: devices that a package cannot describe."""

    system: System
    disks: t.Tuple[str, ...]
    lost: t.Tuple[str, ...]


def architecture(system: System) -> str:
    """The machine a system's operating system is for, as far as its number says."""
    return "i686" if system.os in OLD_SYSTEMS else "x86_64"


def write(envelope: Envelope, system: System, folder: str, architecture: str = "x86_64", kind: str = "kvm") -> bytes:
    """The domain of a system. folder: where the package's files are; kind: libvirt's type of domain."""
    names = {disk.id: file.name for disk in envelope.disks for file in envelope.files if file.id == disk.file}
    names.update({file.id: file.name for file in envelope.files})
    # A machine of type q35 has no IDE.
    operating = Node("os", {"firmware": "efi"} if system.firmware == "efi" else {}, Node("type", {"arch": architecture, "machine": "pc"}, "hvm"),
                     Node("boot", {"dev": "hd"}))
    controllers = [
        Node("controller", {"type": one.bus, "index": str(one.address), **({"model": _SCSI.get(one.model.lower(), "lsilogic")} if one.bus == "scsi" else {})})
        for one in system.controllers
    ]
    letters: t.Dict[str, int] = {}
    drives = [_drive(system, drive, os.path.join(folder, names[drive.disk or drive.file]) if drive.disk in names or drive.file in names else "", letters)
              for drive in system.drives]
    cards = [Node("interface", {"type": "network"}, Node("source", {"network": card.network}), Node("model", {"type": _CARDS.get(card.model.lower(), "e1000")}))
             for card in system.cards]
    return serialize(Node(
        "domain", {"type": kind}, Node("name", {}, system.name or system.id), Node("memory", {"unit": "MiB"}, str(system.memory)),
        Node("vcpu", {}, str(system.cpus)), operating, Node("features", {}, Node("acpi")),
        Node("devices", {}, *drives, *controllers, *cards, Node("serial", {"type": "pty"}), Node("console", {"type": "pty"})),
    ))


def _drive(system: System, drive: Drive, path: str, letters: t.Dict[str, int]) -> Node:
    controller = system.controllers[drive.controller] if drive.controller >= 0 else None
    bus = controller.bus if controller else "ide"
    prefix = _PREFIXES[bus]
    letter = letters[prefix] = letters.get(prefix, -1) + 1
    node = Node("disk", {"type": "file", "device": drive.kind}, Node("driver", {"name": "qemu", "type": "vmdk" if path.endswith(".vmdk") else "raw"}))
    if path:
        node.children.append(Node("source", {"file": path}))
    node.children.append(Node("target", {"dev": f"{prefix}{chr(ord('a') + letter)}", "bus": bus}))
    if drive.kind == "cdrom":
        node.children.append(Node("readonly"))
    if controller:
        # libvirt's IDE is one controller with two buses of two places each.
        place = {"controller": "0", "bus": str(controller.address), "unit": str(drive.address)} if bus == "ide" else {
            "controller": str(controller.address), "bus": "0", "unit": str(drive.address)}
        node.children.append(Node("address", {"type": "drive", **place}))
    return node


def read(data: bytes) -> Found:
    """A domain as virsh dumpxml writes it. Only disks that are files can be packed."""
    try:
        root = parse(data)
    except Refused as refused:
        raise Failure("read the domain", f"{refused.problem.rule}: {refused.problem.what}", refused.problem.remedy) from refused
    if root.name != "domain":
        raise Failure("read the domain", f"it is <{root.name[:40]}>", "Give what virsh dumpxml writes")
    devices = (root.nodes("devices") or [Node("devices")])[0]
    disks = [node for node in devices.nodes("disk") if node.attributes.get("device", "disk") == "disk"]
    paths = tuple(_path(node) for node in disks)
    storage = _storage(disks, devices)
    cdroms = [node for node in devices.nodes("disk") if node.attributes.get("device") == "cdrom"]
    controllers, drives = machine([f"disk{number}" for number in range(1, len(paths) + 1)], storage, Storage() if cdroms else None)
    operating = (root.nodes("os") or [Node("os")])[0]
    firmware = "efi" if operating.attributes.get("firmware") == "efi" or operating.nodes("loader") else ""
    cards = tuple(_card(node) for node in devices.nodes("interface"))
    lost = tuple(f"{node.name} {node.attributes.get('type', '')}".strip() for node in devices.nodes() if node.name not in _NEUTRAL)
    name = root.text("name")
    system = System(name, name, cpus=int(_whole(root.text("vcpu"), "vcpu")), memory=_memory(root), firmware=firmware,
                    controllers=controllers, drives=drives, cards=cards)
    return Found(system, paths, lost)


def _path(node: Node) -> str:
    source = (node.nodes("source") or [Node("source")])[0]
    path = source.attributes.get("file", "")
    if node.attributes.get("type") != "file" or not path:
        raise Failure("read the domain", f"a disk of it is of the type {node.attributes.get('type')!r}, not a file", "Copy the disk into a file first")
    return path


def _storage(disks: t.Sequence[Node], devices: Node) -> Storage:
    """The bus all disks are on. A package has no virtio disk, virtio-scsi is what drives it there."""
    buses = {target.attributes.get("bus", "") for node in disks for target in node.nodes("target")}
    if len(buses) > 1:
        raise Failure("read the domain", f"its disks are on {' and '.join(sorted(buses))}", "Put all disks on the same bus")
    bus = buses.pop() if buses else "ide"
    if bus == "virtio":
        return Storage("scsi", "virtio-scsi")
    if bus not in CONTROLLERS:
        raise Failure("read the domain", f"its disks are on {bus!r}", f"Use one of {', '.join(CONTROLLERS)} or virtio")
    models = [node.attributes.get("model", "") for node in devices.nodes("controller") if node.attributes.get("type") == bus]
    back = {theirs: ours for ours in CONTROLLERS["scsi"] for word, theirs in _SCSI.items() if word == ours.lower()}
    return Storage(bus, back.get(models[0], "") if models else "")


def _card(node: Node) -> Card:
    source = (node.nodes("source") or [Node("source")])[0]
    model = (node.nodes("model") or [Node("model")])[0].attributes.get("type", "")
    return Card(source.attributes.get("network") or source.attributes.get("bridge") or "default", _CARDS_BACK.get(model, "E1000"))


def _memory(root: Node) -> int:
    unit = next((node.attributes.get("unit", "KiB") for node in root.nodes("memory")), "KiB")
    if unit not in _UNITS:
        raise Failure("read the domain", f"its memory is in {unit[:20]!r}", "Write it in MiB")
    return max(1, int(_whole(root.text("memory"), "memory")) * _UNITS[unit] >> 20)


def _whole(text: str, what: str) -> str:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Failure("read the domain", f"its {what} is {text[:40]!r}, not a number", "Give what virsh dumpxml writes")
    return text
