# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A definition becomes cells, one for each variant and architecture: which repositories it is built from, and which it is given."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import policy, repository
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Repository
from ansible_collections.egi.cmd.plugins.module_utils._image.definition import SYSTEM_PACKAGES, Definition
from ansible_collections.egi.cmd.plugins.module_utils._release.facts import ARCHITECTURES as FAMILY_WORDS
from ansible_collections.egi.cmd.plugins.module_utils._release.resolve import Wishes, resolve

Entry = t.Dict[str, t.Any]


class Set(t.NamedTuple):
    """A repository set of the image. repositories: what the image is given; sources: where the build finds the same, in this order.
    overlay: of the release, so that its pins are written; the base distribution needs none, 500 is apt's own default."""

    name: str
    repositories: t.Tuple[Repository, ...]
    sources: t.Tuple[Repository, ...]
    overlay: bool


class Cell(t.NamedTuple):
    """One image to build. family: apt or dnf. machine: the family's word for the architecture. install: every package asked for."""

    name: str
    variant: str
    architecture: str
    family: str
    machine: str
    sets: t.Tuple[Set, ...]
    install: t.Tuple[str, ...]
    definition: Definition

    @property
    def has_disk(self) -> bool:
        """A container is a root file system and nothing else."""
        return self.variant != "container"


def cells(definition: Definition) -> t.List[Cell]:
    """Return the cells of a definition, sorted by name. Raises Failure when the release has no such platform or architecture."""
    found = [_cell(definition, variant, architecture) for variant in definition.variants for architecture in definition.architectures]
    return sorted(found, key=lambda cell: cell.name)


def _cell(definition: Definition, variant: str, architecture: str) -> Cell:
    name = f"{definition.name}-{variant}-{architecture}"
    form = _format(definition)
    family = {"deb": "apt", "rpm": "dnf"}[form]
    machine = FAMILY_WORDS[form][architecture]
    if form == "rpm" and variant != "container" and definition.external is None:
        raise Failure(f"build image {name}", "of the RPM family, this builds container roots only",
                      "Take variant container, or build the disk elsewhere and give it as external")
    sets = [] if definition.external else _sets(definition, family, architecture)
    return Cell(name, variant, architecture, family, machine, tuple(sets), _install(definition, variant, architecture, family), definition)


def _format(definition: Definition) -> str:
    if definition.release is not None:
        platforms = definition.release.get("platforms") or {}
        if definition.platform not in platforms:
            raise Failure(f"build image {definition.name}", f"the release has no platform '{definition.platform}'", f"It has {', '.join(platforms)}")
        return str(platforms[definition.platform]["format"])
    return "rpm" if definition.base and any(entry.get("baseurl") for entry in definition.base.repositories) else "deb"


def _install(definition: Definition, variant: str, architecture: str, family: str) -> t.Tuple[str, ...]:
    wanted = {*definition.packages, *definition.release_packages}
    if variant != "container" and definition.external is None:
        system = SYSTEM_PACKAGES if definition.system_packages is None else definition.system_packages
        wanted |= {definition.kernel[architecture], *system}
    elif family == "dnf" and definition.system_packages:
        wanted |= set(definition.system_packages)
    return tuple(sorted(wanted))


def _sets(definition: Definition, family: str, architecture: str) -> t.List[Set]:
    found = []
    if definition.release is not None:
        moving = _resolved(definition, architecture, "")
        sources = _resolved(definition, architecture, definition.snapshot) if definition.snapshot else moving
        found.append(_set(definition, str(definition.release["name"]), family, moving, sources, True))
    if definition.base is not None:
        entries = [dict(entry) for entry in definition.base.repositories]
        found.append(_set(definition, definition.base.name, family, entries, entries, False))
    return found


def _resolved(definition: Definition, architecture: str, snapshot: str) -> t.List[Entry]:
    """The release's repositories, as the release resolves them for a host of this platform. snapshot: '' for what moves on."""
    release = t.cast("t.Mapping[str, t.Any]", definition.release)
    wishes = Wishes(opt_in=list(definition.opt_in) or None, snapshot=snapshot or None, platform=definition.platform)
    try:
        platform = release["platforms"][definition.platform]
        version = str(platform.get("version") or platform["codename"])
        facts = {"distribution": platform["os"][0], "distribution_version": version, "distribution_release": platform.get("codename", ""),
                 "architecture": architecture}
        entries: t.List[Entry] = resolve(release, facts, wishes)["repositories"]
    except (LookupError, TypeError, AttributeError) as error:
        raise Failure("read release of the image definition", f"it is no checked release manifest ({type(error).__name__}: {error})",
                      "Give it as: \"{{ lookup('egi.cmd.release', 'release.yml') }}\"") from error
    return entries


def _set(definition: Definition, name: str, family: str, moving: t.List[Entry], sources: t.List[Entry], overlay: bool) -> Set:
    elsewhere = [_elsewhere(entry, definition.mirrors) for entry in sources]
    given, fetched = (tuple(repository.parse(entries, family, name)) for entries in (moving, elsewhere))
    policy.check_order(family, name, given)
    return Set(name, given, fetched, overlay)


def _elsewhere(entry: Entry, mirrors: t.Mapping[str, str]) -> Entry:
    """Return a repository as the build reaches it. The longest start of a URL that is in mirrors wins."""

    def place(url: str) -> str:
        fitting = [real for real in mirrors if url.startswith(real)]
        if not fitting:
            return url
        real = max(fitting, key=len)
        return mirrors[real] + url[len(real):]

    changed = {**entry, "keys": [{**key, "url": place(key["url"])} if key.get("url") else key for key in entry.get("keys") or ()]}
    for field in ("uris", "baseurl"):
        if entry.get(field):
            changed[field] = [place(url) for url in entry[field]]
    return changed
