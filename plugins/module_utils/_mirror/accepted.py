# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What was accepted of each upstream last, so that nothing older is, the next request can be conditional, and what
partial mirrors are made of need not be fetched again while it stays the same.

    <root>/.cmd-mirror/accepted/<set>/<source>.json
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import STATE, write_file


class Built(t.NamedTuple):
    """What a rebuilt source was made of and became. basis: digest of all that went into it; identity: of what came out;
    warnings: what could not be resolved. key_ends: unix time when the first key that signed it expires, 0 for never."""

    basis: str = ""
    identity: str = ""
    warnings: t.Tuple[str, ...] = ()
    key_ends: int = 0


class Acceptance(t.NamedTuple):
    """One upstream. identity, dated, state: of its snapshot. kept: its metadata in the store, where it is not published."""

    identity: str = ""
    dated: int = 0
    state: t.Mapping[str, t.Any] = {}
    kept: t.Tuple[Wanted, ...] = ()
    built: Built = Built()


class Accepted:
    """The files of one mirror root."""

    def __init__(self, root: str) -> None:
        self._directory = os.path.join(root, STATE, "accepted")

    def get(self, of_set: str, source: str) -> Acceptance:
        """What is known of an upstream; nothing if it was never read."""
        path = self._path(of_set, source)
        try:
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
            built = data.get("built", {})
            return Acceptance(
                data["identity"], data["dated"], data["state"], tuple(Wanted(*row) for row in data.get("kept", ())),
                Built(built.get("basis", ""), built.get("identity", ""), tuple(built.get("warnings", ())), built.get("key_ends", 0)),
            )
        except FileNotFoundError:
            return Acceptance()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Failure(f"read {path}", f"{type(error).__name__}: {error}",
                          "Restore it, or remove it: an older state of the upstream would then be taken once") from error

    def put(self, of_set: str, source: str, acceptance: Acceptance) -> None:
        """Remember an upstream."""
        path = self._path(of_set, source)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        data = {**acceptance._asdict(), "built": acceptance.built._asdict()}
        write_file(path, json.dumps(data, indent=1, sort_keys=True) + "\n", path + ".new")

    def release(self, of_set: str, sources: t.Container[str]) -> None:
        """Let go what is kept of upstreams a set no longer has."""
        for name in self._names(of_set):
            known = self.get(of_set, name)
            if known.kept and name not in sources:
                self.put(of_set, name, known._replace(kept=()))

    def files(self) -> t.Set[str]:
        """SHA-256 of all that is kept in the store."""
        sets = os.listdir(self._directory) if os.path.isdir(self._directory) else []
        return {file.sha256 for of_set in sets for name in self._names(of_set) for file in self.get(of_set, name).kept}

    def _names(self, of_set: str) -> t.List[str]:
        directory = os.path.join(self._directory, of_set)
        return [name[:-len(".json")] for name in os.listdir(directory) if name.endswith(".json")] if os.path.isdir(directory) else []

    def _path(self, of_set: str, source: str) -> str:
        return os.path.join(self._directory, of_set, f"{source}.json")
