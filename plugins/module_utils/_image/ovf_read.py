# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The descriptor of a package, read: what it says as a model, and every rule it breaks."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Disk, Envelope, File, Network, Problem, Product, Property, System
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_read_hardware import Hardware
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_write import ENVELOPES
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_xml import Node, Refused, parse

_LARGEST_DISK = 1 << 46  # 64 TiB: beyond what any hypervisor takes, so a number made to exhaust something
_PLAIN_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,100}")
_UNIT = re.compile(r"byte(?:\s*\*\s*(?P<base>2|10)\s*\^\s*(?P<power>[0-9]{1,2}))?")
# Names of units from before OVF 1.1, which writers still use.
_OLD_UNITS = {"bytes": 1, "kilobytes": 1 << 10, "megabytes": 1 << 20, "gigabytes": 1 << 30, "terabytes": 1 << 40}


def read(data: bytes) -> t.Tuple[t.Optional[Envelope], t.Tuple[Problem, ...]]:
    """The envelope of a descriptor and its problems; None when it is no envelope at all."""
    try:
        root = parse(data)
        version = _version(root)
    except Refused as refused:
        return None, (refused.problem,)
    reader = _Reader(root, version)
    return reader.envelope(), tuple(reader.problems)


def name_problem(name: str) -> t.Optional[Problem]:
    """Why a name must not be used for a file of a package; None for a plain file name."""
    shown = repr(name[:80])
    remedy = "Do not use this package: a name leads out of its directory, or hides what it is"
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return Problem("name-absolute", f"the file name {shown} is absolute", remedy)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", name):
        return Problem("href-remote", f"the file {shown} is somewhere on the network", "Fetch it by hand and pack it again: nothing is ever downloaded here")
    if ".." in re.split(r"[/\\]", name):
        return Problem("name-parent", f"the file name {shown} leads upwards", remedy)
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", name):
        return Problem("name-control", f"the file name {shown} has control characters", remedy)
    if "/" in name or "\\" in name:
        return Problem("name-nested", f"the file name {shown} has directories", "Pack it again: the files of a package are all in one place")
    if not _PLAIN_NAME.fullmatch(name) or name.startswith(".") or name != name.strip():
        return Problem("name-form", f"the file name {shown} is empty, hidden, too long or has blanks around it", remedy)
    return None


def _version(root: Node) -> str:
    for version, uri in ENVELOPES.items():
        if root.local == "Envelope" and root.uri == uri:
            return version
    what = f"it is <{root.local[:40]}> of the namespace {root.uri[:80]!r}, not an envelope of OVF {' or '.join(ENVELOPES)}"
    raise Refused(Problem("not-an-envelope", what, "Export it again as OVF 1.1"))


