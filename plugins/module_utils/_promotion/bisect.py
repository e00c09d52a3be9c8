# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which updates of a batch make a test fail. Pure: what an attempt is, the caller says.

Delta debugging after Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (IEEE TSE 28(2), 2002). Packages
differ from other input in one way: asking for some of them drags others along, so an attempt says what really changed.
"""

from __future__ import annotations

import typing as t

PASS, FAIL, UNRESOLVED = "pass", "fail", "unresolved"


class Attempt(t.NamedTuple):
    """outcome: pass, fail, or unresolved when these updates cannot be installed without others. changed: the updates of the
    batch that were really there."""

    outcome: str
    changed: t.FrozenSet[str]


Names = t.FrozenSet[str]
Try = t.Callable[[Names, Names], Attempt]
"""Updates that are asked for, updates that are held -> what came of it. Without held ones all that are asked for have to be there; with
them those that need a held one stay away, too. The same question may get another answer: then the test is flaky."""


_NOTHING: Names = frozenset()


class Cause(t.NamedTuple):
    """packages: without any of them the test passes, in the order of the batch; several that always come together cannot be told
    apart. dragged: further updates that came with them in the attempt that shows it."""

    packages: t.Tuple[str, ...]
    dragged: t.Tuple[str, ...]


class Answer(t.NamedTuple):
    """verdict: pass, fail or inconclusive. why: a clause for people. causes: independent of each other; empty unless it failed."""

    verdict: str
    why: str
    causes: t.Tuple[Cause, ...] = ()


class _Spent(Exception):
    """There are no attempts left."""


class _Contradiction(Exception):
    """The same updates passed and failed."""


def judge(batch: t.Sequence[str], attempt: Try, limit: int = 100) -> Answer:
    """Try without the batch, with all of it, and if that fails find the smallest sets of updates that make it fail.

    limit: how many attempts it may cost. One cause among n updates costs about 2 * log2(n) + 7 of them.
    """
    search = _Search(batch, attempt, limit)
    try:
        return search.answer()
    except _Spent:
        return Answer("inconclusive", f"{limit} attempts were not enough to find what makes the test fail")
    except _Contradiction as error:
        return Answer("inconclusive", str(error))


class _Search:
    def __init__(self, batch: t.Sequence[str], attempt: Try, limit: int) -> None:
        self._batch, self._attempt, self._left = tuple(dict.fromkeys(batch)), attempt, limit
        self._by_asked: t.Dict[t.Tuple[Names, Names], Attempt] = {}
        self._by_changed: t.Dict[Names, str] = {}
        self._repeated: t.Set[Names] = set()
        self.causes: t.List[Cause] = []

    def answer(self) -> Answer:
        before = self._try(_NOTHING)
        if before.outcome != PASS:
            why = "the test fails without the updates, too" if before.outcome == FAIL else "the product cannot be tried without the updates"
            return Answer("inconclusive", why)
        everything = frozenset(self._batch)
        whole = self._try(everything)
        if whole.outcome == PASS:
            return Answer("pass", f"the test passes with all {len(self._batch)} updates" if self._batch else "there are no updates")
        if whole.outcome == UNRESOLVED:
            return Answer("inconclusive", "the updates cannot be installed")
        self._repeat(everything)
        self._repeat(_NOTHING)
        others_pass = self._find(everything)
        for cause in self.causes:
            self._confirm(frozenset(cause.packages))
        names = "; ".join(" with ".join(cause.packages) for cause in self.causes)
        return Answer("fail", f"the test fails with {names}" + (", and passes with the others" if others_pass else ""), tuple(self.causes))

    def _find(self, everything: Names) -> bool:
        """Find one cause after the other, and return whether the test passes with all that can be had without them."""
        held, attempt = _NOTHING, self._try(everything)
        while attempt.outcome == FAIL:
            left = attempt.changed - held if held else everything
            if not self._fails(left):
                return False
            smallest = self._smallest(left)
            known = any(self._try(smallest).changed >= frozenset(one.packages) for one in self.causes)
            held |= smallest if known else self._add(smallest)
            if held == everything:
                return False
            attempt = self._try(everything, held)
        return attempt.outcome == PASS

    def _add(self, smallest: Names) -> Names:
        """Keep a cause: the smallest failing set, and not a package that merely drags the guilty one along."""
        packages, changed = smallest, self._try(smallest).changed
        left = changed - packages
        while left and self._fails(left):
            inner = self._smallest(left)
            reached = self._try(inner).changed
            packages, changed = (inner, reached) if len(reached) < len(changed) else (packages | inner, changed)
            left = changed - packages
        self.causes.append(Cause(self._ordered(packages), self._ordered(changed - packages)))
        return packages

    def _smallest(self, failing: Names) -> Names:
        """ddmin: a failing set of which no part that was tried fails. failing: fails."""
        parts = 2
        while len(failing) > 1:
            slices = _sliced(self._ordered(failing), parts)
            found = self._least(slices)
            if found is not None:
                failing, parts = found, 2
                continue
            others = [failing - one for one in slices] if parts > 2 else []
            found = next((one for one in others if self._fails(one)), None)
            if found is not None:
                failing, parts = found, max(parts - 1, 2)
            elif parts < len(failing):
                parts = min(len(failing), 2 * parts)
            else:
                break
        return failing

    def _least(self, slices: t.Sequence[Names]) -> t.Optional[Names]:
        """The failing slice that changes least. One that changes nothing besides itself is least already."""
        failing = []
        for one in slices:
            attempt = self._try(one)
            if attempt.outcome == FAIL:
                failing.append((len(attempt.changed), one))
                if attempt.changed <= one:
                    break
        return min(failing, key=lambda pair: pair[0])[1] if failing else None

    def _fails(self, asked: Names) -> bool:
        return bool(asked) and self._try(asked).outcome == FAIL

    def _try(self, asked: Names, held: Names = _NOTHING) -> Attempt:
        if (asked, held) not in self._by_asked:
            self._by_asked[asked, held] = self._really(asked, held)
        return self._by_asked[asked, held]

    def _really(self, asked: Names, held: Names = _NOTHING) -> Attempt:
        if self._left < 1:
            raise _Spent
        self._left -= 1
        attempt = self._attempt(asked, held)
        if attempt.outcome != UNRESOLVED and self._by_changed.setdefault(attempt.changed, attempt.outcome) != attempt.outcome:
            told = ", ".join(self._ordered(attempt.changed)) or "none of the updates"
            raise _Contradiction(f"the test is flaky: with {told} it passed once and failed once")
        return attempt

    def _confirm(self, packages: Names) -> None:
        """Ask again whether a cause fails, and whether it passed without each of its packages."""
        self._repeat(packages)
        for part in [packages - {name} for name in self._ordered(packages)]:
            if part and (part, _NOTHING) in self._by_asked:
                self._repeat(part)

    def _repeat(self, asked: Names) -> None:
        """Ask once more what the answer rests on, and not more often than that."""
        if asked in self._repeated:
            return
        self._repeated.add(asked)
        if self._try(asked).outcome != self._really(asked).outcome:
            raise _Contradiction(f"the test is flaky: {', '.join(self._ordered(asked)) or 'none of the updates'} could not be tried twice alike")

    def _ordered(self, names: t.AbstractSet[str]) -> t.Tuple[str, ...]:
        return tuple(name for name in self._batch if name in names)


def _sliced(names: t.Sequence[str], parts: int) -> t.List[Names]:
    """Names in that many slices of about the same length."""
    size, more = divmod(len(names), parts)
    bounds = [index * size + min(index, more) for index in range(parts + 1)]
    return [frozenset(names[first:last]) for first, last in zip(bounds, bounds[1:])]
