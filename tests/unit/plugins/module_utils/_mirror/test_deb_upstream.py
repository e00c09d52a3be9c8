# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian archive over HTTP, with the real transport, store and gpgv: what is asked for, accepted and refused."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import fetch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Snapshot, Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys, web_server

pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are not installed")

NOW = archives.NOW
AMD, ARM, SHARED = archives.stanza("alpha", b"one", "amd64"), archives.stanza("alpha", b"two", "arm64"), archives.stanza("beta", b"three")


class Archive:
    """One archive with the suite ``one``, served; and a mirror that reads it."""

    def __init__(self, made: keys.Keys, signer: str, work: pathlib.Path) -> None:
        self.keys, self.signer = made, signer
        self.store = Store(str(work / "mirror"))
        self.server = web_server.Upstream({})
        self.source = Source("example", "deb", (self.server.url,), made.keyring(work / "keys.gpg", signer), ("one",), ("main",), ("amd64",))
        self.before_fetch: t.List[t.Callable[[], None]] = []
        self.pauses: t.List[float] = []

    def publish(self, amd: str = f"{AMD}\n{SHARED}", date: int = NOW, suite: str = "one", by_hash: bool = True, only: str = "", **settings: t.Any) -> None:
        """Serve a state of the suite, and nothing else of it. only: "InRelease" or "Release", instead of both."""
        unpacked = {"main/binary-amd64/Packages": amd.encode(), "main/binary-arm64/Packages": f"{ARM}\n{SHARED}".encode()}
        files: archives.Files = {}
        for path, data in unpacked.items():
            files.update(archives.packed(path, data))
        extra = {"contrib/binary-amd64/Packages": b"", "main/source/Sources": archives.source_stanza("alpha", {"alpha.dsc": b"1"}).encode(),
                 "main/i18n/Translation-en": b"Package: alpha\n", "main/i18n/Translation-de": b"", "main/Contents-amd64": b"", "main/Contents-all": b"",
                 "main/Contents-udeb-amd64": b"", "main/dep11/Components-amd64.yml": b"", "main/dep11/icons-64x64.tar": b"", "main/cnf/Commands-amd64": b"",
                 "main/debian-installer/binary-amd64/Packages": b"", "main/binary-amd64/Packages.diff/Index": b"", "main/installer-amd64/x": b""}
        for path, data in extra.items():
            files.update(archives.packed(path, data, [".gz"]))
        text = archives.release(suite, files, unpacked, date, by_hash=by_hash, **settings)
        offered = archives.served(f"dists/{suite}", files, by_hash)
        if only != "Release":
            offered[f"/dists/{suite}/InRelease"] = self.keys.clearsign(text, self.signer)
        if only != "InRelease":
            offered.update({f"/dists/{suite}/Release": text, f"/dists/{suite}/Release.gpg": self.keys.detach(text, self.signer)})
        kept = {path: data for path, data in self.server.files.items() if not path.startswith(f"/dists/{suite}/")}
        self.server.files = {**kept, **offered}

    def read(self, last: t.Optional[Snapshot] = None, now: int = NOW, **settings: t.Any) -> t.Optional[Snapshot]:
        """Read; the state goes through JSON, as it does between two runs."""
        self.server.requests.clear()
        with Transport(self.source, retries=0) as transport:
            def take(wanted: t.Sequence[Wanted]) -> t.Dict[str, str]:
                while self.before_fetch:
                    self.before_fetch.pop()()
                fetch(transport, wanted, self.store)
                return {file.path: self.store.path(file.sha256) for file in wanted}

            state = json.loads(json.dumps(last.state)) if last else None
            return deb_upstream.read(self.source._replace(**settings), transport.get, take, state, now, self.pauses.append)

    def must_read(self, *arguments: t.Any, **settings: t.Any) -> Snapshot:
        """Read what is new."""
        found = self.read(*arguments, **settings)
        assert found is not None
        return found

    @property
    def asked(self) -> t.List[str]:
        """Paths of the requests of the last read."""
        return [request.path for request in self.server.requests]


