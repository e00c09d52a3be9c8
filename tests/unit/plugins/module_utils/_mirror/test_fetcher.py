# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files come into the store whole and verified, whatever the servers do; what arrived survives."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import pathlib
import random
import resource
import tempfile
import threading
import time
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import transport
from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import Progress, fetch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import web_server
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.web_server import Upstream, source, wanted

BODY = random.Random(7).getrandbits(8 * 300_000).to_bytes(300_000, "little")


@pytest.fixture(autouse=True)
def _prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_LONGEST_PAUSE", 0.01)


@pytest.fixture(name="store")
def _store(tmp_path: pathlib.Path) -> Store:
    return Store(str(tmp_path))


def held(store: Store, body: bytes = BODY) -> bool:
    """Whether the store has exactly this content."""
    sha256 = hashlib.sha256(body).hexdigest()
    return store.has(sha256, len(body)) and pathlib.Path(store.path(sha256)).read_bytes() == body


def spans(server: Upstream) -> t.List[str]:
    """The ranges that were asked for, '' for all."""
    return [request.headers.get("range", "") for request in server.requests]


def test_many_files_come_over_few_connections_largest_first_and_only_once(store: Store) -> None:
    files = {f"/pool/{number}.deb": bytes([number]) * (number * 37) for number in range(200)}
    seen: t.List[Progress] = []
    with Upstream(files) as server, Transport(source(server.url), connections=4) as mirror:
        asked = [wanted(path[1:], body) for path, body in files.items()]
        fetch(mirror, asked, store, seen.append)
        assert all(held(store, body) for body in files.values())
        assert server.connections <= 4 and len(server.requests) == 199  # the empty one needs no request
        assert server.requests[0].path in [f"/pool/{number}.deb" for number in range(190, 200)]
        fetch(mirror, asked, store, seen.append)
        assert len(server.requests) == 199
    total = sum(map(len, files.values()))
    assert seen[-1] == Progress(200, 200, total, total, 0)
    assert not list(store.partials())


@pytest.mark.parametrize(
    "faults, requests",
    [
        ([web_server.cut_after(100_000)], ["", "bytes=100000-"]),
        ([web_server.cut_after(100_000), web_server.cut_after(100_000)], ["", "bytes=100000-", "bytes=200000-"]),
        ([web_server.cut_after(100_000), web_server.whole], ["", "bytes=100000-"]),
        ([web_server.cut_after(100_000), web_server.chunked], ["", "bytes=100000-"]),
        ([web_server.hang_up, web_server.nonsense], ["", "", ""]),
        ([web_server.status(503), web_server.status(429, Retry_After="0")], ["", "", ""]),
        ([web_server.chunked], [""]),
        ([web_server.content(b"x" * len(BODY))], ["", ""]),  # a cache on the way may have held it
    ],
)
def test_what_passes_is_got_over(store: Store, faults: t.List[web_server.Fault], requests: t.List[str]) -> None:
    with Upstream({"/f": BODY}) as server, Transport(source(server.url)) as mirror:
        server.faults["/f"].extend(faults)
        fetch(mirror, [wanted("f", BODY)], store)
        assert held(store) and spans(server) == requests


LASTING = [
    (web_server.content(BODY[:-1]), "offers 299999 bytes, not the 300000"),
    (web_server.content(BODY + b"x"), "offers 300001 bytes"),
    (web_server.content(BODY[:-1] + b"x"), "content is not what is signed for"),
    (web_server.content(BODY[:-1] + b"x", Content_Encoding="gzip"), "sent with Content-Encoding 'gzip'"),
    (web_server.content(BODY[:1000], len(BODY)), "ended 299000 bytes early"),
    (web_server.status(404), "not there .HTTP 404"),
    (web_server.status(403), "HTTP 403"),
    (web_server.status(416), "shorter than what is signed for"),
    (web_server.status(500), "HTTP 500"),
    (web_server.status(206, Content_Range="bytes 5-9/10"), "another range"),
    (web_server.status(302, Location="ftp://example.org/"), "not an http or https URL"),
]


