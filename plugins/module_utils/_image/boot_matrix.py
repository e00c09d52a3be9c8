# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which boots the images of a build need: each image, in each way that is made for it."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.qemu import FORMATS

Data = t.Mapping[str, t.Any]
_ACTION = "choose how to boot the images"
_WAYS = ("firmware", "transport", "variants")
_LEAST_MEMORY = 1024


def boots_of(
    images: t.Sequence[Data], ways: t.Sequence[Data], mirror: t.Sequence[Data] = (), install: t.Sequence[str] = (),
    priorities: t.Optional[Data] = None, timeout: int = 600,
) -> t.List[t.Dict[str, t.Any]]:
    """Return the option ``boots`` of image_boot for the images that image returned, in their order.

    ways: {firmware, transport, variants}, as image_drop asks for them. An image without a disk, one that is not made for a
    firmware, and one of a variant that is not named have no such boot. Of the files with a disk the first that QEMU reads
    without unpacking is booted. Every guest has to have exactly the packages and repositories of its image.json.
    """
    for way in ways:
        unknown = sorted(str(key) for key in set(way) - set(_WAYS))
        if unknown or "firmware" not in way or "transport" not in way:
            raise Failure(_ACTION, f"a boot is {dict(way)!r}", f"Write each as a mapping of {', '.join(_WAYS)}; the last may be left out")
    return [
        _boot(one["path"], one["image"], way, mirror, install, priorities or {}, timeout)
        for one in images if one.get("image") and one["image"]["disk"] for way in ways if _applies(one["image"], way)
    ]


def _applies(image: Data, way: Data) -> bool:
    return way["firmware"] in image["disk"]["boot"] and image["variant"] in (way.get("variants") or [image["variant"]])


def _boot(path: str, image: Data, way: Data, mirror: t.Sequence[Data], install: t.Sequence[str], priorities: Data, timeout: int) -> t.Dict[str, t.Any]:
    readable = [file["name"] for file in image["files"] if os.path.splitext(file["name"])[1] in FORMATS]
    if not readable:
        raise Failure(_ACTION, f"{image['name']} has no file that QEMU reads without unpacking", "Have qcow2 built too")
    boot = {
        "image": os.path.join(os.path.dirname(path), readable[0]), "architecture": image["architecture"], "firmware": way["firmware"],
        "transport": way["transport"], "memory": max(_LEAST_MEMORY, image["disk"].get("minimum_memory") or 0), "timeout": timeout,
    }
    if way["transport"] == "none":
        return boot
    expect = {"packages": image["packages"], "repositories": image["repositories"], "priorities": dict(priorities), "install": list(install)}
    return {**boot, "mirror": [dict(one) for one in mirror], "expect": expect}
