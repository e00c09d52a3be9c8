# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The packages a partial mirror has to hold so that what was selected can be installed.

For each demand the preferred package that can itself be satisfied is taken. Packages may exclude each other, and which
of them a host has is not ours to decide: where the preferred one conflicts with anything taken, all that fit the demand
are taken. Call safe what conflicts with nothing taken and finds all it demands among the safe. Then a solution S of the
whole, cut down to what was taken, together with everything safe, is again a solution: for a package of S either
something safe fits a demand, or all that fit were taken, and with them the one of S. So a selected package that can be
installed from all repositories can be installed from what was taken.
"""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.proof import installable, safe
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Clause, Term, terms
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rules import Rules
from ansible_collections.egi.cmd.plugins.module_utils._mirror.world import P, Package, World


class Unresolved(t.NamedTuple):
    """A demand nothing fits. chain: from a selected package, each the dependency of the one before, to who demands it."""

    chain: t.Tuple[Package, ...]
    demand: str
    why: str

    def __str__(self) -> str:
        return f"{' -> '.join(map(str, self.chain))} needs {self.demand}: {self.why}"


class Closure(t.NamedTuple):
    """packages: what to hold, selected ones included, in the order of the world. elsewhere: what clients will take from
    repositories they have anyway. unresolved: one for each package and demand. unproven: selected packages without
    anything unresolved that conflicts may keep from being installed; those that can be installed from all repositories
    can be installed from packages and elsewhere too.
    """

    packages: t.List[Package]
    elsewhere: t.List[Package]
    unresolved: t.List[Unresolved]
    unproven: t.List[Package]


def _nothing(_package: Package) -> bool:
    return False


def close(world: World[P], selected: t.Sequence[P], recommends: bool = False, excluded: t.Callable[[Package], bool] = _nothing) -> Closure:
    """The closure of the selected packages. recommends: take what packages recommend as well, where it can be had.
    excluded: packages never taken as a dependency.

    Raises Failure for a relation that cannot be read.
    """
    rules = Rules(world, excluded)
    search = _Search(rules, recommends)
    search.take(selected)
    while search.widen():
        pass
    taken = [package for package in world.packages if package in search.taken]
    sound = {package for package in taken if package not in search.broken}
    unproven: t.List[Package] = [one for one in selected if one in sound and one not in search.safe and not installable(rules, sound, one)]
    return Closure(
        [one for one in taken if not one.repository.elsewhere], [one for one in taken if one.repository.elsewhere], search.unresolved(), unproven,
    )


class _Search(t.Generic[P]):
    """taken: package -> who wanted it first. broken: what cannot be satisfied whatever is chosen, conflicts aside."""

    def __init__(self, rules: Rules[P], recommends: bool) -> None:
        self.taken: t.Dict[P, t.Optional[P]] = {}
        self.broken: t.Set[P] = set()
        self.safe: t.Set[P] = set()
        self._rules, self._recommends = rules, recommends
        self._explored: t.Set[P] = set()
        self._relying: t.Dict[P, t.List[t.Tuple[P, Clause]]] = {}

    def take(self, packages: t.Iterable[P], by: t.Optional[P] = None) -> None:
        """Take packages and, for each demand, what is preferred; breadth first, so that chains are short."""
        queue = [one for one in packages if one not in self.taken]
        self.taken.update((one, by) for one in queue)
        for package in queue:
            self._sound(package)
            for one in self._preferred(package):
                if one not in self.taken:
                    self.taken[one] = package
                    queue.append(one)

    def widen(self) -> bool:
        """Take what conditions ask for by now, and all that fits where nothing safe does; whether anything was taken."""
        before = len(self.taken)
        for package in list(self.taken):
            if any(clause.wanted and clause.unwanted for clause in self._rules.clauses(package)):
                self.take(self._preferred(package), package)
        self.safe = safe(self._rules, self.taken)
        for package in list(self.taken):
            for clause in self._rules.clauses(package):
                if clause.wanted and self._applies(package, clause):
                    fitting = self._rules.fitting(package, clause)
                    if not any(one in self.safe for one in fitting):
                        self.take([one for one in fitting if self._sound(one)], package)
        return len(self.taken) > before

    def unresolved(self) -> t.List[Unresolved]:
        """Every demand of a taken package that nothing fits."""
        return [
            Unresolved(self._chain(package), clause.text, self._reason(clause)) for package in self.taken if package in self.broken
            for clause in self._rules.clauses(package) if clause.wanted and not clause.unwanted and not self._rules.fitting(package, clause)
        ]

    def _preferred(self, package: P) -> t.Iterator[P]:
        """What to take for each demand of a package."""
        for clause in self._rules.clauses(package):
            if clause.wanted and self._applies(package, clause):
                fitting = self._rules.fitting(package, clause)
                choice = next(filter(self._sound, fitting), None)
                if choice is not None:
                    yield choice
                elif not clause.unwanted:
                    yield from fitting[:1]  # it is broken as well, and leads to what is missing
        if self._recommends:
            for clause in package.recommends():
                if self._applies(package, clause):
                    yield from itertools.islice(filter(self._sound, self._rules.fitting(package, clause)), 1)

    def _applies(self, package: P, clause: Clause) -> bool:
        """Whether a clause has to be met by something that fits: always, unless it has a condition that is never true."""
        return all(any(one in self.taken or one.repository.elsewhere for one in group) for group in self._rules.forbidden(package, clause))

    def _sound(self, package: P) -> bool:
        """Whether the package can be satisfied, conflicts aside.

        Each demand relies on the first that is not known to be broken; when that breaks, on the next. What is left
        without any is broken in turn. Circles of packages that need each other are sound.
        """
        queue = [] if package in self._explored else [package]
        self._explored.add(package)
        while queue:
            one = queue.pop()
            pending = [(one, clause) for clause in self._rules.clauses(one) if clause.wanted]
            while pending:
                asking, clause = pending.pop()
                choice = next((each for each in self._rules.fitting(asking, clause) if each not in self.broken), None)
                if choice is not None:
                    self._relying.setdefault(choice, []).append((asking, clause))
                    if choice not in self._explored:
                        self._explored.add(choice)
                        queue.append(choice)
                elif not clause.unwanted and asking not in self.broken:
                    self.broken.add(asking)
                    pending += self._relying.pop(asking, ())
        return package not in self.broken

    def _chain(self, package: P) -> t.Tuple[Package, ...]:
        chain: t.List[Package] = []
        step: t.Optional[P] = package
        while step is not None:
            chain.insert(0, step)
            step = self.taken[step]
        return tuple(chain)

    def _reason(self, clause: Clause) -> str:
        """Why nothing fits, from what has one of the names."""
        asked = [term for expression in clause.wanted for term in terms(expression)]
        known = {one: None for term in asked for one in self._rules.world.providers(Term(term.name))}
        refused = [str(one) for one in known if self._rules.excluded(one)]
        others = [f"{one} ({one.architecture}, {one.repository.name})" for one in known if not self._rules.excluded(one)]
        if refused:
            return f"{', '.join(refused[:4])} is excluded"
        return f"there is only {', '.join(others[:4])}" if others else "nothing provides it"
