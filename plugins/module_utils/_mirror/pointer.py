# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Pointers: names readers use, each a link to one generation that is moved by a single rename.

    <root>/<name>               -> snapshots/<set>-<timestamp>
    <root>/<name>.target.txt    the same as a file, for those who cannot see links through a web server
    <root>/.cmd-mirror/pointers.json    what each name led to before, and whether it may move

A set's own pointer follows its syncs until a person moves it: then it is held, and only a person moves it on. A frozen
pointer does not move at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import SNAPSHOTS, Generations
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import sync_directory

STATE = ".cmd-mirror"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_RESERVED = ("store", "tree", "project", SNAPSHOTS)  # project: traces
_HISTORY = 100


class Pointer(t.NamedTuple):
    """A name readers use. history: (unix time, generation), oldest first; the last one is where it leads now."""

    name: str
    generation: str
    frozen: bool
    held: bool
    history: t.Tuple[t.Tuple[int, str], ...]


class Pointers:
    """The pointers of one mirror root."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._root = generations.root
        self._state = os.path.join(self._root, STATE)
        os.makedirs(self._state, mode=0o700, exist_ok=True)

    def all(self) -> t.Dict[str, Pointer]:
        """Every pointer by name. What the links say counts; the file adds what a link cannot say."""
        recorded = self._read()
        found = {}
        for name in sorted(os.listdir(self._root)):
            generation = self._leads_to(name)
            if generation is None:
                continue
            record = recorded.get(name, {})
            history = [(int(at), str(where)) for at, where in record.get("history", [])]
            if not history or history[-1][1] != generation:  # killed between the rename and the record of it
                history.append((int(os.lstat(os.path.join(self._root, name)).st_mtime), generation))
            found[name] = Pointer(name, generation, bool(record.get("frozen")), bool(record.get("held")), tuple(history))
        return found

    def get(self, name: str) -> t.Optional[Pointer]:
        """One pointer, or None."""
        return self.all().get(name)

    def resolve(self, what: str) -> str:
        """The generation that a pointer's or a generation's own name means."""
        pointer = self.get(what)
        return pointer.generation if pointer else self._generations.load(what).name

    def publish(self, name: str, generation: str, held: bool = False, dry: bool = False) -> bool:
        """Let a name lead to a generation, in one step for every reader; return whether it led elsewhere before.
        dry, here and below: refuse and answer as ever, and change nothing."""
        checked_name(name)
        self._generations.load(generation)
        pointers = self.all()
        now = pointers.get(name)
        if now and now.frozen and now.generation != generation:
            raise Failure(f"publish {generation} as {name}", f"{name} is frozen at {now.generation}",
                          f"Choose another name, or run: cmd-mirror snapshot delete {name}")
        if now is None and os.path.lexists(os.path.join(self._root, name)):
            raise Failure(f"publish {generation} as {name}", "something else has this name", f"Move {self._root}/{name} away, or choose another name")
        if dry:
            return now is None or now.generation != generation
        if now and now.generation == generation:
            if now.held != held:
                self._write({**pointers, name: now._replace(held=held)})
            self.heal()
            return False
        self._switch(name, generation)
        history = (*(now.history if now else ()), (int(time.time()), generation))[-_HISTORY:]
        self._write({**pointers, name: Pointer(name, generation, False, held, history)})
        return True

    def freeze(self, name: str, generation: str, dry: bool = False) -> bool:
        """Give a generation a name that never moves; return whether that is new."""
        now = self.get(name)
        if now and now.generation == generation and now.frozen:
            return False
        own = now is not None and self._generations.load(generation).set == name
        if now and not now.frozen and (now.generation != generation or own):
            raise Failure(f"freeze {generation} as {name}", f"{name} is a pointer that moves", "Choose another name")
        self.publish(name, generation, dry=dry)
        if not dry:
            pointers = self.all()
            self._write({**pointers, name: pointers[name]._replace(frozen=True)})
        return True

    def unfreeze(self, name: str, dry: bool = False) -> bool:
        """Let a frozen pointer move again; return whether it was frozen."""
        pointers = self.all()
        if name not in pointers:
            raise Failure(f"unfreeze {name}", "no pointer has this name", "List them with: cmd-mirror snapshot list")
        if pointers[name].frozen and not dry:
            self._write({**pointers, name: pointers[name]._replace(frozen=False)})
        return pointers[name].frozen

    def roll_back(self, name: str, dry: bool = False) -> str:
        """Let a name lead to the next older generation it ever led to, and hold it there; return the generation."""
        pointer = self.get(name)
        if pointer is None:
            raise Failure(f"roll {name} back", "no pointer has this name", "List them with: cmd-mirror snapshot list")
        present = {generation.name: generation for generation in self._generations.all()}
        past = [present[where] for _at, where in pointer.history if where in present]
        now = present.get(pointer.generation)
        older = [one for one in past if now is None or one.created < now.created]
        if older:
            generation = max(older, key=lambda one: one.created).name
            self.publish(name, generation, held=True, dry=dry)
            return generation
        raise Failure(f"roll {name} back", f"no snapshot it led to before {pointer.generation} is left", "Choose one with: cmd-mirror snapshot publish")

    def delete(self, name: str) -> None:
        """Remove a pointer; what it led to stays."""
        pointers = self.all()
        if name not in pointers:
            raise Failure(f"delete {name}", "no pointer has this name", "List them with: cmd-mirror snapshot list")
        os.unlink(os.path.join(self._root, name))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._target_file(name))
        del pointers[name]
        self._write(pointers)

    def heal(self) -> None:
        """Bring every .target.txt in line with its link, where a run was killed between the two."""
        for name, pointer in self.all().items():
            with contextlib.suppress(OSError):
                with open(self._target_file(name), encoding="utf-8") as file:
                    if file.read() == _target(pointer.generation):
                        continue
            self._write_target(name, pointer.generation)

    def _switch(self, name: str, generation: str) -> None:
        temporary = os.path.join(self._state, "pointer")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(f"{SNAPSHOTS}/{generation}", temporary)
        os.replace(temporary, os.path.join(self._root, name))
        self._write_target(name, generation)
        sync_directory(self._root)

    def _write_target(self, name: str, generation: str) -> None:
        write_file(self._target_file(name), _target(generation), os.path.join(self._state, "target"))

    def _target_file(self, name: str) -> str:
        return os.path.join(self._root, f"{name}.target.txt")

    def _leads_to(self, name: str) -> t.Optional[str]:
        try:
            directory, _slash, generation = os.readlink(os.path.join(self._root, name)).partition("/")
        except OSError:
            return None
        return generation if directory == SNAPSHOTS and generation else None

    def _read(self) -> t.Dict[str, t.Any]:
        try:
            with open(os.path.join(self._state, "pointers.json"), encoding="utf-8") as file:
                return dict(json.load(file))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise Failure(f"read {self._state}/pointers.json", str(error), "Restore it, or remove it: frozen and held names are then forgotten") from error

    def _write(self, pointers: t.Mapping[str, Pointer]) -> None:
        data = {name: {"frozen": one.frozen, "held": one.held, "history": one.history} for name, one in pointers.items()}
        path = os.path.join(self._state, "pointers.json")
        write_file(path, json.dumps(data, indent=1, sort_keys=True) + "\n", path + ".new")


def checked_name(name: str) -> str:
    """Return name if a pointer or a set may have it."""
    if not _NAME.fullmatch(name) or name in _RESERVED or name.endswith(".target.txt"):
        raise Failure(f"use the name {name!r}", f"a name is [a-z0-9][a-z0-9._-]*, none of {', '.join(_RESERVED)} and not *.target.txt", "Choose another name")
    return name


def write_file(path: str, text: str, temporary: str) -> None:
    """Replace a small file as a whole, on disk when this returns."""
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def _target(generation: str) -> str:
    return f"{SNAPSHOTS}/{generation}\n"
