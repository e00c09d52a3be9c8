# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan is the same for the same input, in the same order, and a wrong one is refused by name."""

from __future__ import annotations

import json

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan, members, plan_of, wave_groups

GROUPS = {
    "all": ["ea2", "ea1", "web1", "web2", "db1"],
    "early_adopters": ["ea2", "ea1"],
    "production": ["web1", "ea1", "web2", "db1"],
    "web": ["web1", "web2"],
}


def shape(plan: Plan) -> list[tuple[str, list[str], int, int]]:
    return [(wave.name, list(wave.hosts), wave.min_passed, wave.max_failed) for wave in plan.waves]


@pytest.mark.parametrize("blank", [None, "", [], "early_adopters,production", ["early_adopters", "production"], "early_adopters, production"])
def test_the_usual_two_waves_however_they_are_written(blank: object) -> None:
    assert shape(plan_of(blank, GROUPS, "cmd-os-1")) == [
        ("early_adopters", ["ea2", "ea1"], 2, 0), ("production", ["web1", "web2", "db1"], 3, 0),
    ]


def test_waves_as_a_survey_gives_them() -> None:
    waves = [{"name": "w", "hosts": ["web"], "max_failed": 1}, "early_adopters"]
    assert plan_of(json.dumps(waves), GROUPS, "r") == plan_of(waves, GROUPS, "r")


def test_every_way_to_leave_a_field_blank_gives_one_plan() -> None:
    plans = {
        plan_of(waves, GROUPS, "cmd-os-1", packages, opt_in).digest
        for waves in (None, "", []) for packages in (None, "", [], "*", ["*"]) for opt_in in (None, "", [])
    }
    assert len(plans) == 1


def test_a_host_belongs_to_the_first_wave_that_names_it() -> None:
    plan = plan_of([{"name": "one", "hosts": "db1,web"}, {"name": "rest", "hosts": ["production"]}], GROUPS, "r")
    assert shape(plan) == [("one", ["db1", "web1", "web2"], 3, 0), ("rest", ["ea1"], 1, 0)]


@pytest.mark.parametrize("gate, expected", [
    ({}, (3, 0)), ({"max_failed": 1}, (2, 1)), ({"max_failed": "1", "min_passed": "1"}, (1, 1)),
    ({"min_passed": 2}, (2, 0)), ({"max_failed": 3}, (1, 3)), ({"min_passed": "", "max_failed": None}, (3, 0)),
])
def test_gate_numbers(gate: dict[str, object], expected: tuple[int, int]) -> None:
    (wave,) = plan_of([{"name": "w", "hosts": ["web", "db1"], **gate}], GROUPS, "r").waves
    assert (wave.min_passed, wave.max_failed) == expected


@pytest.mark.parametrize("waves, said", [
    ("nowhere", "wave 'nowhere' names 'nowhere', which is neither a group nor a host"),
    ([{"name": "w", "hosts": ["web", "typo"]}], "wave 'w' names 'typo'"),
    ([{"hosts": ["web"]}], "wave 1 has no name"),
    ([17], "wave 1 has no name"),
    ('[{"name": "web"}', "neither names of groups nor JSON"), ('{"name": "web"}', "neither names of groups nor JSON"),
    (17, "rollout_waves is neither a list nor a text"),
    ({"name": "web"}, "rollout_waves is neither a list nor a text"),
    ([{"name": "w", "hosts": ["web"], "hots": 1}], "unknown key 'hots'"),
    ([{"name": "w", "hosts": [1]}], "expected a list of names, got [1]"),
    ([{"name": "w", "hosts": ["web"]}, {"name": "w", "hosts": ["db1"]}], "two waves are called 'w'"),
    ([{"name": "w", "hosts": ["web"]}, {"name": "v", "hosts": ["web1"]}], "wave 'v' has no host of its own"),
    ([{"name": "w", "hosts": ["web"], "min_passed": 0}], "min_passed of wave 'w' is '0'"),
    ([{"name": "w", "hosts": ["web"], "min_passed": 3}], "a number from 1 to 2"),
    ([{"name": "w", "hosts": ["web"], "max_failed": -1}], "max_failed of wave 'w' is '-1'"),
    ([{"name": "w", "hosts": ["web"], "max_failed": True}], "max_failed of wave 'w' is 'True'"),
    ([{"name": "w", "hosts": ["web"], "max_failed": "50%"}], "max_failed of wave 'w' is '50%'"),
])
def test_a_wrong_plan_is_refused_by_name(waves: object, said: str) -> None:
    with pytest.raises(Failure, match="Failed to plan the rollout") as caught:
        plan_of(waves, GROUPS, "r")
    assert said in str(caught.value)


@pytest.mark.parametrize("blank", [None, "", " ", {}, 7])
def test_a_rollout_of_nothing_is_refused(blank: object) -> None:
    with pytest.raises(Failure, match="no release is given"):
        plan_of("web", GROUPS, blank)


@pytest.mark.parametrize("release, name", [
    ("cmd-os-1", "cmd-os-1"), ("site/cmd-os-2.yml", "cmd-os-2"), ("/srv/umd.yaml", "umd"), ({"name": "mos-9.0", "x": 1}, "mos-9.0"),
])
def test_a_release_has_a_name(release: object, name: str) -> None:
    assert plan_of("web", GROUPS, release).release == name


def test_whatever_changes_the_rollout_changes_its_digest() -> None:
    plans = [
        plan_of("web", GROUPS, "r"), plan_of("web", GROUPS, "s"), plan_of("web,production", GROUPS, "r"),
        plan_of("web", GROUPS, "r", "pkg"), plan_of("web", GROUPS, "r", None, "proposed"),
        plan_of([{"name": "web", "max_failed": 1}], GROUPS, "r"), plan_of("web", {**GROUPS, "web": ["web1"]}, "r"),
        plan_of("web", GROUPS, {"name": "r", "dates": 1}), plan_of("web", GROUPS, {"name": "r", "dates": 2}),
    ]
    assert len({plan.digest for plan in plans}) == len(plans)


def test_a_plan_survives_being_written_down() -> None:
    plan = plan_of([{"name": "w", "hosts": ["web"], "opt_in": ["proposed"]}], GROUPS, "r", "a b")
    assert Plan.from_dict(plan.as_dict()) == plan


def test_groups_carry_the_order_of_the_waves() -> None:
    plan = plan_of([{"name": f"w{number}", "hosts": [host]} for number, host in enumerate(GROUPS["all"])], GROUPS, "r")
    found = members(plan, ["db1", "ea2", "web1"])
    assert [(one["wave"], one["host"]) for one in found] == [("w0", "ea2"), ("w2", "web1"), ("w4", "db1")]
    groups = {one["group"]: [one["host"]] for one in reversed(found)}
    assert [hosts for _name, hosts in wave_groups({**GROUPS, **groups, "rollout_wave_x": ["no"]})] == [["ea2"], ["web1"], ["db1"]]
