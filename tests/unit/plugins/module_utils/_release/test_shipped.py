# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped manifests and the documented example: valid, and resolved to the layouts that really exist."""

from __future__ import annotations

import datetime
import pathlib

import pytest
import yaml

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import parse
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.resolve import Wishes, resolve
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.manifests import ALMA, DEBIAN, KEY, host_of

DOCS = pathlib.Path(__file__).parents[5] / "docs"
EXAMPLE = DOCS / "examples" / "site-release.yml"
FILLED_IN = {"uri": "http://mirror.example.org/deb", "suite": "{codename}{suffix}", "components": ["main"], "origin": "EGI"}
PLATFORMS = [
    (name, platform) for name in manifest.shipped_names() for platform in manifest.load_shipped(name)["platforms"]
]


def repositories(name, platform, **wishes):
    """Return what a shipped release resolves to on a platform once a site has filled in what is unknown."""
    release = manifest.load_shipped(name)
    family = release["platforms"][platform]["format"]
    for field in release[family].get("unknown", {}):
        if field in FILLED_IN:
            release[family][field] = FILLED_IN[field]
    resolved = resolve(manifest.check(release, name), host_of(release["platforms"][platform]), Wishes(keys=[KEY], **wishes))
    assert resolved["platform"] == platform
    return resolved["repositories"]


def test_the_promised_releases_ship():
    assert manifest.shipped_names() == [
        "cmd-one-1", "cmd-os-1", "mos-6.1", "mos-7.0", "mos-8.0", "mos-9.0", "umd-4", "umd-5",
    ]


@pytest.mark.parametrize("name, platform", PLATFORMS)
def test_a_shipped_release_resolves_on_each_of_its_platforms(name, platform):
    entries = repositories(name, platform)
    family = "apt" if "uris" in entries[0] else "dnf"
    assert [taken.name for taken in parse(entries, family, name)] == [entry["name"] for entry in entries]
    assert manifest.load_shipped(name)["name"] == name
    assert entries
    assert len({entry["name"] for entry in entries}) == len(entries)
    assert len({(str(entry.get("uris")), entry.get("suite"), str(entry.get("baseurl"))) for entry in entries}) == len(entries)


@pytest.mark.parametrize("name, platform", PLATFORMS)
def test_a_shipped_release_never_resolves_with_a_guessed_key(name, platform):
    release = manifest.load_shipped(name)
    family = release["platforms"][platform]["format"]
    if "keys" not in release[family].get("unknown", {}):
        assert release[family]["keys"]
        return
    with pytest.raises(Failure, match=f"says that {family}.keys is unknown: .*pass keys="):
        resolve(release, host_of(release["platforms"][platform]))


def test_mos_7_0_deb_suites():
    entries = repositories("mos-7.0", "trusty")
    assert {entry["kind"]: entry["suite"] for entry in entries} == {
        "base": "mos7.0",
        "updates": "mos7.0-updates",
        "security": "mos7.0-security",
        "proposed": "mos7.0-proposed",
        "holdback": "mos7.0-holdback",
    }
    for entry in entries:
        assert entry["uris"] == ["http://mirror.fuel-infra.org/mos-repos/ubuntu/7.0"]
        assert (entry["origin"], entry["label"]) == ("Mirantis", "mos7.0")
        assert entry["components"] == ["main", "restricted"]


def test_mos_9_0_rpm_directories():
    root = "http://mirror.fuel-infra.org/mos-repos/centos/mos9.0-centos7"
    assert {entry["kind"]: entry["baseurl"] for entry in repositories("mos-9.0", "centos7")} == {
        "base": [f"{root}/os/x86_64"],
        "updates": [f"{root}/updates/x86_64"],
        "security": [f"{root}/security/x86_64"],
        "holdback": [f"{root}/holdback/x86_64"],
        "proposed": [f"{root}/cr/x86_64"],
    }