class _Reader:
    """One pass over a descriptor; collects problems instead of stopping at the first."""

    def __init__(self, root: Node, version: str) -> None:
        self.problems: t.List[Problem] = []
        self._root, self._version, self._uri = root, version, ENVELOPES[version]
        self._seen: t.Set[t.Tuple[str, str]] = set()

    def envelope(self) -> Envelope:
        """All of it."""
        files = tuple(self._file(node) for part in self._root.nodes("References") for node in part.nodes("File"))
        disks = tuple(self._disk(node) for part in self._root.nodes("DiskSection") for node in part.nodes("Disk"))
        networks = tuple(self._network(node) for part in self._root.nodes("NetworkSection") for node in part.nodes("Network"))
        collections = self._root.nodes("VirtualSystemCollection")
        systems = tuple(self._system(node) for node in _systems(self._root))
        if not systems:
            self._found("no-system", "it has no VirtualSystem", "Export the package again")
        found = Envelope(systems, files, disks, networks, self._version, collections[0].get("id", self._uri) if collections else "", _licence(self._root))
        self._judge_references(found)
        return found

    def _found(self, rule: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(rule, what, remedy))

    def _unique(self, kind: str, name: str) -> str:
        if (kind, name) in self._seen:
            self._found("duplicate-id", f"two {kind}s are called {name[:60]!r}", "Export the package again")
        self._seen.add((kind, name))
        return name

    def _number(self, text: str, what: str) -> int:
        if re.fullmatch("[0-9]{1,19}", text):
            return int(text)
        self._found("number", f"{what} is {text[:40]!r}, not a number", "Export the package again")
        return 0

    def _file(self, node: Node) -> File:
        name = node.get("href", self._uri)
        problem = name_problem(name)
        if problem:
            self.problems.append(problem)
        if node.get("chunkSize", self._uri):
            self._found("chunked", f"the file {name[:80]!r} is in chunks", "Join them and pack the package again")
        if node.get("compression", self._uri) not in ("", "identity"):
            self._found("compressed", f"the file {name[:80]!r} is compressed", "Uncompress it and pack the package again")
        size = node.get("size", self._uri)
        self._unique("file name", name)
        return File(self._unique("file", node.get("id", self._uri)), name, self._number(size, f"the size of {name[:80]!r}") if size else None)

    def _disk(self, node: Node) -> Disk:
        name = self._unique("disk", node.get("diskId", self._uri))
        unit = node.get("capacityAllocationUnits", self._uri) or "byte"
        factor = factor_of(unit)
        if not factor:
            self._found("unit", f"the unit {unit[:40]!r} of disk {name[:60]!r} is none of bytes", "Export the package again")
        capacity = self._number(node.get("capacity", self._uri), f"the capacity of disk {name[:60]!r}") * factor
        if capacity > _LARGEST_DISK:
            self._found("disk-huge", f"disk {name[:60]!r} has {capacity >> 40} TiB", "Do not use this package")
        if node.get("parentRef", self._uri):
            self._found("disk-parent", f"disk {name[:60]!r} is only what differs from another disk", "Consolidate its snapshots and export it again")
        return Disk(name, capacity, node.get("fileRef", self._uri), node.get("format", self._uri))

    def _network(self, node: Node) -> Network:
        return Network(self._unique("network", node.get("name", self._uri)), node.text("Description"))

    def _system(self, node: Node) -> System:
        hardware = Hardware(node.nodes("VirtualHardwareSection"), self._uri)
        self.problems += hardware.problems
        operating = (node.nodes("OperatingSystemSection") or [node.sibling("OperatingSystemSection")])[0]
        number = operating.get("id", self._uri)
        return System(
            self._unique("system", node.get("id", self._uri)), node.text("Name"), self._number(number, "the operating system") if number else 0,
            operating.text("Description"), hardware.cpus, hardware.memory, hardware.platform, hardware.firmware, hardware.transports,
            tuple(hardware.controllers), tuple(hardware.drives), tuple(hardware.cards), tuple(self._product(one) for one in node.nodes("ProductSection")),
            tuple(hardware.other),
        )

    def _product(self, node: Node) -> Product:
        properties = tuple(self._property(one) for one in node.nodes("Property"))
        return Product(node.text("Product"), node.text("Vendor"), node.text("Version"), node.text("ProductUrl"), properties,
                       node.get("class", self._uri), node.get("instance", self._uri))

    def _property(self, node: Node) -> Property:
        value = node.get("value", self._uri)
        for other in node.nodes("Value"):
            value = value or other.get("value", self._uri)
        true = ("true", "1")
        return Property(node.get("key", self._uri), value, node.get("type", self._uri) or "string", node.text("Label"), node.text("Description"),
                        node.get("userConfigurable", self._uri) in true, node.get("password", self._uri) in true)

    def _judge_references(self, found: Envelope) -> None:
        """Whether everything that is named is there."""
        remedy = "Export the package again"
        files, disks, networks = {one.id for one in found.files}, {one.id for one in found.disks}, {one.name for one in found.networks}
        for disk in found.disks:
            if disk.file and disk.file not in files:
                self._found("reference", f"disk {disk.id[:60]!r} is the file {disk.file[:60]!r}, which References does not have", remedy)
        for system in found.systems:
            missing = [f"disk {drive.disk[:60]!r}" for drive in system.drives if drive.disk and drive.disk not in disks]
            missing += [f"file {drive.file[:60]!r}" for drive in system.drives if drive.file and drive.file not in files]
            missing += [f"network {card.network[:60]!r}" for card in system.cards if card.network not in networks]
            for what in missing:
                self._found("reference", f"system {system.id[:60]!r} has the {what}, which is nowhere described", remedy)
            if system.cpus < 1 or system.memory < 1:
                self._found("number", f"system {system.id[:60]!r} has {system.cpus} CPUs and {system.memory} MiB of memory", remedy)


def factor_of(unit: str) -> int:
    """Bytes in a unit of DSP0004 such as ``byte * 2^20``, or one of the older names; 0 for what is no unit of bytes."""
    old = _OLD_UNITS.get(unit.strip().lower())
    match = _UNIT.fullmatch(unit.strip().lower())
    if old or not match:
        return old or 0
    return int(match["base"] or 1) ** int(match["power"] or 0)


def _systems(root: Node) -> t.Iterator[Node]:
    """Virtual systems, those of collections in collections too."""
    for node in root.nodes():
        if node.local == "VirtualSystem":
            yield node
        elif node.local == "VirtualSystemCollection":
            yield from _systems(node)


def _licence(root: Node) -> str:
    for node in root.nodes():
        if node.local == "EulaSection":
            return node.text("License")
        if node.local in ("VirtualSystem", "VirtualSystemCollection") and _licence(node):
            return _licence(node)
    return ""
