# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A hold: packages whose versions in a range are bad, until when they are kept back, and why."""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import version_range
from ansible_collections.egi.cmd.plugins.module_utils._promotion.version_range import Range

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_LINK = re.compile(r"https?://\S+")
LONGEST = 366  # days; goal state is no holds, and one that outlives a year was forgotten

RULES = {
    "hold.name": "a hold has a name of a-z, 0-9, dots and hyphens",
    "hold.no-packages": "a hold names at least one package",
    "hold.no-platform": "a hold names platforms of the release",
    "hold.no-range": "a hold says which versions are bad, for each format of its platforms",
    "hold.no-reason": "a hold says why, in words",
    "hold.no-link": "a hold links to an issue somebody works on",
    "hold.no-expiry": "a hold says when it ends",
    "hold.expiry": "a hold ends on a day that is not past, within a year",
    "hold.test": "the test of a hold is a command: a list of words",
    "hold.closed": "the release takes holds on that day: it is out and supported, and no window without releases is open",
    "hold.no-base": "the base of each platform of a hold is there to be read",
    "hold.unknown-package": "the base offers a held package, or did in some snapshot",
    "hold.matches-nothing": "the bad range matches a version that the base offers or offered",
    "hold.not-needed": "the newest version that the base offers is bad",
    "hold.no-proven": "there is a version below the bad ones to go back to",
    "hold.file": "a file that is handed in is of a held package and below the bad versions",
    "hold.overlap": "no two holds have the same package on the same platform",
    "hold.differs": "packages and platforms of an open hold stay as they are, its good version stays outside its range, and its name is given once",
    "hold.unknown": "a hold that is lifted or reviewed was opened",
    "hold.unsolvable": "hosts can have the proven version, and upgrade with it",
    "hold.leaks": "no host comes to another version of a held package",
    "hold.removes": "no host loses or lowers another package",
    "hold.blocks": "no host misses an update of another package",
}
"""Rule -> what it demands. Every refusal of a hold begins with one of these in brackets."""


class Hold(t.NamedTuple):
    """bad: by format. test: the product's own test, argv; empty for none. fixed_in: the upstream version that is said to
    be good again. opened: the day it was."""

    name: str
    packages: t.Tuple[str, ...]
    platforms: t.Tuple[str, ...]
    bad: t.Mapping[str, Range]
    reason: str
    link: str
    expires: datetime.date
    by: str
    opened: datetime.date
    test: t.Tuple[str, ...] = ()
    fixed_in: str = ""

    @property
    def batch(self) -> str:
        """The batch on the desk that holds the proven packages."""
        return f"hold-{self.name}"

    def is_bad(self, form: str, version: str) -> bool:
        """Whether a version of a held package is one of the bad ones."""
        return version in self.bad[form]

    def expired(self, day: datetime.date) -> bool:
        """Whether it should have ended by this day; the last day still counts."""
        return day > self.expires


class Problem(t.NamedTuple):
    """rule: of RULES. why: what is wrong here."""

    rule: str
    why: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.why}"


def read(data: t.Mapping[str, t.Any], formats: t.Mapping[str, str], day: datetime.date) -> Hold:
    """The hold that a mapping declares. formats: platform -> deb or rpm, of the release. day: today. Raises one Failure
    with every rule that is broken."""
    found = problems(data, formats, day)
    if found:
        raise Failure(f"open hold '{data.get('name') or '?'}'", "; ".join(map(str, found)), "Correct it and run again; nothing was changed")
    bad = {form: _range(data, form) for form in _formats(data["platforms"], formats)}
    opened = data.get("opened") or day
    return from_data({"test": (), "fixed_in": "", **data, "bad": bad, "opened": opened})


