# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the host remembers of a repository set: which generation is live, and every generation it can go back to.

/var/lib/egi-cmd/repository_set/    (no set's name has an underscore, so no set can be taken for one of the first two)
  <set>_journal                    only while a change is under way (transaction.py)
  <set>_scratch/                   only while a proof is under way
  <set>/current.json               the live generation, its forerunners, the directories that were made for the set
  <set>/generations/<id>.json      all files of one generation, byte for byte
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File

BASE = "/var/lib/egi-cmd/repository_set"
_KEPT = 20
_IDENTIFIER = re.compile(r"[0-9a-f]{16}\Z")


@dataclass(frozen=True)
class Generation:
    """One state of a set: its files by path, its priorities by repository, and prefixes of its cached metadata."""

    files: t.Dict[str, File]
    priorities: t.Dict[str, int]
    caches: t.List[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits made from the files alone: the same configuration has the same id on every host."""
        digest = hashlib.sha256()
        for path, file in sorted(self.files.items()):
            digest.update(f"{path}\0{file.mode:o}\0{len(file.content)}\0".encode())
            digest.update(file.content)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Memory:
    """current.json of a set; generation is None and the lists are empty for a set the host does not have."""

    generation: t.Optional[str] = None
    known: t.Tuple[str, ...] = ()
    made: t.Tuple[str, ...] = ()


def directory(set_name: str) -> str:
    """Return where the memory of a set is."""
    return os.path.join(BASE, set_name)


def journal(set_name: str) -> str:
    """Return where the journal of a set's change is, beside its memory: the memory itself may be what changes."""
    return os.path.join(BASE, f"{set_name}_journal")


def scratch(set_name: str) -> str:
    """Return where a set is proved; apt's unprivileged fetcher must be able to reach it, so it is not a private directory."""
    return os.path.join(BASE, f"{set_name}_scratch")


def remember(set_name: str) -> Memory:
    """Return what the host remembers of the set. Raises Failure when the memory is damaged."""
    content = _json(os.path.join(directory(set_name), "current.json"))
    if content is None:
        return Memory()
    return Memory(content["generation"], tuple(content["known"]), tuple(content["made"]))


def load(set_name: str, identifier: str) -> Generation:
    """Return a generation the host can go back to. Raises Failure naming those it has."""
    content = _json(_path(set_name, identifier)) if _IDENTIFIER.match(identifier) else None
    if content is None:
        known = ", ".join(remember(set_name).known) or "none"
        raise Failure(f"go back to generation '{identifier}' of repository set '{set_name}'", "this host has no such generation",
                      f"Choose one of its own: {known}")
    files = {path: File(base64.b64decode(one["content"]), one["mode"], one["shown"]) for path, one in content["files"].items()}
    return Generation(files, content["priorities"], content["caches"])


def writes(set_name: str, generation: Generation, made: t.Sequence[str]) -> t.Tuple[t.Dict[str, File], t.List[str]]:
    """Return (files that record generation as the live one, paths of generations too old to keep)."""
    memory = remember(set_name)
    known = [*(one for one in memory.known if one != generation.id), generation.id]
    current = {"generation": generation.id, "known": known[-_KEPT:], "made": sorted({*memory.made, *made})}
    content = {
        "files": {
            path: {"content": base64.b64encode(file.content).decode("ascii"), "mode": file.mode, "shown": file.shown}
            for path, file in sorted(generation.files.items())
        },
        "priorities": generation.priorities,
        "caches": generation.caches,
    }
    # Only root may read them: a generation may hold a password.
    files = {
        os.path.join(directory(set_name), "current.json"): File(_text(current), 0o600),
        _path(set_name, generation.id): File(_text(content), 0o600),
    }
    return files, [_path(set_name, one) for one in known[:-_KEPT]]


def caches(set_name: str) -> t.List[str]:
    """Return the prefixes of cached metadata of every generation that can be read, also when it is not known which one is live."""
    place = os.path.join(directory(set_name), "generations")
    found: t.Set[str] = set()
    for name in os.listdir(place) if os.path.isdir(place) else ():
        with contextlib.suppress(Failure):
            found.update(_json(os.path.join(place, name))["caches"])
    return sorted(found)


def set_names() -> t.List[str]:
    """Return the names of the sets this host has."""
    try:
        return sorted(name for name in os.listdir(BASE) if os.path.isfile(os.path.join(BASE, name, "current.json")))
    except FileNotFoundError:
        return []


def _path(set_name: str, identifier: str) -> str:
    return os.path.join(directory(set_name), "generations", f"{identifier}.json")


def _text(content: t.Any) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _json(path: str) -> t.Any:
    try:
        with open(path, encoding="utf-8") as handle:
            return json.load(handle)
    except FileNotFoundError:
        return None
    except ValueError:
        raise Failure(f"read {path}", "it is damaged", "Remove the set with state=absent, then configure it again") from None
