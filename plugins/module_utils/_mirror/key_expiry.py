# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Until when the keys of a keyring may be used (RFC 9580, section 5.2.3).

Nothing is verified here: the keyring is the administrator's own, and the signature was found good before.
"""

from __future__ import annotations

import base64
import binascii
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._host.openpgp import OpenPGPError, certificates, fingerprint, packets

_SIGNATURE, _PRIMARY, _SUBKEY = 2, 6, 14
_NAMES = (13, 17)  # user ID, user attribute
# What a primary key signs about itself: with one of its names, directly, or about a subkey.
_WITH_NAME, _DIRECT, _BINDING = (0x10, 0x11, 0x12, 0x13), (0x1F,), (0x18,)
_CREATED, _KEY_EXPIRES, _ISSUER, _ISSUER_FINGERPRINT = 2, 9, 16, 33


class Key(t.NamedTuple):
    """A primary key or subkey. certificate: fingerprint of the primary; expires: unix time, 0 for never."""

    certificate: str
    expires: int


class _Statement(t.NamedTuple):
    """A signature as far as it matters. lasts: seconds from the key's creation, 0 for ever, None if it says nothing."""

    kind: int
    issuer: str
    created: int
    lasts: t.Optional[int]


class _Row(t.NamedTuple):
    """A primary key or subkey, and what the primary key says about it, name by name."""

    identifier: str
    created: int
    said: t.List[t.List[_Statement]]

    def lasts(self) -> int:
        """As gpg takes it: what was said last directly, else what was said last with one of its names."""
        bound = [one for group in self.said for one in group if one.kind in _BINDING]
        direct = [one for group in self.said for one in group if one.kind in _DIRECT and one.lasts is not None]
        with_name = [_newest(group) for group in ([one for one in group if one.kind in _WITH_NAME] for group in self.said) if group]
        chosen = bound or direct or [one for one in with_name if one.lasts]
        return (_newest(chosen).lasts or 0) if chosen else 0


def keys(keyring: bytes) -> t.Dict[str, Key]:
    """Every key of a binary keyring by its id, 16 hex digits. Raises OpenPGPError."""
    found: t.Dict[str, Key] = {}
    for certificate, raw in certificates(keyring):
        dates = list(_dates(raw))
        for identifier, expires in dates:
            # A subkey is of no use without its primary key, which comes first.
            found[identifier] = Key(certificate, min((date for date in (dates[0][1], expires) if date), default=0))
    return found


def issuers(signature: bytes) -> t.List[str]:
    """Ids of the keys an armored detached signature says it is by. Raises OpenPGPError."""
    lines = [line.strip() for line in signature.strip().splitlines()]
    body = lines[lines.index(b"") + 1:-1] if b"" in lines else []
    try:
        # The checksum, "=xxxx", is optional and decides nothing (RFC 9580, section 6.1).
        data = base64.b64decode(b"".join(line for line in body if not line.startswith(b"=")), validate=True)
    except binascii.Error:
        raise OpenPGPError("signature is not base64") from None
    found = [_statement(content) for tag, content, _raw in packets(data) if tag == _SIGNATURE]
    return [one.issuer for one in found if one]


def _dates(raw: bytes) -> t.Iterator[t.Tuple[str, int]]:
    """Id and end of the primary key and of each subkey of a certificate: what it said last about each counts."""
    rows: t.List[_Row] = []
    for tag, body, _raw in packets(raw):
        if tag in (_PRIMARY, _SUBKEY):
            rows.append(_Row(_identifier(body), int.from_bytes(body[1:5], "big"), [[]]))
        elif tag in _NAMES:
            rows[-1].said.append([])
        elif tag == _SIGNATURE:
            said = _statement(body)
            if said and said.issuer == rows[0].identifier and said.kind in (_BINDING if rows[1:] else (*_WITH_NAME, *_DIRECT)):
                rows[-1].said[-1].append(said)
    for row in rows:
        lasts = row.lasts()
        yield row.identifier, row.created + lasts if lasts else 0


def _newest(statements: t.Sequence[_Statement]) -> _Statement:
    return max(statements, key=lambda statement: statement.created)


def _identifier(body: bytes) -> str:
    """A key's id: the end of a fingerprint of version 4, the beginning of one of version 6."""
    whole = fingerprint(body)
    return whole[-16:] if body[0] == 4 else whole[:16]


def _statement(body: bytes) -> t.Optional[_Statement]:
    """A signature packet of version 4 or 6; None for the others, which nobody accepts any more."""
    if body[:1] not in (b"\x04", b"\x06") or len(body) < 4:
        return None
    width = 2 if body[0] == 4 else 4
    hashed_end = 4 + width + int.from_bytes(body[4:4 + width], "big")
    rest_end = hashed_end + width + int.from_bytes(body[hashed_end:hashed_end + width], "big")
    hashed = _subpackets(body[4 + width:hashed_end])
    every = {**_subpackets(body[hashed_end + width:rest_end]), **hashed}
    issuer = every[_ISSUER].hex().upper() if _ISSUER in every else _issuer(every.get(_ISSUER_FINGERPRINT, b""))
    lasts = int.from_bytes(hashed[_KEY_EXPIRES], "big") if _KEY_EXPIRES in hashed else None
    return _Statement(body[1], issuer, int.from_bytes(hashed.get(_CREATED, b""), "big"), lasts)


def _issuer(value: bytes) -> str:
    """The id in an issuer's fingerprint, before which stands its version."""
    text = value[1:].hex().upper()
    return text[-16:] if value[:1] == b"\x04" else text[:16]


def _subpackets(data: bytes) -> t.Dict[int, bytes]:
    """Type -> content (RFC 9580, section 5.2.3.7)."""
    found: t.Dict[int, bytes] = {}
    position = 0
    while position < len(data):
        first = data[position]
        if first < 192:
            start, length = position + 1, first
        elif first < 255:
            start, length = position + 2, ((first - 192) << 8) + int.from_bytes(data[position + 1:position + 2], "big") + 192
        else:
            start, length = position + 5, int.from_bytes(data[position + 1:position + 5], "big")
        if length == 0 or start + length > len(data):
            raise OpenPGPError("holds a damaged signature")
        found[data[start] & 0x7F] = data[start + 1:start + length]
        position = start + length
    return found