@pytest.fixture(name="made", scope="module")
def _made() -> t.Iterator[t.Tuple[keys.Keys, str, str]]:
    with keys.throw_away() as made:
        yield made, made.make("archive"), made.make("stranger")


@pytest.fixture(name="archive")
def _archive(made: t.Tuple[keys.Keys, str, str], tmp_path: pathlib.Path) -> t.Iterator[Archive]:
    archive = Archive(made[0], made[1], tmp_path)
    with archive.server:
        archive.publish()
        yield archive


def _names(snapshot: Snapshot) -> t.List[str]:
    return sorted(file.path for file in snapshot.large if "by-hash" not in file.path)


def test_a_suite_is_read_whole_and_what_was_not_asked_for_is_left(archive: Archive) -> None:
    found = archive.must_read()
    assert [(entry.package, entry.architecture) for entry in found.entries] == [("alpha", "amd64"), ("beta", "all")]
    assert [document.path for document in found.documents] == ["dists/one/InRelease", "dists/one/Release", "dists/one/Release.gpg"]
    assert all(archive.server.files[f"/{document.path}"] == document.content for document in found.documents)
    assert _names(found) == [f"dists/one/main/{path}" for path in (
        "binary-amd64/Packages.gz", "binary-amd64/Packages.xz", "cnf/Commands-amd64.gz", "dep11/Components-amd64.yml.gz", "dep11/icons-64x64.tar.gz",
        "i18n/Translation-en.gz")]
    assert all(archive.store.has(file.sha256, file.size) for file in found.large)
    assert (found.dated, found.warnings) == (NOW, ())


def test_by_hash_names_are_used_and_published_where_they_are_promised(archive: Archive) -> None:
    found = archive.must_read()
    assert {file.path for file in found.large if "by-hash" in file.path} == {
        f"{file.path.rpartition('/')[0]}/by-hash/SHA256/{file.sha256}" for file in found.large if "by-hash" not in file.path}
    assert not [path for path in archive.asked if path.endswith((".gz", ".xz"))]
    archive.publish(by_hash=False)
    assert not [file for file in archive.must_read().large if "by-hash" in file.path]


def test_names_by_hash_that_are_promised_and_missing_are_no_hindrance(archive: Archive) -> None:
    archive.server.files = {path: data for path, data in archive.server.files.items() if "by-hash" not in path}
    assert len(archive.must_read().entries) == 2


def test_everything_that_can_be_asked_for(archive: Archive) -> None:
    found = archive.must_read(components=(), architectures=(), sources=True, contents=True, languages=("en", "de"))
    assert sorted({entry.architecture for entry in found.entries}) == ["all", "amd64", "arm64", "source"]
    assert len(found.entries) == 4
    assert {"dists/one/main/Contents-all.gz", "dists/one/contrib/binary-amd64/Packages.gz", "dists/one/main/i18n/Translation-de.gz",
            "dists/one/main/source/Sources.gz"} <= set(_names(found))
    assert not [path for path in _names(found) if "udeb" in path or "installer" in path or "diff" in path]


def test_nothing_changed_is_one_conditional_request_for_each_suite(archive: Archive) -> None:
    archive.publish(suite="two")
    first = archive.must_read(suites=("one", "two"))
    assert archive.read(first, suites=("one", "two")) is None
    assert archive.asked == ["/dists/one/InRelease", "/dists/two/InRelease"]
    assert all("if-none-match" in request.headers for request in archive.server.requests)


def test_one_suite_of_two_changed(archive: Archive) -> None:
    archive.publish(suite="two")
    first = archive.must_read(suites=("one", "two"))
    archive.publish(SHARED, date=NOW + 1, suite="two")
    found = archive.must_read(first, suites=("one", "two"))
    assert found.identity != first.identity and found.dated == NOW + 1
    assert archive.asked.count("/dists/two/InRelease") == 1
    assert len(found.documents) == 6


