# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Who signed a repository's metadata, asked of gpgv or sqv; nothing unsigned, expired or signed by a stranger comes through.

An inline-signed file is split here, strictly, and its text checked as a detached signature's: what is returned is by
construction what the program was shown. Neither program's exit status decides: gpgv ends with 2 when one of two
signers is unknown, and what counts is a signature it names as good.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_BEGIN_TEXT = b"-----BEGIN PGP SIGNED MESSAGE-----"
_BEGIN_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END_SIGNATURE = b"-----END PGP SIGNATURE-----"
_BLANKS = b" \t\r"
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
_LIMIT = 60  # seconds; verifying takes milliseconds

# gpgv's verdict about one signature (GnuPG, doc/DETAILS), and what a person should read.
_VERDICTS = {
    "GOODSIG": "",
    "BADSIG": "the signature of key {key} does not match the text",
    "EXPSIG": "the signature of key {key} is expired",
    "EXPKEYSIG": "key {key} is expired",
    "REVKEYSIG": "key {key} is revoked",
    "ERRSIG": "the signature of key {key} cannot be checked",
}
_UNKNOWN_KEY = "9"  # ERRSIG's reason code
_STRONG_HASHES = ("8", "9", "10", "11", "12", "14")  # SHA-2 and SHA-3 (RFC 9580, section 9.5)
_TEXT_OR_BINARY = ("00", "01")  # signature classes over documents

_REMEDY = "Nothing was used; check the source's keyring against the keys the distributor announces"


class Signed(t.NamedTuple):
    """Text whose signature is good. signers: primary fingerprints, upper-case hex."""

    text: bytes
    signers: t.Tuple[str, ...]


def clearsigned(data: bytes, keyring: str, what: str) -> Signed:
    """Verify an inline-signed file (InRelease) and return the signed text, nothing around it.

    keyring: path of a binary OpenPGP keyring; one good signature of one of its keys is enough. what: names the file.
    Raises Failure for anything but one signed message and blank lines, and as detached() does.
    """
    text, signature = _split(data, what)
    return Signed(text + b"\n", detached(text, signature, keyring, what))


def detached(data: bytes, signature: bytes, keyring: str, what: str) -> t.Tuple[str, ...]:
    """Verify a detached armored signature (Release.gpg, repomd.xml.asc); returns the good signers' fingerprints.

    Raises Failure when no signature is good, one contradicts the data, the keyring is unreadable or no program is there.
    """
    action = f"verify {what}"
    if not signature.lstrip().startswith(_BEGIN_SIGNATURE):
        raise Failure(action, "its signature is not an armored detached signature", _REMEDY)
    _check_keyring(keyring, action)
    with tempfile.TemporaryDirectory(prefix="egi-trust-") as work:
        paths = os.path.join(work, "signature"), os.path.join(work, "data")
        for path, content in zip(paths, (signature, data)):
            with open(path, "wb") as file:
                file.write(content)
        gpgv, sqv = shutil.which("gpgv"), shutil.which("sqv")
        if gpgv:
            return _gpgv(gpgv, os.path.abspath(keyring), paths, work, action)
        if sqv:
            return _sqv(sqv, os.path.abspath(keyring), paths, action)
    raise Failure(action, "neither gpgv nor sqv is installed", "Install gpgv (Debian: gpgv, Enterprise Linux: gnupg2) or sqv")


def _check_keyring(keyring: str, action: str) -> None:
    """gpgv reads an armored keyring as an empty one, and would blame the signature."""
    try:
        with open(keyring, "rb") as file:
            first = file.read(10)
    except FileNotFoundError as error:
        raise Failure(action, f"there is no keyring {keyring}", "Name the file with the distributor's keys") from error
    except OSError as error:
        raise Failure(action, f"the keyring {keyring} cannot be read: {error.strerror}", "Name the file with the distributor's keys") from error
    if first.startswith(b"-----BEGIN"):
        raise Failure(action, f"the keyring {keyring} is text", f"Make it binary: gpg --dearmor < {keyring} > keyring.gpg")


