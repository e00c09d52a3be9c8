# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package through releases and repositories: what is a downgrade for somebody is found, and nothing else."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import mos_history, mos_scheme

DEB, RPM = mos_scheme.scheme("deb"), mos_scheme.scheme("rpm")
QEMU = "2.1.0-1~u14.04"


def rules_broken(data: t.Any, used: mos_scheme.Scheme = DEB) -> t.List[str]:
    return [problem.rule for problem in mos_history.problems(used, mos_history.read(used, data))]


def test_a_progression_whose_fixes_came_to_the_newest_first_is_sound() -> None:
    assert rules_broken([
        {"release": "6.0", "base": f"{QEMU}+mos1"},
        {"release": "6.0.1", "updates": f"{QEMU}+mos1+mos6.0+1"},
        {"release": "6.1", "base": f"{QEMU}+mos1", "updates": [f"{QEMU}+mos1+mos6.1+1", f"{QEMU}+mos2~mos6.1+1"]},
        {"release": "7.0", "base": f"{QEMU}+mos1", "updates": f"{QEMU}+mos2~mos7.0+1"},
        {"release": "7.1", "base": f"{QEMU}+mos2"},
    ]) == []


@pytest.mark.parametrize("updates", [f"{QEMU}+mos1+mos6.1+1", f"{QEMU}+mos2~mos6.1+1", "2.2+dfsg-5exp~u14.04+mos3~mos6.1+1"])
def test_an_update_of_6_1_is_above_7_0_until_7_0_has_it_too(updates: str) -> None:
    assert rules_broken([{"release": "6.1", "base": f"{QEMU}+mos1", "updates": updates}, {"release": "7.0", "base": f"{QEMU}+mos1"}]) == ["no-downgrade"]


def test_a_whole_backport_with_only_a_subset_in_the_next_release_is_a_downgrade() -> None:
    assert rules_broken([
        {"release": "6.1", "base": f"{QEMU}+mos1", "updates": f"{QEMU}+mos2~mos6.1+1"},
        {"release": "7.0", "base": f"{QEMU}+mos1", "updates": f"{QEMU}+mos1+mos7.0+1"},
    ]) == ["no-downgrade"]


def test_the_two_forms_of_update_do_not_mix_in_one_repository() -> None:
    assert rules_broken([{"release": "6.1", "base": f"{QEMU}+mos1", "updates": [f"{QEMU}+mos2~mos6.1+1", f"{QEMU}+mos1+mos6.1+2"]}]) == ["increasing"]


def test_the_same_version_twice_does_not_increase() -> None:
    assert rules_broken([{"release": "6.1", "updates": ["1.0-1", "1.0-01"]}]) == ["increasing"]


def test_updates_below_their_own_base_reach_nobody() -> None:
    assert rules_broken([{"release": "6.1", "base": f"{QEMU}+mos2", "security": f"{QEMU}+mos1+mos6.1+1"}]) == ["above-base"]


def test_the_same_package_may_be_in_base_and_updates() -> None:
    assert rules_broken([{"release": "6.1", "base": f"{QEMU}+mos1", "updates": [f"{QEMU}+mos1", f"{QEMU}+mos1+mos6.1+1"]}]) == []


def test_a_release_without_the_package_hides_no_downgrade() -> None:
    assert rules_broken([{"release": "6.1", "base": "1.0-2"}, {"release": "7.0"}, {"release": "7.1", "base": "1.0-1"}]) == ["no-downgrade"]


def test_proposed_and_holdback_are_not_what_hosts_get() -> None:
    assert rules_broken([{"release": "6.1", "base": "1.0-1", "proposed": "9-1", "holdback": "8-1"}, {"release": "7.0", "base": "1.0-1"}]) == []


@pytest.mark.parametrize(("data", "broken"), [
    ([{"release": "8.0", "base": "0.1.10-1.el7~mos1", "updates": "0.1.10-1.el7~mos2", "security": "0.1.10-1.el7~mos2.1"},
      {"release": "9.0", "base": "0.1.10-1.el7~mos3"}], []),
    ([{"release": "8.0", "updates": "0.1.10-1.el7~mos4"}, {"release": "9.0", "base": "0.1.10-1.el7~mos3"}], ["no-downgrade"]),
    ([{"release": "8.0", "base": "0.1.10-1.el7~mos1"}, {"release": "9.0", "base": "0.1.10-1~mos2"}], ["no-downgrade"]),
    ([{"release": "8.0", "security": ["0.1.10-1.el7~mos2.1", "0.1.10-1.el7~mos2.sec.2"]}], ["increasing"]),
])
def test_rpm_progressions_are_judged_in_rpm_order(data: t.Any, broken: t.List[str]) -> None:
    assert rules_broken(data, RPM) == broken


@pytest.mark.parametrize(("data", "why"), [
    ("6.1", "expected a list of releases, got str"), ([["6.1"]], "item 0 is no map"), ([{"base": []}], "expected release"),
    ([{"release": 6.1}], "a number in quotes, got 6.1"), ([{"release": "juno"}], "a number in quotes"),
    ([{"release": "6.1", "update": []}], "got update"), ([{"release": "6.1", 1: []}], "got 1"),
    ([{"release": "6.1", "base": 1}], "item 0, base: expected a list"),
    ([{"release": "6.1", "base": ["1_0"]}], "1_0"), ([{"release": "10.0"}, {"release": "9.0"}], "release 9.0 stands after 10.0"),
    ([{"release": "6.1"}, {"release": "6.1"}], "list each release once"),
])
def test_a_history_that_cannot_be_read_is_refused_by_place(data: t.Any, why: str) -> None:
    with pytest.raises(Failure) as caught:
        mos_history.read(DEB, data)
    assert why.lower() in str(caught.value).lower()
