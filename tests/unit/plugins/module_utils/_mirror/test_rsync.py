# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files from a real rsync daemon: verified, resumed, and never more than was asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import transport
from ansible_collections.egi.cmd.plugins.module_utils._mirror.address import basic, parse
from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import Progress, fetch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.lot import MOST_FILES
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Unobtainable
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import rsync_daemon, web_server
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.rsync_daemon import Daemon, Gate
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.web_server import source, wanted

pytestmark = pytest.mark.skipif(rsync_daemon.MISSING, reason="rsync is not installed")

BODY = random.Random(7).getrandbits(8 * 3_000_000).to_bytes(3_000_000, "little")
COLLECTIONS = str(pathlib.Path(transport.__file__).parents[6])
# What a child process does: fetch one file.
FETCH = """
import sys
from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import fetch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport

url, root, path, size, sha256 = sys.argv[1:]
with Transport(Source("example", "deb", (url,)), timeout=1) as mirror:
    fetch(mirror, [Wanted(path, int(size), sha256)], Store(root))
"""
FILES = {f"pool/{number}.deb": b"%d" % number * (number * 37 + 1) for number in range(300)}


@pytest.fixture(autouse=True)
def _prompt(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(transport, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture(name="store")
def _store(tmp_path: pathlib.Path) -> t.Iterator[Store]:
    store = Store(str(tmp_path / "mirror"))
    yield store
    assert not os.listdir(store.arriving)


def held(store: Store, body: bytes = BODY) -> bool:
    """Whether the store has exactly this content."""
    sha256 = hashlib.sha256(body).hexdigest()
    return store.has(sha256, len(body)) and pathlib.Path(store.path(sha256)).read_bytes() == body


def test_many_files_come_in_few_transfers_and_only_once(tmp_path: pathlib.Path, store: Store) -> None:
    seen: t.List[Progress] = []
    asked = [wanted(path, body) for path, body in FILES.items()]
    with Daemon(tmp_path, FILES) as daemon, Transport(source(daemon.url)) as mirror:
        fetch(mirror, asked, store, seen.append)
        assert all(held(store, body) for body in FILES.values())
        assert daemon.connections == 2
        fetch(mirror, asked, store, seen.append)
        assert daemon.connections == 2
    total = sum(map(len, FILES.values()))
    assert seen[-1] == Progress(300, 300, total, total, 0)
    assert not list(store.partials())


def test_a_daemon_that_takes_one_connection_is_not_asked_for_two(tmp_path: pathlib.Path, store: Store) -> None:
    files = {f"pool/{number}": b"%4d" % number * 500 for number in range(2 * MOST_FILES)}
    with Daemon(tmp_path, files) as daemon, Transport(source(f"rsync://{daemon.place}/narrow"), retries=0, limit_bytes_per_second=1 << 20) as mirror:
        fetch(mirror, [wanted(path, body) for path, body in files.items()], store)
    assert all(held(store, body) for body in files.values())


def test_a_file_that_is_here_in_part_is_completed(tmp_path: pathlib.Path, store: Store) -> None:
    file = wanted("f", BODY)
    with Daemon(tmp_path, {"f": BODY}) as daemon, Transport(source(daemon.url)) as mirror:
        pathlib.Path(store.partial(file.sha256)).write_bytes(BODY[:2_900_000])
        daemon.gates.append(Gate(200_000))  # enough for the rest, not for the whole
        fetch(mirror, [file], store)
        assert held(store) and daemon.connections == 1


def test_what_is_here_whole_needs_no_transfer(tmp_path: pathlib.Path, store: Store) -> None:
    """A run was killed between the last byte and the check."""
    file = wanted("f", BODY)
    pathlib.Path(store.partial(file.sha256)).write_bytes(BODY)
    with Daemon(tmp_path, {}) as daemon, Transport(source(daemon.url)) as mirror:
        fetch(mirror, [file], store)
        assert held(store) and daemon.connections == 0


def test_wrong_bytes_from_an_earlier_run_are_asked_for_again(tmp_path: pathlib.Path, store: Store) -> None:
    file = wanted("f", BODY)
    pathlib.Path(store.partial(file.sha256)).write_bytes(b"x" * 1000)
    with Daemon(tmp_path, {"f": BODY}) as daemon, Transport(source(daemon.url)) as mirror:
        fetch(mirror, [file], store)
        assert held(store) and daemon.connections == 2


@pytest.mark.parametrize("gates", [[Gate(1_000_000)], [Gate(1_000_000), Gate(1_000_000)], [Gate(0), Gate(5)], [Gate(1_000_000, hold=True)]])
def test_a_daemon_that_breaks_off_or_stalls_is_gone_on_with(tmp_path: pathlib.Path, store: Store, gates: t.List[Gate]) -> None:
    with Daemon(tmp_path, {"f": BODY}) as daemon, Transport(source(daemon.url), timeout=1) as mirror:
        daemon.gates.extend(gates)
        began = time.monotonic()
        fetch(mirror, [wanted("f", BODY)], store)
        assert held(store) and daemon.connections == len(gates) + 1
        assert time.monotonic() - began < 8


def test_a_daemon_that_never_brings_anything_is_given_up(tmp_path: pathlib.Path, store: Store) -> None:
    with Daemon(tmp_path, FILES) as daemon, Transport(source(daemon.url), timeout=1, retries=1) as mirror:
        daemon.gates.extend([Gate(0)] * 20)
        with pytest.raises(Unobtainable, match="300 of 300"):
            fetch(mirror, [wanted(path, body) for path, body in FILES.items()], store)
        assert daemon.connections <= 6


def test_each_file_is_judged_by_itself(tmp_path: pathlib.Path, store: Store) -> None:
    good, absent, wrong, short, long = (wanted(name, name.encode() * 50) for name in ("good", "absent", "wrong", "short", "long"))
    there = {"good": b"good" * 50, "wrong": b"WRONG" * 50, "short": b"short", "long": b"long" * 5000}
    folder = wanted("folder", b"folder")
    with Daemon(tmp_path, there) as daemon, Transport(source(daemon.url), retries=0) as mirror:
        (daemon.directory / "folder").mkdir()
        with pytest.raises(Unobtainable) as caught:
            fetch(mirror, [good, absent, wrong], store)
        assert held(store, b"good" * 50)
        assert f"absent ({daemon.url}absent: not there)" in str(caught.value)
        assert f"wrong ({daemon.url}wrong: its content is not what is signed for)" in str(caught.value)
        with pytest.raises(Unobtainable, match="3 of 3 .*does not have the .* bytes that are signed for"):
            fetch(mirror, [short, long, folder], store)
    assert all(size == 0 for _name, size, _changed in store.partials())


def test_links_of_the_daemon_are_followed_there_and_never_brought_here(tmp_path: pathlib.Path, store: Store) -> None:
    with Daemon(tmp_path, {"dists/trixie/f": BODY}) as daemon, Transport(source(daemon.url), retries=0) as mirror:
        (daemon.directory / "dists/stable").symlink_to("trixie")
        (daemon.directory / "g").symlink_to("dists/trixie/f")
        fetch(mirror, [wanted("dists/stable/f", BODY), wanted("g", BODY)], store)
        assert held(store) and mirror.get("dists/stable/f").body == BODY
    assert not [path for path in pathlib.Path(store.root).rglob("*") if path.is_symlink()]


def test_metadata_is_read_as_over_http(tmp_path: pathlib.Path) -> None:
    with Daemon(tmp_path, {"a/f": b"text", "large": BODY}) as daemon, Transport(source(daemon.url), retries=0) as mirror:
        answer = mirror.get("a/f")
        assert (answer.status, answer.body, answer.url) == (200, b"text", f"{daemon.url}a/f")
        assert mirror.get("a/g").status == mirror.get("b/f").status == 404
        for path, reason in {"large": "larger than 1000 bytes", "a": "not a regular file"}.items():
            with pytest.raises(Failure, match=reason):
                mirror.get(path, most=1000)


def test_what_lies_deep_in_a_module_is_found_there(tmp_path: pathlib.Path, store: Store) -> None:
    with Daemon(tmp_path, {"linux/debian/a/f": BODY}) as daemon, Transport(source(f"{daemon.url}linux/debian"), retries=0) as mirror:
        assert mirror.get("a/f").body == BODY and mirror.get("a/g").status == 404
        assert mirror.sizes(["a/f", "a/g"]) == {"a/f": len(BODY)}
        with pytest.raises(Unobtainable, match="linux/debian/a/g: not there"):
            fetch(mirror, [wanted("a/f", BODY), wanted("a/g", b"g")], store)
    assert held(store)


def test_what_may_not_be_read_is_said_to_be_so(tmp_path: pathlib.Path) -> None:
    with Daemon(tmp_path, {"f": b"text"}) as daemon, Transport(source(daemon.url), retries=0) as mirror:
        (daemon.directory / "f").unlink()
        (daemon.directory / "f").symlink_to("f")
        with pytest.raises(Failure, match="f: Too many levels of symbolic links"):
            mirror.get("f")


def test_sizes_are_told_without_a_transfer(tmp_path: pathlib.Path) -> None:
    with Daemon(tmp_path, {"a/f": b"text", "large": BODY}) as daemon, Transport(source(daemon.url), retries=0) as mirror:
        assert mirror.sizes(["a/f", "large", "none"]) == {"a/f": 4, "large": len(BODY)}
        assert mirror.sizes([]) == {} and daemon.connections == 1


def test_logins_are_from_url_or_netrc_and_are_never_shown(tmp_path: pathlib.Path) -> None:
    with Daemon(tmp_path, {"f": b"text"}) as daemon:
        url = f"rsync://{daemon.place}/closed/"
        with Transport(source(url), retries=0) as mirror, pytest.raises(Failure, match="auth failed on module closed"):
            mirror.get("f")
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login joe password {daemon.password}\n")
        with Transport(source(url), retries=0) as mirror:
            assert mirror.get("f").body == b"text"
        (tmp_path / "netrc").unlink()
        with Transport(source(url.replace("//", "//joe:not%26shown@")), retries=0) as mirror:
            answer = mirror.get("f")
            assert answer.body == b"text" and answer.url == f"{url}f"
            assert "shown" not in repr(mirror.sites[0].address.module)
        with Transport(source(url.replace("//", "//joe:wrong@")), retries=3) as mirror:
            before = daemon.connections
            with pytest.raises(Failure, match="auth failed") as caught:
                mirror.get("f")
            assert "wrong" not in str(caught.value) and daemon.connections == before + 1


def test_a_proxy_is_asked_for_a_tunnel(tmp_path: pathlib.Path) -> None:
    with Daemon(tmp_path, {"f": b"text"}) as daemon, web_server.Upstream({}) as proxy:
        with Transport(source(daemon.url, proxy=proxy.url.replace("//", "//joe:pass%20word@")), retries=0) as mirror:
            assert mirror.get("f").body == b"text"
        (request,) = proxy.requests
        assert (request.method, request.target) == ("CONNECT", daemon.place)
        assert request.headers["proxy-authorization"] == basic("joe", "pass word")


def test_a_daemon_that_turns_us_away_is_not_asked_again(tmp_path: pathlib.Path) -> None:
    with Daemon(tmp_path, {}) as daemon, Transport(source(f"rsync://{daemon.place}/nomodule/"), retries=3) as mirror:
        with pytest.raises(Failure, match="Unknown module"):
            mirror.get("f")
        assert daemon.connections == 1


def test_another_mirror_stands_in_over_http(tmp_path: pathlib.Path, store: Store) -> None:
    with Daemon(tmp_path, {"a": b"a"}) as daemon, web_server.Upstream({"/a": b"a", "/b": b"b"}) as server:
        with Transport(source(daemon.url, server.url), retries=0) as mirror:
            fetch(mirror, [wanted("a", b"a"), wanted("b", b"b")], store)
            assert [request.path for request in server.requests] == ["/b"]
            assert mirror.get("b").body == b"b"


def test_the_limit_is_the_programs(tmp_path: pathlib.Path, store: Store) -> None:
    body = BODY[:300_000]
    with Daemon(tmp_path, {"f": body}) as daemon, Transport(source(daemon.url), limit_bytes_per_second=256 << 10) as mirror:
        began = time.monotonic()
        fetch(mirror, [wanted("f", body)], store)
        assert held(store, body) and 0.5 < time.monotonic() - began < 8


def running() -> t.Iterator[str]:
    """The command line of every process."""
    for about in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            yield about.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")


def test_a_stopped_fetch_ends_its_program_and_keeps_what_arrived(tmp_path: pathlib.Path, store: Store) -> None:
    stop = threading.Event()
    with Daemon(tmp_path, {"f": BODY}) as daemon:
        daemon.gates.append(Gate(1_000_000, hold=True))
        with Transport(source(daemon.url), stop=stop, timeout=30) as mirror:
            threading.Timer(1, stop.set).start()
            with pytest.raises(Failure, match="stopped on request"):
                fetch(mirror, [wanted("f", BODY)], store)
        assert next(store.partials())[1] > 500_000
        until = time.monotonic() + 5  # rsync is two processes, and one of them ends when it notices that the other has
        while any(daemon.place in command for command in running()) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(daemon.place in command for command in running())
        with Transport(source(daemon.url)) as mirror:
            fetch(mirror, [wanted("f", BODY)], store)
    assert held(store)


def test_after_kill_9_the_next_run_goes_on_and_no_two_write_to_one_file(tmp_path: pathlib.Path, store: Store) -> None:
    """The killed run's rsync still holds the file until its own time-out."""
    file = wanted("f", BODY)
    with Daemon(tmp_path, {"f": BODY}) as daemon:
        daemon.gates.extend([Gate(2_000_000, hold=True), Gate(1_500_000)])
        settings = [daemon.url, store.root, *map(str, file)]
        child = subprocess.Popen([sys.executable, "-c", FETCH, *settings], env={**os.environ, "PYTHONPATH": COLLECTIONS})
        partial = pathlib.Path(store.partial(file.sha256))
        until = time.monotonic() + 10
        while not (partial.exists() and partial.stat().st_size > 1_000_000) and time.monotonic() < until:
            time.sleep(0.02)
        child.kill()
        child.wait()
        assert os.listdir(store.arriving)
        with Transport(source(daemon.url), timeout=1) as mirror:
            fetch(mirror, [file], store)
        assert held(store) and daemon.connections == 2  # the second brought what was missing, and could not have brought all
        store.recover()


def test_without_the_program_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="rsync is not installed. Install the package rsync"):
        Transport(source("rsync://repo.example.org/debian/"))


@pytest.mark.parametrize("url, reason", [
    ("rsync://repo.example.org/", "no module"), ("rsync:///debian", "no host"), ("rsync://repo.example.org/a/../b", "'..'"),
    ("rsync://a%3ab:x@repo.example.org/m", "a user of that name"),
])
def test_a_url_rsync_could_not_use_is_refused(url: str, reason: str) -> None:
    with pytest.raises(Failure, match=reason):
        parse(url)


def test_what_a_killed_run_left_beside_the_files_is_removed(store: Store) -> None:
    left = pathlib.Path(store.arriving) / "rsync-x" / "pool"
    left.mkdir(parents=True)
    (left / "f").write_bytes(b"x")
    store.recover()
    assert not os.listdir(store.arriving)
