# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""RPM package versions: parsing and order as rpm 4.15 and later do them.

Shares no code with the Debian engine: the two orders disagree in too many places for a common base to be safe.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

Key = t.Tuple[int, t.Tuple[t.Any, ...], t.Tuple[t.Any, ...]]

_MAX_EPOCH = 4294967295  # the Epoch tag of a package is an unsigned 32 bit number
_EPOCH = re.compile(r"([0-9]*):")
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]")
# Only these carry meaning; every other character merely separates them.
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")

# What stands at a place, lowest first: 1.0~rc1 < 1.0 < 1.0^git1 < 1.0.a < 1.0.1
_TILDE, _END, _CARET, _LETTERS, _NUMBER = range(5)


class Version(t.NamedTuple):
    """A parsed epoch, version and release. epoch: 0 if none was written; release: empty if none was written."""

    epoch: int
    version: str
    release: str

    def __str__(self) -> str:
        return f"{f'{self.epoch}:' if self.epoch else ''}{self.version}{'-' if self.release else ''}{self.release}"


def parse(text: str) -> Version:
    """Return the parts of ``[epoch:]version[-release]``; raise Failure for a text that cannot be one.

    The parts are split as rpm splits them. Refused is what no package can carry: an empty part, space, a hyphen or
    colon within a part (most often a package name left in front), an epoch beyond 32 bits. Other characters rpm's
    builder would refuse are let through, because packages carry them and rpm compares them.
    """
    if not isinstance(text, str):
        raise _refusal(text, f"it is of type {type(text).__name__}, not text", "Write it in quotes")
    if not text:
        raise _refusal(text, "it is empty")
    if _UNPRINTABLE.search(text):
        raise _refusal(text, "it contains a space or a control character")
    found = _EPOCH.match(text)
    epoch = _epoch(text, found.group(1)) if found else 0
    body = text[found.end():] if found else text
    version, hyphen, release = body.rpartition("-")
    if not hyphen:
        version, release = body, ""
    elif not release:
        raise _refusal(text, "the release after the last hyphen is empty")
    if not version:
        raise _refusal(text, "the version is empty")
    if "-" in version:
        raise _refusal(text, "the version may not contain a hyphen", "Leave out the package name")
    if ":" in body:
        raise _refusal(text, "the only colon allowed is the one after a numeric epoch")
    return Version(epoch, version, release)


def key(text: str) -> Key:
    """Return a sort key: ``sorted(versions, key=key)`` is rpm's order, and equal keys mean equal versions.

    A missing epoch is 0. A missing release is below every release, as in rpm's label comparison: matching any
    release, as a dependency does, would be no order (1.0-1 = 1.0 = 1.0-2). Raise Failure as ``parse`` does.
    """
    version = parse(text)
    return version.epoch, _part_key(version.version), _part_key(version.release) if version.release else ()


def compare(left: str, right: str) -> int:
    """Return -1, 0 or 1 as left is older than, the same as or newer than right; raise Failure as ``parse`` does."""
    left_key, right_key = key(left), key(right)
    return (left_key > right_key) - (left_key < right_key)


def _part_key(part: str) -> t.Tuple[t.Any, ...]:
    """Return the key of a version or release: the rank of each segment, followed by its value where it has one.

    A number is its significant digits ordered by length first: no conversion, so no limit on its size.
    """
    found: t.List[t.Any] = []
    for segment in _SEGMENT.findall(part):
        if segment[0] in "0123456789":
            digits = segment.lstrip("0")
            found += (_NUMBER, len(digits), digits)
        elif segment == "~":
            found.append(_TILDE)
        elif segment == "^":
            found.append(_CARET)
        else:
            found += (_LETTERS, segment)
    found.append(_END)
    return tuple(found)


def _epoch(text: str, written: str) -> int:
    """Return the number before the first colon; rpm reads an empty one as 0."""
    digits = written.lstrip("0")
    if len(digits) > len(str(_MAX_EPOCH)) or int(digits or "0") > _MAX_EPOCH:
        raise _refusal(text, f"the epoch is above {_MAX_EPOCH}")
    return int(digits or "0")


def _refusal(text: object, why: str, remedy: str = "Write it as [epoch:]version[-release]") -> Failure:
    """Return the Failure for one version."""
    return Failure(f"read RPM version {text!r}", why, remedy)
