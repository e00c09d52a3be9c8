# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Packages of rpm repositories, for selection and closure: primary.xml, and of filelists.xml what somebody asks for."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import rpm_depends
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import RANGES, Clause, Repository, Term, terms
from ansible_collections.egi.cmd.plugins.module_utils._mirror.world import Package, World
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_stream import REMEDY, Reader
from ansible_collections.egi.cmd.plugins.module_utils._version import rpm

_RELATIONS = ("provides", "requires", "conflicts", "obsoletes", "recommends")
_FIELDS = ("summary", "url", "packager", "license", "vendor", "group", "sourcerpm", "buildhost")
_NO_ARCHITECTURE = ("src", "nosrc")

_Attributes = t.Dict[str, str]


class RpmPackage(Package):
    """checksum: its digest, the key by which filelists.xml names it; relations: kind -> attributes of rpm:entry."""

    __slots__ = ("checksum", "fields", "relations", "files")

    def __init__(self, component: str, repository: Repository) -> None:
        super().__init__("", "", "", component, repository)
        self.checksum = ""
        self.fields: t.Dict[str, str] = {}
        self.relations: t.Dict[str, t.List[_Attributes]] = {}
        self.files: t.List[str] = []

    def field(self, name: str) -> str:
        """Text of an element of primary.xml: summary, url, packager, license, vendor, group, sourcerpm, buildhost."""
        return self.fields.get(name.lower(), "")

    def clauses(self) -> t.List[Clause]:
        """Requires, Conflicts and Obsoletes; what rpm itself has to understand (rpmlib) is no package."""
        what = str(self)
        found = [
            clause for one in self.relations.get("requires", ()) if not one.get("name", "").startswith("rpmlib(")
            for clause in rpm_depends.clauses(one, what)
        ]
        found += [clause for one in self.relations.get("conflicts", ()) for clause in rpm_depends.clauses(one, what, conflict=True)]
        return found + [Clause((), (term,), f"not {term}, which it obsoletes", True) for term in self.obsoletes()]

    def recommends(self) -> t.List[Clause]:
        """Recommends."""
        return [clause for one in self.relations.get("recommends", ()) for clause in rpm_depends.clauses(one, str(self))]

    def obsoletes(self) -> t.List[Term]:
        """What it replaces: packages of these names, never what merely provides them."""
        return [rpm_depends.term(one)._replace(own=True) for one in self.relations.get("obsoletes", ())]


