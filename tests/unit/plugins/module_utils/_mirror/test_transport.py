# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small metadata from one of several mirrors: conditional, bounded, and nobody else learns the login."""

from __future__ import annotations

import pathlib
import ssl
import subprocess
import threading
import time

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import address, rate, transport
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport, Validators
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import web_server
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.web_server import Upstream, source

BODY = b"Origin: Example OS\n"


@pytest.fixture(autouse=True)
def _prompt(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Back off shortly, and let no login of the machine in."""
    monkeypatch.setattr(transport, "_LONGEST_PAUSE", 0.01)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_a_second_look_at_what_did_not_change_is_one_conditional_request_on_the_same_connection() -> None:
    with Upstream({"/d/InRelease": BODY}) as server, Transport(source(server.url + "d")) as mirror:
        first = mirror.get("InRelease")
        second = mirror.get("InRelease", first.validators)
    assert (first.status, first.body, first.url) == (200, BODY, server.url + "d/InRelease")
    assert (second.status, second.body, second.validators) == (304, b"", first.validators)
    assert len(server.requests) == 2 and server.connections == 1


def test_validators_of_one_mirror_are_not_shown_to_another() -> None:
    """Entity tags are the server's own: another may mean another state by the same."""
    with Upstream({"/f": BODY}) as server, Transport(source(server.url)) as mirror:
        answer = mirror.get("f", Validators('"1"', "", "http://other.example.org/"))
        assert answer.status == 200 and "if-none-match" not in server.requests[0].headers
        mirror.get("f", Validators('"1"', "yesterday"))
        assert server.requests[1].headers["if-none-match"] == '"1"' and server.requests[1].headers["if-modified-since"] == "yesterday"


def test_absent_is_an_answer_only_when_nobody_has_it() -> None:
    with Upstream({}) as empty, Upstream({"/f": BODY}) as full:
        with Transport(source(empty.url, full.url)) as mirror:
            assert mirror.get("f").body == BODY
            assert mirror.get("g").status == 404
        with Transport(source(web_server.unused_url(), empty.url)) as mirror:
            assert mirror.get("f").status == 404


def test_a_mirror_that_does_not_answer_is_passed_over_and_named_when_none_does() -> None:
    with Upstream({"/f": BODY}) as server:
        gone = web_server.unused_url()
        with Transport(source(gone, server.url)) as mirror:
            assert mirror.get("f").url == server.url + "f"
        with Transport(source(gone.replace("//", "//reader:secret@")), retries=1) as mirror, pytest.raises(Failure) as refused:
            mirror.get("f")
    assert gone + "f: Connection refused" in str(refused.value) and "secret" not in str(refused.value)


@pytest.mark.parametrize("fault", [web_server.status(503), web_server.hang_up, web_server.nonsense, web_server.content(BODY[:5], len(BODY))])
def test_what_passes_is_tried_again(fault: web_server.Fault) -> None:
    with Upstream({"/f": BODY}) as server, Transport(source(server.url)) as mirror:
        server.faults["/f"].extend([fault, fault])
        assert mirror.get("f").body == BODY and len(server.requests) == 3


@pytest.mark.parametrize(
    "fault, why",
    [
        (web_server.status(403), "HTTP 403"),
        (web_server.status(401), "HTTP 401"),
        (web_server.status(304), "HTTP 304"),
        (web_server.content(BODY, Content_Encoding="gzip"), "Content-Encoding 'gzip'"),
        (web_server.content(b"x" * 101), "larger than 100 bytes"),
        (web_server.content(b"", 10**12), "larger than 100 bytes"),
        (web_server.status(302, Location="file:///etc/passwd"), "not an http or https URL"),
        (web_server.status(302, Location="http://[bad/"), "not an http or https URL"),
        (web_server.status(302), "redirects more than"),
        (web_server.status(302, Location="/f"), "redirects more than"),
    ],
)
def test_what_will_not_pass_is_refused_at_once(fault: web_server.Fault, why: str) -> None:
    with Upstream({}) as server, Transport(source(server.url)) as mirror:
        server.always = fault
        with pytest.raises(Failure, match=why):
            mirror.get("f", most=100)
    assert len(server.requests) in (1, 6)


def test_a_body_without_length_is_bounded_too() -> None:
    with Upstream({"/f": b"x" * 5000}) as server, Transport(source(server.url)) as mirror:
        server.always = web_server.chunked
        assert len(mirror.get("f", most=5000).body) == 5000
        with pytest.raises(Failure, match="larger than 4999 bytes"):
            mirror.get("f", most=4999)


@pytest.mark.parametrize("path", ["../f", "/f", "a/../f", "a\\b", "f\r\nHost: x", ""])
def test_no_path_leaves_the_upstream(path: str) -> None:
    with Upstream({}) as server, Transport(source(server.url)) as mirror, pytest.raises(Failure, match="accept path"):
        mirror.get(path)
    assert not server.requests


def test_a_path_is_asked_for_by_its_very_name() -> None:
    with Upstream({"/pool/g%2B%2B_1%3A2~rc_%25%20%C3%A9.deb": BODY}) as server, Transport(source(server.url)) as mirror:
        assert mirror.get("pool/g++_1:2~rc_% é.deb").body == BODY


def test_the_login_goes_to_the_mirror_and_not_where_it_redirects() -> None:
    with Upstream({"/f": BODY}) as other, Upstream({"/g": BODY}) as server:
        server.faults["/f"].append(web_server.status(302, Location=other.url + "f"))
        server.faults["/h"].append(web_server.status(301, Location="/h 2"))
        server.faults["/h%202"].append(web_server.status(308, Location="g"))
        with Transport(source(server.url.replace("//", "//reader:s%40cret@"))) as mirror:
            assert mirror.get("f").body == mirror.get("h").body == BODY
            assert "s%40cret" not in repr(mirror.get("g"))
    assert all(request.headers["authorization"] == address.basic("reader", "s@cret") for request in server.requests)
    assert "authorization" not in other.requests[0].headers


def test_a_login_comes_from_netrc_and_a_bad_netrc_does_not_show_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password secret\n")
    with Upstream({"/f": BODY}) as server, Transport(source(server.url)) as mirror:
        mirror.get("f")
    assert server.requests[0].headers["authorization"] == address.basic("reader", "secret")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader pasword secret\n")
    with pytest.raises(Failure, match="line 1 is not netrc syntax") as refused:
        Transport(source(server.url))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["ftp://h/", "h/x", "http://", "http://h:x/", "http://h/?q", "http://h/ x", "http://u:pa/ss@h/", "http://u:pa ss@h/", "http://u:pass@h/\n", "file://h/x"],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Failure, match="use URL") as refused:
        Transport(source(url))
    assert "ss@" not in str(refused.value) and "'pa" not in str(refused.value)


