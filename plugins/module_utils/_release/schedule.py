# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The dates of several releases as events, one list for people and calendars alike."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import as_date, milestones, release_milestones
from ansible_collections.egi.cmd.plugins.module_utils._release.windows import closed_by, windows

_LIFE: t.Dict[str, str] = {
    "feature_freeze": "feature freeze: no new features",
    "soft_code_freeze": "soft code freeze: only fixes of high and critical importance",
    "hard_code_freeze": "hard code freeze: only critical fixes; the next release branches off",
    "ga": "general availability: base is frozen, updates open",
    "updates_until": "last day of updates",
    "security_until": "last day of security updates",
    "retire_by": "retired: no host has it any more",
}
_BEFORE_RELEASE: t.Dict[str, str] = {
    "date_freeze": "date freeze, the day of the release is fixed",
    "content_cutoff": "content cut-off, what is not accepted yet goes into the next release",
    "candidate": "release candidate, old and new have to install together",
    "release_notes": "known issues and installation notes are ready",
}

Manifest = t.Mapping[str, t.Any]


class Event(t.NamedTuple):
    """Something that happens to a release, for whole days.

    id: unique and stable within the release, also when the day moves. last: the last day, day itself for one day.
    source: where the day comes from, ``stated`` or ``7 days before 1.2.0``. warning: empty if all is well.
    """

    day: datetime.date
    last: datetime.date
    release: str
    title: str
    id: str
    text: str
    source: str
    warning: str


def schedule(manifests: t.Sequence[Manifest], first: t.Optional[datetime.date] = None,
             last: t.Optional[datetime.date] = None) -> t.List[Event]:
    """Return the events of checked manifests that touch the days from first to last (None: no limit), by day.

    Days of the week without releases are a rule and no event. Raises Failure for two manifests of one name.
    """
    found: t.List[Event] = []
    names: t.Set[str] = set()
    for manifest in manifests:
        if manifest["name"] in names:
            raise Failure("make a schedule", f"{manifest['name']} is given twice", "Name each release once")
        names.add(manifest["name"])
        found += [event for event in _events(manifest) if (last is None or event.day <= last) and (first is None or first <= event.last)]
    return sorted(found, key=lambda event: event.day)


def title_of(manifest: Manifest) -> str:
    """Return what people call a release."""
    return str(manifest.get("title") or f"{manifest['distribution']} {manifest['version']}")


def _events(manifest: Manifest) -> t.Iterator[Event]:
    name, title = manifest["name"], title_of(manifest)
    for milestone in milestones(manifest).values():
        yield Event(milestone.day, milestone.day, name, title, milestone.name, _LIFE[milestone.name], milestone.source, "")
    found = windows(manifest)
    # Two windows can have the same days: they are told once, under the first one's reason.
    reasons = {days: window.reason for window in reversed(found) for days in window.ranges}
    for (first, last), reason in reasons.items():
        yield Event(first, last, name, title, f"no_release/{first}/{last}", f"no releases: {reason}", "stated", "")
    for release in manifest.get("releases", []):
        version, day = release["version"], as_date(release["date"])
        for milestone in release_milestones(manifest, release):
            text = f"{version} {_BEFORE_RELEASE.get(milestone.name, milestone.name.replace('_', ' '))}"
            yield Event(milestone.day, milestone.day, name, title, f"{version}/{milestone.name}", text, milestone.source, "")
        kind = release.get("type", "update")
        closed = closed_by(found, "updates", day) if kind == "update" else None
        warning = f"nothing is released on this day: {closed.reason}" if closed else ""
        yield Event(day, day, name, title, f"{version}/release", f"{version} release ({kind})", "stated", warning)
