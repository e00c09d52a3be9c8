# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources whose mirrors a list or a metalink names, with real servers on loopback: dead, behind, lying."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import threading
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import mirror_list
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.places import Places
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.web_server import Upstream

NOW, BEFORE, EARLIER, LIE = b"now", b"before", b"earlier", b"lie"
DEAD = "http://127.0.0.1:9"


def _servers(stack: contextlib.ExitStack, *contents: bytes) -> t.List[Upstream]:
    files = [{"/r/repodata/repomd.xml": content, "/r/repodata/repomd.xml.asc": b"of " + content} if content else {} for content in contents]
    return [stack.enter_context(Upstream(one)) for one in files]


def _metalink(urls: t.Sequence[str]) -> bytes:
    def state(content: bytes, time: int) -> str:
        return f"<mm0:timestamp>{time}</mm0:timestamp><verification><hash type='sha256'>{hashlib.sha256(content).hexdigest()}</hash></verification>"

    listed = "".join(f"<url preference='{100 - number}'>{url}/{mirror_list.REPOMD}</url>" for number, url in enumerate(urls))
    return (
        f"<metalink xmlns:mm0='urn:m'><files><file name='repomd.xml'>{state(NOW, 3)}<mm0:alternates><mm0:alternate>{state(EARLIER, 1)}</mm0:alternate>"
        f"<mm0:alternate>{state(BEFORE, 2)}</mm0:alternate></mm0:alternates><resources>{listed}</resources></file></files></metalink>"
    ).encode()


def _places(retries: int = 0) -> Places:
    return Places(Configuration("/nowhere", {}, retries=retries, timeout=5), threading.Event())


def _source(tmp_path: pathlib.Path, kind: str, content: bytes, urls: t.Sequence[str] = ()) -> Source:
    path = tmp_path / "list"
    path.write_bytes(content)
    return Source("el9", "rpm", tuple(urls), **{kind: f"file://{path}"})


def _asked(server: Upstream) -> t.List[str]:
    return [request.path for request in server.requests]


def test_own_urls_come_before_the_lists(tmp_path: pathlib.Path) -> None:
    source = _source(tmp_path, "mirrorlist", b"http://b.example.org/r/\nhttp://a.example.org/r\n", ["http://a.example.org/r/"])
    with _places().transport(source) as transport:
        assert [site.address.shown for site in transport.sites] == ["http://a.example.org/r/", "http://b.example.org/r/"]


def test_a_list_is_read_once_in_a_run_with_its_query() -> None:
    with contextlib.ExitStack() as stack:
        server, = _servers(stack, NOW)
        server.files["/list?repo=el9&arch=x86_64"] = f"{server.url}r\n".encode()
        source = Source("el9", "rpm", mirrorlist=f"{server.url}list?repo=el9&arch=x86_64")
        places = _places()
        for _time in range(2):
            with places.transport(source) as transport:
                assert transport.get(mirror_list.REPOMD).body == NOW
        assert _asked(server) == ["/list?repo=el9&arch=x86_64", "/r/repodata/repomd.xml", "/r/repodata/repomd.xml"]
        assert places.warnings(source) == []


def test_mirrors_that_are_dead_behind_or_lying_are_passed_over(tmp_path: pathlib.Path) -> None:
    """And what belongs to the file, its signature, is not asked of them first."""
    with contextlib.ExitStack() as stack:
        servers = _servers(stack, BEFORE, LIE, b"", NOW)
        source = _source(tmp_path, "metalink", _metalink([DEAD, *(f"{server.url}r" for server in servers)]))
        with _places().transport(source) as transport:
            assert transport.get(mirror_list.REPOMD).body == NOW
            assert transport.get(mirror_list.REPOMD + ".asc").body == b"of now"
        assert [_asked(server)[1:] for server in servers] == [[], [], [], ["/r/repodata/repomd.xml.asc"]]


def test_of_mirrors_that_are_all_behind_the_one_least_behind_is_taken(tmp_path: pathlib.Path) -> None:
    with contextlib.ExitStack() as stack:
        servers = _servers(stack, EARLIER, LIE, BEFORE)
        source = _source(tmp_path, "metalink", _metalink([f"{server.url}r" for server in servers]))
        with _places().transport(source) as transport:
            assert transport.get(mirror_list.REPOMD).body == BEFORE
            assert transport.get(mirror_list.REPOMD + ".asc").body == b"of before"


def test_when_every_mirror_lies_nothing_is_taken(tmp_path: pathlib.Path) -> None:
    with contextlib.ExitStack() as stack:
        servers = _servers(stack, LIE, LIE)
        source = _source(tmp_path, "metalink", _metalink([f"{server.url}r" for server in servers]))
        with _places().transport(source) as transport:
            with pytest.raises(Failure, match="it is not what the metalink names.*it is not what the metalink names"):
                transport.get(mirror_list.REPOMD)


def test_what_was_there_before_does_not_hide_what_the_metalink_names(tmp_path: pathlib.Path) -> None:
    """A mirror that stands still answers a conditional request with 304 for ever."""
    with contextlib.ExitStack() as stack:
        behind, current = _servers(stack, BEFORE, NOW)
        plain = Source("el9", "rpm", (f"{behind.url}r",))
        with _places().transport(plain) as transport:
            known = transport.get(mirror_list.REPOMD).validators
        source = _source(tmp_path, "metalink", _metalink([f"{behind.url}r", f"{current.url}r"]))
        with _places().transport(source) as transport:
            assert transport.get(mirror_list.REPOMD, validators=known).body == NOW


@pytest.mark.parametrize("kind,content", [
    ("mirrorlist", b""), ("mirrorlist", b"ftp://a.example.org/\nrsync://a.example.org/r\n/srv/r\n"), ("metalink", b"<metalink>"),
    ("metalink", b"http://a.example.org/r\n"), ("metalink", b"<metalink><file name='repomd.xml'><url>http://a.example.org/r</url></file></metalink>"),
])
def test_without_its_list_a_source_goes_on_with_its_urls_and_says_so(tmp_path: pathlib.Path, kind: str, content: bytes) -> None:
    alone = _source(tmp_path, kind, content)
    with pytest.raises(Failure, match="of source 'el9'"):
        _places().transport(alone)
    both = alone._replace(urls=("http://b.example.org/r",))
    places = _places()
    with places.transport(both) as transport:
        assert [site.address.shown for site in transport.sites] == ["http://b.example.org/r/"]
    warning, = places.warnings(both)
    assert "of source 'el9'" in warning and warning.endswith("Went on with urls alone.")


@pytest.mark.parametrize("url", [f"{DEAD}/list", "file:///nowhere/list"])
def test_a_list_that_is_not_there_is_named_with_its_url(url: str) -> None:
    with pytest.raises(Failure) as caught:
        _places().transport(Source("el9", "rpm", mirrorlist=url))
    assert url in str(caught.value) and "the mirror list of source 'el9'" in str(caught.value)


def test_a_run_that_is_stopped_does_not_blame_the_list() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Failure, match="stopped on request"):
        Places(Configuration("/nowhere", {}), stop).transport(Source("el9", "rpm", (DEAD,), mirrorlist=f"{DEAD}/list"))
