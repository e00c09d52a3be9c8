# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A package as a person describes it, made into an envelope: disks looked at, hardware planned, everything named."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import ovf_vmdk
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_build import CLOUD_INIT, Storage, from_cell, machine, os_type
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Card, Disk, Envelope, File, Network, Product, Property, System

_CPUS, _MEMORY = 1, 1024


class Package(t.NamedTuple):
    """An envelope, and where the files it names are: File.name -> path."""

    envelope: Envelope
    sources: t.Dict[str, str]


def described(systems: t.Sequence[t.Mapping[str, t.Any]], version: str, name: str, licence: str) -> Package:
    """The package of systems as the module takes them."""
    if not systems:
        raise Failure("pack", "there are no systems", "Describe at least one, or give image or domain")
    disks = _Disks()
    made = tuple(_system(system, disks) for system in systems)
    networks = sorted({card.network for system in made for card in system.cards})
    return Package(Envelope(made, tuple(disks.files), tuple(disks.disks), tuple(Network(one) for one in networks), version, name, licence), disks.sources)


def of_image(path: str, version: str, licence: str) -> t.Tuple[Package, int]:
    """The package of an image of the build, by its ``image.json``, and its epoch."""
    try:
        with open(path, "rb") as file:
            cell = json.loads(file.read())
        names = [str(file["name"]) for file in cell["files"] if file["format"] == "vmdk"]
        epoch, envelope = int(cell["source_date_epoch"]), from_cell(cell, names[0] if names else "")
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"read {path}", "it is no image.json of the build", "Name the one beside the image's files") from error
    if len(names) != 1 or os.path.basename(names[0]) != names[0]:
        raise Failure(f"pack {path}", f"it lists {len(names)} files of the format vmdk", "Build the image with the format vmdk")
    return Package(envelope._replace(version=version, licence=licence), {names[0]: os.path.join(os.path.dirname(path), names[0])}), epoch


def of_domain(system: System, paths: t.Sequence[str], version: str, licence: str) -> Package:
    """The package of a system whose disks are called disk1, disk2 and so on, in the order of the paths."""
    disks = _Disks()
    for path in paths:
        disks.add(path)
    networks = sorted({card.network for card in system.cards})
    return Package(Envelope((system,), tuple(disks.files), tuple(disks.disks), tuple(Network(one) for one in networks), version, "", licence), disks.sources)


class _Disks:
    """The disks of a package as they come up."""

    def __init__(self) -> None:
        self.files: t.List[File] = []
        self.disks: t.List[Disk] = []
        self.sources: t.Dict[str, str] = {}

    def add(self, path: str) -> str:
        """Take a streamOptimized VMDK; return the id of its disk."""
        name, number = os.path.basename(path), len(self.disks) + 1
        try:
            with open(path, "rb") as file:
                head = file.read(ovf_vmdk.HEAD)
        except OSError as error:
            raise Failure(f"pack {path}", error.strerror or str(error), "Name the disk") from error
        if name in self.sources:
            raise Failure(f"pack {path}", f"there is another disk {name}", "Rename one of them")
        self.sources[name] = path
        self.files.append(File(f"file{number}", name))
        self.disks.append(Disk(f"disk{number}", ovf_vmdk.capacity(path, head), f"file{number}"))
        return self.disks[-1].id


def _system(told: t.Mapping[str, t.Any], disks: _Disks) -> System:
    storage = Storage(**told["storage"]) if told["storage"] else Storage()
    cdrom = Storage(**told["cdrom"]) if told["cdrom"] else Storage()
    controllers, drives = machine([disks.add(path) for path in told["disks"] or []], storage, cdrom if told["transports"] else None)
    product = told["product"] or {}
    properties = (CLOUD_INIT if told["cloud_init"] else ()) + tuple(_property(one) for one in told["properties"] or [])
    keys = [one.key for one in properties]
    if len(set(keys)) != len(keys):
        raise Failure(f"pack {told['name']}", "a property has a key that another one has, or that cloud_init brings", "Leave one of them out")
    products = (Product(product.get("name") or told["name"], product.get("vendor") or "", product.get("version") or "", product.get("url") or "", properties),)
    return System(
        told["name"], told["name"], os_type(told["platform"] or "", told["architecture"]), " ".join(filter(None, (told["platform"], told["architecture"]))),
        told["cpus"] or _CPUS, told["memory"] or _MEMORY, told["hardware"], told["firmware"] or "", tuple(told["transports"]), controllers, drives,
        tuple(Card(network, told["card"]) for network in told["networks"]), products if properties or product else (),
    )


def _property(told: t.Mapping[str, t.Any]) -> Property:
    return Property(told["key"], told["value"], told["type"], told["label"] or "", told["description"] or "", told["user_configurable"], told["password"])
