# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolving: the right platform, the right order, and words for everything that cannot be resolved."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS, KINDS, OPT_IN_KINDS, band_of
from ansible_collections.egi.cmd.plugins.module_utils._release.layout import recognise, release_values
from ansible_collections.egi.cmd.plugins.module_utils._release.resolve import Wishes, resolve
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.manifests import (
    ALMA,
    DEBIAN,
    FINGERPRINT,
    KEY,
    changed,
    example,
)

EPEL = {"name": "epel", "band": "distribution", "baseurl": ["https://epel.example.org/9"], "keys": [KEY]}
REVIEW = {"name": "review-1", "band": "developer", "baseurl": ["https://review.example.org/1"], "keys": [KEY]}


def resolved(release=None, facts=None, **wishes):
    """Resolve the example, or release, for an AlmaLinux 9 host, or facts."""
    return resolve(manifest.check(release or example(), "site.yml"), facts or ALMA, Wishes(**wishes))


def kinds(release=None, facts=None, **wishes):
    """Return the kinds, or for extras the names, in the order of the set."""
    return [entry.get("kind", entry["name"]) for entry in resolved(release, facts, **wishes)["repositories"]]


def refusal(release=None, facts=None, **wishes):
    """Return the words in which resolving is refused."""
    with pytest.raises(Failure) as refused:
        resolved(release, facts, **wishes)
    return str(refused.value)


def test_a_deb_host_gets_exactly_this():
    assert resolved(facts=DEBIAN, kinds="updates") == {
        "release": "example-1",
        "platform": "bookworm",
        "format": "deb",
        "architecture": "amd64",
        "repositories": [{
            "name": "example-1-updates",
            "kind": "updates",
            "description": "EXAMPLE 1 updates",
            "uris": ["http://repo.example.org/deb"],
            "suite": "example-1-updates",
            "components": ["main"],
            "origin": "Example",
            "keys": [KEY],
            "enabled": True,
            "opt_in": False,
        }],
    }


def test_an_rpm_host_gets_exactly_this():
    assert resolved(kinds=["base"])["repositories"] == [{
        "name": "example-1-base",
        "kind": "base",
        "description": "EXAMPLE 1 base",
        "baseurl": ["http://repo.example.org/rpm/el9/base"],
        "signed_metadata": True,
        "keys": [KEY],
        "enabled": True,
        "opt_in": False,
    }]


def test_facts_with_the_prefix_are_understood_and_machine_stands_in_for_architecture():
    facts = {f"ansible_{name}": value for name, value in ALMA.items() if name != "architecture"}
    assert resolved(facts={**facts, "ansible_machine": "aarch64"})["architecture"] == "aarch64"


@pytest.mark.parametrize("version, codename, fits", [
    ("12", "bookworm", True), ("12.9", "bookworm", True), ("12.9", "NA", True), ("12", "trixie", False),
    ("13", "bookworm", False), ("120.1", "bookworm", False), ("", "bookworm", False),
])
def test_version_and_codename_both_have_to_fit(version, codename, fits):
    facts = {"distribution": "Debian", "distribution_version": version, "distribution_release": codename, "architecture": "x86_64"}
    if fits:
        assert resolved(facts=facts)["platform"] == "bookworm"
    else:
        assert "and example-1 has the platforms" in refusal(facts=facts)


def test_a_codename_alone_is_enough_for_a_release_without_a_number():
    release = changed("platforms.sid", {"os": ["Debian"], "codename": "sid", "format": "deb"})
    assert resolved(release, {"distribution": "Debian", "distribution_release": "sid", "architecture": "x86_64"})["platform"] == "sid"


def test_the_most_exact_platform_wins():
    release = changed("platforms.el94", {"os": ["AlmaLinux"], "version": "9.4", "format": "rpm"})
    assert resolved(release)["platform"] == "el94"
    assert resolved(release, {**ALMA, "distribution_version": "9.5"})["platform"] == "el9"


def test_an_unknown_platform_names_the_host_and_what_there_is():
    facts = {"distribution": "Ubuntu", "distribution_version": "24.04", "distribution_release": "noble", "architecture": "x86_64"}
    assert refusal(facts=facts) == (
        "Failed to resolve release example-1: the host is Ubuntu 24.04 (noble) on x86_64, and example-1 has the platforms"
        " el9 (AlmaLinux/Rocky 9 on x86_64/aarch64), bookworm (Debian 12 bookworm)."
        " Use a release that has the platform, or name one with platform=."
    )


def test_an_architecture_the_platform_does_not_have_is_refused():
    assert "has the platforms el9" in refusal(facts={**ALMA, "architecture": "s390x"})
    assert "the host is s390x, and the platform has only x86_64, aarch64" in refusal(
        facts={**ALMA, "architecture": "s390x"}, platform="el9")


