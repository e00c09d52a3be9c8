# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A root file system of the RPM family, made by dnf --installroot: the root of a container, without kernel and boot loader."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import dnf_files
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File
from ansible_collections.egi.cmd.plugins.module_utils._image import build_tools, rootfs_sources
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell
from ansible_collections.egi.cmd.plugins.module_utils._image.rootfs_sources import Files, Sources

TOOLS = ("dnf", "rpm", "tar")

_LINE = "%{name}\\t%{evr}\\t%{arch}\\t%{source_name}\\t%{sourcerpm}\\t%{from_repo}"
_CLEAN = """\
cd "$1"
rm -rf "$2/.rpm.lock" "$2/rpmdb.sqlite-shm" var/cache/dnf var/cache/libdnf5 var/lib/dnf var/log/dnf* var/log/hawkey.log etc/resolv.conf etc/hostname \\
    tmp/egi-cmd-post
if [ -e "$2/rpmdb.sqlite-wal" ] && [ ! -s "$2/rpmdb.sqlite-wal" ]; then rm "$2/rpmdb.sqlite-wal"; fi
if [ -e etc/machine-id ]; then : >etc/machine-id; fi
if [ -d var/log ]; then find var/log -type f -delete; fi
"""
# Order, owners and times are the archive's own affair; status changes and last reads are this build host's.
_PACK = """\
exec tar --create --format=posix --sort=name --numeric-owner --xattrs --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime \\
    --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' --directory "$1" --file "$2" .
"""

Package = t.Dict[str, str]


def build(cell: Cell, sources: Sources, own: Files, stage: str, log: str) -> t.List[Package]:
    """Make <stage>/rootfs.tar, and return its packages with their origins, sorted. own: files of rootfs_files.

    Raises Failure when a package is not there, or comes from elsewhere than it has to.
    """
    action = f"build the root file system of {cell.name}"
    if os.geteuid() != 0:
        raise Failure(action, "dnf --installroot changes its root, as only root may", "Run it as root (become: true)")
    if not cell.install:
        raise Failure(action, "it has no packages", "Name packages, such as the one that owns /etc/os-release")
    root = f"{stage}/root"
    os.mkdir(root)
    _write(sources.build, stage, stage)
    env = build_tools.environment(cell.definition.epoch, stage)
    dnf = _dnf(cell, root, stage)
    build_tools.run([*dnf, "install", "--", *(name.replace("=", "-") for name in cell.install)], action, env, log, namespace=True)
    _write({**own, **sources.given}, root, "")
    if cell.definition.post:
        _post(cell, root, action, env, log)
    said = build_tools.run([*dnf, "--cacheonly", "repoquery", "--quiet", "--installed", "--queryformat", _LINE], action, env, log, namespace=True)
    packages = _packages(said)
    _prove(cell, packages, action)
    for script, words in ((_CLEAN, [root, _database(cell)[1:]]), (_PACK, [root, f"{stage}/rootfs.tar"])):
        build_tools.run(["sh", "-euc", script, "sh", *words], action, env, log)
    return packages


def _dnf(cell: Cell, root: str, stage: str) -> t.List[str]:
    """Nothing of the build host's own configuration decides; times of the installation come from SOURCE_DATE_EPOCH."""
    with open(f"{stage}/dnf.conf", "w", encoding="ascii") as handle:
        handle.write("[main]\ngpgcheck=1\nplugins=0\ninstall_weak_deps=0\nbest=1\nskip_if_unavailable=0\n")
    with open(f"{stage}/.rpmmacros", "w", encoding="ascii") as handle:
        handle.write(f"%_dbpath {_database(cell)}\n")
    return [
        "dnf", "-y", f"--config={stage}/dnf.conf", f"--installroot={root}", f"--setopt=reposdir={stage}{dnf_files.REPOSITORIES}",
        "--setopt=varsdir=/nonexistent", f"--releasever={rootfs_sources.version(cell)}",
        f"--forcearch={cell.machine}",
    ]


def _database(cell: Cell) -> str:
    """Return where the image's own rpm has its database; the build host's may look elsewhere (Debian's: below HOME)."""
    major = rootfs_sources.version(cell).partition(".")[0]
    return "/usr/lib/sysimage/rpm" if major.isdigit() and int(major) >= 10 else "/var/lib/rpm"


def _write(files: t.Mapping[str, File], top: str, keys: str) -> None:
    """Write files below top. keys: what the paths of keys in them get in front."""
    for path, file in files.items():
        place = top + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as handle:
            handle.write(rootfs_sources.staged(file, "dnf", keys))
        os.chmod(place, file.mode)


def _post(cell: Cell, root: str, action: str, env: t.Mapping[str, str], log: str) -> None:
    place = f"{root}/tmp/egi-cmd-post"
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "w", encoding="utf-8") as handle:
        handle.write(cell.definition.post)
    build_tools.run(["chroot", root, "/bin/sh", "-eu", "/tmp/egi-cmd-post"], f"{action}: run post", {**env, "HOME": "/root", "TMPDIR": "/tmp"}, log,
                    namespace=True)


def _packages(said: str) -> t.List[Package]:
    found = []
    for line in said.splitlines():
        name, version, architecture, source, source_rpm, origin = line.split("\t")
        # name-version-release.src.rpm: what is behind the name is the version of the source.
        source_version = source_rpm[len(source) + 1:].rpartition(".src.rpm")[0] or version
        found.append({"name": name, "version": version, "architecture": architecture, "source": source or name, "source_version": source_version,
                      "origin": origin})
    return sorted(found, key=lambda one: (one["name"], one["architecture"]))


def _prove(cell: Cell, packages: t.Sequence[Package], action: str) -> None:
    origins = {one["name"]: one["origin"] for one in packages}
    overlay = [repository.name for one in cell.sets if one.overlay for repository in one.sources]
    for wanted in cell.definition.release_packages:
        name = wanted.partition("=")[0]
        if origins.get(name) not in overlay:
            raise Failure(action, f"package {name} comes from {origins.get(name) or 'nowhere'}, and not from {cell.definition.snapshot or 'the release'}",
                          "Publish it in the release, or list it under packages if any origin is right")
    known = {repository.name for one in cell.sets for repository in one.sources}
    strays = sorted(name for name, origin in origins.items() if origin not in known)
    if strays:
        raise Failure(action, f"no repository of the definition has the installed version of {', '.join(strays)}", "Let post install from repositories only")
