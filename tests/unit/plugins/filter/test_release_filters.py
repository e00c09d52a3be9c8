# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters about releases: data that templates can hand on, and refusals that name the bad value."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.filter.completeness_problems import completeness_problems
from ansible_collections.egi.cmd.plugins.filter.icalendar import icalendar
from ansible_collections.egi.cmd.plugins.filter.lifecycle import lifecycle
from ansible_collections.egi.cmd.plugins.filter.publishable import publishable
from ansible_collections.egi.cmd.plugins.filter.route import route
from ansible_collections.egi.cmd.plugins.filter.schedule import schedule
from ansible_collections.egi.cmd.plugins.filter.schedule_lines import schedule_lines
from ansible_collections.egi.cmd.plugins.module_utils._release.manifest import load_shipped
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import living

DAY = "2026-11-20"
PRODUCTS = [{"name": "example.bdii", "tags": ["common"], "versions": {"centos7": "1.0"}}]


def test_everything_that_comes_back_is_text_numbers_lists_and_maps() -> None:
    for found in (lifecycle(living(), DAY), publishable(living(), DAY), schedule(living()), schedule_lines([living()], DAY),
                  route(PRODUCTS, load_shipped("cmd-os-1")), completeness_problems(PRODUCTS, load_shipped("cmd-os-1"), DAY)):
        assert json.loads(json.dumps(found)) == found
        assert found


def test_days_are_text() -> None:
    found = lifecycle(living(), DAY)
    assert (found["since"], found["until"], found["dates"]["ga"], found["next"]["day"]) == ("2026-09-01", "2027-09-01", "2026-09-01", "2027-09-01")
    assert publishable(living(), DAY, kinds=["base"])[0]["since"] == "2026-09-01"
    assert [event["day"] for event in schedule(living(), "2027-01-01", "2027-12-31")] == ["2027-09-01"]


def test_one_release_or_many_and_empty_limits() -> None:
    assert schedule(living(), "", None) == schedule([living()])
    assert icalendar(living(), stamp="2026-11-20", name="a,b").splitlines()[4] == "X-WR-CALNAME:a\\,b"
    assert publishable(living(), DAY, "updates") == publishable(living(), DAY, ["updates"])


def test_a_waiver_reaches_the_check() -> None:
    waiver = {"product": "example.bdii", "platform": "xenial", "reason": "later", "by": "me", "until": DAY}
    assert completeness_problems(PRODUCTS, load_shipped("cmd-os-1"), DAY, waivers=[waiver]) == []
    assert completeness_problems(PRODUCTS, load_shipped("cmd-os-1"), DAY, None)[0]["id"] == "missing"


@pytest.mark.parametrize("call, said", [
    (lambda: lifecycle(living(), "today"), "Failed to tell how a release stands: 'today' is not a day"),
    (lambda: lifecycle("cmd-os-1", DAY), r"\(data\): expected an egi.cmd release manifest, schema 1, got 'cmd-os-1'"),
    (lambda: lifecycle(living(dates={"ga": "2026-01-01", "retire_by": "2025-01-01"}), DAY), "dates.retire_by: expected a day not before ga"),
    (lambda: publishable(living(kinds=["base"]), DAY, ["updates"]), "no repositories of kind 'updates'"),
    (lambda: schedule([living(), living()]), "example-1 is given twice"),
    (lambda: schedule(living(), first="2026-13-01"), "'2026-13-01' is not a day"),
    (lambda: schedule_lines([living()], None), "'None' is not a day"),
    (lambda: icalendar(living(dates=None)), "there are no events in it"),
    (lambda: route({"name": "x"}, living()), "products is a map, not a list"),
    (lambda: completeness_problems([], living(), DAY), "its manifest has no product_tags"),
    (lambda: completeness_problems(PRODUCTS, load_shipped("cmd-os-1"), DAY, [{"product": "x"}]), r"waivers\[0\].platform is nothing"),
])
def test_a_refusal_is_a_filter_error(call: t.Callable[[], t.Any], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        call()
