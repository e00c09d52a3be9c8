# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests: what is accepted, and the exact words in which everything else is refused."""

from __future__ import annotations

import datetime
import json

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import document, manifest
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import KINDS
from ansible_collections.egi.cmd.plugins.module_utils._release.resolve import resolve
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.manifests import (
    ALMA,
    DEBIAN,
    FINGERPRINT,
    KEY,
    changed,
    example,
)

KIND_LIST = "base, updates, security, holdback, proposed, candidate, untested, contrib, developer"
DEB_FIELDS = (
    "uri, suite, components, origin, label, codename, snapshot_uri, kinds, kind_names, keys, priorities, proxy,"
    " client_certificate, client_key, ca_certificate, unknown"
)
PLACEHOLDERS = "{release}, {distribution}, {version}, {platform}, {codename}, {kind}, {suffix}"

BROKEN = [
    (changed("schema", 2), "schema: expected 1, the schema this collection reads, got the number 2"),
    (changed("name", None),
     "name: expected a release name: lower-case letters, digits, dots and hyphens, got nothing"),
    (changed("name", "Example 1"),
     "name: expected a release name: lower-case letters, digits, dots and hyphens, got 'Example 1'"),
    (changed("name", "example-1\n"),
     "name: expected a release name: lower-case letters, digits, dots and hyphens, got 'example-1\\n'"),
    (changed("name", "x" * 49), "name: expected at most 48 characters, got 49"),
    (changed("version", 7.0),
     'version: expected a version in quotes, for example "1" or "7.0", got the number 7.0 (put it in quotes)'),
    (changed("kinds", []), "kinds: expected a list of kinds, got an empty list"),
    (changed("kinds", ["base", "update"]),
     f"kinds[1]: expected a kind of repository (one of {KIND_LIST}), got 'update' (did you mean 'updates'?)"),
    (changed("kinds", ["base", "base"]), "kinds: expected every item once, got 'base' twice"),
    (changed("deb.suit", "x"),
     f"deb.suit: expected one of {DEB_FIELDS}, got 'suit' (did you mean 'suite'?)"),
    (changed("deb.suite", None), "deb.suite: expected a suite pattern (platform bookworm), got nothing"),
    (changed("deb.suite", "{release}{kinds}"),
     f"deb.suite: expected placeholders among {PLACEHOLDERS}, got '{{kinds}}' (did you mean 'kind'?)"),
    (changed("deb.suite", "{release"),
     f"deb.suite: expected placeholders among {PLACEHOLDERS}, got '{{{{}}'"),
    (changed("deb.suite", "{release}"),
     "deb.suite: expected a place of its own for updates, got that of base: http://repo.example.org/deb example-1"
     " (platform bookworm); use {kind} or {suffix}"),
    (changed("rpm.snapshot_baseurl", "http://repo.example.org/snapshots/{snapshot}"),
     "rpm.snapshot_baseurl: expected a place of its own for updates, got that of base:"
     " http://repo.example.org/snapshots/{snapshot} (platform el9); use {kind} or {suffix}"),
    (changed("deb.uri", "repo.example.org/deb"),
     "deb.uri: expected a URL or a list of URLs, got 'repo.example.org/deb'"),
    (changed("deb.uri", []), "deb.uri: expected a URL or a list of URLs, got an empty list"),
    (changed("deb.uri", ["http://repo.example.org/deb", "ftp://repo.example.org"]),
     "deb.uri[1]: expected a URL (http, https or file), got 'ftp://repo.example.org'"),
    (changed("deb.uri", "http://repo.example.org/{snapshot}"),
     f"deb.uri: expected placeholders among {PLACEHOLDERS}, got '{{snapshot}}'"),
    (changed("deb.snapshot_uri", "http://repo.example.org/frozen"),
     "deb.snapshot_uri: expected a pattern with {snapshot}, got 'http://repo.example.org/frozen'"),
    (changed("deb.origin", None),
     "deb.origin: expected origin, label or both: pins match them besides the suite (platform bookworm), got nothing"),
    (changed("deb.origin", "Example, Inc."),
     "deb.origin: expected text for the Origin field without comma, quote, *, ?, [ or ], got 'Example, Inc.'"),
    (changed("rpm.signed_metadata", None), "rpm.signed_metadata: expected true or false (platform el9), got nothing"),
    (changed("rpm.signed_metadata", "yes"), "rpm.signed_metadata: expected true or false, got 'yes'"),
    (changed("rpm", None),
     "rpm: expected a map that describes rpm repositories, because platform el9 is one, got nothing"),
    (changed("rpm.baseurl", "http://repo.example.org/{codename}/{kind}"),
     "platforms.el9.codename: expected a codename, because rpm.baseurl uses it, got nothing"),
    (changed("keys", None), "keys: expected a list of keys, got nothing"),
    (changed("keys", [{"url": "https://repo.example.org/key.asc"}]),
     "keys[0].fingerprint: expected a full fingerprint: 40 or 64 hexadecimal digits, in quotes, got nothing"),
    (changed("keys.0.fingerprint", "DEADBEEF"),
     "keys[0].fingerprint: expected a full fingerprint: 40 or 64 hexadecimal digits, in quotes, got 'DEADBEEF'"),
    (changed("keys.0.file", "/etc/key.asc"),
     "keys[0]: expected exactly one of url, file and content, got url and file"),
    (changed("keys", [{"fingerprint": FINGERPRINT}]), "keys[0]: expected exactly one of url, file and content, got none"),
    (changed("platforms", {}), "platforms: expected a map of platforms, got an empty map"),
    (changed("platforms.el9.version", 9),
     'platforms.el9.version: expected an operating system version in quotes, for example "9" or "16.04",'
     " got the number 9 (put it in quotes)"),
    (changed("platforms.el9.version", None), "platforms.el9.version: expected version, codename or both, got nothing"),
    (changed("platforms.el9.format", "yum"),
     "platforms.el9.format: expected a package format (one of deb, rpm), got 'yum'"),
    (changed("platforms.bookworm.architectures", ["x86_64"]),
     "platforms.bookworm.architectures[0]: expected deb's own word for it, got 'x86_64' (did you mean 'amd64'?)"),
    (changed("platforms.bookworm.rpm", {"signed_metadata": False}),
     "platforms.bookworm.rpm: expected only deb on a platform of format deb, got 'rpm'"),
    (changed("platforms.rocky9", {"os": ["Rocky"], "version": "9", "format": "rpm"}),
     "platforms.rocky9: expected an operating system no other platform claims, got that of platform el9"),
    (changed("platforms_required", ["el9", "bookwurm"]),
     "platforms_required[1]: expected one of the platforms el9, bookworm, got 'bookwurm' (did you mean 'bookworm'?)"),
    (changed("dates.ga", "2026-02-30"), "dates.ga: expected a date, YYYY-MM-DD, got '2026-02-30'"),
    (changed("dates.ga", datetime.datetime(2026, 1, 1, 12)), "dates.ga: expected a date, YYYY-MM-DD, got '<datetime>'"),
    (changed("dates.security_until", datetime.date(2025, 1, 1)),
     "dates.security_until: expected a day not before ga (2026-01-31), got 2025-01-01"),
    (changed("support", {"updates_months": -1}),
     "support.updates_months: expected a number of months, got the number -1"),
    (changed("deb.unknown", {"suites": "nobody knows"}),
     "deb.unknown.suites: expected the name of a deb field (one of uri, suite, components, origin, keys), got 'suites'"
     " (did you mean 'suite'?)"),
    (changed("follows", {"release": "Mitaka"}), "follows.framework: expected the framework's name, got nothing"),
]


