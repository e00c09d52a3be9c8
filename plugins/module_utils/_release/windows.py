# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Windows in which nothing is released: days of the week, ranges of days, holidays; all of them data of the manifest."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release.dates import as_date

WEEKDAYS: t.Tuple[str, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = datetime.timedelta(1)


class Window(t.NamedTuple):
    """Days without a release: weekdays (0 is Monday) of every week, or ranges with their first and last day."""

    weekdays: t.FrozenSet[int]
    ranges: t.Tuple[t.Tuple[datetime.date, datetime.date], ...]
    reason: str
    allow: t.FrozenSet[str]

    def covers(self, day: datetime.date) -> bool:
        """Return whether nothing is released on that day."""
        return day.weekday() in self.weekdays or any(first <= day <= last for first, last in self.ranges)


def windows(manifest: t.Mapping[str, t.Any]) -> t.List[Window]:
    """Return the windows of a manifest that satisfies the schema and the rules."""
    return [_window(entry) for entry in manifest.get("no_release", [])]


def closed_by(found: t.Iterable[Window], kind: str, day: datetime.date) -> t.Optional[Window]:
    """Return the first window that keeps a kind of repository closed on a day, or None."""
    return next((window for window in found if kind not in window.allow and window.covers(day)), None)


def same_until(found: t.Sequence[Window], kind: str, day: datetime.date, step: int) -> t.Optional[datetime.date]:
    """Return the last day, going forward (step 1) or back (step -1), on which a kind is as open or closed as on day.

    None: it stays so for ever. The answer can change only where a range begins or ends, or, between two such days,
    within one week: only these days are looked at, so that a range centuries away costs nothing.
    """
    now = closed_by(found, kind, day) is None
    edges = {day} | {edge for window in found for pair in window.ranges for edge in pair}
    near = {edge + step * number * _DAY for edge in edges for number in range(len(WEEKDAYS) + 1)}
    ahead = sorted((other for other in near if (other - day).days * step > 0), key=lambda other: abs((other - day).days))
    changed = next((other for other in ahead if (closed_by(found, kind, other) is None) != now), None)
    return None if changed is None else changed - step * _DAY


def _window(entry: t.Mapping[str, t.Any]) -> Window:
    days = [as_date(day) for day in entry.get("dates", [])]
    ranges = [(day, day) for day in days] + ([(as_date(entry["from"]), as_date(entry["to"]))] if "from" in entry else [])
    weekdays = frozenset(WEEKDAYS.index(word) for word in entry.get("days", []))
    return Window(weekdays, tuple(ranges), entry["reason"], frozenset(entry.get("allow", [])))
