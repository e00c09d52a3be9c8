# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Sign documents: OpenPGP for people and tools, S/MIME for the federation's image list."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import signing
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import CLEAR, DETACHED, KEYS, PLAIN, SMIME, Document, Endorser

_LIMIT = 60  # seconds


class Signers(t.NamedTuple):
    """home: GnuPG home; keys: fingerprints. certificate, private_key: PEM files for S/MIME, empty for none."""

    home: str
    keys: t.Tuple[str, ...]
    certificate: str = ""
    private_key: str = ""


def mark(document: Document, signers: Signers) -> str:
    """What a document is made of, signers included: it is made again when this changes. Signatures differ each time."""
    digest = hashlib.sha256(f"{document.form}\n".encode())
    if document.form == SMIME:
        digest.update(_read(signers.certificate))
    elif document.form != PLAIN:
        digest.update(" ".join(signers.keys).encode())
    digest.update(b"\n" + document.content)
    return digest.hexdigest()


@contextlib.contextmanager
def opened(signers: Signers) -> t.Iterator[t.Callable[[Document], bytes]]:
    """A function that gives the bytes a document is published with. Raises Failure when a key cannot sign today."""
    with signing.open_home(signers.home) as home:
        home.check(signers.keys)

        def made(document: Document) -> bytes:
            if document.form == DETACHED:
                return home.detach(document.content, signers.keys)
            if document.form == CLEAR:
                return home.clearsign(document.content, signers.keys)
            if document.form == KEYS:
                return b"".join(home.export(key, armored=True) for key in document.content.decode().split())
            if document.form == SMIME:
                arguments = ["smime", "-sign", "-md", "sha256", "-signer", signers.certificate, "-inkey", signers.private_key, "-passin", "pass:"]
                return _openssl("sign the image list", arguments, document.content)
            return document.content

        yield made


def endorser(certificate: str) -> Endorser:
    """Whom a certificate names, in the form with slashes that image lists use. Raises Failure for what is no certificate."""
    fields = ["-noout", "-subject", "-issuer", "-email", "-nameopt", "compat"]
    told = _openssl(f"read certificate {certificate}", ["x509", "-in", certificate, *fields], b"").decode("utf-8", "replace")
    named = dict(re.findall(r"^(subject|issuer)=\s*(.*)$", told, re.MULTILINE))
    rest = [line for line in told.splitlines() if line and not line.startswith(("subject=", "issuer="))]
    return Endorser(named.get("subject", ""), named.get("issuer", ""), rest[0] if rest else "")


def _openssl(action: str, arguments: t.Sequence[str], stdin: bytes) -> bytes:
    try:
        done = subprocess.run(["openssl", *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=_LIMIT, check=False,
                              env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError as error:
        raise Failure(action, "the program openssl is missing", "Install openssl") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(action, f"openssl gave no answer within {_LIMIT} seconds", "A private key with a passphrase cannot be used") from error
    if done.returncode:
        lines = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        raise Failure(action, lines[0] if lines else f"openssl ended with {done.returncode}",
                      "Check that certificate and private key are PEM files that belong together, the key without a passphrase")
    return done.stdout


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
