# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow has one job for each wave, in order, and nobody's wave starts without the approval it is to have."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.filter.awx_workflow_nodes import awx_workflow_nodes

Nodes = t.List[t.Dict[str, t.Any]]
NAMES = st.lists(st.text("abcxyz_0", min_size=1, max_size=6), min_size=1, max_size=6, unique=True)


def nodes(waves: t.Any) -> Nodes:
    return awx_workflow_nodes(waves, "Rollout", "Default", "Staged")


def order(made: Nodes) -> list[str]:
    """Identifiers in the order AWX would run them, by the links alone."""
    following = {node["identifier"]: [one["identifier"] for one in node["related"]["success_nodes"]] for node in made}
    (first,) = set(following) - {name for names in following.values() for name in names}
    run = [first]
    while following[run[-1]]:
        (after,) = following[run[-1]]
        run.append(after)
    return run


def test_production_waits_for_an_approval() -> None:
    made = nodes("early_adopters,production")
    assert order(made) == ["wave-early_adopters", "approve-production", "wave-production"]
    assert [node.get("limit") for node in made] == ["early_adopters", None, "production"]
    assert made[1]["unified_job_template"]["timeout"] == 0


@pytest.mark.parametrize(("waves", "expected"), [
    (["a"], ["wave-a"]),
    ([{"name": "a", "approval": True}], ["approve-a", "wave-a"]),
    (["a", {"name": "b", "approval": False}, "c"], ["wave-a", "wave-b", "approve-c", "wave-c"]),
    ([{"name": "a", "approval": ""}, {"name": "b", "approval": None}], ["wave-a", "approve-b", "wave-b"]),
    ([{"name": "a"}, {"name": "b", "approval": {"by": ["alice"]}, "soak": "1h"}], ["wave-a", "approve-b", "wave-b"]),
])
def test_who_is_asked(waves: t.Any, expected: list[str]) -> None:
    assert order(nodes(waves)) == expected


def test_an_approval_in_awx_answers_the_plan_that_asks_for_one() -> None:
    made = nodes(["a", {"name": "b", "approval": True}, {"name": "c", "approval": {"by": ["alice"]}}, {"name": "d", "approval": False}])
    assert [node["extra_data"] for node in made if "extra_data" in node] == [{"rollout_approve": "b"}, {"rollout_approve": "c"}]
    assert {node["identifier"] for node in made if "extra_data" in node} == {"wave-b", "wave-c"}


def test_a_wave_of_groups_and_patterns_is_a_limit() -> None:
    assert nodes([{"name": "a", "hosts": ["site_a", "~db[0-9]+"]}, {"name": "b", "hosts": "web*, site_b"}])[0]["limit"] == "site_a:~db[0-9]+"


@pytest.mark.parametrize(("waves", "why"), [
    ("", "there is no wave"), (None, "there is no wave"), ([], "there is no wave"), (7, "there is no wave"),
    ([{"hosts": ["a"]}], "wave 1 has no name"), (["a", 3], "wave 2 has no name"), (["a b"], "wave 1 has no name"),
    ([{"name": "a", "percent": 10}], "is a percentage"),
    (["a", {"name": "b", "hosts": ["a", "b"]}], "waves 'a' and 'b' both have a"), (["a", "a"], "both have a"),
    ([{"name": "a", "approval": "perhaps"}], "approval of wave 'a' is \"perhaps\""),
])
def test_what_a_limit_cannot_say_is_refused(waves: t.Any, why: str) -> None:
    with pytest.raises(AnsibleFilterError, match="Failed to make a workflow of the waves: ") as refused:
        nodes(waves)
    assert why in str(refused.value)


@given(NAMES, st.data())
def test_every_wave_runs_once_in_order_and_only_approvals_asked_for_are_left_out(waves: list[str], data: st.DataObject) -> None:
    asked = [data.draw(st.sampled_from([True, False, None])) for _name in waves]
    run = order(nodes([{"name": name, "approval": approval} for name, approval in zip(waves, asked)]))
    assert [name[5:] for name in run if name.startswith("wave-")] == waves
    wanted = {name for number, (name, approval) in enumerate(zip(waves, asked)) if approval or (approval is None and number)}
    assert {name[8:] for name in run if name.startswith("approve-")} == wanted
    assert all(run[run.index(f"approve-{name}") + 1] == f"wave-{name}" for name in wanted)
