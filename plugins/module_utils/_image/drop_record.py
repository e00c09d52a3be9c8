# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""drop.json: one drop as it is written down, which every other document of it is made from. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import drop_site
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Event
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import Boot

NAME = "drop.json"


def to_text(stream: str, drop: Drop) -> bytes:
    """The text of drop.json (drop.schema.json); the same drop always gives the same bytes."""
    blessing = drop.blessing._asdict() if drop.blessing else None
    return drop_site.text({
        "schema": 1, "stream": stream, "label": drop.label, "stage": drop.stage, "copied_from": drop.copied_from or None, "images": list(drop.images),
        "verdicts": list(drop.verdicts), "required_boots": [boot._asdict() for boot in drop.boots], "blessing": blessing,
        "history": [event._asdict() for event in drop.history],
    })


def from_text(text: bytes, where: str) -> Drop:
    """The drop that to_text() wrote. Raises Failure when it is anything else."""
    try:
        data = json.loads(text.decode("utf-8"))
        if data["schema"] != 1:
            raise ValueError(f"it is of schema {data['schema']}")
        blessing = Event(**data["blessing"]) if data["blessing"] else None
        boots = tuple(Boot(one["firmware"], one["transport"], tuple(one["variants"])) for one in data["required_boots"])
        return Drop(data["label"], data["copied_from"] or "", tuple(data["images"]), tuple(Event(**one) for one in data["history"]),
                    tuple(data["verdicts"]), boots, blessing)
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"read {where}", f"it is no drop: {error}", "Restore it from a copy of the site") from error


def listing(drop: Drop) -> t.List[str]:
    """A drop in lines, for people who compare: sign-off and images, by name and the beginning of their digest."""
    state = f"blessed by {drop.blessing.by}" if drop.blessing else "not blessed"
    head = f"{drop.label}: {state}" + (f", copied from {drop.copied_from}" if drop.copied_from else "")
    verdicts = [f"  {one['verdict']:13} {one['image']['name']}, {one['firmware']}, {one['transport']}" for one in drop.verdicts]
    return [head, *(f"  {file['sha256'][:12]}  {file['name']}" for image in drop.images for file in image["files"]), *verdicts]