def _split(data: bytes, what: str) -> t.Tuple[bytes, bytes]:
    """Text and armored signature of a cleartext message (RFC 9580, section 7), which must be all there is."""
    lines = [line.rstrip(_BLANKS) for line in data.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    action = f"verify {what}"
    frames = [lines.count(frame) for frame in (_BEGIN_TEXT, _BEGIN_SIGNATURE, _END_SIGNATURE)]
    if frames != [1, 1, 1] or lines[0] != _BEGIN_TEXT or lines[-1] != _END_SIGNATURE or b"" not in lines:
        raise Failure(action, "it is not one inline-signed text", _REMEDY)
    blank, middle = lines.index(b""), lines.index(_BEGIN_SIGNATURE)
    body = lines[blank + 1:middle]
    if blank > middle or not all(line.startswith(b"Hash: ") for line in lines[1:blank]):
        raise Failure(action, "its head says something a signature does not cover", _REMEDY)
    # Signed lines never start with a dash unescaped: such a line is a frame, the way unsigned text was smuggled in before.
    if any(line[:1] == b"-" and line != b"-" and line[:2] != b"- " for line in body):
        raise Failure(action, "its text holds a line that is no text", _REMEDY)
    text = b"\n".join(line[2:] if line[:2] == b"- " else line for line in body)
    return text, b"\n".join(lines[middle:]) + b"\n"


def _gpgv(program: str, keyring: str, paths: t.Tuple[str, str], home: str, action: str) -> t.Tuple[str, ...]:
    weak = [word for name in ("MD5", "SHA1", "RIPEMD160") for word in ("--weak-digest", name)]
    done = _run([program, "--homedir", home, "--status-fd", "1", *weak, "--keyring", keyring, *paths], action)
    good: t.List[str] = []
    bad: t.List[str] = []
    contradicted = False
    verdict = ""
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        words = line.split(" ")
        if words[0] != "[GNUPG:]" or len(words) < 2:
            continue
        keyword, values = words[1], words[2:]
        if keyword in _VERDICTS:
            verdict = keyword
            if verdict != "GOODSIG":
                bad.append(_complaint(verdict, values))
            contradicted = contradicted or verdict == "BADSIG"
        elif keyword == "VALIDSIG" and verdict == "GOODSIG" and len(values) >= 10:
            if values[7] in _STRONG_HASHES and values[8] in _TEXT_OR_BINARY and _FINGERPRINT.fullmatch(values[9]):
                good.append(values[9])
            else:
                bad.append(f"the signature of key {values[9]} is of a kind that proves nothing today")
            verdict = ""
        elif keyword == "PLAINTEXT":
            contradicted = True
            bad.append("the signature carries a text of its own")
    if contradicted or not good or done.returncode < 0:
        raise Failure(action, "; ".join(bad) or _last_line(done.stderr) or "gpgv found no signature", _REMEDY)
    return tuple(sorted(set(good)))


def _complaint(verdict: str, values: t.List[str]) -> str:
    key = values[0] if values else "?"
    if verdict == "ERRSIG" and len(values) > 5 and values[5] == _UNKNOWN_KEY:
        return f"it is signed by key {key}, which the keyring does not have"
    return _VERDICTS[verdict].format(key=key)


def _sqv(program: str, keyring: str, paths: t.Tuple[str, str], action: str) -> t.Tuple[str, ...]:
    """sqv prints the fingerprint of the certificate behind each good signature, and its policy refuses SHA-1 itself.

    It judges a key at the time of the signature, and so accepts what a key that is expired now signed, or backdated.
    gpgv does not, and what a site accepts must not depend on which of the two it has.
    """
    # Compiled by those who need it, in every run.
    from ansible_collections.egi.cmd.plugins.module_utils._host.openpgp import OpenPGPError
    from ansible_collections.egi.cmd.plugins.module_utils._mirror import key_expiry

    done = _run([program, "--keyring", keyring, *paths], action)
    good = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if _FINGERPRINT.fullmatch(line)]
    if done.returncode != 0 or not good:
        raise Failure(action, _last_line(done.stderr) or "sqv found no good signature", _REMEDY)
    with open(paths[0], "rb") as signature, open(keyring, "rb") as ring:
        try:
            issuers, known = key_expiry.issuers(signature.read()), key_expiry.keys(ring.read())
        except OpenPGPError as error:
            raise Failure(action, f"when its keys expire cannot be read: {keyring} {error}", _REMEDY) from error
    now = time.time()
    used = [(identifier, known[identifier]) for identifier in issuers if identifier in known and known[identifier].certificate in good]
    fresh = {key.certificate for _identifier, key in used if not key.expires or now < key.expires}
    if not fresh:
        expired = [_VERDICTS["EXPKEYSIG"].format(key=identifier) for identifier, _key in used]
        raise Failure(action, "; ".join(expired) or "it does not say by which key it is signed", _REMEDY)
    return tuple(sorted(fresh))


def _run(command: t.List[str], action: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"}, timeout=_LIMIT, check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(action, f"{os.path.basename(command[0])} gave no answer within {_LIMIT} seconds", "Look why it hangs") from error


def _last_line(text: bytes) -> str:
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""
