# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a package is to its release follows from who offers which version, and from nothing else."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._host import audit, audit_apt
from ansible_collections.egi.cmd.plugins.module_utils._host.audit import Audited, Known, Offer, Since, Version
from ansible_collections.egi.cmd.plugins.module_utils._host.policy import stronger

TODAY = datetime.date(2026, 11, 20)
BASE = Offer("base", "", 500, "distribution")
SECURITY = Offer("base-security", "", 500, "distribution", security=True)
BACKPORTS = Offer("backports", "", 100, "proposed")
EXTRA = Offer("release-extra", "release", 500, "distribution")
UPDATES = Offer("release-updates", "release", 1200, "overlay")
HOLDBACK = Offer("release-holdback", "release", 1300, "holdback")
PROPOSED = Offer("release-proposed", "release", 100, "proposed")
OFFERS = (BASE, SECURITY, BACKPORTS, EXTRA, UPDATES, HOLDBACK, PROPOSED)


def judged(known: Known, dated: audit.Dated = lambda _package, _version, _offer: None) -> Audited:
    (one,) = audit.audit({"package": known}, lambda one, other: stronger("apt", one, other), dated, TODAY)
    return one


def known(installed: t.Optional[str], candidate: t.Optional[str], *versions: t.Tuple[str, t.Sequence[Offer]], held: str = "") -> Known:
    return Known(installed, candidate, tuple(Version(version, tuple(offers)) for version, offers in versions), held)


@pytest.mark.parametrize("package, category", [
    (known("1-1", "1-1", ("1-1", [BASE])), "upstream"),
    (known("1-1", "1-1", ("1-1", [EXTRA])), "upstream"),
    (known("1-1", "1-1", ("1-1", [UPDATES])), "specific"),
    (known("1-1", "1-1", ("2-1", [BACKPORTS]), ("1-1", [UPDATES])), "specific"),
    (known("2-1", "2-1", ("2-1", [UPDATES]), ("1-1", [BASE])), "upgraded"),
    (known("2-1~e1", "2-1~e1", ("2-2", [SECURITY]), ("2-1", [BASE]), ("2-1~e1", [UPDATES])), "upgraded"),
    (known("2-1", "2-1", ("3-1", [BASE]), ("2-1", [UPDATES])), "forbidden_downgrade"),
    (known("2", "2", ("1:1-1", [BASE]), ("2", [UPDATES])), "forbidden_downgrade"),
    (known("2-1", "2-1", ("3-1", [BASE]), ("2-1", [HOLDBACK])), "holdback"),
    (known("2-1", "2-1", ("3-1", [BASE]), ("2-1", [HOLDBACK, BASE])), "holdback"),
    (known("2-1", "2-1", ("2-1", [])), "orphan"),
    (known("2-1", "2-1", ("2-1", []), ("1-1", [BASE])), "orphan"),
    (known("1-1", "2-1", ("2-1", [BASE]), ("1-1", [])), "upstream"),
    (known("2-1", "1-1", ("2-1", []), ("1-1", [UPDATES])), "specific"),
    (known(None, "1-1", ("1-1", [UPDATES])), "specific"),
])
def test_the_category(package: Known, category: str) -> None:
    assert judged(package).category == category


def test_what_a_candidate_brings_is_shown() -> None:
    one = judged(known("1-1", "2-1", ("2-1", [Offer("release-updates", "release", 1200, "overlay", "EGI")]), ("1-1", [BASE])))
    assert (one.repository, one.origin, one.priority, one.release, one.drift) == ("release-updates", "EGI", 1200, "2-1", "older")


def test_the_strongest_repository_is_the_release_and_the_newest_of_equals() -> None:
    versions = (("4-1", [PROPOSED]), ("3-1", [UPDATES]), ("2-1", [HOLDBACK]), ("1-1", [HOLDBACK]))
    one = judged(known("3-1", "2-1", *versions))
    assert (one.release, one.drift) == ("2-1", "newer")


def test_a_hidden_fix_is_dated_and_says_what_hides_it() -> None:
    versions = (("2-2", [SECURITY]), ("2-1", [BASE]), ("2-1~e1", [UPDATES]))

    def dated(_package: str, version: str, _offer: Offer) -> t.Optional[Since]:
        return Since(datetime.date(2026, 11, 1), "release_file") if version == "2-2" else None

    fix, other = judged(known("2-1~e1", "2-1~e1", *versions), dated).masked
    assert (fix.version, fix.repository, fix.security, fix.by, fix.since, fix.evidence, fix.age_days) == (
        "2-2", "base-security", True, "release-updates", "2026-11-01", "release_file", 19)
    assert (other.since, other.evidence, other.age_days) == (None, "", None)


