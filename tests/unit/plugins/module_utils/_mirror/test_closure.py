# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selection and closure: what is asked for, what that needs, what is preferred, and what people are told is missing.

Whether a closure can be installed is libsolv's to say: tests/exact/closure.py.
"""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.closure import Closure, close
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_packages import DebWorld
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Selection
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Repository, Term
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rpm_packages import RpmWorld
from ansible_collections.egi.cmd.plugins.module_utils._mirror.select import excluded, require_names, select

OVERLAY, BASE = Repository("overlay", 0), Repository("base", 1)
ELSEWHERE = Repository("base", 1, elsewhere=True)


def _stanza(package: str, **fields: str) -> str:
    name, _slash, version = package.partition("/")
    given = {"Package": name, "Version": version or "1.0-1", "Architecture": "all", **{field.replace("_", "-"): value for field, value in fields.items()}}
    return "".join(f"{field}: {value}\n" for field, value in given.items()) + "\n"


def _deb(*parts: t.Tuple[Repository, t.Sequence[str]], foreign: t.Sequence[str] = ()) -> DebWorld:
    world = DebWorld("amd64", foreign)
    for repository, stanzas in parts:
        world.add(repository, "main", ["".join(stanzas).encode()], "Packages")
    return world


def _package(name: str, version: str = "1.0-1", files: str = "", group: str = "", **relations: str) -> str:
    upstream, release = version.split("-")
    lists = "".join(f"<rpm:{kind}>{entries}</rpm:{kind}>" for kind, entries in relations.items())
    return (
        f'<package type="rpm"><name>{name}</name><arch>x86_64</arch><version epoch="0" ver="{upstream}" rel="{release}"/><checksum>{name}</checksum>'
        f"<format><rpm:group>{group}</rpm:group>{lists}{''.join(f'<file>{path}</file>' for path in files.split())}</format></package>"
    )


def _rpm(*packages: str) -> RpmWorld:
    world = RpmWorld()
    world.add(BASE, [f"<metadata xmlns='urn:c' xmlns:rpm='urn:r'>{''.join(packages)}</metadata>".encode()], "primary.xml")
    return world


def _entries(*names: str) -> str:
    return "".join(f'<rpm:entry name="{name}"/>' for name in names)


def _closed(world: t.Any, *names: str, **options: t.Any) -> Closure:
    return close(world, [package for package in world.packages if package.name in names and not package.repository.elsewhere], **options)


def _taken(result: Closure) -> t.List[str]:
    return sorted(map(str, result.packages))


def test_the_first_alternative_that_can_be_satisfied_is_taken() -> None:
    world = _deb((BASE, [_stanza("app", Depends="broken | good | other"), _stanza("broken", Depends="missing"), _stanza("good"), _stanza("other")]))
    result = _closed(world, "app")
    assert _taken(result) == ["app 1.0-1", "good 1.0-1"]
    assert result.unresolved == [] and result.unproven == []


def test_the_name_before_who_provides_it_the_better_repository_before_the_higher_version() -> None:
    world = _deb(
        (BASE, [_stanza("app", Depends="lib"), _stanza("lib/9"), _stanza("lib/10")]), (OVERLAY, [_stanza("provider", Provides="lib"), _stanza("lib/2")]),
    )
    assert [f"{one} {one.repository.name}" for one in world.providers(Term("lib"))] == ["lib 2 overlay", "lib 10 base", "lib 9 base", "provider 1.0-1 overlay"]
    assert _taken(_closed(world, "app")) == ["app 1.0-1", "lib 2"]


def test_a_version_is_demanded_of_the_package_or_of_a_versioned_provides() -> None:
    world = _deb((BASE, [_stanza("app", Depends="lib (>= 2)"), _stanza("lib/1"), _stanza("bare", Provides="lib"), _stanza("exact", Provides="lib (= 2.1)")]))
    assert _taken(_closed(world, "app")) == ["app 1.0-1", "exact 1.0-1"]


def test_what_clients_have_elsewhere_is_named_and_not_taken() -> None:
    world = _deb((OVERLAY, [_stanza("app", Depends="lib"), _stanza("extra")]), (ELSEWHERE, [_stanza("lib", Depends="libc"), _stanza("libc")]))
    result = _closed(world, "app")
    assert _taken(result) == ["app 1.0-1"]
    assert sorted(map(str, result.elsewhere)) == ["lib 1.0-1", "libc 1.0-1"]


def test_recommends_only_on_request_and_only_what_can_be_had() -> None:
    world = _deb((BASE, [_stanza("app", Recommends="docs, missing, broken | more"), _stanza("docs"), _stanza("broken", Depends="missing"), _stanza("more")]))
    assert _taken(_closed(world, "app")) == ["app 1.0-1"]
    result = _closed(world, "app", recommends=True)
    assert _taken(result) == ["app 1.0-1", "docs 1.0-1", "more 1.0-1"] and not result.unresolved


def test_what_is_missing_is_reported_with_the_chain_that_leads_to_it() -> None:
    world = _deb((BASE, [_stanza("app", Depends="middle"), _stanza("middle", Depends="lib (>= 2) | gone, never"), _stanza("lib/1")]))
    assert [str(one) for one in _closed(world, "app").unresolved] == [
        "app 1.0-1 -> middle 1.0-1 needs lib (>= 2) | gone: there is only lib 1 (all, base)", "app 1.0-1 -> middle 1.0-1 needs never: nothing provides it",
    ]


def test_circles_are_closed_and_broken_circles_are_not() -> None:
    good = [_stanza("a", Depends="b"), _stanza("b", Depends="c"), _stanza("c", Depends="a")]
    assert not _closed(_deb((BASE, good)), "a").unresolved
    result = _closed(_deb((BASE, [*good[:2], _stanza("c", Depends="a, missing")])), "a")
    assert [str(one) for one in result.unresolved] == ["a 1.0-1 -> b 1.0-1 -> c 1.0-1 needs missing: nothing provides it"]


def test_where_the_preferred_conflicts_the_others_are_taken_too() -> None:
    world = _deb((BASE, [_stanza("app", Depends="mta, tool"), _stanza("exim", Provides="mta", Conflicts="mta"), _stanza("postfix", Provides="mta"),
                         _stanza("tool", Conflicts="postfix"), _stanza("zmail", Provides="mta")]))
    result = _closed(world, "app")
    assert "exim 1.0-1" in _taken(result) and not result.unproven


def test_what_conflicts_in_every_way_is_not_called_proven() -> None:
    world = _deb((BASE, [_stanza("app", Depends="one, two"), _stanza("one", Breaks="two (<< 2)"), _stanza("two")]))
    assert [str(one) for one in _closed(world, "app").unproven] == ["app 1.0-1"]


@pytest.mark.parametrize("demand,fits", [("lib", "lib-amd64"), ("lib:any", "lib-any"), ("lib:i386", "lib-i386"), ("lib:native", "lib-amd64")])
def test_architectures(demand: str, fits: str) -> None:
    world = _deb((BASE, [
        _stanza("app", Architecture="amd64", Depends=demand), _stanza("lib-amd64", Architecture="amd64", Provides="lib"),
        _stanza("lib-i386", Architecture="i386", Provides="lib"), _stanza("lib-any", Architecture="i386", Provides="lib", Multi_Arch="allowed"),
        _stanza("lib-arm64", Architecture="arm64", Provides="lib"),
    ]), foreign=["i386"])
    assert _taken(_closed(world, "app")) == ["app 1.0-1", f"{fits} 1.0-1"]


def test_a_foreign_package_uses_its_own_architecture_or_multi_arch_foreign() -> None:
    world = _deb((BASE, [
        _stanza("app", Architecture="i386", Depends="lib, tool"), _stanza("lib", Architecture="i386"), _stanza("lib", Architecture="amd64"),
        _stanza("tool", Architecture="amd64", Multi_Arch="foreign"),
    ]), foreign=["i386"])
    assert [(one.name, one.architecture) for one in _closed(world, "app").packages] == [("app", "i386"), ("lib", "i386"), ("tool", "amd64")]


def test_rich_dependencies_ask_when_their_condition_can_be_true() -> None:
    pack = _package("pack")
    app = _package("app", requires=_entries("(pack if desktop)"))
    assert _taken(_closed(_rpm(app, pack), "app")) == ["app 1.0-1"]
    assert _taken(_closed(_rpm(app, pack, _package("desktop")), "app")) == ["app 1.0-1"]
    assert _taken(_closed(_rpm(app, pack, _package("desktop")), "app", "desktop")) == ["app 1.0-1", "desktop 1.0-1", "pack 1.0-1"]


def test_an_obsoleted_package_is_preferred_last() -> None:
    old = _package("old", provides=_entries("service"))
    new = _package("new", provides=_entries("service"), obsoletes='<rpm:entry name="old" flags="LT" epoch="0" ver="2"/>')
    assert _taken(_closed(_rpm(_package("app", requires=_entries("service")), old, new), "app")) == ["app 1.0-1", "new 1.0-1"]


def test_files_are_looked_up_in_filelists_only_where_asked() -> None:
    app = _package("app", requires=_entries("/usr/bin/sh", "/opt/data", "rpmlib(CompressedFileNames)"))
    world = _rpm(app, _package("shell", files="/usr/bin/sh"), _package("data"), _package("other"))
    assert world.unknown_files() == {"/opt/data"}
    assert [one.demand for one in _closed(world, "app").unresolved] == ["/opt/data"]
    lists = b'<filelists><package pkgid="data" name="data"><file>/opt/data</file><file>/opt/more</file></package></filelists>'
    world.add_files(BASE, world.unknown_files(), [lists], "filelists.xml")
    assert _taken(_closed(world, "app")) == ["app 1.0-1", "data 1.0-1", "shell 1.0-1"]


@pytest.fixture(name="archive")
def fixture_archive() -> DebWorld:
    return _deb((BASE, [
        _stanza("init", Priority="required", Section="admin"), _stanza("editor/1", Priority="important", Section="editors", Tag="role::program"),
        _stanza("editor/2~rc1", Priority="important", Section="editors"), _stanza("editor/2", Priority="important", Section="editors"),
        _stanza("editor-doc", Section="contrib/doc", Maintainer="José <j@example.org>", Architecture="amd64", Depends="init"),
    ]), (ELSEWHERE, [_stanza("editor/3")]))


@pytest.mark.parametrize("selection,expected", [
    (Selection(), ["editor 1", "editor 2", "editor 2~rc1", "editor-doc 1.0-1", "init 1.0-1"]),
    (Selection(priorities=("required", "important"), newest=1), ["editor 2", "init 1.0-1"]),
    (Selection(names=("editor",), newest=2), ["editor 2", "editor 2~rc1"]),
    (Selection(names=("init",), patterns=("editor-.*",)), ["editor-doc 1.0-1", "init 1.0-1"]),
    (Selection(patterns=("edit",)), []),
    (Selection(sections=("doc",)), ["editor-doc 1.0-1"]),
    (Selection(fields=(("maintainer", "José"),)), ["editor-doc 1.0-1"]),
    (Selection(fields=(("Tag", "role::program"),), components=("main",)), ["editor 1"]),
    (Selection(components=("contrib",)), []),
    (Selection(architectures=("amd64",)), ["editor-doc 1.0-1"]),
    (Selection(exclude=("editor.*",)), ["init 1.0-1"]),
])
def test_selection(archive: DebWorld, selection: Selection, expected: t.List[str]) -> None:
    assert sorted(map(str, select([selection], archive))) == expected


def test_selections_add_up(archive: DebWorld) -> None:
    assert [str(one) for one in select([Selection(names=("init",)), Selection(sections=("doc",))], archive)] == ["init 1.0-1", "editor-doc 1.0-1"]


def test_groups_of_rpm_are_sections() -> None:
    world = _rpm(_package("app", group="Applications/Editors"), _package("lib", group="System"))
    assert [one.name for one in select([Selection(sections=("Applications/Editors",))], world)] == ["app"]


def test_what_is_excluded_is_nobodys_dependency(archive: DebWorld) -> None:
    selections = [Selection(names=("editor-doc",), exclude=("init",))]
    result = close(archive, select(selections, archive), excluded=excluded(selections))
    assert [str(one) for one in result.unresolved] == ["editor-doc 1.0-1 needs init: init 1.0-1 is excluded"]


@pytest.mark.parametrize("selection,why", [
    (Selection(names=("editr",)), "no repository has a package named editr"), (Selection(patterns=("(",)), "no regular expression"),
    (Selection(exclude=("[",)), "no regular expression"), (Selection(newest=0), "newest is 0"), (Selection(fields=(("Tag", "*"),)), "no regular expression"),
])
def test_a_selection_that_cannot_be_meant_is_refused(archive: DebWorld, selection: Selection, why: str) -> None:
    with pytest.raises(Failure, match=f"Failed to select packages: .*{why}"):
        require_names([selection], select([selection], archive))


@pytest.mark.parametrize("text", ["Version: 1\nArchitecture: all\n", "Package: a\nArchitecture: all\n", "Package: a\nVersion:\nArchitecture: all\n"])
def test_a_stanza_without_name_or_version_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="Failed to read Packages: "):
        DebWorld("amd64").add(BASE, "main", [text.encode()], "Packages")


def test_fields_in_any_case_and_over_several_lines() -> None:
    world = DebWorld("amd64")
    text = b"package: a\nversion: 1\narchitecture: all\nDEPENDS: b,\n c\nprovides: d\n\nPackage: b\nVersion: 1\nArchitecture: all\n"
    world.add(BASE, "main", [text], "Packages")
    assert world.packages[0].field("Depends") == "b,\n c"
    assert [one.name for one in world.providers(Term("d"))] == ["a"]
