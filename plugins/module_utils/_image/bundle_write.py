# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Making an image bundle: the parts first, the manifest last, so that a bundle with a manifest is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import typing as t
import zlib

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import bundle_read, ova
from ansible_collections.egi.cmd.plugins.module_utils._image.bundle_cipher import KEY_SIZE, PrivateKey, PublicKey, encrypted
from ansible_collections.egi.cmd.plugins.module_utils._image.bundle_manifest import Bundle, Part, encode, signed_text
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_files import replace

PART_SIZE = 10 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


def manifest_path(folder: str, name: str) -> str:
    """Where the manifest of a bundle is."""
    return os.path.join(folder, f"{name}.manifest.xml")


def write(folder: str, image: str, wanted: Bundle, key: PrivateKey, cloud: PublicKey, part_size: int = PART_SIZE, dry: bool = False) -> t.Tuple[bool, Bundle]:
    """Bundle an image into a directory; return whether that changed anything, and the bundle.

    image: path of the raw image; wanted: what the manifest says of it, without digests, keys and parts; key: of the user, who can
    open the bundle again; cloud: of the cloud that is to run it. A bundle of the same image that only this user could have made is
    left alone: encryption is random, so a second one would be other bytes with the same content.
    """
    if not _NAME.fullmatch(wanted.name):
        raise Failure(f"bundle {wanted.name!r}", "it is no name for files", "Use letters, digits and ._-")
    part = ova.from_file(wanted.name, image)
    digest = hashlib.sha1()
    for chunk in _stream(part):
        digest.update(chunk)
    wanted = wanted._replace(sha1=digest.hexdigest(), size=part.size)
    there = _there(folder, wanted, key, part_size)
    if there:
        return False, there
    if dry:
        return True, wanted
    os.makedirs(folder, exist_ok=True)
    manifest = manifest_path(folder, wanted.name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(manifest)
    session, vector = secrets.token_bytes(KEY_SIZE), secrets.token_bytes(KEY_SIZE)
    parts, bundled = _write_parts(folder, wanted.name, encrypted(_packed(_stream(part)), session, vector), part_size)
    user = key.certified()
    made = wanted._replace(parts=parts, bundled=bundled, cloud_key=cloud.encrypt(session), user_key=user.encrypt(session),
                           cloud_vector=cloud.encrypt(vector), user_vector=user.encrypt(vector))
    replace(manifest, [encode(made, key.sign(signed_text(made)))])
    return True, made


def _there(folder: str, wanted: Bundle, key: PrivateKey, part_size: int) -> t.Optional[Bundle]:
    """The bundle that is there, if it is whole, ours and of the same content and part size."""
    try:
        found = bundle_read.load(manifest_path(folder, wanted.name), key.certified())
        bundle_read.check_parts(found, folder)
    except (Failure, OSError):
        return None
    same = found._replace(bundled=0, cloud_key="", user_key="", cloud_vector="", user_vector="", parts=()) == wanted
    return found if same and len(found.parts) == -(-found.bundled // part_size) else None


def _stream(part: ova.Part) -> t.Iterator[bytes]:
    """The tar archive of the image: GNU's form, which has no limit of size."""
    return ova.archive([part], 0, large=True)


def _packed(chunks: t.Iterable[bytes]) -> t.Iterator[bytes]:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: with the frame of gzip
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def _write_parts(folder: str, name: str, chunks: t.Iterator[bytes], size: int) -> t.Tuple[t.Tuple[Part, ...], int]:
    """Cut into files of the size, and remove those a longer bundle of this name left."""
    parts: t.List[Part] = []
    bundled = 0
    for data in _cut(chunks, size):
        parts.append(Part(f"{name}.part.{len(parts)}", hashlib.sha1(data).hexdigest()))
        replace(os.path.join(folder, parts[-1].name), [data])
        bundled += len(data)
    for left in os.listdir(folder):
        match = re.fullmatch(re.escape(name) + r"\.part\.([0-9]+)", left)
        if match and int(match[1]) >= len(parts):
            os.unlink(os.path.join(folder, left))
    return tuple(parts), bundled


def _cut(chunks: t.Iterator[bytes], size: int) -> t.Iterator[bytes]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)
