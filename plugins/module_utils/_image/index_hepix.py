# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The HEPiX image list: what sites of the federation subscribe to, a signed message with an end date. Pure.

Only the blessed drop is endorsed. An image's identifier stays the same over versions; the list's version only grows, for
subscribers refuse a lower one.
"""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.egi.cmd.plugins.module_utils._image import drop_boots, drop_site
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Json, Stream, latest
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import SMIME, Document, Endorser, Site

_FORMATS = {"ova": "OVA", "qcow2": "QCOW2"}  # the better known first
_DAY = 86400


def documents(site: Site, stream: Stream) -> t.Dict[str, Document]:
    """The list, once there is a certificate to sign it with and a blessed drop."""
    drop = latest(stream)
    if not site.endorser or not drop:
        return {}
    return {"image.list": Document(drop_site.text({"hv:imagelist": _list(site, site.endorser, stream, drop)}), SMIME)}


def _list(site: Site, endorser: Endorser, stream: Stream, drop: Drop) -> Json:
    uri = f"{site.url}/image.list"
    created = drop_site.changed(stream)
    return {
        "dc:date:created": drop_site.iso(created), "dc:date:expires": drop_site.iso(created + site.valid_days * _DAY), "dc:identifier": _identifier(uri),
        "dc:title": site.title, "dc:description": f"Images of {site.title}, {drop.label}", "dc:source": site.host,
        "hv:uri": uri, "hv:version": str(created),
        "hv:endorser": {"hv:x509": {"hv:dn": endorser.subject, "hv:ca": endorser.issuer, "hv:email": endorser.email or site.contact,
                                    "dc:creator": site.title}},
        "hv:images": [{"hv:image": _image(site, stream, drop, image, file)} for image in drop.images for file in _offered(image)],
    }


def _offered(image: Json) -> t.List[Json]:
    """The one file of an image that subscribers get."""
    files = {file["format"]: file for file in image["files"]}
    return [files[form] for form in _FORMATS if form in files][:1]


def _image(site: Site, stream: Stream, drop: Drop, image: Json, file: Json) -> Json:
    name, url = drop_boots.name_of(image), f"{site.url}/{drop.label}/{file['name']}"
    identifier = _identifier(f"{site.url}/{name}")
    return {
        "dc:identifier": identifier, "ad:mpuri": f"{site.url}/{identifier}:{drop_site.revision(stream, drop)}/", "dc:title": f"{site.title}: {name}",
        "dc:description": f"{name} of {site.title}, {drop.label}", "ad:group": "General group", "ad:user:fullname": site.title, "ad:user:guid": identifier,
        "ad:user:uri": site.url, "hv:hypervisor": "KVM", "hv:format": _FORMATS[file["format"]], "hv:uri": url, "hv:size": file["size"],
        "hv:version": str(drop_site.revision(stream, drop)), "hv:ram_minimum": image["disk"]["minimum_memory"] if image["disk"] else 512,
        "hv:core_minimum": 1, "sl:arch": image["architecture"], "sl:os": "Linux", "sl:osname": image["name"], "sl:osversion": image["release"],
        "sl:checksum:sha512": file["sha512"], "sl:comments": drop.label,
    }


def _identifier(url: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, url))
