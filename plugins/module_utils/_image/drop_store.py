# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A stream on disk: generations, and one pointer that readers see them through.

    <directory>/<stream>                 -> .streams/<stream>/00000007, moved by one rename
    <directory>/.streams/<stream>/00000007/    labels, indexes, latest; never changed once it has its number
    <directory>/.streams/<stream>/new          being made; what a killed run left is removed by the next
    <generation>/.ledger.json            what every file of it is, so that nothing is hashed twice

A generation is hard links to the files of the one before, and what is new. So labels, indexes and ``latest`` change in
one step, and the bytes of a label are on disk once.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import drop_record
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Json

STREAMS = ".streams"
_LEDGER, _NEW, _POINTER, _LOCK = ".ledger.json", "new", "pointer", "lock"
_KEPT = 3  # generations before the one readers see: for those who opened one and go on reading in it
_NUMBER = re.compile(r"[0-9]{8}")
_CHUNK = 1 << 20


class Entry(t.NamedTuple):
    """One file of a generation. mark: what a document was made of, empty for an image. lasting: nothing else
    says what it says, so it cannot be made again."""

    size: int
    mtime: int
    inode: int
    sha256: str
    mark: str
    lasting: bool


class Content(t.NamedTuple):
    """A file to write."""

    data: bytes
    mark: str
    lasting: bool


class Plan(t.NamedTuple):
    """A generation to be. Paths are below it. copies: path -> source and what image.json says of it; links: path -> path
    in the generation readers see; contents: path -> bytes; pointers: name -> label."""

    copies: t.Mapping[str, t.Tuple[str, Json]]
    links: t.Mapping[str, str]
    contents: t.Mapping[str, Content]
    pointers: t.Mapping[str, str]


