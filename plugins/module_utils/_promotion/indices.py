# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Indices of repositories that others publish: found below a directory, such as a snapshot of a mirror, or named one by one."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import rpm_repomd

_DEB_NAMES = ("Packages.xz", "Packages.gz", "Packages")  # all say the same: the first that is there is read
_NOT_SEARCHED = ("pool", "by-hash", "Packages")  # where an archive keeps its files
_REMEDY = "Name a Packages file, a primary.xml, or a directory that has dists or repodata below it"


class Index(t.NamedTuple):
    """path: a Packages file or a primary.xml. filelists: the filelists.xml beside it, empty if there is none. day: it was
    written, YYYY-MM-DD."""

    path: str
    filelists: str
    day: str


class Repository(t.NamedTuple):
    """What somebody else publishes for a platform. security: its versions fix what others leave open."""

    platform: str
    indices: t.Tuple[Index, ...]
    security: bool


def repository(platform: str, form: str, architectures: t.Collection[str], paths: t.Iterable[str], security: bool) -> Repository:
    """The repository at some paths: index files, or directories to search. Raises Failure where there is no index."""
    found: t.List[Index] = []
    for path in paths:
        if not os.path.exists(path):
            raise Failure(f"read the base of {platform}", f"there is no {path}", _REMEDY)
        here = [_index(path, "")] if os.path.isfile(path) else list(_below(os.path.realpath(path), form, architectures))
        if not here:
            raise Failure(f"read the base of {platform}", f"{path} holds no index for {', '.join(architectures)}", _REMEDY)
        found += here
    return Repository(platform, tuple(found), security)


def _below(top: str, form: str, architectures: t.Collection[str]) -> t.Iterator[Index]:
    """top is resolved before: a pointer that switches meanwhile does not give a mixture of two snapshots."""
    for directory, directories, files in os.walk(top):
        directories[:] = sorted(name for name in directories if name not in _NOT_SEARCHED and not name.startswith("."))
        if form == "deb" and os.path.basename(directory) in [f"binary-{architecture}" for architecture in architectures]:
            chosen = next((name for name in _DEB_NAMES if name in files), None)
            if chosen:
                yield _index(os.path.join(directory, chosen), "")
        elif form == "rpm" and os.path.basename(directory) == "repodata" and "repomd.xml" in files:
            yield _of_repomd(directory)


def _of_repomd(directory: str) -> Index:
    path = os.path.join(directory, "repomd.xml")
    with open(path, "rb") as file:
        repomd = rpm_repomd.parse(file.read(), path)
    named = {kind: repomd.one(kind) for kind in ("primary", "filelists")}
    places = {kind: os.path.join(os.path.dirname(directory), data.wanted.path) for kind, data in named.items() if data}
    if "primary" not in places:
        raise Failure(f"read {path}", "it names no primary.xml", "Sync the mirror it belongs to")
    return _index(places["primary"], places.get("filelists", ""))


def _index(path: str, filelists: str) -> Index:
    return Index(path, filelists, time.strftime("%Y-%m-%d", time.gmtime(os.stat(path).st_mtime)))
