# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The index of virt-builder: its templates are the blessed drop and the newest build. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image import drop_site
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Json, Stream, latest, latest_scratch
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import CLEAR, PLAIN, Document, Site


def documents(site: Site, stream: Stream) -> t.Dict[str, Document]:
    """The index, plain and signed."""
    sections = []
    for drop, suffix in ((latest(stream), ""), (latest_scratch(stream), "-scratch")):
        if drop:
            sections += [_section(site, stream, drop, image, file, suffix)
                         for image in drop.images if image["disk"] for file in image["files"] if file["format"] == "qcow2"]
    text = "\n".join(sections).encode()
    return {"index": Document(text, PLAIN), "index.asc": Document(text, CLEAR)} if sections else {}


def _section(site: Site, stream: Stream, drop: Drop, image: Json, file: Json, suffix: str) -> str:
    name = f"{image['name']}-{image['variant']}{suffix}"
    lines = {
        "name": f"{site.title} {drop.label} ({image['variant']})", "arch": image["architecture"], "file": f"{drop.label}/{file['name']}",
        "checksum[sha512]": file["sha512"], "revision": drop_site.revision(stream, drop), "format": "qcow2", "size": image["disk"]["virtual_size"],
        "compressed_size": file["size"],
    }
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())
