# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A suite's Release file as typed data. Pure; the text must have been verified before."""

from __future__ import annotations

import calendar
import email.utils
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import inside

_FIELD = re.compile(r"([!-,./-9;-~][!-9;-~]*):[ \t]*(.*)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA512 = re.compile(r"[0-9a-f]{128}")
_SIZE = re.compile(r"[0-9]{1,13}")  # no index comes near, and a number of a million digits is an attack
_REMEDY = "Ask the upstream; nothing was used"


class File(t.NamedTuple):
    """A file the Release promises. size in bytes; sha512 is empty when the Release lists none."""

    size: int
    sha256: str
    sha512: str


class Release(t.NamedTuple):
    """date, valid_until: unix times, valid_until 0 for none. files: path below the suite's directory -> File.
    fields: every field of one line, its name in lower case."""

    origin: str
    label: str
    suite: str
    codename: str
    date: int
    valid_until: int
    by_hash: bool
    architectures: t.Tuple[str, ...]
    components: t.Tuple[str, ...]
    files: t.Mapping[str, File]
    fields: t.Mapping[str, str] = {}


def parse(text: bytes, what: str) -> Release:
    """Read a Release file. what: names it in the Failure, raised for duplicate fields, bad paths, dates or sums, no SHA256."""
    action = f"read {what}"
    single, lists = _fields(text, action)
    if "sha256" not in lists:
        raise Failure(action, "it has no SHA256 sums", "The upstream is too old to be verified")
    if "date" not in single:
        raise Failure(action, "it has no Date", _REMEDY)
    strongest = _sums(lists.get("sha512", []), _SHA512, action)
    files = {}
    for path, (size, sha256) in _sums(lists["sha256"], _SHA256, action).items():
        other_size, sha512 = strongest.get(path, (size, ""))
        if other_size != size:
            raise Failure(action, f"it gives two sizes for {path}", _REMEDY)
        files[path] = File(size, sha256, sha512)
    return Release(
        single.get("origin", ""), single.get("label", ""), single.get("suite", ""), single.get("codename", ""),
        _moment(single["date"], "Date", action), _moment(single["valid-until"], "Valid-Until", action) if "valid-until" in single else 0,
        single.get("acquire-by-hash", "") == "yes",
        tuple(single.get("architectures", "").split()), tuple(single.get("components", "").split()), files, single,
    )


def _fields(text: bytes, action: str) -> t.Tuple[t.Dict[str, str], t.Dict[str, t.List[str]]]:
    """Values of the fields with one line, and the lines of those with more; names in lower case (they are case-insensitive)."""
    try:
        lines = text.decode("utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise Failure(action, "it is not UTF-8", _REMEDY) from error
    single: t.Dict[str, str] = {}
    lists: t.Dict[str, t.List[str]] = {}
    current: t.List[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and single:
            current.append(line)
            continue
        match = _FIELD.fullmatch(line)
        if not match:
            raise Failure(action, f"its line {line[:60]!r} is no field", _REMEDY)
        name = match.group(1).lower()
        if name in single:
            raise Failure(action, f"it has the field {match.group(1)[:60]} twice", _REMEDY)
        single[name] = match.group(2).rstrip()
        current = lists[name] = []
    return single, lists


def _sums(lines: t.Sequence[str], digest: t.Pattern[str], action: str) -> t.Dict[str, t.Tuple[int, str]]:
    """``digest size path`` lines as path -> (size, digest)."""
    found: t.Dict[str, t.Tuple[int, str]] = {}
    for line in lines:
        words = line.split()
        if len(words) != 3 or not digest.fullmatch(words[0]) or not _SIZE.fullmatch(words[1]):
            raise Failure(action, f"its line {line[:120]!r} is not a digest, a size and a path", _REMEDY)
        path, value = inside(words[2]), (int(words[1]), words[0])
        if found.setdefault(path, value) != value:
            raise Failure(action, f"it lists {path} twice with different content", _REMEDY)
    return found


def _moment(text: str, name: str, action: str) -> int:
    """An RFC 5322 date, which in a Release file is UTC whatever it says or leaves out."""
    try:
        parsed = email.utils.parsedate_tz(text[:80])
        if parsed is None:
            raise ValueError
        return int(calendar.timegm(parsed[:9])) - (parsed[9] or 0)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise Failure(action, f"its {name} {text[:80]!r} is no date", _REMEDY) from error
