# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of a release: the published examples, gaps in what is known, and that nothing ever comes back."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given

from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.lifecycle import STAGES, life, stage_on, stages, support_of
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import DAYS, day, lives, living

DAY = datetime.timedelta(1)


@pytest.mark.parametrize("on, support, supported, since, until", [
    ("2016-12-14", "before_ga", False, None, "2016-12-14"),
    ("2016-12-15", "full", True, "2016-12-15", "2017-12-15"),
    ("2017-12-15", "full", True, "2016-12-15", "2017-12-15"),
    ("2017-12-16", "security", True, "2017-12-16", "2018-12-15"),
    ("2018-12-15", "security", True, "2017-12-16", "2018-12-15"),
    ("2018-12-16", "retiring", False, "2018-12-16", "2019-01-14"),
    ("2019-01-14", "retiring", False, "2018-12-16", "2019-01-14"),
    ("2019-01-15", "retired", False, "2019-01-15", None),
])
def test_cmd_os_1_is_supported_for_a_year_and_a_second_one(on, support, supported, since, until):
    found = life(manifest.load_shipped("cmd-os-1"), day(on))
    assert (found["support"], found["supported"]) == (support, supported)
    assert [edge and str(edge) for edge in (found["since"], found["until"])] == [since, until]


@pytest.mark.parametrize("on, stage, reason", [
    ("2026-05-31", "development", "in development"),
    ("2026-06-01", "feature_freeze", "new features are frozen since 2026-06-01"),
    ("2026-07-01", "soft_code_freeze", "only fixes of high and critical importance since 2026-07-01"),
    ("2026-08-31", "hard_code_freeze", "only critical fixes since 2026-08-01, when the next release branched off"),
    ("2026-09-01", "full", "full support until 2027-09-01"),
    ("2028-01-01", "security", "updates ended on 2027-09-01, security updates until 2028-09-01"),
    ("2028-09-02", "retiring", "support ended on 2028-09-01; hosts have to be gone by 2028-10-01"),
    ("2028-10-01", "retired", "retired on 2028-10-01"),
])
def test_the_way_of_a_release_from_its_first_freeze_to_the_end(on, stage, reason):
    found = life(living(), day(on))
    assert (found["stage"], found["reason"]) == (stage, reason)


def test_what_comes_next_is_counted_in_days():
    assert life(living(), day("2026-08-30"))["next"] == {"milestone": "ga", "day": day("2026-09-01"), "days": 2}
    assert life(living(), day("2028-10-01"))["next"] is None


@pytest.mark.parametrize("dates, on, support", [
    (None, "2026-01-01", "unknown"),
    ({"soft_code_freeze": "2015-12-23"}, "2015-12-22", "before_ga"),
    ({"soft_code_freeze": "2015-12-23"}, "2015-12-23", "unknown"),
    ({"security_until": "2020-06-30"}, "2020-06-30", "unknown"),
    ({"security_until": "2020-06-30"}, "2020-07-01", "retiring"),
    ({"updates_until": "2019-06-30", "security_until": "2020-06-30"}, "2019-07-01", "security"),
    ({"updates_until": "2019-06-30"}, "2019-07-01", "unknown"),
    ({"retire_by": "2020-06-30"}, "2020-06-30", "retired"),
    ({"ga": "2020-01-01", "security_until": "2021-06-30", "retire_by": "2021-06-30"}, "2021-06-30", "security"),
])
def test_what_nobody_stated_is_unknown_and_not_guessed(dates, on, support):
    found = life(living(dates=dates), day(on))
    assert found["support"] == support
    assert found["supported"] == {"unknown": None, "security": True}.get(support, False)


def test_a_release_without_a_ga_says_what_is_missing():
    assert life(manifest.load_shipped("umd-5"), day("2026-11-20"))["reason"] == "the manifest does not state enough dates: it lacks ga"


@given(lives())
def test_the_stages_cover_every_day_once_and_in_order(release):
    found = stages(release)
    assert found[0].since is None
    assert found[-1].until is None
    for earlier, later in zip(found, found[1:]):
        assert later.since == earlier.until + DAY
        assert STAGES.index(earlier.name) < STAGES.index(later.name)
    assert all(stage.since <= stage.until for stage in found[1:-1])


@given(lives(), DAYS, DAYS)
def test_support_never_comes_back(release, one, other):
    earlier, later = (STAGES.index(stage_on(release, on).name) for on in sorted([one, other]))
    assert earlier <= later


@given(lives(), DAYS)
def test_a_stage_lasts_from_its_first_day_to_its_last(release, on):
    found = life(release, on)
    for edge, beyond in ((found["since"], -DAY), (found["until"], DAY)):
        if edge:
            assert life(release, edge)["stage"] == found["stage"] == stage_on(release, on).name
            assert life(release, edge + beyond)["stage"] != found["stage"]
    assert found["support"] == support_of(found["stage"])
