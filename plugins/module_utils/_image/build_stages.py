# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The stages of one cell: root file system, disk, one conversion for each format. What is in the cache is not made again."""

from __future__ import annotations

import functools
import hashlib
import os
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File
from ansible_collections.egi.cmd.plugins.module_utils._image import (
    build_package,
    build_tools,
    convert,
    disk_image,
    rootfs_deb,
    rootfs_files,
    rootfs_rpm,
    rootfs_sources,
)
from ansible_collections.egi.cmd.plugins.module_utils._image.build_cache import Cache, Record, Stage, digest_of
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell

_RECIPE = 1
"""Raised when the same definition is to give other bytes."""

_ROOTFS = {"apt": rootfs_deb, "dnf": rootfs_rpm}
_version = functools.lru_cache(maxsize=None)(build_tools.version)


class Missing(Exception):
    """In check mode: a stage that would have to be made, and why."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(f"{stage}: {why}")


class Settings(t.NamedTuple):
    """formats: of cells with a disk. check: make nothing. timeout: seconds for a server to answer. logs: a directory."""

    formats: t.Tuple[str, ...]
    compression: str
    check: bool
    timeout: int
    logs: str


class Step(t.NamedTuple):
    """A stage that was made."""

    stage: str
    why: str
    seconds: float


class Stages:
    """The stages of a cell, in order. before: the cell's image.json of the last run, None without one."""

    def __init__(self, cell: Cell, cache: Cache, settings: Settings, before: t.Optional[Record]) -> None:
        self.cell, self.cache, self.settings, self.before = cell, cache, settings, before
        self.steps: t.List[Step] = []
        self.used: t.Dict[str, t.List[str]] = {}
        self.tools: t.Dict[str, str] = {}
        self.definition = ""
        self._log = f"{settings.logs}/{cell.name}.log"

    def rootfs(self) -> t.Tuple[Stage, Record]:
        """The tar of the root file system. Record: sha256, packages, tools."""
        cell = self.cell
        family = _ROOTFS[cell.family]
        build_tools.require(family.TOOLS, f"build {cell.name}")
        sources = rootfs_sources.render(cell, f"{self.cache.directory}/keys", self.settings.timeout)
        self.definition = _definition(cell, sources.given)
        own = rootfs_files.files(cell, self.definition)
        state = rootfs_sources.state(cell, self.settings.timeout)
        stage = Stage("rootfs", cell.name, digest_of("rootfs", self.definition, _digests(own), state, self._versions(family.TOOLS)))

        def make(work: str) -> t.Tuple[t.List[str], Record]:
            packages = family.build(cell, sources, own, work, self._log)
            return ["rootfs.tar"], {"sha256": disk_image.sha256(f"{work}/rootfs.tar"), "packages": packages, "definition": self.definition}

        return stage, self._made(stage, "root file system", self._why_rootfs(), make)

    def disk(self) -> t.Tuple[Stage, Record, t.List[t.Dict[str, str]]]:
        """The raw disk. Record: what image.json says of it; then the packages in it."""
        cell = self.cell
        if cell.definition.external:
            return (*self._external(), [])
        rootfs, root = self.rootfs()
        tools = disk_image.tools(cell)
        build_tools.require(tools, f"build {cell.name}")
        one = cell.definition
        key = digest_of("disk", self.definition, root["sha256"], one.size, one.root_label, one.minimum_memory, self._versions(tools))
        stage = Stage("disk", cell.name, key)

        def make(work: str) -> t.Tuple[t.List[str], Record]:
            return ["disk.raw"], disk_image.build(cell, f"{self.cache.path(rootfs)}/rootfs.tar", self.definition, work, self._log)

        return stage, self._made(stage, "disk", "the root file system or the disk's shape is another", make), root["packages"]

    def _external(self) -> t.Tuple[Stage, Record]:
        external = self.cell.definition.external
        self.definition = _definition(self.cell, {})
        try:
            found = os.stat(external.path if external else "")
        except OSError as error:
            raise Failure(f"take {external.path if external else ''} as a disk", error.strerror or str(error), "Give a raw disk on the build host") from error
        stage = Stage("disk", self.cell.name, digest_of("external", self.definition, external, found.st_size, found.st_mtime_ns, found.st_ino))
        return stage, self._made(stage, "disk", "the disk is another", lambda work: (["disk.raw"], disk_image.adopt(self.cell, work)))

    def files(self, source: convert.Source, head: Record) -> t.List[t.Tuple[str, Record]]:
        """Every file of the cell: (path in the cache, record of image.json's files). head: image.json but for its files."""
        wanted = build_package.with_vmdk(self.settings.formats) if self.cell.has_disk else (convert.ROOT_FORMAT,)
        packed = [form for form in build_package.PACKAGES if form in wanted]
        plain = [form for form in wanted if form not in packed]
        plain += [build_package.VMDK] if packed and build_package.VMDK not in plain else []
        build_tools.require(convert.tools(plain), f"convert {self.cell.name}")
        todo = {form: self._conversion(source, form) for form in plain}
        missing = [form for form, stage in todo.items() if self.cache.record(stage) is None]
        if missing and not self.settings.check:
            convert.require_room(source, missing, self.cache.directory)
        done = {form: self._converted(source, form, stage) for form, stage in todo.items()}
        files = [(f"{self.cache.path(todo[form])}/{record['name']}", record) for form, record in done.items() if form in wanted]
        for form in packed:
            vmdk = f"{self.cache.path(todo[build_package.VMDK])}/{self._name(build_package.VMDK)}"
            files += self._packed(form, vmdk, done[build_package.VMDK], head)
        return files

    def _name(self, form: str) -> str:
        return f"{self.cell.name}.{form}"

    def _conversion(self, source: convert.Source, form: str) -> Stage:
        compression = self.settings.compression if form == "qcow2" else ""
        key = digest_of(form, source.digest, source.epoch, self._name(form), compression, self._versions(convert.tools([form])))
        return Stage("convert", self.cell.name, key)

    def _converted(self, source: convert.Source, form: str, stage: Stage) -> Record:
        def make(work: str) -> t.Tuple[t.List[str], Record]:
            name = self._name(form)
            convert.write(source, form, f"{work}/{name}", self.settings.compression, self._log)
            return [name], _file(work, name, form)

        return self._made(stage, form, "the disk is another, or this format was not asked for before", make)

    def _packed(self, form: str, vmdk: str, record: Record, head: Record) -> t.List[t.Tuple[str, Record]]:
        one = self.cell
        parts = build_package.files(one.name, head, vmdk)
        described = b"".join(parts[0].chunks()).decode()
        stage = Stage("package", one.name, digest_of(form, record["sha256"], described, one.definition.epoch))

        def make(work: str) -> t.Tuple[t.List[str], Record]:
            names = build_package.write(form, parts, work, one.name, one.definition.epoch)
            return names, {"files": [_file(work, name, form) for name in names]}

        made = self._made(stage, form, "the disk or the description of its hardware is another", make)
        return [(f"{self.cache.path(stage)}/{file['name']}", file) for file in made["files"]]

    def _versions(self, tools: t.Iterable[str]) -> t.Dict[str, str]:
        found = {name: _version(name) for name in tools}
        self.tools.update(found)
        return found

    def _why_rootfs(self) -> str:
        if self.before is None:
            return "there is no image of this cell yet"
        if self.before.get("definition") != f"sha256:{self.definition}":
            return "the definition changed"
        return "the repositories offer something else, or the build host's tools changed"

    def _made(self, stage: Stage, what: str, why: str, make: t.Callable[[str], t.Tuple[t.List[str], Record]]) -> Record:
        self.used.setdefault(stage.kind, []).append(stage.key)
        known = self.cache.record(stage)
        if known is not None:
            return known
        if self.settings.check:
            raise Missing(what, why)
        started = time.monotonic()
        work = self.cache.work(f"{stage.cell}-{stage.kind}")
        files, record = make(work)
        self.cache.keep(stage, work, files, record, self.cell.definition.epoch)
        self.steps.append(Step(what, why, round(time.monotonic() - started, 1)))
        return record


