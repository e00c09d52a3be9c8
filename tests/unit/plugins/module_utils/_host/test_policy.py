# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bands become numbers that keep their order, whatever a site asks for."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import policy
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Repository, parse
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS, KINDS

FAMILIES = ("apt", "dnf")
WHERE: t.Dict[str, t.Dict[str, t.Any]] = {
    "apt": {"uris": ["http://repo.example.org/apt"], "components": ["main"], "origin": "Example"},
    "dnf": {"baseurl": ["http://repo.example.org/rpm"]},
}


def repositories(family: str, *wishes: t.Dict[str, t.Any]) -> t.List[Repository]:
    """Return checked repositories, each as given and somewhere."""
    entries = []
    for index, wish in enumerate(wishes):
        suite = {"suite": f"suite-{index}"} if family == "apt" else {}
        entries.append({"name": f"repository-{index}", "keys": [{"content": "key"}], **WHERE[family], **suite, **wish})
    return parse(entries, family, "example")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_band_is_stronger_than_the_next(family: str) -> None:
    numbers = [policy.number(family, one) for one in repositories(family, *({"band": band} for band in BANDS))]
    assert all(policy.stronger(family, one, other) for one, other in zip(numbers, numbers[1:]))


def test_the_overlay_may_downgrade_on_apt_and_the_distribution_may_not() -> None:
    developer, holdback, overlay, distribution, proposed = [
        policy.number("apt", one) for one in repositories("apt", *({"band": band} for band in BANDS))
    ]
    assert min(developer, holdback, overlay) >= 1001
    assert max(distribution, proposed) < 990


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["proposed", "candidate", "untested", "contrib"])
def test_what_is_proposed_stands_below_the_distribution_until_opted_in(family: str, kind: str) -> None:
    asked, unasked, updates, distribution = repositories(
        family, {"kind": kind, "opt_in": True}, {"kind": kind}, {"kind": "updates"}, {"band": "distribution"})
    assert policy.number(family, asked) == policy.number(family, updates)
    assert policy.stronger(family, policy.number(family, distribution), policy.number(family, unasked))
    assert policy.is_enabled(family, asked)
    assert policy.is_enabled(family, unasked) == (family == "apt")


@pytest.mark.parametrize("family", FAMILIES)
def test_updates_security_and_base_are_equal(family: str) -> None:
    kinds = repositories(family, {"kind": "base"}, {"kind": "updates"}, {"kind": "security"})
    assert len({policy.number(family, one) for one in kinds}) == 1


wish = st.fixed_dictionaries(
    {}, optional={"priority": st.one_of(st.integers(-5, 1500), st.integers(-70000, 70000)), "opt_in": st.booleans()}
).flatmap(lambda rest: st.one_of(
    st.sampled_from(KINDS).map(lambda kind: {**rest, "kind": kind}), st.sampled_from(BANDS).map(lambda band: {**rest, "band": band})))


@given(st.sampled_from(FAMILIES), st.lists(wish, min_size=1, max_size=8))
def test_no_accepted_set_has_a_weaker_band_level_with_or_above_a_stronger_one(family: str, wishes: t.List[t.Dict[str, t.Any]]) -> None:
    parsed = repositories(family, *wishes)
    try:
        policy.check_order(family, "example", parsed)
    except Failure as failure:
        assert any(one.name in str(failure) for one in parsed)
        assert any(one.priority is not None for one in parsed), "numbers by rule are never refused"
        return
    for one in parsed:
        number = policy.number(family, one)
        assert number != 0
        assert -32768 <= number <= 32767
        assert (number >= 1001) == (one.band in ("developer", "holdback", "overlay")) or family == "dnf"
        for other in parsed:
            if BANDS.index(one.band) < BANDS.index(other.band):
                assert policy.stronger(family, number, policy.number(family, other))


def test_a_refused_number_names_repository_band_and_range() -> None:
    with pytest.raises(Failure, match=r"priority 0 of 'repository-0' is outside band overlay \(1001 to 1299 for apt\)"):
        policy.check_order("apt", "example", repositories("apt", {"kind": "updates", "priority": 0}))


def test_numbers_that_are_fine_alone_are_refused_together() -> None:
    with pytest.raises(Failure, match="does not outrank"):
        policy.check_order("apt", "example", repositories("apt", {"kind": "updates", "priority": 1250}, {"kind": "holdback", "priority": 1250}))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("band", BANDS)
def test_the_band_of_a_number_by_rule_is_its_band(family: str, band: str) -> None:
    (one,) = repositories(family, {"band": band})
    assert policy.band(family, policy.number(family, one)) == band


@given(st.integers(-32768, 32767))
def test_what_may_downgrade_on_apt_is_above_the_operating_system(priority: int) -> None:
    above = BANDS.index(policy.band("apt", priority)) <= BANDS.index("overlay")
    assert above == (priority > 1000)
