# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures over metadata, judged by the machine's real gpgv."""

from __future__ import annotations

import base64
import contextlib
import pathlib
import shutil
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.openpgp import OpenPGPError
from ansible_collections.egi.cmd.plugins.module_utils._mirror import key_expiry, trust
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import keys

pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are not installed")

TEXT = b"Origin: Example\nSuite: one\n- a dash\n-- two\nFrom here\ntrailing blanks \t\n\nlast\n"
SIGNED = b"Origin: Example\nSuite: one\n- a dash\n-- two\nFrom here\ntrailing blanks\n\nlast\n"


class Ring(t.NamedTuple):
    """Keys, two of them good and in the keyring."""

    keys: keys.Keys
    old: str
    new: str
    stranger: str
    expired: str
    trusted: str


@pytest.fixture(name="ring", scope="module")
def _ring(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Ring]:
    with keys.throw_away() as made:
        old, new, stranger = made.make("old"), made.make("new"), made.make("stranger")
        expired = made.make("expired", expires="2020-02-01", at="20200101T000000")
        trusted = made.keyring(tmp_path_factory.mktemp("ring") / "trusted.gpg", old, new, expired)
        yield Ring(made, old, new, stranger, expired, trusted)


@pytest.fixture(name="only_engine", params=["gpgv", "sqv"])
def _only_engine(request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[], None]:
    """From the call on, one of the two programs is all there is to find."""
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    (tmp_path / request.param).symlink_to(program)
    return lambda: monkeypatch.setenv("PATH", str(tmp_path))


def test_the_signed_text_comes_back_and_nothing_else(ring: Ring, only_engine: t.Callable[[], None]) -> None:
    """Dashes unescaped; blanks at the end of a line are no part of what is signed."""
    data = ring.keys.clearsign(TEXT, ring.old)
    only_engine()
    assert trust.clearsigned(data, ring.trusted, "InRelease") == trust.Signed(SIGNED, (ring.old,))
    assert trust.clearsigned(data.replace(b"\n", b"\r\n"), ring.trusted, "InRelease").text == SIGNED


@pytest.mark.parametrize("text", [b"", b"\n", b"one", b"one\n\n\n", b"-\n", b"- \n", b"\xff\xfe\n", b"-----BEGIN PGP SIGNATURE-----\nx\n"])
def test_any_text_is_returned_as_signed(ring: Ring, text: bytes) -> None:
    found = trust.clearsigned(ring.keys.clearsign(text, ring.old), ring.trusted, "InRelease").text
    assert found.rstrip(b"\n") == b"\n".join(line.rstrip() for line in text.split(b"\n")).rstrip(b"\n")


def test_one_known_key_of_two_is_enough_and_both_are_named(ring: Ring, only_engine: t.Callable[[], None]) -> None:
    """What a change of keys rests on; gpgv itself ends with an error when it misses one of them."""
    both, overlap = ring.keys.detach(TEXT, ring.old, ring.new), ring.keys.detach(TEXT, ring.stranger, ring.new)
    only_engine()
    assert trust.detached(TEXT, both, ring.trusted, "Release") == tuple(sorted((ring.old, ring.new)))
    assert trust.detached(TEXT, overlap, ring.trusted, "Release") == (ring.new,)


def test_what_is_not_well_signed_is_refused(ring: Ring, only_engine: t.Callable[[], None]) -> None:
    made = ring.keys
    good = made.clearsign(TEXT, ring.old)
    bad = {
        "changed": good.replace(b"Suite: one", b"Suite: two"),
        "stranger": made.clearsign(TEXT, ring.stranger),
        "expired": made.clearsign(TEXT, ring.expired, at="20200110T000000"),
        "sha1": made.clearsign(TEXT, ring.old, digest="SHA1"),
        "unsigned": TEXT,
        "empty": b"",
        "no signature": good[:good.index(b"-----BEGIN PGP SIGNATURE")],
        "cut off": good[:-40],
        "text before": b"Suite: evil\n" + good,
        "text after": good + b"Suite: evil\n",
        "two messages": good + good,
        "text in the head": good.replace(b"Hash: SHA512\n", b"Hash: SHA512\nSuite: evil\n"),
        "no head": good.replace(b"Hash: SHA512\n\n", b"Hash: SHA512\n"),
        "frame inside": good.replace(b"Suite: one", b"-----BEGIN PGP SIGNED MESSAGE-----\n\nSuite: one"),
        "opaque": made.opaque(TEXT, ring.old),
        "armor of nothing": good[:good.index(b"-----BEGIN PGP SIGNATURE")] + b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
    }
    only_engine()
    for name, data in bad.items():
        with pytest.raises(Failure, match="Failed to verify InRelease: "):
            pytest.fail(f"{name}: {trust.clearsigned(data, ring.trusted, 'InRelease')}")


