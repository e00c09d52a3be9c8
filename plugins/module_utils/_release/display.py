# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a person reads of lifecycle and schedule: data in, lines out."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release.dates import milestones
from ansible_collections.egi.cmd.plugins.module_utils._release.lifecycle import explained, stage_on
from ansible_collections.egi.cmd.plugins.module_utils._release.publishing import Answer, publishable
from ansible_collections.egi.cmd.plugins.module_utils._release.schedule import Event, title_of

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # strftime would speak the controller's language


def status_lines(manifest: t.Mapping[str, t.Any], day: datetime.date) -> t.List[str]:
    """Return how a release stands on a day, and for each kind of repository what it takes, or why nothing."""
    lines = [f"{title_of(manifest)} on {_day(day)}: {explained(stage_on(manifest, day), milestones(manifest))}"]
    answers = publishable(manifest, day)
    width = max(len(answer.kind) for answer in answers)
    return lines + [f"  {answer.kind:<{width}}  {_said(answer)}" for answer in answers]


def event_lines(events: t.Sequence[Event]) -> t.List[str]:
    """Return one line for each event, a line below it for a warning."""
    lines = []
    for event in events:
        until = f" until {_day(event.last)}" if event.last != event.day else ""
        lines.append(f"{_day(event.day)}  {event.title}: {event.text}{until}")
        if event.warning:
            lines.append(f"                ! {event.warning}")
    return lines


def _said(answer: Answer) -> str:
    if not answer.allowed:
        return f"no: {answer.reason}. {answer.remedy}."
    return f"yes: {answer.accepts}{f', until {answer.until}' if answer.until else ''}"


def _day(day: datetime.date) -> str:
    return f"{_WEEKDAYS[day.weekday()]} {day}"
