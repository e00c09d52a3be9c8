# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The cache of finished stages: a directory for each, named after everything that went into it, and there only when it is whole."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

Record = t.Dict[str, t.Any]

_RECORD = "record.json"
# Keys of a build lie below it, and a list of keys in a sources file is divided by blanks.
_PATH = re.compile(r"[A-Za-z0-9/._+-]+\Z")
_KEPT = 2  # stages of a cell: what it is, and what it was before


def digest_of(*parts: t.Any) -> str:
    """Return the SHA-256 of data that JSON can say, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Stage(t.NamedTuple):
    """A stage of a cell. key: digest of all its inputs."""

    kind: str
    cell: str
    key: str


class Cache:
    """A directory of stages. Only one build at a time works in it. Raises Failure for a path that apt cannot be told."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(directory)
        if not _PATH.match(self.directory):
            raise Failure(f"use cache {self.directory}", "its path has other characters than letters, digits and ._+-", "Give another cache")

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Keep others out, and remove what a killed build left. Raises Failure when another build is at work."""
        for name in ("work", "logs"):
            os.makedirs(f"{self.directory}/{name}", mode=0o755, exist_ok=True)
        with open(f"{self.directory}/lock", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Failure(f"build in {self.directory}", "another build works there", "Wait for it, or give another cache") from None
            self._sweep()
            yield

    def _sweep(self) -> None:
        for name in os.listdir(f"{self.directory}/work"):
            shutil.rmtree(f"{self.directory}/work/{name}")

    def path(self, stage: Stage) -> str:
        """Return where a stage is, or will be."""
        return f"{self.directory}/{stage.kind}/{stage.cell}/{stage.key[:32]}"

    def record(self, stage: Stage) -> t.Optional[Record]:
        """Return what was recorded of a stage; None when it is not there, or a file of it is not what it was."""
        try:
            with open(f"{self.path(stage)}/{_RECORD}", encoding="utf-8") as handle:
                content: Record = json.load(handle)
            if content["key"] != stage.key or any(self._state(stage, name) != state for name, state in content["files"].items()):
                return None
            return t.cast(Record, content["record"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _state(self, stage: Stage, name: str) -> t.List[int]:
        found = os.stat(f"{self.path(stage)}/{name}")
        return [found.st_size, int(found.st_mtime)]

    def work(self, name: str) -> str:
        """Return a new empty directory, for the time of this run."""
        place = f"{self.directory}/work/{name}"
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place, mode=0o755)
        return place

    def keep(self, stage: Stage, work: str, files: t.Sequence[str], record: Record, epoch: int) -> None:
        """Make files of a work directory the stage. epoch: the time they get, so that a later change is seen."""
        place = self.path(stage)
        for name in set(os.listdir(work)) - set(files):
            one = f"{work}/{name}"
            if os.path.isdir(one) and not os.path.islink(one):
                shutil.rmtree(one)
            else:
                os.unlink(one)
        for name in files:
            if not os.path.islink(f"{work}/{name}"):
                os.chmod(f"{work}/{name}", 0o644)
                os.utime(f"{work}/{name}", (epoch, epoch))
                flush(f"{work}/{name}")
        states = {name: [os.stat(f"{work}/{name}").st_size, int(os.stat(f"{work}/{name}").st_mtime)] for name in files}
        with open(f"{work}/{_RECORD}", "w", encoding="utf-8") as handle:
            json.dump({"key": stage.key, "files": states, "record": record}, handle, indent=1, sort_keys=True)
        flush(f"{work}/{_RECORD}")
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        os.rename(work, place)
        flush(os.path.dirname(place))

    def forget(self, kind: str, cell: str, used: t.Collection[str]) -> None:
        """Remove old stages of a cell: all but those in use and, of the others, the newest. used: keys."""
        place = f"{self.directory}/{kind}/{cell}"
        names = os.listdir(place) if os.path.isdir(place) else []
        old = [name for name in names if name not in {key[:32] for key in used}]
        old.sort(key=lambda name: os.stat(f"{place}/{name}").st_mtime)
        for name in old[:max(0, len(old) - (_KEPT - 1) * max(1, len(used)))]:
            shutil.rmtree(f"{place}/{name}")


def flush(path: str) -> None:
    """Bring a file, or a directory's names, to the disk (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
