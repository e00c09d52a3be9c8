# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates are named as gpg names them, and nothing that is not one passes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._host.openpgp import OpenPGPError, armored, certificates


def packet(tag: int, body: bytes, new_framing: bool = True) -> bytes:
    """Return one packet in the framing asked for, with the shortest length that holds the body."""
    size = len(body)
    if not new_framing:
        octets = 1 if size < 1 << 8 else 2 if size < 1 << 16 else 4
        return bytes([0x80 | tag << 2 | octets >> 1]) + size.to_bytes(octets, "big") + body
    if size < 192:
        length = bytes([size])
    elif size < 8384:
        length = bytes([((size - 192) >> 8) + 192, (size - 192) & 0xFF])
    else:
        length = b"\xff" + size.to_bytes(4, "big")
    return bytes([0xC0 | tag]) + length + body


def key_body(version: int, rest: bytes) -> bytes:
    return bytes([version]) + rest


@given(st.binary(min_size=1, max_size=9000), st.booleans(), st.booleans())
def test_a_version_4_certificate_has_the_sha1_fingerprint_in_either_framing(rest: bytes, new_framing: bool, in_armor: bool) -> None:
    body = key_body(4, rest)
    data = packet(6, body, new_framing) + packet(13, b"Someone <someone@example.org>", new_framing)
    expected = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
    assert certificates(armored(data).encode() if in_armor else data) == [(expected, data)]


@given(st.binary(min_size=1, max_size=400))
def test_a_version_6_certificate_has_the_sha256_fingerprint(rest: bytes) -> None:
    body = key_body(6, rest)
    expected = hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    assert [fingerprint for fingerprint, _packets in certificates(packet(6, body))] == [expected]


def test_each_of_several_certificates_keeps_its_own_packets() -> None:
    first = packet(6, key_body(4, b"a")) + packet(13, b"a")
    second = packet(6, key_body(4, b"b")) + packet(14, key_body(4, b"c")) + packet(2, b"signature")
    together = certificates(armored(first).encode() + b"\n" + armored(second).encode())
    assert [packets for _fingerprint, packets in together] == [first, second]


def test_trust_packets_of_a_keyring_are_left_out() -> None:
    key = packet(6, key_body(4, b"a"))
    assert certificates(key + packet(12, b"\x00"))[0][1] == key


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_certificate_that_is_cut_off_is_refused(rest: bytes, data: st.DataObject) -> None:
    whole = packet(6, key_body(4, rest))
    end = data.draw(st.integers(min_value=0, max_value=len(whole) - 1))
    with pytest.raises(OpenPGPError):
        certificates(whole[:end])


@pytest.mark.parametrize("tag", [5, 7])
def test_a_secret_key_is_refused(tag: int) -> None:
    with pytest.raises(OpenPGPError, match="secret key"):
        certificates(packet(6, key_body(4, b"a")) + packet(tag, b"secret"))


@pytest.mark.parametrize("text, why", [
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n", "secret key"),
    ("-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n", "pgp message|message"),
    ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n", "END line"),
    ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END PGP PUBLIC KEY BLOCK-----\n", "base64"),
    ("", "no OpenPGP certificate"),
    ("hello", "not an OpenPGP certificate"),
])
def test_what_is_no_public_key_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(OpenPGPError, match=why):
        certificates(text.encode())


def test_an_old_version_is_refused() -> None:
    with pytest.raises(OpenPGPError, match="version 3"):
        certificates(packet(6, key_body(3, b"a")))


def test_a_wrong_or_missing_checksum_does_not_decide() -> None:
    key = packet(6, key_body(4, b"abc"))
    lines = armored(key).splitlines()
    without = [line for line in lines if not line.startswith("=")]
    wrong = ["=AAAA" if line.startswith("=") else line for line in lines]
    assert certificates("\r\n".join(without).encode()) == certificates("\n".join(wrong).encode()) == certificates(key)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_in_any_other_way(data: bytes) -> None:
    try:
        found = certificates(data)
    except OpenPGPError:
        return
    assert all(len(fingerprint) in (40, 64) for fingerprint, _packets in found)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_gpg_says_the_same_and_reads_our_armor(tmp_path: Path) -> None:
    def gpg(*arguments: str, data: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(tmp_path), "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", *arguments]
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout

    tmp_path.chmod(0o700)
    try:
        gpg("--quick-generate-key", "Test <test@example.org>", "ed25519", "sign", "never")
        listing = gpg("--with-colons", "--list-keys").decode().splitlines()
        expected = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))
        [(fingerprint, packets)] = certificates(gpg("--armor", "--export"))
        assert fingerprint == expected
        shown = gpg("--show-keys", "--with-colons", data=armored(packets).encode()).decode()
        assert expected in shown
        with pytest.raises(OpenPGPError, match="secret key"):
            certificates(gpg("--export-secret-keys"))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(tmp_path), "--kill", "all"], check=False)