def from_data(data: t.Mapping[str, t.Any]) -> Hold:
    """The hold in whole data, as ``to_data`` writes it; nothing is judged."""
    bad = {form: version_range.parse(form, text) for form, text in data["bad"].items()}
    return Hold(
        data["name"], tuple(dict.fromkeys(data["packages"])), tuple(dict.fromkeys(data["platforms"])), bad, data["reason"].strip(), data["link"],
        _day(data["expires"]), data["by"], _day(data["opened"]), tuple(data["test"] or ()), data["fixed_in"] or "",
    )


def to_data(hold: Hold) -> t.Dict[str, t.Any]:
    """A hold as JSON has it."""
    lists = {"packages": list(hold.packages), "platforms": list(hold.platforms), "test": list(hold.test)}
    return {**hold._asdict(), **lists, "bad": {form: str(bad) for form, bad in hold.bad.items()}, "expires": str(hold.expires), "opened": str(hold.opened)}


def problems(data: t.Mapping[str, t.Any], formats: t.Mapping[str, str], day: datetime.date) -> t.List[Problem]:
    """What is wrong with a declaration."""
    return [*_words(data), *_scope(data, formats), *_dates(data, day)]


def _words(data: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    name, test = data.get("name"), data.get("test") or []
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        yield Problem("hold.name", f"{name!r} is no name for a hold")
    if not (isinstance(data.get("reason"), str) and data["reason"].strip()):
        yield Problem("hold.no-reason", "it has no reason")
    if not (isinstance(data.get("link"), str) and _LINK.fullmatch(data["link"])):
        yield Problem("hold.no-link", "it has no link to an issue" if not data.get("link") else f"{data['link']!r} is no link")
    if not (isinstance(test, (list, tuple)) and all(isinstance(word, str) and word for word in test)):
        yield Problem("hold.test", "test is no list of words")


def _scope(data: t.Mapping[str, t.Any], formats: t.Mapping[str, str]) -> t.Iterator[Problem]:
    packages, platforms = data.get("packages") or [], data.get("platforms") or []
    if not packages or not all(isinstance(name, str) and _PACKAGE.fullmatch(name) for name in packages):
        yield Problem("hold.no-packages", "it names no package" if not packages else f"{packages!r} are no names of packages")
    unknown = [platform for platform in platforms if platform not in formats]
    if not platforms or unknown:
        have = f"the release has {', '.join(formats)}"
        yield Problem("hold.no-platform", f"it names no platform; {have}" if not platforms else f"there is no platform {unknown[0]!r}; {have}")
        return
    for form in _formats(platforms, formats):
        text = _range(data, form)
        if not text:
            yield Problem("hold.no-range", f"it does not say which {form} versions are bad")
            continue
        try:
            version_range.parse(form, text)
        except Failure as failure:
            yield Problem("hold.no-range", failure.why)


def _dates(data: t.Mapping[str, t.Any], day: datetime.date) -> t.Iterator[Problem]:
    if not data.get("expires"):
        yield Problem("hold.no-expiry", "it does not say when it ends")
        return
    try:
        expires = _day(data["expires"])
    except ValueError:
        yield Problem("hold.expiry", f"{data['expires']!r} is no day, written YYYY-MM-DD")
        return
    if expires < day:
        yield Problem("hold.expiry", f"it ended on {expires}")
    elif (expires - day).days > LONGEST:
        yield Problem("hold.expiry", f"{expires} is more than a year away")


def _formats(platforms: t.Sequence[str], formats: t.Mapping[str, str]) -> t.List[str]:
    return sorted({formats[platform] for platform in platforms})


def _range(data: t.Mapping[str, t.Any], form: str) -> str:
    """The bad range for one format; a hold of one format may write it without naming that."""
    bad = data.get("bad")
    text = bad.get(form) if isinstance(bad, t.Mapping) else bad
    return text.strip() if isinstance(text, str) else ""


def _day(value: t.Any) -> datetime.date:
    return value if isinstance(value, datetime.date) else datetime.datetime.strptime(str(value), "%Y-%m-%d").date()
