# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What has to hold for the packages of a world, minus those that are excluded: the questions closure and proof ask."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Clause, Expression
from ansible_collections.egi.cmd.plugins.module_utils._mirror.world import P, Package, World


class Rules(t.Generic[P]):
    """excluded: packages that satisfy nobody."""

    def __init__(self, world: World[P], excluded: t.Callable[[Package], bool]) -> None:
        self.world, self.excluded = world, excluded
        self._clauses: t.Dict[P, t.List[Clause]] = {}
        self._fitting: t.Dict[t.Tuple[t.Tuple[Expression, ...], str], t.List[P]] = {}

    def clauses(self, package: P) -> t.List[Clause]:
        """What has to hold where the package is installed."""
        found = self._clauses.get(package)
        if found is None:
            found = self._clauses[package] = package.clauses()
        return found

    def fitting(self, package: P, clause: Clause) -> t.List[P]:
        """What satisfies a clause of the package by being installed, the preferred one first."""
        place = (clause.wanted, package.architecture)
        found = self._fitting.get(place)
        if found is None:
            all_of_them = dict.fromkeys(one for expression in clause.wanted for one in self.world.providers(expression, package))
            found = self._fitting[place] = [one for one in all_of_them if not self.excluded(one)]
        return found

    def forbidden(self, package: P, clause: Clause) -> t.List[t.List[P]]:
        """Groups, one of which has to be wholly absent for a clause of the package to hold without anything fitting."""
        groups = [self.world.providers(expression) for expression in clause.unwanted]
        if clause.conflict and not clause.wanted and len(groups) == 1:  # but who forbids itself with another forbids the other
            return [[one for one in groups[0] if one is not package]]
        return groups

    def spared(self, package: P, clause: Clause, present: t.Container[P]) -> bool:
        """Whether a clause of the package holds for want of what it forbids."""
        return any(not any(one in present for one in group) for group in self.forbidden(package, clause))
