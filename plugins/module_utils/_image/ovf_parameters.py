# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The virtual machines of a package as the module ovf takes them; documented in ``plugins/doc_fragments/ovf_systems.py``."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_edit import Change
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import CARDS, CONTROLLERS, TRANSPORTS

_STORAGE = {"type": "dict", "options": {
    "bus": {"type": "str", "choices": list(CONTROLLERS), "default": "ide"},
    "model": {"type": "str", "choices": ["", *[model for models in CONTROLLERS.values() for model in models]], "default": ""},
}}
_PROPERTY = {
    "key": {"type": "str", "required": True, "no_log": False}, "value": {"type": "str", "default": ""}, "type": {"type": "str", "default": "string"},
    "label": {"type": "str"}, "description": {"type": "str"}, "user_configurable": {"type": "bool", "default": True},
    "password": {"type": "bool", "default": False, "no_log": False},
}
SYSTEM: t.Dict[str, t.Any] = {
    "name": {"type": "str"}, "cpus": {"type": "int"}, "memory": {"type": "int"}, "platform": {"type": "str"},
    "architecture": {"type": "str", "choices": ["x86_64", "i686", "aarch64"], "default": "x86_64"},
    "firmware": {"type": "str", "choices": ["bios", "efi"]}, "hardware": {"type": "str", "default": "vmx-10"},
    "disks": {"type": "list", "elements": "path"}, "storage": _STORAGE, "cdrom": _STORAGE,
    "transports": {"type": "list", "elements": "str", "choices": list(TRANSPORTS), "default": list(TRANSPORTS)},
    "networks": {"type": "list", "elements": "str", "default": ["default"]}, "card": {"type": "str", "choices": list(CARDS), "default": CARDS[0]},
    "product": {"type": "dict", "options": {name: {"type": "str"} for name in ("name", "vendor", "version", "url")}},
    "cloud_init": {"type": "bool", "default": True}, "properties": {"type": "list", "elements": "dict", "options": _PROPERTY},
}
_NEW = ("platform", "firmware", "disks", "storage", "cdrom", "product")


def check(params: t.Mapping[str, t.Any]) -> None:
    """Refuse what would be ignored silently, and numbers no machine has."""
    systems, state = params["systems"], params["state"]
    if state == "packed" and sum(bool(params[name]) for name in ("image", "domain", "systems")) != 1:
        raise Failure("pack", "it is not said once what is in the package", "Give one of image, domain and systems")
    if state == "packed" and len({system["name"] for system in systems if system["name"]}) != len(systems):
        raise Failure("pack", "the systems do not have a name each", "Give each a name of its own")
    if state == "edited" and not systems:
        raise Failure(f"edit {params['path']}", "systems does not say what is to be different", "Say it")
    for system in systems:
        given = [name for name in _NEW if system[name]]
        if state == "edited" and given:
            raise Failure(f"edit {params['path']}", f"{', '.join(given)} cannot be changed", "Pack it anew with what it should have")
        for name in ("cpus", "memory"):
            if system[name] is not None and system[name] < 1:
                raise Failure("describe a system", f"{name} is {system[name]}", "Give at least 1")


def changes(systems: t.Sequence[t.Mapping[str, t.Any]]) -> t.List[Change]:
    """What is to be different in a package."""
    return [
        Change(told["name"] or "", told["cpus"], told["memory"], {one["key"]: one["value"] for one in told["properties"] or []}) for told in systems
    ]
