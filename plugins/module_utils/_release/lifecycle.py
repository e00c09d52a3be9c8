# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The life of a release as stages that follow each other, and whether it is supported on a day.

The stages cover all days without a gap and in one order, so that support never comes back once it has ended.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release.dates import MILESTONES, Milestone, milestones

STAGES: t.Tuple[str, ...] = (
    "development", "feature_freeze", "soft_code_freeze", "hard_code_freeze", "unknown", "full", "security", "retiring",
    "retired",
)
"""Every stage, in the order in which a release passes through them; unknown where the manifest lacks dates."""

BEFORE_GA: t.FrozenSet[str] = frozenset(STAGES[:4])
SUPPORTED: t.FrozenSet[str] = frozenset(("full", "security"))

_DAY = datetime.timedelta(1)
Manifest = t.Mapping[str, t.Any]


class Stage(t.NamedTuple):
    """A part of a release's life. since, until: first and last day; None is the beginning, or the end, of time."""

    name: str
    since: t.Optional[datetime.date]
    until: t.Optional[datetime.date]

    def covers(self, day: datetime.date) -> bool:
        """Return whether the release is in this stage on that day."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


def stages(manifest: Manifest) -> t.List[Stage]:
    """Return the stages of a checked manifest, without those that have no day."""
    starts = list(_starts(milestones(manifest)))
    found = []
    for (name, since), following in zip(starts, [*starts[1:], None]):
        until = None if following is None or following[1] is None else following[1] - _DAY
        if following is None or (until is not None and (since is None or since <= until)):
            found.append(Stage(name, since, until))
    return found


def stage_on(manifest: Manifest, day: datetime.date) -> Stage:
    """Return the stage of a release on a day."""
    return next(stage for stage in stages(manifest) if stage.covers(day))


def support_of(stage: str) -> str:
    """Return before_ga, unknown, full, security, retiring (support has ended, hosts have to go) or retired."""
    return "before_ga" if stage in BEFORE_GA else stage


def life(manifest: Manifest, day: datetime.date) -> t.Dict[str, t.Any]:
    """Return what is true of a release on a day; the filter ``lifecycle`` documents the fields. Days are datetime.date."""
    known, stage = milestones(manifest), stage_on(manifest, day)
    coming = next((milestone for milestone in known.values() if milestone.day > day), None)
    return {
        "release": manifest["name"],
        "day": day,
        "stage": stage.name,
        "support": support_of(stage.name),
        "supported": None if stage.name == "unknown" else stage.name in SUPPORTED,
        "since": stage.since,
        "until": stage.until,
        "reason": explained(stage, known),
        "dates": {milestone.name: milestone.day for milestone in known.values()},
        "sources": {milestone.name: milestone.source for milestone in known.values()},
        "next": coming and {"milestone": coming.name, "day": coming.day, "days": (coming.day - day).days},
    }


def explained(stage: Stage, known: t.Mapping[str, Milestone]) -> str:
    """Return a stage in words, with the dates that make it."""
    if stage.name == "unknown":
        return "the manifest does not state enough dates: it lacks ga"
    words = {
        "development": "in development",
        "feature_freeze": "new features are frozen since {feature_freeze}",
        "soft_code_freeze": "only fixes of high and critical importance since {soft_code_freeze}",
        "hard_code_freeze": "only critical fixes since {hard_code_freeze}, when the next release branched off",
        "full": "full support until {updates_until}",
        "security": "updates ended on {updates_until}, security updates until {security_until}",
        "retiring": "support ended on {security_until}; hosts have to be gone by {retire_by}",
        "retired": "retired on {retire_by}",
    }[stage.name]
    days = {name: str(known[name].day) if name in known else "a day nobody stated" for name in MILESTONES}
    return words.format(**days)


def _starts(known: t.Mapping[str, Milestone]) -> t.Iterator[t.Tuple[str, t.Optional[datetime.date]]]:
    """Yield every stage with its first day, in order; None is the beginning of time."""
    freezes = [name for name in ("feature_freeze", "soft_code_freeze", "hard_code_freeze") if name in known]
    if freezes or "ga" in known:
        yield "development", None
    # Without a GA, the last freeze is the last thing known: nobody says how long it lasts.
    for name in freezes if "ga" in known else freezes[:-1]:
        yield name, known[name].day
    if "ga" in known:
        yield "full", known["ga"].day
    else:
        yield "unknown", known[freezes[-1]].day if freezes else None
    if "security_until" in known:
        end = known["security_until"].day + _DAY
        if "updates_until" in known:
            yield "security", known["updates_until"].day + _DAY
        yield "retiring", end
        yield "retired", max(known["retire_by"].day, end)
    elif "retire_by" in known:
        yield "retired", known["retire_by"].day