def test_a_platform_can_be_named():
    assert resolved(facts={**ALMA, "distribution": "OracleLinux"}, platform="el9")["platform"] == "el9"
    assert "there is no platform 'el8'. It has el9, bookworm." in refusal(platform="el8")


@pytest.mark.parametrize("facts, why", [
    ("facts", "the facts are not a map. Pass ansible_facts."),
    ({"distribution": "Debian"}, "the host's facts lack distribution_version, architecture."),
])
def test_missing_facts_are_named(facts, why):
    assert why in refusal(facts=facts)


def test_the_strongest_band_comes_first():
    every = list(KINDS)
    order = ["developer", "holdback", "base", "updates", "security", "proposed", "candidate", "untested", "contrib"]
    assert kinds(example(kinds=every)) == order
    assert kinds(example(kinds=every[::-1]), opt_in=["candidate"]) == [
        "developer", "holdback", "base", "updates", "security", "candidate", "proposed", "untested", "contrib",
    ]


@given(st.lists(st.sampled_from(KINDS), min_size=1, unique=True), st.data())
def test_order_follows_the_bands_and_does_not_depend_on_how_the_manifest_was_written(written, data):
    opted = data.draw(st.lists(st.sampled_from([kind for kind in written if kind in OPT_IN_KINDS] or [None]), unique=True))
    opted = [kind for kind in opted if kind]
    entries = resolved(example(kinds=written), opt_in=opted)["repositories"]
    ranks = [BANDS.index(band_of(entry["kind"], entry["opt_in"])) for entry in entries]
    assert ranks == sorted(ranks)
    assert {entry["kind"] for entry in entries if entry["opt_in"]} == set(opted)
    assert entries == resolved(example(kinds=sorted(written)), opt_in=opted[::-1])["repositories"]


def test_opting_in_changes_one_word_and_not_the_shape():
    before, after = resolved()["repositories"], resolved(opt_in="proposed")["repositories"]
    assert after[-1] == {**before[-1], "opt_in": True}
    assert after[:-1] == before[:-1]


def test_only_what_exists_can_be_asked_for():
    assert "opt_in names 'updates', which is not among proposed. Correct opt_in." in refusal(opt_in=["updates"])
    assert "kinds names 'security', which is not among base, updates, proposed. Correct kinds." in refusal(kinds=["security"])
    assert "opt_in names 'proposed', which is not among nothing." in refusal(example(kinds=["base"]), opt_in=["proposed"])


def test_extra_repositories_take_their_place():
    assert kinds(extra=[EPEL, REVIEW]) == ["review-1", "base", "updates", "epel", "proposed"]
    entry = resolved(extra=[EPEL])["repositories"][2]
    assert entry == {**EPEL, "enabled": True, "opt_in": False}


@pytest.mark.parametrize("extra, why", [
    ({"name": "epel"}, "extra is not a list"),
    (["epel"], "extra[0] is not a map with a name"),
    ([{**EPEL, "band": None}], "extra[0] (epel) names no band. Set band to one of developer, holdback, overlay,"),
    ([EPEL, EPEL], "extra[1] (epel) has the name of another repository of the set. Rename it."),
    ([{**EPEL, "name": "example-1-base"}], "extra[0] (example-1-base) has the name of another repository"),
    ([{"name": "local", "band": "developer", "uris": ["http://x.example.org"], "suite": "s"}],
     "extra[0] (local) has uris, so it is for deb, and the host takes rpm."),
])
def test_extras_that_do_not_fit_are_refused(extra, why):
    assert why in refusal(extra=extra)


def test_builds_that_a_hold_names_are_hidden_in_the_base_of_that_platform_only():
    base, review = {**EPEL, "excludes": ["other"]}, {**REVIEW}
    holds = [{"platform": resolved()["platform"], "excludes": ["lib-2-1.noarch"]}, {"platform": "elsewhere", "excludes": ["lib-3-1.noarch"]}]
    found = {entry["name"]: entry.get("excludes", []) for entry in resolved(extra=[base, review], holds=holds)["repositories"]}
    assert {name: excludes for name, excludes in found.items() if excludes} == {EPEL["name"]: ["other", "lib-2-1.noarch"]}
    assert base["excludes"] == ["other"]


@pytest.mark.parametrize("holds, why", [({"platform": "el9"}, "holds is not a list"), ([{"platform": "el9"}], "holds[0] is not a map"), (["x"], "holds[0]")])
def test_holds_that_are_none_are_refused(holds, why):
    assert why in refusal(holds=holds)


