# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import conditions, flow
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Report, Waiver
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_rules import RULES
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._promotion.wishes import item

ACTOR = flow.Actor("A. Packager", "2026-11-19T12:00:00Z")
WAIVER = Waiver("lifecycle.window:2026-11-20", "A. Packager", "S. Second", "all sites are down", "2026-11-20")


def desk(**kinds):
    return Desk("example-1", {name: Batch(name, kind, (item(package=f"package-{name}"),)) for name, kind in kinds.items()})


KINDS = st.sampled_from(["", "untested", "proposed", "updates", "base"])
STEPS = st.lists(st.tuples(st.sampled_from(["take", "promote", "demote"]), st.sampled_from("abc"), KINDS))


@given(STEPS)
def test_whatever_is_done_bytes_stay_and_every_move_is_written_down(steps):
    now = desk(a="untested", b="proposed", c="")
    start = now
    for word, name, target in steps:
        before = now
        if word == "take":
            now = flow.take(now, Batch(name, "untested", now.batches[name].items), ACTOR)
        elif word == "promote" and target in flow.BEFORE and flow.BEFORE[target] == now.batches[name].kind:
            now = flow.promote(now, name, target, [], ACTOR)
        elif word == "demote" and target in ("", "untested", "proposed"):
            now = flow.demote(now, name, target, False, ACTOR)
        batch = now.batches[name]
        assert batch.items == start.batches[name].items
        moved = batch.kind != before.batches[name].kind
        assert len(batch.history) == len(before.batches[name].history) + moved
        assert not moved or batch.history[-1][:2] == (before.batches[name].kind, batch.kind)
        assert {move.digest for move in batch.history} <= {batch.digest}
        assert {**now.batches, name: None} == {**before.batches, name: None}


def test_what_others_come_after_is_not_taken_away():
    now = desk(first="updates", second="updates")
    now = now.with_batch(now.batches["second"]._replace(after=("first",)))
    with pytest.raises(Failure, match=r"prerequisite\.needed.*second"):
        flow.demote(now, "first", "proposed", False, ACTOR)
    now = flow.demote(now, "second", "proposed", False, ACTOR)
    assert flow.demote(now, "first", "proposed", False, ACTOR).batches["first"].kind == "proposed"


def test_a_frozen_base_loses_nothing():
    with pytest.raises(Failure, match=r"lifecycle\.base-frozen"):
        flow.demote(desk(a="base"), "a", "", True, ACTOR)
    assert flow.demote(desk(a="base"), "a", "", False, ACTOR).batches["a"].kind == ""


def test_a_hold_is_not_taken_back_here():
    with pytest.raises(Failure, match="holdback"):
        flow.demote(desk(a="holdback"), "a", "", False, ACTOR)


def test_a_batch_nobody_knows_is_refused_with_those_there_are():
    with pytest.raises(Failure, match=r"flow\.unknown.*There are: a, b"):
        flow.batch_of(desk(b="proposed", a="untested"), "c")


def test_the_same_words_are_written_down_once():
    now = desk(a="proposed")
    report = Report("adopter", "pass", "A. Adopter", "2026-11-19", "")
    once = flow.with_words(now, "a", [report], [WAIVER])
    assert once.batches["a"].reports == (report._replace(digest=now.batches["a"].digest),)
    assert flow.with_words(once, "a", [report._replace(day="2026-11-20")], [WAIVER._replace(day="2026-11-21")]) == once
    turned = flow.with_words(once, "a", [report._replace(verdict="fail"), report], [])
    assert [one.verdict for one in turned.batches["a"].reports] == ["pass", "fail", "pass"]


@pytest.mark.parametrize(("changes", "rule"), [
    ({"second": "A. Packager"}, "second"), ({"second": " a.  packager"}, "second"), ({"second": ""}, "second"), ({"by": " "}, "second"),
    ({"text": " "}, "text"), ({"excuse": "lifecycle.base-frozen:2026-11-20"}, "impossible"), ({"excuse": "version.increasing:el9/x"}, "impossible"),
    ({"excuse": "lifecycle.moon"}, "unknown"), ({"excuse": "version.moon"}, "unknown"), ({"excuse": ""}, "unknown"), ({"excuse": "metadata."}, "unknown"),
])
def test_a_waiver_is_two_peoples_and_says_why(changes, rule):
    conditions.require_waiver(WAIVER)
    with pytest.raises(Failure, match=rf"\[waiver\.{rule}\]"):
        conditions.require_waiver(WAIVER._replace(**changes))


def test_every_rule_of_versions_is_a_condition():
    assert all(conditions.condition(f"version.{rule.id}") for rule in RULES)
    assert conditions.condition("version.increasing").waivable is False
