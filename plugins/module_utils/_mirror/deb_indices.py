# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which files of a suite's Release a mirror takes. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_release import Release
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source, Wanted

# Suffixes of the same index, the one to read first: gz unpacks 3.5 times faster than xz, and a mirror has both anyway.
READABLE = (".gz", ".zst", ".xz", ".bz2", "")
# What is read of an archive that is not passed on: what can be cut down to some packages, and what names packages.
_READ = {"rebuilt": ("packages", "sources", "translation", "contents"), "elsewhere": ("packages",)}
_PACKED = re.compile(r"(.+?)(\.(?:gz|zst|xz|bz2|lzma|lz4))?")

# The images of a suite's installer that is current: Debian's name, and Ubuntu's for its last ones.
INSTALLER_SUMS = "SHA256SUMS"

# What an index is, by its path below the suite without the suffix. A flat archive has no components.
_KINDS = {
    "packages": re.compile(r"(?:(?P<component>.+)/binary-(?P<architecture>[^/]+)/)?Packages"),
    "sources": re.compile(r"(?:(?P<component>.+)/source/)?Sources"),
    "translation": re.compile(r"(?P<component>.+)/i18n/Translation-(?P<language>[^/]+)"),
    "contents": re.compile(r"(?:(?P<component>.+)/)?Contents-(?P<architecture>[^/]+)"),
    "dep11": re.compile(r"(?P<component>.+)/dep11/Components-(?P<architecture>[^/]+)\.yml"),
    "icons": re.compile(r"(?P<component>.+)/dep11/icons-[^/]+\.tar"),
    "commands": re.compile(r"(?P<component>.+)/cnf/Commands-(?P<architecture>[^/]+)"),
    "installer": re.compile(rf"(?P<component>.+)/installer-(?P<architecture>[^/]+)/current/(?:legacy-)?images/{INSTALLER_SUMS}"),
}


class Index(t.NamedTuple):
    """One index in every packing the Release lists.

    kind: packages, sources, translation, contents, dep11, icons, commands or installer. stem: path below the suite without suffix.
    suffixes: those of the packings to mirror; the unpacked file, suffix "", only where there is no other, for archives
    list it and do not keep it.
    """

    kind: str
    stem: str
    suffixes: t.Tuple[str, ...]


def chosen(release: Release, source: Source, what: str) -> t.List[Index]:
    """The indices the source asks for. what: names the Release file in the Failure, raised when a component or an
    architecture that was asked for by name has no index at all."""
    packings: t.Dict[str, t.List[str]] = {}
    for path in release.files:
        match = _PACKED.fullmatch(path)
        if match:
            packings.setdefault(match.group(1), []).append(match.group(2) or "")
    components = set(source.components) or _all_components(release)
    found = []
    seen: t.Set[str] = set()
    for stem in sorted(packings):
        kind, place = _kind(stem)
        if not kind or not _asked_for(kind, place, source, components) or kind not in _READ.get(source.mode, _KINDS):
            continue
        if kind in ("packages", "sources"):
            seen.update(value for value in place.values() if value)
        suffixes = tuple(suffix for suffix in sorted(packings[stem]) if suffix) or ("",)
        if source.mode != "verbatim":  # it is read and not passed on: one packing will do
            suffixes = tuple(suffix for suffix in READABLE if suffix in suffixes)[:1] or suffixes
        found.append(Index(kind, stem, suffixes))
    _complain_about_missing(release, source, seen, found, what)
    return found


def readable(index: Index, what: str) -> str:
    """The path of the packing to read."""
    for suffix in READABLE:
        if suffix in index.suffixes:
            return index.stem + suffix
    raise Failure(f"read {index.stem} of {what}", f"it is packed as {', '.join(index.suffixes)} only", "Ask the upstream for gz or xz")


def published(release: Release, directory: str, path: str) -> t.List[Wanted]:
    """A file at every path it is published at; directory: the suite's, ending in "/" or empty. By-hash paths come first.

    apt asks for the strongest digest its Release lists, so SHA512 names are made where there are such sums.
    """
    size, sha256, sha512 = release.files[path]
    paths = [directory + path]
    if release.by_hash:
        folder = (directory + path).rpartition("/")[0]
        names = [f"by-hash/SHA256/{sha256}"] + ([f"by-hash/SHA512/{sha512}"] if sha512 else [])
        paths = [f"{folder}/{name}".lstrip("/") for name in names] + paths
    return [Wanted(place, size, sha256) for place in paths]


def _kind(stem: str) -> t.Tuple[str, t.Mapping[str, t.Optional[str]]]:
    for kind, pattern in _KINDS.items():
        match = pattern.fullmatch(stem)
        if match:
            return kind, match.groupdict()
    return "", {}


def _asked_for(kind: str, place: t.Mapping[str, t.Optional[str]], source: Source, components: t.Container[str]) -> bool:
    component, architecture, language = (place.get(name) for name in ("component", "architecture", "language"))
    if architecture and architecture.startswith("udeb-"):
        # main/Contents-udeb-amd64 is of the installer's packages, which are the component main/debian-installer.
        component, architecture = f"{component}/debian-installer", architecture[len("udeb-"):]
    if component and components and component not in components:
        return False
    if kind == "sources" or architecture == "source":
        return source.sources and (kind == "sources" or source.contents)
    if (kind == "contents" and not source.contents) or (kind == "installer" and not source.installer):
        return False
    if language and language not in source.languages:
        return False
    return not (architecture and source.architectures and architecture not in source.architectures and architecture != "all")


def _all_components(release: Release) -> t.Set[str]:
    """Components as the paths have them: a suite stable/updates may say updates/main and mean main/."""
    return {name for component in release.components for name in (component, component.rpartition("/")[2])}


def _complain_about_missing(release: Release, source: Source, seen: t.Container[str], found: t.Sequence[Index], what: str) -> None:
    flat = any("/" not in index.stem for index in found)  # such an archive has nothing to choose from
    missing = [] if flat else [name for name in (*source.architectures, *source.components) if name not in seen and name != "all"]
    if missing:
        raise Failure(f"mirror {what}", f"it has no packages for '{missing[0]}'", _offer(release))
    if not any(index.kind in ("packages", "sources") for index in found):
        raise Failure(f"mirror {what}", "it lists no index that was asked for", _offer(release))


def _offer(release: Release) -> str:
    return f"It has the components {', '.join(release.components) or 'none'} and the architectures {', '.join(release.architectures) or 'none'}"
