# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror root filled by hand: snapshots whose files are in the store, without an upstream."""

from __future__ import annotations

import hashlib
import os
from typing import Dict, Mapping, Optional

from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation, Generations, News
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Entry, Snapshot, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import Pointers
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store


class Root:
    """One mirror root and its parts."""

    def __init__(self, path: object) -> None:
        self.path = str(path)
        self.store = Store(self.path)
        self.generations = Generations(self.store)
        self.pointers = Pointers(self.generations)

    def put(self, path: str, content: bytes) -> Wanted:
        """Bring content into the store, to be published at path."""
        return Wanted(path, len(content), self.store.add(content))

    def snapshot(self, packages: Mapping[str, bytes], name: str = "suite") -> Snapshot:
        """A snapshot of a deb archive with these packages: path -> content."""
        index = repr(sorted(packages.items())).encode()
        digest = hashlib.sha256(index).hexdigest()
        large = [self.put(f"dists/{name}/main/{where}", index) for where in ("Packages", f"by-hash/SHA256/{digest}")]
        entries = [Entry(self.put(path, content), *_name_of(path)) for path, content in packages.items()]
        return Snapshot([Document(f"dists/{name}/InRelease", digest.encode())], large, entries, digest, 0)

    def build(self, of_set: str, last: Optional[Generation] = None, **sources: Optional[Mapping[str, bytes]]) -> Generation:
        """Make a generation. sources: their packages, None for those of the last generation."""
        news: Dict[str, Optional[News]] = {
            source: None if packages is None else News("deb", "http://repo.example.org/", "", self.snapshot(packages))
            for source, packages in sources.items()
        }
        return self.generations.build(of_set, news, last)

    def read(self, *parts: str) -> bytes:
        """What a reader gets."""
        with open(os.path.join(self.path, *parts), "rb") as file:
            return file.read()

    def holes(self) -> list:
        """Everything any generation refers to and a reader would not get whole, and every link that leads nowhere."""
        found = [file for one in self.generations.all() for source in one.sources for file in self.generations.missing(one.name, source)]
        for directory, directories, files in os.walk(self.path):
            found += [os.path.join(directory, name) for name in (*directories, *files) if not os.path.exists(os.path.join(directory, name))]
        return found


def _name_of(path: str) -> tuple:
    """Name, version and architecture in a package's path."""
    name, version, architecture = path.rpartition("/")[2].rpartition(".")[0].split("_")
    return name, version, architecture
