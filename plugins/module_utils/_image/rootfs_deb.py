# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A root file system of the Debian family, made by mmdebstrap, whose packages come from where the definition says, or not at all.

apt resolves with the pins that the image will have. Before its sources are changed for those of the image, it says where every
package came from; after that, which sources it reads.
"""

from __future__ import annotations

import os
import re
import typing as t
from urllib.parse import unquote

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files, apt_policy, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File
from ansible_collections.egi.cmd.plugins.module_utils._image import build_tools, rootfs_files, rootfs_sources
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell
from ansible_collections.egi.cmd.plugins.module_utils._image.rootfs_sources import Files, Sources

TOOLS = ("mmdebstrap", "tar")

_DESK = "/tmp/egi-cmd-image"  # in the root, while it is made
_PACKAGE_LINE = "${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t${source:Version}\\n"
_RECORD = f"""\
export LC_ALL=C
mkdir {_DESK}/said
dpkg-query -W -f '{_PACKAGE_LINE}' >{_DESK}/said/packages
dpkg-query -W -f '${{Package}}\\n' | xargs apt-cache policy >{_DESK}/said/versions
apt-cache policy >{_DESK}/said/policy
"""
# mmdebstrap writes its own sources, and options of this build, which are not for the image.
_SWITCH = """\
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/preferences.d/egi-cmd-* /etc/apt/auth.conf.d/egi-cmd-* \\
    /etc/apt/apt.conf.d/egi-cmd-* /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap
