# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Text of the index files of a Debian suite (repository format: Packages, Sources, Contents, override).

Every function is pure and gives the same bytes for the same packages, in whatever order they come.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.deb_package import DebPackage
from ansible_collections.egi.cmd.plugins.module_utils._archive.deb_source import SourcePackage
from ansible_collections.egi.cmd.plugins.module_utils._version import deb

Placed = t.Mapping[str, DebPackage]
PlacedSources = t.Mapping[str, SourcePackage]


def pool_directory(component: str, source: str) -> str:
    """``pool/main/o/openssl``, ``pool/main/libx/libxml2``: the archive's customary shards."""
    shard = source[:4] if source.startswith("lib") and len(source) > 3 else source[:1]
    return f"pool/{component}/{shard}/{source}"


def packages(placed: Placed, architecture: str) -> bytes:
    """Packages of one architecture, ``all`` included. placed: path from the repository's root -> package."""
    chosen = [(path, package) for path, package in placed.items() if package.architecture in (architecture, "all")]
    # Ascending versions: readers that know nothing of versions take the last stanza.
    chosen.sort(key=lambda item: (item[1].name, deb.key(item[1].version), item[1].architecture))
    return "\n".join(
        f"{package.control}Filename: {path}\nSize: {package.size}\nSHA256: {package.sha256}\n" for path, package in chosen
    ).encode()


def sources(placed: PlacedSources) -> bytes:
    """Sources. placed: directory of the source package from the repository's root + "/" + .dsc name -> package."""
    chosen = sorted(placed.items(), key=lambda item: (item[1].name, deb.key(item[1].version)))
    return "\n".join(
        f"{package.control}{_missing(package)}Directory: {path.rpartition('/')[0]}\n"
        + "Files:\n" + "".join(f" {md5} {size} {name}\n" for name, size, md5, sha256 in package.files)
        + "Checksums-Sha256:\n" + "".join(f" {sha256} {size} {name}\n" for name, size, md5, sha256 in package.files)
        for path, package in chosen
    ).encode()


def contents(placed: Placed, architecture: str) -> bytes:
    """Contents of one architecture: ``path  section/package[,section/package]``, sorted by path."""
    owners: t.Dict[str, t.Set[str]] = {}
    for package in placed.values():
        if package.architecture in (architecture, "all") and package.files:
            owner = f"{package.section}/{package.name}"
            for path in package.files.split("\n"):
                owners.setdefault(path, set()).add(owner)
    return "".join(f"{path:<55} {','.join(sorted(names))}\n" for path, names in sorted(owners.items())).encode()


def override(placed: Placed) -> bytes:
    """``package<TAB>priority<TAB>section``, of the newest version of each package (deb-override(5))."""
    newest: t.Dict[str, DebPackage] = {}
    for package in placed.values():
        known = newest.get(package.name)
        order = deb.compare(known.version, package.version) if known else -1
        if order < 0 or known and order == 0 and known.architecture > package.architecture:
            newest[package.name] = package
    return "".join(f"{name}\t{newest[name].priority}\t{newest[name].section}\n" for name in sorted(newest)).encode()


def override_sources(placed: PlacedSources) -> bytes:
    """``source<TAB>section``, of the newest version of each source package."""
    newest: t.Dict[str, SourcePackage] = {}
    for package in placed.values():
        known = newest.get(package.name)
        if not known or deb.compare(known.version, package.version) < 0:
            newest[package.name] = package
    return "".join(f"{name}\t{newest[name].section}\n" for name in sorted(newest)).encode()


def _missing(package: SourcePackage) -> str:
    """The fields a .dsc need not have and Sources should."""
    return "".join(
        f"{name}: {value}\n"
        for name, value in (("Priority", package.priority), ("Section", package.section))
        if f"\n{name}: " not in package.control
    )
