# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only certificates that somebody named reach a host, wherever they come from."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import keys
from ansible_collections.egi.cmd.plugins.module_utils._host.openpgp import armored, certificates
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, parse


def certificate(seed: bytes) -> t.Tuple[str, bytes]:
    """Return fingerprint and packets of a certificate as far as it is read here: a version 4 key packet."""
    body = b"\x04" + seed
    return certificates(bytes([0xC6, len(body)]) + body)[0]


ONE, PACKETS = certificate(b"one")
TWO, MORE_PACKETS = certificate(b"two")


def read(place: Path, *wanted: t.Dict[str, str], online: bool = True) -> t.List[Key]:
    """Return the keys of one repository; the host keeps its certificates below place."""
    entry = {"name": "example", "kind": "updates", "uris": ["http://repo.example.org/"], "suite": "s", "components": ["main"], "origin": "o"}
    repositories = parse([{**entry, "keys": list(wanted)}], "apt", "example")
    return keys.read(repositories, lambda fingerprint: str(place / f"{fingerprint}.gpg"), online, 5)["example"]


def test_content_needs_no_fingerprint(tmp_path: Path) -> None:
    assert read(tmp_path, {"content": armored(PACKETS)}) == [Key(ONE, PACKETS)]


def test_a_file_may_be_binary(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(PACKETS)
    assert read(tmp_path, {"file": str(tmp_path / "key"), "fingerprint": ONE.lower()}) == [Key(ONE, PACKETS)]


def test_a_url_is_fetched_and_its_fingerprint_decides(tmp_path: Path) -> None:
    (tmp_path / "key.asc").write_text(armored(PACKETS))
    url = (tmp_path / "key.asc").as_uri()
    assert read(tmp_path, {"url": url, "fingerprint": ONE}) == [Key(ONE, PACKETS)]
    with pytest.raises(Failure, match=f"it holds {ONE} and not {TWO}"):
        read(tmp_path, {"url": url, "fingerprint": TWO})


def test_a_key_the_host_has_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / f"{ONE}.gpg").write_bytes(PACKETS)
    nowhere = (tmp_path / "nothing").as_uri()
    assert read(tmp_path, {"url": nowhere, "fingerprint": ONE}) == [Key(ONE, PACKETS)]
    with pytest.raises(Failure, match="fetch the key of 'example'"):
        read(tmp_path, {"url": nowhere, "fingerprint": TWO})


def test_a_file_with_the_right_name_and_another_key_does_not_count_as_having_it(tmp_path: Path) -> None:
    (tmp_path / f"{ONE}.gpg").write_bytes(MORE_PACKETS)
    (tmp_path / "key").write_bytes(PACKETS)
    assert read(tmp_path, {"url": (tmp_path / "key").as_uri(), "fingerprint": ONE}) == [Key(ONE, PACKETS)]


def test_check_mode_asks_no_server(tmp_path: Path) -> None:
    assert read(tmp_path, {"url": (tmp_path / "nothing").as_uri(), "fingerprint": ONE}, online=False) == [Key(ONE, b"")]


def test_two_keys_in_one_place_are_taken_when_both_are_named(tmp_path: Path) -> None:
    both = armored(PACKETS + MORE_PACKETS)
    assert read(tmp_path, {"content": both, "fingerprint": ONE}, {"content": both, "fingerprint": TWO}) == [Key(ONE, PACKETS), Key(TWO, MORE_PACKETS)]


@pytest.mark.parametrize("wanted", [{"fingerprint": ONE}, {}])
def test_a_key_that_nobody_named_is_refused(tmp_path: Path, wanted: t.Dict[str, str]) -> None:
    with pytest.raises(Failure, match=f"nobody named .*{TWO}"):
        read(tmp_path, {"content": armored(PACKETS + MORE_PACKETS), **wanted})


def test_a_server_cannot_fill_the_host(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(Failure, match="larger than 1 MiB"):
        read(tmp_path, {"url": (tmp_path / "large").as_uri(), "fingerprint": ONE})


def test_a_missing_file_names_the_repository_and_the_path(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=f"'example' from {tmp_path}/nothing: No such file"):
        read(tmp_path, {"file": str(tmp_path / "nothing")})


def test_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        read(tmp_path, {"url": "http://robot:s3cret@127.0.0.1:9/key", "fingerprint": ONE})
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)
