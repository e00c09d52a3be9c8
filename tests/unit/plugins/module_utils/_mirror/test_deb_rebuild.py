# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive cut down to some packages: read again, it has exactly these, in the upstream's own bytes."""

from __future__ import annotations

import gzip
import tempfile
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_indices, deb_rebuild, deb_release, deb_slicer
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_packages import DebPackage
from ansible_collections.egi.cmd.plugins.module_utils._mirror.draft import Draft
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives

SOURCE = Source("deb", "deb", ("http://repo.example.org/",), suites=("suite",), architectures=("amd64", "arm64"), sources=True, contents=True, mode="rebuilt")


def _suite(store: Store, files: archives.Files, source: Source = SOURCE, head: str = "", key: str = "suite") -> deb_rebuild.Suite:
    """A suite whose indices are in the store."""
    for content in files.values():
        store.add(content)
    text = head.encode() + archives.release("suite", files).replace(b"Components: main contrib\n", b"" if head else b"Components: main\n")
    release = deb_release.parse(text, "Release")
    directory = "dists/suite/" if key == "suite" else ""
    return deb_rebuild.Suite(source, key, directory, release, tuple(deb_indices.chosen(release, source, "Release")))


def _rebuilt(store: Store, suite: deb_rebuild.Suite, wanted: t.Callable[[DebPackage], bool]) -> t.Tuple[Draft, archives.Files]:
    """The draft, and what readers of it get by path."""
    worlds = deb_rebuild.worlds([suite], store)
    kept = {name: [one for one in world.packages if wanted(one)] for name, world in worlds.items()}
    draft = deb_rebuild.draft(suite.source, [suite], kept, store, 86400, 7)
    return draft, {wanted.path: _read(store, wanted.sha256) for wanted in draft.large}


def _read(store: Store, sha256: str) -> bytes:
    with open(store.path(sha256), "rb") as file:
        return gzip.decompress(file.read())


def _packed(**texts: str) -> archives.Files:
    files: archives.Files = {}
    for path, text in texts.items():
        files.update(archives.packed(path, text.encode()))
    return files


@st.composite
def _archives(draw: st.DrawFn) -> t.Tuple[t.List[str], t.List[str], t.Set[str]]:
    """Stanzas for two architectures, those of architecture all in both, and names to keep."""
    name, version = st.from_regex(r"[a-z][a-z0-9+.-]{1,6}", fullmatch=True), st.sampled_from(("1", "2~x", "1:3-4"))
    build = st.tuples(name, version, st.sampled_from(("all", "amd64", "arm64")), st.text("aé:\u2028 |", max_size=6))
    builds = draw(st.lists(build, unique_by=lambda one: one[:3], max_size=8))
    stanzas = [(package, architecture, archives.stanza(package, f"{package} {number}".encode(), architecture, number) + f"X-Note: {note.strip()}\n")
               for package, number, architecture, note in builds]
    amd64, arm64 = ([text for _name, architecture, text in stanzas if architecture in ("all", own)] for own in ("amd64", "arm64"))
    return amd64, arm64, set(draw(st.lists(st.sampled_from([package for package, _architecture, _text in stanzas] or ["none"]))))


@given(_archives())
def test_read_again_it_has_exactly_what_was_kept(archive: t.Tuple[t.List[str], t.List[str], t.Set[str]]) -> None:
    amd64, arm64, names = archive
    with tempfile.TemporaryDirectory() as root:
        store = Store(root)
        suite = _suite(store, _packed(**{"main/binary-amd64/Packages": "\n".join(amd64), "main/binary-arm64/Packages": "\n".join(arm64)}))
        draft, files = _rebuilt(store, suite, lambda one: one.name in names)
        again, _files = _rebuilt(store, suite, lambda one: one.name in names)
    assert again == draft
    for own, stanzas in (("amd64", amd64), ("arm64", arm64)):
        expected = [stanza for stanza in stanzas if stanza.partition("\n")[0].partition(": ")[2] in names]
        content = files[f"dists/suite/main/binary-{own}/Packages.gz"]
        assert content == "".join(f"{stanza}\n" for stanza in expected).encode()
        entries = list(deb_slicer.packages([content], "Packages")) if expected else []
        assert set(entries) <= set(draft.entries) and {entry.package for entry in entries} <= names
    assert {entry.package for entry in draft.entries} == names & {stanza.partition("\n")[0][9:] for stanza in amd64 + arm64}


