# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases and sets become the configuration of cmd-mirror; what cannot be mirrored is refused before a host is touched."""

from __future__ import annotations

import copy
import json

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.filter.mirror_configuration import FilterModule
from ansible_collections.egi.cmd.plugins.module_utils._mirror import configuration

told = FilterModule().filters()["mirror_configuration"]
ROOT = {"root": "/srv/mirror"}
KEY = {"fingerprint": "0123456789ABCDEF0123456789ABCDEF01234567", "url": "https://repo.example.org/key.asc"}
OTHER = {"fingerprint": "F" * 40, "url": "https://repo.example.org/other.asc"}
SITE = {
    "schema": 1, "name": "site-1", "distribution": "SITE", "version": "1", "kinds": ["base", "updates"], "keys": [KEY],
    "platforms": {
        "debian12": {"os": ["Debian"], "version": "12", "codename": "bookworm", "format": "deb"},
        "debian13": {"os": ["Debian"], "version": "13", "codename": "trixie", "format": "deb"},
        "el9": {"os": ["AlmaLinux"], "version": "9", "format": "rpm"},
    },
    "deb": {"uri": "https://repo.example.org/deb", "suite": "{codename}-{release}{suffix}", "components": ["main"], "origin": "Site"},
    "rpm": {"baseurl": "https://repo.example.org/{platform}/{kind}/$basearch", "signed_metadata": True, "kind_names": {"base": "os"}},
}
BASE = {"name": "deb", "format": "deb", "urls": ["https://deb.example.org/debian"], "suites": ["bookworm"]}


def site(**changes):
    return {**copy.deepcopy(SITE), **changes}


def sources(release=None, manifest=None, sets=None):
    answer = told(sets or {}, ROOT, releases=[release or {}], manifests=[manifest or site()])
    return {source["name"]: source for source in answer["configuration"]["sets"]["site-1"]["sources"]}


def test_suites_of_one_archive_are_one_source_and_each_rpm_repository_is_one():
    found = sources()
    assert sorted(found) == ["deb", "el9-os-x86_64", "el9-updates-x86_64"]
    assert found["deb"]["suites"] == ["bookworm-site-1", "bookworm-site-1-updates", "trixie-site-1", "trixie-site-1-updates"]
    assert found["deb"]["architectures"] == ["amd64"]
    assert found["el9-updates-x86_64"]["urls"] == ["https://repo.example.org/el9/updates/x86_64"]


def test_the_choice_of_a_release_is_kept():
    found = sources({"platforms": ["debian13", "el9"], "kinds": ["base"], "architectures": ["amd64", "aarch64"]})
    assert sorted(found) == ["deb", "el9-os-aarch64", "el9-os-x86_64"]
    assert (found["deb"]["suites"], found["deb"]["architectures"]) == (["trixie-site-1"], ["amd64", "arm64"])


def test_archives_of_their_own_are_called_after_their_platform_however_few_are_chosen():
    manifest = site(deb={**SITE["deb"], "uri": "https://repo.example.org/{platform}"})
    assert {"debian12-deb", "debian13-deb"} < set(sources(manifest=manifest))
    assert set(sources({"platforms": ["debian12"]}, manifest)) == {"debian12-deb"}


def test_what_the_filter_makes_cmd_mirror_takes(tmp_path):
    answer = told({"debian12": {"sources": [{**BASE, "keys": [KEY, OTHER]}], "keep": {"count": 3}}}, ROOT,
                  releases=[{"publish": False}], manifests=[site()])
    (tmp_path / "config.json").write_text(json.dumps(answer["configuration"]))
    read = configuration.load(str(tmp_path / "config.json"))
    assert sorted(read.sets) == ["debian12", "site-1"] and not read.sets["site-1"].publish and read.sets["debian12"].policy.keep == 3
    used = {source.keyring for of_set in read.sets.values() for source in of_set.sources}
    assert used == {ring["path"] for ring in answer["keyrings"]} and len(used) == 2


def test_other_keys_are_another_keyring_and_their_order_is_not():
    def path(*keys):
        return told({"a": {"sources": [{**BASE, "keys": list(keys)}]}}, ROOT)["keyrings"][0]["path"]

    assert path(KEY) == f"/etc/cmd-mirror/keys/{KEY['fingerprint']}.gpg"
    assert path(KEY, OTHER) == path(OTHER, KEY) != path(KEY)


def test_the_sites_key_signs_where_nobody_else_does():
    part = {"sources": [{**BASE, "keys": [KEY], "mode": "rebuilt"}]}
    own = {"home": "/srv/keys", "keys": ["A" * 40]}
    sets = {"whole": {"sources": [{**BASE, "keys": [KEY]}]}, "part": part, "own": {**part, "signing": {"keyring": "/srv/site.gpg"}}}
    answer = told(sets, ROOT, signing=own)["configuration"]["sets"]
    assert "signing" not in answer["whole"] and answer["part"]["signing"] == own and answer["own"]["signing"] == {"keyring": "/srv/site.gpg"}
    with pytest.raises(AnsibleFilterError, match=r"sets\.part\.signing: expected who signs"):
        told(sets, ROOT)


@pytest.mark.parametrize(("sets", "release", "manifest", "why"), [
    ({"a": {"sources": [BASE]}}, {}, SITE, r"sets\.a\.sources\[0\]\.keyring"),
    ({"a": {"sources": [{**BASE, "keys": [{"url": "https://x.example.org/key"}]}]}}, {}, SITE, r"sets\.a\.sources\[0\]\.keys\[0\] has no full fingerprint"),
    ({"a": {"sources": [{**BASE, "keys": [KEY], "keyring": "/k.gpg"}]}}, {}, SITE, "both keys and keyring"),
    ({"a": {"sources": "x"}}, {}, SITE, r"sets\.a\.sources"),
    ({"site-1": {"sources": [{**BASE, "keys": [KEY]}]}}, {}, SITE, "another set 'site-1'"),
    ({}, {"platform": "el9"}, SITE, r"releases\[0\]: platform is unknown"),
    ({}, {"platforms": ["el8"]}, SITE, "no platform 'el8'"),
    ({}, {"kinds": ["update"]}, SITE, "'update' is no kind"),
    ({}, {"kinds": ["holdback"]}, SITE, "nothing of it was chosen"),
    ({}, {}, site(name=1), "name: expected"),
    ({}, {}, site(rpm={**SITE["rpm"], "baseurl": "https://repo.example.org/$releasever/{kind}"}), r"\$releasever"),
])
def test_refusals_name_the_place(sets, release, manifest, why):
    with pytest.raises(AnsibleFilterError, match=why):
        told(sets, ROOT, releases=[release], manifests=[copy.deepcopy(manifest)])