@pytest.mark.parametrize("settings", [{"architectures": ("arm64",)}, {"sources": True}, {"languages": ()}])
def test_another_selection_is_read_although_the_upstream_stands_still(archive: Archive, settings: t.Dict[str, t.Any]) -> None:
    first = archive.must_read()
    assert archive.must_read(first, **settings).identity != first.identity


def test_another_keyring_is_asked_although_the_upstream_stands_still(archive: Archive, made: t.Tuple[keys.Keys, str, str], tmp_path: pathlib.Path) -> None:
    first = archive.must_read()
    with pytest.raises(Failure, match="which the keyring does not have"):
        archive.read(first, keyring=made[0].keyring(tmp_path / "other.gpg", made[2]))
    both = archive.must_read(first, keyring=made[0].keyring(tmp_path / "both.gpg", made[1], made[2]))
    assert both.identity == first.identity
    assert archive.read(both, keyring=str(tmp_path / "both.gpg")) is None


def test_a_suite_without_inrelease(archive: Archive) -> None:
    archive.publish(only="Release")
    first = archive.must_read()
    assert [document.path for document in first.documents] == ["dists/one/Release", "dists/one/Release.gpg"]
    assert archive.read(first) is None
    assert archive.asked == ["/dists/one/Release"]
    archive.server.files["/dists/one/Release"] += b"X: y\n"
    with pytest.raises(Failure, match="does not match"):
        archive.read(first)


def test_a_release_that_says_something_else_than_inrelease_is_not_passed_on(archive: Archive) -> None:
    archive.publish(only="InRelease")
    archive.server.files["/dists/one/Release"] = b"Suite: evil\n"
    archive.server.files["/dists/one/Release.gpg"] = archive.keys.detach(b"Suite: evil\n", archive.signer)
    found = archive.must_read()
    assert [document.path for document in found.documents] == ["dists/one/InRelease"]
    assert "left out" in found.warnings[0]


def test_stale_metadata_is_refused_and_expires_while_it_stands_still(archive: Archive) -> None:
    first = archive.must_read()
    for last in (None, first):
        with pytest.raises(Failure, match="it expired on 2027-01-16"):
            archive.read(last, now=NOW + 86401)
    assert "expired" in archive.must_read(now=NOW + 86401, freshness="warn").warnings[0]
    archive.publish(date=NOW - 1)
    with pytest.raises(Failure, match="older than what was accepted before"):
        archive.read(first)
    assert archive.must_read(first, freshness="warn").dated == NOW - 1


def test_an_older_state_is_refused_whatever_else_is_asked_for(archive: Archive) -> None:
    first = archive.must_read()
    archive.publish(date=NOW - 1)
    with pytest.raises(Failure, match="older than"):
        archive.read(first, sources=True)


@pytest.mark.parametrize("by_hash", [True, False])
def test_an_upstream_that_changes_while_it_is_read_is_followed(archive: Archive, by_hash: bool) -> None:
    archive.publish(by_hash=by_hash)
    archive.before_fetch.append(lambda: archive.publish(AMD, date=NOW + 1, by_hash=by_hash))
    found = archive.must_read()
    assert ([entry.package for entry in found.entries], found.dated, len(archive.pauses)) == (["alpha"], NOW + 1, 1)


def test_an_upstream_that_never_comes_to_rest_is_left_after_three_rounds(archive: Archive) -> None:
    for path in [path for path in archive.server.files if "Packages" in path or "by-hash" in path]:
        del archive.server.files[path]
    with pytest.raises(Failure, match="Packages"):
        archive.read()
    assert (archive.asked.count("/dists/one/InRelease"), archive.pauses) == (3, [2.0, 10.0])


def test_a_full_disk_ends_the_reading_at_once(archive: Archive) -> None:
    """What is not the upstream's fault is not waited for."""
    def full() -> None:
        raise Failure("write the store", "no space left on device")

    archive.before_fetch.append(full)
    with pytest.raises(Failure, match="no space left"):
        archive.read()
    assert archive.pauses == []


