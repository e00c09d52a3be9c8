# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Writing a package: an OVA file, or a directory of the same files. The same input gives the same bytes.

An OVA is a USTAR archive with the descriptor first, the manifest second, the certificate third, and then the files in the order
of References: importers read it as a stream and may not come back.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import ovf_certificate
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_certificate import Signer
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_files import equal, replace, slices
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_manifest import Entry, encode
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Envelope
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_write import descriptor

_BLOCK = 512
_RECORD = 10240  # what tar pads an archive to
_MOST = (1 << 33) - 1  # the size field of USTAR has eleven octal digits
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,94}")


class Part(t.NamedTuple):
    """A file of a package. chunks: called, gives its size bytes from the beginning."""

    name: str
    size: int
    chunks: t.Callable[[], t.Iterator[bytes]]


def from_bytes(name: str, data: bytes) -> Part:
    """A part that is in memory."""
    return Part(name, len(data), lambda: iter((data,)))


def from_file(name: str, path: str) -> Part:
    """A part that is a file."""
    return Part(name, os.stat(path).st_size, lambda: slices(path))


def parts(stem: str, envelope: Envelope, sources: t.Mapping[str, str], digest: str = "sha256", signer: t.Optional[Signer] = None) -> t.List[Part]:
    """The parts of a package in their order.

    stem: name of the package, without ending; sources: File.name -> path on this machine; digest: of the manifest, ``none`` for no
    manifest; signer: also a certificate. The sizes in the envelope are filled in.
    """
    action = f"pack {stem}"
    _check_sources(action, stem, envelope, sources)
    if signer and digest == "none":
        raise Failure(action, "there is no manifest to sign", "Choose a manifest_digest")
    files = [from_file(file.name, sources[file.name]) for file in envelope.files]
    sized = envelope._replace(files=tuple(file._replace(size=part.size) for file, part in zip(envelope.files, files)))
    return with_manifest(stem, descriptor(sized), files, digest, signer)


def with_manifest(stem: str, described: bytes, files: t.Sequence[Part], digest: str, signer: t.Optional[Signer]) -> t.List[Part]:
    """The parts of a package whose descriptor is there already."""
    head = [from_bytes(f"{stem}.ovf", described)]
    if digest != "none":
        manifest = encode([Entry(digest, part.name, _digest(digest, part)) for part in [*head, *files]])
        head.append(from_bytes(f"{stem}.mf", manifest))
        if signer:
            head.append(from_bytes(f"{stem}.cert", ovf_certificate.sign(manifest, f"{stem}.mf", digest, signer)))
    return [*head, *files]


def write(target: str, content: t.Sequence[Part], epoch: int = 0, dry: bool = False) -> bool:
    """Make an OVA file be these parts; return whether it was anything else. epoch: modification time of all members.

    The target is replaced by one rename. dry: only look.
    """
    if equal(target, lambda: archive(content, epoch)):
        return False
    if not dry:
        replace(target, archive(content, epoch))
    return True


def write_directory(target: str, content: t.Sequence[Part], dry: bool = False) -> bool:
    """Make a directory hold these parts; return whether one was missing or different. Other files in it stay.

    The descriptor is written last: as long as it is not there, nobody takes the directory for a package.
    """
    different = [part for part in content if not equal(os.path.join(target, part.name), part.chunks)]
    if different and not dry:
        os.makedirs(target, exist_ok=True)
        head = os.path.join(target, content[0].name)
        if os.path.lexists(head):
            os.unlink(head)
        for part in [*(part for part in different if part is not content[0]), content[0]]:
            replace(os.path.join(target, part.name), part.chunks())
    return bool(different)


def _check_sources(action: str, stem: str, envelope: Envelope, sources: t.Mapping[str, str]) -> None:
    names = [file.name for file in envelope.files]
    for name in [f"{stem}.ovf", *names]:
        if not _NAME.fullmatch(name):
            raise Failure(action, f"{name!r} is no portable file name", "Use letters, digits, blanks and ._+-, at most 95 of them")
    if len({name.lower() for name in [*names, f"{stem}.ovf", f"{stem}.mf", f"{stem}.cert"]}) != len(names) + 3:
        raise Failure(action, "two files of the package have the same name", "Rename one of them")
    for name in names:
        if name not in sources or not os.path.isfile(sources[name]):
            raise Failure(action, f"the file {name} is not at {sources.get(name, 'any path')}", "Say where it is")


def archive(content: t.Sequence[Part], epoch: int, large: bool = False) -> t.Iterator[bytes]:
    """The bytes of a tar archive. Nothing in it comes from this machine: no owner, no permissions, no time.

    large: members may be larger than USTAR can say; they are then as GNU tar writes them.
    """
    written = 0
    for part in content:
        if part.size > _MOST and not large:
            raise Failure(f"pack {part.name}", f"it has {part.size} bytes, more than a member of an OVA can have ({_MOST})", "Write a directory instead")
        yield _header(part, epoch, large)
        given = 0
        for chunk in part.chunks():
            given += len(chunk)
            yield chunk
        if given != part.size:
            raise Failure(f"pack {part.name}", f"it changed from {part.size} to {given} bytes while it was read", "Leave it alone and pack again")
        yield b"\0" * (-given % _BLOCK)
        written += _BLOCK + given + -given % _BLOCK
    end = 2 * _BLOCK
    yield b"\0" * (end + -(written + end) % _RECORD)


def _header(part: Part, epoch: int, large: bool) -> bytes:
    """The header of a member, the same of every Python: before 3.9 tarfile writes zeros as the device of a regular file, later nothing."""
    member = tarfile.TarInfo(part.name)
    member.size, member.mtime, member.mode = part.size, epoch, 0o644
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT if large else tarfile.USTAR_FORMAT, "utf-8", "strict"))
    block[329:345] = bytes(16)
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


def _digest(name: str, part: Part) -> str:
    digest = hashlib.new(name)
    for chunk in part.chunks():
        digest.update(chunk)
    return digest.hexdigest()