@pytest.mark.parametrize("fault, why", LASTING)
def test_what_lasts_is_told_with_its_url_and_the_rest_is_there(store: Store, fault: web_server.Fault, why: str) -> None:
    with Upstream({"/good": b"good"}) as server, Transport(source(server.url), retries=1) as mirror:
        server.faults["/bad"].extend([fault] * 9)
        with pytest.raises(Failure, match=f"fetch 1 of 2 files.*bad .{server.url}bad: .*{why}"):
            fetch(mirror, [wanted("bad", BODY), wanted("good", b"good")], store)
    assert held(store, b"good") and not held(store)


@pytest.mark.parametrize("fault, why", LASTING)
def test_another_mirror_is_asked_instead(store: Store, fault: web_server.Fault, why: str) -> None:
    with Upstream({}) as bad, Upstream({"/f": BODY}) as good, Transport(source(bad.url, good.url), retries=1) as mirror:
        bad.always = fault
        fetch(mirror, [wanted("f", BODY)], store)
        assert held(store) and why


def test_more_than_the_signed_size_is_not_even_read(store: Store) -> None:
    def endless(request: web_server.Request) -> bool:
        request.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            request.sock.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    with Upstream({}) as server, Transport(source(server.url)) as mirror:
        server.always = endless
        with pytest.raises(Failure, match="more than the 5000 bytes"):
            fetch(mirror, [wanted("f", BODY[:5000])], store)
    assert [size for _name, size, _changed in store.partials()] == [0]


def test_all_failures_are_counted_and_a_few_told(store: Store) -> None:
    with Upstream({}) as server, Transport(source(server.url)) as mirror:
        with pytest.raises(Failure, match="fetch 10 of 10 files.*; and 7 more"):
            fetch(mirror, [wanted(f"f{number}", bytes([number])) for number in range(10)], store)


def test_one_content_at_two_paths_is_fetched_from_either(store: Store) -> None:
    with Upstream({"/by-hash/x": BODY}) as server, Transport(source(server.url)) as mirror:
        fetch(mirror, [wanted("Packages", BODY), wanted("by-hash/x", BODY)], store)
        assert held(store) and len(server.requests) == 2


@pytest.mark.parametrize("left, request_", [(BODY[:1234], "bytes=1234-"), (b"", ""), (BODY + b"x", "")])
def test_what_an_interrupted_run_left_is_gone_on_with(store: Store, left: bytes, request_: str) -> None:
    file = wanted("f", BODY)
    pathlib.Path(store.partial(file.sha256)).write_bytes(left)
    with Upstream({"/f": BODY}) as server, Transport(source(server.url)) as mirror:
        fetch(mirror, [file], store)
        assert held(store) and spans(server) == [request_]


def test_a_file_that_was_complete_but_for_its_name_needs_no_request(store: Store) -> None:
    file = wanted("f", BODY)
    pathlib.Path(store.partial(file.sha256)).write_bytes(BODY)
    with Upstream({}) as server, Transport(source(server.url)) as mirror:
        fetch(mirror, [file], store)
        assert held(store) and not server.requests


def test_a_damaged_beginning_is_not_blamed_on_the_mirror(store: Store) -> None:
    file = wanted("f", BODY)
    pathlib.Path(store.partial(file.sha256)).write_bytes(b"zeros" * 100)
    with Upstream({"/f": BODY}) as server, Transport(source(server.url)) as mirror:
        fetch(mirror, [file], store)
        assert held(store) and spans(server) == ["bytes=500-", ""]
        assert server.requests[1].headers["cache-control"] == "no-cache"


def test_a_server_that_drips_is_left_for_another(store: Store) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    with Upstream({}) as slow, Upstream({"/f": BODY}) as good, Transport(source(slow.url, good.url), timeout=0.3, retries=0) as mirror:
        slow.always = web_server.drip(head)
        fetch(mirror, [wanted("f", BODY)], store)
        assert held(store)


