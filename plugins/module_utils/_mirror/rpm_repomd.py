# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""repomd.xml as typed data. Pure; the text must have been verified before, where it is signed."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Wanted, inside
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_stream import REMEDY, Reader

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"[0-9]{1,13}")
_TIME = re.compile(r"([0-9]{1,11})(?:\.[0-9]*)?")
_MOST_DATA = 1000  # real ones have a dozen


class Data(t.NamedTuple):
    """A metadata file. type: primary, filelists, group, updateinfo, modules … open_size: bytes unpacked, 0 if not told."""

    type: str
    wanted: Wanted
    open_size: int


class Repomd(t.NamedTuple):
    """dated: unix time of the revision, or of the newest file where the revision is no time; 0 when neither tells."""

    revision: str
    dated: int
    data: t.Tuple[Data, ...]

    def one(self, kind: str) -> t.Optional[Data]:
        """The metadata file of that type. Its zchunk, which a program has to be installed for, only where there is no other."""
        found = {data.type: data for data in self.data}
        chunked = found.get(f"{kind}_zck")
        return found.get(kind) or (chunked._replace(type=kind) if chunked else None)

    def readable(self, kinds: t.Iterable[str]) -> t.List[Data]:
        """Those of some types that are there."""
        return [data for data in map(self.one, kinds) if data]


def parse(content: bytes, what: str) -> Repomd:
    """Read repomd.xml. what: names it in the Failure, raised for a sum that is not SHA-256, a type twice, a bad path."""
    collector = _Collector(what)
    for _slice in collector.reader.feed([content]):
        pass
    return collector.repomd()


class _Collector:
    def __init__(self, what: str) -> None:
        self.reader = Reader(what, self._start, self._end)
        self._revision = ""
        self._root = ""
        self._found: t.Dict[str, Data] = {}
        self._newest = 0
        self._type = ""
        self._values: t.Dict[str, str] = {}

    def repomd(self) -> Repomd:
        if self._root != "repomd":
            raise self._refused("it is no repomd.xml")
        match = _TIME.fullmatch(self._revision)
        # createrepo_c takes the time; others count 1, 2, 3 or write words.
        dated = int(match.group(1)) if match and int(match.group(1)) > 1 << 28 else self._newest
        return Repomd(self._revision, dated, tuple(self._found.values()))

    def _start(self, name: str, attributes: t.Dict[str, str]) -> None:
        self._root = self._root or name
        if name == "data":
            self._type, self._values = attributes.get("type", ""), {}
        elif not self._type:
            return
        elif name == "location":
            if attributes.get("xml:base"):
                raise self._refused(f"its {self._type} lies at another place ({attributes['xml:base'][:200]})")
            self._put("location", attributes.get("href", ""))
        elif name == "checksum":
            self._put("algorithm", attributes.get("type", ""))

    def _end(self, name: str) -> None:
        if name == "revision":
            self._revision = self.reader.text()
        elif name == "data":
            self._finish()
        elif self._type and name in ("checksum", "size", "open-size", "timestamp"):
            self._put(name, self.reader.text())

    def _put(self, name: str, value: str) -> None:
        if name in self._values:
            raise self._refused(f"its {self._type[:60]} has {name} twice")
        self._values[name] = value

    def _finish(self) -> None:
        kind, values = self._type, self._values
        if not kind or kind in self._found or len(self._found) >= _MOST_DATA:
            raise self._refused(f"it has the type {kind[:60]!r} twice, or none" if len(self._found) < _MOST_DATA else "it lists too many files")
        if values.get("algorithm") != "sha256" or not _SHA256.fullmatch(values.get("checksum", "")):
            raise self._refused(f"the sum of its {kind[:60]} is {values.get('algorithm', 'missing')[:20]}, not sha256")
        if not _SIZE.fullmatch(values.get("size", "")) or not _SIZE.fullmatch(values.get("open-size", "0")):
            raise self._refused(f"its {kind[:60]} has no size")
        wanted = Wanted(inside(values.get("location", "")), int(values["size"]), values["checksum"])
        self._found[kind] = Data(kind, wanted, int(values.get("open-size", "0")))
        match = _TIME.fullmatch(values.get("timestamp", ""))
        self._newest = max(self._newest, int(match.group(1)) if match else 0)
        self._type = ""

    def _refused(self, why: str) -> Failure:
        return Failure(self.reader.action, why, REMEDY)
