# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Writing into a live repository: packages first, indices as a whole, nothing half done in sight of a reader."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import ledger
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_CHUNK = 1 << 20
_MARGIN = 4 << 20  # bytes that must stay free: indices of rpm repositories are not known before they are made
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_libc = ctypes.CDLL(None, use_errno=True)


class Copy(t.NamedTuple):
    """A package to bring in. target: below the root; mtime_ns: what the published file carries."""

    source: str
    target: str
    size: int
    sha256: str
    mtime_ns: int


class Tree(t.NamedTuple):
    """A directory of metadata, switched as a whole. live: below the root; files: path below live -> bytes;
    kept: paths below live of earlier generations; last: files a reader opens first, in the order to replace them where
    a file system cannot swap directories; date: modification time of the new files, seconds."""

    live: str
    files: t.Mapping[str, bytes]
    kept: t.Collection[str]
    last: t.Sequence[str]
    date: int


class Publisher:
    """Changes one repository root. Made by open_root() only."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.staging = os.path.join(root, ledger.DIRECTORY, "staging")

    def require_space(self, size: int, files: int) -> None:
        """Raise Failure before the first byte when the file system cannot hold what is coming."""
        free = os.statvfs(self._root)
        if free.f_bavail * free.f_frsize < size + _MARGIN or (free.f_files and free.f_favail < files):
            raise Failure(
                f"publish to {self._root}", f"{size + _MARGIN >> 20} MiB and {files} files are needed, "
                f"{free.f_bavail * free.f_frsize >> 20} MiB and {free.f_favail} files are free", "Make room; nothing was changed",
            )

    def copy(self, copies: t.Sequence[Copy]) -> None:
        """Bring packages in, checked while they are copied; each appears whole. A copy, never a link: a package that
        is built again in its place must not change what is published."""
        for number, item in enumerate(copies):
            temporary = os.path.join(self.staging, str(number))
            digest = hashlib.sha256()
            with open(item.source, "rb") as source, open(temporary, "wb") as target:
                for chunk in iter(lambda: source.read(_CHUNK), b""):
                    digest.update(chunk)
                    target.write(chunk)
            if digest.hexdigest() != item.sha256:
                raise Failure(f"publish {item.source}", "it changed while it was being published", "Run again when it is complete")
            os.chmod(temporary, 0o644)
            os.utime(temporary, ns=(item.mtime_ns, item.mtime_ns))
        self._sync()
        for number, item in enumerate(copies):
            os.replace(os.path.join(self.staging, str(number)), self._parent_of(item.target))

    def switch(self, trees: t.Sequence[Tree]) -> None:
        """Put new metadata in place of the old, each directory in one step."""
        staged = []
        for number, tree in enumerate(trees):
            directory = os.path.join(self.staging, f"tree{number}")
            for path in tree.kept:
                with contextlib.suppress(FileNotFoundError):
                    os.link(os.path.join(self._root, tree.live, path), _with_parent(os.path.join(directory, path)))
            written: t.Dict[bytes, str] = {}
            for path, data in tree.files.items():
                _write(os.path.join(directory, path), data, tree.date, written)
            os.chmod(directory, 0o755)
            staged.append(directory)
        self._sync()
        for tree, directory in zip(trees, staged):
            live = self._parent_of(tree.live)
            if not os.path.lexists(live):
                os.rename(directory, live)
            elif not _exchange(directory, live):
                _replace_one_by_one(directory, live, tree.last)
        self._sync()

    def write(self, files: t.Mapping[str, bytes]) -> t.List[str]:
        """Write single files that differ; returns which did."""
        changed = []
        for path, data in files.items():
            if read(os.path.join(self._root, path)) != data:
                temporary = os.path.join(self.staging, "file")
                with open(temporary, "wb") as file:
                    file.write(data)
                    os.fsync(file.fileno())
                os.chmod(temporary, 0o644)
                os.replace(temporary, self._parent_of(path))
                changed.append(path)
        return changed

    def remove(self, paths: t.Iterable[str]) -> None:
        """Remove files and directories; a directory leaves the readers' sight in one step. Empty parents go too."""
        for number, path in enumerate(paths):
            full = os.path.join(self._root, path)
            if os.path.isdir(full) and not os.path.islink(full):
                aside = os.path.join(self.staging, f"removed{number}")
                os.rename(full, aside)
                shutil.rmtree(aside)
            elif os.path.lexists(full):
                os.unlink(full)
            parent = os.path.dirname(path)
            with contextlib.suppress(OSError):  # not empty
                while parent:
                    os.rmdir(os.path.join(self._root, parent))
                    parent = os.path.dirname(parent)

    def _parent_of(self, path: str) -> str:
        return _with_parent(os.path.join(self._root, path))

    def _sync(self) -> None:
        """Everything written so far is on disk before anything points to it; one call instead of one for each file."""
        descriptor = os.open(self._root, os.O_RDONLY)
        try:
            if _libc.syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), self._root)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def open_root(root: str) -> t.Iterator[Publisher]:
    """Lock a repository root for writing, with an empty staging directory on its own file system."""
    state = os.path.join(root, ledger.DIRECTORY)
    if not os.path.isdir(root):
        os.makedirs(root)
        os.chmod(root, 0o755)
    os.makedirs(state, mode=0o700, exist_ok=True)
    with open(os.path.join(state, "lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failure(f"publish to {root}", "another run is publishing there", "Run again when it has ended") from error
        publisher = Publisher(root)
        shutil.rmtree(publisher.staging, ignore_errors=True)  # what an interrupted run left
        os.mkdir(publisher.staging, 0o700)
        try:
            yield publisher
        finally:
            shutil.rmtree(publisher.staging, ignore_errors=True)


def read(path: str) -> t.Optional[bytes]:
    """A file's bytes, or None when there is no such file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def sha256_of(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _with_parent(path: str) -> str:
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _with_parent(parent)
        os.mkdir(parent)
        os.chmod(parent, 0o755)  # whatever the umask: a web server must enter
    return path


def _write(path: str, data: bytes, date: int, written: t.Dict[bytes, str]) -> None:
    """Write a file once; equal content under another name (by-hash) is a link to it."""
    _with_parent(path)
    if data in written:
        os.link(written[data], path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # a link to a live file of an earlier generation, which must not be written through
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o644)
    # Last-Modified rises with every publication, even two within one second: a conditional GET cannot miss one.
    os.utime(path, (date, date))
    written[data] = path


def _exchange(one: str, other: str) -> bool:
    """Swap two directories in one step (renameat2(2)); False where kernel or file system cannot."""
    try:
        renameat2 = _libc.renameat2
    except AttributeError:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
        return False
    raise OSError(code, os.strerror(code), other)


def _replace_one_by_one(staged: str, live: str, last: t.Sequence[str]) -> None:
    """Where directories cannot be swapped: new names first, the files that point to them last, then what is gone."""
    new = set(_files_below(staged))
    for path in sorted(new - set(last)) + [path for path in last if path in new]:
        os.replace(os.path.join(staged, path), _with_parent(os.path.join(live, path)))
    for path in set(_files_below(live)) - new:
        os.unlink(os.path.join(live, path))


def _files_below(directory: str) -> t.Iterator[str]:
    for parent, _directories, names in os.walk(directory):
        for name in names:
            yield os.path.relpath(os.path.join(parent, name), directory)
