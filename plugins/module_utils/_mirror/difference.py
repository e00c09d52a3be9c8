# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What changed between two generations, package by package."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation, Generations
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry


class Version(t.NamedTuple):
    """One version of a package. size: bytes; sha256 tells a rebuild under the same version."""

    version: str
    size: int
    sha256: str


class Change(t.NamedTuple):
    """A package whose versions are not the same. kind: added, removed or changed; before and after: what only one
    side has."""

    kind: str
    source: str
    package: str
    architecture: str
    before: t.List[Version]
    after: t.List[Version]

    def as_data(self) -> t.Dict[str, t.Any]:
        """For JSON."""
        return {**self._asdict(), "before": [version._asdict() for version in self.before], "after": [version._asdict() for version in self.after]}


class Difference(t.NamedTuple):
    """changes: by source and package; size: bytes of all packages, after minus before."""

    changes: t.List[Change]
    size: int

    def counts(self) -> t.Dict[str, int]:
        """How many packages were added, removed and changed."""
        return {kind: sum(change.kind == kind for change in self.changes) for kind in ("added", "removed", "changed")}


Packages = t.Dict[t.Tuple[str, str], t.List[Version]]


def between(generations: Generations, before: t.Optional[Generation], after: Generation) -> Difference:
    """Compare two generations source by source; before None compares with nothing."""
    changes: t.List[Change] = []
    size = 0
    for source in sorted({*(before.sources if before else ()), *after.sources}):
        old = generations.manifest(before.name, source).entries if before and source in before.sources else []
        new = generations.manifest(after.name, source).entries if source in after.sources else []
        found = of_entries(source, old, new)
        changes += found.changes
        size += found.size
    return Difference(changes, size)


def of_entries(source: str, before: t.Collection[Entry], after: t.Collection[Entry]) -> Difference:
    """Compare what two indices name."""
    had_all, has_all = set(before), set(after)
    touched = {(entry.package, entry.architecture) for entry in had_all ^ has_all}
    old, new = _packages(had_all, touched), _packages(has_all, touched)
    changes = []
    for package, architecture in sorted(touched):
        had, has = set(old.pop((package, architecture), ())), set(new.pop((package, architecture), ()))
        if had != has:  # else a file moved
            kind = "added" if not had else "removed" if not has else "changed"
            changes.append(Change(kind, source, package, architecture, sorted(had - has), sorted(has - had)))
    return Difference(changes, _size(has_all) - _size(had_all))


def _packages(entries: t.Iterable[Entry], touched: t.Container[t.Tuple[str, str]]) -> Packages:
    """The versions of those packages an index has something new to say about: few of many thousands, or all of them, for
    which lists take a third of what sets would."""
    packages: Packages = {}
    for (_path, size, sha256), package, version, architecture in entries:
        if (package, architecture) in touched:
            packages.setdefault((package, architecture), []).append(Version(version, size, sha256))
    return packages


def _size(entries: t.Iterable[Entry]) -> int:
    return sum({entry.wanted.sha256: entry.wanted.size for entry in entries}.values())


def package_lines(changes: t.Sequence[Change], most: int = 2000) -> t.Tuple[str, str]:
    """Changes as two texts for a line-wise diff, before and after; a first sync of a distribution has more than anyone reads."""
    texts = []
    for field in ("before", "after"):
        lines = [f"{change.source}: {change.package} {one.version} ({change.architecture})" for change in changes for one in getattr(change, field)]
        more = [f"and {len(lines) - most} more"] if len(lines) > most else []
        texts.append("".join(f"{line}\n" for line in [*lines[:most], *more]))
    return texts[0], texts[1]
