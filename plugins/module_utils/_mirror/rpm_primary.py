# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""primary.xml as entries, as a stream: 20,000 packages never stand in memory as a tree."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry, Wanted, inside
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_stream import REMEDY, Reader

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"[0-9]{1,13}")


def packages(slices: t.Iterable[bytes], what: str) -> t.Iterator[Entry]:
    """Entries of a primary.xml given in slices. what: names the file in the Failure.

    A version is written ``[epoch:]version-release``, the epoch left out when it is 0. Raises Failure for a package that
    lacks a field or has it twice, is not summed with SHA-256, or lies outside the repository.
    """
    collector = _Collector(what)
    for _slice in collector.reader.feed(slices):
        yield from collector.found
        collector.found.clear()
    collector.check_count()


class _Collector:
    """Fields of the package being read. Below <format> nothing is looked at: there are the names of files and other
    packages, most of the text."""

    def __init__(self, what: str) -> None:
        self.reader = Reader(what, self._start, self._end)
        self.found: t.List[Entry] = []
        self._declared = ""
        self._count = 0
        self._in_package = False
        self._in_format = False
        self._values: t.Dict[str, str] = {}

    def check_count(self) -> None:
        """A cut-off index that is well-formed is still cut off."""
        if self._declared != str(self._count):
            raise self._refused(f"it declares {self._declared[:20] or 'no number of'} packages and has {self._count}")

    def _start(self, name: str, attributes: t.Dict[str, str]) -> None:
        if self._in_format:
            return
        if not self._in_package:
            if name == "package":
                self._in_package, self._values = True, {}
            elif name == "metadata":
                self._declared = attributes.get("packages", "")
            return
        if name == "format":
            self._in_format = True
        elif name == "version":
            epoch = attributes.get("epoch") or "0"
            version = f"{attributes.get('ver', '')}-{attributes.get('rel', '')}"
            self._put(name, version if epoch == "0" else f"{epoch}:{version}")
        elif name == "checksum":
            self._put("algorithm", attributes.get("type", ""))
        elif name == "size":
            self._put(name, attributes.get("package", ""))
        elif name == "location":
            if attributes.get("xml:base"):
                raise self._refused(f"a package lies at another place ({attributes['xml:base'][:200]})")
            self._put(name, attributes.get("href", ""))

    def _end(self, name: str) -> None:
        if self._in_format:
            self._in_format = name != "format"
        elif self._in_package:
            if name in ("name", "arch", "checksum"):
                self._put(name, self.reader.text())
            elif name == "package":
                self._finish()

    def _put(self, name: str, value: str) -> None:
        if name in self._values or not value:
            raise self._refused(f"the package {self._values.get('name', '?')[:60]} has {name} twice or empty")
        self._values[name] = value

    def _finish(self) -> None:
        values = self._values
        missing = [name for name in ("name", "arch", "version", "checksum", "size", "location") if name not in values]
        if missing:
            raise self._refused(f"the package {values.get('name', '?')[:60]} has no {missing[0]}")
        if values["algorithm"] != "sha256" or not _SHA256.fullmatch(values["checksum"]):
            raise self._refused(f"the sum of {values['name'][:60]} is {values['algorithm'][:20]}, not sha256")
        if not _SIZE.fullmatch(values["size"]):
            raise self._refused(f"the size of {values['name'][:60]} is {values['size'][:20]!r}")
        wanted = Wanted(inside(values["location"]), int(values["size"]), values["checksum"])
        self.found.append(Entry(wanted, values["name"], values["version"], values["arch"]))
        self._count += 1
        self._in_package = False

    def _refused(self, why: str) -> Failure:
        return Failure(self.reader.action, why, REMEDY)
