# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import hold, version_range

TODAY = datetime.date(2026, 11, 20)
FORMATS = {"jammy": "deb", "el9": "rpm"}
GOOD = {
    "name": "libcloud-2.2", "packages": ["libcloud"], "platforms": ["jammy", "el9"], "bad": {"deb": ">= 2.2-1", "rpm": ">= 2.2-1.el9, < 2.4-1.el9"},
    "reason": "loses connections", "link": "https://bugs.example.org/1", "expires": "2026-12-20", "by": "release team",
}


def rules(**changes):
    return [problem.rule for problem in hold.problems({**GOOD, **changes}, FORMATS, TODAY)]


def test_a_whole_declaration_is_a_hold():
    read = hold.read(GOOD, FORMATS, TODAY)
    assert (read.batch, read.opened, read.expires) == ("hold-libcloud-2.2", TODAY, datetime.date(2026, 12, 20))
    assert read.is_bad("deb", "2.2-1") and read.is_bad("deb", "3.0-1") and not read.is_bad("deb", "2.2-1~mos1")
    assert read.is_bad("rpm", "2.3-1.el9") and not read.is_bad("rpm", "2.4-1.el9")


@pytest.mark.parametrize(("change", "rule"), [
    ({"reason": " "}, "hold.no-reason"), ({"link": None}, "hold.no-link"), ({"link": "JIRA-1"}, "hold.no-link"),
    ({"expires": None}, "hold.no-expiry"), ({"expires": "2026-11-19"}, "hold.expiry"), ({"expires": "soon"}, "hold.expiry"),
    ({"expires": "2027-11-30"}, "hold.expiry"), ({"packages": []}, "hold.no-packages"), ({"packages": ["a b"]}, "hold.no-packages"),
    ({"platforms": []}, "hold.no-platform"), ({"platforms": ["el10"]}, "hold.no-platform"), ({"bad": {"deb": ">= 2"}}, "hold.no-range"),
    ({"bad": ">= 2, << 1"}, "hold.no-range"), ({"bad": "2.2"}, "hold.no-range"), ({"name": "A"}, "hold.name"), ({"test": "cloud-api"}, "hold.test"),
])
def test_a_hold_that_lacks_something_breaks_a_rule(change, rule):
    assert set(rules(**change)) == {rule}
    assert rule in hold.RULES


def test_every_broken_rule_is_named_at_once():
    with pytest.raises(Failure) as refusal:
        hold.read({"name": "x"}, FORMATS, TODAY)
    assert all(rule in str(refusal.value) for rule in ("hold.no-packages", "hold.no-platform", "hold.no-reason", "hold.no-link", "hold.no-expiry"))


def test_the_last_day_still_counts():
    read = hold.read(GOOD, FORMATS, TODAY)
    assert not read.expired(datetime.date(2026, 12, 20)) and read.expired(datetime.date(2026, 12, 21))


BUILDS = ["1", "1-1", "1-1~mos1", "1.5-1", "2-1", "2-1.el9", "1:0.5-1"]
VERSIONS = st.sampled_from(BUILDS)
RELATIONS = st.sampled_from(["<<", "<", "<=", "=", ">=", ">", ">>"])


@given(st.sampled_from(["deb", "rpm"]), st.lists(st.tuples(RELATIONS, VERSIONS), min_size=1, max_size=3), VERSIONS)
def test_a_version_is_in_a_range_if_every_condition_holds(form, conditions, version):
    try:
        found = version_range.parse(form, ", ".join(f"{relation} {bound}" for relation, bound in conditions))
    except Failure:
        inside = [one for one in BUILDS if all(one in version_range.Range(form, (condition,)) for condition in conditions)]
        assert inside == []
        return
    assert (version in found) == all(version in version_range.parse(form, f"{relation}{bound}") for relation, bound in conditions)
    assert version_range.parse(form, str(found)) == found
