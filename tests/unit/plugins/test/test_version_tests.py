# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version tests, used as a template uses them."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from jinja2 import Environment

from ansible_collections.egi.cmd.plugins.test import deb_version, rpm_version

ENVIRONMENT = Environment()
for module in (deb_version, rpm_version):
    ENVIRONMENT.tests.update(module.TestModule().tests())

LESS, SAME, MORE = "1.0~rc1", "1.0", "1.0.1"
# operator: whether it holds for an older, the same and a newer version
OPERATORS = {
    "==": (False, True, False), "=": (False, True, False), "eq": (False, True, False),
    "!=": (True, False, True), "<>": (True, False, True), "ne": (True, False, True),
    "<": (True, False, False), "lt": (True, False, False),
    "<=": (True, True, False), "le": (True, True, False),
    ">": (False, False, True), "gt": (False, False, True),
    ">=": (False, True, True), "ge": (False, True, True),
}


@pytest.mark.parametrize("name", ["deb_version", "rpm_version"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_holds_where_it_should(name: str, operator: str) -> None:
    found = tuple(ENVIRONMENT.call_test(name, version, (SAME, operator)) for version in (LESS, SAME, MORE))
    assert found == OPERATORS[operator]


@pytest.mark.parametrize("name", ["deb_version", "rpm_version"])
def test_without_an_operator_versions_must_be_equal(name: str) -> None:
    assert ENVIRONMENT.call_test(name, "0:1.0", ("1.00",))
    assert not ENVIRONMENT.call_test(name, LESS, (SAME,))


def test_each_family_has_its_own_order() -> None:
    assert ENVIRONMENT.call_test("deb_version", "1.mos1", ("1.1", ">"))
    assert ENVIRONMENT.call_test("rpm_version", "1.mos1", ("1.1", "<"))
    assert ENVIRONMENT.call_test("deb_version", "1.0", ("1.0-0", "=="))
    assert ENVIRONMENT.call_test("rpm_version", "1.0", ("1.0-0", "<"))


def test_a_list_is_selected_by_version() -> None:
    template = ENVIRONMENT.from_string("{{ ['1.9', '1.10', '1.11'] | select('deb_version', '1.10', '>=') | join(' ') }}")
    assert template.render() == "1.10 1.11"


@pytest.mark.parametrize("name", ["deb_version", "rpm_version"])
@pytest.mark.parametrize(("left", "right"), [("", "1"), ("1", ""), ("1", 1.1), (None, "1"), ("1 0", "1")])
def test_a_bad_version_on_either_side_is_an_error(name: str, left: t.Any, right: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="Failed to read"):
        ENVIRONMENT.call_test(name, left, (right,))


@pytest.mark.parametrize("name", ["deb_version", "rpm_version"])
@pytest.mark.parametrize("operator", ["=<", "", "LT", None])
def test_an_unknown_operator_is_an_error_that_lists_the_known(name: str, operator: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="unknown operator .* Use one of ==, ="):
        ENVIRONMENT.call_test(name, "1", ("1", operator))
