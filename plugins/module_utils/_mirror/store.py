# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The content-addressed store: every file once, under its SHA-256, verified before it gets its name.

    <root>/store/sha256/ab/ab12…     whole and verified
    <root>/store/partial/ab12…       being fetched; what an interrupted run left is gone on with
    <root>/store/arriving/           what a transfer needs besides that, for as long as it takes
    <root>/store/unsettled           a run is writing: what it wrote may not be on disk yet
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import shutil
import stat
import threading
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_libc = ctypes.CDLL(None, use_errno=True)


class Held(t.NamedTuple):
    """A file of the store. allocated: bytes it takes on disk; arrived: unix time."""

    sha256: str
    size: int
    allocated: int
    arrived: float


class Store:
    """The files of one mirror root. Safe for threads as long as no two of them bring in the same file."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.directory = os.path.join(root, "store")
        self._files = os.path.join(self.directory, "sha256")
        self._partial = os.path.join(self.directory, "partial")
        self.arriving = os.path.join(self.directory, "arriving")
        self._marker = os.path.join(self.directory, "unsettled")
        self._distrusted: t.Set[str] = set()
        self._lock = threading.Lock()
        for directory in (root, self.directory, self._files):
            make_directory(directory)
        for directory in (self._partial, self.arriving):
            os.makedirs(directory, mode=0o700, exist_ok=True)

    def path(self, sha256: str) -> str:
        """Where the file with this content is, or will be."""
        return f"{self._files}/{_checked(sha256)[:2]}/{sha256}"

    def has(self, sha256: str, size: int) -> bool:
        """Return whether the file is here, with this size, and not known to be damaged."""
        if sha256 in self._distrusted:
            return False
        try:
            found = os.lstat(self.path(sha256))
        except FileNotFoundError:
            return False
        return found.st_size == size and stat.S_ISREG(found.st_mode)

    def partial(self, sha256: str) -> str:
        """Where a file is written while it is fetched. It may exist: then it holds the first bytes, unverified."""
        return os.path.join(self._partial, _checked(sha256))

    def keep(self, sha256: str) -> str:
        """Give partial(sha256), which the caller has verified, its place; return that. It replaces a damaged file."""
        final = self.path(sha256)
        partial = self.partial(sha256)
        os.chmod(partial, 0o444)
        try:
            os.replace(partial, final)
        except FileNotFoundError:
            make_directory(os.path.dirname(final))
            os.replace(partial, final)
        with self._lock:
            self._distrusted.discard(sha256)
        return final

    def add(self, content: bytes) -> str:
        """Bring in bytes that are at hand; return their SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.has(sha256, len(content)):
            with open(self.partial(sha256), "wb") as file:
                file.write(content)
            self.keep(sha256)
        return sha256

    def distrust(self, sha256: str) -> None:
        """Treat a file as absent until it is brought in again. It stays where it is, so that no reader meets a hole."""
        with self._lock:
            self._distrusted.add(_checked(sha256))

    def files(self) -> t.Iterator[Held]:
        """Every file of the store, in no order."""
        for directory in os.scandir(self._files):
            for entry in os.scandir(directory.path):
                if _SHA256.fullmatch(entry.name):
                    found = entry.stat(follow_symlinks=False)
                    yield Held(entry.name, found.st_size, found.st_blocks * 512, max(found.st_mtime, found.st_ctime))

    def in_order(self, after: str = "") -> t.Iterator[t.Tuple[str, str]]:
        """SHA-256 and path of every file whose SHA-256 comes after one; what arrives meanwhile may be left out."""
        for prefix in sorted(name for name in os.listdir(self._files) if name >= after[:2]):
            directory = os.path.join(self._files, prefix)
            for name in sorted(name for name in os.listdir(directory) if name > after and _SHA256.fullmatch(name)):
                yield name, os.path.join(directory, name)

    def sound(self, sha256: str) -> bool:
        """Return whether a file's content still is what its name says; every byte is read."""
        try:
            return sha256_of(self.path(sha256)) == sha256
        except FileNotFoundError:
            return False
        except OSError:  # the disk cannot read it any more
            return False

    def scrub(self, only: t.Optional[t.Collection[str]] = None, seen: t.Callable[[Held], None] = lambda held: None) -> t.List[str]:
        """Read every file, or those in only; return the damaged ones, which has() no longer vouches for."""
        damaged = []
        for held in sorted(self.files()):
            if only is not None and held.sha256 not in only:
                continue
            if not self.sound(held.sha256):
                self.distrust(held.sha256)
                damaged.append(held.sha256)
            seen(held)
        return damaged

    def remove(self, sha256: str) -> None:
        """Remove a file nothing refers to."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(sha256))

    def partials(self) -> t.Iterator[t.Tuple[str, int, float]]:
        """SHA-256, size and last change of every file that was begun and not finished."""
        for entry in os.scandir(self._partial):
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # another thread finished it meanwhile
                continue
            yield entry.name, found.st_size, found.st_mtime

    def drop_partial(self, name: str) -> None:
        """Remove a file that was begun and not finished."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._partial, name))

    def recover(self) -> t.List[str]:
        """Return the files a power cut damaged, now distrusted. A rename can reach the disk before the content it
        names: what a run wrote that did not settle() before this machine started again is read once more."""
        for left in os.listdir(self.arriving):
            shutil.rmtree(os.path.join(self.arriving, left), ignore_errors=True)
        try:
            with open(self._marker, encoding="ascii") as file:
                if file.read() == _boot_id():
                    return []
            since = os.stat(self._marker).st_mtime - 1
        except FileNotFoundError:
            return []
        for name, _size, _changed in list(self.partials()):
            self.drop_partial(name)
        return self.scrub(only={held.sha256 for held in self.files() if held.arrived >= since})

    def unsettled(self) -> None:
        """Say that files are going to be written; what an earlier run said stands until settle()."""
        with self._lock:
            if not os.path.exists(self._marker):
                with open(self._marker, "w", encoding="ascii") as file:
                    file.write(_boot_id())
                    file.flush()
                    os.fsync(file.fileno())

    def settle(self) -> None:
        """Return when everything written so far is on disk."""
        if os.path.exists(self._marker):
            sync_file_system(self.directory)
            os.unlink(self._marker)


def make_directory(path: str) -> None:
    """Make a directory and its parents, which a web server may enter whatever the umask."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        make_directory(parent)
    with contextlib.suppress(FileExistsError):  # another thread was first
        os.mkdir(path)
        os.chmod(path, 0o755)


def sha256_of(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def sync_file_system(path: str) -> None:
    """Write out the file system a path is on, syncfs(2): one call instead of an fsync for each of thousands of files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _libc.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(descriptor)


def sync_directory(path: str) -> None:
    """Write out a directory: which names it has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise Failure(f"find {sha256[:80]!r} in the store", "it is not a SHA-256 in lower-case hexadecimal")
    return sha256


def _boot_id() -> str:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read()
    except OSError:
        return "unknown"
