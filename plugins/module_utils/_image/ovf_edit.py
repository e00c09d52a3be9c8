# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Changing a package's descriptor: only what is asked for, whatever else is in it stays as its writer left it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_write import CPU, ENVELOPES, MEMORY
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_xml import Node, parse, serialize


class Change(t.NamedTuple):
    """What is to be different in one system. system: its id, empty if there is only one; None and empty: as it is. memory: MiB."""

    system: str = ""
    cpus: t.Optional[int] = None
    memory: t.Optional[int] = None
    properties: t.Mapping[str, str] = {}


def edit(descriptor: bytes, changes: t.Sequence[Change]) -> bytes:
    """The descriptor with the changes; the very same bytes if it says all of that already. It has been read without problems."""
    root = parse(descriptor)
    before = serialize(root)
    systems = list(_systems(root))
    for change in changes:
        chosen = [node for node in systems if not change.system or node.get("id", node.uri) == change.system]
        if len(chosen) != 1:
            names = ", ".join(node.get("id", node.uri) for node in systems)
            why = f"there is no system {change.system!r}" if change.system else "there are several systems"
            raise Failure("edit the package", f"{why}: it has {names}", "Name one of them")
        _apply(chosen[0], change)
    after = serialize(root)
    return descriptor if after == before else after


def _systems(root: Node) -> t.Iterator[Node]:
    for node in root.nodes():
        if node.local == "VirtualSystem" and node.uri in ENVELOPES.values():
            yield node
        elif node.local == "VirtualSystemCollection":
            yield from _systems(node)


def _apply(system: Node, change: Change) -> None:
    for hardware in system.nodes("VirtualHardwareSection"):
        if change.cpus is not None:
            _set_quantity(hardware, CPU, change.cpus, "")
        if change.memory is not None:
            _set_quantity(hardware, MEMORY, change.memory, "byte * 2^20")
    for key, value in change.properties.items():
        nodes = [node for product in system.nodes("ProductSection") for node in product.nodes("Property") if node.get("key", node.uri) == key]
        if len(nodes) != 1:
            why = f"system {system.get('id', system.uri)!r} has {len(nodes)} properties {key!r}"
            raise Failure("edit the package", why, "See what it has: egi.cmd.ovf_info")
        nodes[0].children = [child for child in nodes[0].children if not isinstance(child, Node) or child.local != "Value"]
        nodes[0].put("value", nodes[0].uri, value)


def _set_quantity(hardware: Node, kind: int, quantity: int, unit: str) -> None:
    items = [item for item in hardware.nodes("Item") if re.fullmatch(f"0*{kind}", item.text("ResourceType"))]
    if len(items) != 1:
        raise Failure("edit the package", f"its hardware has {len(items)} items of resource type {kind}", "Change it where it was made")
    for name, text in (("VirtualQuantity", str(quantity)), ("AllocationUnits", unit)):
        nodes = items[0].nodes(name)
        if nodes and text:
            nodes[0].children = [text]
        elif text:
            # In the order of the alphabet, or the schema refuses it.
            after = [place for place, child in enumerate(items[0].children) if isinstance(child, Node) and child.local > name]
            items[0].children.insert(after[0] if after else len(items[0].children), items[0].nodes()[0].sibling(name, text))