def test_both_programs_refuse_a_key_that_is_expired_now(only_engine: t.Callable[[], None], tmp_path: pathlib.Path) -> None:
    """Whatever of it expired, primary key or subkey, and however often its end was moved."""
    then, later = "20200101T000000", "20200110T000000"
    with keys.throw_away() as made:
        whole = made.make("whole", expires="2020-02-01", at=then, usage="cert")
        made.add(whole, "ed25519", "never", at=then)
        part = made.make("part", at=then, usage="cert")
        made.add(part, "ed25519", "2020-02-01", at=then)
        shortened = made.make("shortened", at=then)
        made.expire(shortened, "2020-02-01", at=later)
        renewed = made.make("renewed", expires="2020-02-01", at=then)
        made.expire(renewed, "never", at=later)
        keyring = made.keyring(tmp_path / "keys.gpg", whole, part, shortened, renewed)
        signed = {fingerprint: made.detach(TEXT, fingerprint, at=later, exactly=False) for fingerprint in (whole, part, shortened, renewed)}
        both = made.detach(TEXT, shortened, renewed, at=later)
    only_engine()
    for fingerprint in (whole, part, shortened):
        with pytest.raises(Failure, match="key [0-9A-F]{16} is expired"):
            trust.detached(TEXT, signed[fingerprint], keyring, "Release")
    assert trust.detached(TEXT, signed[renewed], keyring, "Release") == (renewed,)
    assert trust.detached(TEXT, both, keyring, "Release") == (renewed,)


def test_the_ends_of_keys_are_what_gpg_says_of_the_keyrings_on_this_machine() -> None:
    found = [path for place in ("/usr/share/keyrings", "/etc/apt/keyrings", "/etc/apt/trusted.gpg.d") for path in sorted(pathlib.Path(place).glob("*.gpg"))]
    if not found:
        pytest.skip("no keyring is installed")
    with keys.throw_away() as made:
        for path in found:
            ends = {identifier: key.expires for identifier, key in key_expiry.keys(path.read_bytes()).items()}
            said = made.ends(path)
            assert said and {identifier: ends.get(identifier) for identifier in said} == said, path


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_damaged_keys_and_signatures_are_said_to_be(noise: bytes, subpackets: bytes) -> None:
    primary = b"\xc6\x0c\x04" + b"\x00\x00\x00\x01" + b"\x16" + b"\x00" * 6
    statement = b"\x04\x13\x16\x0a" + len(subpackets).to_bytes(2, "big") + subpackets + noise[:50]
    for data in (noise, primary + noise, primary + b"\xc2" + bytes([len(statement)]) + statement):
        with contextlib.suppress(OpenPGPError):
            key_expiry.keys(data)
        with contextlib.suppress(OpenPGPError):
            key_expiry.issuers(b"-----BEGIN PGP SIGNATURE-----\n\n" + base64.b64encode(data) + b"\n-----END PGP SIGNATURE-----\n")


def test_a_message_that_carries_its_own_text_is_no_signature_over_another(ring: Ring, only_engine: t.Callable[[], None]) -> None:
    """gpgv is asked about two files, and must not be content with one that is signed in itself."""
    opaque, inline = ring.keys.opaque(b"other", ring.old), ring.keys.clearsign(b"other", ring.old)
    only_engine()
    disguised = opaque.replace(b"PGP MESSAGE", b"PGP SIGNATURE")
    for signature in (opaque, inline, disguised, b"", b"\x88\x5e"):
        with pytest.raises(Failure, match="verify Release"):
            trust.detached(TEXT, signature, ring.trusted, "Release")


def test_the_reason_names_the_key(ring: Ring, tmp_path: pathlib.Path) -> None:
    for fingerprint, at, why in ((ring.stranger, "", "which the keyring does not have"), (ring.expired, "20200110T000000", "is expired")):
        with pytest.raises(Failure, match=f"{fingerprint[-16:]}.*{why}"):
            trust.clearsigned(ring.keys.clearsign(TEXT, fingerprint, at=at), ring.trusted, "InRelease")
    (tmp_path / "key.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    for keyring, why in (("/nowhere.gpg", "there is no keyring"), (str(tmp_path), "cannot be read"), (str(tmp_path / "key.asc"), "gpg --dearmor")):
        with pytest.raises(Failure, match=why):
            trust.detached(TEXT, ring.keys.detach(TEXT, ring.old), keyring, "Release")


def test_without_a_program_nothing_is_trusted(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = ring.keys.detach(TEXT, ring.old)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Failure, match="neither gpgv nor sqv"):
        trust.detached(TEXT, signature, ring.trusted, "Release")