@pytest.mark.parametrize("keys, why", [
    ("key", "keys is not a list of keys"),
    ([{"url": "https://repo.example.org/key"}], "keys[0] has no full fingerprint"),
    ([{"fingerprint": "DEADBEEF", "url": "https://repo.example.org/key"}], "keys[0] has no full fingerprint"),
    ([{"fingerprint": FINGERPRINT}], "keys[0] does not have exactly one of url, file and content"),
    ([{**KEY, "file": "/etc/key"}], "keys[0] does not have exactly one of url, file and content"),
])
def test_keys_of_a_site_follow_the_same_rule_as_those_of_a_manifest(keys, why):
    assert why in refusal(keys=keys)


def test_a_site_can_replace_the_keys():
    other = {"fingerprint": "F" * 40, "file": "/etc/site.gpg"}
    assert resolved(keys=other)["repositories"][0]["keys"] == [other]


def test_unknown_keys_are_refused_until_a_site_gives_its_own():
    release = changed("rpm.unknown", {"keys": "the distributor publishes none"})
    del release["keys"]
    release["deb"]["keys"] = [KEY]
    assert refusal(release) == (
        "Failed to resolve release example-1 for platform el9: the manifest says that rpm.keys is unknown: the distributor"
        " publishes none. Ask the distributor for the fingerprint, verify it, and pass"
        " keys=[{'fingerprint': ..., 'url': ...}]."
    )
    assert resolved(release, keys=[KEY])["repositories"]
    assert resolved(release, DEBIAN)["repositories"]


def test_a_snapshot_is_a_place_of_its_own():
    for name in ("example-1-20260101T000000Z", "snapshots/example-1-20260101T000000Z\n"):
        assert resolved(facts=DEBIAN, snapshot=name)["repositories"][0]["uris"] == [
            "http://repo.example.org/snapshots/example-1-20260101T000000Z/deb"]
    assert "'../x' is not the name of a snapshot" in refusal(facts=DEBIAN, snapshot="../x")
    assert "the manifest does not say where snapshots are (rpm.snapshot_baseurl)" in refusal(snapshot="x")


def test_a_platform_overrides_the_layout_of_its_family_field_by_field():
    release = changed("platforms.el9.rpm", {
        "baseurl": ["http://old.example.org/{kind}", "http://two.example.org/{kind}"], "kinds": ["base", "proposed"],
        "kind_names": {"base": "os", "proposed": "cr"}, "priorities": {"base": 35}, "excludes": ["kernel*"],
        "proxy": "http://proxy.example.org:3128", "signed_metadata": False,
    })
    base, proposed = resolved(release)["repositories"]
    assert base["baseurl"] == ["http://old.example.org/os", "http://two.example.org/os"]
    assert proposed["baseurl"][0] == "http://old.example.org/cr"
    assert (base["priority"], "priority" in proposed) == (35, False)
    assert (base["excludes"], base["proxy"], base["signed_metadata"]) == (["kernel*"], "http://proxy.example.org:3128", False)
    assert kinds(release, DEBIAN) == ["base", "updates", "proposed"]


def test_a_customer_overlay_follows_the_same_interface():
    release = example(
        name="customer-7.0", distribution="CUSTOMER", version="7.0",
        deb={"uri": "http://repo.example.org/customer/ubuntu/{version}", "suite": "customer{version}-{codename}{suffix}",
             "components": ["main"], "origin": "Customer", "label": "customer{version}"},
    )
    entries = resolved(release, DEBIAN)["repositories"]
    assert [(entry["name"], entry["suite"], entry["label"]) for entry in entries] == [
        ("customer-7-0-base", "customer7.0-bookworm", "customer7.0"),
        ("customer-7-0-updates", "customer7.0-bookworm-updates", "customer7.0"),
        ("customer-7-0-proposed", "customer7.0-bookworm-proposed", "customer7.0"),
    ]


@pytest.mark.parametrize("kind, names", list(itertools.product(KINDS, [{}, {"base": "os", "proposed": "cr"}])))
def test_a_suite_is_read_back_to_its_kind(kind, names):
    release = example(kinds=list(KINDS))
    release["deb"]["kind_names"] = names
    entry = resolved(release, DEBIAN, kinds=[kind])["repositories"][0]
    values = release_values(release, "bookworm")
    assert recognise("{release}{suffix}", entry["suite"], values, KINDS, names) == kind
    assert recognise("{release}{suffix}", entry["suite"] + "x", values, KINDS, names) is None


def test_a_title_describes_every_repository():
    assert resolved(example(title="Example One"))["repositories"][0]["description"] == "Example One base"
