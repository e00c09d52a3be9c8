# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a package file says about who made it, from what and why: one record for all five kinds of file."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import changelog, deb_package, deb_source, rpm_package, stanza
from ansible_collections.egi.cmd.plugins.module_utils._archive.changelog import Entry
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure


class PackageMetadata(t.NamedTuple):
    """family: deb or rpm; source: name of the source package; version: with epoch; maintainer: name and address as the
    file has them, an rpm's Packager; entry: the newest changelog entry, None if there is none.
    """

    file: str
    family: str
    name: str
    source: str
    version: str
    maintainer: str
    entry: t.Optional[Entry]


def read(path: str) -> PackageMetadata:
    """Read a .deb, .dsc, .changes or .rpm (.src.rpm); raise Failure if it is damaged, not what it says, or something else."""
    readers = {".deb": _read_deb, ".dsc": _read_dsc, ".changes": _read_changes, ".rpm": _read_rpm}
    ending = os.path.splitext(path)[1]
    if ending not in readers:
        raise Failure(f"read package {path}", f"its name ends in none of {', '.join(readers)}", "Name a package file")
    if not os.path.isfile(path):
        raise Failure(f"read package {path}", "there is no such file", "Correct the path")
    return readers[ending](path)


def _read_deb(path: str) -> PackageMetadata:
    package = deb_package.read_deb(path, list_files=False)
    fields = stanza.parse(package.control.encode(), f"read package {path}")
    entry = changelog.of_deb(path, package.name)
    return PackageMetadata(path, "deb", package.name, package.source, package.version, fields.get("Maintainer", ""), entry)


def _read_dsc(path: str) -> PackageMetadata:
    package = deb_source.read_dsc(path)
    fields = stanza.parse(package.control.encode(), f"read package {path}")
    entry = changelog.of_source(os.path.dirname(path), [name for name, *_digests in package.files])
    return PackageMetadata(path, "deb", package.name, package.name, package.version, fields.get("Maintainer", ""), entry)


def _read_changes(path: str) -> PackageMetadata:
    """A .changes repeats the entry without its last line; Changed-By is who wrote that."""
    action = f"read package {path}"
    with open(path, "rb") as file:
        fields = stanza.parse(deb_source.signed_text(file.read()), action)
    missing = [name for name in ("Source", "Version", "Changes") if not fields.get(name, "").strip()]
    if missing:
        raise Failure(action, f"it has no {', '.join(missing)}", "Build it with dpkg-genchanges")
    source = fields["Source"].split()[0]
    lines = [line[1:] if line[1:] != "." else "" for line in fields["Changes"].strip("\n").split("\n")]
    entry = changelog.parse("\n".join([*lines, f" -- {fields.get('Changed-By', '')}"]))
    return PackageMetadata(path, "deb", source, source, fields["Version"], fields.get("Maintainer", ""), entry)


def _read_rpm(path: str) -> PackageMetadata:
    package, notes = rpm_package.read_notes(path)
    epoch = f"{package.epoch}:" if package.epoch != "0" else ""
    entry = Entry("", "", f"{notes.author}\n{notes.text}".strip()) if notes.text else None
    return PackageMetadata(path, "rpm", package.name, notes.source, f"{epoch}{package.version}-{package.release}", notes.packager, entry)
