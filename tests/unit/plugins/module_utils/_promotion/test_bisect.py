# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bisection: over random batches, dependencies and faults it names the guilty updates and no others."""

from __future__ import annotations

import itertools
import math
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._promotion.bisect import FAIL, PASS, UNRESOLVED, Attempt, judge

Names = t.FrozenSet[str]
Needs = t.Mapping[str, Names]


def batch_of(size: int) -> t.List[str]:
    return [f"p{number:03}" for number in range(size)]


class World:
    """A test that fails whenever all packages of one of the faults are there; needs: what a package drags along."""

    def __init__(self, faults: t.Sequence[Names], needs: t.Optional[Needs] = None, unresolved: t.Callable[[Names], bool] = lambda _asked: False) -> None:
        self.faults, self.needs, self.unresolved = faults, needs or {}, unresolved
        self.asked: t.List[Names] = []

    def closure(self, asked: Names) -> Names:
        while True:
            more = asked.union(*(self.needs.get(name, frozenset()) for name in asked))
            if more == asked:
                return asked
            asked = more

    def __call__(self, asked: Names, held: Names = frozenset()) -> Attempt:
        if held:
            asked = frozenset(name for name in asked if not self.closure(frozenset([name])) & held)
        else:
            self.asked.append(asked)
        if self.unresolved(asked):
            return Attempt(UNRESOLVED, frozenset())
        changed = self.closure(asked)
        return Attempt(FAIL if any(fault <= changed for fault in self.faults) else PASS, changed)


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_one_guilty_update_is_found_in_logarithmic_time(case: t.Tuple[int, int]) -> None:
    size, guilty = case
    world = World([frozenset(batch_of(size)[guilty:guilty + 1])])
    answer = judge(batch_of(size), world)
    assert answer.verdict == "fail"
    assert [cause.packages for cause in answer.causes] == [(batch_of(size)[guilty],)]
    assert answer.why.endswith("passes with the others") == (size > 1)
    assert len(world.asked) <= 2 * math.ceil(math.log2(size)) + 6


@given(st.data())
def test_updates_that_are_guilty_together_are_named_together(data: t.Any) -> None:
    batch = batch_of(data.draw(st.integers(2, 20)))
    guilty = data.draw(st.frozensets(st.sampled_from(batch), min_size=2, max_size=4))
    answer = judge(batch, World([guilty]), 1000)
    assert [frozenset(cause.packages) for cause in answer.causes] == [guilty]


@given(st.data())
def test_every_independent_cause_is_found_and_the_rest_is_free_of_them(data: t.Any) -> None:
    batch = batch_of(data.draw(st.integers(1, 16)))
    faults = data.draw(st.lists(st.frozensets(st.sampled_from(batch), min_size=1, max_size=3), min_size=1, max_size=3))
    world = World(faults)
    answer = judge(batch, world, 1000)
    found = [frozenset(cause.packages) for cause in answer.causes]
    assert answer.verdict == "fail"
    for cause in found:
        assert any(cause == fault for fault in faults), "no package of it is innocent"
    assert world(frozenset(batch) - frozenset().union(*found)).outcome == PASS


@st.composite
def dependencies(draw: t.Any) -> t.Tuple[t.List[str], Needs]:
    """A batch in which updates need others, in circles too."""
    batch = batch_of(draw(st.integers(1, 14)))
    pairs = draw(st.lists(st.tuples(st.sampled_from(batch), st.sampled_from(batch)), max_size=20))
    return batch, {name: frozenset(other for one, other in pairs if one == name) for name in batch}


@given(dependencies(), st.data())
def test_who_only_drags_the_guilty_update_along_is_not_blamed(case: t.Tuple[t.List[str], Needs], data: t.Any) -> None:
    batch, needs = case
    guilty = data.draw(st.sampled_from(batch))
    world = World([frozenset([guilty])], needs)
    answer = judge(batch, world, 1000)
    (cause,) = answer.causes
    assert guilty in cause.packages
    for name in cause.packages:
        assert world.closure(frozenset([name])) == world.closure(frozenset([guilty])), "it cannot be told apart from the guilty one"
    assert frozenset(cause.packages + cause.dragged) == world.closure(frozenset([guilty]))


