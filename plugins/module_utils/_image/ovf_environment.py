# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The environment document of OVF (DSP0238 and DSP0243 1.x, chapter 11): what a deployment tells a guest on a disc."""

from __future__ import annotations

import base64
import re
import typing as t
from xml.sax.saxutils import quoteattr

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import seed as seeds

# cloud-init reads this namespace and no other, whatever version the package itself has.
NAMESPACE = "http://schemas.dmtf.org/ovf/environment/1"
_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def properties(seed: seeds.Seed) -> t.Dict[str, str]:
    """Property -> value, as cloud-init's OVF data source knows them; the same keys belong in a package's ProductSection."""
    told = {"hostname": seed.hostname, "instance-id": seed.instance_id}
    data = seed.user_data
    if len(seed.ssh_keys) == 1:
        told["public-keys"] = seed.ssh_keys[0]
    elif seed.ssh_keys:
        # The property holds one key: cloud-init takes its whole value as a single line of authorized_keys.
        data = seeds.text_of(seed.parts, {**seed.added, "ssh_authorized_keys": list(seed.ssh_keys)})
    if data:
        told["user-data"] = base64.b64encode(data.encode()).decode()
    if seed.network:
        told["network-config"] = base64.b64encode(seeds.yaml({"network": seed.network}).encode()).decode()
    return told


def document(told: t.Mapping[str, str], identity: str) -> bytes:
    """The document for properties, in their order; identity: the system's ovf:id."""
    for name, value in [("id", identity), *told.items()]:
        if _XML.search(name + value):
            raise Failure("make the OVF environment", f"{name} has a character that XML does not have", "Leave control characters out")
    lines = "".join(f"    <Property oe:key={_quoted(name)} oe:value={_quoted(value)}/>\n" for name, value in told.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Environment xmlns="{NAMESPACE}" xmlns:oe="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" oe:id={_quoted(identity)}>\n'
        "  <PlatformSection>\n    <Kind>egi.cmd</Kind>\n  </PlatformSection>\n"
        f"  <PropertySection>\n{lines}  </PropertySection>\n</Environment>\n").encode()


def _quoted(value: str) -> str:
    # An attribute's line ends and tabs become spaces when they are read, unless they are written as references.
    return quoteattr(value, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
