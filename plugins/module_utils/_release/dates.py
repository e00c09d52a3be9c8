# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The dates of a release's life: months counted exactly, dates stated in the manifest and those that follow from them.

No clock: whoever asks brings the day.
"""

from __future__ import annotations

import calendar
import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

MILESTONES: t.Tuple[str, ...] = (
    "feature_freeze", "soft_code_freeze", "hard_code_freeze", "ga", "updates_until", "security_until", "retire_by",
)
"""Fields of ``dates`` in the order in which they happen."""

# The rule of EGI's distributions: a year of updates, two of security updates, retired a month after.
_SUPPORT: t.Dict[str, int] = {"updates_months": 12, "security_months": 24, "retire_months": 1}
_DERIVED: t.Tuple[t.Tuple[str, str, str], ...] = (
    ("updates_until", "updates_months", "ga"),
    ("security_until", "security_months", "ga"),
    ("retire_by", "retire_months", "security_until"),
)
# As in the schema: far enough from the ends of datetime.date that no arithmetic of ours leaves it.
_YEARS = range(1970, 3000)

Manifest = t.Mapping[str, t.Any]


class Milestone(t.NamedTuple):
    """A date of a release. source: ``stated``, or how it follows: ``12 months after ga``."""

    name: str
    day: datetime.date
    source: str


def add_months(day: datetime.date, months: int) -> datetime.date:
    """Return the same day so many months later (or earlier); a month too short for it gives its last day.

    31 January and one month is 28 or 29 February. Months are always counted from the first day, never added up:
    31 January and two months is 31 March.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return datetime.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def day_of(value: t.Any, action: str) -> datetime.date:
    """Return the day in ``YYYY-MM-DD``, a date, or a date with time (its own day). Raises Failure."""
    if isinstance(value, datetime.datetime):
        return value.date()
    try:
        day = value if isinstance(value, datetime.date) else datetime.datetime.strptime(str(value), "%Y-%m-%d").date()
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS or len(str(value)) != len("YYYY-MM-DD"):
        raise Failure(action, f"'{value}' is not a day", "Give it as YYYY-MM-DD, between the years 1970 and 2999")
    return day


def milestones(manifest: Manifest) -> t.Dict[str, Milestone]:
    """Return the dates of a release by name, in the order of MILESTONES; a stated date wins over one that follows.

    manifest: one that satisfies the schema, its dates as text or as datetime.date. A date that is neither stated nor
    follows from one that is stated is left out.
    """
    found = {name: Milestone(name, as_date(day), "stated") for name, day in manifest.get("dates", {}).items()}
    support = {**_SUPPORT, **manifest.get("support", {})}
    for name, length, start in _DERIVED:
        if name not in found and start in found:
            months = support[length]
            source = f"{months} month{'' if months == 1 else 's'} after {start}"
            found[name] = Milestone(name, add_months(found[start].day, months), source)
    return {name: found[name] for name in MILESTONES if name in found}


def release_milestones(manifest: Manifest, release: Manifest) -> t.List[Milestone]:
    """Return the milestones before one minor release (an item of ``releases``), in the order they should happen in.

    A security release has only those it states: it cannot wait for a calendar.
    """
    day, stated = as_date(release["date"]), release.get("milestones", {})
    found = []
    for name, days in sorted(manifest.get("milestones", {}).items(), key=lambda item: -item[1]):
        if name in stated:
            found.append(Milestone(name, as_date(stated[name]), "stated"))
        elif release.get("type") != "security":
            source = f"{days} day{'' if days == 1 else 's'} before {release['version']}"
            found.append(Milestone(name, day - datetime.timedelta(days), source))
    return found


def as_date(value: t.Any) -> datetime.date:
    """Return a date of a manifest that satisfies the schema: text, or a datetime.date after manifest.check."""
    return value if isinstance(value, datetime.date) else datetime.date.fromisoformat(value)
