# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that say who made them pass; each thing left out is found by its rule, in every kind of file."""

from __future__ import annotations

import gzip
import hashlib
import pathlib
import tracemalloc
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive import changelog, metadata_check
from ansible_collections.egi.cmd.plugins.module_utils._archive.changelog import Entry
from ansible_collections.egi.cmd.plugins.module_utils._archive.metadata_check import Policy, check, check_file
from ansible_collections.egi.cmd.plugins.module_utils._archive.package_metadata import PackageMetadata
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._archive import packages

SOURCE, BUILD = "17f8fb6d" * 5, "8bf69981" * 5
TEAM = "Example Release Team <release@example.org>"
POLICY = Policy("mos6.1", "Example Project", TEAM, release="6.1", kind="updates")
VERSION = "2.2+dfsg-5exp~u14.04+mos3~mos6.1+1"
BODY = f"  * Source commit: {SOURCE}\n  * Build commit: {BUILD}\n"
OLDER = "\nalpha (2.1-1~u14.04+mos1) mos6.1; urgency=low\n\n  * Older.\n\n -- Somebody <s@example.org>  Thu, 19 Nov 2026 12:00:00 +0000\n"


def written(version: str = VERSION, series: str = "mos6.1", body: str = BODY, author: str = "Example Project Team <team@example.org>") -> str:
    """One changelog entry."""
    return f"alpha ({version}) {series}; urgency=low\n\n{body}\n -- {author}  Fri, 20 Nov 2026 12:00:00 +0000\n"


def metadata(text: str = "", version: str = VERSION, maintainer: str = TEAM, family: str = "deb") -> PackageMetadata:
    entry = changelog.parse(text or written()) if family == "deb" else Entry("", "", text)
    return PackageMetadata("alpha.deb", family, "alpha", "alpha", version, maintainer, entry)


def rules(found: t.Iterable[metadata_check.Finding]) -> t.List[str]:
    return [finding.rule for finding in found]


def test_a_package_that_says_everything_passes() -> None:
    assert check(metadata(), POLICY) == []


@pytest.mark.parametrize(("package", "expected"), [
    (metadata(maintainer="Somebody <s@example.org>"), ["maintainer"]),
    (metadata(maintainer=""), ["maintainer"]),
    (metadata(written(series="mos6.1.1")), ["series"]),
    (metadata(written(series="unstable")), ["series"]),
    (metadata(written(author="Nobody <n@example.org>")), ["organisation"]),
    (metadata(written(body=f"  * Build commit: {BUILD}\n")), ["source-commit"]),
    (metadata(written(body=f"  * Source commit: {SOURCE[:12]}\n  * Build commit: {BUILD}\n")), ["source-commit"]),
    (metadata(written(body=f"  * Source commit: {SOURCE}\n  * Build commit:\n")), ["build-commit"]),
    (metadata(written(version="1.0-1")), ["changelog-version"]),
    (metadata("no changelog"), ["changelog"]),
    (metadata(written(version="2.2-1ubuntu1"), version="2.2-1ubuntu1"), ["form", "trademark"]),
    (metadata(written(version="2.2-0~u14.04+mos1"), version="2.2-0~u14.04+mos1"), ["zero-tilde"]),
    (metadata(written(version="2.2-1~u14.04+mos1+mos7.0+1"), version="2.2-1~u14.04+mos1+mos7.0+1"), ["target-release"]),
])
def test_what_is_missing_is_found_by_its_rule(package: PackageMetadata, expected: t.List[str]) -> None:
    found = check(package, POLICY)
    assert rules(found) == expected
    assert all(finding.why and finding.remedy and finding.severity == "error" for finding in found)


def test_other_forms_say_the_same() -> None:
    long = "ab" * 32
    assert check(metadata(written(series="mos6.1-updates", body=f"  - source commit: {long}\n  - BUILD COMMIT: {long}\n")), POLICY) == []
    assert check(metadata(maintainer=TEAM.replace(" ", "  ")), POLICY) == []


def test_a_version_names_no_series() -> None:
    assert rules(check(metadata(written(series="stable")), POLICY)) == ["series"]


def test_without_the_scheme_only_a_vendors_name_is_refused() -> None:
    policy = POLICY._replace(mos_versions=False)
    for version, expected in (("1.0-1", []), ("1.0-1Ubuntu1", ["trademark"])):
        assert rules(check(metadata(written(version=version), version=version), policy)) == expected


