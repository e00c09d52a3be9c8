# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a synchronisation may change, and what it refuses by name."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import sync_plan
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_plan import DOWNGRADE, INSTALL, REMOVE, UPGRADE, Known, Step

NAMES = st.sampled_from([f"pkg-{letter}" for letter in "abcdef"])
VERSIONS = st.sampled_from(["1.0-1", "1.1-1", "2.0-1~cmd1", "2.0-1"])


@st.composite
def knowns(draw: st.DrawFn) -> Known:
    offers = draw(st.dictionaries(VERSIONS, st.sampled_from(["base", "updates"]), max_size=3))
    candidate = draw(st.sampled_from(sorted(offers))) if offers else None
    return Known(draw(st.none() | VERSIONS), candidate, offers, draw(st.booleans()), draw(st.sampled_from(["", "apt-mark hold"])))


@given(st.dictionaries(NAMES, knowns()))
def test_everything_comes_to_its_candidate_except_what_is_held_or_there(known: t.Dict[str, Known]) -> None:
    targets = sync_plan.latest(known, [], "cmd-os-1")
    for name, one in known.items():
        if one.held or one.candidate is None:
            assert name not in targets
        else:
            assert (targets.get(name) == one.candidate) == (one.installed != one.candidate or not one.whole)


@given(st.dictionaries(NAMES, knowns(), min_size=1))
def test_a_named_package_is_brought_or_refused_by_name(known: t.Dict[str, Known]) -> None:
    try:
        targets = sync_plan.latest(known, list(known), "cmd-os-1")
    except Failure as failure:
        wrong = [name for name, one in known.items() if one.candidate is None] or [name for name, one in known.items() if one.held]
        assert all(name in str(failure) for name in wrong if known[name].candidate is None or known[name].differs(known[name].candidate))
        return
    assert all(not one.differs(targets.get(name, one.candidate)) or name in targets for name, one in known.items())


def test_a_package_nobody_offers_is_named_together_with_the_set() -> None:
    with pytest.raises(Failure, match=r"set 'cmd-os-1': no enabled repository of this host offers ghost, spirit\."):
        sync_plan.latest({"ghost": Known(None, None, {})}, ["ghost", "spirit"], "cmd-os-1")


@given(st.dictionaries(NAMES, st.tuples(st.none() | VERSIONS, knowns())))
def test_going_back_wants_exactly_what_differs_or_names_what_is_gone(story: t.Dict[str, t.Tuple[t.Optional[str], Known]]) -> None:
    before = {name: version for name, (version, _known) in story.items()}
    known = {name: one for name, (_version, one) in story.items()}
    gone = [f"{name} {version}" for name, version in before.items() if version and known[name].differs(version) and version not in known[name].offers]
    if gone:
        with pytest.raises(Failure, match="any more") as caught:
            sync_plan.restored(before, known, "r")
        assert all(words in str(caught.value) for words in gone)
    elif any(known[name].held and known[name].differs(version) for name, version in before.items()):
        with pytest.raises(Failure, match=r"is held \(apt-mark hold\)"):
            sync_plan.restored(before, known, "r")
    else:
        targets = sync_plan.restored(before, known, "r")
        assert targets == {name: version for name, version in before.items() if known[name].differs(version)}


@pytest.mark.parametrize("step", [
    Step("tools", REMOVE, "1.0-1", None),
    Step("tools", DOWNGRADE, "1.1-1", "1.0-1"),
])
def test_what_nobody_asked_for_is_refused_by_name(step: Step) -> None:
    with pytest.raises(Failure, match=r"tools .*nothing was changed"):
        sync_plan.check([step], {"cloud": "2.0-1"}, "test", {"cloud"})


@pytest.mark.parametrize("step", [
    Step("library", INSTALL, None, "1.0-1"),
    Step("library", UPGRADE, "1.0-1", "1.1-1"),
    Step("cloud", DOWNGRADE, "2.5-1", "2.0-1"),
    Step("cloud", UPGRADE, "1.0-1", "2.0-1"),
])
def test_dependencies_may_come_and_rise_and_asked_packages_may_fall(step: Step) -> None:
    sync_plan.check([step], {"cloud": "2.0-1"}, "test", {"cloud"})


def test_a_removal_is_fine_only_where_the_target_is_absence() -> None:
    sync_plan.check([Step("cloud", REMOVE, "2.0-1", None)], {"cloud": None}, "test", {"cloud"})
    with pytest.raises(Failure, match="cloud 2.0-1 would be removed"):
        sync_plan.check([Step("cloud", REMOVE, "2.0-1", None)], {"cloud": "2.5-1"}, "test", {"cloud"})


def test_another_version_than_wanted_is_refused() -> None:
    with pytest.raises(Failure, match=r"cloud 2\.0-1 \(the package manager chose 1\.9-1\)"):
        sync_plan.check([Step("cloud", UPGRADE, "1.0-1", "1.9-1")], {"cloud": "2.0-1"}, "test", {"cloud"})


def test_a_table_has_one_sorted_line_per_package() -> None:
    assert sync_plan.table({"b": None, "a": "1.0-1"}) == "a 1.0-1\nb (not installed)\n"