def test_a_hold_hides_what_is_newer_than_the_installed_version_alone() -> None:
    versions = (("2-1", [BASE]), ("1-1", [BASE]))
    assert [one.by for one in judged(known("1-1", "2-1", *versions, held="apt-mark hold")).masked] == ["apt-mark hold"]
    assert judged(known("1-1", "2-1", *versions)).masked == []
    assert judged(known(None, "2-1", *versions, held="apt-mark hold")).masked == []
    assert [one.by for one in judged(known("1-1", "1-1", *versions)).masked] == ["a setting of the host"]


@st.composite
def packages(draw: st.DrawFn) -> Known:
    names = [f"{software}-{revision}" for software in (3, 2, 1) for revision in (2, 1)]
    versions = {name: draw(st.lists(st.sampled_from(OFFERS), unique=True, max_size=3)) for name in draw(st.sets(st.sampled_from(names), min_size=1))}
    installed = draw(st.none() | st.sampled_from(sorted(versions)))
    candidates = [name for name, offers in versions.items() if offers or name == installed]
    candidate = draw(st.sampled_from(sorted(candidates))) if candidates else None
    held = draw(st.sampled_from(["", "apt-mark hold"]))
    # Only the installed version may be offered by nobody.
    listed = [(name, versions[name]) for name in names if name in versions and (versions[name] or name == installed)]
    return known(installed, candidate, *listed, held=held)


@given(packages())
def test_what_is_said_agrees_with_who_offers_what(package: Known) -> None:
    one = judged(package)
    place = {version.version: number for number, version in enumerate(package.versions)}
    offers = [(version.version, offer) for version in package.versions for offer in version.offers]
    ours = [version for version, offer in offers if offer in (UPDATES, HOLDBACK)]
    assert one.category in audit.CATEGORIES and set(one.findings) <= set(audit.FINDINGS)
    assert (one.release is None) == (not ours) and (one.release is None or one.release in ours)
    assert bool(one.drift) == (one.release is not None and one.installed not in (None, one.release))
    if not ours:
        assert one.category in ("upstream", "orphan")
    replaced = [version for version, _offer in offers if one.installed and place[version] <= place[one.installed]]
    assert (one.category == "orphan") == (one.installed is not None and not ours and not replaced)
    kept = one.installed if one.held and one.installed else one.candidate or one.installed
    expected = {(version, offer.repository) for version, offer in offers
                if kept is not None and offer in (BASE, SECURITY, EXTRA) and place[version] < place[kept]}
    assert {(masked.version, masked.repository) for masked in one.masked} == expected
    assert ("masked_security" in one.findings) == any(repository == "base-security" for _version, repository in expected)
    if one.category == "forbidden_downgrade":
        assert any(place[version] < place[kept] for version, _repository in expected) or one.held


@given(st.lists(packages(), max_size=5))
def test_the_summary_counts_every_installed_package_once(some: t.List[Known]) -> None:
    found = audit.audit({f"package-{number}": one for number, one in enumerate(some)}, lambda one, other: one > other, lambda *_: None, TODAY)
    summary = audit.summary(found)
    assert sum(summary["categories"].values()) == summary["installed"] == sum(one.installed is not None for one in some)
    assert summary["divergent"] <= summary["installed"]


def test_an_index_of_a_flat_repository_is_a_place_too() -> None:
    assert audit_apt._place("http://repo.example.org/flat ./ Packages") == ("http://repo.example.org/flat", "./")
    assert audit_apt._place("http://repo.example.org/apt suite/updates/main amd64 Packages") == ("http://repo.example.org/apt", "suite/updates")


def test_the_day_of_a_release_file(tmp_path: t.Any) -> None:
    path = tmp_path / "InRelease"
    assert audit_apt._day(str(path)) is None
    path.write_text("Origin: Example\nDate: Sat, 21 Nov 2026 00:00:01 UTC\n")
    assert audit_apt._day(str(path)) == datetime.date(2026, 11, 21)
    path.write_text("Date: no day\n")
    assert audit_apt._day(str(path)) is None
