# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The hardware of a virtual system, read from its items; OVF 2.0's items of storage and of Ethernet are the same to it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Card, Controller, Drive, Problem
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_write import BUSES, CDROM, CPU, DISK, ETHERNET, MEMORY, VMWARE
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_xml import Node

_ITEMS = ("Item", "StorageItem", "EthernetPortItem")
_KINDS = {number: bus for bus, number in BUSES.items()}
_DVD = 16  # as some writers call the CD-ROM
_MEBIBYTES = {"byte * 2^20": 1, "megabytes": 1, "mb": 1, "byte * 2^30": 1 << 10, "gigabytes": 1 << 10, "gb": 1 << 10}
_HOST_RESOURCE = re.compile(r"(?:ovf:)?/{1,2}(?P<kind>disk|file)/(?P<id>.+)")
_REMEDY = "Export the package again"


class Hardware:
    """What the hardware sections of a system say. Where there are several they are alternatives, and the first one counts."""

    def __init__(self, sections: t.Sequence[Node], uri: str) -> None:
        self.problems: t.List[Problem] = []
        self.cpus, self.memory, self.platform, self.firmware = 1, 512, "", ""
        self.transports: t.Tuple[str, ...] = ()
        self.controllers: t.List[Controller] = []
        self.drives: t.List[Drive] = []
        self.cards: t.List[Card] = []
        self.other: t.List[str] = []
        self._places: t.Dict[str, int] = {}
        if not sections:
            self.problems.append(Problem("no-hardware", "a virtual system has no hardware", _REMEDY))
            return
        section = sections[0]
        self.transports = tuple(section.get("transport", uri).split())
        for system in section.nodes("System"):
            self.platform = system.text("VirtualSystemType")
        items = [node for node in section.nodes() if node.local in _ITEMS]
        # Controllers first: a drive may stand before what it hangs on.
        for node in sorted(items, key=lambda node: _kind(node) not in _KINDS):
            self._take(node)
        for node in section.nodes("Config"):
            if node.get("key", VMWARE) == "firmware":
                self.firmware = node.get("value", VMWARE)

    def _take(self, node: Node) -> None:
        kind = _kind(node)
        if kind == CPU:
            self.cpus = self._number(node, "VirtualQuantity", 1)
        elif kind == MEMORY:
            unit = node.text("AllocationUnits").lower() or "byte * 2^20"
            if unit not in _MEBIBYTES:
                self.problems.append(Problem("unit", f"the memory's unit is {unit[:40]!r}", _REMEDY))
            self.memory = self._number(node, "VirtualQuantity", 512) * _MEBIBYTES.get(unit, 1)
        elif kind in _KINDS:
            self._places[node.text("InstanceID")] = len(self.controllers)
            self.controllers.append(Controller(_KINDS[kind], node.text("ResourceSubType"), self._number(node, "Address", 0)))
        elif kind in (DISK, CDROM, _DVD):
            self._drive(node, "disk" if kind == DISK else "cdrom")
        elif kind == ETHERNET:
            self.cards.append(Card(node.text("Connection"), node.text("ResourceSubType")))
        else:
            self.other.append(node.text("ElementName") or node.text("Description") or f"resource type {node.text('ResourceType')}")

    def _drive(self, node: Node, kind: str) -> None:
        parent, resource = node.text("Parent"), node.text("HostResource")
        if parent and parent not in self._places:
            self.problems.append(Problem("reference", f"a drive hangs on instance {parent[:40]!r}, which is no controller", _REMEDY))
        match = _HOST_RESOURCE.fullmatch(resource)
        if resource and not match:
            self.problems.append(Problem("reference", f"a drive has {resource[:60]!r}, which is neither a disk nor a file of the package", _REMEDY))
        of_kind, name = (match["kind"], match["id"]) if match else ("", "")
        self.drives.append(Drive(kind, self._places.get(parent, -1), self._number(node, "AddressOnParent", 0), name if of_kind == "disk" else "",
                                 name if of_kind == "file" else ""))

    def _number(self, node: Node, name: str, default: int) -> int:
        text = node.text(name)
        if not text:
            return default
        if re.fullmatch("[0-9]{1,9}", text):
            return int(text)
        self.problems.append(Problem("number", f"the {name} of {node.text('ElementName')[:40]!r} is {text[:40]!r}, not a number", _REMEDY))
        return default


def _kind(node: Node) -> int:
    text = node.text("ResourceType")
    return int(text) if re.fullmatch("[0-9]{1,5}", text) else 0
