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
    "empty": [],
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
    ([{"name": "w", "hosts": ["web"], "percent": 101}], "percent of wave 'w' is '101'"),
    ([{"name": "w", "hosts": ["web"], "percent": True}], "percent of wave 'w' is 'True'"),
    ([{"name": "w", "hosts": ["web"], "unit": "site"}], "unit of wave 'w' is 'site'"),
    ([{"name": "w", "hosts": ["web"], "soak": "soon"}], "soak of wave 'w' is 'soon'"),
    ([{"name": "w", "hosts": ["web"], "slots": -1}], "slots of wave 'w' is '-1'"),
    ([{"name": "w", "hosts": ["web"], "approval": "alice"}], "approval of wave 'w' is \"alice\""),
    ([{"name": "w", "hosts": ["web"], "approval": {"by": []}}], "approval of wave 'w'"),
    ([{"name": "w", "hosts": ["web"], "required_checks": [1]}], "required_checks of wave 'w' is [1]"),
    ([{"name": "w", "hosts": ["web"], "windows": [{"to": 960}]}], "'to' of a window is 960"),
    ([{"name": "empty"}], "wave 'empty' has no host of its own"),
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


WHOLE = {
    "name": "w", "hosts": ["web"], "opt_in": ["proposed"], "soak": "1h30m", "recheck": "5m", "slots": "1", "max_failed_percent": "50 %",
    "windows": [{"days": ["monday"], "from": "09:00", "to": "16:00", "timezone": "Europe/Amsterdam", "except": ["2026-12-28"]}],
    "required_checks": "cloud api, db", "approval": {"by": ["alice", "bob"]},
}


def test_a_plan_survives_being_written_down() -> None:
    pytest.importorskip("zoneinfo")
    manifest = {"name": "r", "no_release": [{"days": ["friday"], "reason": "weekend"}]}
    plan = plan_of([WHOLE, {"name": "none", "hosts": "db1", "percent": 0}, {"name": "ask", "hosts": "db1", "approval": True}], GROUPS, manifest, "a b")
    assert Plan.from_dict(json.loads(json.dumps(plan.as_dict()))) == plan


def test_every_key_of_a_wave_is_read() -> None:
    pytest.importorskip("zoneinfo")
    (wave,) = plan_of([WHOLE], GROUPS, "r").waves
    assert (wave.soak, wave.recheck, wave.slots, wave.max_failed, wave.min_passed) == (5400, 300, 1, 1, 1)
    assert (wave.required_checks, wave.approval, wave.turns) == (("cloud api", "db"), ("alice", "bob"), (("web1", "web2"),))


@pytest.mark.parametrize("percent, may_fail", [(49, 1), (50, 2), (51, 2), (0, 0), (100, 4), ("24.9%", 0), (25, 1)])
def test_a_percentage_of_failures_is_rounded_down(percent: object, may_fail: int) -> None:
    (wave,) = plan_of([{"name": "w", "hosts": ["early_adopters", "web"], "max_failed_percent": percent}], GROUPS, "r").waves
    assert (wave.max_failed, wave.min_passed) == (may_fail, max(1, 4 - may_fail))


def test_the_stricter_of_count_and_percentage_counts() -> None:
    gates = [{"max_failed": 1, "max_failed_percent": 75}, {"max_failed": 3, "max_failed_percent": 25}]
    waves = [plan_of([{"name": "w", "hosts": ["early_adopters", "web"], **gate}], GROUPS, "r").waves[0] for gate in gates]
    assert [wave.max_failed for wave in waves] == [1, 1]


def test_a_wave_of_zero_percent_is_meant_to_be_empty() -> None:
    plan = plan_of([{"name": "none", "hosts": "web", "percent": 0}, {"name": "rest", "hosts": "web"}], GROUPS, "r")
    assert shape(plan) == [("none", [], 0, 0), ("rest", ["web1", "web2"], 2, 0)]
    assert members(plan, GROUPS["all"])[0]["group"] == "rollout_wave_002"


def test_growing_percentages_end_with_everybody() -> None:
    hosts = [f"h{number}" for number in range(50)]
    plan = plan_of([{"name": f"p{percent}", "hosts": "all", "percent": percent} for percent in (10, 50, 100)], {"all": hosts}, "r")
    assert sorted(host for wave in plan.waves for host in wave.hosts) == sorted(hosts)
    assert all(wave.hosts for wave in plan.waves)


def test_clusters_come_from_the_hosts_variables() -> None:
    hostvars = {"web1": {"rollout_cluster": "c"}, "web2": {"rollout_cluster": "c"}, "db1": {"rollout_cluster": ""}, "ea1": {"rollout_cluster": "web1"}}
    (wave,) = plan_of([{"name": "w", "hosts": "all", "slots": 1}], GROUPS, "r", hostvars=hostvars).waves
    assert wave.turns == (("ea2", "ea1", "web1", "db1"), ("web2",))


def test_what_hosts_get_has_an_identity_of_its_own() -> None:
    plans = [plan_of("web", GROUPS, "r"), plan_of("web", {**GROUPS, "web": ["web1"]}, "r"), plan_of([{"name": "web", "soak": "1h"}], GROUPS, "r")]
    assert len({plan.content for plan in plans}) == 1
    assert plan_of("web", GROUPS, "r", "pkg").content != plans[0].content
    assert plan_of("web", GROUPS, "r", opt_in="proposed").content != plans[0].content


@pytest.mark.parametrize("text, seconds", [("90", 90), (90, 90), ("45s", 45), ("30m", 1800), ("1h30m", 5400), ("2d", 172800), ("1h 30m", 5400), (0, 0)])
def test_lengths_of_time(text: object, seconds: int) -> None:
    assert plan_of([{"name": "web", "soak": text}], GROUPS, "r").waves[0].soak == seconds


@pytest.mark.parametrize("soak, recheck, found", [("", "", 0), ("1h", "", 300), ("1m", "", 60), ("1h", "10m", 600), ("1h", "0", 0)])
def test_watched_hosts_are_checked_again_at_least_at_the_end(soak: str, recheck: str, found: int) -> None:
    assert plan_of([{"name": "web", "soak": soak, "recheck": recheck}], GROUPS, "r").waves[0].recheck == found


def test_groups_carry_the_order_of_the_waves() -> None:
    plan = plan_of([{"name": f"w{number}", "hosts": [host]} for number, host in enumerate(GROUPS["all"])], GROUPS, "r")
    found = members(plan, ["db1", "ea2", "web1"])
    assert [(one["wave"], one["host"]) for one in found] == [("w0", "ea2"), ("w2", "web1"), ("w4", "db1")]
    groups = {one["group"]: [one["host"]] for one in reversed(found)}
    assert [hosts for _name, hosts in wave_groups({**GROUPS, **groups, "rollout_wave_x": ["no"]})] == [["ea2"], ["web1"], ["db1"]]