@pytest.mark.parametrize("state", [{"heads": []}, {"heads": {"one": []}}, {"heads": {"one": ["InRelease", "x", "never", 0, []]}}, {"selection": ""}])
def test_a_damaged_memory_is_not_taken_for_none(archive: Archive, state: t.Dict[str, t.Any]) -> None:
    """Forgetting it would let an older state in."""
    with pytest.raises(Failure, match="it is damaged"):
        archive.read(archive.must_read()._replace(state={"trust": "", "selection": "", **state}))


def test_the_old_index_is_still_there_by_hash(archive: Archive) -> None:
    """An archive that keeps former indices needs no second round."""
    former = dict(archive.server.files)

    def move() -> None:
        archive.publish(AMD, date=NOW + 1)
        archive.server.files.update({path: data for path, data in former.items() if "by-hash" in path})

    archive.before_fetch.append(move)
    assert (archive.must_read().dated, archive.pauses) == (NOW, [])


@pytest.mark.parametrize("amd,why", [
    (archives.stanza("alpha", b"", path="../../etc/cron.d/x"), "accept path"),
    (archives.stanza("alpha", b"", path="dists/one/InRelease"), "a package has the path of the metadata file"),
    (archives.stanza("alpha", b"", path="dists/one"), "both a file and a directory"),
    (archives.stanza("a", b"", path="pool/a") + "\n" + archives.stanza("b", b"", path="pool/a/b.deb"), "both a file and a directory"),
    (AMD + "\n" + AMD.replace("Size: 3", "Size: 4"), "two different files"),
])
def test_a_hostile_index_is_refused_although_it_is_signed(archive: Archive, amd: str, why: str) -> None:
    archive.publish(amd)
    with pytest.raises(Failure, match=why):
        archive.read()


def test_what_an_archive_does_not_have_is_named(archive: Archive) -> None:
    for settings in ({"components": ("main", "universe")}, {"architectures": ("riscv64",)}):
        with pytest.raises(Failure, match="has no packages for '(universe|riscv64)'. It has the components main, contrib and the architectures amd64, arm64"):
            archive.read(**settings)
    with pytest.raises(Failure, match="neither InRelease nor Release"):
        archive.read(suites=("three",))


def test_an_index_that_unpacks_to_more_than_its_release_says_is_refused(archive: Archive) -> None:
    files = archives.packed("main/binary-amd64/Packages", AMD.encode() * 1000)
    text = archives.release("one", files, {"main/binary-amd64/Packages": AMD.encode()})
    archive.server.files = {**archives.served("dists/one", files), "/dists/one/InRelease": archive.keys.clearsign(text, archive.signer)}
    with pytest.raises(Failure, match=f"more than the {len(AMD)} bytes"):
        archive.read()


@pytest.mark.parametrize("suite,directory", [("./", ""), ("sub/", "sub/")])
def test_a_flat_archive(archive: Archive, suite: str, directory: str) -> None:
    files = archives.packed("Packages", archives.stanza("alpha", b"one", path="./alpha.deb").encode())
    text = archives.release("flat", files, by_hash=False)
    offered = {f"/{directory}{path}": data for path, data in files.items()}
    archive.server.files = {**offered, f"/{directory}InRelease": archive.keys.clearsign(text, archive.signer)}
    found = archive.must_read(suites=(suite,), components=(), architectures=())
    assert [entry.wanted.path for entry in found.entries] == ["alpha.deb"]
    assert _names(found) == [f"{directory}Packages.gz", f"{directory}Packages.xz"]
    assert archive.read(found, suites=(suite,), components=(), architectures=()) is None


def test_udebs_are_a_component_of_their_own(archive: Archive) -> None:
    found = archive.must_read(components=("main/debian-installer",), contents=True)
    assert _names(found) == ["dists/one/main/Contents-udeb-amd64.gz", "dists/one/main/debian-installer/binary-amd64/Packages.gz"]
