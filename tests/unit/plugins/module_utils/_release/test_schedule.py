# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schedule of several releases, and how people read it."""

from __future__ import annotations

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.display import event_lines, status_lines
from ansible_collections.egi.cmd.plugins.module_utils._release.schedule import schedule
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import day, living

SITE = living(
    title="Example 1",
    releases=[{"version": "1.1.0", "date": "2026-12-08"}, {"version": "1.1.1", "date": "2026-12-26", "type": "security"},
              {"version": "1.2.0", "date": "2026-12-25"}],
    no_release=[{"from": "2026-12-19", "to": "2027-01-06", "reason": "Christmas break"}, {"days": ["friday"], "reason": "friday"}],
    milestones={"content_cutoff": 7, "sign_off": 1},
)


def events(*releases, first=None, last=None):
    return [(str(event.day), event.release, event.id) for event in schedule(releases, first and day(first), last and day(last))]


def test_a_release_from_its_first_freeze_to_its_end():
    assert events(living()) == [(date, "example-1", name) for date, name in [
        ("2026-06-01", "feature_freeze"), ("2026-07-01", "soft_code_freeze"), ("2026-08-01", "hard_code_freeze"), ("2026-09-01", "ga"),
        ("2027-09-01", "updates_until"), ("2028-09-01", "security_until"), ("2028-10-01", "retire_by"),
    ]]


def test_minor_releases_windows_and_a_warning_where_they_meet():
    found = schedule([SITE], day("2026-12-01"), day("2026-12-31"))
    assert [(str(event.day), event.id, event.text, event.warning) for event in found] == [
        ("2026-12-01", "1.1.0/content_cutoff", "1.1.0 content cut-off, what is not accepted yet goes into the next release", ""),
        ("2026-12-07", "1.1.0/sign_off", "1.1.0 sign off", ""),
        ("2026-12-08", "1.1.0/release", "1.1.0 release (update)", ""),
        ("2026-12-18", "1.2.0/content_cutoff", "1.2.0 content cut-off, what is not accepted yet goes into the next release", ""),
        ("2026-12-19", "no_release/2026-12-19/2027-01-06", "no releases: Christmas break", ""),
        ("2026-12-24", "1.2.0/sign_off", "1.2.0 sign off", ""),
        ("2026-12-25", "1.2.0/release", "1.2.0 release (update)", "nothing is released on this day: Christmas break"),
        ("2026-12-26", "1.1.1/release", "1.1.1 release (security)", ""),
    ]


def test_several_releases_are_one_list_by_day():
    assert events(living(), manifest.load_shipped("cmd-os-1"), first="2018-12-15", last="2026-06-01") == [
        ("2018-12-15", "cmd-os-1", "security_until"), ("2019-01-15", "cmd-os-1", "retire_by"), ("2026-06-01", "example-1", "feature_freeze"),
    ]


def test_a_window_that_has_begun_is_shown_until_it_is_over():
    assert events(SITE, first="2027-01-06", last="2027-01-31") == [("2026-12-19", "example-1", "no_release/2026-12-19/2027-01-06")]
    assert events(SITE, first="2027-01-07", last="2027-01-31") == []


def test_windows_of_the_same_days_are_one_event():
    release = living(dates=None, no_release=[{"dates": ["2026-12-24"], "reason": "first"}, {"dates": ["2026-12-24"], "reason": "second"}])
    assert [event.text for event in schedule([release])] == ["no releases: first"]


def test_the_same_release_twice_is_refused():
    with pytest.raises(Failure, match="example-1 is given twice"):
        schedule([living(), living()])


def test_what_people_read():
    assert status_lines({**SITE, "kinds": ["base", "updates", "security"]}, day("2026-12-24")) == [
        "Example 1 on Thu 2026-12-24: full support until 2027-09-01",
        "  base      no: frozen since general availability on 2026-09-01. Publish to updates.",
        "  updates   no: no releases until 2027-01-06: Christmas break. Wait until 2027-01-07; the release manager could allow updates"
        " in this window (no_release in the manifest).",
        "  security  yes: security fixes, until 2028-09-01",
    ]
    assert event_lines(schedule([SITE], day("2026-12-19"), day("2026-12-25"))) == [
        "Sat 2026-12-19  Example 1: no releases: Christmas break until Wed 2027-01-06",
        "Thu 2026-12-24  Example 1: 1.2.0 sign off",
        "Fri 2026-12-25  Example 1: 1.2.0 release (update)",
        "                ! nothing is released on this day: Christmas break",
    ]
