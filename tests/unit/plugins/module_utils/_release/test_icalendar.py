# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iCalendar: a strict reader, written from RFC 5545 alone, gets back what went in."""

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.icalendar import calendar, escaped, folded
from ansible_collections.egi.cmd.plugins.module_utils._release.schedule import Event, schedule
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import DAYS, day, lives, living

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from("\n\t,;:\\\u00e9\u20ac\U0001f600"), max_size=200)


def unfolded(octets: bytes) -> list:
    """Content lines; every physical line ends with CRLF and has at most 75 octets before it (3.1)."""
    assert octets.endswith(b"\r\n")
    lines = []
    for physical in octets[:-2].split(b"\r\n"):
        assert len(physical) <= 75
        assert b"\r" not in physical
        assert b"\n" not in physical
        if physical.startswith(b" "):
            lines[-1] += physical[1:].decode("utf-8")  # a character cut in two would not decode
        else:
            lines.append(physical.decode("utf-8"))
    return lines


def unescaped(value: str) -> str:
    assert re.fullmatch(r"(?:[^\\;,]|\\[\\;,n])*", value), "3.3.11 knows no other escapes, and none of these bare"
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found.group(1), found.group(1)), value)


def read(text: str) -> list:
    """The events of a calendar as dictionaries."""
    lines = unfolded(text.encode("utf-8"))
    assert lines[:3] == ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//egi.cmd//schedule//EN"]
    assert lines[-1] == "END:VCALENDAR"
    found = []
    for line in lines[5:-1]:
        name, value = line.split(":", 1)
        if name == "BEGIN":
            assert value == "VEVENT"
            found.append({})
        elif name != "END":
            assert name not in found[-1]
            found[-1][name] = value
    for event in found:
        assert set(event) == {"UID", "DTSTAMP", "DTSTART;VALUE=DATE", "DTEND;VALUE=DATE", "SUMMARY", "DESCRIPTION", "CATEGORIES", "TRANSP"}
        assert re.fullmatch(r"\d{8}T\d{6}Z", event["DTSTAMP"])
    return found


def date(value: str) -> datetime.date:
    return datetime.datetime.strptime(value, "%Y%m%d").date()


def event(**changes) -> Event:
    return Event(day("2026-09-01"), day("2026-09-01"), "example-1", "Example 1", "ga", "general availability", "stated", "")._replace(**changes)


@given(TEXT)
def test_folding_and_escaping_lose_nothing(text):
    lines = unfolded(folded(f"SUMMARY:{escaped(text)}").encode("utf-8"))
    assert len(lines) == 1
    assert unescaped(lines[0][len("SUMMARY:"):]) == text


@given(st.integers(70, 80))
def test_a_line_is_folded_only_when_it_has_to_be(length):
    assert folded("x" * length).count("\r\n") == (1 if length <= 75 else 2)


@given(st.lists(st.builds(event, title=TEXT, text=TEXT, source=TEXT, warning=TEXT, release=TEXT, day=DAYS), min_size=1, max_size=4))
def test_a_reader_gets_back_what_went_in(events):
    events = [one._replace(last=one.day + datetime.timedelta(number)) for number, one in enumerate(events)]
    for one, found in zip(events, read(calendar(events))):
        assert unescaped(found["SUMMARY"]) == f"{one.title}: {one.text}"
        assert unescaped(found["DESCRIPTION"]) == f"Date: {one.source}" + (f"\nWarning: {one.warning}" if one.warning else "")
        assert unescaped(found["CATEGORIES"]) == one.release
        assert date(found["DTSTART;VALUE=DATE"]) == one.day
        assert date(found["DTEND;VALUE=DATE"]) == one.last + datetime.timedelta(1)


@given(lives(windowed=True))
def test_every_event_of_a_schedule_has_an_identity_of_its_own(release):
    events = schedule([release])
    if events:
        assert len({found["UID"] for found in read(calendar(events))}) == len(events)


def test_an_event_keeps_its_identity_when_it_moves_and_is_of_its_release():
    uid = [read(calendar([one]))[0]["UID"] for one in (
        event(), event(day=day("2026-09-08"), last=day("2026-09-08"), text="moved"), event(id="retire_by"), event(release="example-2"))]
    assert uid[0] == uid[1]
    assert uid[0] == "0bb3b8ad-f97d-5e56-a6f9-94ec2ba5b754", "calendars out there know it by this"
    assert len(set(uid)) == 3


def test_the_stamp_is_the_event_s_own_day_or_the_given_one():
    assert [found["DTSTAMP"] for found in read(calendar([event()])) + read(calendar([event()], day("2026-11-20")))] == [
        "20260901T000000Z", "20261120T000000Z"]


def test_the_same_schedule_is_the_same_file():
    assert calendar(schedule([living()])) == calendar(schedule([living()]))
    assert [found["DTSTART;VALUE=DATE"] for found in read(calendar(schedule([living()])))] == [
        "20260601", "20260701", "20260801", "20260901", "20270901", "20280901", "20281001"]


@pytest.mark.parametrize("text", ["a\rb", "\x00", "bell\x07", "\x7f", "\ud800"])
def test_what_no_calendar_can_hold_is_refused(text):
    with pytest.raises(Failure, match="has a control character in it"):
        calendar([event(text=text)])


def test_an_empty_calendar_is_refused():
    with pytest.raises(Failure, match="Failed to write a calendar: there are no events in it"):
        calendar([])
