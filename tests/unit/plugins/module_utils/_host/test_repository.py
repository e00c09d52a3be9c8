# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a repository is said before a host is touched, naming the entry and the field."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import KeySource, parse, secrets_in

APT: t.Dict[str, t.Any] = {"name": "example-updates", "kind": "updates", "uris": ["https://repo.example.org/apt/"], "suite": "example-updates",
                           "components": ["main"], "origin": "Example", "keys": [{"content": "key"}]}
DNF: t.Dict[str, t.Any] = {"name": "example-updates", "kind": "updates", "baseurl": ["https://repo.example.org/rpm"], "keys": [{"content": "key"}]}


@pytest.mark.parametrize("change, words", [
    ({"name": "Example"}, "lower-case"),
    ({"name": "example.updates"}, "lower-case"),
    ({"kind": None}, "neither kind nor band"),
    ({"uris": []}, "no uris"),
    ({"suite": ""}, "no suite"),
    ({"suite": "./"}, "suite './'"),
    ({"suite": "a b"}, "suite 'a b'"),
    ({"components": []}, "no components"),
    ({"components": ["main", "main"]}, "twice"),
    ({"origin": ""}, "no origin or label"),
    ({"origin": "Example, Inc"}, "origin 'Example, Inc'"),
    ({"origin": "Exam*"}, "origin"),
    ({"label": "/regex/"}, "label"),
    ({"origin": "Example\nPin: release a=x"}, "origin"),
    ({"description": "one\ntwo"}, "one line"),
    ({"uris": ["ftp://repo.example.org/"]}, "not a URL that starts with"),
    ({"uris": ["https://repo.example.org/a b"]}, "Percent-encode"),
    ({"uris": ["https://repo.example.org:port/"]}, "not a URL"),
    ({"uris": ["https://repo.example.org/?x=1"]}, "query"),
    ({"uris": ["http:///apt"]}, "not a URL that starts with"),
    ({"proxy": "socks5://proxy.example.org"}, "proxy"),
    ({"client_key": "relative"}, "client_key"),
    ({"client_key": '/etc/"x"'}, "client_key"),
    ({"priority": "1200"}, "priority '1200' is not a whole number"),
    ({"priority": True}, "priority True"),
    ({"keys": []}, "no keys"),
    ({"keys": [{}]}, "exactly one of"),
    ({"keys": [{"content": "key", "file": "/key"}]}, "exactly one of"),
    ({"keys": [{"url": "https://repo.example.org/key"}]}, "no fingerprint"),
    ({"keys": [{"content": "key", "fingerprint": "1234ABCD"}]}, "not a full fingerprint"),
    ({"baseurl": ["https://repo.example.org/"]}, "no meaning"),
    ({"excludes": ["cloud-api"]}, "no meaning"),
])
def test_a_bad_entry_is_refused_with_its_place_and_field(change: t.Dict[str, t.Any], words: str) -> None:
    with pytest.raises(Failure) as caught:
        parse([APT, {**APT, "name": "second", **change}], "apt", "example")
    assert f"repositories[1] ({change.get('name', 'second')})" in str(caught.value)
    assert words in str(caught.value)


def test_a_dnf_host_takes_no_apt_repository() -> None:
    with pytest.raises(Failure, match="This is an dnf host: give baseurl"):
        parse([APT], "dnf", "example")
    assert parse([DNF], "dnf", "example")[0].baseurl == ("https://repo.example.org/rpm",)


def test_a_name_is_used_once() -> None:
    with pytest.raises(Failure, match=r"repositories\[1\] \(example-updates\): repositories\[0\] has the same name"):
        parse([APT, APT], "apt", "example")


@pytest.mark.parametrize("name", ["", "Example", "-example", "example-", "a/b", "a b", "a_b", "..", "a\n"])
def test_a_set_needs_a_name_that_files_can_have(name: str) -> None:
    with pytest.raises(Failure, match="use repository set"):
        parse([APT], "apt", name)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(Failure, match="no repositories"):
        parse([], "apt", "example")


def test_logins_leave_the_address() -> None:
    entry = {**APT, "uris": ["https://robot:s%20cret@repo.example.org:8443/apt"]}
    with pytest.raises(Failure, match="user or password"):
        parse([entry], "apt", "example")
    entry = {**APT, "uris": ["https://robot:s%2Fcret@repo.example.org:8443/apt"]}
    [repository] = parse([entry], "apt", "example")
    assert repository.uris == ("https://repo.example.org:8443/apt",)
    assert repository.logins == (("https://repo.example.org:8443/apt", "robot", "s/cret"),)
    assert "s%2Fcret" not in repr(repository)


def test_what_must_not_be_shown_is_found_everywhere() -> None:
    secret_key = "-----BEGIN PGP PRIVATE KEY BLOCK-----"
    entry = {"uris": ["http://a:b@repo.example.org/"], "baseurl": None, "proxy": "http://c:d@proxy.example.org",
             "keys": [{"url": "https://e:f@repo.example.org/key"}, {"content": secret_key}]}
    assert secrets_in([entry]) == {"a:b", "c:d", "e:f", secret_key}


def test_a_fingerprint_is_read_as_people_write_it() -> None:
    written = "abcd ef01 2345 6789 abcd  ef01 2345 6789 abcd ef01"
    [repository] = parse([{**APT, "keys": [{"content": "key", "fingerprint": written}]}], "apt", "example")
    assert repository.keys == (KeySource("ABCDEF0123456789" * 2 + "ABCDEF01", "key", "", ""),)


text = st.one_of(st.text(max_size=12), st.sampled_from(["", "a", "http://a.example/", "http://u:p@a.example/x", "x\ny", "main", "/a"]))


@given(st.fixed_dictionaries({}, optional={
    **{field: text for field in ("name", "description", "suite", "origin", "label", "proxy", "client_certificate", "client_key", "ca_certificate")},
    **{field: st.lists(text, max_size=2) for field in ("uris", "components", "architectures", "excludes", "baseurl")},
    "keys": st.lists(st.fixed_dictionaries({}, optional={field: text for field in ("content", "url", "file", "fingerprint")}), max_size=2),
}))
def test_any_text_is_refused_readably_or_fits_on_one_line(change: t.Dict[str, t.Any]) -> None:
    try:
        [repository] = parse([{**APT, **change}], "apt", "example")
    except Failure as failure:
        assert "repositories[0]" in str(failure)
        return
    words = [*repository.uris, repository.suite, *repository.components, *repository.architectures]
    assert all(len(word.split()) == 1 for word in words)
    assert all(len(line.splitlines()) <= 1 for line in (repository.description, repository.origin, repository.label))
    assert not any("@" in uri.split("/")[2] for uri in repository.uris)