@pytest.mark.parametrize(("line", "expected"), [
    ("Backport of alpha 2.2+dfsg-5exp from https://git.example.org/alpha", []),
    ("Made from 2.2+dfsg-5exp, git://example.org/alpha.git", []),
    ("Backport of alpha 2.2+dfsg-5exp from http://example.org/pool/a/alpha/", ["backport-preference"]),
    ("Backport of alpha 2.2+dfsg-5exp from http://example.org/alpha_2.2+dfsg-5exp.dsc.", ["backport-preference"]),
    ("Backport of alpha 2.2+dfsg-5exp", ["backport-source"]),
    ("Backport of alpha 2.1-1 from https://git.example.org/alpha", ["backport-version"]),
    ("Backport of alpha from http://example.org/alpha_2.2+dfsg-5exp.dsc", ["backport-version", "backport-preference"]),
    ("Newer software", ["backport-version", "backport-source"]),
])
def test_a_backport_names_its_version_and_source(line: str, expected: t.List[str]) -> None:
    found = check(metadata(written(body=f"{BODY}  * {line}\n")), POLICY._replace(backports=("alpha",)))
    assert rules(found) == expected
    assert {finding.severity for finding in found if finding.rule == "backport-preference"} <= {"warning"}


def test_its_own_version_is_not_the_one_a_backport_was_made_from() -> None:
    package = metadata(written(version="1.0-1", body=f"{BODY}  * From https://git.example.org/alpha\n"), version="1.0-1")
    assert rules(check(package, POLICY._replace(backports=("alpha",), mos_versions=False))) == ["backport-version"]


def test_an_older_entry_does_not_speak_for_the_newest() -> None:
    assert rules(check(metadata(written(body="  * Nothing") + written(version="1.0-1")), POLICY)) == ["source-commit", "build-commit"]


def test_an_entry_that_says_backport_of_its_own_name_is_one() -> None:
    assert rules(check(metadata(written(body=f"{BODY}  * Backport of alpha 2.2+dfsg-5exp\n")), POLICY)) == ["backport-source"]
    assert rules(check(metadata(written(body=f"{BODY}  * Backport of a fix\n")), POLICY)) == []


def test_every_rule_has_an_id_of_its_own() -> None:
    assert len({rule.id for rule in metadata_check.RULES}) == len(metadata_check.RULES)
    assert {rule.severity for rule in metadata_check.RULES} == set(metadata_check.SEVERITIES)


# Reading

def control(version: str) -> str:
    return packages.CONTROL.replace("1.0-1", version).replace("Example Team <team@example.org>", TEAM)


def put(directory: pathlib.Path, name: str, data: bytes) -> str:
    (directory / name).write_bytes(data)
    return str(directory / name)


@pytest.mark.parametrize(("name", "pack"), [
    ("changelog.Debian.gz", gzip.compress), ("changelog.gz", gzip.compress), ("changelog", bytes), ("changelog.Debian", bytes),
])
def test_a_deb_is_read_with_its_own_changelog(tmp_path: pathlib.Path, name: str, pack: t.Callable[[bytes], bytes]) -> None:
    text = (written() + OLDER).encode()
    data = packages.deb(control(VERSION), {f"./usr/share/doc/alpha/{name}": pack(text), "./usr/share/doc/beta/changelog.gz": b"other"})
    found, findings = check_file(put(tmp_path, f"alpha_{VERSION}_all.deb", data), POLICY)
    assert findings == []
    assert found and found.entry and "Older" not in found.entry.text


def test_upstreams_changelog_is_not_the_packages(tmp_path: pathlib.Path) -> None:
    files = {"./usr/share/doc/alpha/changelog.gz": gzip.compress(b"2.2: new\n"), "./usr/share/doc/alpha/changelog.Debian.gz": gzip.compress(written().encode())}
    assert check_file(put(tmp_path, f"alpha_{VERSION}_all.deb", packages.deb(control(VERSION), files)), POLICY)[1] == []


def test_a_deb_without_a_changelog_says_so(tmp_path: pathlib.Path) -> None:
    assert rules(check_file(put(tmp_path, f"alpha_{VERSION}_all.deb", packages.deb(control(VERSION))), POLICY)[1]) == ["changelog"]


def test_a_changelog_that_swells_is_read_in_part(tmp_path: pathlib.Path) -> None:
    swelling = gzip.compress(written().encode() + b"\n" * (64 << 20), 1)
    data = packages.deb(control(VERSION), {"./usr/share/doc/alpha/changelog.Debian.gz": swelling})
    path = put(tmp_path, f"alpha_{VERSION}_all.deb", data)
    tracemalloc.start()
    assert check_file(path, POLICY)[1] == []
    assert tracemalloc.get_traced_memory()[1] < 48 << 20
    tracemalloc.stop()


def dsc(directory: pathlib.Path, version: str, files: t.Mapping[str, bytes]) -> str:
    sums = "".join(f"\n {hashlib.sha256(data).hexdigest()} {len(data)} {name}" for name, data in files.items())
    for name, data in files.items():
        put(directory, name, data)
    text = f"Format: 3.0 (quilt)\nSource: alpha\nVersion: {version}\nMaintainer: {TEAM}\nChecksums-Sha256:{sums}\n"
    return put(directory, f"alpha_{version}.dsc", text.encode())


