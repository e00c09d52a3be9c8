# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What one package's versions were in every repository of every release, and whether hosts always go forward."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import EFFECTIVE, KINDS, RELEASE_NAME, release_key
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_rules import Problem
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import Scheme


class Release(t.NamedTuple):
    """name: its number, ``6.1``; versions: (kind of repository, versions in the order they were published)."""

    name: str
    versions: t.Tuple[t.Tuple[str, t.Tuple[str, ...]], ...]

    def of(self, *kinds: str) -> t.List[str]:
        """Return every version in repositories of these kinds."""
        return [version for kind, versions in self.versions if kind in kinds for version in versions]


History = t.Tuple[Release, ...]


def read(used: Scheme, data: t.Any) -> History:
    """Return the history that data describes: releases, oldest first, each ``{release: "6.1", base: [versions], ...}``.

    A kind that is left out has no version; a single version need not be a list. Raise Failure for anything else.
    """
    if not isinstance(data, (list, tuple)):
        raise _refusal(f"expected a list of releases, got {type(data).__name__}")
    history = tuple(_release(used, item, f"item {index}") for index, item in enumerate(data))
    for before, after in zip(history, history[1:]):
        if release_key(before.name) >= release_key(after.name):
            raise _refusal(f"release {after.name} stands after {before.name}", "List each release once, the oldest first")
    return history


def named(history: History, name: str) -> Release:
    """Return the release of that name; raise Failure if history does not list it."""
    for release in history:
        if release.name == name:
            return release
    listed = ", ".join(release.name for release in history) or "none"
    raise _refusal(f"there is no release {name!r} (listed: {listed})", "Add it, with no versions if it has none yet")


def with_version(history: History, name: str, kind: str, version: str) -> History:
    """Return history after version was published there."""
    changed = []
    for release in history:
        if release.name == name:
            versions = dict(release.versions)
            versions[kind] = (*versions.get(kind, ()), version)
            release = release._replace(versions=tuple(versions.items()))
        changed.append(release)
    return tuple(changed)


def effective(used: Scheme, release: Release) -> str:
    """Return the version a host of this release gets, empty if there is none."""
    return max(release.of(*EFFECTIVE), key=used.key, default="")


def problems(used: Scheme, history: History) -> t.List[Problem]:
    """Return every rule the history breaks, releases in order. Any version will do, also one outside the scheme."""
    found: t.List[Problem] = []
    highest, holder = "", ""
    for release in history:
        found += _in_one_release(used, release)
        here = effective(used, release)
        if here and highest and used.key(here) < used.key(highest):
            found.append(Problem("no-downgrade", f"release {release.name} has {here}, below {highest} of release {holder}"))
        elif here:
            highest, holder = here, release.name
    return found


def _in_one_release(used: Scheme, release: Release) -> t.Iterator[Problem]:
    for kind, versions in release.versions:
        for before, after in zip(versions, versions[1:]):
            if used.key(after) <= used.key(before):
                yield Problem("increasing", f"{kind} of release {release.name} has {after} after {before}")
    base = max(release.of("base"), key=used.key, default="")
    for kind in ("updates", "security"):
        for version in release.of(kind):
            if base and used.key(version) < used.key(base):
                yield Problem("above-base", f"{kind} of release {release.name} has {version}, below {base} of base")


def _release(used: Scheme, item: t.Any, place: str) -> Release:
    if not isinstance(item, dict):
        raise _refusal(f"{place} is no map")
    name = item.get("release")
    if not isinstance(name, str) or not RELEASE_NAME.fullmatch(name):
        raise _refusal(f"{place}: expected release, a number in quotes, got {name!r}", 'Write it like "6.1"')
    unknown = sorted(str(key) for key in item if key not in (*KINDS, "release"))
    if unknown:
        raise _refusal(f"{place}: expected release and {', '.join(KINDS)}, got {', '.join(unknown)}")
    return Release(name, tuple((kind, _versions(used, item[kind], f"{place}, {kind}")) for kind in KINDS if kind in item))


def _versions(used: Scheme, value: t.Any, place: str) -> t.Tuple[str, ...]:
    versions = [value] if isinstance(value, str) else value
    if not isinstance(versions, (list, tuple)):
        raise _refusal(f"{place}: expected a list of versions, got {type(value).__name__}")
    for version in versions:
        used.key(version)  # refuses by name what is no version
    return tuple(str(version) for version in versions)


def _refusal(why: str, remedy: str = 'Write [{release: "6.1", base: [versions], updates: [versions]}]') -> Failure:
    return Failure("read the history of versions", why, remedy)
