# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters and the test about overlay versions, used as a template uses them."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from jinja2 import Environment

from ansible_collections.egi.cmd.plugins.filter import (
    mos_progression_problems,
    mos_version_explain,
    mos_version_next,
    mos_version_problems,
)
from ansible_collections.egi.cmd.plugins.test import mos_version

ENVIRONMENT = Environment()
for module in (mos_progression_problems, mos_version_explain, mos_version_next, mos_version_problems):
    ENVIRONMENT.filters.update(module.FilterModule().filters())
ENVIRONMENT.tests.update(mos_version.TestModule().tests())


def evaluate(expression: str, **variables: t.Any) -> t.Any:
    return ENVIRONMENT.compile_expression(expression, undefined_to_none=False)(**variables)


def test_a_version_is_explained() -> None:
    found = evaluate("'2.1.0-1~u14.04+mos2~mos6.1+1' | mos_version_explain('deb')")
    assert found["class"] == "whole_backport"
    assert found["steps"] == [{"form": "~", "release": "6.1", "update": 1}]
    assert (found["software"], found["revision"], found["base"], found["build"], found["bundle"]) == ("2.1.0", "1", "u14.04", 2, 0)
    assert found["text"].endswith(": whole backport")
    assert evaluate("('2.1.0-1~u14.04+mos1' | mos_version_explain('deb', upstream='')).class") == "specific"


def test_broken_rules_are_listed_and_tested_for() -> None:
    found = evaluate("'1.2-0~u14.04+mos1' | mos_version_problems('deb', upstream='1.2-0ubuntu1')")
    assert [problem["rule"] for problem in found] == ["revision", "zero-tilde"]
    assert evaluate("'1.2-0u~u14.04+mos1' is mos_version('deb', upstream='1.2-0ubuntu1', release='6.1', kind='base')")
    assert not evaluate("'1.2-0ubuntu1' is mos_version('deb')")


def test_a_downgrade_is_found_and_the_next_version_avoids_it() -> None:
    history = [{"release": "6.1", "base": "1.0-1.el7~mos1"}, {"release": "7.0", "base": ["1.0-1.el7~mos3"]}]
    assert evaluate("h | mos_progression_problems('rpm')", h=history) == []
    assert evaluate("h | mos_version_next('rpm', '6.1', 'update')", h=history) == "1.0-1.el7~mos2"
    assert evaluate("h | mos_version_next('rpm', '7.0', 'build', base='el7', software='1.1', at_least=7)", h=history) == "1.1-1.el7~mos7"
    assert [problem["rule"] for problem in evaluate("h[::-1] | mos_progression_problems('deb')", h=[
        {"release": "7.0", "base": "1.0-1"}, {"release": "6.1", "base": "1.0-2"},
    ])] == ["no-downgrade"]


@pytest.mark.parametrize(("expression", "why"), [
    ("'1.0-1ubuntu1' | mos_version_explain('deb')", "Failed to read MOS version '1.0-1ubuntu1'"),
    ("1.1 | mos_version_explain('deb')", "not text"), ("'1-1' | mos_version_explain('apk')", "only deb and rpm"),
    ("'1-1' | mos_version_explain(['deb'])", "only deb and rpm"), ("nothing | mos_version_explain('deb')", "not text"),
    ("'1-1~u1+mos1' | mos_version_problems('deb', kind='stable')", "repository kind 'stable'"),
    ("'1-1~u1+mos1+mos1+1' | mos_version_problems('deb', release=6.1)", "read release 6.1"),
    ("'1-1~u1+mos1' is mos_version('deb', upstream='a')", "read Debian version 'a'"),
    ("'text' | mos_progression_problems('deb')", "expected a list of releases"),
    ("[{'release': '6.1'}] | mos_version_next('deb', '6.1', ['build'])", "there is no form"),
    ("[{'release': '6.1'}] | mos_version_next('deb', '6.1', 'build', software='1', base=none)", "use base None"),
    ("[{'release': '6.1'}] | mos_version_next('deb', '6.1', 'build', software=1, base='u14.04')", "not text"),
    ("[{'release': '6.1'}] | mos_version_next('rpm', '6.1', 'build', software='1', base='el7', at_least='2')", "at_least is '2'"),
    ("[{'release': '6.1'}] | mos_version_next('rpm', '6.1', 'build', software='1', base='el7', at_least=-1)", "at_least is -1"),
    ("[{'release': '6.1'}] | mos_version_next('rpm', '6.1', 'build', kind=none, software='1', base='el7')", "repository kind None"),
])
def test_bad_input_is_a_readable_error(expression: str, why: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        evaluate(expression)
    assert why in str(caught.value)
