# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An rpm repository over HTTP, with the real transport, store and gpgv: what is asked for, accepted and refused."""

from __future__ import annotations

import gzip
import json
import lzma
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import rpm_upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import fetch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Snapshot, Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys, web_server

pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are not installed")

NOW = archives.NOW
ALPHA, BETA = archives.rpm_package("alpha", b"one"), archives.rpm_package("beta", b"two")


def _zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


class Repository:
    """One repository, served; and a mirror that reads it."""

    def __init__(self, made: keys.Keys, signer: str, work: pathlib.Path) -> None:
        self.keys, self.signer = made, signer
        self.store = Store(str(work / "mirror"))
        self.server = web_server.Upstream({})
        self.source = Source("example", "rpm", (self.server.url,), made.keyring(work / "keys.gpg", signer))
        self.before_fetch: t.List[t.Callable[[], None]] = []
        self.pauses: t.List[float] = []

    def publish(self, *packages: str, revision: int = NOW, pack: t.Callable[[bytes], bytes] = gzip.compress, size: int = 0, signed: bool = True) -> None:
        """Serve a state. size: what repomd says the primary unpacks to, 0 for the truth."""
        primary = archives.primary(*packages)
        data = {"primary": pack(primary), "filelists": b"f", "other": b"o", "group": b"comps", "updateinfo": b"u", "modules": b"m", "primary_zck": b"\0ZCK1"}
        listing = {kind: (f"repodata/{archives.digest(content)}-{kind}", content, size or len(primary)) for kind, content in data.items()}
        repomd = archives.repomd(listing, str(revision))
        self.server.files = {f"/{path}": content for path, content, _size in listing.values()}
        self.server.files["/repodata/repomd.xml"] = repomd
        if signed:
            self.server.files["/repodata/repomd.xml.asc"] = self.keys.detach(repomd, self.signer)

    def read(self, last: t.Optional[Snapshot] = None, **settings: t.Any) -> t.Optional[Snapshot]:
        """Read; the state goes through JSON, as it does between two runs."""
        self.server.requests.clear()
        with Transport(self.source, retries=0) as transport:
            def take(wanted: t.Sequence[Wanted]) -> t.Dict[str, str]:
                while self.before_fetch:
                    self.before_fetch.pop()()
                fetch(transport, wanted, self.store)
                return {file.path: self.store.path(file.sha256) for file in wanted}

            state = json.loads(json.dumps(last.state)) if last else None
            return rpm_upstream.read(self.source._replace(**settings), transport.get, take, state, NOW, self.pauses.append)

    def must_read(self, *arguments: t.Any, **settings: t.Any) -> Snapshot:
        """Read what is new."""
        found = self.read(*arguments, **settings)
        assert found is not None
        return found


@pytest.fixture(name="made", scope="module")
def _made() -> t.Iterator[t.Tuple[keys.Keys, str]]:
    with keys.throw_away() as made:
        yield made, made.make("repository")


@pytest.fixture(name="repository")
def _repository(made: t.Tuple[keys.Keys, str], tmp_path: pathlib.Path) -> t.Iterator[Repository]:
    repository = Repository(made[0], made[1], tmp_path)
    with repository.server:
        repository.publish(ALPHA, BETA)
        yield repository


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, _zstd, bytes], ids=["gz", "xz", "zstd", "plain"])
def test_a_repository_is_read_whole(repository: Repository, pack: t.Callable[[bytes], bytes]) -> None:
    if pack is _zstd and not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    repository.publish(ALPHA, BETA, pack=pack)
    found = repository.must_read()
    assert [entry.package for entry in found.entries] == ["alpha", "beta"]
    assert [document.path for document in found.documents] == ["repodata/repomd.xml", "repodata/repomd.xml.asc"]
    assert sorted(file.path.rpartition("-")[2] for file in found.large) == ["filelists", "group", "modules", "other", "primary", "primary_zck", "updateinfo"]
    assert all(repository.store.has(file.sha256, file.size) for file in found.large)
    assert (found.dated, found.warnings) == (NOW, ())


def test_nothing_changed_is_one_conditional_request(repository: Repository) -> None:
    first = repository.must_read()
    assert repository.read(first) is None
    assert [request.path for request in repository.server.requests] == ["/repodata/repomd.xml"]
    assert "if-none-match" in repository.server.requests[0].headers
    repository.publish(ALPHA)
    assert len(repository.must_read(first).entries) == 1


def test_a_signature_is_demanded_unless_told_otherwise(repository: Repository) -> None:
    signature = repository.server.files["/repodata/repomd.xml.asc"]
    repository.publish(ALPHA, revision=NOW + 1, signed=False)
    with pytest.raises(Failure, match="it is not signed"):
        repository.read()
    assert [document.path for document in repository.must_read(signed_metadata=False, keyring="").documents] == ["repodata/repomd.xml"]
    repository.server.files["/repodata/repomd.xml.asc"] = signature
    with pytest.raises(Failure, match="does not match"):
        repository.read()


def test_an_older_revision_is_refused_or_warned_about(repository: Repository) -> None:
    first = repository.must_read()
    repository.publish(ALPHA, revision=NOW - 1)
    with pytest.raises(Failure, match="older than what was accepted"):
        repository.read(first)
    assert "older than" in repository.must_read(first, freshness="warn").warnings[0]


def test_a_repository_that_changes_while_it_is_read_is_followed(repository: Repository) -> None:
    repository.before_fetch.append(lambda: repository.publish(ALPHA, revision=NOW + 1))
    found = repository.must_read()
    assert (len(found.entries), found.dated, len(repository.pauses)) == (1, NOW + 1, 1)


def test_a_missing_file_is_named_when_the_repository_stands_still(repository: Repository) -> None:
    repository.server.files = {path: data for path, data in repository.server.files.items() if "modules" not in path}
    with pytest.raises(Failure, match="modules"):
        repository.read()
    assert repository.pauses == [2.0, 10.0]


@pytest.mark.parametrize("packages,size,why", [
    ([archives.rpm_package("evil", b"", href="../../etc/x")], 0, "accept path"),
    ([archives.rpm_package("evil", b"", href="repodata/repomd.xml")], 0, "path of the metadata file"),
    ([ALPHA, ALPHA.replace("<size package=\"3\"", "<size package=\"4\"")], 0, "two different files"),
    ([ALPHA], 10, "more than the 10 bytes"),
])
def test_a_hostile_index_is_refused_although_it_is_signed(repository: Repository, packages: t.List[str], size: int, why: str) -> None:
    repository.publish(*packages, size=size)
    with pytest.raises(Failure, match=why):
        repository.read()


def test_what_is_no_repository_is_named(repository: Repository) -> None:
    repository.server.files = {}
    with pytest.raises(Failure, match="the directory that holds repodata/"):
        repository.read()
