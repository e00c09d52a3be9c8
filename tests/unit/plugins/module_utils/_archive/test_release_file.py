# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a Release file must be made anew, and that it survives being read back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._archive import release_file

DAY = 86400
NOW = 1795179600
SUITE = release_file.Suite("mos7.0-updates", "Example", "mos7.0", "mos7.0", "7.0", "", ("amd64",), ("main", "restricted"), False, 30 * DAY)
INDICES = {"main/binary-amd64/Packages": b"x", "main/binary-amd64/Packages.gz": b"y"}


def test_the_fields_of_a_mos_suite() -> None:
    """Suite names the suite, Codename is shared by all suites of the release."""
    head = release_file.render(SUITE, INDICES, NOW).decode().partition("SHA256:\n")[0]
    assert head.splitlines() == [
        "Origin: Example", "Label: mos7.0", "Suite: mos7.0-updates", "Version: 7.0", "Codename: mos7.0", "Date: Fri, 20 Nov 2026 13:00:00 UTC",
        "Valid-Until: Sun, 20 Dec 2026 13:00:00 UTC", "Acquire-By-Hash: yes", "No-Support-for-Architecture-all: Packages",
        "Architectures: amd64", "Components: main restricted",
    ]


def test_proposed_is_not_automatic() -> None:
    """apt then gives priority 100: opt-in, and upgrades once opted in."""
    text = release_file.render(SUITE._replace(not_automatic=True), INDICES, NOW)
    assert b"\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n" in text


def test_it_is_good_until_half_of_its_window_is_left() -> None:
    """Then it is signed again although nothing changed."""
    release = release_file.render(SUITE, INDICES, NOW)
    assert release_file.still_good(release, SUITE, INDICES, NOW + 15 * DAY)
    assert not release_file.still_good(release, SUITE, INDICES, NOW + 15 * DAY + 1)


def test_without_a_window_it_is_good_for_ever() -> None:
    """No Valid-Until, nothing to renew."""
    suite = SUITE._replace(valid_for=0)
    assert release_file.still_good(release_file.render(suite, INDICES, NOW), suite, INDICES, NOW + 9999 * DAY)


def test_any_other_content_or_identity_makes_it_stale() -> None:
    """One byte of one index, one field."""
    release = release_file.render(SUITE, INDICES, NOW)
    assert not release_file.still_good(release, SUITE, {**INDICES, "main/binary-amd64/Packages": b"z"}, NOW)
    assert not release_file.still_good(release, SUITE._replace(label="other"), INDICES, NOW)
    assert not release_file.still_good(b"junk \xff", SUITE, INDICES, NOW)


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(min_value=0, max_value=4102444800))
def test_dates_are_read_back(date: int) -> None:
    """To the second, in any year."""
    assert release_file.dates(release_file.render(SUITE, INDICES, date)) == (date, date + SUITE.valid_for)


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(min_value=0), st.integers(min_value=0))
def test_a_date_never_stands_still(previous: int, now: int) -> None:
    """Even when the clock was set back."""
    following = release_file.next_date(previous, now)
    assert following > previous and following >= now