@pytest.mark.parametrize("broken, expected", BROKEN, ids=[expected.split(":")[0] for _unused, expected in BROKEN])
def test_each_error_names_file_place_and_expectation(broken, expected):
    with pytest.raises(Failure) as refused:
        manifest.check(broken, "site.yml")
    assert str(refused.value) == (
        f"Failed to accept release manifest site.yml: site.yml: {expected}. docs/manifest.md explains every field."
    )


def test_all_errors_are_listed_and_a_misspelt_key_comes_before_what_is_missing_because_of_it():
    broken = example(version=1)
    broken["kind"] = broken.pop("kinds")
    with pytest.raises(Failure) as refused:
        manifest.check(broken, "site.yml")
    lines = str(refused.value).splitlines()
    assert lines[0] == "Failed to accept release manifest site.yml: 3 errors (docs/manifest.md explains every field)"
    assert [line.split(": ")[1] for line in lines[1:]] == ["kind", "kinds", "version"]
    assert "(did you mean 'kinds'?)" in lines[1]


@pytest.mark.parametrize("data, got", [(None, "nothing"), ([], "an empty list"), ("cmd-os-1", "'cmd-os-1'"), (3, "the number 3")])
def test_what_is_no_map_is_refused(data, got):
    with pytest.raises(Failure, match=f"expected an egi.cmd release manifest, schema 1, got {got}"):
        manifest.check(data, "site.yml")


