# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan given back is applied exactly, or refused with every difference named."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import sync_given
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_plan import DOWNGRADE, INSTALL, REMOVE, UPGRADE, Known, Step

RISE = Step("api", UPGRADE, "1", "2", "updates")
NEW = Step("library", INSTALL, None, "2", "base", True)
GO = Step("old", REMOVE, "1", None)
PLAN = [RISE, NEW, GO]
THERE = {"api": Known("1", "2", {"2": "updates"}), "library": Known(None, "2", {"2": "base"}), "old": Known("1", "1", {})}


def test_what_is_returned_is_read_back() -> None:
    assert sync_given.read([step.as_result() for step in PLAN]) == PLAN


@pytest.mark.parametrize("step", [
    Step("api", INSTALL, "1", "2"), Step("api", UPGRADE, None, "2"), Step("api", DOWNGRADE, "2", None),
    Step("api", REMOVE, "2", "1"), Step("api", REMOVE, None, None),
])
def test_a_step_that_cannot_be_one_is_refused(step: Step) -> None:
    with pytest.raises(Failure, match="is no step"):
        sync_given.read([step.as_result()])


def test_two_steps_for_one_package_are_refused() -> None:
    with pytest.raises(Failure, match="more than one step for api"):
        sync_given.read([RISE.as_result(), RISE.as_result()])


@given(st.sets(st.sampled_from(["api", "library", "old"])))
def test_steps_that_were_made_already_are_left_out(done: t.Set[str]) -> None:
    known = {**THERE}
    for step in PLAN:
        if step.package in done:
            known[step.package] = Known(step.after, step.after, THERE[step.package].offers)
    assert [step.package for step in sync_given.pending(PLAN, known)] == [step.package for step in PLAN if step.package not in done]


def test_half_installed_is_not_done() -> None:
    known = {**THERE, "api": Known("2", "2", {"2": "updates"}, whole=False)}
    assert RISE in sync_given.pending(PLAN, known)
    sync_given.check(PLAN, [NEW, GO], known)


@pytest.mark.parametrize(("known", "words"), [
    ({"api": Known("1.5", "2", {"2": "updates"})}, "api is 1.5, and the plan begins with 1"),
    ({"api": Known(None, "2", {"2": "updates"})}, "api is not installed, and the plan begins with 1"),
    ({"library": Known("1", "2", {"2": "base"})}, "library is 1, and the plan begins with none"),
    ({"api": Known("1", "3", {"3": "updates"})}, "api 2 is offered by nobody, and the plan has it from updates"),
    ({"api": Known("1", "2", {"2": "base"})}, "api 2 is offered by base, and the plan has it from updates"),
    ({"old": Known("1", "1", {}, held="apt-mark hold")}, "old is held (apt-mark hold)"),
])
def test_a_host_that_changed_is_named(known: t.Dict[str, Known], words: str) -> None:
    with pytest.raises(Failure) as caught:
        sync_given.pending(PLAN, {**THERE, **known})
    assert words in str(caught.value)
    assert "nothing was changed" in str(caught.value)


def test_what_the_package_manager_would_do_must_be_the_plan() -> None:
    sync_given.check(PLAN, PLAN, THERE)
    with pytest.raises(Failure, match=r"would install extra \(none\) -> 1, which is not in the plan"):
        sync_given.check(PLAN, [*PLAN, Step("extra", INSTALL, None, "1", "base")], THERE)
    with pytest.raises(Failure, match=r"would install library \(none\) -> 3, which is not in the plan"):
        sync_given.check(PLAN, [RISE, Step("library", INSTALL, None, "3", "base"), GO], THERE)
    with pytest.raises(Failure, match=r"would not remove old 1 -> \(none\)"):
        sync_given.check(PLAN, [RISE, NEW], THERE)
