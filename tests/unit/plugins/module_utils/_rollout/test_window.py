# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a wave may start: hours of the wall clock, days without a release, changes of the clocks."""

from __future__ import annotations

import datetime
import re
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.windows import WEEKDAYS, windows
from ansible_collections.egi.cmd.plugins.module_utils._rollout.window import Hours, hours, openings

# Of the controller's Python. A managed host's may be older, and is never asked for a named zone.
pytest.importorskip("zoneinfo")

WORK = {"days": ["monday", "tuesday", "wednesday", "thursday"], "from": "09:00", "to": "16:00", "timezone": "Europe/Amsterdam"}
NO_RELEASE = windows({"no_release": [
    {"days": ["friday", "saturday", "sunday"], "reason": "nobody is here"}, {"dates": ["2026-12-24"], "reason": "holidays"},
]})


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text + "+00:00")


def asked(given: t.Any, now: str, no_release: t.Any = ()) -> Hours:
    return hours(openings("w", given), no_release, at(now))


@pytest.mark.parametrize("now, is_open, until", [
    ("2026-11-23T08:00", True, "2026-11-23T15:00"),   # Monday, 09:00 in Amsterdam
    ("2026-11-23T07:59", False, "2026-11-23T08:00"),
    ("2026-11-23T14:59", True, "2026-11-23T15:00"),
    ("2026-11-23T15:00", False, "2026-11-24T08:00"),
    ("2026-11-26T15:00", False, "2026-11-30T08:00"),  # Thursday evening: Monday
    ("2026-07-06T07:00", True, "2026-07-06T14:00"),   # summer time
])
def test_hours_follow_the_clock_on_the_wall(now: str, is_open: bool, until: str) -> None:
    found = asked(WORK, now)
    assert (found.is_open, found.until) == (is_open, at(until))


@pytest.mark.parametrize("now, is_open, until", [
    ("2026-11-23T21:00", False, "2026-11-23T22:00"), ("2026-11-23T22:00", True, "2026-11-24T04:00"), ("2026-11-24T03:59", True, "2026-11-24T04:00"),
    ("2026-11-24T22:00", False, "2026-11-30T22:00"),
])
def test_hours_over_midnight_belong_to_the_day_they_begin(now: str, is_open: bool, until: str) -> None:
    found = asked([{"days": "monday", "from": "22:00", "to": "04:00"}], now)
    assert (found.is_open, found.until) == (is_open, at(until))


def test_the_hour_that_is_left_out_and_the_hour_that_comes_twice() -> None:
    spring = asked({"from": "02:30", "to": "05:00", "timezone": "Europe/Amsterdam"}, "2027-03-28T00:00")
    assert (spring.is_open, spring.until) == (False, at("2027-03-28T01:30"))
    autumn = asked({"from": "02:00", "to": "04:00", "timezone": "Europe/Amsterdam"}, "2026-10-25T00:00")
    assert (autumn.is_open, autumn.until) == (True, at("2026-10-25T03:00"))


def test_days_without_a_release_close_what_is_open() -> None:
    found = asked({"from": "08:00", "to": "18:00"}, "2026-11-20T09:00", NO_RELEASE)
    assert (found.is_open, found.until) == (False, at("2026-11-23T08:00"))
    assert found.why == "nothing is released on this day: nobody is here"
    assert asked({"from": "08:00", "to": "18:00"}, "2026-11-20T07:00", NO_RELEASE).why == "it is outside the wave's windows"


def test_without_windows_only_the_release_says_no() -> None:
    assert asked("", "2026-11-20T09:00") == Hours(True, None, "")
    found = asked(None, "2026-12-24T12:00", NO_RELEASE)
    assert (found.is_open, found.until, found.why) == (False, at("2026-12-28T00:00"), "nothing is released on this day: holidays")
    found = asked([], "2026-12-23T12:00", NO_RELEASE)
    assert (found.is_open, found.until) == (True, at("2026-12-24T00:00"))


def test_a_day_of_the_windows_own_is_closed() -> None:
    found = asked({**WORK, "except": ["2026-11-23"]}, "2026-11-23T09:00")
    assert (found.is_open, found.until) == (False, at("2026-11-24T08:00"))


def test_a_window_that_never_opens_says_so() -> None:
    every_day = windows({"no_release": [{"days": list(WEEKDAYS), "reason": "closed for good"}]})
    assert asked(WORK, "2026-11-23T09:00", every_day) == Hours(False, None, "nothing is released on this day: closed for good")


@pytest.mark.parametrize("given, said", [
    ("now", "windows are 'now'"), (["monday"], "a window is 'monday'"), ({"day": "monday"}, "unknown key 'day'"),
    ({"days": ["mon"]}, "the day 'mon'"), ({"from": 540}, "'from' of a window is 540"), ({"to": "25:00"}, "'to' of a window is '25:00'"),
    ({"timezone": "Mars/Olympus"}, "knows no time zone 'Mars/Olympus'"), ({"timezone": "../../etc/passwd"}, "knows no time zone"),
    ({"except": ["tomorrow"]}, "closed on ['tomorrow']"),
])
def test_a_wrong_window_is_refused_by_name(given: t.Any, said: str) -> None:
    with pytest.raises(Failure, match=re.escape(said)):
        openings("w", given)


@given(
    st.datetimes(datetime.datetime(2026, 1, 1), datetime.datetime(2027, 12, 31)), st.sampled_from(["UTC", "Europe/Amsterdam", "Pacific/Auckland"]),
    st.times(), st.times(), st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True),
)
def test_the_answer_stays_until_the_moment_that_is_said(
    now: datetime.datetime, zone: str, start: datetime.time, end: datetime.time, days: list[str]
) -> None:
    found = openings("w", {"days": days, "from": start.strftime("%H:%M"), "to": end.strftime("%H:%M"), "timezone": zone})
    moment = now.replace(tzinfo=datetime.timezone.utc)
    said = hours(found, NO_RELEASE, moment)
    if said.until is not None:
        assert said.until > moment
        assert hours(found, NO_RELEASE, said.until).is_open is not said.is_open
        for part in range(4):
            between = moment + (said.until - moment) * part / 4
            assert hours(found, NO_RELEASE, between).is_open is said.is_open
