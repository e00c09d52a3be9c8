# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The manifest of a package and the signature over it (DSP0243 1.1.0, section 5.1), exact to the blank."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Problem

DIGESTS = ("sha256", "sha1", "sha512")
_LENGTHS = {"sha1": 40, "sha256": 64, "sha512": 128}
_LINE = re.compile(r"(?P<digest>SHA1|SHA256|SHA512)\((?P<name>[^()\x00-\x1f]+)\)= (?P<hex>[0-9a-fA-F]+)")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n")
MOST = 1 << 20


class Entry(t.NamedTuple):
    """A line: the digest's name as hashlib has it, the file, the digest in lower-case hexadecimal."""

    digest: str
    name: str
    value: str


def encode(entries: t.Iterable[Entry]) -> bytes:
    """The bytes of a .mf file."""
    return "".join(f"{entry.digest.upper()}({entry.name})= {entry.value}\n" for entry in entries).encode("utf-8")


def decode(data: bytes) -> t.Tuple[t.Dict[str, Entry], t.Tuple[Problem, ...]]:
    """File name -> entry, and what is wrong with the lines."""
    entries: t.Dict[str, Entry] = {}
    problems = []
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return {}, (Problem("manifest-encoding", "the manifest is not UTF-8", "Get the package again"),)
    for line in lines:
        match = _LINE.fullmatch(line)
        if not match or len(match["hex"]) != _LENGTHS[match["digest"].lower()]:
            remedy = "A line is exactly 'SHA256(name)= hex', without a blank before the parenthesis; write the manifest again"
            problems.append(Problem("manifest-spelling", f"the manifest has the line {line[:80]!r}", remedy))
        elif match["name"] in entries:
            problems.append(Problem("manifest-duplicate", f"the manifest has {match['name'][:80]!r} twice", "Do not use this package"))
        else:
            entries[match["name"]] = Entry(match["digest"].lower(), match["name"], match["hex"].lower())
    return entries, tuple(problems)


def encode_certificate(manifest_name: str, digest: str, signature: bytes, certificate: str) -> bytes:
    """The bytes of a .cert file: the manifest's signature, and the X.509 certificate as PEM."""
    return f"{digest.upper()}({manifest_name})= {signature.hex()}\n{certificate}".encode()


def decode_certificate(data: bytes, manifest_name: str) -> t.Optional[t.Tuple[str, bytes, str]]:
    """Digest, signature and PEM certificate of a .cert file; None when it is not spelt like one of this manifest."""
    try:
        text = data.decode("ascii").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None
    line, _newline, rest = text.partition("\n")
    match, pem = _LINE.fullmatch(line), _PEM.search(rest)
    if not match or not pem or match["name"] != manifest_name or len(match["hex"]) % 2:
        return None
    return match["digest"].lower(), bytes.fromhex(match["hex"]), pem[0]