class RpmWorld(World[RpmPackage]):
    """The packages clients of rpm repositories may install. What another package obsoletes is preferred last."""

    def __init__(self, architectures: t.Collection[str] = ()) -> None:
        """architectures: those of the packages that count, noarch included; empty for all but source packages."""
        super().__init__()
        self._architectures = set(architectures)
        self._obsoleted: t.Dict[str, t.List[Term]] = {}

    def add(self, repository: Repository, slices: t.Iterable[bytes], what: str, component: str = "") -> None:
        """Add the packages of a primary.xml given in slices. what: names the file in the Failure."""
        collector = _Primary(what, component, repository)
        for _slice in collector.reader.feed(slices):
            for package in collector.found:
                if package.architecture in self._architectures or not (self._architectures or package.architecture in _NO_ARCHITECTURE):
                    self._take(package)
            collector.found.clear()

    def unknown_files(self) -> t.Set[str]:
        """Paths that are required and in no primary.xml: it lists only /etc, */bin and a few more."""
        asked = {
            term.name for package in self.packages for kind in ("requires", "recommends") for one in package.relations.get(kind, ())
            if one.get("name", "").startswith(("/", "("))
            for clause in rpm_depends.clauses(one, str(package)) for each in (*clause.wanted, *clause.unwanted) for term in terms(each)
        }
        return {name for name in asked if name.startswith("/") and name not in self._provided}

    def add_files(self, repository: Repository, paths: t.Collection[str], slices: t.Iterable[bytes], what: str) -> None:
        """Let the packages of a repository provide those of paths that its filelists.xml says they hold."""
        packages = {package.checksum: package for package in self.packages if package.repository == repository}
        collector = _FileLists(what, paths)
        for _slice in collector.reader.feed(slices):
            for checksum, path in collector.found:
                if checksum in packages:
                    self._provided.setdefault(path, []).append((packages[checksum], Term(path)))
            collector.found.clear()
        self._answers.clear()

    def version_key(self, version: str) -> rpm.Key:
        """rpm's order."""
        return rpm.key(version)

    def exclusive(self, one: RpmPackage, other: RpmPackage) -> bool:
        """One name is installed once, and once for each of several architectures at the same version."""
        return one.architecture == other.architecture or one.version != other.version

    def _take(self, package: RpmPackage) -> None:
        self._add(package, [*map(rpm_depends.term, package.relations.get("provides", ())), *map(Term, package.files)])
        for term in package.obsoletes():
            self._obsoleted.setdefault(term.name, []).append(term)

    def _rank(self, package: RpmPackage) -> t.Tuple[bool, int]:
        obsolete = any(self._fits_version(term, "=", package.version) for term in self._obsoleted.get(package.name, ()))
        return obsolete, package.repository.order

    def _fits_version(self, demand: Term, relation: str, version: str) -> bool:
        """As rpm (rpmverOverlap): a bound without release that belongs to its range stands for every release."""
        if demand.relation and relation:
            left, right = self.key(version), self.key(demand.version)
            if left[:2] == right[:2] and bool(left[2]) != bool(right[2]):
                offered, asked = RANGES[relation], RANGES[demand.relation]
                return 0 in (asked if left[2] else offered) or bool(asked & offered - {0})
        return super()._fits_version(demand, relation, version)

    def _fits_provided(self, demand: Term, offered: Term) -> bool:
        return self._fits_version(demand, offered.relation, offered.version)

    def _fits_architecture(self, demand: Term, package: RpmPackage, architecture: str) -> bool:  # noqa: ARG002  the deb side needs them
        # rpm writes the architecture into the name it asks for: libfoo.so.1()(64bit), foo(x86-64)
        return True


class _Primary:
    """Reads the packages of a primary.xml with their relations."""

    def __init__(self, what: str, component: str, repository: Repository) -> None:
        self.reader = Reader(what, self._start, self._end)
        self.found: t.List[RpmPackage] = []
        self._component, self._repository = component, repository
        self._package: t.Optional[RpmPackage] = None
        self._entries: t.Optional[t.List[_Attributes]] = None

    def _start(self, name: str, attributes: _Attributes) -> None:
        package = self._package
        if package is None:
            if name == "package":
                self._package = RpmPackage(self._component, self._repository)
        elif name == "rpm:entry":
            if self._entries is not None:
                self._entries.append(attributes)
        elif name == "version":
            epoch, version, release = (attributes.get(part, "") for part in ("epoch", "ver", "rel"))
            package.version = f"{epoch}:{version}-{release}" if epoch not in ("", "0") else f"{version}-{release}"
        elif name.startswith("rpm:") and name[4:] in _RELATIONS:
            self._entries = package.relations.setdefault(name[4:], [])

    def _end(self, name: str) -> None:
        package = self._package
        if package is None:
            return
        short = name[4:] if name.startswith("rpm:") else name
        if name == "package":
            if not (package.name and package.architecture and package.version):
                raise Failure(self.reader.action, "a package has no name, architecture or version", REMEDY)
            self.found.append(package)
            self._package = None
        elif short in _RELATIONS:
            self._entries = None
        elif name == "file":
            package.files.append(self.reader.text())
        elif name == "name":
            package.name = self.reader.text()
        elif name == "arch":
            package.architecture = self.reader.text()
        elif name == "checksum":
            package.checksum = self.reader.text()
        elif short in _FIELDS:
            package.fields[short] = self.reader.text()


class _FileLists:
    """Reads from a filelists.xml which package holds one of some paths."""

    def __init__(self, what: str, paths: t.Collection[str]) -> None:
        self.reader = Reader(what, self._start, self._end)
        self.found: t.List[t.Tuple[str, str]] = []
        self._paths = frozenset(paths)
        self._checksum = ""

    def _start(self, name: str, attributes: _Attributes) -> None:
        if name == "package":
            self._checksum = attributes.get("pkgid", "")

    def _end(self, name: str) -> None:
        if name == "file" and self.reader.text() in self._paths:
            self.found.append((self._checksum, self.reader.text()))