def test_a_file_that_waits_for_its_next_attempt_holds_no_slot(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_LONGEST_PAUSE", 0.5)
    files = {f"/{number}": bytes([number]) for number in range(20)}
    with Upstream({**files, "/busy": BODY}) as server, Transport(source(server.url), connections=1) as mirror:
        server.faults["/busy"].append(web_server.status(503))
        fetch(mirror, [wanted(path[1:], body) for path, body in server.files.items()], store)
        assert [request.path for request in server.requests].index("/busy", 1) == 21


def test_a_dead_mirror_is_given_up_once_for_all_files(store: Store) -> None:
    """Not once for each: with thousands of files that would last for days."""
    with Upstream({}) as server, Transport(source(server.url), retries=2) as mirror:
        server.always = web_server.hang_up
        with pytest.raises(Failure, match="fetch 500 of 500 files.*closed the connection without an answer.*497 more"):
            fetch(mirror, [wanted(f"f{number}", b"%d" % number) for number in range(500)], store)
        assert len(server.requests) <= 3 * 8


def test_all_files_come_from_the_mirror_that_lives(store: Store) -> None:
    files = {f"/{number}": b"%d" % number for number in range(100)}
    with Upstream(files) as server, Transport(source(web_server.unused_url(), server.url)) as mirror:
        fetch(mirror, [wanted(path[1:], body) for path, body in files.items()], store)
        assert all(held(store, body) for body in files.values())


def test_a_stop_ends_at_once_and_the_next_run_asks_only_for_the_rest(store: Store) -> None:
    stop = threading.Event()

    def half(request: web_server.Request) -> bool:
        request.send(200, BODY[:100_000], len(BODY))
        threading.Timer(0.1, stop.set).start()
        return web_server.silent(request)

    small = wanted("small", b"small")
    with Upstream({"/f": BODY, "/small": b"small"}) as server:
        server.faults["/f"].append(half)
        began = time.monotonic()
        with Transport(source(server.url)) as mirror, pytest.raises(Failure, match="stopped on request after 1 of 2"):
            fetch(mirror, [wanted("f", BODY), small], store, stop=stop)
        assert time.monotonic() - began < 2 and held(store, b"small")
        with Transport(source(server.url)) as mirror:
            fetch(mirror, [wanted("f", BODY), small], store)
        assert held(store) and sorted(spans(server)) == ["", "", "bytes=100000-"]


def test_an_error_of_the_caller_ends_the_threads(store: Store) -> None:
    def interrupted(_progress: Progress) -> None:
        raise KeyboardInterrupt

    with Upstream({}) as server:
        server.always = web_server.silent
        with Transport(source(server.url)) as mirror, pytest.raises(KeyboardInterrupt):
            fetch(mirror, [wanted("f", BODY)], store, interrupted)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("mirror-fetch")]


def test_a_full_disk_ends_everything_and_leaves_no_rest(store: Store) -> None:
    files = {f"/{number}": bytes([number]) * 50_000 for number in range(50)}
    asked = [wanted(path[1:], body) for path, body in files.items()]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Upstream(files) as server, Transport(source(server.url)) as mirror:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
        try:
            with pytest.raises(Failure, match="File too large.*Make room"):
                fetch(mirror, asked, store)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert len(server.requests) < 40
    assert not list(store.files())


def test_a_link_in_the_place_of_a_partial_file_is_not_followed(tmp_path: pathlib.Path, store: Store) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    file = wanted("f", BODY)
    os.symlink(tmp_path / "precious", store.partial(file.sha256))
    with Upstream({"/f": BODY}) as server, Transport(source(server.url)) as mirror, pytest.raises(Failure, match="symbolic links"):
        fetch(mirror, [file], store)
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_the_limit_holds_for_all_connections_together(store: Store) -> None:
    files = {f"/{number}": bytes([number]) * 50_000 for number in range(8)}
    with Upstream(files) as server, Transport(source(server.url), limit_bytes_per_second=1_000_000, timeout=0.3) as mirror:
        began = time.monotonic()
        fetch(mirror, [wanted(path[1:], body) for path, body in files.items()], store)
        assert 0.25 <= time.monotonic() - began < 3


