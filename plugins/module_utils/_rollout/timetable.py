# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The earliest time each wave can start, if every wave before it passes at once."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release.windows import windows
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave
from ansible_collections.egi.cmd.plugins.module_utils._rollout.window import Hours, hours


def hours_of(plan: Plan, wave: Wave, now: datetime.datetime) -> Hours:
    """Return whether a wave may start now, by its own windows and the release's days without one."""
    return hours(wave.windows, windows({"no_release": plan.no_release}), now)


def timetable(plan: Plan, now: datetime.datetime, emergency: bool = False) -> t.Dict[str, t.Optional[datetime.datetime]]:
    """Return wave -> the earliest moment (UTC) at which it can start; None if its windows do not open in a year.

    The work itself takes no time here, only the soak does. emergency: windows and soaks do not count.
    """
    moment: t.Optional[datetime.datetime] = now.astimezone(datetime.timezone.utc)
    times: t.Dict[str, t.Optional[datetime.datetime]] = {}
    for wave in plan.waves:
        if moment is not None and not emergency:
            found = hours_of(plan, wave, moment)
            moment = moment if found.is_open else found.until
        times[wave.name] = moment
        if moment is not None and not emergency:
            moment += datetime.timedelta(seconds=wave.soak)
    return times


def written(moment: datetime.datetime) -> str:
    """Return a moment as the tables and the record write it: ``2026-11-23T08:00:00Z``."""
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(text: str) -> datetime.datetime:
    """Return the moment that written wrote."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
