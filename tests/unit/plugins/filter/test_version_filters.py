# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version filters, used as a template uses them."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from jinja2 import Environment, Undefined

from ansible_collections.egi.cmd.plugins.filter import (
    deb_version_max,
    deb_version_sort,
    rpm_version_max,
    rpm_version_sort,
)

ENVIRONMENT = Environment()
for module in (deb_version_max, deb_version_sort, rpm_version_max, rpm_version_sort):
    ENVIRONMENT.filters.update(module.FilterModule().filters())

DEB = ["1.0-1ubuntu1", "1.0~rc1-1", "1.0-1+deb12u10", "1.0-1", "1.0-1+deb12u2"]
RPM = ["1-1.el10", "1-1.el9", "1-1.el9~mos201.1", "1-1.el9~mos201.sec.1"]


def apply(name: str, items: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
    """Return what the filter makes of items."""
    return ENVIRONMENT.call_filter(name, items, arguments, options)


@pytest.fixture(name="family", params=["deb", "rpm"])
def fixture_family(request: pytest.FixtureRequest) -> str:
    """Return each family in turn."""
    return request.param


def test_deb_versions_sort_as_dpkg_orders_them() -> None:
    assert apply("deb_version_sort", DEB) == ["1.0~rc1-1", "1.0-1", "1.0-1ubuntu1", "1.0-1+deb12u2", "1.0-1+deb12u10"]
    assert apply("deb_version_max", DEB) == "1.0-1+deb12u10"


def test_rpm_versions_sort_as_rpm_orders_them() -> None:
    assert apply("rpm_version_sort", RPM) == ["1-1.el9~mos201.sec.1", "1-1.el9~mos201.1", "1-1.el9", "1-1.el10"]
    assert apply("rpm_version_max", RPM) == "1-1.el10"


def test_the_two_families_do_not_agree() -> None:
    versions = ["1.mos1", "1.1"]
    assert apply("deb_version_max", versions) == "1.mos1"
    assert apply("rpm_version_max", versions) == "1.1"


def test_items_are_sorted_by_an_attribute_and_come_back_whole(family: str) -> None:
    old, new = {"name": "a", "found": {"version": "1.9"}}, {"name": "b", "found": {"version": "1.10"}}
    assert apply(f"{family}_version_sort", [new, old], attribute="found.version") == [old, new]
    assert apply(f"{family}_version_sort", [old, new], True, "found.version") == [new, old]
    assert apply(f"{family}_version_max", [old, new], "found.version") is new


def test_an_attribute_may_be_a_position(family: str) -> None:
    assert apply(f"{family}_version_max", [("a", "1.10"), ("b", "1.9")], attribute=1) == ("a", "1.10")


def test_equal_versions_keep_their_order_both_ways(family: str) -> None:
    items = [("a", "1.0"), ("b", "0:1.0"), ("c", "1.00"), ("d", "0.9")]
    names = [name for name, _version in apply(f"{family}_version_sort", items, attribute=1)]
    assert names == ["d", "a", "b", "c"]
    names = [name for name, _version in apply(f"{family}_version_sort", items, attribute=1, reverse=True)]
    assert names == ["a", "b", "c", "d"]
    assert apply(f"{family}_version_max", items, attribute=1)[0] == "a"


def test_a_generator_is_taken(family: str) -> None:
    assert apply(f"{family}_version_max", iter(["1.9", "1.10"])) == "1.10"


def test_an_empty_list_has_no_newest_version_but_sorts(family: str) -> None:
    assert isinstance(apply(f"{family}_version_max", []), Undefined)
    assert apply(f"{family}_version_sort", []) == []
    template = ENVIRONMENT.from_string("{{ [] | " + family + "_version_max | default('none') }}")
    assert template.render() == "none"


@pytest.mark.parametrize("verb", ["sort", "max"])
@pytest.mark.parametrize("value", ["1.0", b"1.0", {"version": "1.0"}, 1, None])
def test_what_is_not_a_list_is_refused(family: str, verb: str, value: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="needs a list of versions"):
        apply(f"{family}_version_{verb}", value)


@pytest.mark.parametrize("verb", ["sort", "max"])
@pytest.mark.parametrize("bad", ["1 0", "", 1.1, None])
def test_a_bad_version_is_named_with_its_place(family: str, verb: str, bad: t.Any) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        apply(f"{family}_version_{verb}", ["1.0", bad])
    assert "item 1: Failed to read" in str(caught.value)
    assert repr(bad) in str(caught.value)


@pytest.mark.parametrize("verb", ["sort", "max"])
def test_a_missing_attribute_is_named_with_its_place(family: str, verb: str) -> None:
    with pytest.raises(AnsibleFilterError, match="item 1 has no attribute 'version'"):
        apply(f"{family}_version_{verb}", [{"version": "1"}, {"name": "a"}], attribute="version")


@pytest.mark.parametrize("verb", ["sort", "max"])
def test_an_undefined_item_is_named_by_its_place(family: str, verb: str) -> None:
    with pytest.raises(AnsibleFilterError, match="item 1 is undefined"):
        apply(f"{family}_version_{verb}", ["1.0", ENVIRONMENT.undefined(name="absent")])
