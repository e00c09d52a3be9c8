# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Mirror lists and metalinks: where else a repository lies, and what its repomd.xml has to be. Pure.

What they say is not signed. It may add places to ask and refuse what comes from there; what is taken is verified like everything else.
"""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_stream import Reader

REPOMD = "repodata/repomd.xml"
_URL = re.compile(r"(?:https?)://[^\s\x00-\x1f\x7f@?#\\]+")
_FILE = "repomd.xml"
_MOST = 20  # mirrors used, the preferred ones; lists of large distributions name hundreds
_SHA256 = re.compile("[0-9a-f]{64}")
_REMEDY = "Check the URL of the mirror list"


class MirrorList(t.NamedTuple):
    """urls: base URLs, the preferred first. sums: hex SHA-256 of repomd.xml as a metalink has them, its own first, then those
    of earlier states that mirrors may still have, the latest first; empty where there are none."""

    urls: t.Tuple[str, ...]
    sums: t.Tuple[str, ...]

    def vouched(self, signed: bool, came_from: str) -> MirrorList:
        """With the mirrors that may be asked. signed: whether signatures are demanded; without any, and without sums, TLS
        alone vouches for what comes, and that must not end at the list. came_from: the list's URL."""
        if signed or self.sums or not came_from.startswith("https:"):
            return self
        urls = tuple(url for url in self.urls if url.startswith("https:"))
        if not urls:
            raise Failure(f"use {masked(came_from)}", "it names no https mirror, and nothing is signed", "Give a metalink, or an https mirror in urls")
        return self._replace(urls=urls)


def parse(content: bytes, what: str) -> MirrorList:
    """Read a metalink (RFC 5854 or version 3) or a plain list, one URL a line.

    what: names it in the Failure, raised when it holds no http or https URL. Other URLs, and those with a login, are left out.
    """
    listed = _metalink(content, what) if content.lstrip().startswith(b"<") else _plain(content)
    urls = tuple(dict.fromkeys(url for url in listed.urls if _usable(url)))[:_MOST]
    if not urls:
        raise Failure(f"read {what}", "it holds no http or https URL", _REMEDY)
    return listed._replace(urls=urls)


def _usable(url: str) -> bool:
    """Whether address.parse() takes it: one bad line is no reason to do without the others."""
    try:
        parts = urlsplit(url)
        return _URL.fullmatch(url) is not None and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _plain(content: bytes) -> MirrorList:
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return MirrorList(tuple(_base(line) for line in lines if line and not line.startswith("#")), ())


def _metalink(content: bytes, what: str) -> MirrorList:
    collector = _Collector(what)
    for _slice in collector.reader.feed([content]):
        pass
    earlier = sorted(collector.earlier, key=lambda one: one[0], reverse=True)
    return MirrorList(tuple(url for _rank, _place, url in sorted(collector.urls)), tuple(dict.fromkeys([*collector.sums, *(one[1] for one in earlier)])))


class _Collector:
    """What a metalink says of the file repomd.xml."""

    def __init__(self, what: str) -> None:
        self.reader = Reader(what, self._start, self._end)
        self.urls: t.List[t.Tuple[int, int, str]] = []
        self.sums: t.List[str] = []
        self.earlier: t.List[t.Tuple[int, str]] = []  # unix time, sum
        self._about = False
        self._alternate = False
        self._time = 0
        self._attributes: t.Dict[str, str] = {}

    def _start(self, name: str, attributes: t.Dict[str, str]) -> None:
        self._attributes = attributes
        if name == "file":
            self._about = attributes.get("name") == _FILE
        elif name.rpartition(":")[2] == "alternate":
            self._alternate, self._time = True, 0

    def _end(self, name: str) -> None:
        short, text = name.rpartition(":")[2], self.reader.text()
        if name == "file":
            self._about = False
        elif short == "alternate":
            self._alternate = False
        elif not self._about:
            return
        elif name == "url":
            self.urls.append((_rank(self._attributes), len(self.urls), _base(text)))
        elif short == "timestamp" and re.fullmatch("[0-9]{1,11}", text):
            self._time = int(text)
        elif name == "hash" and self._attributes.get("type") in ("sha256", "sha-256") and _SHA256.fullmatch(text.lower()):
            if self._alternate:
                self.earlier.append((self._time, text.lower()))
            else:
                self.sums.append(text.lower())


def _rank(attributes: t.Mapping[str, str]) -> int:
    """Version 3 prefers the highest preference (100), RFC 5854 the lowest priority (1)."""
    priority, preference = attributes.get("priority", ""), attributes.get("preference", "")
    if re.fullmatch("[0-9]{1,6}", priority):
        return int(priority)
    return 1000 - int(preference) if re.fullmatch("[0-9]{1,3}", preference) else 1000


def _base(url: str) -> str:
    """The repository's URL; a metalink names its repomd.xml."""
    return url[:-len(REPOMD)].rstrip("/") if url.endswith("/" + REPOMD) else url.rstrip("/")