def _digests(files: t.Mapping[str, File]) -> t.Dict[str, t.List[str]]:
    return {path: [hashlib.sha256(file.content).hexdigest(), f"{file.mode:o}"] for path, file in files.items()}


def _definition(cell: Cell, given: t.Mapping[str, File]) -> str:
    """The digest of everything a person decided. Nothing of the build host is in it, so that two hosts make the same image."""
    one = cell.definition
    return digest_of(
        _RECIPE, cell.name, cell.family, cell.machine, _digests(given), cell.install, one.release_packages, (one.release or {}).get("name"), one.platform,
        one.snapshot, one.post, one.size if cell.has_disk else 0, one.root_label, one.epoch, one.minimum_memory,
        one.external.sha256 if one.external else "",
    )


def _file(directory: str, name: str, form: str) -> Record:
    """Return what image.json says of a file."""
    sums = {"sha256": hashlib.sha256(), "sha512": hashlib.sha512()}
    with open(f"{directory}/{name}", "rb") as handle:
        for chunk in iter(lambda: handle.read(1 << 20), b""):
            for digest in sums.values():
                digest.update(chunk)
    size = os.path.getsize(f"{directory}/{name}")
    return {"name": name, "format": form, "size": size, **{kind: digest.hexdigest() for kind, digest in sums.items()}}
