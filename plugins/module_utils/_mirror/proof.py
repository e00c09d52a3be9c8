# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Conflicts among packages: which of a set are free of them, and whether one can be installed in spite of them.

Both answers are safe to believe when they are yes. A no needs a solver: who may be installed with whom is a hard problem
(NP-complete), and these are its easy cases.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Clause
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rules import Rules
from ansible_collections.egi.cmd.plugins.module_utils._mirror.world import P


def safe(rules: Rules[P], taken: t.Collection[P]) -> t.Set[P]:
    """The packages of taken that exclude nothing in it, are excluded by nothing, and find all they demand among
    packages of the same kind: all of these can be installed together."""
    unsafe = _contested(rules, taken)
    found: t.Dict[P, t.List[t.Tuple[P, Clause]]] = {}
    pending: t.List[t.Tuple[P, Clause]] = []
    for package in taken:
        for clause in rules.clauses(package):
            if clause.wanted or not clause.conflict:
                pending.append((package, clause))
                for one in rules.fitting(package, clause):
                    found.setdefault(one, []).append((package, clause))
    while pending:
        package, clause = pending.pop()
        if any(one in taken and one not in unsafe for one in rules.fitting(package, clause)):
            continue
        if rules.spared(package, clause, taken):
            continue
        present = [one for group in rules.forbidden(package, clause) for one in group if one in taken]
        # What makes the condition true may not be relied on either: a host that cannot meet it has to do without.
        for one in (package, *present):
            if one not in unsafe:
                unsafe.add(one)
                pending += found.get(one, ())
    return set(taken) - unsafe


def installable(rules: Rules[P], taken: t.Collection[P], package: P) -> bool:
    """Whether the package and what it demands were found among taken without conflict, always trying the preferred."""
    host = _Host(rules)
    pending = collections.deque(host.install(package))  # in the order of their demands, as the closure took them
    conditions: t.List[t.Tuple[P, Clause]] = []  # what holds now may not hold when more is installed
    while pending:
        one, clause = pending.popleft()
        if clause.unwanted:
            conditions.append((one, clause))
        if not host.holds(one, clause):
            choice = next((each for each in rules.fitting(one, clause) if each in taken and host.admits(each)), None)
            if choice is None:
                return False
            pending += host.install(choice)
        if not pending:
            pending.extend(condition for condition in conditions if not host.holds(*condition))
            conditions = [condition for condition in conditions if condition not in pending]
    return True


class _Host(t.Generic[P]):
    """What is installed so far, and what that keeps out."""

    def __init__(self, rules: Rules[P]) -> None:
        self.installed: t.Dict[P, None] = {}
        self._rules = rules
        self._names: t.Dict[str, t.List[P]] = {}
        self._barred: t.Set[P] = set()

    def install(self, package: P) -> t.List[t.Tuple[P, Clause]]:
        """What has to hold from now on."""
        self.installed[package] = None
        self._names.setdefault(package.name, []).append(package)
        self._barred.update(self._unwanted(package))
        return [(package, clause) for clause in self._rules.clauses(package)]

    def admits(self, package: P) -> bool:
        """Whether nothing installed excludes the package, nor the other way round."""
        return (
            package not in self._barred and not any(one in self.installed for one in self._unwanted(package))
            and not any(self._rules.world.exclusive(package, one) for one in self._names.get(package.name, ()))
        )

    def holds(self, package: P, clause: Clause) -> bool:
        return any(one in self.installed for one in self._rules.fitting(package, clause)) or self._rules.spared(package, clause, self.installed)

    def _unwanted(self, package: P) -> t.Iterator[P]:
        clauses = (clause for clause in self._rules.clauses(package) if not clause.wanted and len(clause.unwanted) == 1)
        return (one for clause in clauses for group in self._rules.forbidden(package, clause) for one in group)


def _contested(rules: Rules[P], taken: t.Collection[P]) -> t.Set[P]:
    """Both sides of every conflict within taken."""
    contested: t.Set[P] = set()
    names: t.Dict[str, t.List[P]] = {}
    for package in taken:
        for other in names.setdefault(package.name, []):
            if rules.world.exclusive(package, other):
                contested.update((package, other))
        names[package.name].append(package)
        for clause in rules.clauses(package):
            if clause.conflict and not clause.wanted and not rules.spared(package, clause, taken):
                contested.update((package, *(one for group in rules.forbidden(package, clause) for one in group if one in taken)))
    return contested
