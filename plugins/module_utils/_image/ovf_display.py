# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A descriptor as people and their logs may see it: values that may be secret are not in it."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Envelope, Property
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_xml import Node, Refused, parse, serialize

_SECRET = ("password", "user-data")


def shown(descriptor: bytes) -> str:
    """The text of a descriptor with the values of passwords and of user data masked; nothing for what cannot be read."""
    try:
        root = parse(descriptor)
    except Refused:
        return ""
    _mask(root)
    return serialize(root).decode("utf-8")


def _mask(node: Node) -> None:
    if node.local == "Property" and (node.get("password", node.uri) in ("true", "1") or node.get("key", node.uri).endswith(_SECRET)):
        for value in [node, *node.nodes("Value")]:
            if value.get("value", value.uri):
                value.put("value", value.uri, "***")
    for child in node.nodes():
        _mask(child)


def plain(envelope: Envelope) -> t.Dict[str, t.Any]:
    """An envelope as dictionaries and lists, with the same values masked."""
    shown_as: t.Dict[str, t.Any] = _plain(envelope)
    return shown_as


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, Property) and value.value and (value.password or value.key.endswith(_SECRET)):
        value = value._replace(value="***")
    if isinstance(value, tuple):
        return {name: _plain(one) for name, one in value._asdict().items()} if hasattr(value, "_asdict") else [_plain(one) for one in value]
    return value
