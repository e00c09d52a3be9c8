# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions: what is wrong is told by rule and place, and what is right becomes cells with their repositories."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import definition, definition_cell

KEYS = [{"fingerprint": "A" * 40, "file": "/etc/keys/site.gpg"}]
Data = t.Dict[str, t.Any]


def suite(name: str, path: str = "debian") -> Data:
    return {"name": name, "uris": [f"http://{path}.example.org/debian"], "suite": name, "components": ["main"], "origin": "Debian", "keys": KEYS}


RELEASE: Data = {
    "schema": 1, "name": "site-1", "distribution": "SITE", "version": "1", "kinds": ["base", "updates"],
    "platforms": {"bookworm": {"os": ["Debian"], "version": "12", "codename": "bookworm", "format": "deb"},
                  "el9": {"os": ["AlmaLinux"], "version": "9", "format": "rpm"}},
    "deb": {"uri": "https://repo.example.org/deb/{release}", "snapshot_uri": "https://repo.example.org/snapshots/{snapshot}/deb",
            "suite": "{codename}-{release}{suffix}", "components": ["main"], "origin": "Example Site"},
    "rpm": {"baseurl": "https://repo.example.org/rpm/{release}/{kind}/$basearch", "signed_metadata": True},
    "keys": [{"fingerprint": "B" * 40, "url": "https://repo.example.org/key.asc"}],
}


def data(**changes: t.Any) -> Data:
    base = {"name": "debian", "repositories": [suite("bookworm"), suite("bookworm-security", "security")]}
    return {"name": "site-cloud", "platform": "bookworm", "epoch": 1763596800, "release": RELEASE, "base": base, **changes}


def rules(**changes: t.Any) -> t.List[str]:
    return [problem.rule for problem in definition.problems(data(**changes))]


def test_a_plain_definition_has_no_problem() -> None:
    assert definition.problems(data()) == []


@pytest.mark.parametrize(("changes", "rule", "place"), [
    ({"pakages": ["hello"]}, "field-unknown", "pakages"),
    ({"name": ""}, "field-missing", "name"),
    ({"name": "Site Cloud"}, "field-value", "name"),
    ({"platform": None}, "field-missing", "platform"),
    ({"epoch": None}, "field-missing", "epoch"),
    ({"epoch": True}, "field-value", "epoch"),
    ({"size": "2GB"}, "field-value", "size"),
    ({"size": 2048}, "field-value", "size"),
    ({"variants": ["azure"]}, "field-value", "variants[0]"),
    ({"packages": ["hello; reboot"]}, "field-value", "packages[0]"),
    ({"packages": "hello"}, "field-value", "packages"),
    ({"post": ["echo"]}, "field-value", "post"),
    ({"kernel": {"riscv64": "linux-image-riscv64"}}, "field-value", "kernel.riscv64"),
    ({"mirrors": {"http://debian.example.org/": "ftp://mirror/"}}, "field-value", "mirrors.http://debian.example.org/"),
    ({"base": None}, "field-missing", "base"),
    ({"base": {"repositories": []}}, "base-repository", "base.repositories"),
    ({"base": {"repositories": [suite("bookworm")]}}, "base-security", "base.repositories"),
    ({"release": None, "snapshot": "site-1-20261120"}, "release-missing", "release"),
    ({"release": None, "release_packages": ["hello"]}, "release-missing", "release"),
    ({"external": {"path": "/srv/disk.raw", "sha256": "0" * 64}}, "external-alone", "external"),
    ({"external": {"path": "disk.raw", "sha256": "0" * 64}}, "field-value", "external"),
    ({"variants": ["container"], "size": "4GiB"}, "container-alone", "variants"),
    ({"packages": ["hello"], "release_packages": ["hello=1.0-1"]}, "package-twice", "packages"),
])
def test_a_problem_is_told_by_rule_and_place(changes: Data, rule: str, place: str) -> None:
    found = definition.problems(data(**changes))
    assert [(problem.rule, problem.place) for problem in found] == [(rule, place)]
    with pytest.raises(Failure, match=rule):
        definition.parse(data(**changes))


