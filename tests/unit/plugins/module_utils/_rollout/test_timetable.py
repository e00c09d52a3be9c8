# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a plan says when each wave can start at the earliest, and with which hosts in which turn."""

from __future__ import annotations

import datetime

from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import plan_of
from ansible_collections.egi.cmd.plugins.module_utils._rollout.table import PLAN_COLUMNS, lines, plan_rows
from ansible_collections.egi.cmd.plugins.module_utils._rollout.timetable import read, timetable, written

GROUPS = {"all": ["a", "b", "c", "d"], "early": ["a"], "rest": ["b", "c", "d"]}
NIGHT = {"from": "22:00", "to": "23:00"}
MANIFEST = {"name": "r", "no_release": [{"days": ["friday", "saturday", "sunday"], "reason": "weekend"}]}
THURSDAY, FRIDAY = read("2026-11-19T10:00:00Z"), read("2026-11-20T10:00:00Z")


def starts(waves: list[dict[str, object]], now: datetime.datetime, release: object = "r", emergency: bool = False) -> list[str]:
    found = timetable(plan_of(waves, GROUPS, release), now, emergency)
    return [written(moment) if moment else "never" for moment in found.values()]


def test_without_windows_everything_can_start_now() -> None:
    assert starts([{"name": "early"}, {"name": "rest"}], FRIDAY) == ["2026-11-20T10:00:00Z"] * 2


def test_a_soak_and_a_window_move_what_follows() -> None:
    waves = [{"name": "early", "soak": "1d"}, {"name": "rest", "windows": NIGHT}]
    assert starts(waves, THURSDAY) == ["2026-11-19T10:00:00Z", "2026-11-20T22:00:00Z"]
    assert starts(waves, THURSDAY, MANIFEST) == ["2026-11-19T10:00:00Z", "2026-11-23T22:00:00Z"]


def test_an_emergency_waits_for_nothing() -> None:
    waves = [{"name": "early", "soak": "1d"}, {"name": "rest", "windows": NIGHT}]
    assert starts(waves, FRIDAY, MANIFEST, emergency=True) == ["2026-11-20T10:00:00Z"] * 2


def test_what_never_opens_is_never() -> None:
    never = {"days": "monday", "except": [(datetime.date(2026, 11, 23) + datetime.timedelta(7 * week)).isoformat() for week in range(70)]}
    assert starts([{"name": "early", "windows": never}, {"name": "rest"}], FRIDAY) == ["never", "never"]


def test_the_table_shows_hosts_turns_and_times() -> None:
    plan = plan_of([
        {"name": "early", "percent": 0}, {"name": "all", "hosts": ["early", "rest"], "slots": 2, "soak": "1h30m", "max_failed": 1,
                                          "required_checks": ["api"], "approval": {"by": ["alice"]}},
    ], GROUPS, "r", hostvars={host: {"rollout_cluster": "c"} for host in GROUPS["all"]})
    found = lines(plan_rows(plan, timetable(plan, FRIDAY)), PLAN_COLUMNS)
    assert [line.split()[:5] for line in found] == [
        ["ORDER", "WAVE", "HOST", "STARTS", "SOAK"],
        ["1", "early", "-", "2026-11-20T10:00:00Z", "-"],
        ["2.1", "all", "a", "2026-11-20T10:00:00Z", "1h30m"], ["2.1", "all", "b", "2026-11-20T10:00:00Z", "1h30m"],
        ["2.2", "all", "c", "2026-11-20T10:00:00Z", "1h30m"], ["2.2", "all", "d", "2026-11-20T10:00:00Z", "1h30m"],
    ]
    assert found[1].endswith("open: no host is asked for")
    assert found[2].endswith("approved by alice first; 3 of 4 pass, 1 may fail; each with api")
