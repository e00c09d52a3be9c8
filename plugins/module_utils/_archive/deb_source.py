# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a .dsc says about a source package, and whether its files are what it names (dsc(5))."""

from __future__ import annotations

import hashlib
import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_package, stanza
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_:-]*")
_CLEARSIGNED = re.compile(rb"-----BEGIN PGP SIGNED MESSAGE-----\n(?:Hash: [^\n]*\n)*\n(.*?)\n-----BEGIN PGP SIGNATURE-----", re.DOTALL)
_CHUNK = 1 << 20
_DROPPED = ("Source", "Files", "Checksums-Sha1", "Checksums-Sha256", "Checksums-Sha512", "Directory", "Package")


class SourcePackage(t.NamedTuple):
    """files: (name, size in bytes, md5, sha256) of the .dsc and of everything it names; control: its other fields."""

    name: str
    version: str
    section: str
    priority: str
    control: str
    files: t.Tuple[t.Tuple[str, int, str, str], ...]

    @property
    def file_name(self) -> str:
        """The only name this .dsc may have."""
        return f"{self.name}_{deb_package.without_epoch(self.version)}.dsc"


def read_dsc(path: str) -> SourcePackage:
    """Read one .dsc (clearsigned or plain) and hash every file it names, in the same directory.

    Raises Failure when a named file is missing, differs, or the .dsc is named other than it says.
    """
    base = os.path.basename(path)
    action = f"take source package {base}"
    with open(path, "rb") as file:
        raw = file.read()
    fields = stanza.parse(signed_text(raw), action)
    for name, pattern in (("Source", deb_package.PACKAGE_NAME), ("Version", deb_package.VERSION)):
        if not pattern.fullmatch(fields.get(name, "")):
            raise Failure(action, f"it has {name} {fields.get(name, '')!r}", f"Build it with a valid {name}")
    files = [(base, len(raw), hashlib.md5(raw).hexdigest(), hashlib.sha256(raw).hexdigest())]
    for line in fields.get("Checksums-Sha256", "").strip().splitlines():
        files.append(_named_file(os.path.dirname(path), line.split(), action))
    if len(files) == 1:
        raise Failure(action, "it has no Checksums-Sha256", "Build it with dpkg-source 1.15 or newer")
    kept = {name: value for name, value in fields.items() if name not in _DROPPED}
    package = SourcePackage(
        fields["Source"], fields["Version"], fields.get("Section") or "misc", fields.get("Priority") or "optional",
        stanza.render({"Package": fields["Source"], **kept}), tuple(files),
    )
    if base != package.file_name:
        raise Failure(action, f"it calls itself {package.file_name}", "Rename the file, or find out who renamed it")
    return package


def signed_text(raw: bytes) -> bytes:
    """What an inline signature is about, as in a .dsc or .changes; without one, all of it. The signature is not judged."""
    signed = _CLEARSIGNED.search(raw)
    return signed.group(1) if signed else raw


def _named_file(directory: str, words: t.List[str], action: str) -> t.Tuple[str, int, str, str]:
    if len(words) != 3 or not _FILE_NAME.fullmatch(words[2]):
        raise Failure(action, f"its Checksums-Sha256 has the line {' '.join(words)!r}", "Build the source package again")
    said, size, name = words
    md5, sha256 = hashlib.md5(), hashlib.sha256()
    try:
        with open(os.path.join(directory, name), "rb") as file:
            for chunk in iter(lambda: file.read(_CHUNK), b""):
                md5.update(chunk)
                sha256.update(chunk)
            length = file.tell()
    except FileNotFoundError as error:
        raise Failure(action, f"it names {name}, which is not beside it", "Copy all files of the source package") from error
    if sha256.hexdigest() != said or str(length) != size:
        raise Failure(action, f"{name} is not the file it names: size or SHA-256 differ", "Fetch or build it again")
    return name, length, md5.hexdigest(), said
