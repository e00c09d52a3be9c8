# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Packages of a Debian archive, for selection and closure. Stanzas are kept as text and read when asked: of 63,000 a
closure looks at some hundreds.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_depends
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_slicer import whole_stanzas
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Clause, Repository, Term
from ansible_collections.egi.cmd.plugins.module_utils._mirror.world import Package, World
from ansible_collections.egi.cmd.plugins.module_utils._version import deb


class DebPackage(Package):
    """stanza: its text as in the index, decoded as Latin-1, a line feed before each line and one at the end."""

    __slots__ = ("stanza",)

    def __init__(self, name: str, version: str, architecture: str, component: str, repository: Repository, stanza: str) -> None:
        super().__init__(name, version, architecture, component, repository)
        self.stanza = stanza

    def field(self, name: str) -> str:
        """A field by name; continuation lines keep their blank."""
        place = self.stanza.find(f"\n{name}:")
        if place < 0:
            match = re.search(rf"\n{re.escape(name)}:", self.stanza, re.IGNORECASE)
            if not match:
                return ""
            place = match.start()
        end = self.stanza.find("\n", place + 1)
        while self.stanza[end + 1:end + 2] in (" ", "\t"):
            end = self.stanza.find("\n", end + 1)
        return self.stanza[place + len(name) + 2:end].strip().encode("latin-1").decode("utf-8", "replace")

    def clauses(self) -> t.List[Clause]:
        """Pre-Depends, Depends, Conflicts and Breaks."""
        what = str(self)
        found = [clause for name in ("Pre-Depends", "Depends") for clause in deb_depends.demands(self.field(name), what)]
        return found + [clause for name in ("Conflicts", "Breaks") for clause in deb_depends.conflicts(self.field(name), what)]

    def recommends(self) -> t.List[Clause]:
        """Recommends."""
        return deb_depends.demands(self.field("Recommends"), str(self))


class DebWorld(World[DebPackage]):
    """The packages one host may install. native: its own architecture; foreign: those dpkg was told to take as well."""

    def __init__(self, native: str, foreign: t.Sequence[str] = ()) -> None:
        super().__init__()
        self._native = native
        self._architectures = {native, "all", *foreign}

    def add(self, repository: Repository, component: str, slices: t.Iterable[bytes], what: str) -> None:
        """Add the packages of a Packages file given in slices of any size.

        what: names the file in the Failure, raised for a stanza without name, version or architecture.
        """
        for text in whole_stanzas(slices, what):
            find, start, last = text.find, 0, len(text) - 1
            while start < last:
                end = find("\n\n", start)
                if end < 0:
                    end = last
                if end > start:
                    self._take(DebPackage("", "", "", component, repository, text[start:end + 1]), what)
                start = end + 1

    def _take(self, package: DebPackage, what: str) -> None:
        stanza = package.stanza
        name, version, architecture = stanza.find("\nPackage: "), stanza.find("\nVersion: "), stanza.find("\nArchitecture: ")
        if name < 0 or version < 0 or architecture < 0:
            package.name, package.version, package.architecture = (package.field(field) for field in ("Package", "Version", "Architecture"))
            if not (package.name and package.version and package.architecture):
                raise Failure(f"read {what}", "a stanza has no Package, Version or Architecture", "The upstream's index is wrong; nothing was used")
        else:
            package.name = stanza[name + 10:stanza.find("\n", name + 10)].strip()
            package.version = stanza[version + 10:stanza.find("\n", version + 10)].strip()
            package.architecture = stanza[architecture + 15:stanza.find("\n", architecture + 15)].strip()
        if package.architecture in self._architectures:
            self._add(package, deb_depends.provides(package.field("Provides"), str(package)) if "\nprovides:" in stanza.lower() else ())

    def version_key(self, version: str) -> deb.Key:
        """dpkg's order."""
        return deb.key(version)

    def exclusive(self, one: DebPackage, other: DebPackage) -> bool:
        """Only Multi-Arch: same of two architectures, at the same version, goes together."""
        same = one.field("Multi-Arch") == other.field("Multi-Arch") == "same"
        return not (same and one.architecture != other.architecture and one.version == other.version)

    def _fits_provided(self, demand: Term, offered: Term) -> bool:
        # Policy 7.5: a Provides without version never fits a relation with one.
        return not demand.relation or (bool(offered.relation) and self._fits_version(demand, offered.relation, offered.version))

    def _fits_architecture(self, demand: Term, package: DebPackage, architecture: str) -> bool:
        """As dpkg's deparchsatisfied: packages of architecture all count as native."""
        if not architecture:
            return True
        if demand.architecture == "any":
            return package.field("Multi-Arch") == "allowed"
        own = self._native if package.architecture == "all" else package.architecture
        if not demand.architecture:
            asking = self._native if architecture == "all" else architecture
            return own == asking or package.field("Multi-Arch") == "foreign"
        return own == (self._native if demand.architecture == "native" else demand.architecture)
