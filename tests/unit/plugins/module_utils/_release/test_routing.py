# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routing and completeness: the published rules on the shipped releases, waivers, and bad input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.routing import gaps, products_from, route, waivers_from
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import day
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.manifests import example

SHIPPED = [manifest.load_shipped(name) for name in manifest.shipped_names()]
CMD_OS = manifest.load_shipped("cmd-os-1")
TODAY = day("2017-02-01")
BOTH = {"centos7": "1.4.0", "xenial": "1.4.0"}


def products(*entries):
    return products_from([{"name": f"example.product-{number}", **entry} for number, entry in enumerate(entries)], "test")


def waivers(**changes):
    return waivers_from([{"product": "example.product-0", "platform": "xenial", "reason": "no packages yet", "by": "release manager",
                          "until": "2017-03-31", **changes}], "test")


def found(versions, given_waivers=(), tags=("common",), on=TODAY):
    return [(gap.id, gap.platforms) for gap in gaps(products({"tags": list(tags), "versions": versions}), CMD_OS, given_waivers, on)]


@pytest.mark.parametrize("tags, releases", [
    (["openstack"], ["cmd-os-1"]),
    (["opennebula"], ["cmd-one-1"]),
    (["common"], ["cmd-one-1", "cmd-os-1"]),
    (["grid"], ["umd-4", "umd-5"]),
    (["non-cloud"], ["umd-4", "umd-5"]),
    (["openstack", "opennebula"], ["cmd-one-1", "cmd-os-1"]),
    (["common", "grid"], ["cmd-one-1", "cmd-os-1", "umd-4", "umd-5"]),
    (["windows"], []),
])
def test_a_product_goes_where_its_tags_are_taken(tags, releases):
    assert [entry["releases"] for entry in route(products({"tags": tags}), SHIPPED)] == [releases]


def test_a_route_says_why_and_names_tags_nobody_takes():
    assert route(products({"tags": ["common", "openstak"]}), [CMD_OS, example()]) == [{
        "product": "example.product-0", "releases": ["cmd-os-1"],
        "reason": "cmd-os-1 takes common; no release takes openstak (did you mean 'openstack'?)",
    }]


def test_a_product_is_complete_at_one_version_on_every_required_platform():
    assert found(BOTH) == []
    assert found({**BOTH, "sl6": "1.3.0"}) == []


@pytest.mark.parametrize("versions, expected, text", [
    ({"centos7": "1.4.0"}, [("missing", ["xenial"])], "example.product-0 does not exist on xenial"),
    ({}, [("missing", ["centos7", "xenial"])], "example.product-0 does not exist on centos7 and xenial"),
    ({"centos7": "1.4.0", "xenial": "1.4"}, [("version", ["centos7", "xenial"])],
     "example.product-0 has different versions: 1.4.0 on centos7, 1.4 on xenial"),
])
def test_what_is_missing_is_named(versions, expected, text):
    assert found(versions) == expected
    assert gaps(products({"tags": ["common"], "versions": versions}), CMD_OS, [], TODAY)[0].text == text


def test_products_of_other_releases_do_not_count():
    assert found({}, tags=["grid"]) == []
    assert found({}, waivers(platform="sl6"), tags=["grid"]) == []


@pytest.mark.parametrize("versions", [{"centos7": "1.4.0"}, {"centos7": "1.4.0", "xenial": "1.3.0"}])
def test_a_waiver_covers_one_platform_until_its_last_day(versions):
    assert found(versions, waivers(), on=day("2017-03-31")) == []
    assert [gap for gap, _platforms in found(versions, waivers(), on=day("2017-04-01"))][1:] == ["waiver-expired"]
    assert found(versions, waivers(platform="centos7")) == ([("missing", ["xenial"])] if "xenial" not in versions else [])


def test_an_expired_waiver_that_nobody_needs_any_more_is_no_problem():
    assert found(BOTH, waivers(until="2017-01-31")) == []


def test_an_expired_waiver_is_told_with_who_and_why():
    gap = gaps(products({"tags": ["common"], "versions": {"centos7": "1.4.0"}}), CMD_OS, waivers(until="2017-01-31"), TODAY)[1]
    assert gap.text == "the waiver of release manager for example.product-0 on xenial ended on 2017-01-31: no packages yet"


@pytest.mark.parametrize("changes, text", [
    ({"product": "example.prodct-0"}, "for example.prodct-0, which is not among the products (did you mean 'example.product-0'?)"),
    ({"platform": "xenail"}, "for xenail, which is not required (did you mean 'xenial'?)"),
])
def test_a_misspelt_waiver_does_not_vanish(changes, text):
    gap = gaps(products({"tags": ["common"], "versions": BOTH}), CMD_OS, waivers(**changes), TODAY)
    assert [one.id for one in gap] == ["waiver-unknown"]
    assert gap[0].text.endswith(text)


@pytest.mark.parametrize("field", ["product_tags", "platforms_required"])
def test_a_manifest_that_demands_nothing_is_no_complete_release(field):
    with pytest.raises(Failure, match=f"check whether cmd-os-1 is complete: its manifest has no {field}. State {field}"):
        gaps([], {name: value for name, value in CMD_OS.items() if name != field}, [], TODAY)


@pytest.mark.parametrize("data, why", [
    ("x", "products is 'x', not a list"),
    (["x"], r"products\[0\] is 'x', not a map"),
    ([{"tags": ["common"]}], r"products\[0\].name is nothing, not a text"),
    ([{"name": "a"}], r"products\[0\].tags \(a\) is nothing, not a list of tags"),
    ([{"name": "a", "tags": "common"}], r"products\[0\].tags \(a\) is 'common', not a list of tags"),
    ([{"name": "a", "tags": ["x"], "versions": ["1"]}], r"products\[0\].versions \(a\) is a list, not a map"),
    ([{"name": "a", "tags": ["x"], "versions": {"el9": 1.1}}], r"products\[0\].versions.el9 \(a\) is the number 1.1, not a text. Put versions in quotes"),
    ([{"name": "a", "tags": ["x"]}, {"name": "a", "tags": ["y"]}], r"products\[1\] is 'a' for the second time"),
])
def test_bad_products_are_refused_by_their_place(data, why):
    with pytest.raises(Failure, match=f"Failed to test: {why}"):
        products_from(data, "test")


@pytest.mark.parametrize("changes, why", [
    ({"reason": ""}, r"Failed to test: waivers\[0\].reason is '', not a text. A waiver has product, platform, reason, by, until"),
    ({"by": None}, r"waivers\[0\].by is nothing, not a text"),
    ({"until": "soon"}, r"Failed to test, waivers\[0\].until: 'soon' is not a day"),
])
def test_a_waiver_has_a_reason_a_name_and_an_end(changes, why):
    with pytest.raises(Failure, match=why):
        waivers(**changes)


@given(st.dictionaries(st.sampled_from(["centos7", "xenial", "sl6"]), st.sampled_from(["1.4.0", "1.5.0"])))
def test_complete_means_one_version_everywhere(versions):
    assert (not found(versions)) == ({"centos7", "xenial"} <= set(versions) and versions["centos7"] == versions["xenial"])