def test_mos_6_1_keeps_the_older_structure_beside_the_newer_one():
    assert repositories("mos-6.1", "trusty", kinds=["updates"])[0]["uris"] == ["http://mirror.fuel-infra.org/mos/ubuntu"]
    assert [entry["baseurl"] for entry in repositories("mos-6.1", "centos6")] == [
        ["http://mirror.fuel-infra.org/mos/centos-6/mos6.1/updates/"],
        ["http://mirror.fuel-infra.org/mos/centos-6/mos6.1/security/"],
    ]


def test_mos_snapshot_is_the_target_of_the_release_pointer():
    entries = repositories("mos-7.0", "trusty", snapshot="snapshots/7.0-2015-10-01-120000")
    assert {entry["uris"][0] for entry in entries} == {
        "http://mirror.fuel-infra.org/mos-repos/ubuntu/snapshots/7.0-2015-10-01-120000",
    }


def test_cmd_os_1_on_both_required_platforms():
    root = "http://repository.egi.eu/sw/production/cmd-os/1"
    assert [(entry["name"], entry["baseurl"], entry["signed_metadata"]) for entry in repositories("cmd-os-1", "centos7")] == [
        ("cmd-os-1-base", [f"{root}/centos7/$basearch/base"], False),
        ("cmd-os-1-updates", [f"{root}/centos7/$basearch/updates"], False),
    ]
    assert [(entry["name"], entry["uris"], entry["suite"]) for entry in repositories("cmd-os-1", "xenial")] == [
        ("cmd-os-1-base", [f"{root}/ubuntu"], "xenial"),
        ("cmd-os-1-updates", [f"{root}/ubuntu"], "xenial-updates"),
    ]


def test_cmd_os_1_states_its_dates_and_required_platforms():
    release = manifest.load_shipped("cmd-os-1")
    assert release["dates"] == {"ga": datetime.date(2016, 12, 15)}
    assert release["platforms_required"] == ["centos7", "xenial"]


def test_umd_4_gives_centos_6_the_scientific_linux_layout():
    facts = {"distribution": "CentOS", "distribution_version": "6.10", "architecture": "x86_64"}
    resolved = resolve(manifest.load_shipped("umd-4"), facts, Wishes(keys=[KEY]))
    assert resolved["platform"] == "sl6"
    assert resolved["repositories"][0]["baseurl"] == ["http://repository.egi.eu/sw/production/umd/4/sl6/$basearch/base"]


def test_umd_5_takes_part_in_testing_and_contrib_only_when_asked():
    assert [(entry["kind"], entry["opt_in"], entry["baseurl"][0]) for entry in repositories("umd-5", "al9", opt_in=["contrib"])] == [
        ("updates", False, "https://repository.egi.eu/repository/umd/5/al9/release/$basearch"),
        ("contrib", True, "https://repository.egi.eu/repository/umd/5/al9/contrib/$basearch"),
        ("proposed", False, "https://repository.egi.eu/repository/umd/5/al9/testing/$basearch"),
    ]


@pytest.mark.skipif(not EXAMPLE.exists(), reason="an installed collection has no docs/examples")
def test_the_documented_site_release_resolves_on_both_families():
    release = manifest.load_file(str(EXAMPLE))
    assert resolve(release, ALMA)["repositories"][1]["baseurl"] == ["https://repo.example.org/rpm/site-1-el9/base/$basearch"]
    assert [entry["suite"] for entry in resolve(release, DEBIAN)["repositories"]] == [
        "bookworm-site-1-holdback", "bookworm-site-1", "bookworm-site-1-updates", "bookworm-site-1-security",
        "bookworm-site-1-proposed",
    ]


@pytest.mark.skipif(not EXAMPLE.exists(), reason="an installed collection has no docs/examples")
def test_the_guide_shows_the_example_and_every_shipped_release():
    guide = (DOCS / "manifest.md").read_text(encoding="utf-8")
    shown = next(block for block in guide.split("```") if block.startswith("yaml\nschema: 1"))
    assert yaml.safe_load(shown[len("yaml"):]) == yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert [name for name in manifest.shipped_names() if f"| `{name}` |" not in guide] == []
