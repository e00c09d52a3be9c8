# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be published where on a day: the rules by stage, the windows, and that answers agree with the stages."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import KINDS
from ansible_collections.egi.cmd.plugins.module_utils._release.lifecycle import BEFORE_GA, life, stage_on
from ansible_collections.egi.cmd.plugins.module_utils._release.publishing import kinds_of, publishable
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import DAYS, day, lives, living
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.manifests import example

DAY = datetime.timedelta(1)
ON_THE_WAY = ["proposed", "candidate", "untested"]
OWN = ["developer", "contrib"]


def answer(release, on, kind="updates"):
    return publishable(release, day(on), [kind])[0]


@pytest.mark.parametrize("on, open_kinds", [
    ("2026-05-01", ["base", *ON_THE_WAY, *OWN]),
    ("2026-08-31", ["base", *ON_THE_WAY, *OWN]),
    ("2026-09-01", ["updates", "security", "holdback", *ON_THE_WAY, *OWN]),
    ("2027-09-01", ["updates", "security", "holdback", *ON_THE_WAY, *OWN]),
    ("2027-09-02", ["security", "holdback", *ON_THE_WAY, *OWN]),
    ("2028-09-01", ["security", "holdback", *ON_THE_WAY, *OWN]),
    ("2028-09-02", OWN),
    ("2028-10-01", []),
])
def test_which_kinds_are_open(on, open_kinds):
    assert sorted(found.kind for found in publishable(living(), day(on)) if found.allowed) == sorted(open_kinds)


@pytest.mark.parametrize("on, accepts", [
    ("2026-05-01", "everything"), ("2026-06-01", "everything but new features"), ("2026-08-31", "critical fixes"), ("2026-09-01", ""),
])
def test_base_takes_less_with_every_freeze_and_nothing_after_ga(on, accepts):
    assert answer(living(), on, "base").accepts == accepts


@pytest.mark.parametrize("on, kind, reason, remedy, since, until", [
    ("2026-08-31", "updates", "it opens with general availability, on 2026-09-01", "Publish to base until then", None, "2026-08-31"),
    ("2027-01-01", "base", "frozen since general availability on 2026-09-01", "Publish to updates", "2026-09-01", None),
    ("2028-01-01", "base", "frozen since general availability on 2026-09-01", "Publish to security", "2026-09-01", None),
    ("2028-11-01", "base", "frozen since general availability on 2026-09-01", "Publish to a release that is supported", "2026-09-01", None),
    ("2028-01-01", "updates", "updates ended on 2027-09-01",
     "Publish security fixes to security; for anything else the release manager states a later dates.updates_until", "2027-09-02", None),
    ("2028-09-20", "security", "support ended on 2028-09-01; hosts have to be gone by 2028-10-01",
     "Publish to a release that is supported; the release manager could state a later dates.security_until", "2028-09-02", None),
])
def test_a_refusal_says_why_since_when_and_what_would_help(on, kind, reason, remedy, since, until):
    found = answer(living(), on, kind)
    assert (found.allowed, found.accepts, found.reason, found.remedy) == (False, "", reason, remedy)
    assert [edge and str(edge) for edge in (found.since, found.until)] == [since, until]


def test_a_release_without_a_security_repository_takes_security_fixes_as_updates():
    release = manifest.load_shipped("cmd-os-1")
    assert answer(release, "2017-12-15").accepts == "updates and security fixes"
    assert answer(release, "2017-12-16").accepts == "security fixes"
    assert answer(release, "2018-12-16").allowed is False
    assert answer(release, "2018-06-01", "base").remedy == "Publish to updates"


def test_an_extension_is_a_stated_date():
    extended = living(dates={"ga": "2026-09-01", "updates_until": "2028-03-01"})
    assert answer(living(), "2028-01-10").allowed is False
    assert answer(extended, "2028-01-10").allowed is True


WINDOWS = [
    {"days": ["friday", "saturday", "sunday"], "reason": "nobody is there"},
    {"from": "2026-12-19", "to": "2027-01-06", "reason": "Christmas break", "allow": ["holdback"]},
]