def test_every_rule_has_a_name_that_is_published() -> None:
    assert {"field-unknown", *rules(pakages=1)} <= set(definition.RULES)


def test_a_missing_security_suite_is_accepted_when_the_reason_is_said() -> None:
    assert rules(base={"repositories": [suite("bookworm")], "without_security": "this base has no security suite"}) == []


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["name", "platform", "epoch", "base", "repositories", "external", "path", "size", "packages", "x"]), inner, max_size=5), max_leaves=20))
def test_no_data_gives_a_traceback(anything: t.Any) -> None:
    problems = definition.problems(anything)
    assert {problem.rule for problem in problems} <= set(definition.RULES)
    if problems:
        with pytest.raises(Failure):
            definition.parse(anything)


def cells(**changes: t.Any) -> t.List[definition_cell.Cell]:
    return definition_cell.cells(definition.parse(data(**changes)))


def test_a_cell_for_each_variant_and_architecture() -> None:
    found = cells(variants=["ec2", "generic"], architectures=["x86_64", "i686"])
    assert [cell.name for cell in found] == [
        "site-cloud-ec2-i686", "site-cloud-ec2-x86_64", "site-cloud-generic-i686", "site-cloud-generic-x86_64",
    ]
    assert {cell.machine for cell in found} == {"amd64", "i386"}


def test_the_image_follows_the_release_and_the_build_reads_the_snapshot() -> None:
    (cell,) = cells(snapshot="site-1-20261120T120000Z")
    overlay = cell.sets[0]
    assert {uri for one in overlay.repositories for uri in one.uris} == {"https://repo.example.org/deb/site-1"}
    assert {uri for one in overlay.sources for uri in one.uris} == {"https://repo.example.org/snapshots/site-1-20261120T120000Z/deb"}
    assert [one.suite for one in overlay.repositories] == [one.suite for one in overlay.sources] == ["bookworm-site-1-updates", "bookworm-site-1"] or \
        {one.suite for one in overlay.sources} == {"bookworm-site-1-updates", "bookworm-site-1"}


def test_mirrors_are_for_the_build_only_and_the_longest_start_wins() -> None:
    mirrors = {"http://debian.example.org/": "http://127.0.0.1:1/short/", "http://debian.example.org/debian": "http://127.0.0.1:1/long"}
    (cell,) = cells(mirrors={**mirrors, "https://repo.example.org/key.asc": "http://127.0.0.1:1/key.asc"})
    base, overlay = cell.sets[-1], cell.sets[0]
    assert base.repositories[0].uris == ("http://debian.example.org/debian",)
    assert base.sources[0].uris == ("http://127.0.0.1:1/long",)
    assert overlay.sources[0].keys[0].url == "http://127.0.0.1:1/key.asc"


def test_a_disk_has_what_boots_and_a_container_has_not() -> None:
    generic, container = sorted(cells(variants=["generic", "container"]), key=lambda cell: cell.variant, reverse=True)
    assert {"cloud-init", "linux-image-cloud-amd64"} <= set(generic.install)
    assert container.install == ()


@pytest.mark.parametrize(("changes", "words"), [
    ({"platform": "jammy"}, "no platform 'jammy'"),
    ({"platform": "el9", "base": {"repositories": [{"name": "el", "baseurl": ["http://el.example.org/"], "keys": KEYS}]}}, "container roots only"),
    ({"release": {"platforms": {"bookworm": {"format": "deb"}}, "name": "x"}}, "no checked release manifest"),
    ({"base": {"repositories": [{**suite("bookworm-security"), "keys": []}]}}, "no keys"),
])
def test_a_cell_that_cannot_be_is_refused(changes: Data, words: str) -> None:
    with pytest.raises(Failure, match=words):
        cells(**changes)
