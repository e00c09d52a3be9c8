# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Rules of a manifest's dates that a schema cannot say: what follows from what, and which day cannot be before another."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release.dates import (
    Milestone,
    as_date,
    milestones,
    release_milestones,
)
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import Problem, dotted, near_miss, shown, value_problem

Manifest = t.Mapping[str, t.Any]


def problems(manifest: Manifest) -> t.Iterator[Problem]:
    """Yield what contradicts what among the dates of a manifest that satisfies the schema."""
    known = milestones(manifest)
    stated = [milestone for milestone in known.values() if milestone.source == "stated"]
    # What somebody wrote is the clearer contradiction; what only follows from it is not told as well.
    yield from list(_in_order(["dates"], stated)) or _in_order(["dates"], list(known.values()))
    yield from _windows(manifest)
    versions: t.Set[str] = set()
    for index, release in enumerate(manifest.get("releases", [])):
        path = ["releases", index]
        if release["version"] in versions:
            yield value_problem(dotted([*path, "version"]), "every version once", f"{shown(release['version'])} twice")
        versions.add(release["version"])
        yield from _release(path, manifest, release, known)


def _in_order(path: t.Sequence[t.Any], days: t.Sequence[Milestone]) -> t.Iterator[Problem]:
    """Each of the milestones must not be before the one in front of it; both are named, with where they come from."""
    for earlier, later in zip(days, days[1:]):
        if later.day < earlier.day:
            yield value_problem(dotted([*path, later.name]), f"a day not before {earlier.name} ({_told(earlier)})", _told(later))


def _told(milestone: Milestone) -> str:
    return str(milestone.day) if milestone.source == "stated" else f"{milestone.day}, {milestone.source}"


def _release(path: t.Sequence[t.Any], manifest: Manifest, release: Manifest, known: t.Mapping[str, Milestone]) -> t.Iterator[Problem]:
    """One minor release lies within its release's life, and its milestones in their order before it."""
    for name in release.get("milestones", {}):
        if name not in manifest.get("milestones", {}):
            names = ", ".join(manifest.get("milestones", {})) or "(the manifest has no milestones)"
            yield value_problem(dotted([*path, "milestones", name]), f"one of {names}",
                                shown(name) + near_miss(name, manifest.get("milestones", {})))
    day = Milestone("date", as_date(release["date"]), "stated")
    end = "security_until" if release.get("type") == "security" else "updates_until"
    if "ga" in known:
        yield from _in_order(path, [known["ga"], day])
    if end in known and day.day > known[end].day:
        yield value_problem(dotted([*path, "date"]), f"a day not after {end} ({_told(known[end])})", str(day.day))
    before = release_milestones(manifest, release)
    yield from _in_order([*path, "milestones"], before)
    for milestone in before:
        if milestone.day > day.day:
            yield value_problem(dotted([*path, "milestones", milestone.name]), f"a day not after date ({day.day})", _told(milestone))


def _windows(manifest: Manifest) -> t.Iterator[Problem]:
    for index, window in enumerate(manifest.get("no_release", [])):
        path = ["no_release", index]
        given = [" and ".join(pair) for pair in (("days",), ("dates",), ("from", "to")) if all(name in window for name in pair)]
        if len(given) != 1 or ("from" in window) != ("to" in window):
            found = [name for name in ("days", "dates", "from", "to") if name in window]
            yield value_problem(dotted(path), "exactly one of days, dates, or from and to", ", ".join(found) or "none")
        elif "from" in window and as_date(window["to"]) < as_date(window["from"]):
            yield value_problem(dotted([*path, "to"]), f"a day not before from ({window['from']})", str(window["to"]))
