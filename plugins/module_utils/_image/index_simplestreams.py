# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Simple streams 1.0: how clouds and tools find the newest image by machine. Pure.

Paths are those of labels, whose content never changes; the newest version is the last one in the order of text.
"""

from __future__ import annotations

import typing as t
from email.utils import formatdate

from ansible_collections.egi.cmd.plugins.module_utils._image import drop_site
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Json, Stream, ordered
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import CLEAR, PLAIN, Document, Site

_ARCHITECTURES = {"x86_64": "amd64", "i686": "i386", "aarch64": "arm64"}
_TYPES = {"qcow2": "disk1.img", "tar.xz": "root.tar.xz"}  # the words readers look for; other formats are called what they are


def documents(site: Site, stream: Stream) -> t.Dict[str, Document]:
    """The index and what it leads to, plain and signed: the signed ones name each other."""
    found: t.Dict[str, Document] = {}
    for ending, form in (("json", PLAIN), ("sjson", CLEAR)):
        index = {}
        for word, drops in _streams(stream).items():
            content = _products(site, stream, word, drops)
            path = f"streams/v1/{content['content_id']}.{ending}"
            found[path] = Document(drop_site.text(content), form)
            index[content["content_id"]] = {"format": content["format"], "datatype": content["datatype"], "path": path,
                                            "updated": content["updated"], "products": sorted(content["products"])}
        told = {"format": "index:1.0", "updated": _updated(stream), "index": index}
        found[f"streams/v1/index.{ending}"] = Document(drop_site.text(told), form)
    return found


def _streams(stream: Stream) -> t.Dict[str, t.List[Drop]]:
    """What is for everybody, for testers, and fresh from the builders."""
    drops = ordered(stream)
    return {
        "released": [drop for drop in drops if drop.blessing],
        "testing": [drop for drop in drops if drop.stage != "scratch" and not drop.blessing],
        "daily": [drop for drop in drops if drop.stage == "scratch"],
    }


def _products(site: Site, stream: Stream, word: str, drops: t.Sequence[Drop]) -> Json:
    name = f"{'.'.join(reversed(site.host.split('.')))}:{site.stream}:{word}"
    products: t.Dict[str, Json] = {}
    for drop in drops:
        # Not the label: rc-10 is before rc-9 in the order of text.
        version = f"{drop_site.day(drop.published)}.{drop_site.revision(stream, drop):05}"
        for image in drop.images:
            architecture = _ARCHITECTURES[image["architecture"]]
            product = products.setdefault(f"{name}:{image['name']}:{image['variant']}:{architecture}", {
                "arch": architecture, "os": image["name"], "release": site.stream, "release_title": site.title, "version": image["release"],
                "variant": image["variant"], "versions": {}})
            product["versions"][version] = {"label": "release" if drop.stage == "final" else drop.label.replace("-", ""), "pubname": drop.label,
                                            "items": {file["name"]: _item(drop, file) for file in image["files"]}}
    return {"format": "products:1.0", "content_id": f"{name}:download", "datatype": "image-downloads", "updated": _updated(stream), "products": products}


def _item(drop: Drop, file: Json) -> Json:
    return {"ftype": _TYPES.get(file["format"], file["format"]), "path": f"{drop.label}/{file['name']}", "size": file["size"], "sha256": file["sha256"],
            "sha512": file["sha512"]}


def _updated(stream: Stream) -> str:
    return formatdate(drop_site.changed(stream))
