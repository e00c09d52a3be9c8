# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Published package files: where each declared one goes, which are missing, which nobody needs any more."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import publisher
from ansible_collections.egi.cmd.plugins.module_utils._archive.intake import Refusals


class Pool:
    """The files of one repository root. known: published path -> [size, mtime_ns, sha256], the cache's part."""

    def __init__(self, root: str, known: t.Dict[str, t.List[t.Any]], refusals: Refusals) -> None:
        self._root, self._known, self._refusals = root, known, refusals
        self._placed: t.Dict[str, t.Tuple[str, str]] = {}
        self._identities: t.Dict[t.Tuple[str, ...], t.Tuple[str, str]] = {}
        self.copies: t.List[publisher.Copy] = []

    def identify(self, source: str, identity: t.Tuple[str, ...], sha256: str) -> bool:
        """Whether this is the only content of that identity (name, version, architecture); if not it is refused."""
        other, digest = self._identities.setdefault(identity, (source, sha256))
        if digest != sha256:
            self._refusals.add(source, f"{other} is the same version with other bytes")
        return digest == sha256

    def place(self, source: str, target: str, size: int, sha256: str, mtime_ns: int) -> None:
        """Declare that source is published as target; refused when other bytes have, or had, that name."""
        if target in self._placed:
            other, digest = self._placed[target]
            if digest != sha256:
                self._refusals.add(source, f"{other} has the same name in the repository and other bytes")
            return
        self._placed[target] = (source, sha256)
        known = self._known.get(target)
        published = self._published(target, known)
        if published == sha256:
            return
        # Recorded as these bytes and now others: damaged, so it is brought in again. Otherwise it was other bytes before.
        if published and not (known and known[2] == sha256):
            self._refusals.add(source, f"the same version with other bytes is published as {target}")
            return
        self.copies.append(publisher.Copy(source, target, size, sha256, mtime_ns))

    def targets(self) -> t.List[str]:
        """Every file the declaration needs, below the root, sorted."""
        return sorted(self._placed)

    def remember(self) -> None:
        """Bring the cache up to date after copying."""
        for target, (_source, sha256) in self._placed.items():
            status = os.lstat(os.path.join(self._root, target))
            self._known[target] = [status.st_size, status.st_mtime_ns, sha256]

    def surplus(self, directories: t.Iterable[str], needed: t.Collection[str]) -> t.List[str]:
        """Files below the directories that neither this declaration nor needed names."""
        keep = set(needed) | set(self._placed)
        found = []
        for directory in directories:
            for parent, _below, names in os.walk(os.path.join(self._root, directory)):
                found += [os.path.relpath(os.path.join(parent, name), self._root) for name in names]
        return sorted(set(found) - keep)

    def forget(self, targets: t.Iterable[str]) -> None:
        """Drop removed files from the cache."""
        for target in targets:
            self._known.pop(target, None)

    def _published(self, target: str, known: t.Optional[t.List[t.Any]]) -> str:
        path = os.path.join(self._root, target)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return ""
        if known and known[:2] == [status.st_size, status.st_mtime_ns]:
            return str(known[2])
        return publisher.sha256_of(path)