"""
# What apt would fetch first: an index that was never fetched is in no other list of apt's.
_TARGETS = f"apt-get --print-uris update >{_DESK}/said/targets\n"
# What one host must not have of another, and what only says how this build went.
_CLEAN = f"""\
rm -rf {_DESK} /etc/ssh/ssh_host_* /etc/resolv.conf /etc/hostname /var/lib/dbus/machine-id /var/lib/systemd/random-seed \\
    /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/lib/cloud/*
: >/etc/machine-id
find /var/log /var/lib/apt/lists /var/cache/apt -type f -delete
find /tmp /var/tmp -mindepth 1 -delete
"""
_INRELEASE = re.compile(r"^'(\S+)/dists/(\S+)/InRelease' ", re.MULTILINE)
_RECORDS = ("packages", "versions", "policy", "targets")

Package = t.Dict[str, str]


def build(cell: Cell, sources: Sources, own: Files, stage: str, log: str) -> t.List[Package]:
    """Make <stage>/rootfs.tar, and return its packages with their origins, sorted. own: files of rootfs_files.

    Raises Failure when a package is not there, or comes from elsewhere than it has to.
    """
    action = f"build the root file system of {cell.name}"
    keys, lists = _stage_sources(sources.build, stage)
    _write_archives(cell, sources, own, keys, stage)
    env = build_tools.environment(cell.definition.epoch, stage)
    build_tools.run([*_command(cell, stage), *lists], action, env, log, namespace=os.geteuid() == 0)
    records = {}
    for name in _RECORDS:
        with open(f"{stage}/{name}", encoding="utf-8", errors="replace") as handle:
            records[name] = handle.read()
    packages = _packages(records["packages"], records["versions"], rootfs_sources.locations(cell))
    _prove(cell, packages, records, action)
    return packages


def _stage_sources(build: Files, stage: str) -> t.Tuple[Files, t.List[str]]:
    """Write keys and sources of the build below stage; return the other files, and the paths of the sources."""
    rest, lists = {}, []
    for path, file in build.items():
        place = stage + path
        if path.startswith((apt_files.KEYRINGS, apt_files.SOURCES)):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as handle:
                handle.write(rootfs_sources.staged(file, "apt", stage))
            if path.startswith(apt_files.SOURCES):
                lists.append(place)
        else:
            rest[path] = file
    return rest, lists


def _write_archives(cell: Cell, sources: Sources, own: Files, settings: Files, stage: str) -> None:
    scripts = {"record": _RECORD, "switch": _SWITCH, "targets": _TARGETS, "clean": _CLEAN, "post": cell.definition.post}
    desk = {f"{_DESK}/{name}": File(text.encode(), 0o755) for name, text in scripts.items()}
    for name, content in (("settings", settings), ("own", {**own, **desk}), ("given", sources.given)):
        with open(f"{stage}/{name}.tar", "wb") as handle:
            handle.write(rootfs_files.archive(content, cell.definition.epoch))


def _command(cell: Cell, stage: str) -> t.List[str]:
    inside = 'chroot "$1" env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" DEBIAN_FRONTEND=noninteractive sh -eu'
    hooks = [f"tar-in {stage}/own.tar /"]
    if cell.definition.post:
        hooks.append(f"{inside} {_DESK}/post")
    hooks += [f"{inside} {_DESK}/record", f"{inside} {_DESK}/switch", f"tar-in {stage}/given.tar /", f"{inside} {_DESK}/targets"]
    hooks += [f"download {_DESK}/said/{name} {stage}/{name}" for name in _RECORDS]
    hooks.append(f"{inside} {_DESK}/clean")
    command = [
        "mmdebstrap", f"--mode={'root' if os.geteuid() == 0 else 'unshare'}", "--variant=apt", f"--architectures={cell.machine}",
        "--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io", "--format=tar",
        f"--setup-hook=tar-in {stage}/settings.tar /", *(f"--customize-hook={hook}" for hook in hooks),
    ]
    if cell.install:
        command.append(f"--include={','.join(cell.install)}")
    if any(uri.startswith("file:") for one in cell.sets for repository in one.sources for uri in repository.uris):
        command.append("--hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount")
    return [*command, cell.sets[-1].sources[0].suite, f"{stage}/rootfs.tar"]


def _packages(listed: str, versions: str, places: t.Mapping[t.Tuple[str, str], str]) -> t.List[Package]:
    """Return every installed package; its origin is the repository whose index has this very version, '' for none."""
    policies = apt_policy.packages(versions)
    found = []
    for line in listed.splitlines():
        name, version, architecture, source, source_version = line.split("\t")
        origins = [
            places.get((index.uri, index.suite), "")
            for one in (policies[name].versions if name in policies else ()) if one.version == version
            for _priority, words in one.sources for index in [apt_policy.Source.read(words)] if index
        ]
        found.append({"name": name, "version": version, "architecture": architecture, "source": source, "source_version": source_version,
                      "origin": next((origin for origin in origins if origin), "")})
    return sorted(found, key=lambda one: (one["name"], one["architecture"]))


def _prove(cell: Cell, packages: t.Sequence[Package], records: t.Mapping[str, str], action: str) -> None:
    """Raise Failure when the image is not what was asked for. Each answer is apt's own, from inside the root."""
    origins = {one["name"]: one["origin"] for one in packages}
    overlay = [repository.name for one in cell.sets if one.overlay for repository in one.sources]
    for wanted in cell.definition.release_packages:
        name = wanted.partition("=")[0]
        if origins.get(name) not in overlay:
            where = cell.definition.snapshot or "the release"
            raise Failure(action, f"package {name} comes from {origins.get(name) or 'nowhere'}, and not from {where}",
                          "Publish it in the release, or list it under packages if any origin is right")
    strays = sorted(name for name, origin in origins.items() if not origin)
    if strays:
        raise Failure(action, f"no repository of the definition has the installed version of {', '.join(strays)}", "Let post install from repositories only")
    _prove_priorities(cell, records["policy"], action)
    _prove_sources(cell, records["targets"], action)


def _prove_priorities(cell: Cell, said: str, action: str) -> None:
    seen = {}
    for words, (number, _fields) in apt_policy.sources(said).items():
        index = apt_policy.Source.read(words)
        if index:
            seen[(index.uri, index.suite)] = number
    for one in cell.sets:
        for repository in one.sources if one.overlay else ():
            wanted = policy.number("apt", repository)
            numbers = [seen[(uri.rstrip("/"), repository.suite)] for uri in repository.uris if (uri.rstrip("/"), repository.suite) in seen]
            if policy.is_enabled("apt", repository) and numbers and set(numbers) != {wanted}:
                raise Failure(action, f"apt gives repository '{repository.name}' the priority {numbers[0]}, and not {wanted}",
                              "Compare Origin, Label and Suite of its Release file with the release manifest")


def _prove_sources(cell: Cell, said: str, action: str) -> None:
    """The image reads exactly the repositories it was given, and none of the build's mirrors."""
    wanted = {(unquote(uri.rstrip("/")), repository.suite) for one in cell.sets for repository in one.repositories
              if policy.is_enabled("apt", repository) for uri in repository.uris}
    read = {(unquote(uri), unquote(suite)) for uri, suite in _INRELEASE.findall(said)}
    if read != wanted:
        differ = ", ".join(" ".join(pair) for pair in sorted(read ^ wanted))
        raise Failure(action, f"the sources that apt reads in the image are not those of the definition: {differ}", "Let post leave apt's sources alone")
