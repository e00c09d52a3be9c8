# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the last run knew: a small record that answers "is anything to do?", and a cache that may be lost.

Both live in ``.egi-cmd`` below the repository's root, which only their owner may enter (a web server may not).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import typing as t

DIRECTORY = ".egi-cmd"

_FORMAT = 1  # of both files; raise it too when the code would publish other bytes for the same input


class Record:
    """The last finished run of one declaration.

    inputs: digest of the declaration and the stamps of all its files; renew_at: when a signature must be renewed,
    seconds since 1970, 0 for never; outputs: path below the root -> [size, mtime_ns]; summary: the module's answer.
    """

    def __init__(self, root: str, subject: t.Iterable[str]) -> None:
        name = hashlib.sha256("\0".join(sorted(subject)).encode()).hexdigest()[:16]
        self._root, self._path = root, os.path.join(root, DIRECTORY, f"record-{name}.json")
        self._data = _load(self._path)

    def settled(self, inputs: str, now: int) -> t.Optional[t.Any]:
        """The summary of the last run, if it would say the same again; else None.

        Every published file is looked at (size and time of change), so that a damaged repository is not "unchanged".
        """
        data = self._data
        if data.get("inputs") != inputs or (data.get("renew_at", 0) and now >= data["renew_at"]):
            return None
        try:
            for path, stamp in data["outputs"].items():
                status = os.lstat(f"{self._root}/{path}")
                if [status.st_size, status.st_mtime_ns] != stamp:
                    return None
        except (OSError, KeyError):
            return None
        return data.get("summary")

    def save(self, inputs: str, renew_at: int, outputs: t.Iterable[str], summary: t.Any) -> None:
        """Remember a finished run."""
        stamps = {}
        for path in sorted(outputs):
            status = os.lstat(f"{self._root}/{path}")
            stamps[path] = [status.st_size, status.st_mtime_ns]
        _save(self._path, {"inputs": inputs, "renew_at": renew_at, "outputs": stamps, "summary": summary})


class Cache:
    """Facts that save work and can all be found out again.

    packages: source file -> [stamp, package]; pool: published file -> [size, mtime_ns, sha256];
    parts: suite or repository -> {"keys": [...], "packages": [...], "generations": [{"index": [...], "pool": [...]}]}.
    """

    def __init__(self, root: str) -> None:
        self._path = os.path.join(root, DIRECTORY, "cache.json")
        data = _load(self._path)
        self.packages: t.Dict[str, t.Dict[str, t.List[t.Any]]] = data.get("packages", {})
        self.pool: t.Dict[str, t.List[t.Any]] = data.get("pool", {})
        self.parts: t.Dict[str, t.Dict[str, t.Any]] = data.get("parts", {})

    def save(self) -> None:
        """Write the cache, without source files that are gone."""
        for known in self.packages.values():
            for path in [path for path in known if not os.path.lexists(path)]:
                del known[path]
        _save(self._path, {"packages": self.packages, "pool": self.pool, "parts": self.parts})


def digest(*parts: t.Any) -> str:
    """One digest of JSON data: equal exactly when the data are equal."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _load(path: str) -> t.Dict[str, t.Any]:
    with contextlib.suppress(OSError, ValueError):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        if isinstance(data, dict) and data.get("format") == _FORMAT:
            return data
    return {}


def _save(path: str, data: t.Dict[str, t.Any]) -> None:
    temporary = f"{path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps({"format": _FORMAT, **data}, separators=(",", ":")))  # dump() does without the encoder in C
    os.replace(temporary, path)