def test_two_fetches_at_once_of_the_same_content_bring_it_once(store: Store) -> None:
    """As when two repositories that are read at once share an index."""
    files = {f"/{number}": b"%d" % number * 5000 for number in range(100)}
    asked = [wanted(path[1:], body) for path, body in files.items()]
    with Upstream(files) as server:

        def bring(_turn: int) -> bool:
            with Transport(source(server.url)) as mirror:
                fetch(mirror, asked, store)
            return all(held(store, body) for body in files.values())

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            assert all(pool.map(bring, range(3)))
        assert len(server.requests) == 100
    assert not list(store.partials())


def test_a_partial_file_that_was_made_read_only_is_gone_on_with(store: Store) -> None:
    """What a kill leaves just before the whole file gets its name; root would not notice the mode."""
    file = wanted("f", BODY)
    partial = pathlib.Path(store.partial(file.sha256))
    partial.write_bytes(BODY)
    partial.chmod(0o444)
    with Upstream({}) as server, Transport(source(server.url)) as mirror:
        fetch(mirror, [file], store)
    assert held(store)


def test_from_a_directory(store: Store, tmp_path: pathlib.Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "f").write_bytes(BODY)
    file = wanted("f", BODY)
    pathlib.Path(store.partial(file.sha256)).write_bytes(BODY[:1000])
    with Transport(source(f"file://{tmp_path}/up")) as mirror:
        fetch(mirror, [file], store)
        assert held(store)
        os.mkfifo(tmp_path / "up" / "pipe")
        with pytest.raises(Failure, match="missing.*not there.*; pipe.*not a regular file"):
            fetch(mirror, [wanted("pipe", b"1"), wanted("missing", b"2")], store)


HOSTILE = [
    *[web_server.status(code) for code in (206, 304, 403, 404, 500)],
    *[web_server.status(302, Location=location) for location in ("/f0", "?")],
    *[web_server.content(b"x" * count, length) for count, length in ((3000, None), (3000, 10), (0, 3000), (2999, None))],
    *[web_server.cut_after(count) for count in (1, 1500)],
    web_server.hang_up,
    web_server.nonsense,
    web_server.whole,
    web_server.chunked,
]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from(HOSTILE), max_size=4), min_size=6, max_size=6), st.lists(st.binary(max_size=4000), min_size=3, max_size=3))
def test_whatever_two_mirrors_do_the_store_holds_nothing_but_what_was_wanted(faults: t.List[t.List[web_server.Fault]], left: t.List[bytes]) -> None:
    bodies = [bytes([number]) * 3000 for number in (1, 2, 3)]
    files = {f"/f{number}": body for number, body in enumerate(bodies)}
    with Upstream(files) as one, Upstream(files) as two, tempfile.TemporaryDirectory() as root:
        for number, script in enumerate(faults):
            (one, two)[number // 3].faults[f"/f{number % 3}"].extend(script)
        store = Store(root)
        asked = [wanted(path[1:], body) for path, body in files.items()]
        for file, beginning in zip(asked, left):
            pathlib.Path(store.partial(file.sha256)).write_bytes(beginning)
        with Transport(source(one.url, two.url), connections=2, retries=9) as mirror:
            try:
                fetch(mirror, asked, store)
            except Failure as failure:
                missing = [body for body in bodies if not held(store, body)]
                assert missing and f"fetch {len(missing)} of 3 files" in str(failure)
            else:
                assert all(held(store, body) for body in bodies)
        assert all(store.sound(file.sha256) for file in store.files())
