# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The .repo file says what was meant, whatever the names, texts and passwords are, and keeps secrets to root."""

from __future__ import annotations

import configparser
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import dnf_files, policy, repository
from ansible_collections.egi.cmd.plugins.module_utils._host.family import HEADER
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, Repository
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS, KINDS

KEY = Key("A" * 40, b"\x99\x01")
PATH = "/etc/yum.repos.d/egi-cmd-cmd-os-1.repo"
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\x85"), max_size=30).map(str.strip)
WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


def parsed(**changes: t.Any) -> Repository:
    entry = {"name": "updates", "kind": "updates", "baseurl": ["http://repo.example.org/el9"], "keys": [{"content": "x"}], **changes}
    return repository.parse([entry], "dnf", "cmd-os-1")[0]


def rendered(*repositories: Repository) -> t.Tuple[configparser.RawConfigParser, t.Any]:
    file = dnf_files.render("cmd-os-1", repositories, {one.name: [KEY] for one in repositories})[PATH]
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(file.content.decode())
    return parser, file


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.booleans(), TEXT), min_size=1, max_size=6))
def test_order_and_switch_of_every_kind_follow_its_band(kinds: t.List[t.Tuple[str, bool, str]]) -> None:
    repositories = [parsed(name=f"r{number}", kind=kind, opt_in=opt_in, description=text) for number, (kind, opt_in, text) in enumerate(kinds)]
    policy.check_order("dnf", "cmd-os-1", repositories)
    parser, _file = rendered(*repositories)
    assert parser.sections() == [one.name for one in repositories]
    for one in repositories:
        section = parser[one.name]
        assert section["gpgcheck"] == "1"
        assert section["repo_gpgcheck"] == "1"
        assert section["skip_if_unavailable"] == "0"
        assert section["enabled"] == ("0" if one.band == "proposed" else "1")
        assert section["gpgkey"] == f"file:///etc/pki/rpm-gpg/RPM-GPG-KEY-egi-cmd-cmd-os-1-{KEY.fingerprint}"
        for other in repositories:
            if BANDS.index(one.band) < BANDS.index(other.band):
                assert int(section["priority"]) < int(parser[other.name]["priority"])


@given(TEXT.filter(bool))
def test_no_description_ends_its_line(text: str) -> None:
    parser, _file = rendered(parsed(description=text))
    assert parser.sections() == ["updates"]
    assert parser["updates"]["name"] == text
    assert parser["updates"]["priority"] == "30"


@given(WORD, WORD)
def test_a_login_is_written_for_root_only_and_shown_to_nobody(user: str, password: str) -> None:
    from urllib.parse import quote

    url = f"http://{quote(user, safe='')}:{quote(password, safe='')}@repo.example.org/el9"
    parser, file = rendered(parsed(baseurl=[url]))
    assert (parser["updates"]["username"], parser["updates"]["password"]) == (user, password)
    assert parser["updates"]["baseurl"] == "http://repo.example.org/el9"
    assert file.mode == 0o600
    assert "password=***\n" in file.shown
    assert "username=***\n" in file.shown


def test_a_file_without_secrets_is_for_everybody_and_starts_with_its_owner() -> None:
    _parser, file = rendered(parsed())
    assert file.mode == 0o644
    assert file.shown is None
    assert file.content.decode().startswith(f"{HEADER}cmd-os-1\n")


def test_a_proxy_gives_its_login_apart() -> None:
    parser, file = rendered(parsed(proxy="http://robot:s3cret@proxy.example.org:3128"))
    section = parser["updates"]
    assert (section["proxy"], section["proxy_username"], section["proxy_password"]) == ("http://proxy.example.org:3128", "robot", "s3cret")
    assert file.mode == 0o600
    assert "s3cret" not in file.shown


def test_lists_go_on_over_lines() -> None:
    parser, _file = rendered(parsed(baseurl=["http://a.example.org/", "http://b.example.org/"], excludes=["cloud-*", "kernel"]))
    assert parser["updates"]["baseurl"].split() == ["http://a.example.org/", "http://b.example.org/"]
    assert parser["updates"]["excludepkgs"].split() == ["cloud-*", "kernel"]


@pytest.mark.parametrize("urls", [
    ["http://a:1@a.example.org/", "http://b:2@b.example.org/"],
    ["http://a:1@a.example.org/", "http://b.example.org/"],
])
def test_logins_that_dnf_would_send_to_the_wrong_server_are_refused(urls: t.List[str]) -> None:
    with pytest.raises(Failure, match="'updates': its baseurls have different logins"):
        rendered(parsed(baseurl=urls))


def test_keys_are_armored_and_shown_by_fingerprint() -> None:
    files = dnf_files.render("cmd-os-1", [parsed()], {"updates": [KEY]})
    file = files[dnf_files.key_path("cmd-os-1", KEY.fingerprint)]
    assert file.content.startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert file.shown == f"OpenPGP certificate {KEY.fingerprint}\n"


def test_a_key_that_was_not_fetched_has_no_content_yet() -> None:
    files = dnf_files.render("cmd-os-1", [parsed()], {"updates": [Key("B" * 40, b"")]})
    assert files[dnf_files.key_path("cmd-os-1", "B" * 40)].content == b""
