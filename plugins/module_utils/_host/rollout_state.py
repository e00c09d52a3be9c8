# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a host itself knows of a rollout: how far it came, and how the host was before. One JSON object per rollout.

/var/lib/egi-cmd/rollout/<record>.json, published in host-rollout.schema.json beside this file. It is written before the
line in the rollout's own record, so a host never knows less than the controller says of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._host import generations, holds, sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Family, Run

DIRECTORY = "/var/lib/egi-cmd/rollout"
SCHEMA = 1
State = t.Dict[str, t.Any]


def path_of(record: str, directory: str = DIRECTORY) -> str:
    """Return the file of a rollout. Raises Failure for a name that is no file name."""
    return os.path.join(directory, f"{sync_record.checked_id(record)}.json")


def load(record: str, directory: str = DIRECTORY) -> t.Optional[State]:
    """Return what the host knows of a rollout, None when it has not heard of it. Raises Failure."""
    path = path_of(record, directory)
    try:
        with open(path, encoding="utf-8") as handle:
            state = json.load(handle)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Failure(f"read {path}", f"it is not JSON ({error})", "Move the file away; the host then counts as not yet changed") from None
    if not isinstance(state, dict) or state.get("schema") != SCHEMA or not isinstance(state.get("before"), dict):
        raise Failure(f"read {path}", f"it is not a host's rollout of schema {SCHEMA}", "Move the file away; the host then counts as not yet changed")
    return state


def save(record: str, state: t.Mapping[str, t.Any], directory: str = DIRECTORY) -> None:
    """Replace the file as a whole; it is on the disk when this returns."""
    path = path_of(record, directory)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    part = f"{path}.part"
    with open(part, "w", encoding="utf-8") as handle:
        handle.write(json.dumps({"schema": SCHEMA, "rollout": record, **state}, indent=2, sort_keys=True) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(part, path)
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def noted(state: t.Mapping[str, t.Any], status: str, reason: str = "", **details: t.Any) -> State:
    """Return the state with how far the host came; what it was before stays. The time is the host's own."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {**state, "status": status, "reason": masked(" ".join(reason.split())), "time": now, "boot": boot_id(), **details}


def look(family: Family, set_name: str, run: Run) -> State:
    """Return how the host is now, as far as a roll-back must bring it back, but for the packages: package_sync records those."""
    return {"generation": generations.remember(set_name).generation, "files": _digests(family.paths(set_name)), "holds": holds.holds(family.name, run)}


def differences(before: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return in words what of look() is not as it was."""
    found = []
    if now["generation"] != before["generation"]:
        found.append(f"the repositories are at generation {now['generation'] or 'none'} instead of {before['generation'] or 'none'}")
    found += [f"{path} is not the file it was" for path in sorted({*before["files"], *now["files"]}) if before["files"].get(path) != now["files"].get(path)]
    found += [f"'{hold}' is gone" for hold in before["holds"] if hold not in now["holds"]]
    found += [f"'{hold}' is new" for hold in now["holds"] if hold not in before["holds"]]
    return found


def package_differences(record: t.Optional[sync_record.Record], installed: t.Mapping[str, str]) -> t.Tuple[t.List[str], t.List[str]]:
    """Return what is not as the rollout found it: of the packages it changed, and of those that others changed since."""
    if record is None:
        return [], []
    own = [f"{name} is {installed.get(name) or 'not installed'} instead of {record.before[name] or 'absent'}"
           for name in record.touched if installed.get(name) != record.before[name]]
    manifest = record.manifest or {}
    others = [name for name in sorted({*manifest, *installed}) if record.manifest is not None and name not in record.touched
              and manifest.get(name) != installed.get(name)]
    return own, others


def boot_id() -> str:
    """Return what names the time since the host's last start, '' where the kernel does not say."""
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
        return handle.read().strip()
    return ""


def _digests(paths: t.Iterable[str]) -> t.Dict[str, str]:
    """Return path -> SHA-256 of mode and content of every file that is there."""
    found = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as handle:
            mode = stat.S_IMODE(os.fstat(handle.fileno()).st_mode)
            found[path] = hashlib.sha256(f"{mode:o}\0".encode() + handle.read()).hexdigest()
    return found