def test_a_valid_manifest_is_returned_in_plain_types_with_its_dates():
    checked = manifest.check(example(), "site.yml")
    assert checked["dates"] == {"ga": datetime.date(2026, 1, 31)}
    assert checked == {**example(), "dates": {"ga": datetime.date(2026, 1, 31)}}
    assert manifest.check(checked, "again") == checked


def test_a_fact_stated_beside_unknown_wins_so_that_a_site_can_fill_it_in():
    filled = changed("deb.unknown", {"origin": "nobody knows"})
    assert resolve(manifest.check(filled, "site.yml"), DEBIAN)["repositories"][0]["origin"] == "Example"


@pytest.mark.parametrize("text, where, why", [
    ("schema: 1\nname: a\nname: b\n", "line 3, column 1", "the key 'name' is given twice"),
    ("platforms:\n  el9: {os: [A]}\n  el9: {os: [B]}\n", "line 3, column 3", "the key 'el9' is given twice"),
    ("name: [a, b\nversion: x\n", "line 2, column 8", "expected ',' or ']', but got ':'"),
    ("name: a\n\tversion: b\n", "line 2, column 1", "found character"),
    ("name: !!python/object/apply:os.system [id]\n", "line 1, column 7", "could not determine a constructor"),
    ("a: 1\n---\nb: 2\n", "line 2, column 1", "but found another document"),
    ("name: *nobody\n", "line 1, column 7", "found undefined alias"),
])
def test_yaml_errors_name_line_and_column(text, where, why):
    with pytest.raises(Failure) as refused:
        document.parse(text, "site.yml")
    assert f"site.yml: {where}: " in str(refused.value)
    assert why in str(refused.value)


def test_a_day_that_does_not_exist_is_refused_by_its_place_and_not_by_a_traceback():
    with pytest.raises(Failure, match="dates.ga: expected a date, YYYY-MM-DD, got '2026-13-45'"):
        manifest.check(document.parse(json.dumps(example()).replace('"2026-01-31"', "2026-13-45"), "site.yml"), "site.yml")


@pytest.mark.parametrize("text", ["&a {name: *a}", "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(
    f"{chr(99 + n)}: &{chr(99 + n)} [*{chr(98 + n)}, *{chr(98 + n)}]\n" for n in range(20))], ids=["endless", "exploding"])
def test_aliases_that_never_end_are_refused(text):
    with pytest.raises(Failure, match="Remove recursive YAML aliases"):
        manifest.check(document.parse(text, "site.yml"), "site.yml")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "latin.yml").write_bytes(b"name: \xe9\n")
    for name, why in (("none.yml", "No such file"), ("", "Is a directory"), ("latin.yml", "it is not UTF-8 text")):
        with pytest.raises(Failure, match=why):
            manifest.load_file(str(tmp_path / name))


