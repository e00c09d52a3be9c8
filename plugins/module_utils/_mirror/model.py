# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the parts of the mirror pass to each other: sources, snapshots of them, and the files they name."""

from __future__ import annotations

import re
from typing import Any, List, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

LONGEST_PATH = 1024
LONGEST_NAME = 255  # NAME_MAX of every file system a mirror lives on
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# What nearly all paths are: parts of printable ASCII that begin with neither dot nor slash, each short.
_ORDINARY = re.compile(r"(?:[!-\-0-\[\]-~][!-.0-\[\]-~]{0,199}/)*[!-\-0-\[\]-~][!-.0-\[\]-~]{0,199}")


class Wanted(NamedTuple):
    """A file to hold: path relative to the upstream's root and already ``inside()``, size in bytes, hex SHA-256."""

    path: str
    size: int
    sha256: str


class Entry(NamedTuple):
    """One package of an index."""

    wanted: Wanted
    package: str
    version: str
    architecture: str


class Document(NamedTuple):
    """Metadata published verbatim at this path."""

    path: str
    content: bytes


class Snapshot(NamedTuple):
    """What one upstream is to hold.

    documents: small metadata, in memory. large: metadata files fetched into the store by hash (Packages, Contents,
    dep11, primary.xml …), one for each path it is published at: by-hash paths included. entries: the packages.
    identity: digest of the signed file or files. dated: unix time of Date (deb) or revision (rpm). state: what the
    next read of this source is handed as ``last``, kept as JSON once the snapshot is published: validators for the
    conditional request, identity, dates. warnings: what a person should know although the snapshot is taken. upstream: of
    a rebuilt source, the upstream's metadata it was rebuilt from, all in the store.
    """

    documents: List[Document]
    large: List[Wanted]
    entries: List[Entry]
    identity: str
    dated: int
    state: Mapping[str, Any] = {}
    warnings: Tuple[str, ...] = ()
    upstream: Tuple[Wanted, ...] = ()


class Selection(NamedTuple):
    """Packages that fit every criterion given; an empty criterion lets every package through.

    names and patterns are one criterion: a package of one of the names, or whose whole name fits one of the regular
    expressions. fields: pairs of a field of the index and a regular expression found anywhere in its value. newest: so
    many of the highest versions of each name and architecture in a repository; None for all. exclude: regular
    expressions of whole names; such packages are not taken as anybody's dependency either.
    """

    components: Tuple[str, ...] = ()
    architectures: Tuple[str, ...] = ()
    priorities: Tuple[str, ...] = ()
    sections: Tuple[str, ...] = ()
    fields: Tuple[Tuple[str, str], ...] = ()
    names: Tuple[str, ...] = ()
    patterns: Tuple[str, ...] = ()
    newest: Optional[int] = None
    exclude: Tuple[str, ...] = ()


class Source(NamedTuple):
    """One upstream of a set. urls: mirrors of the same content, the preferred one first."""

    name: str
    format: str  # deb | rpm
    urls: Tuple[str, ...] = ()  # may be empty where there is a list of mirrors
    keyring: str = ""  # path of a binary OpenPGP keyring
    suites: Tuple[str, ...] = ()
    components: Tuple[str, ...] = ()  # empty: all the upstream has
    architectures: Tuple[str, ...] = ()  # empty: all the upstream has
    sources: bool = False
    contents: bool = False
    languages: Tuple[str, ...] = ("en",)  # of the deb Translation files
    installer: bool = False  # the images of Debian's installer
    proxy: Optional[str] = None
    client_certificate: Optional[str] = None
    client_key: Optional[str] = None
    ca_certificate: Optional[str] = None
    freshness: str = "fail"  # fail | warn: what an expired Valid-Until does
    signed_metadata: bool = True  # rpm: repomd.xml.asc exists and is demanded
    mode: str = "verbatim"  # verbatim | rebuilt: cut down and signed by the site | elsewhere: only read, clients have it anyway
    order: int = 0  # the lower, the more its packages are preferred as dependencies
    select: Tuple[Selection, ...] = ()  # of a rebuilt source, besides what the set's other packages need of it
    mirrorlist: str = ""  # URL of a list of further mirrors
    metalink: str = ""  # rpm: the same, with the sums of repomd.xml

    @property
    def place(self) -> str:
        """Where it is said to be: its first URL, or that of its list of mirrors."""
        return self.urls[0] if self.urls else self.metalink or self.mirrorlist


class Unobtainable(Failure):
    """No mirror gives a file as an index names it: the upstream is damaged, or just changing."""


def inside(path: str) -> str:
    """Return path if it is a plain relative path that stays where it is put; the one check of untrusted paths."""
    if len(path) <= LONGEST_PATH and _ORDINARY.fullmatch(path):  # a sync looks at 63,000
        return path
    if not path:
        why = "the path is empty"
    elif path.startswith("/"):
        why = "the path is absolute"
    elif "\\" in path:
        why = "the path holds a backslash"
    elif _CONTROL.search(path):
        why = "the path holds a control character"
    elif len(path.encode("utf-8")) > LONGEST_PATH:
        why = f"the path is longer than {LONGEST_PATH} bytes"
    else:
        parts = path.split("/")
        if not any(part in ("", ".", "..") or len(part.encode("utf-8")) > LONGEST_NAME for part in parts):
            return path
        why = f"every part of a path has 1 to {LONGEST_NAME} bytes and is not '.' or '..'"
    shown = path if len(path) <= 200 else path[:200] + "…"
    raise Failure(f"accept path {shown!r}", why, "The upstream's metadata is wrong or hostile; do not mirror it")
