# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What changed between two kinds of repository, or two snapshots: packages, sizes, maintainers, and lines for release notes."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import package_metadata
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import difference
from ansible_collections.egi.cmd.plugins.module_utils._mirror.difference import Change
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generations
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import Pointers
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Desk


class Note(t.NamedTuple):
    """A package whose versions are not the same. kind: added, removed or changed; place: platform, or the snapshot's
    source; size: bytes, after minus before; lines: of the newest changelog entry, without its head and its author."""

    kind: str
    place: str
    package: str
    architecture: str
    before: t.List[str]
    after: t.List[str]
    size: int
    maintainer: str
    lines: t.List[str]

    def __str__(self) -> str:
        way = " -> ".join(", ".join(versions) for versions in (self.before, self.after) if versions)
        head = f"{self.kind:8}{self.package} {way} ({self.architecture}, {self.place}, {self.size:+d} bytes){f', {self.maintainer}' if self.maintainer else ''}"
        return "\n".join([head, *(f"        {line}" for line in self.lines)])


def between_kinds(desk: Desk, before: str, after: str) -> t.List[Change]:
    """What the repositories of one kind have and those of another have not, platform by platform."""
    platforms = sorted({item.platform for kind in (before, after) for item in desk.items(kind)})
    return [change for platform in platforms
            for change in difference.of_entries(platform, _entries(desk, before, platform), _entries(desk, after, platform)).changes]


def between_snapshots(mirror_root: str, before: str, after: str) -> t.List[Change]:
    """What two snapshots, or the names that lead to them, differ in. Raises Failure where there is none of that name."""
    generations = Generations(Store(mirror_root))
    pointers = Pointers(generations)
    one, other = (generations.load(pointers.resolve(name)) for name in (before, after))
    return difference.between(generations, one, other).changes


def noted(change: Change, file: t.Callable[[str], t.Optional[str]]) -> Note:
    """A change with what its package says. file: says where the bytes with a SHA-256 are, None if they are gone."""
    size = sum(version.size for version in change.after) - sum(version.size for version in change.before)
    maintainer, lines = _said([version.sha256 for version in [*reversed(change.after), *change.before]], file)
    versions = [[version.version for version in side] for side in (change.before, change.after)]
    return Note(change.kind, change.source, change.package, change.architecture, versions[0], versions[1], size, maintainer,
                lines if change.after else [])


def _said(digests: t.Sequence[str], file: t.Callable[[str], t.Optional[str]]) -> t.Tuple[str, t.List[str]]:
    path = next((found for found in map(file, digests) if found), None)
    if path is None:
        return "", []
    try:
        metadata = package_metadata.read(path)
    except Failure:  # a package may be published without a changelog anybody can read
        return "", []
    text = metadata.entry.text if metadata.entry else ""
    return metadata.maintainer, [line.strip() for line in text.split("\n") if line.strip()[:2] in ("* ", "- ")]


def _entries(desk: Desk, kind: str, platform: str) -> t.List[Entry]:
    return [Entry(Wanted(item.file, item.size, item.sha256), item.package, item.version, item.architecture) for item in desk.items(kind, platform)]
