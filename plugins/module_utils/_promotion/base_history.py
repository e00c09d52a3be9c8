# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The base distribution over time: what each generation of its mirror offers of a package, and where the bytes are."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import manifest as manifests
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import SNAPSHOTS, Generations
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import STATE
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._promotion import indices
from ansible_collections.egi.cmd.plugins.module_utils._promotion.indices import Repository
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import EVERYWHERE


class Offer(t.NamedTuple):
    """One package file of the base. generation: of the mirror that has it; path: where it lies there."""

    platform: str
    package: str
    version: str
    architecture: str
    generation: str
    path: str
    sha256: str


class History:
    """One set of a mirror as the base of a platform. architectures: of its hosts; packages: those one can ask for."""

    def __init__(self, platform: str, form: str, architectures: t.Sequence[str], root: str, name: str, packages: t.Collection[str]) -> None:
        self.platform, self._form, self._architectures, self._packages = platform, form, tuple(architectures), frozenset(packages)
        action = f"read the base of {platform}"
        if not all(os.path.isdir(os.path.join(root, part)) for part in (SNAPSHOTS, STATE)):
            raise Failure(action, f"{root} is no mirror", "Name the directory that cmd-mirror writes")
        self._generations = Generations(Store(root))
        self._all = [one.name for one in reversed(self._generations.all(name))]
        if not self._all:
            raise Failure(action, f"the mirror {root} has no snapshot of a set {name!r}", "Sync it first, or name another set")
        self._read: t.Dict[str, t.List[Offer]] = {}

    @property
    def current(self) -> str:
        """The newest generation."""
        return self._all[0]

    def now(self) -> t.List[Offer]:
        """What the newest generation has of the packages."""
        return self._of(self.current)

    def ever(self) -> t.List[Offer]:
        """What every generation has of them, the newest first."""
        return [offer for name in self._all for offer in self._of(name)]

    def last_without(self, bad: t.Callable[[Offer], bool]) -> str:
        """The newest generation that has no bad build; the oldest if all have."""
        return next((name for name in self._all if not any(map(bad, self._of(name)))), self._all[-1])

    def repository(self, generation: str) -> Repository:
        """The indices of a generation."""
        return indices.repository(self.platform, self._form, self._architectures, [self._generations.path(generation)], False)

    def _of(self, generation: str) -> t.List[Offer]:
        if generation not in self._read:
            taken = (*self._architectures, *EVERYWHERE)
            top = self._generations.path(generation)
            self._read[generation] = [
                Offer(self.platform, entry.package, entry.version, entry.architecture, generation, os.path.join(top, source, entry.wanted.path),
                      entry.wanted.sha256)
                for source in self._generations.load(generation).sources
                for entry in manifests.load(self._generations.manifest_file(generation, source)).entries
                if entry.package in self._packages and entry.architecture in taken
            ]
        return self._read[generation]
