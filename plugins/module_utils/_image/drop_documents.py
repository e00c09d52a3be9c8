# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which documents a stream has. Pure: they follow from the drops and nothing else.

What is below a label is of two kinds. Images, bills of materials and checksums never change: they are made once, and
carried on. Records (drop.json, the pages, productmd) say more once there are reports and a sign-off.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image import (
    drop_record,
    index_checksums,
    index_hepix,
    index_html,
    index_productmd,
    index_simplestreams,
    index_virt_builder,
    readme,
    sbom,
)
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Stream, latest, latest_scratch, ordered
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import name_of
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import CLEAR, DETACHED, KEYS, Document, Site

Documents = t.Dict[str, Document]
_RESERVED = {"CHECKSUM", "SHA256SUMS", "SHA512SUMS", "SHA256SUMS.asc", "SHA512SUMS.asc", "README.md", "index.html", drop_record.NAME, "drop.sjson",
             "metadata"}


def lasting(drop: Drop) -> Documents:
    """What is made once for a label, beside the images: path below it -> document."""
    bills = {f"{name_of(image)}.spdx.json": sbom.text(image) for image in drop.images}
    sums = index_checksums.sums(drop.images, bills)
    sizes = {**{file["name"]: file["size"] for image in drop.images for file in image["files"]}, **{name: len(text) for name, text in bills.items()}}
    sha256, sha512 = index_checksums.sha256sums(sums), index_checksums.sha512sums(sums)
    return {
        **{name: Document(text) for name, text in bills.items()},
        "SHA256SUMS": Document(sha256), "SHA256SUMS.asc": Document(sha256, DETACHED), "SHA512SUMS": Document(sha512),
        "SHA512SUMS.asc": Document(sha512, DETACHED), "CHECKSUM": Document(index_checksums.checksum(sums, sizes), CLEAR),
    }


def clashes(drop: Drop) -> t.List[str]:
    """Names of files that two images have, or that a document needs."""
    names = [file["name"] for image in drop.images for file in image["files"]] + [f"{name_of(image)}.spdx.json" for image in drop.images]
    return sorted({name for name in names if names.count(name) > 1 or name in _RESERVED})


def records(site: Site, drop: Drop) -> Documents:
    """What is made anew when something is said of a drop: path below its label -> document."""
    text = drop_record.to_text(site.stream, drop)
    found = {drop_record.NAME: Document(text), "drop.sjson": Document(text, CLEAR), "README.md": Document(readme.markdown(site, drop)),
             **index_productmd.documents(site, drop)}
    names = sorted({*found, *lasting_names(drop)})
    return {**found, "index.html": Document(index_html.drop_page(site, drop, names))}


def lasting_names(drop: Drop) -> t.List[str]:
    """The documents of lasting(), by name."""
    return [*(f"{name_of(image)}.spdx.json" for image in drop.images), "SHA256SUMS", "SHA256SUMS.asc", "SHA512SUMS", "SHA512SUMS.asc", "CHECKSUM"]


def top(site: Site, stream: Stream) -> Documents:
    """What spans drops: path below the stream -> document."""
    found: Documents = {"KEY.asc": Document("\n".join(site.keys).encode(), KEYS)}
    for index in (index_simplestreams, index_hepix, index_virt_builder):
        found.update(index.documents(site, stream))
    return {**found, "index.html": Document(index_html.stream_page(site, stream, sorted(found)))}


def whole(site: Site, stream: Stream) -> Documents:
    """All documents of a stream that may change: path below the stream -> document."""
    found = top(site, stream)
    for drop in ordered(stream):
        found.update({f"{drop.label}/{name}": document for name, document in records(site, drop).items()})
    return found


def pointers(stream: Stream) -> t.Dict[str, str]:
    """Names that lead to a label."""
    wanted = {"latest": latest(stream), "latest-scratch": latest_scratch(stream)}
    return {name: drop.label for name, drop in wanted.items() if drop}