def test_a_window_closes_what_can_wait_and_says_until_when():
    release = living(no_release=WINDOWS)
    assert answer(release, "2026-12-22") == (
        "updates", False, "", "no releases until 2027-01-06: Christmas break",
        "Wait until 2027-01-07; the release manager could allow updates in this window (no_release in the manifest)",
        day("2026-12-18"), day("2027-01-06"))
    assert answer(release, "2027-01-07")[-2:] == (day("2027-01-07"), day("2027-01-07"))
    assert answer(release, "2026-12-22", "holdback").allowed is True
    assert answer(release, "2026-12-18", "holdback").allowed is False
    assert {found.kind for found in publishable(release, day("2026-12-22")) if found.allowed} == {
        "holdback", "security", *ON_THE_WAY, *OWN}
    assert answer(release, "2026-09-02").since == day("2026-09-01")
    assert answer(release, "2026-05-01", "base").allowed is True  # a Friday, but production does not read it yet


def test_a_window_never_stops_a_security_fix():
    release = living(no_release=WINDOWS, kinds=["base", "updates"])
    found = answer(release, "2026-12-22")
    assert (found.allowed, found.accepts, found.reason) == (True, "security fixes", "no releases until 2027-01-06: Christmas break")
    assert answer(release, "2026-12-17").accepts == "updates and security fixes"
    assert answer(release, "2027-12-24").until == day("2028-09-01")


def test_no_one_is_told_to_wait_for_a_day_that_is_too_late():
    found = answer(living(no_release=[{"from": "2027-08-20", "to": "2027-09-20", "reason": "move"}]), "2027-08-25")
    assert found.until == day("2027-09-01")
    assert found.remedy.startswith("The release manager could allow updates")
    for_ever = answer(living(no_release=[{"days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], "reason": "x"}]),
                      "2027-08-25")
    assert (for_ever.reason, for_ever.until) == ("no releases until 2027-09-01: x", day("2027-09-01"))


def test_kinds_of_single_platforms_count():
    release = example(kinds=["base", "updates"])
    release["platforms"]["el9"]["rpm"] = {"kinds": ["updates", "contrib"]}
    assert kinds_of(release) == ["base", "updates", "contrib"]
    assert [found.kind for found in publishable(living(), day("2026-09-01"))] == list(KINDS)


def test_a_kind_the_release_does_not_have_is_refused():
    with pytest.raises(Failure, match=r"no repositories of kind 'update' \(did you mean 'updates'\?\). Name some of base, updates"):
        publishable(living(kinds=["base", "updates"]), day("2026-09-01"), ["update"])


def test_without_a_ga_nothing_is_allowed_and_the_remedy_says_so():
    for found in publishable(manifest.load_shipped("umd-5"), day("2026-11-20")):
        assert (found.allowed, found.remedy) == (False, "State dates.ga in the manifest")


@given(lives(), DAYS)
def test_an_answer_holds_on_all_its_days_and_no_longer(release, on):
    for found in publishable(release, on):
        for edge, beyond in ((found.since, -DAY), (found.until, DAY)):
            if edge:
                assert publishable(release, edge, [found.kind])[0][1:3] == found[1:3]
                assert publishable(release, edge + beyond, [found.kind])[0][1:3] != found[1:3]


@given(lives(windowed=True), DAYS, st.integers(-40, 40))
def test_an_answer_through_windows_holds_on_all_its_days(release, on, distance):
    other = on + distance * DAY
    for found in publishable(release, on):
        if (found.until is None or other <= found.until) and (found.since is None or found.since <= other):
            assert publishable(release, other, [found.kind])[0][1:3] == found[1:3]


@given(lives(windowed=True), DAYS)
def test_answers_agree_with_the_stage_of_the_release(release, on):
    stage, found = stage_on(release, on).name, {answer.kind: answer for answer in publishable(release, on)}
    assert all(bool(answer.accepts) == answer.allowed == (not answer.remedy) and answer.reason for answer in found.values())
    if "base" in found:
        assert found["base"].allowed == (stage in BEFORE_GA)
    fixes = found.get("security") or found.get("updates")
    if fixes:
        assert fixes.allowed == bool(life(release, on)["supported"])
    if stage in ("retired", "unknown"):
        assert not any(answer.allowed for answer in found.values())