def test_http_through_a_proxy_names_the_whole_url() -> None:
    with Upstream({"/f": BODY}) as proxy:
        proxy_url = proxy.url.replace("//", "//me:secret@")
        with Transport(source("http://mirror.example.org", proxy=proxy_url)) as mirror:
            assert mirror.get("f").url == "http://mirror.example.org/f"
    request = proxy.requests[0]
    assert (request.target, request.headers["host"]) == ("http://mirror.example.org/f", "mirror.example.org")
    assert request.headers["proxy-authorization"] == address.basic("me", "secret")
    with pytest.raises(Failure, match="not an http:// URL"):
        Transport(source("http://mirror.example.org", proxy="socks5://127.0.0.1:1"))


class Authority:
    """Certificates, made with the real openssl."""

    def __init__(self, work: pathlib.Path) -> None:
        self.work = work
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test",
                  "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem")

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.work, check=True, capture_output=True)

    def server(self, members_only: bool = False) -> ssl.SSLContext:
        """What a server with this certificate uses; it is its own authority, for clients too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.work / "cert.pem", self.work / "key.pem")
        if members_only:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.work / "cert.pem")
        return context


@pytest.fixture(name="authority", scope="module")
def _authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_tls_with_own_authority_and_client_certificate_directly_and_through_a_proxy(authority: Authority) -> None:
    own = {"ca_certificate": str(authority.work / "cert.pem")}
    member = {**own, "client_certificate": str(authority.work / "cert.pem"), "client_key": str(authority.work / "key.pem")}
    with Upstream({"/f": BODY}, authority.server(members_only=True)) as server, Upstream({}) as proxy:
        with Transport(source(server.url, **member)) as mirror:
            assert [mirror.get("f").body for _turn in range(3)] == [BODY] * 3
        assert server.connections == 1
        with Transport(source(server.url, **member, proxy=proxy.url)) as mirror:
            assert mirror.get("f").body == BODY
        assert [request.target for request in proxy.requests] == [f"127.0.0.1:{server.port}"]
        with Transport(source(server.url, **own), retries=0) as mirror, pytest.raises(Failure, match=server.url):
            mirror.get("f")


def test_an_unknown_authority_is_refused_at_once_and_files_that_cannot_be_read_are_named(authority: Authority) -> None:
    with Upstream({"/f": BODY}, authority.server()) as server:
        with Transport(source(server.url)) as mirror, pytest.raises(Failure, match="TLS certificate is not accepted: self"):
            mirror.get("f")
        assert server.connections == 1
        for setting in ("ca_certificate", "client_certificate"):
            with pytest.raises(Failure, match="/nowhere.pem: No such file"):
                Transport(source(server.url, **{setting: "/nowhere.pem"}))


def test_no_redirect_leads_from_https_to_http(authority: Authority) -> None:
    with Upstream({"/f": BODY}) as plain, Upstream({}, authority.server()) as server:
        server.always = web_server.status(302, Location=plain.url + "f")
        with Transport(source(server.url, ca_certificate=str(authority.work / "cert.pem"))) as mirror:
            with pytest.raises(Failure, match="from https to"):
                mirror.get("f")
    assert not plain.requests


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("fault", [web_server.silent, web_server.drip(b"HTTP/1.1 200 OK\r\nX: "), web_server.drip(HEAD)])
def test_a_server_that_sends_next_to_nothing_is_left(fault: web_server.Fault) -> None:
    """Each byte would start a socket's time-out anew."""
    with Upstream({}) as server, Upstream({"/f": BODY}) as other:
        server.always = fault
        began = time.monotonic()
        with Transport(source(server.url, other.url), timeout=0.3, retries=0) as mirror:
            assert mirror.get("f").body == BODY
        assert time.monotonic() - began < 2


