# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dates: months counted exactly, stated dates before those that follow, and days that are none."""

from __future__ import annotations

import calendar
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import add_months, day_of, milestones, release_milestones
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import day, living

ANY_DAY = st.dates(datetime.date(1970, 1, 1), datetime.date(2999, 12, 31))
MONTHS = st.integers(0, 600)


@pytest.mark.parametrize("start, months, expected", [
    ("2017-01-31", 1, "2017-02-28"), ("2016-01-31", 1, "2016-02-29"), ("2017-08-31", 1, "2017-09-30"),
    ("2017-01-31", 2, "2017-03-31"), ("2016-02-29", 12, "2017-02-28"), ("2016-02-29", 48, "2020-02-29"),
    ("2016-12-15", 24, "2018-12-15"), ("2016-11-30", 3, "2017-02-28"), ("2017-03-31", -1, "2017-02-28"), ("2017-12-31", 0, "2017-12-31"),
])
def test_months_end_on_the_same_day_or_the_last_one(start, months, expected):
    assert add_months(day(start), months) == day(expected)


@given(ANY_DAY, MONTHS)
def test_so_many_months_later_is_that_month_and_never_a_later_day(start, months):
    end = add_months(start, months)
    assert (end.year - start.year) * 12 + end.month - start.month == months
    assert end.day == start.day or (end.day < start.day and end.day == calendar.monthrange(end.year, end.month)[1])


@given(ANY_DAY, ANY_DAY, MONTHS, MONTHS)
def test_later_stays_later(one, other, months, more):
    first, second = sorted([one, other])
    assert add_months(first, months) <= add_months(second, months)
    assert add_months(first, min(months, more)) <= add_months(first, max(months, more))


def test_cmd_os_1_has_the_published_dates():
    known = milestones(manifest.load_shipped("cmd-os-1"))
    assert {name: str(known[name].day) for name in known} == {
        "ga": "2016-12-15", "updates_until": "2017-12-15", "security_until": "2018-12-15", "retire_by": "2019-01-15",
    }
    assert [milestone.source for milestone in known.values()] == [
        "stated", "12 months after ga", "24 months after ga", "1 month after security_until",
    ]


def test_a_stated_date_wins_and_what_follows_from_it_moves():
    known = milestones(living(dates={"ga": "2026-01-31", "security_until": "2028-07-30"}, support={"updates_months": 18}))
    assert [(name, str(found.day), found.source) for name, found in known.items()] == [
        ("ga", "2026-01-31", "stated"), ("updates_until", "2027-07-31", "18 months after ga"),
        ("security_until", "2028-07-30", "stated"), ("retire_by", "2028-08-30", "1 month after security_until"),
    ]


def test_nothing_follows_from_nothing():
    assert milestones(living(dates={"soft_code_freeze": "2015-12-23"})).keys() == {"soft_code_freeze"}
    assert milestones(living(dates=None)) == {}


def test_milestones_lie_before_a_minor_release_and_a_security_release_waits_for_none():
    release = {"version": "1.1.0", "date": "2026-12-08", "milestones": {"date_freeze": "2026-11-20"}}
    assert [(found.name, str(found.day), found.source) for found in release_milestones(living(), release)] == [
        ("date_freeze", "2026-11-20", "stated"), ("content_cutoff", "2026-12-01", "7 days before 1.1.0"),
    ]
    assert [found.name for found in release_milestones(living(), {**release, "type": "security"})] == ["date_freeze"]


def test_the_umd_calendar_is_14_7_and_4_days_before_a_release():
    found = release_milestones(manifest.load_shipped("umd-4"), {"version": "4.1.0", "date": "2016-06-20"})
    assert [(milestone.name, str(milestone.day)) for milestone in found] == [
        ("date_freeze", "2016-06-06"), ("content_cutoff", "2016-06-13"), ("candidate", "2016-06-13"), ("release_notes", "2016-06-16"),
    ]


@pytest.mark.parametrize("value", ["2026-11-20", datetime.date(2026, 11, 20), datetime.datetime(2026, 11, 20, 23, 59)])
def test_a_day_can_be_a_text_or_a_date(value):
    assert day_of(value, "test") == datetime.date(2026, 11, 20)


@pytest.mark.parametrize("value", ["", None, "2026-02-30", "2026-1-5", "20.11.2026", "2026-11-20 ", "1969-12-31", "3000-01-01", 20261120, [], True])
def test_what_is_no_day_is_refused(value):
    with pytest.raises(Failure, match="Failed to test: '.*' is not a day. Give it as YYYY-MM-DD"):
        day_of(value, "test")