class StreamDirectory:
    """One stream below the directory that is served."""

    def __init__(self, directory: str, stream: str) -> None:
        self._directory = directory
        self.pointer = os.path.join(directory, stream)
        self._target = f"{STREAMS}/{stream}"
        self._top = os.path.join(directory, STREAMS, stream)

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Be the only one that changes the stream, and clear away what a killed run left."""
        for place in (self._directory, os.path.dirname(self._top), self._top):
            _make(place)
        with open(os.path.join(self._top, _LOCK), "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Failure(f"change stream {self.pointer}", "another run is at it", "Run again when it has ended") from error
            self._clear()
            yield

    def current(self) -> t.Optional[str]:
        """The path of the generation readers see; None before the first. Raises Failure if something else has the name."""
        try:
            target = os.readlink(self.pointer)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Failure(f"use {self.pointer}", "it is there and no stream of images", "Choose another directory or name") from error
        top, _slash, number = target.rpartition("/")
        if top != self._target or not _NUMBER.fullmatch(number):
            raise Failure(f"use {self.pointer}", f"it leads to {target}, which is no generation of a stream", "Choose another directory or name")
        return os.path.join(self._top, number)

    def drops(self) -> t.Dict[str, Drop]:
        """The drops of the generation readers see, by label."""
        found = {}
        generation = self.current()
        for label in sorted(os.listdir(generation)) if generation else ():
            path = os.path.join(generation or "", label, drop_record.NAME)
            if not os.path.islink(os.path.join(generation or "", label)) and os.path.exists(path):
                with open(path, "rb") as file:
                    found[label] = drop_record.from_text(file.read(), path)
        return found

    def pointers(self) -> t.Dict[str, str]:
        """Names in the generation readers see that lead to a label."""
        generation = self.current()
        links = [entry for entry in os.scandir(generation) if entry.is_symlink()] if generation else []
        return {entry.name: os.readlink(entry.path) for entry in links}

    def entries(self) -> t.Dict[str, Entry]:
        """The ledger of the generation readers see."""
        generation = self.current()
        if not generation:
            return {}
        path = os.path.join(generation, _LEDGER)
        try:
            with open(path, encoding="utf-8") as file:
                return {name: Entry(*row) for name, row in json.load(file)["files"].items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure(f"read {path}", str(error), "Restore the stream from a copy of the site") from error

    def checked(self, entries: t.Mapping[str, Entry], thoroughly: t.Callable[[str], bool]) -> t.Dict[str, Entry]:
        """The entries whose files are what they were. thoroughly: whether to read a path's bytes although size, time and
        inode say that nobody touched it. Raises Failure for a damaged file that cannot be made again."""
        generation, found = self.current() or "", {}
        for path, entry in entries.items():
            here = os.path.join(generation, path)
            good = _entry(here, entry) if os.path.isfile(here) else None
            if good != entry or thoroughly(path):
                good = good if good and _sha256(here) == entry.sha256 else None
            if good:
                found[path] = good
            elif entry.lasting:
                raise Failure(f"go on with stream {self.pointer}", f"{path} is not what was published",
                              f"Restore it: its SHA-256 has to be {entry.sha256}")
        return found

    def publish(self, plan: Plan, entries: t.Mapping[str, Entry]) -> None:
        """Make a generation and let readers see it. entries: those of the generation they see now."""
        before, new = self.current(), os.path.join(self._top, _NEW)
        number = int(os.path.basename(before)) + 1 if before else 1
        needed, free = sum(file["size"] for _source, file in plan.copies.values()), shutil.disk_usage(self._top).free
        if needed > free:
            raise Failure(f"publish images in {self._directory}", f"they need {needed} bytes, and {free} are free", "Make room, then run again")
        try:
            ledger = self._fill(plan, entries, before or "", new)
            _write(os.path.join(new, _LEDGER), json.dumps({"schema": 1, "files": ledger}, sort_keys=True).encode(), 0o644)
            for name, label in plan.pointers.items():
                os.symlink(label, os.path.join(new, name))
            for directory, _directories, _files in os.walk(new):
                _sync(directory)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        os.rename(new, os.path.join(self._top, f"{number:08}"))
        _sync(self._top)
        self._switch(f"{number:08}")
        self._clear()

    def _fill(self, plan: Plan, entries: t.Mapping[str, Entry], before: str, new: str) -> t.Dict[str, Entry]:
        ledger: t.Dict[str, Entry] = {}
        _make(new)
        for path in (*plan.copies, *plan.links, *plan.contents):
            for directory in sorted({os.path.dirname(path), os.path.dirname(os.path.dirname(path))} - {""}):
                _make(os.path.join(new, directory))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing takes most of the time, and one core for each file
            list(pool.map(lambda path: _copy(plan.copies[path][0], os.path.join(new, path), plan.copies[path][1]), plan.copies))
        for path, (_source, file) in plan.copies.items():
            ledger[path] = _entry(os.path.join(new, path), Entry(0, 0, 0, file["sha256"], "", True))
        for path, source in plan.links.items():
            os.link(os.path.join(before, source), os.path.join(new, path))
            ledger[path] = entries[source]
        for path, content in plan.contents.items():
            here = os.path.join(new, path)
            _write(here, content.data, 0o444)
            ledger[path] = _entry(here, Entry(0, 0, 0, hashlib.sha256(content.data).hexdigest(), content.mark, content.lasting))
        return ledger

    def _switch(self, number: str) -> None:
        temporary = os.path.join(self._top, _POINTER)
        os.symlink(f"{self._target}/{number}", temporary)
        os.replace(temporary, self.pointer)
        _sync(self._directory)

    def _clear(self) -> None:
        """Remove what no reader sees: a generation half made, or made and not switched to, and the oldest ones."""
        current = self.current()
        now = int(os.path.basename(current)) if current else 0
        for name in os.listdir(self._top):
            path = os.path.join(self._top, name)
            if name == _POINTER:
                os.unlink(path)
            elif name == _NEW or (_NUMBER.fullmatch(name) and not now - _KEPT <= int(name) <= now):
                shutil.rmtree(path)


def _copy(source: str, target: str, file: Json) -> None:
    """Copy an image, and make sure that it is what image.json says. Raises Failure."""
    sha256, sha512 = hashlib.sha256(), hashlib.sha512()
    with open(source, "rb") as original, open(target, "wb") as copy:
        for chunk in iter(lambda: original.read(_CHUNK), b""):
            sha256.update(chunk)
            sha512.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fchmod(copy.fileno(), 0o444)
        os.fsync(copy.fileno())
        size = copy.tell()
    if (size, sha256.hexdigest(), sha512.hexdigest()) != (file["size"], file["sha256"], file["sha512"]):
        raise Failure(f"drop {source}", "it is not what image.json says: size or digest differ", "Build the image again")


def _write(path: str, data: bytes, mode: int) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def _make(directory: str) -> None:
    """Whatever the umask: a web server has to read it."""
    if not os.path.isdir(directory):
        os.mkdir(directory)
        os.chmod(directory, 0o755)


def _entry(path: str, like: Entry) -> Entry:
    found = os.lstat(path)
    return like._replace(size=found.st_size, mtime=found.st_mtime_ns, inode=found.st_ino)


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
