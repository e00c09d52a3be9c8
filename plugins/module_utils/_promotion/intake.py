# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Intake: package files with declared checksums become a batch, all of them or none."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.deb_package import read_deb
from ansible_collections.egi.cmd.plugins.module_utils._archive.intake import Refusals
from ansible_collections.egi.cmd.plugins.module_utils._archive.rpm_package import read_notes
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Item
from ansible_collections.egi.cmd.plugins.module_utils._promotion.flow import circle_of
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import EVERYWHERE, SOURCES, Manifest, architectures_of
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import near_miss
from ansible_collections.egi.cmd.plugins.module_utils._version import mos, mos_rules

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*")


class Declared(t.NamedTuple):
    """A file that is handed in. sha256: what its maker says it is; platform: of the release manifest."""

    path: str
    sha256: str
    platform: str


def batch(name: str, declared: t.Sequence[Declared], after: t.Sequence[str], manifest: Manifest, desk: Desk, mos_versions: bool) -> Batch:
    """The batch these files make, in kind untested. Raises one Failure that names everything that is refused."""
    action = f"take in batch {name!r}"
    if not _NAME.fullmatch(name):
        raise Failure(action, "[intake.name] that is no plain name", "Use letters, digits and . + ~ _ - and begin with a letter or digit")
    if name.startswith("hold-"):
        raise Failure(action, "[intake.name] batches that are called so belong to holds", "Choose another name")
    if not declared:
        raise Failure(action, "[intake.empty] it has no files", "Name the files, each with its SHA-256 and its platform")
    made = Batch(name, "untested", items(action, declared, manifest, desk, mos_versions), tuple(dict.fromkeys(after)))
    _known(made, desk)
    circle = circle_of(desk.with_batch(made), name)
    if circle:
        raise Failure(action, f"[prerequisite.circle] batches would wait for each other: {' -> '.join(circle)}", "Leave one of them out of after")
    return made


def items(action: str, declared: t.Sequence[Declared], manifest: Manifest, desk: Desk, mos_versions: bool) -> t.Tuple[Item, ...]:
    """The items these files make. action: for the one Failure that names everything that is refused."""
    refusals = Refusals(action)
    found: t.Dict[t.Tuple[str, str], Item] = {}
    for one in declared:
        try:
            item = _item(one, manifest, mos_versions)
            _compare(item, [*desk.every_item(), *found.values()])
            found[item.platform, item.file] = item
        except Failure as failure:
            refusals.add(one.path, failure.why)
        except OSError as error:
            refusals.add(one.path, f"[intake.unreadable] {error.strerror or error}")
    refusals.end()
    return tuple(found[place] for place in sorted(found))


def _known(made: Batch, desk: Desk) -> None:
    """A batch's name is given once: what was tested under it stays what it is."""
    old = desk.batches.get(made.name)
    if old and (old.digest, old.after) != (made.digest, made.after):
        raise Failure(f"take in batch {made.name!r}", "[intake.batch-differs] a batch of that name has other files or comes after others",
                      "Give the new files a batch of their own")


def _item(declared: Declared, manifest: Manifest, mos_versions: bool) -> Item:
    action = f"take {declared.path}"
    if not _SHA256.fullmatch(declared.sha256):
        raise Failure(action, f"[intake.checksum] {declared.sha256!r} is no SHA-256 in lower case")
    if declared.platform not in manifest["platforms"]:
        raise Failure(action, f"[intake.platform] the release has no platform {declared.platform!r}{near_miss(declared.platform, manifest['platforms'])}")
    form = manifest["platforms"][declared.platform]["format"]
    if not declared.path.endswith(f".{form}"):
        raise Failure(action, f"[intake.format] platform {declared.platform} takes .{form} files")
    item = _read(declared, form)
    if item.sha256 != declared.sha256:
        raise Failure(action, f"[intake.checksum] its SHA-256 is {item.sha256}, declared is {declared.sha256}")
    taken = (*architectures_of(manifest, declared.platform), *EVERYWHERE, *SOURCES)
    if item.architecture not in taken:
        raise Failure(action, f"[intake.architecture] it is for {item.architecture}, platform {declared.platform} has {', '.join(taken)}")
    if mos_versions:
        release = manifest["version"] if mos.RELEASE_NAME.fullmatch(str(manifest["version"])) else ""
        for problem in mos_rules.problems(form, item.version, mos_rules.Context(None, release)):
            raise Failure(action, f"[version.{problem.rule}] version {item.version}: {problem.why}")
    return item


def _read(declared: Declared, form: str) -> Item:
    try:
        if form == "deb":
            deb = read_deb(declared.path)
            return Item(deb.file_name, form, declared.platform, deb.name, deb.version, deb.architecture, deb.source, deb.size, deb.sha256)
        rpm, notes = read_notes(declared.path)
    except Failure as failure:
        raise Failure(failure.action, f"[intake.unreadable] {failure.why}", failure.remedy) from failure
    version = f"{'' if rpm.epoch == '0' else rpm.epoch + ':'}{rpm.version}-{rpm.release}"
    return Item(os.path.basename(declared.path), form, declared.platform, rpm.name, version, rpm.architecture, notes.source, rpm.size, rpm.sha256)


def _compare(item: Item, others: t.Iterable[Item]) -> None:
    """A file's name says package, version and architecture; all suites of a deb archive share one pool of files."""
    for other in others:
        same = item.format == other.format and item.file == other.file and (item.format == "deb" or item.platform == other.platform)
        if same and item.sha256 != other.sha256:
            raise Failure(f"take {item.file}", f"[intake.other-bytes] the desk knows {item.file} with other bytes, SHA-256 {other.sha256}",
                          "Build it with a higher version")