def test_what_other_indices_say_of_it_is_kept(tmp_path: t.Any) -> None:
    store = Store(str(tmp_path))
    builds = (("app", "1"), ("app", "2"), ("one", "1.0-1"))
    sources = "\n".join(archives.source_stanza(name, {f"{name}_{version}.dsc": b"x"}, version) for name, version in builds)
    suite = _suite(store, _packed(**{
        "main/binary-amd64/Packages": "\n".join((archives.stanza("app-bin", b"a", version="1+b1") + "Source: app (1)\n", archives.stanza("one", b"b"))),
        "main/binary-arm64/Packages": "", "main/source/Sources": sources,
        "main/i18n/Translation-en": "Package: one\nDescription-en: x\n\nPackage: app-bin\nDescription-en: y\n .\n more\n",
        "main/Contents-amd64": "etc/with blank/a net/one,net/app-bin\netc/b net/one\nusr/c app-bin\n", "main/dep11/Components-amd64.yml": "x",
    }))
    draft, files = _rebuilt(store, suite, lambda one: one.name == "app-bin")
    assert files["dists/suite/main/source/Sources.gz"] == f"{sources[:sources.index('Package: app', 5)].rstrip()}\n\n".encode()
    assert files["dists/suite/main/i18n/Translation-en.gz"] == b"Package: app-bin\nDescription-en: y\n .\n more\n\n"
    assert files["dists/suite/main/Contents-amd64.gz"] == b"etc/with blank/a net/app-bin\nusr/c app-bin\n"
    assert not any("dep11" in path for path in files)
    assert {entry.wanted.path for entry in draft.entries} == {"pool/main/a/app-bin/app-bin_1+b1_all.deb", "pool/main/a/app/app_1.dsc"}


@pytest.mark.parametrize("fields,expected", [
    ("NotAutomatic: yes\nButAutomaticUpgrades: yes\n", ["NotAutomatic: yes", "ButAutomaticUpgrades: yes"]), ("NotAutomatic: yes\n", ["NotAutomatic: yes"]),
    ("", []),
])
def test_a_suite_stays_who_it_was(tmp_path: t.Any, fields: str, expected: t.List[str]) -> None:
    store = Store(str(tmp_path))
    suite = _suite(store, _packed(**{"main/binary-amd64/Packages": "", "main/binary-arm64/Packages": ""}), head=f"{fields}Version: 12.4\nComponents: main\n")
    (head,) = _rebuilt(store, suite, lambda one: True)[0].heads
    text = deb_rebuild.release_file.render(t.cast("t.Any", head).suite, {}, 0).decode()
    assert [line for line in text.splitlines() if "utomatic" in line] == expected and "Version: 12.4\n" in text and "Components: main\n" in text


def test_packages_for_all_architectures_are_found_where_they_are(tmp_path: t.Any) -> None:
    store = Store(str(tmp_path))
    files = _packed(**{"main/binary-amd64/Packages": archives.stanza("bin", b"a", "amd64"), "main/binary-arm64/Packages": "",
                       "main/binary-all/Packages": archives.stanza("doc", b"b")})
    for told, names in (("", {"bin", "doc"}), ("No-Support-for-Architecture-all: Packages\n", {"bin"})):
        text = archives.release("suite", files).replace(b"No-Support-for-Architecture-all: Packages\n", told.encode()).replace(b" contrib", b"")
        suite = _suite(store, files)._replace(release=deb_release.parse(text, "Release"))
        draft, published = _rebuilt(store, suite, lambda one: True)
        assert {entry.package for entry in draft.entries} == names and "dists/suite/main/binary-all/Packages.gz" not in published


def test_a_flat_archive_stays_flat(tmp_path: t.Any) -> None:
    store = Store(str(tmp_path))
    source = SOURCE._replace(suites=("/",), sources=False, contents=False)
    packages = (("one", "amd64"), ("two", "all"), ("six", "all"))
    stanzas = [archives.stanza(name, name.encode(), architecture, path=f"{name}.deb") for name, architecture in packages]
    suite = _suite(store, _packed(Packages="\n".join(stanzas)), source, key="/")
    _draft, files = _rebuilt(store, suite, lambda one: one.name != "six")
    assert files["Packages.gz"] == f"{stanzas[0]}\n{stanzas[1]}\n".encode()


def test_an_archive_that_names_no_architecture_is_asked_for_one(tmp_path: t.Any) -> None:
    store = Store(str(tmp_path))
    suite = _suite(store, _packed(Packages=archives.stanza("one", b"1", path="one.deb")), SOURCE._replace(suites=("/",), architectures=()), key="/")
    with pytest.raises(Failure, match="names no architecture"):
        deb_rebuild.worlds([suite._replace(release=suite.release._replace(architectures=()))], store)
