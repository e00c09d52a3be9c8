# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of several sources is brought together: from different hosts at once, from one host one source after the other."""

from __future__ import annotations

import contextlib
import pathlib
import threading
import time
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration, Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.retention import Policy
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror, Outcome
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys, rsync_daemon
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.rsync_daemon import Daemon
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.web_server import Request, Upstream

pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are not installed")

SOURCES = ("first", "second", "third")


class Site:
    """Three archives with a package each, and a mirror of them as one set."""

    def __init__(self, work: pathlib.Path, made: keys.Keys, signer: str) -> None:
        self.work, self._keys, self._signer = work, made, signer
        self._keyring = made.keyring(work / "keys.gpg", signer)

    def archive(self, name: str) -> archives.Files:
        """The archive below /<name>/."""
        content = name.encode()
        index = archives.packed("main/binary-amd64/Packages", archives.stanza(name, content, path=f"pool/{name}.deb").encode())
        release = archives.release("suite", index, date=int(time.time()) - 60)
        files = {**archives.served("dists/suite", index), "/dists/suite/InRelease": self._keys.clearsign(release, self._signer), f"/pool/{name}.deb": content}
        return {f"/{name}{path}": data for path, data in files.items()}

    def sync(self, *urls: str) -> Outcome:
        """Sync the set, its sources at these URLs."""
        sources = tuple(Source(name, "deb", (url,), self._keyring, ("suite",)) for name, url in zip(SOURCES, urls))
        of_set = Set("set", sources, True, Policy())
        mirror = Mirror(Configuration(str(self.work / "mirror"), {"set": of_set}, margin=0, retries=0))
        with mirror.locked():
            return mirror.sync(of_set)

    def held(self) -> t.Set[str]:
        """The packages readers find."""
        return {path.stem for path in (self.work / "mirror/set").glob("*/pool/*.deb") if path.read_bytes() == path.stem.encode()}


@pytest.fixture(name="site")
def _site(tmp_path: pathlib.Path) -> t.Iterator[Site]:
    with keys.throw_away() as made:
        yield Site(tmp_path, made, made.make("archive"))


def test_sources_on_different_hosts_are_fetched_at_once(site: Site) -> None:
    """No host answers for its package before all are asked for theirs."""
    everyone = threading.Barrier(len(SOURCES), timeout=20)

    def together(request: Request) -> bool:
        everyone.wait()
        return request.serve()

    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Upstream(site.archive(name))) for name in SOURCES]
        for name, server in zip(SOURCES, servers):
            server.faults[f"/{name}/pool/{name}.deb"].append(together)
        assert site.sync(*(f"{server.url}{name}" for name, server in zip(SOURCES, servers))).changed
    assert site.held() == set(SOURCES)


def test_sources_on_one_host_wait_for_each_other(site: Site) -> None:
    at_once: t.List[int] = []
    under_way: t.List[str] = []

    def alone(request: Request) -> bool:
        under_way.append(request.path)
        at_once.append(len(under_way))
        time.sleep(0.1)
        under_way.remove(request.path)
        return request.serve()

    with Upstream({path: data for name in SOURCES for path, data in site.archive(name).items()}) as server:
        for name in SOURCES:
            server.faults[f"/{name}/pool/{name}.deb"].append(alone)
        site.sync(*(f"{server.url}{name}" for name in SOURCES))
    assert at_once == [1, 1, 1] and site.held() == set(SOURCES)


def test_a_source_that_fails_keeps_the_set_where_it_was_and_nothing_is_fetched_twice(site: Site) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Upstream(site.archive(name))) for name in SOURCES]
        lost = servers[1].files.pop("/second/pool/second.deb")
        urls = [f"{server.url}{name}" for name, server in zip(SOURCES, servers)]
        with pytest.raises(Failure, match="pool/second.deb"):
            site.sync(*urls)
        assert site.held() == set()
        servers[1].files["/second/pool/second.deb"] = lost
        for server in servers:
            server.requests.clear()
        site.sync(*urls)
        assert [request.path for server in servers for request in server.requests if request.path.endswith(".deb")] == ["/second/pool/second.deb"]
    assert site.held() == set(SOURCES)


@pytest.mark.skipif(rsync_daemon.MISSING, reason="rsync is not installed")
def test_an_rpm_repository_comes_from_an_rsync_daemon_and_once_more_only_its_head(tmp_path: pathlib.Path) -> None:
    primary = archives.primary(archives.rpm_package("tool", b"an rpm"))
    packed = archives.packed("", primary, (".gz",))[".gz"]
    href = f"repodata/{archives.digest(packed)}-primary.xml.gz"
    repomd = archives.repomd({"primary": (href, packed, len(primary))}, revision=str(int(time.time()) - 60))
    with Daemon(tmp_path, {"el9/repodata/repomd.xml": repomd, f"el9/{href}": packed, "el9/Packages/tool-1.0-1.noarch.rpm": b"an rpm"}) as daemon:
        of_set = Set("set", (Source("rpm", "rpm", (f"{daemon.url}el9",), signed_metadata=False),), True, Policy())
        mirror = Mirror(Configuration(str(tmp_path / "mirror"), {"set": of_set}, margin=0, retries=0))
        with mirror.locked():
            assert mirror.sync(of_set).changed
            assert (tmp_path / "mirror/set/rpm/Packages/tool-1.0-1.noarch.rpm").read_bytes() == b"an rpm"
            before = daemon.connections
            assert not mirror.sync(of_set).changed and daemon.connections == before + 1
