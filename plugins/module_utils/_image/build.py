# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""All cells of a definition: each is built in the cache, and then put where it belongs as a whole."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import shutil
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import convert, rootfs_sources
from ansible_collections.egi.cmd.plugins.module_utils._image.build_cache import Cache, Record, flush
from ansible_collections.egi.cmd.plugins.module_utils._image.build_stages import Missing, Settings, Stages, Step
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell

IMAGE_FILE = "image.json"


class Outcome(t.NamedTuple):
    """A cell after a run. before, after: its image.json, None when there is none, or not yet. why: in check mode, what would be made."""

    cell: Cell
    path: str
    changed: bool
    before: t.Optional[Record]
    after: t.Optional[Record]
    steps: t.Tuple[Step, ...]
    why: str


def build(cells: t.Sequence[Cell], directory: str, cache: Cache, settings: Settings, jobs: int) -> t.List[Outcome]:
    """Build cells below directory, several at a time. Raises the first Failure, when all that could be built is built."""
    os.umask(0o022)
    with contextlib.nullcontext() if settings.check else cache.locked():
        with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
            running = [pool.submit(_cell, cell, directory, cache, settings) for cell in cells]
        return [one.result() for one in running]


def image_path(directory: str, cell: Cell) -> str:
    """Return where a cell's image.json is."""
    return f"{directory}/{cell.name}/{IMAGE_FILE}"


def load(path: str) -> t.Optional[Record]:
    """Return an image.json; None when there is none that can be read."""
    try:
        with open(path, encoding="utf-8") as handle:
            content = json.load(handle)
        return content if isinstance(content, dict) and content.get("schema") == 1 else None
    except (OSError, ValueError):
        return None


def _cell(cell: Cell, directory: str, cache: Cache, settings: Settings) -> Outcome:
    path = image_path(directory, cell)
    before = load(path)
    stages = Stages(cell, cache, settings, before)
    try:
        image, files = made(stages)
    except Missing as missing:
        return Outcome(cell, path, True, before, None, (), str(missing))
    changed = before != image or not all(_is_there(path, record, cell.definition.epoch) for _place, record in files)
    if changed and not settings.check:
        _put(path, before, image, files, cell.definition.epoch)
    if not settings.check:
        for kind, keys in stages.used.items():
            cache.forget(kind, cell.name, keys)
    why = "its files are not where they belong, or are not what they were" if changed else ""
    return Outcome(cell, path, changed, before, image, tuple(stages.steps), why)


def made(stages: Stages) -> t.Tuple[Record, t.List[t.Tuple[str, Record]]]:
    """Make what is missing; return image.json, and the files with their places in the cache."""
    cell, cache = stages.cell, stages.cache
    one = cell.definition
    disk: t.Optional[Record] = None
    if cell.has_disk:
        stage, disk, packages = stages.disk()
        source = convert.Source(f"{cache.path(stage)}/disk.raw", disk["sha256"], one.epoch)
    else:
        stage, root = stages.rootfs()
        packages = root["packages"]
        source = convert.Source(f"{cache.path(stage)}/rootfs.tar", root["sha256"], one.epoch)
    head: Record = {
        "schema": 1, "name": one.name, "release": (one.release or {}).get("name") or one.name, "platform": one.platform, "variant": cell.variant,
        "architecture": cell.architecture, "snapshot": one.snapshot or None, "source_date_epoch": one.epoch,
        "definition": f"sha256:{stages.definition}", "disk": disk, "packages": packages, "repositories": rootfs_sources.shown(cell),
    }
    files = stages.files(source, head)
    image = {**head, "files": [record for _place, record in files], "tools": dict(sorted(stages.tools.items()))}
    return image, files


def _is_there(path: str, record: Record, epoch: int) -> bool:
    """A file that somebody changed has another time; its bytes are read by state=verified only."""
    try:
        found = os.stat(os.path.join(os.path.dirname(path), record["name"]))
    except OSError:
        return False
    return found.st_size == record["size"] and int(found.st_mtime) == epoch


def _put(path: str, before: t.Optional[Record], image: Record, files: t.Sequence[t.Tuple[str, Record]], epoch: int) -> None:
    """Put files and then image.json in place. While that is missing, the files are not whole; so whoever sees it sees all."""
    directory = os.path.dirname(path)
    os.makedirs(directory, exist_ok=True)
    for name in os.listdir(directory):
        if name.startswith(".egi-cmd-"):
            os.unlink(f"{directory}/{name}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    old = {str(one.get("name")) for one in (before or {}).get("files", ()) if isinstance(one, dict)}
    for name in old - {record["name"] for _place, record in files}:
        if os.path.basename(name) == name:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{directory}/{name}")
    for place, record in files:
        if not _is_there(path, record, epoch) or not os.path.samefile(place, f"{directory}/{record['name']}"):
            _place(place, f"{directory}/{record['name']}", epoch)
    draft = f"{directory}/.egi-cmd-{IMAGE_FILE}"
    with open(draft, "w", encoding="utf-8") as handle:
        json.dump(image, handle, indent=1, sort_keys=True)
        handle.write("\n")
    flush(draft)
    os.rename(draft, path)
    flush(directory)


def _place(source: str, target: str, epoch: int) -> None:
    """A hard link where that is possible: the cache sees by time and size when somebody writes to it."""
    draft = os.path.join(os.path.dirname(target), f".egi-cmd-{os.path.basename(target)}")
    try:
        os.link(source, draft)
    except OSError:
        try:
            shutil.copyfile(source, draft)
        except OSError as error:
            raise Failure(f"write {target}", error.strerror or str(error), "Check free space and permissions") from error
        os.utime(draft, (epoch, epoch))
        flush(draft)
    # rename(2) does nothing when both names are the same file already.
    os.rename(draft, target)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
