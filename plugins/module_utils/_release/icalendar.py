# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Events as an iCalendar file (RFC 5545): whole days, the same bytes for the same events."""

from __future__ import annotations

import datetime
import re
import typing as t
import uuid

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.schedule import Event

_LINE_OCTETS = 75  # RFC 5545, 3.1: without the line break
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_ESCAPED = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "tag:egi.cmd,2026:schedule")
_ACTION = "write a calendar"


def calendar(events: t.Sequence[Event], stamp: t.Optional[datetime.date] = None, name: str = "Releases") -> str:
    """Return a VCALENDAR with one VEVENT for each event.

    stamp: the day on which the events were last changed; without it each event carries its own day, so that the file
    changes only when the schedule does. name: what calendar programs call it. An event keeps its UID when its day
    moves. Raises Failure without events (3.6 demands one) and for text a calendar cannot hold.
    """
    if not events:
        raise Failure(_ACTION, "there are no events in it", "Name a release that states dates, or more days")
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//egi.cmd//schedule//EN", "CALSCALE:GREGORIAN", f"X-WR-CALNAME:{escaped(name)}"]
    for event in events:
        lines += _event(event, stamp)
    return "".join(folded(line) for line in [*lines, "END:VCALENDAR"])


def escaped(text: str) -> str:
    """Return a text as a value of type TEXT (3.3.11). Raises Failure for control characters, which none can hold."""
    if _CONTROL.search(text):
        raise Failure(_ACTION, f"{text!r} has a control character in it", "Take it out")
    return text.translate(_ESCAPED)


def folded(line: str) -> str:
    """Return a content line with its line break, folded so that no line is longer than 75 octets (3.1).

    A character of several octets stays whole: programs that unfold after decoding would lose it.
    """
    found, length = [""], 0
    for character in line:
        size = len(character.encode("utf-8"))
        if length + size > _LINE_OCTETS:
            found.append(" ")
            length = 1
        found[-1] += character
        length += size
    return "".join(f"{part}\r\n" for part in found)


def _event(event: Event, stamp: t.Optional[datetime.date]) -> t.List[str]:
    """Return the content lines of one event. DTEND is the day after the last one: it is exclusive (3.6.1)."""
    description = "\n".join(part for part in (f"Date: {event.source}", event.warning and f"Warning: {event.warning}") if part)
    return [
        "BEGIN:VEVENT",
        f"UID:{uuid.uuid5(_NAMESPACE, f'{event.release} {event.id}')}",
        f"DTSTAMP:{stamp or event.day:%Y%m%d}T000000Z",
        f"DTSTART;VALUE=DATE:{event.day:%Y%m%d}",
        f"DTEND;VALUE=DATE:{event.last + datetime.timedelta(1):%Y%m%d}",
        f"SUMMARY:{escaped(f'{event.title}: {event.text}')}",
        f"DESCRIPTION:{escaped(description)}",
        f"CATEGORIES:{escaped(event.release)}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]
