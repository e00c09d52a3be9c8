# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows without releases: their edges are those a walk over every single day finds."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._release.windows import closed_by, same_until, windows
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import DAYS, START, day
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import windows as any_windows

WEEKEND = {"days": ["saturday", "sunday"], "reason": "weekend"}
BREAK = {"from": "2026-12-19", "to": "2027-01-06", "reason": "Christmas break", "allow": ["holdback"]}
EASTER = {"dates": ["2027-03-26", "2027-03-29"], "reason": "Easter"}
FOUND = windows({"no_release": [WEEKEND, BREAK, EASTER]})


@pytest.mark.parametrize("on, kind, reason, first, last", [
    ("2026-12-18", "updates", None, "2026-12-14", "2026-12-18"),
    ("2026-12-19", "updates", "weekend", "2026-12-19", "2027-01-06"),
    ("2026-12-25", "updates", "Christmas break", "2026-12-19", "2027-01-06"),
    ("2026-12-25", "holdback", None, "2026-12-21", "2026-12-25"),
    ("2027-03-26", "updates", "Easter", "2027-03-26", "2027-03-29"),
    ("2027-03-30", "updates", None, "2027-03-30", "2027-04-02"),
])
def test_windows_that_touch_are_one(on, kind, reason, first, last):
    window = closed_by(FOUND, kind, day(on))
    assert (window and window.reason) == reason
    assert (same_until(FOUND, kind, day(on), -1), same_until(FOUND, kind, day(on), 1)) == (day(first), day(last))


def test_without_days_of_the_week_it_is_open_for_ever_after_the_last_range():
    found = windows({"no_release": [EASTER]})
    assert same_until(found, "updates", day("2027-03-30"), 1) is None
    assert same_until(found, "updates", day("2027-03-25"), -1) is None
    assert same_until([], "updates", day("2027-03-25"), 1) is None


@given(st.lists(any_windows(), max_size=3), DAYS, st.sampled_from([-1, 1]))
def test_edges_are_where_a_walk_finds_them(entries, on, step):
    found = windows({"no_release": entries})
    now = closed_by(found, "updates", on) is None
    walked = on
    while (closed_by(found, "updates", walked) is None) == now and abs((walked - START).days) < 1600:
        walked += datetime.timedelta(step)
    edge = same_until(found, "updates", on, step)
    assert edge == (None if (closed_by(found, "updates", walked) is None) == now else walked - datetime.timedelta(step))
