# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Reads OpenPGP certificates far enough to name them: armor, packets, primary fingerprints (RFC 4880, RFC 9580).

A host needs no gpg: apt and dnf verify signatures, and all that is decided here is which certificates they may use.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import typing as t

_ARMOR = re.compile(rb"-----BEGIN PGP ([A-Z ]+)-----[ \t]*\r?\n(.*?)-----END PGP \1-----", re.DOTALL)
_PUBLIC_KEY, _PUBLIC_SUBKEY, _USER_ID, _SIGNATURE, _USER_ATTRIBUTE = 6, 14, 13, 2, 17
_SECRET_TAGS = (5, 7)
_CERTIFICATE_TAGS = (_PUBLIC_KEY, _PUBLIC_SUBKEY, _USER_ID, _SIGNATURE, _USER_ATTRIBUTE)
# Trust (12), marker (10) and padding (21) packets say nothing about a certificate.
_IGNORED_TAGS = (10, 12, 21)


class OpenPGPError(ValueError):
    """The bytes are not what a repository's key may be; the text completes "the key ..."."""


def certificates(data: bytes) -> t.List[t.Tuple[str, bytes]]:
    """Return (primary fingerprint in upper-case hex, binary packets) of every certificate in armored or binary data.

    Raises OpenPGPError for secret keys, for anything that is not a certificate and for truncated data.
    """
    found: t.List[t.Tuple[str, bytes]] = []
    for tag, body, raw in packets(_dearmored(data)):
        if tag in _SECRET_TAGS:
            raise OpenPGPError("is a secret key, which must never leave its owner")
        if tag == _PUBLIC_KEY:
            found.append((fingerprint(body), raw))
        elif tag in _CERTIFICATE_TAGS and found:
            found[-1] = (found[-1][0], found[-1][1] + raw)
        elif tag not in _IGNORED_TAGS:
            raise OpenPGPError(f"is not an OpenPGP certificate (it has a packet of type {tag})")
    if not found:
        raise OpenPGPError("holds no OpenPGP certificate")
    return found


def armored(packets: bytes) -> str:
    """Return binary packets as an ASCII-armored public key block with its CRC-24, which older readers demand."""
    text = base64.b64encode(packets).decode("ascii")
    lines = [text[start:start + 64] for start in range(0, len(text), 64)]
    checksum = base64.b64encode(_crc24(packets).to_bytes(3, "big")).decode("ascii")
    return "\n".join(["-----BEGIN PGP PUBLIC KEY BLOCK-----", "", *lines, f"={checksum}", "-----END PGP PUBLIC KEY BLOCK-----", ""])


def _dearmored(data: bytes) -> bytes:
    """Return the binary form; several armored blocks in one file are joined, binary data is returned as it is."""
    if data[:1] >= b"\x80":  # every packet starts with this bit, and no text does
        return data
    blocks = _ARMOR.findall(data)
    if not blocks:
        if b"-----BEGIN PGP" in data:
            raise OpenPGPError("is cut off: its END line is missing")
        return data
    binary = b""
    for title, text in blocks:
        if title == b"PRIVATE KEY BLOCK":
            raise OpenPGPError("is a secret key, which must never leave its owner")
        if title != b"PUBLIC KEY BLOCK":
            raise OpenPGPError(f"is an armored {title.decode('ascii').lower()}, not a public key")
        # The CRC-24 ("=xxxx") is optional and must not decide (RFC 9580, section 6.1).
        lines = [line.strip() for line in text.splitlines()]
        body = b"".join(line for line in lines if line and b":" not in line and not line.startswith(b"="))
        try:
            binary += base64.b64decode(body, validate=True)
        except binascii.Error:
            raise OpenPGPError("is damaged: its armor is not base64") from None
    return binary


def packets(data: bytes) -> t.Iterator[t.Tuple[int, bytes, bytes]]:
    """Yield (tag, body, whole packet), old and new framing (RFC 9580, section 4.2). Raises OpenPGPError."""
    position = 0
    while position < len(data):
        tag, start, length = _header(data, position)
        end = start + length
        if end > len(data):
            raise OpenPGPError("is cut off: a packet is longer than the file")
        yield tag, data[start:end], data[position:end]
        position = end


def _header(data: bytes, position: int) -> t.Tuple[int, int, int]:
    """Return tag, start of the body and length of the body of the packet at position."""
    first = data[position]
    if not first & 0x80:
        raise OpenPGPError("is not an OpenPGP certificate")
    if first & 0x40:
        return _new_header(data, position, first & 0x3F)
    if first & 3 == 3:
        raise OpenPGPError("is not an OpenPGP certificate (a packet has no length)")
    size = 1 << (first & 3)
    return (first >> 2) & 0x0F, position + 1 + size, _number(data, position + 1, size)


def _new_header(data: bytes, position: int, tag: int) -> t.Tuple[int, int, int]:
    octet = _number(data, position + 1, 1)
    if octet < 192:
        return tag, position + 2, octet
    if octet < 224:
        return tag, position + 3, ((octet - 192) << 8) + _number(data, position + 2, 1) + 192
    if octet == 255:
        return tag, position + 6, _number(data, position + 2, 4)
    raise OpenPGPError("is not an OpenPGP certificate (a packet comes in parts)")


def _number(data: bytes, start: int, size: int) -> int:
    if start + size > len(data):
        raise OpenPGPError("is cut off inside a packet's header")
    return int.from_bytes(data[start:start + size], "big")


def fingerprint(body: bytes) -> str:
    """Return the fingerprint of a public key packet in upper-case hex (RFC 9580, section 5.5.4). Raises OpenPGPError."""
    version = body[0] if body else 0
    if version == 4 and len(body) < 1 << 16:
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
    if version == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise OpenPGPError(f"has version {version}, and only versions 4 and 6 are in use")


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for octet in data:
        crc ^= octet << 16
        for _bit in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc
