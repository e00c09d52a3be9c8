# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests with dates for tests, made by hand or by chance; only such as the rules accept."""

from __future__ import annotations

import datetime
import typing as t

from hypothesis import assume
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._release import calendar_rules
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import MILESTONES
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import KINDS
from ansible_collections.egi.cmd.plugins.module_utils._release.windows import WEEKDAYS
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.manifests import example

START = datetime.date(2026, 1, 1)
DAYS = st.integers(0, 1500).map(lambda number: START + datetime.timedelta(number))


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def living(**changes: t.Any) -> t.Dict[str, t.Any]:
    """A release with every kind of milestone, GA on 1 September 2026, and all kinds of repository."""
    dates = {"feature_freeze": "2026-06-01", "soft_code_freeze": "2026-07-01", "hard_code_freeze": "2026-08-01", "ga": "2026-09-01"}
    return example(**{"kinds": list(KINDS), "dates": dates, "milestones": {"content_cutoff": 7, "date_freeze": 14}, **changes})


@st.composite
def windows(draw: t.Callable[..., t.Any]) -> t.Dict[str, t.Any]:
    first, second = sorted([draw(DAYS), draw(DAYS)])
    length = min((second - first).days, draw(st.integers(0, 40)))
    window: t.Dict[str, t.Any] = draw(st.sampled_from([
        {"dates": [str(first), str(second)]},
        {"from": str(first), "to": str(first + datetime.timedelta(length))},
        {"days": draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True))},
    ]))
    allow = draw(st.lists(st.sampled_from(["updates", "holdback"]), unique=True))
    return {**window, "reason": "quiet", **({"allow": allow} if allow else {})}


@st.composite
def lives(draw: t.Callable[..., t.Any], windowed: bool = False) -> t.Dict[str, t.Any]:
    """Any dates, stated or not, that do not contradict each other."""
    names = [name for name in MILESTONES if draw(st.booleans())]
    days = sorted(draw(st.lists(DAYS, min_size=len(names), max_size=len(names))))
    updates, security = sorted([draw(st.integers(0, 30)), draw(st.integers(0, 30))])
    support = {"updates_months": updates, "security_months": security, "retire_months": draw(st.integers(0, 3))}
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, unique=True))
    manifest = example(kinds=kinds, dates=dict(zip(names, map(str, days))), support=support,
                       no_release=draw(st.lists(windows(), max_size=3)) if windowed else [])
    assume(not list(calendar_rules.problems(manifest)))
    return manifest
