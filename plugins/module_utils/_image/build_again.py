# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The proof of an image: built again with nothing from before, it has the same bytes; or this is where it differs."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import build, convert, provenance
from ansible_collections.egi.cmd.plugins.module_utils._image.build_cache import Cache, Record, Stage
from ansible_collections.egi.cmd.plugins.module_utils._image.build_stages import Settings, Stages
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell
from ansible_collections.egi.cmd.plugins.module_utils._image.disk_image import sha256


class Verdict(t.NamedTuple):
    """differences: lines that only one build has, then files of the root file system that differ. stages: what was made."""

    identical: bool
    differences: t.List[str]
    image: Record
    stages: t.List[t.Dict[str, t.Any]]


def verify(cell: Cell, directory: str, cache: Cache, settings: Settings) -> Verdict:
    """Build a cell again, below the cache, and compare it with what is in directory, whose files are read. Raises Failure without an image there."""
    path = build.image_path(directory, cell)
    before = build.load(path)
    if before is None:
        raise Failure(f"verify {cell.name}", f"there is no image of it at {path}", "Build it first")
    os.umask(0o022)
    with cache.locked():
        fresh = Cache(cache.work(f"{cell.name}-again"))
        os.makedirs(f"{fresh.directory}/work")
        formats = tuple(dict.fromkeys(one["format"] for one in before["files"] if one["format"] != convert.ROOT_FORMAT))
        stages = Stages(cell, fresh, settings._replace(formats=formats), before)
        after, _files = build.made(stages)
        found = _damaged(path, before) + provenance.differences(before, after)
        if any(line.startswith(("- disk", "- file", "- package")) for line in found):
            found += _root_differences(cell, cache, fresh, stages)
    return Verdict(not found, found, after, [step._asdict() for step in stages.steps])


def _damaged(path: str, image: Record) -> t.List[str]:
    """Return a line for each file that is not what image.json says."""
    found = []
    for one in image["files"]:
        place = os.path.join(os.path.dirname(path), one["name"])
        if not os.path.isfile(place):
            found.append(f"- {place}: missing")
        elif sha256(place) != one["sha256"]:
            found.append(f"- {place}: not what {build.IMAGE_FILE} says")
    return found


def _root_differences(cell: Cell, cache: Cache, fresh: Cache, stages: Stages) -> t.List[str]:
    """Compare the root file systems, as long as the cache has the first one."""
    (key,) = stages.used.get("rootfs") or [""]
    place = f"{cache.directory}/rootfs/{cell.name}"
    names = sorted(os.listdir(place), key=lambda name: os.stat(f"{place}/{name}").st_mtime) if os.path.isdir(place) else []
    if not key or not names:
        return []
    again = f"{fresh.path(Stage('rootfs', cell.name, key))}/rootfs.tar"
    return provenance.differing_files(f"{place}/{names[-1]}/rootfs.tar", again)