def test_missing_jsonschema_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(manifest, "jsonschema", None)
    with pytest.raises(Failure, match="Run pip install jsonschema on the controller"):
        manifest.check(example(), "site.yml")


def test_an_unknown_release_names_those_there_are():
    with pytest.raises(Failure, match=r"did you mean 'cmd-os-1'\?\)\. Name one of cmd-one-1, cmd-os-1, mos-6\.1, "):
        manifest.load_shipped("cmd-os1")


def test_passwords_in_urls_are_not_shown():
    with pytest.raises(Failure) as refused:
        manifest.check(changed("deb.uri", "http://me:secret@repo.example.org/deb x"), "site.yml")
    assert "secret" not in str(refused.value)


def test_the_published_schema_is_a_schema_and_knows_every_kind():
    with open(manifest.SCHEMA_FILE, encoding="utf-8") as stream:
        schema = json.load(stream)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert sorted(schema["$defs"]["kind"]["enum"]) == sorted(KINDS)


def test_every_part_of_the_schema_says_what_is_expected_there():
    with open(manifest.SCHEMA_FILE, encoding="utf-8") as stream:
        schema = json.load(stream)

    def untitled(node, path):
        if isinstance(node, dict):
            # Below "properties" a field may be called type; then its value is a schema and no word.
            typed = any(word in node for word in ("type", "enum", "const")) and not isinstance(node.get("type"), dict)
            if typed and "title" not in node:
                yield path
            for name, child in node.items():
                yield from untitled(child, f"{path}/{name}")

    assert not list(untitled(schema, ""))


WORDS = st.sampled_from([
    "", "x", "9", "{kind}", "{", "}", "{}", "{release}{suffix}", "deb", "rpm", "base", "proposed", "developer", "\n",
    "http://repo.example.org/{platform}/{kind}", "2026-01-01", FINGERPRINT, "AlmaLinux", "é", "\x00",
])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5) | st.dates() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(WORDS | st.integers() | st.sampled_from(sorted(example()["deb"])), inner, max_size=3),
    max_leaves=6,
)


def places(node, path=()):
    """Yield the path of every value below node."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in children:
        yield (*path, step)
        yield from places(child, (*path, step))


@given(st.data())
def test_any_change_of_a_valid_manifest_is_accepted_and_resolved_or_refused_with_words(data):
    mutant = example()
    for path in data.draw(st.lists(st.sampled_from(sorted(places(mutant), key=str)), min_size=1, max_size=3)):
        holder = mutant
        try:
            for step in path[:-1]:
                holder = holder[step]
            if data.draw(st.booleans()):
                holder[path[-1]] = data.draw(VALUES)
            elif isinstance(holder, dict):
                holder[data.draw(WORDS)] = data.draw(VALUES)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    for facts in (ALMA, DEBIAN):
        try:
            resolved = resolve(manifest.check(mutant, "mutant"), facts)
        except Failure as refused:
            assert str(refused).startswith("Failed to ")
        else:
            assert all("{" not in str(entry[field]) for entry in resolved["repositories"]
                       for field in ("uris", "suite", "baseurl", "name") if field in entry)


@given(st.text(max_size=60) | st.sampled_from([yaml.safe_dump(example())]).flatmap(
    lambda text: st.builds(lambda at, what: text[:at] + what + text[at + 1:],
                           st.integers(0, len(text)), st.text(alphabet="{}[]:,-&*!|>'\"%@`#? \n\t\x00a1", max_size=2))))
def test_any_text_is_a_manifest_or_refused_with_words(text):
    try:
        manifest.check(document.parse(text, "text"), "text")
    except Failure as refused:
        assert str(refused).startswith("Failed to ")


def test_the_key_of_the_example_is_what_the_schema_wants():
    assert manifest.check(example(keys=[KEY]), "site.yml")["keys"] == [KEY]
