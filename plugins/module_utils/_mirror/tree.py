# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Package files by their upstream path: relative links into the store, shared by the generations of a source.

    <root>/tree/<source>/<id>/pool/main/…/x.deb -> ../../…/store/sha256/ab/ab12…

A path keeps its content for as long as its tree lives: a generation whose upstream gave a path new content gets a new
tree, and the older generations keep theirs.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import make_directory


def link_to_store(below: str, path: str, sha256: str) -> str:
    """The target of a link at <below>/<path>, both relative to the mirror's root."""
    depth = f"{below}/{path}".count("/")
    return f"{'../' * depth}store/sha256/{sha256[:2]}/{sha256}"


class Tree:
    """The trees of one mirror root."""

    def __init__(self, root: str) -> None:
        self._root = root

    def directory(self, source: str, name: str) -> str:
        """A tree's directory, relative to the mirror's root."""
        return f"tree/{source}/{name}"

    def place(self, source: str, files: t.Sequence[Wanted], last: t.Optional[str]) -> str:
        """Make every file reachable in one tree; return its id: last, the tree of the generation before, if it can
        take them all. Raises Failure if the upstream itself contradicts itself."""
        contents = _contents(source, files)
        lacking = None if last is None else self._lacking(source, last, contents)
        if last is None or lacking is None:
            last, lacking = self._free_name(source), contents
        self._link(source, last, lacking)
        return last

    def names(self) -> t.Iterator[t.Tuple[str, str]]:
        """Source and id of every tree."""
        top = os.path.join(self._root, "tree")
        for source in sorted(os.listdir(top)) if os.path.isdir(top) else []:
            for name in sorted(os.listdir(os.path.join(top, source))):
                yield source, name

    def forget_if_empty(self, source: str, name: str) -> None:
        """Remove a tree no generation uses and no link is left in."""
        with contextlib.suppress(OSError):  # not empty
            os.rmdir(os.path.join(self._root, self.directory(source, name)))

    def trim(self, source: str, name: str, named: t.Container[str], older: float) -> t.Set[str]:
        """Remove the links of a tree whose path is not named and which were made before older (unix time). Returns
        the SHA-256 of what the unnamed links that stay lead to."""
        top = os.path.join(self._root, self.directory(source, name))
        staying: t.Set[str] = set()
        for directory, _directories, files in os.walk(top, topdown=False):
            prefix = os.path.relpath(directory, top)
            for file in files:
                if (file if prefix == "." else f"{prefix}/{file}") in named:
                    continue
                full = os.path.join(directory, file)
                if os.lstat(full).st_mtime < older:
                    os.unlink(full)
                else:
                    staying.add(os.path.basename(os.readlink(full)))
            if directory != top and not os.listdir(directory):
                os.rmdir(directory)
        return staying

    def _lacking(self, source: str, name: str, contents: t.Mapping[str, str]) -> t.Optional[t.Dict[str, str]]:
        """What a tree has no link for yet; None if a path would change its content, or turn from a file into a directory."""
        below = self.directory(source, name)
        top = os.path.join(self._root, below)
        if not os.path.isdir(top):
            return None
        lacking = {}
        for path, sha256 in contents.items():
            try:
                if os.readlink(f"{top}/{path}") != link_to_store(below, path, sha256):
                    return None
            except FileNotFoundError:
                lacking[path] = sha256
            except OSError:  # a directory, or below a file
                return None
        return lacking

    def _link(self, source: str, name: str, contents: t.Mapping[str, str]) -> None:
        below = self.directory(source, name)
        top = os.path.join(self._root, below)
        make_directory(top)
        made = {""}
        for path, sha256 in contents.items():
            parent = path.rpartition("/")[0]
            try:
                if parent not in made:
                    make_directory(os.path.join(top, parent))
                    made.add(parent)
                os.symlink(link_to_store(below, path, sha256), f"{top}/{path}")
            except FileExistsError as error:
                if not os.path.islink(f"{top}/{path}"):
                    raise _contradiction(source, path) from error
            except NotADirectoryError as error:
                raise _contradiction(source, path) from error

    def _free_name(self, source: str) -> str:
        taken = {int(name) for owner, name in self.names() if owner == source and name.isdigit()}
        return str(max(taken, default=0) + 1)


def _contents(source: str, files: t.Sequence[Wanted]) -> t.Dict[str, str]:
    contents: t.Dict[str, str] = {}
    for path, _size, sha256 in files:
        if contents.setdefault(path, sha256) != sha256:
            raise Failure(f"mirror {source}", f"its indices name two different files as {path}", "Tell the upstream; nothing was published")
    return contents


def _contradiction(source: str, path: str) -> Failure:
    return Failure(f"mirror {source}", f"its indices use {path}, or a part of it, both as a file and as a directory",
                   "Tell the upstream; nothing was published")
