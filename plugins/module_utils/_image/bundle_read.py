# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Reading an image bundle: signature, parts, key, stream, archive, each with its own refusal; nothing is there until all are good."""

from __future__ import annotations

import hashlib
import os
import stat
import typing as t
import zlib

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image.bundle_cipher import PrivateKey, PublicKey, decrypted
from ansible_collections.egi.cmd.plugins.module_utils._image.bundle_manifest import Bundle, Part, decode, refusal
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_files import slices
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_xml import MOST

_BLOCK = 512
_SLACK = 1 << 20  # headers and the end of the archive, whatever tar wrote it
_AGAIN = "Get the part again"
_HOSTILE = "Do not use this bundle"


def load(path: str, signer: PublicKey) -> Bundle:
    """The manifest at a path, signed by this key."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise Failure(f"read {path}", error.strerror or str(error), "Name the .manifest.xml of the bundle") from error
    bundle, signed, signature = decode(data)
    if not signer.verifies(signature, signed):
        raise refusal("bundle-signature", "the signature is not of this manifest by this key", "Give the certificate of who made the bundle")
    return bundle


def check_parts(bundle: Bundle, folder: str) -> None:
    """Refuse a bundle whose parts are not all there, as long and as intact as the manifest says."""
    sizes = []
    for part in bundle.parts:
        try:
            found = os.lstat(os.path.join(folder, part.name))
        except FileNotFoundError:
            raise refusal("part-missing", f"{part.name} is not there", "Get the part") from None
        if not stat.S_ISREG(found.st_mode):
            raise refusal("part-form", f"{part.name} is not a regular file", _HOSTILE)
        sizes.append(found.st_size)
    if sum(sizes) < bundle.bundled:
        short = next((part for part, size in zip(bundle.parts, sizes) if size < max(sizes)), bundle.parts[-1])
        raise refusal("part-truncated", f"{short.name} is too short: all parts have {sum(sizes)} of {bundle.bundled} bytes", _AGAIN)
    if sum(sizes) > bundle.bundled:
        raise refusal("part-size", f"the parts have {sum(sizes)} bytes, the manifest says {bundle.bundled}", _AGAIN)
    for part in bundle.parts:
        for _chunk in _checked(part, folder):
            pass


def contents(bundle: Bundle, folder: str, key: PrivateKey) -> t.Iterator[bytes]:
    """The bytes of the image. Before it ends, everything about the bundle has been checked; what was given until a Failure is void."""
    session, vector = key.decrypt(bundle.user_key), key.decrypt(bundle.user_vector)
    if session is None or vector is None:
        raise refusal("bundle-key", "it is not encrypted for this key", "Give the private key of the user the bundle was made for")
    parts = (chunk for part in bundle.parts for chunk in _checked(part, folder))
    digest = hashlib.sha1()
    archive = _Archive(bundle.size)
    for chunk in _unpacked(decrypted(parts, session, vector), bundle.size + _SLACK):
        digest.update(chunk)
        yield from archive.feed(chunk)
    archive.finish()
    if digest.hexdigest() != bundle.sha1:
        raise refusal("bundle-digest", "the SHA-1 of the archive is not what the manifest says", _HOSTILE)


def _checked(part: Part, folder: str) -> t.Iterator[bytes]:
    digest = hashlib.sha1()
    for chunk in slices(os.path.join(folder, part.name)):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != part.sha1:
        raise refusal("part-digest", f"the SHA-1 of {part.name} is not what the manifest says", _AGAIN)


def _unpacked(chunks: t.Iterator[bytes], most: int) -> t.Iterator[bytes]:
    """Unpack gzip, and no more than there can be."""
    unpacker = zlib.decompressobj(31)
    given = 0
    try:
        for chunk in chunks:
            data = chunk
            while data:
                out = unpacker.decompress(data, _SLACK)
                data = unpacker.unconsumed_tail
                given += len(out)
                if given > most:
                    raise refusal("bundle-size", "it unpacks to more than the manifest says", _HOSTILE)
                yield out
                if unpacker.eof:
                    if unpacker.unused_data:
                        raise refusal("bundle-stream", "there is something after the end of the packed archive", _HOSTILE)
                    break
    except (ValueError, zlib.error) as error:
        raise refusal("bundle-stream", f"the parts do not decrypt to a packed archive ({error})", _HOSTILE) from error
    if not unpacker.eof:
        raise refusal("bundle-stream", "the packed archive has no end", _AGAIN)


class _Archive:
    """A tar archive with one regular file of a known size, read as it comes; the member's name is not used for anything."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._header = b""

    def feed(self, chunk: bytes) -> t.Iterator[bytes]:
        """The bytes of the file in this piece of the archive."""
        if len(self._header) < _BLOCK:
            missing = _BLOCK - len(self._header)
            self._header, chunk = self._header + chunk[:missing], chunk[missing:]
            if len(self._header) == _BLOCK:
                self._check()
        if chunk and self._left:
            yield chunk[:self._left]
        rest = chunk[self._left:]
        self._left -= min(self._left, len(chunk))
        if rest.strip(b"\0"):
            raise refusal("bundle-members", "the archive has more than the image", _HOSTILE)

    def finish(self) -> None:
        """Refuse an archive that ended too early."""
        if self._left or len(self._header) < _BLOCK:
            raise refusal("bundle-members", "the archive ends within the image", _HOSTILE)

    def _check(self) -> None:
        field, kind = self._header[124:136], self._header[156:157]
        binary = field[0] == 0x80  # GNU's way to say more than 8 GiB
        digits = field.strip(b" \0")
        if kind not in (b"0", b"\0") or (not binary and (not digits or digits.strip(b"01234567"))):
            raise refusal("bundle-members", "the archive does not begin with a regular file", _HOSTILE)
        size = int.from_bytes(field[1:], "big") if binary else int(digits, 8)
        if size != self._size:
            raise refusal("bundle-size", f"the image has {size} bytes, the manifest says {self._size}", _HOSTILE)
