# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._promotion.candidate import AptPolicy, Offer, Pin, Suite, dnf_sync, dnf_upgrade
from ansible_collections.egi.cmd.plugins.module_utils._version import rpm

BASE = Suite({"a": "base", "o": "Example OS", "l": "Example OS", "n": "base"})
HOLDBACK = Suite({"a": "cmd-os-1-holdback", "o": "EGI", "l": "CMD-OS", "n": "cmd-os-1"})
PROPOSED = Suite({"a": "cmd-os-1-proposed", "o": "EGI", "l": "CMD-OS", "n": "cmd-os-1"}, not_automatic=True, automatic_upgrades=True)
SUITES = {"base": BASE, "holdback": HOLDBACK, "proposed": PROPOSED}
HOLD = Pin(("*",), "release", "a=cmd-os-1-holdback,o=EGI", 1300)


def candidate(versions, pins=(), installed=None, default_release=""):
    return AptPolicy(SUITES, pins, default_release).candidate("libcloud", versions, installed)


@pytest.mark.parametrize("installed", [None, "1.0-1", "2.2-1"])
def test_a_suite_pinned_above_a_thousand_decides_whatever_is_installed(installed):
    assert candidate({"2.2-1": ["base"], "1.0-1": ["holdback"]}, [HOLD], installed) == "1.0-1"


def test_below_a_thousand_nothing_lower_than_the_installed_version_is_chosen():
    almost = Pin(HOLD.packages, HOLD.kind, HOLD.value, 999)
    assert candidate({"2.2-1": ["base"], "1.0-1": ["holdback"]}, [almost], "2.2-1") == "2.2-1"


def test_the_first_general_record_decides_and_not_the_highest():
    records = [Pin(("*",), "release", "o=EGI", 400), HOLD]
    assert AptPolicy(SUITES, records).priorities["holdback"] == 400


def test_the_default_release_overrides_general_records_and_not_specific_ones():
    assert AptPolicy(SUITES, [HOLD], "cmd-os-1-holdback").priorities["holdback"] == 990
    specific = Pin(("libcloud",), "release", "a=base", 1001)
    assert candidate({"2.2-1": ["base"], "1.0-1": ["holdback"]}, [specific], default_release="cmd-os-1-holdback") == "2.2-1"


def test_a_codename_shared_by_all_suites_pins_them_all():
    priorities = AptPolicy(SUITES, [Pin(("*",), "release", "n=cmd-os-1", 1001)]).priorities
    assert (priorities["proposed"], priorities["holdback"], priorities["base"]) == (1001, 1001, 500)


def test_what_is_not_automatic_is_only_kept_up_to_date():
    assert candidate({"1.0-1": ["base"], "2.0-1": ["proposed"]}) == "1.0-1"
    assert candidate({"1.0-1": ["base"], "2.0-1": ["proposed"]}, installed="1.5-1") == "2.0-1"


def test_a_negative_priority_leaves_no_candidate():
    assert candidate({"2.2-1": ["base"]}, [Pin(("libcl*",), "version", "2.2*", -1)]) is None


def test_dnf_upgrade_falls_through_to_a_weaker_repository_where_the_better_one_is_lower():
    offers = [Offer("2.0-1.el9~mos1", 20), Offer("2.2-1.el9", 99)]
    assert dnf_upgrade(offers, "2.0-1.el9") == "2.2-1.el9"
    assert dnf_sync(offers) == "2.0-1.el9~mos1"


def test_dnf_upgrade_stays_where_the_better_repository_has_the_very_build():
    assert dnf_upgrade([Offer("2.0-1.el9", 20), Offer("2.2-1.el9", 99)], "2.0-1.el9") == "2.0-1.el9"


def test_nobody_offering_anything_leaves_the_host_as_it_is():
    assert (dnf_upgrade([], "1-1"), dnf_sync([]), candidate({}), candidate({}, installed="1-1")) == ("1-1", None, None, "1-1")


EVRS = st.sampled_from(["1.0-1", "1.0-1~mos1", "1.5-1", "2.0-1", "1:0.9-1"])


@given(st.lists(st.builds(Offer, EVRS, st.sampled_from([10, 20, 99]))), EVRS)
def test_an_upgrade_never_goes_down_and_repeating_it_changes_nothing(offers, installed):
    after = dnf_upgrade(offers, installed)
    assert rpm.compare(after, installed) >= 0
    assert dnf_upgrade(offers, after) == after


@pytest.mark.parametrize(("wanted", "fits"), [("2.0*", True), ("2.0-1+mos1", True), ("2.0-1", False), ("*mos*", False), ("*mos1", True)])
def test_a_star_at_the_end_of_a_version_means_begins_with(wanted, fits):
    refused = Pin(("libcloud",), "version", wanted, -1)
    assert (candidate({"2.0-1+mos1": ["base"]}, [refused]) is None) == fits
