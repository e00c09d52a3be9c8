# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dates that contradict each other are refused when the manifest is read, and both are named."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.display import event_lines, status_lines
from ansible_collections.egi.cmd.plugins.module_utils._release.schedule import schedule
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import day, living

GA = {"ga": "2026-09-01"}


def releases(*found, **more):
    return {"releases": [{"version": f"1.{number}.0", **release} for number, release in enumerate(found)], **more}


@pytest.mark.parametrize("changes, error", [
    ({"dates": {"ga": "2026-09-01", "hard_code_freeze": "2026-09-02"}},
     "dates.ga: expected a day not before hard_code_freeze (2026-09-02), got 2026-09-01"),
    ({"dates": {**GA, "updates_until": "2029-01-01"}},
     "dates.security_until: expected a day not before updates_until (2029-01-01), got 2028-09-01, 24 months after ga"),
    ({"dates": GA, "support": {"updates_months": 36}},
     "dates.security_until: expected a day not before updates_until (2029-09-01, 36 months after ga), got 2028-09-01, 24 months after ga"),
    ({"dates": {**GA, "retire_by": "2027-01-01", "updates_until": "2027-02-01"}},
     "dates.retire_by: expected a day not before updates_until (2027-02-01), got 2027-01-01"),
    ({"dates": {"ga": "0026-09-01"}}, "dates.ga: expected a date, YYYY-MM-DD, got '0026-09-01'"),
    (releases({"date": "2026-08-31"}), "releases[0].date: expected a day not before ga (2026-09-01), got 2026-08-31"),
    (releases({"date": "2027-09-02"}),
     "releases[0].date: expected a day not after updates_until (2027-09-01, 12 months after ga), got 2027-09-02"),
    (releases({"date": "2028-09-02", "type": "security"}),
     "releases[0].date: expected a day not after security_until (2028-09-01, 24 months after ga), got 2028-09-02"),
    (releases({"date": "2026-12-08", "milestones": {"content_cutof": "2026-12-01"}}),
     "releases[0].milestones.content_cutof: expected one of content_cutoff, date_freeze, got 'content_cutof'"
     " (did you mean 'content_cutoff'?)"),
    (releases({"date": "2026-12-08", "milestones": {"date_freeze": "2026-12-02"}}),
     "releases[0].milestones.content_cutoff: expected a day not before date_freeze (2026-12-02), got 2026-12-01, 7 days before 1.0.0"),
    (releases({"date": "2026-12-08", "milestones": {"content_cutoff": "2026-12-09"}}),
     "releases[0].milestones.content_cutoff: expected a day not after date (2026-12-08), got 2026-12-09"),
    ({"releases": [{"version": "1.1.0", "date": "2026-10-01"}, {"version": "1.1.0", "date": "2026-10-02"}]},
     "releases[1].version: expected every version once, got '1.1.0' twice"),
    ({"releases": [{"version": 1.1, "date": "2026-10-01"}]},
     "releases[0].version: expected a version in quotes, for example \"1.2.0\", got the number 1.1 (put it in quotes)"),
    (releases({"date": "2026-10-01", "type": "minor"}), "releases[0].type: expected the type of a release (one of update, security), got 'minor'"),
    ({"no_release": [{"days": ["friday"], "dates": ["2026-12-24"], "reason": "x"}]},
     "no_release[0]: expected exactly one of days, dates, or from and to, got days, dates"),
    ({"no_release": [{"from": "2026-12-24", "reason": "x"}]}, "no_release[0]: expected exactly one of days, dates, or from and to, got from"),
    ({"no_release": [{"reason": "x"}]}, "no_release[0]: expected exactly one of days, dates, or from and to, got none"),
    ({"no_release": [{"from": "2027-01-06", "to": "2026-12-19", "reason": "x"}]},
     "no_release[0].to: expected a day not before from (2027-01-06), got 2026-12-19"),
    ({"no_release": [{"days": ["Fri"], "reason": "x"}]}, "no_release[0].days[0]: expected a day of the week"),
    ({"no_release": [{"days": ["friday"]}]}, "no_release[0].reason: expected a reason in one line, got nothing"),
    ({"no_release": [{"days": ["friday"], "reason": "x\ny"}]}, "no_release[0].reason: expected a reason in one line"),
    ({"no_release": [{"days": ["friday"], "reason": "x", "allow": ["security"]}]}, "no_release[0].allow[0]: expected a kind that windows close"),
    ({"product_tags": ["Open Stack"]}, "product_tags[0]: expected a tag: lower-case letters, digits and hyphens, got 'Open Stack'"),
])
def test_a_contradiction_names_both_sides(changes, error):
    with pytest.raises(Failure) as caught:
        manifest.check(living(**{"dates": GA, **changes}), "example")
    assert f"example: {error}" in str(caught.value)


@pytest.mark.parametrize("changes", [
    {"dates": {**GA, "updates_until": "2029-01-01", "security_until": "2029-01-01"}},
    {"dates": {name: "2026-09-01" for name in ("feature_freeze", "hard_code_freeze", "ga", "security_until", "updates_until", "retire_by")}},
    releases({"date": "2026-09-01"}, {"date": "2028-09-01", "type": "security"}, dates=GA),
    {"dates": None, **releases({"date": "2031-01-01"})},
    {"no_release": [{"dates": ["2026-12-24"], "reason": "x", "allow": ["updates", "holdback"]}]},
])
def test_what_fits_together_is_accepted(changes):
    assert manifest.check(living(**changes), "example")["name"] == "example-1"


BUSY = living(
    releases=[{"version": "1.1.0", "date": "2026-12-08", "milestones": {"content_cutoff": "2026-12-01"}},
              {"version": "1.1.1", "date": "2026-12-26", "type": "security"}],
    no_release=[{"days": ["friday"], "reason": "friday", "allow": ["updates"]}, {"from": "2026-12-19", "to": "2027-01-06", "reason": "break"},
                {"dates": ["2027-03-26"], "reason": "Easter"}],
    support={"updates_months": 12, "security_months": 24, "retire_months": 1},
)
ODD = st.sampled_from([None, True, 0, -1, 600, 10**9, 1.5, "", "x", "2026-13-01", "1970-01-01", "2999-12-31", "2027-01-01", [], {}, ["updates"], [None],
                       ["2027-01-01"], {"x": "y"}])


@given(st.data())
def test_any_odd_value_is_refused_with_words_or_makes_a_calendar(data):
    release = copy.deepcopy(BUSY)
    for _unused in range(data.draw(st.integers(1, 3))):
        holder, step = release, data.draw(st.sampled_from(["dates", "support", "milestones", "releases", "no_release"]))
        while isinstance(holder[step], (dict, list)) and holder[step] and data.draw(st.booleans()):
            holder = holder[step]
            step = data.draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        holder[step] = data.draw(ODD)
    try:
        checked = manifest.check(release, "odd")
    except Failure as refused:
        assert "odd: " in str(refused)
    else:
        assert len(event_lines(schedule([checked]))) >= len(schedule([checked]))
        for on in ("1970-01-01", "2026-12-25", "2999-12-31"):
            assert len(status_lines(checked, day(on))) == 1 + len(checked["kinds"])
