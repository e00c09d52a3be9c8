# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""When a wave may start: openings in the day of a time zone, and days on which nothing is released."""

from __future__ import annotations

import datetime
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import as_date
from ansible_collections.egi.cmd.plugins.module_utils._release.windows import WEEKDAYS, Window, closed_by

_KEYS = ("days", "from", "to", "timezone", "except")
_DAY = datetime.timedelta(1)
# Longer than any year of holidays; a wave that does not open in it never does.
_AHEAD = 400
# What a rollout brings is, to a manifest's no-release windows, an update; `allow: [updates]` lets it through.
_KIND = "updates"


@dataclass(frozen=True)
class Opening:
    """Hours of some days in which a wave may start; ``to`` at or before ``from`` means the next day."""

    days: t.Tuple[str, ...]
    start: str
    end: str
    timezone: str
    closed: t.Tuple[str, ...]

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the opening as a site writes it."""
        return {"days": list(self.days), "from": self.start, "to": self.end, "timezone": self.timezone, "except": list(self.closed)}


@dataclass(frozen=True)
class Hours:
    """Whether it is open; until: when that ends, None for never; why: what keeps it closed, empty if it is open."""

    is_open: bool
    until: t.Optional[datetime.datetime]
    why: str


def openings(wave: str, given: t.Any) -> t.Tuple[Opening, ...]:
    """Return the openings of a wave: mappings {days, from, to, timezone, except}; nothing given means always."""
    listed = [given] if isinstance(given, t.Mapping) else given
    if listed in (None, "", []):
        return ()
    if not isinstance(listed, t.Sequence) or isinstance(listed, str):
        raise _wrong(wave, f"windows are {given!r}", "Write a list of {days, from, to, timezone}")
    return tuple(_opening(wave, one) for one in listed)


def _opening(wave: str, given: t.Any) -> Opening:
    if not isinstance(given, t.Mapping):
        raise _wrong(wave, f"a window is {given!r}", "Write {days, from, to, timezone}")
    unknown = sorted(str(key) for key in set(given) - set(_KEYS))
    if unknown:
        raise _wrong(wave, f"a window has an unknown key '{unknown[0]}'", f"Known are {', '.join(_KEYS)}")
    days = given.get("days") or WEEKDAYS
    days = tuple(str(day).lower() for day in ([days] if isinstance(days, str) else days))
    wrong = [day for day in days if day not in WEEKDAYS]
    if wrong:
        raise _wrong(wave, f"a window names the day '{wrong[0]}'", f"Known are {', '.join(WEEKDAYS)}")
    zone = str(given.get("timezone") or "UTC")
    _zone(zone)
    closed = given.get("except") or ()
    try:
        dates = tuple(as_date(day).isoformat() for day in ([closed] if isinstance(closed, (str, datetime.date)) else closed))
    except (Failure, TypeError, ValueError):
        raise _wrong(wave, f"a window is closed on {closed!r}", "Write days as 2026-12-24") from None
    return Opening(days, _time(wave, "from", given, "00:00"), _time(wave, "to", given, "24:00"), zone, dates)


def _time(wave: str, key: str, given: t.Mapping[str, t.Any], default: str) -> str:
    """Return a time of day as HH:MM. Unquoted 09:30 is the number 570 to YAML 1.1, which is said."""
    value = given.get(key)
    if value in (None, ""):
        return default
    if isinstance(value, str) and re.fullmatch(r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]|24:00", value):
        return value.rjust(5, "0")
    raise _wrong(wave, f"'{key}' of a window is {value!r}", "Write a time in quotes, such as \"09:30\"")


def _wrong(wave: str, why: str, remedy: str) -> Failure:
    return Failure("plan the rollout", f"wave '{wave}': {why}", remedy)


def _zone(name: str) -> datetime.tzinfo:
    if name == "UTC":
        # A record may be on a host that has no tz database; most windows need none.
        return datetime.timezone.utc
    try:
        # The controller has Python 3.10; this file is also imported, not run, where zoneinfo does not exist.
        from zoneinfo import ZoneInfo

        return ZoneInfo(name)
    except (ImportError, OSError, ValueError, LookupError):
        raise Failure("plan the rollout", f"this machine knows no time zone '{name}'",
                      "Write a name of the tz database such as Europe/Amsterdam, or install the package tzdata where the records are") from None


def hours(found: t.Sequence[Opening], no_release: t.Sequence[Window], now: datetime.datetime) -> Hours:
    """Return whether a wave may start at a moment, and until when that stays so.

    now: aware. Days of no_release are days of an opening's time zone, of UTC where there is no opening. Around a change
    of the clocks an opening follows the clock on the wall: one that starts in the hour that is left out starts
    when that hour would have ended.
    """
    here = now.astimezone(datetime.timezone.utc)
    is_open = _may_start(found, no_release, here)
    changes = (edge for edge in _edges(found, here) if edge > here and _may_start(found, no_release, edge) != is_open)
    why = "" if is_open else _why(found, no_release, here)
    return Hours(is_open, next(changes, None), why)


def _may_start(found: t.Sequence[Opening], no_release: t.Sequence[Window], moment: datetime.datetime) -> bool:
    if not found:
        return closed_by(no_release, _KIND, moment.date()) is None
    return any(_inside(opening, moment) and closed_by(no_release, _KIND, _local(opening, moment)) is None for opening in found)


def _inside(opening: Opening, moment: datetime.datetime) -> bool:
    today = _local(opening, moment)
    if today.isoformat() in opening.closed:
        return False
    return any(start <= moment < end for start, end in (_interval(opening, day) for day in (today - _DAY, today))
               if start is not None and end is not None)


def _local(opening: Opening, moment: datetime.datetime) -> datetime.date:
    return moment.astimezone(_zone(opening.timezone)).date()


def _interval(
    opening: Opening, day: datetime.date
) -> t.Union[t.Tuple[datetime.datetime, datetime.datetime], t.Tuple[None, None]]:
    """Return the hours that begin on a day, in UTC; (None, None) if none do."""
    if WEEKDAYS[day.weekday()] not in opening.days:
        return None, None
    end_day = day if opening.end > opening.start else day + _DAY
    return _moment(opening, day, opening.start), _moment(opening, end_day, opening.end)


def _moment(opening: Opening, day: datetime.date, wall: str) -> datetime.datetime:
    hour, minute = (int(part) for part in wall.split(":"))
    if hour == 24:
        day, hour = day + _DAY, 0
    local = datetime.datetime.combine(day, datetime.time(hour, minute), _zone(opening.timezone))
    return local.astimezone(datetime.timezone.utc)


def _edges(found: t.Sequence[Opening], now: datetime.datetime) -> t.List[datetime.datetime]:
    """Return, in order, every moment at which the answer could change: where hours begin or end, and midnights."""
    days = [now.date() + ahead * _DAY for ahead in range(-1, _AHEAD)]
    if not found:
        return [datetime.datetime.combine(day, datetime.time(), datetime.timezone.utc) for day in days]
    return sorted({_moment(opening, day, wall) for day in days for opening in found for wall in ("00:00", opening.start, opening.end)})


def _why(found: t.Sequence[Opening], no_release: t.Sequence[Window], moment: datetime.datetime) -> str:
    inside = [opening for opening in found if _inside(opening, moment)]
    days = [_local(opening, moment) for opening in inside] if found else [moment.date()]
    closed = next((window for day in days for window in [closed_by(no_release, _KIND, day)] if window is not None), None)
    return f"nothing is released on this day: {closed.reason}" if closed is not None else "it is outside the wave's windows"
