# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The record of one synchronisation: which versions it found, which it left, and how far it came.

One JSON object per file, /var/lib/egi-cmd/package_sync/<record>.json:

  schema   1
  record   the record's id, [A-Za-z0-9._-]+
  set      name of the repository set
  family   apt or dnf
  state    planned: written before the first package is touched, so an interrupted run is seen;
           applied: everything was verified; failed: see error; restored: gone back, the record is closed
  touched  packages the synchronisation changes or meant to change, sorted
  before   package -> version when this record first saw it, null when it was not installed
  after    package -> version at the last verification
  error    the failure in words, null unless state is failed
  manifest package -> version of everything that was installed when the record was asked to keep the whole host; else null

The same as JSON Schema: package-record.schema.json beside this file.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

DIRECTORY = "/var/lib/egi-cmd/package_sync"
PLANNED, APPLIED, FAILED, RESTORED = "planned", "applied", "failed", "restored"

_SCHEMA = 1
_ID = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,200}\Z")
_STATES = (PLANNED, APPLIED, FAILED, RESTORED)

Versions = t.Dict[str, t.Optional[str]]


@dataclass(frozen=True)
class Record:
    """One record; fields as the module's documentation above says."""

    record: str
    set: str
    family: str
    state: str = PLANNED
    touched: t.Tuple[str, ...] = ()
    before: Versions = field(default_factory=dict)
    after: Versions = field(default_factory=dict)
    error: t.Optional[str] = None
    manifest: t.Optional[t.Dict[str, str]] = None

    def planned(self, before: Versions, touched: t.Iterable[str]) -> Record:
        """Return the record with another plan added: what it first saw of a package is kept."""
        return dataclasses.replace(self, state=PLANNED, before={**before, **self.before},
                                   touched=tuple(sorted({*self.touched, *touched})), error=None)

    def with_manifest(self, installed: t.Mapping[str, str]) -> Record:
        """Return the record with the whole host in it, as it was before this record's runs changed anything."""
        found = {**installed, **self.before}
        return dataclasses.replace(self, manifest={name: version for name, version in found.items() if version is not None})

    def first_saw(self, package: str, now: t.Optional[str]) -> t.Optional[str]:
        """Return a package's version when this record first saw it. now: what is installed, for one it never saw."""
        if package in self.before or self.manifest is None:
            return self.before.get(package, now)
        return self.manifest.get(package)

    def ended(self, state: str, after: Versions, error: t.Optional[str] = None) -> Record:
        """Return the record at the end of a run."""
        return dataclasses.replace(self, state=state, after=after, error=error)


def checked_id(record: str) -> str:
    """Return a record's id; it becomes a file name. Raises Failure."""
    if not _ID.match(record):
        raise Failure(f"use record '{record}'", "a record's id has 1 to 200 letters, digits, dots, underscores and hyphens, and no leading dot",
                      "Choose another id")
    return record


def path_of(record: str, directory: str) -> str:
    """Return the file of a record in the directory of all records. Raises Failure."""
    return os.path.join(directory, f"{checked_id(record)}.json")


def parse(text: str, path: str) -> Record:
    """Return the record in text. Raises Failure naming path and what is wrong."""
    action = f"read {path}"
    remedy = "Move the file away; without it this record cannot be restored"
    try:
        data = json.loads(text)
    except ValueError as error:
        raise Failure(action, f"it is not JSON ({error})", remedy) from error
    if not isinstance(data, dict) or data.get("schema") != _SCHEMA:
        raise Failure(action, f"it is not a package record of schema {_SCHEMA}", "Use the collection's version that wrote it, or move the file away")
    wrong = sorted(key for key, good in _checks(data).items() if not good)
    if wrong:
        raise Failure(action, f"{', '.join(wrong)} missing or of another type than the schema says", remedy)
    return Record(record=data["record"], set=data["set"], family=data["family"], state=data["state"], touched=tuple(data["touched"]),
                  before=data["before"], after=data["after"], error=data["error"], manifest=data.get("manifest"))


def _checks(data: t.Mapping[str, t.Any]) -> t.Dict[str, bool]:
    checks = {key: isinstance(data.get(key), str) for key in ("record", "set", "family")}
    checks["state"] = data.get("state") in _STATES
    checks["before"], checks["after"] = _is_versions(data.get("before")), _is_versions(data.get("after"))
    touched = data.get("touched")
    checks["touched"] = isinstance(touched, list) and checks["before"] and all(isinstance(name, str) and name in data["before"] for name in touched)
    manifest = data.get("manifest")
    checks["manifest"] = manifest is None or (_is_versions(manifest) and None not in manifest.values())
    checks["error"] = "error" in data and isinstance(data["error"], (str, type(None)))
    return checks


def _is_versions(value: t.Any) -> bool:
    return isinstance(value, dict) and all(isinstance(version, (str, type(None))) for version in value.values())


def render(record: Record) -> str:
    """Return the record as the text of its file."""
    return json.dumps({"schema": _SCHEMA, **dataclasses.asdict(record)}, indent=2, sort_keys=True) + "\n"


def ids(directory: str) -> t.List[str]:
    """Return the ids of all records in a directory, sorted; none when there is no such directory."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(name[:-len(".json")] for name in names if name.endswith(".json") and _ID.match(name[:-len(".json")]))


def load(path: str) -> t.Optional[Record]:
    """Return the record in the file, None when there is no such file. Raises Failure."""
    try:
        with open(path, encoding="utf-8") as handle:
            text = handle.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise Failure(f"read {path}", f"it is not UTF-8 text ({error.reason})", "Move the file away") from error
    return parse(text, path)


def save(path: str, record: Record) -> None:
    """Write the record so that after a crash the file is the old one or the new one, never a part."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    part = f"{path}.part"
    with open(part, "w", encoding="utf-8") as handle:
        handle.write(render(record))
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(part, path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
