# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rpm packages hosts of an architecture see, and when a repomd.xml has to be signed anew."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive import signing
from ansible_collections.egi.cmd.plugins.module_utils._mirror import rpm_draft, rpm_primary, rpm_repomd
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Snapshot, Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys


@pytest.fixture(name="store")
def fixture_store(tmp_path: t.Any) -> Store:
    return Store(str(tmp_path))


def _contents(store: Store, name: str, *packages: str, mode: str = "rebuilt", **source: t.Any) -> rpm_draft.Contents:
    """A repository of packages ``name.architecture``."""
    split = [one.rpartition(".") for one in packages]
    texts = [archives.rpm_package(one, f"{name} {one}".encode(), f"{one}.{arch}.rpm").replace("<arch>noarch", f"<arch>{arch}") for one, _dot, arch in split]
    primary = archives.primary(*texts)
    data = {"primary": (f"repodata/{name}-primary.xml", primary, len(primary))}
    data["prestodelta"] = (f"repodata/{name}-prestodelta.xml", b"<prestodelta/>", 14)
    for _path, content, _size in data.values():
        store.add(content)
    repomd = archives.repomd(data)
    snapshot = Snapshot([Document("repodata/repomd.xml", repomd)], [], list(rpm_primary.packages([primary], "primary")), "", archives.NOW)
    return rpm_draft.contents(Source(name, "rpm", ("http://repo.example.org/",), mode=mode, **source), snapshot)


def _seen(worlds: t.Mapping[str, t.Any]) -> t.Dict[str, t.List[str]]:
    return {architecture: [f"{one.repository.name}/{one.name}.{one.architecture}" for one in world.packages] for architecture, world in worlds.items()}


def test_hosts_of_an_architecture_see_what_they_can_run(store: Store) -> None:
    found = [_contents(store, "x86", "app.x86_64", "lib.i686", "doc.noarch"), _contents(store, "arm", "app.aarch64", "man.noarch"),
             _contents(store, "both", "data.noarch", mode="elsewhere"), _contents(store, "old", "lib.x86_64", "lib.src", mode="verbatim")]
    assert _seen(rpm_draft.worlds(found, store)) == {
        "aarch64": ["arm/app.aarch64", "arm/man.noarch", "both/data.noarch"],
        "x86_64": ["x86/app.x86_64", "x86/lib.i686", "x86/doc.noarch", "both/data.noarch", "old/lib.x86_64"],
    }


def test_a_repository_for_any_machine_goes_with_those_beside_it(store: Store) -> None:
    assert _seen(rpm_draft.worlds([_contents(store, "any", "doc.noarch")], store)) == {"noarch": ["any/doc.noarch"]}
    beside = [_contents(store, "any", "doc.noarch"), _contents(store, "arm", "app.aarch64", mode="elsewhere")]
    assert _seen(rpm_draft.worlds(beside, store)) == {"aarch64": ["any/doc.noarch", "arm/app.aarch64"]}
    told = _contents(store, "any", "doc.noarch", architectures=("x86_64",))
    assert _seen(rpm_draft.worlds([told, beside[1]], store)) == {"x86_64": ["any/doc.noarch"]}


def test_the_draft_is_what_was_kept(store: Store) -> None:
    one = _contents(store, "el", "app.x86_64", "lib.x86_64")
    kept = [entry for entry in one.snapshot.entries if entry.package == "lib"]
    draft, again = (rpm_draft.draft(one, {kept[0].wanted.sha256}, store) for _time in range(2))
    assert draft == again and draft.entries == kept and all(store.sound(file.sha256) for file in draft.large)
    (head,) = draft.heads
    told = rpm_repomd.parse(rpm_draft.rpm_rebuild.repomd(t.cast("t.Any", head).files, 5), "repomd.xml")
    assert [data.type for data in told.data] == ["primary"] and [data.wanted for data in told.data] == draft.large
    (metadata,) = t.cast("t.Any", head).metadata(store)
    assert list(rpm_primary.packages(metadata.slices(), "primary")) == kept


def test_another_date_alone_is_no_news(store: Store) -> None:
    one = _contents(store, "el", "app.x86_64")
    (head,) = rpm_draft.draft(one, {one.snapshot.entries[0].wanted.sha256}, store).heads
    held = {"repodata/repomd.xml": rpm_draft.rpm_rebuild.repomd(t.cast("t.Any", head).files, archives.NOW - 100)}
    assert head.good(held, 0)
    (other,) = rpm_draft.draft(one, set(), store).heads
    assert not other.good(held, 0) and not head.good({}, 0) and not head.good({"repodata/repomd.xml": b"<repomd/>"}, 0)


@pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are needed")
def test_a_revision_never_goes_back(store: Store) -> None:
    one = _contents(store, "el", "app.x86_64")
    (head,) = rpm_draft.draft(one, set(), store).heads
    held = {"repodata/repomd.xml": archives.repomd({}, revision=str(archives.NOW + 50))}
    with keys.throw_away() as key:
        mine = key.make("site")
        with signing.open_home(key.home) as home:
            for before, dated in ((held, archives.NOW + 51), ({}, archives.NOW)):
                repomd, signature = head.sign(before, 0, home, [mine])
                assert rpm_repomd.parse(repomd.content, "repomd.xml").dated == dated and b"PGP SIGNATURE" in signature.content
