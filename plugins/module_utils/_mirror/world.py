# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""All packages clients could install, by what they have and provide: who fits a demand, and who is preferred."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import RANGES, Clause, Expression, Joined, Repository, Term


class Package:
    """One package of one repository. Compared by identity: the same build in two repositories is two packages."""

    __slots__ = ("name", "version", "architecture", "component", "repository")

    def __init__(self, name: str, version: str, architecture: str, component: str, repository: Repository) -> None:
        self.name, self.version, self.architecture = name, version, architecture
        self.component, self.repository = component, repository

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def field(self, name: str) -> str:
        """A field of its index by name, in any case; empty where it has none."""
        raise NotImplementedError

    def clauses(self) -> t.List[Clause]:
        """What has to hold where it is installed."""
        raise NotImplementedError

    def recommends(self) -> t.List[Clause]:
        """What should hold where it is installed."""
        raise NotImplementedError


P = t.TypeVar("P", bound=Package)


class World(t.Generic[P]):
    """The packages of all repositories together; deb and rpm say how versions and architectures fit."""

    def __init__(self) -> None:
        self.packages: t.List[P] = []
        self._named: t.Dict[str, t.List[P]] = {}
        self._provided: t.Dict[str, t.List[t.Tuple[P, Term]]] = {}
        self._answers: t.Dict[t.Tuple[Expression, str], t.List[P]] = {}
        self.key: t.Callable[[str], t.Any] = functools.lru_cache(maxsize=1 << 16)(self.version_key)

    def version_key(self, version: str) -> t.Any:
        """A sort key of a version."""
        raise NotImplementedError

    def exclusive(self, one: P, other: P) -> bool:
        """Whether two different packages of one name cannot be installed together."""
        raise NotImplementedError

    def providers(self, expression: Expression, asking: t.Optional[P] = None) -> t.List[P]:
        """The packages that fit, the preferred one first: the real name before what provides it, the repository of
        lower order before the other, the higher version before the lower. asking: whose demand it is, for its
        architecture; None for any architecture, as a conflict means it.
        """
        place = (expression, asking.architecture if asking else "")
        found = self._answers.get(place)
        if found is None:
            found = self._answers[place] = self._ranked(expression, place[1])
        return found

    def named(self, name: str) -> t.List[P]:
        """Every package of this name."""
        return self._named.get(name, [])

    def _add(self, package: P, provides: t.Iterable[Term]) -> None:
        self.packages.append(package)
        self._named.setdefault(package.name, []).append(package)
        for term in provides:
            self._provided.setdefault(term.name, []).append((package, term))

    def _ranked(self, expression: Expression, architecture: str) -> t.List[P]:
        if isinstance(expression, Joined):
            left, right = (self._ranked(side, architecture) for side in (expression.left, expression.right))
            if expression.operator == "or":
                return left + [package for package in right if package not in left]
            return [package for package in left if (package in right) == (expression.operator == "with")]
        real = [one for one in self.named(expression.name)
                if self._fits_version(expression, "=", one.version) and self._fits_architecture(expression, one, architecture)]
        if expression.own:
            return self._in_order(real)
        known = set(real)
        virtual = {one: None for one, term in self._provided.get(expression.name, ())
                   if one not in known and self._fits_provided(expression, term) and self._fits_architecture(expression, one, architecture)}
        return self._in_order(real) + self._in_order(list(virtual))

    def _in_order(self, packages: t.List[P]) -> t.List[P]:
        if len(packages) > 1:
            packages.sort(key=lambda package: self.key(package.version), reverse=True)
            packages.sort(key=self._rank)
        return packages

    def _rank(self, package: P) -> t.Any:
        return package.repository.order

    def _fits_version(self, demand: Term, relation: str, version: str) -> bool:
        """Whether some version is in both ranges."""
        if not demand.relation or not relation:
            return True
        order = self._order(version, demand.version)
        asked, offered = RANGES[demand.relation], RANGES[relation]
        # Where the bounds differ, the ranges meet if one of them is open towards the other's bound.
        return bool(asked & offered) if order == 0 else order in asked or -order in offered

    def _order(self, one: str, other: str) -> int:
        left, right = self.key(one), self.key(other)
        return (left > right) - (left < right)

    def _fits_provided(self, demand: Term, offered: Term) -> bool:
        raise NotImplementedError

    def _fits_architecture(self, demand: Term, package: P, architecture: str) -> bool:
        raise NotImplementedError