def diff(text: str) -> bytes:
    added = "".join(f"+{line}\n" for line in text.splitlines())
    return gzip.compress(f"--- a/debian/control\n+++ a/debian/control\n@@ -0,0 +1 @@\n+x\n--- a/x\n+++ a/debian/changelog\n@@ -0,0 +1,9 @@\n{added}".encode())


@pytest.mark.parametrize(("name", "data"), [
    ("alpha_2.2+dfsg-5exp~u14.04+mos3~mos6.1+1.debian.tar.xz", packages.tar({"debian/": b"", "debian/changelog": written().encode()}, "xz")),
    ("alpha_2.2.tar.gz", packages.tar({"alpha-2.2/": b"", "alpha-2.2/debian/changelog": written().encode()})),
    ("alpha_2.2.diff.gz", diff(written() + OLDER)),
])
def test_a_dsc_is_read_with_the_changelog_of_its_files(tmp_path: pathlib.Path, name: str, data: bytes) -> None:
    beside = {"alpha_2.2+dfsg.orig.tar.gz": packages.tar({"alpha/debian/changelog": b"upstream's own"})} if "debian" in name else {}
    found, findings = check_file(dsc(tmp_path, VERSION, {**beside, name: data}), POLICY)
    assert findings == []
    assert found and (found.name, found.version) == ("alpha", VERSION)


def test_a_damaged_source_archive_is_a_finding(tmp_path: pathlib.Path) -> None:
    for data in (b"no archive", gzip.compress(b"no tar")[:-4]):
        findings = check_file(dsc(tmp_path, VERSION, {"alpha_2.2.debian.tar.gz": data}), POLICY)[1]
        assert rules(findings) == ["readable"]
        assert "is damaged" in findings[0].why


@pytest.mark.parametrize("signed", [True, False])
def test_a_changes_file_repeats_the_entry(tmp_path: pathlib.Path, signed: bool) -> None:
    head, *lines = written().strip().split("\n")[:-1]
    changes = "".join(f"\n {line or '.'}" for line in (head, *lines))
    text = f"Format: 1.8\nSource: alpha\nVersion: {VERSION}\nMaintainer: {TEAM}\nChanged-By: Example Project Team <t@example.org>\nChanges:{changes}\n"
    if signed:
        text = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{text}\n-----BEGIN PGP SIGNATURE-----\n\nxx\n-----END PGP SIGNATURE-----\n"
    path = put(tmp_path, f"alpha_{VERSION}_source.changes", text.encode())
    assert check_file(path, POLICY)[1] == []


@pytest.mark.parametrize("source", [None, "alpha-0.1.10-1.el7~mos2.src.rpm"])
def test_an_rpm_is_read_with_packager_and_newest_entry(tmp_path: pathlib.Path, source: t.Optional[str]) -> None:
    text = f"- mos8.0: a fix\n- Source commit: {SOURCE}\n- Build commit: {BUILD}\n- Backport of alpha 0.1.10-3.fc21 from https://git.example.org/alpha"
    more = [(1003, 2), (1015, TEAM), (1081, "Example Project Team <t@example.org> - 2:0.1.10-1"), (1082, text)]
    data = packages.rpm("alpha", "0.1.10", "1.el7~mos2", source=source, more=more)
    path = put(tmp_path, f"alpha-0.1.10-1.el7~mos2.{'noarch' if source else 'src'}.rpm", data)
    found, findings = check_file(path, POLICY._replace(series="mos8.0", release="8.0", backports=("alpha",)))
    assert findings == []
    assert found and (found.source, found.version) == ("alpha", "2:0.1.10-1.el7~mos2")


def test_an_rpm_that_says_nothing_breaks_what_it_does_not_say(tmp_path: pathlib.Path) -> None:
    path = put(tmp_path, "alpha-1.0-1.el9.noarch.rpm", packages.rpm())
    assert rules(check_file(path, POLICY)[1]) == ["form", "maintainer", "changelog"]


@pytest.mark.parametrize(("name", "data", "why"), [
    ("alpha.deb", b"", "damaged or no Debian package"), ("alpha.rpm", b"x", "damaged or no RPM package"), ("alpha.dsc", b"", "which is no field"),
    ("alpha.changes", b"Source: alpha\n", "has no Version, Changes"), ("alpha.zip", b"", "ends in none of"), ("alpha.changes", b"\xff", "not UTF-8"),
])
def test_what_cannot_be_read_is_a_finding(tmp_path: pathlib.Path, name: str, data: bytes, why: str) -> None:
    found, findings = check_file(put(tmp_path, name, data), POLICY)
    assert found is None
    assert rules(findings) == ["readable"]
    assert why in findings[0].why


def test_a_file_that_is_not_there_is_a_finding(tmp_path: pathlib.Path) -> None:
    assert check_file(str(tmp_path / "alpha.deb"), POLICY)[1][0].why == "there is no such file"
    (tmp_path / "beta.deb").mkdir()
    assert check_file(str(tmp_path / "beta.deb"), POLICY)[1][0].rule == "readable"
