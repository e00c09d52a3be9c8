# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Debian package versions: parsing and order as dpkg does them (Debian Policy 5.6.12, deb-version(7)).

Shares no code with the rpm engine: the two orders disagree in too many places for a common base to be safe.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

Key = t.Tuple[int, t.Tuple[t.Any, ...], t.Tuple[t.Any, ...]]

_MAX_EPOCH = 2147483647  # dpkg reads it into a C int
_EPOCH = re.compile(r"\+?[0-9]+")  # dpkg's strtol() takes a plus sign
_UPSTREAM_FORBIDDEN = re.compile(r"[^A-Za-z0-9.+~:-]")
_REVISION_FORBIDDEN = re.compile(r"[^A-Za-z0-9.+~]")
_DIGITS = re.compile(r"([0-9]+)")

# Order of the non-digits: tilde, end of the run, letters, the other marks. Runs are compared as plain text after this
# translation, so the end of a run is a character too; ASCII throughout, because Python translates that fastest.
_END = "\x02"
_ORDER = str.maketrans("~+-.:", "\x01{|}~")


class Version(t.NamedTuple):
    """A parsed Debian version. epoch: 0 if none was written; revision: empty if none was written."""

    epoch: int
    upstream: str
    revision: str

    def __str__(self) -> str:
        # An upstream version with a colon needs its epoch even when that is 0, or the colon would end the epoch.
        epoch = f"{self.epoch}:" if self.epoch or ":" in self.upstream else ""
        return f"{epoch}{self.upstream}{'-' if self.revision else ''}{self.revision}"


def parse(text: str) -> Version:
    """Return the parts of a version; raise Failure for every text that ``dpkg --validate-version`` refuses."""
    if not isinstance(text, str):
        raise _refusal(text, f"it is of type {type(text).__name__}, not text", "Write it in quotes")
    stripped = text.strip(" \t")
    if not stripped:
        raise _refusal(text, "it is empty")
    head, colon, rest = stripped.partition(":")
    epoch = _epoch(text, head) if colon else 0
    body = rest if colon else stripped
    if not body:
        raise _refusal(text, "nothing follows the colon after the epoch")
    upstream, hyphen, revision = body.rpartition("-")
    if not hyphen:
        upstream, revision = body, ""
    elif not revision:
        raise _refusal(text, "the revision after the last hyphen is empty")
    if not upstream:
        raise _refusal(text, "the upstream version is empty")
    if upstream[0] not in "0123456789":
        raise _refusal(text, "the upstream version does not start with a digit")
    _check_characters(text, "upstream version", upstream, _UPSTREAM_FORBIDDEN)
    _check_characters(text, "revision", revision, _REVISION_FORBIDDEN)
    return Version(epoch, upstream, revision)


def key(text: str) -> Key:
    """Return a sort key: ``sorted(versions, key=key)`` is dpkg's order, and equal keys mean equal versions.

    Raise Failure as ``parse`` does.
    """
    version = parse(text)
    # Policy: a missing revision is equivalent to the revision 0.
    return version.epoch, _part_key(version.upstream), _part_key(version.revision or "0")


def compare(left: str, right: str) -> int:
    """Return -1, 0 or 1 as left is older than, the same as or newer than right; raise Failure as ``parse`` does."""
    left_key, right_key = key(left), key(right)
    return (left_key > right_key) - (left_key < right_key)


def _part_key(part: str) -> t.Tuple[t.Any, ...]:
    """Return the key of an upstream version or revision: (non-digits, length of number, number) over and over.

    A number is its significant digits ordered by length first: no conversion, so no limit on its size.
    """
    pieces = _DIGITS.split(part.translate(_ORDER))  # non-digits and digits by turns; begins and ends with non-digits
    found: t.List[t.Any] = []
    for index in range(0, len(pieces) - 1, 2):
        digits = pieces[index + 1].lstrip("0")
        found += (pieces[index] + _END, len(digits), digits)
    if pieces[-1]:
        found += (pieces[-1] + _END, 0, "")  # dpkg reads a missing number as 0: 1.0a is 1.0a0
    found += (_END, 0, "")  # the end is above a tilde and below all else
    return tuple(found)


def _epoch(text: str, head: str) -> int:
    """Return the number before the first colon."""
    if not head:
        raise _refusal(text, "the epoch before the colon is empty")
    if not _EPOCH.fullmatch(head):
        raise _refusal(text, f"the epoch {head!r} before the colon is not a number")
    digits = head.lstrip("+").lstrip("0")
    if len(digits) > len(str(_MAX_EPOCH)) or int(digits or "0") > _MAX_EPOCH:
        raise _refusal(text, f"the epoch is above {_MAX_EPOCH}")
    return int(digits or "0")


def _check_characters(text: str, name: str, part: str, forbidden: t.Pattern[str]) -> None:
    """Refuse a part with a character its rule forbids."""
    found = forbidden.search(part)
    if found:
        raise _refusal(text, f"the {name} may not contain {found.group()!r}")


def _refusal(text: object, why: str, remedy: str = "See deb-version(7) for the form of a version") -> Failure:
    """Return the Failure for one version."""
    return Failure(f"read Debian version {text!r}", why, remedy)