def test_a_stop_ends_a_request_under_way() -> None:
    stop = threading.Event()
    with Upstream({}) as server, Transport(source(server.url), stop=stop) as mirror:
        server.always = web_server.silent
        threading.Timer(0.1, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Failure, match="stopped on request"):
            mirror.get("f")
        assert time.monotonic() - began < 2


def test_a_connection_the_server_closed_while_idle_costs_no_attempt() -> None:
    def answer_and_close(request: web_server.Request) -> bool:
        request.serve()
        return False

    with Upstream({"/f": BODY}) as server, Transport(source(server.url), retries=0) as mirror:
        server.always = answer_and_close
        for _turn in range(3):
            assert mirror.get("f").body == BODY
        server.always = None
        assert mirror.get("f").body == BODY
        server.faults["/f"].append(web_server.hang_up)  # closes it only when it is asked again
        assert mirror.get("f").body == BODY


def test_a_directory_is_an_upstream_too(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "f").write_bytes(BODY)
    with Transport(source(f"file://{tmp_path}/a%20b")) as mirror:
        first = mirror.get("f")
        assert first.body == BODY and mirror.get("f", first.validators).status == 304
        assert mirror.get("g").status == mirror.get("f/g").status == 404
        (tmp_path / "a b" / "f").write_bytes(b"new")
        assert mirror.get("f", first.validators).body == b"new"
        (tmp_path / "a b" / "d").mkdir()
        with pytest.raises(Failure, match="not a regular file"):
            mirror.get("d")


def test_a_limit_lets_through_what_it_says_whoever_asks() -> None:
    clock = [0.0]
    limit = rate.Limit(1000, lambda: clock[0])
    passed = 0
    while clock[0] < 10:
        clock[0] += limit.charge(limit.portion)
        passed += limit.portion
    assert 10_000 <= passed <= 10_000 + 200 and limit.portion == 100
    assert rate.Limit(None).charge(10**9) == 0


def test_sizes_are_asked_for_without_the_files_over_few_connections() -> None:
    files = {f"/pool/{number}": b"x" * number for number in range(100)}
    with Upstream(files) as server, Transport(source(server.url), connections=3) as mirror:
        assert mirror.sizes([path[1:] for path in files]) == {path[1:]: len(body) for path, body in files.items()}
        assert {request.method for request in server.requests} == {"HEAD"} and len(server.requests) == 100
        assert server.connections <= 3
        assert mirror.sizes([]) == {}


def test_sizes_one_mirror_does_not_know_are_asked_of_the_next() -> None:
    with Upstream({"/a": b"1", "/b": b"22"}) as first, Upstream({"/b": b"333", "/c": b"4444"}) as second:
        with Transport(source(first.url, second.url), retries=1) as mirror:
            first.faults["/a"].append(web_server.status(503))
            assert mirror.sizes(["a", "b", "c", "d"]) == {"a": 1, "b": 3, "c": 4}


def test_a_size_that_is_not_told_is_no_size() -> None:
    with Upstream({"/a": b"1"}) as server, Transport(source(server.url), retries=0) as mirror:
        server.always = web_server.chunked
        with pytest.raises(Failure, match="does not say how long"):
            mirror.sizes(["a"])
        with pytest.raises(Failure, match="accept path"):
            mirror.sizes(["../a"])
