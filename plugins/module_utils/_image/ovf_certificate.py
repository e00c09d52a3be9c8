# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Signing a package's manifest and checking the signature, by the openssl program: the key stays in its file."""

from __future__ import annotations

import os
import subprocess
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_manifest import decode_certificate, encode_certificate
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Problem

_SECONDS = 60


class Signer(t.NamedTuple):
    """Paths of PEM files: an RSA private key without passphrase, and its X.509 certificate."""

    key: str
    certificate: str


def sign(manifest: bytes, manifest_name: str, digest: str, signer: Signer) -> bytes:
    """The bytes of the .cert file over a manifest. Refuses a key that is not the certificate's."""
    action = f"sign {manifest_name}"
    try:
        with open(signer.certificate, encoding="ascii") as file:
            certificate = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(action, f"{signer.certificate} cannot be read ({error})", "Give the certificate as PEM") from error
    done = _openssl(["dgst", f"-{digest}", "-passin", "pass:", "-sign", signer.key], manifest)
    if done.returncode:
        raise Failure(action, f"openssl cannot sign with {signer.key} ({_last(done)})", "Give an RSA private key as PEM, without a passphrase")
    signed = encode_certificate(manifest_name, digest, done.stdout, certificate)
    problems = check(manifest, manifest_name, signed, "")
    if problems:
        raise Failure(action, f"{signer.certificate} is not the certificate of {signer.key}: {problems[0].what}", "Give the two that belong together")
    return signed


def check(manifest: bytes, manifest_name: str, signed: bytes, authorities: str) -> t.Tuple[Problem, ...]:
    """What is wrong with a .cert file. authorities: PEM file of those whose certificates count; empty: the signature alone is looked at."""
    parts = decode_certificate(signed, manifest_name)
    if parts is None:
        return (Problem("certificate-spelling", "the .cert file is not the signature of this manifest and a certificate", "Sign the package again"),)
    digest, signature, certificate = parts
    with tempfile.TemporaryDirectory(prefix="egi-cmd-ovf-") as work:
        paths = {name: os.path.join(work, name) for name in ("certificate", "public", "signature")}
        for name, data in (("certificate", certificate.encode("ascii")), ("signature", signature)):
            with open(paths[name], "wb") as file:
                file.write(data)
        done = _openssl(["x509", "-in", paths["certificate"], "-noout", "-pubkey", "-out", paths["public"]], b"")
        if done.returncode:
            return (Problem("certificate-spelling", f"openssl cannot read the certificate ({_last(done)})", "Sign the package again"),)
        if _openssl(["dgst", f"-{digest}", "-verify", paths["public"], "-signature", paths["signature"]], manifest).returncode:
            return (Problem("certificate-signature", "the signature is not of this manifest by this certificate's key", "Do not use this package"),)
        if authorities:
            done = _openssl(["verify", "-CAfile", authorities, paths["certificate"]], b"")
            if done.returncode:
                return (Problem("certificate-untrusted", f"{authorities} does not vouch for the certificate ({_last(done)})", "Do not use this package"),)
    return ()


def _openssl(arguments: t.Sequence[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=_SECONDS, check=False)
    except FileNotFoundError as error:
        raise Failure("use openssl", "the program is not there", "Install openssl") from error
    except subprocess.TimeoutExpired as error:
        raise Failure("use openssl", f"it did not end within {_SECONDS} s", "Look whether it asks for a passphrase: the key must have none") from error


def _last(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit status {done.returncode}"
