# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""productmd 1.2: composeinfo.json and images.json of one drop. Pure.

A label there is Alpha-N.0, Beta-N.0 or RC-N.0, and a final release is the RC that became it. A format productmd has no
word for is left out.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image import drop_site
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Json, rank
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import Document, Site

_VERSION = "1.2"
_LABELS = {"alpha": "Alpha", "beta": "Beta", "rc": "RC"}
_FORMATS = {"qcow2": ("qcow2", "qcow2"), "vmdk": ("vmdk", "vmdk"), "vhd": ("vpc", "vhd"), "ova": ("vsphere-ova", "vsphere.ova"),
            "tar.xz": ("container", "tar.xz")}


def documents(site: Site, drop: Drop) -> t.Dict[str, Document]:
    """Both files, where readers of a compose look for them."""
    compose, release = _compose(site, drop), _release(site)
    variants: t.Dict[str, t.Set[str]] = {}
    images: t.Dict[str, t.Dict[str, t.List[Json]]] = {}
    for image in drop.images:
        variant = image["variant"].capitalize()
        variants.setdefault(variant, set()).add(image["architecture"])
        found = images.setdefault(variant, {}).setdefault(image["architecture"], [])
        found += [_image(drop, image, file) for file in image["files"] if file["format"] in _FORMATS]
    told = {name: {"id": name, "uid": name, "name": name, "type": "variant", "arches": sorted(of), "paths": {}} for name, of in variants.items()}
    return {
        "metadata/composeinfo.json": _document("composeinfo", {"compose": compose, "release": release, "variants": told}),
        "metadata/images.json": _document("images", {"compose": compose, "images": images}),
    }


def _document(kind: str, payload: Json) -> Document:
    return Document(drop_site.text({"header": {"type": f"productmd.{kind}", "version": _VERSION}, "payload": payload}))


def _release(site: Site) -> Json:
    match = re.fullmatch(r"(.+?)-([0-9]+(?:\.[0-9]+)*)", site.stream)
    short, version = (match[1], match[2]) if match else (site.stream, "0")
    return {"name": site.title, "short": short, "version": version, "type": "ga", "internal": False}


def _compose(site: Site, drop: Drop) -> Json:
    _stage, first, second = rank(drop.label)
    if drop.stage == "scratch":
        return {"id": f"{site.stream}-{first}.n.{second}", "date": str(first), "type": "nightly", "respin": second}
    source = drop.copied_from if drop.stage == "final" else drop.label
    date, number = drop_site.day(drop.published), rank(source)[1]
    return {"id": f"{site.stream}-{date}.{number}", "date": date, "type": "production", "respin": number,
            "label": f"{_LABELS[source.split('-')[0]]}-{number}.0", "final": drop.stage == "final"}


def _image(drop: Drop, image: Json, file: Json) -> Json:
    kind, form = _FORMATS[file["format"]]
    return {
        "path": file["name"], "mtime": drop.published, "size": file["size"], "type": kind, "format": form, "arch": image["architecture"],
        "checksums": {"sha256": file["sha256"], "sha512": file["sha512"]}, "bootable": image["disk"] is not None,
        "subvariant": f"{image['name']}-{image['variant']}",  # readers refuse two images that differ in their path only
        "disc_number": 1, "disc_count": 1, "implant_md5": None, "volume_id": None,
    }