@given(dependencies(), st.data())
def test_what_it_names_fails_and_nothing_else_does(case: t.Tuple[t.List[str], Needs], data: t.Any) -> None:
    batch, needs = case
    world = World(data.draw(st.lists(st.frozensets(st.sampled_from(batch), min_size=1, max_size=3), min_size=1, max_size=3)), needs)
    answer = judge(batch, world, 5000)
    assert answer.verdict == "fail"
    for cause in answer.causes:
        assert world(frozenset(cause.packages)).outcome == FAIL
    named = frozenset(name for cause in answer.causes for name in cause.packages)
    free = frozenset(name for name in batch if not world.closure(frozenset([name])) & named)
    assert world(free).outcome == PASS, "updates that do without the named ones are good"


@given(dependencies(), st.data())
def test_sets_that_cannot_be_installed_do_not_mislead(case: t.Tuple[t.List[str], Needs], data: t.Any) -> None:
    batch, needs = case
    guilty, refused = frozenset([data.draw(st.sampled_from(batch))]), data.draw(st.sets(st.frozensets(st.sampled_from(batch), min_size=1)))
    world = World([guilty], needs, lambda asked: asked in refused and asked != frozenset(batch))
    answer = judge(batch, world, 5000)
    for cause in answer.causes:
        assert guilty <= world.closure(frozenset(cause.packages))


@pytest.mark.parametrize(("world", "verdict", "why"), [
    (World([]), "pass", "passes with all 3 updates"),
    (World([frozenset()]), "inconclusive", "fails without the updates"),
    (World([], unresolved=lambda asked: not asked), "inconclusive", "cannot be tried without"),
    (World([], unresolved=bool), "inconclusive", "cannot be installed"),
])
def test_verdicts_that_need_no_search(world: World, verdict: str, why: str) -> None:
    answer = judge(batch_of(3), world)
    assert (answer.verdict, answer.causes) == (verdict, ())
    assert why in answer.why
    assert len(world.asked) <= 2


def test_an_empty_batch_passes_after_the_first_attempt() -> None:
    world = World([])
    assert judge([], world) == ("pass", "there are no updates", ())
    assert len(world.asked) == 1


def test_nothing_is_asked_twice_but_what_the_answer_rests_on() -> None:
    pair = frozenset(["p001", "p006"])
    world = World([pair, frozenset(["p003"])])
    judge(batch_of(8), world)
    twice = {asked for asked in world.asked if world.asked.count(asked) > 1}
    assert twice == {frozenset(), frozenset(batch_of(8)), pair, frozenset(["p001"]), frozenset(["p006"]), frozenset(["p003"])}
    assert all(world.asked.count(asked) == 2 for asked in twice)


@given(st.integers(1, 40), st.integers(1, 5))
def test_a_test_that_fails_once_convicts_nobody(size: int, when: int) -> None:
    turn = itertools.count(1)
    answer = judge(batch_of(size), lambda asked, held: Attempt(FAIL if next(turn) == when else PASS, asked - held))
    assert answer.causes == ()
    assert answer.verdict == ("inconclusive" if when <= 2 else "pass")
    assert when != 2 or "flaky" in answer.why
    assert next(turn) <= 6, "it is found out soon"


@given(st.integers(2, 40), st.integers(4, 12))
def test_a_test_that_passes_once_acquits_nobody(size: int, when: int) -> None:
    world, turn = World([frozenset(["p000"])]), itertools.count(1)
    answer = judge(batch_of(size), lambda asked, held: Attempt(PASS, asked - held) if next(turn) == when else world(asked, held))
    assert answer.verdict == "inconclusive" or [cause.packages for cause in answer.causes] == [("p000",)]


def test_a_search_that_is_too_long_ends() -> None:
    world = World([frozenset(batch_of(64))])
    answer = judge(batch_of(64), world, 20)
    assert answer.verdict == "inconclusive"
    assert "20 attempts were not enough" in answer.why
    assert len(world.asked) == 20
