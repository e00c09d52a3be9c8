# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The Release file of a suite: what it promises, until when, and whether it must be signed again."""

from __future__ import annotations

import email.utils
import hashlib
import re
import time
import typing as t

_DATE = re.compile(rb"^Date: (.+)$", re.MULTILINE)
_VALID_UNTIL = re.compile(rb"^Valid-Until: (.+)$", re.MULTILINE)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Suite(t.NamedTuple):
    """One suite's identity. valid_for: seconds, 0 for no Valid-Until. upgrades: whether packages of a suite that is not
    automatic are kept up to date once they were chosen."""

    name: str
    origin: str
    label: str
    codename: str
    version: str
    description: str
    architectures: t.Tuple[str, ...]
    components: t.Tuple[str, ...]
    not_automatic: bool
    valid_for: int
    upgrades: bool = True


def render(suite: Suite, indices: t.Mapping[str, bytes], date: int) -> bytes:
    """Release for these index files (path below the suite -> bytes), dated date (seconds since 1970).

    ``NotAutomatic`` with ``ButAutomaticUpgrades`` gives apt priority 100: chosen once by hand, then kept up to date.
    """
    fields = [
        ("Origin", suite.origin),
        ("Label", suite.label),
        ("Suite", suite.name),
        ("Version", suite.version),
        ("Codename", suite.codename),
        ("Date", _rfc822(date)),
        ("Valid-Until", _rfc822(date + suite.valid_for) if suite.valid_for else ""),
        ("NotAutomatic", "yes" if suite.not_automatic else ""),
        ("ButAutomaticUpgrades", "yes" if suite.not_automatic and suite.upgrades else ""),
        ("Acquire-By-Hash", "yes"),
        # Packages of every architecture list "all" too: nobody has to fetch binary-all.
        ("No-Support-for-Architecture-all", "Packages"),
        ("Architectures", " ".join(suite.architectures)),
        ("Components", " ".join(suite.components)),
        ("Description", suite.description),
    ]
    head = "".join(f"{name}: {value}\n" for name, value in fields if value)
    sums = "".join(f" {hashlib.sha256(indices[path]).hexdigest()} {len(indices[path]):>16} {path}\n" for path in sorted(indices))
    return f"{head}SHA256:\n{sums}".encode()


def dates(release: bytes) -> t.Tuple[int, int]:
    """Date and Valid-Until of a Release file, seconds since 1970; 0 where it has none or no readable one."""
    found = []
    for pattern in (_DATE, _VALID_UNTIL):
        match = pattern.search(release)
        try:
            parsed = email.utils.parsedate_tz(match.group(1).decode("ascii")) if match else None
        except UnicodeDecodeError:
            parsed = None
        found.append(int(email.utils.mktime_tz(parsed)) if parsed else 0)
    return found[0], found[1]


def still_good(release: bytes, suite: Suite, indices: t.Mapping[str, bytes], now: int) -> bool:
    """Whether this Release says exactly what a new one would and has at least half of its validity left.

    Half, so that a site that publishes once in half a window never lets a suite expire, and a site that publishes
    every hour does not sign anew every hour.
    """
    date, valid_until = dates(release)
    return release == render(suite, indices, date) and not (valid_until and 2 * (valid_until - now) < suite.valid_for)


def next_date(previous: int, now: int) -> int:
    """apt ignores a Release older than the one it has, and a clock may have been set back; the date is also the file's
    time, by which a conditional GET tells two publications apart. apt takes a date up to 10 s in the future."""
    return max(now, previous + 1)


def _rfc822(seconds: int) -> str:
    """``Fri, 20 Nov 2026 13:00:00 UTC``: built by hand, for strftime follows the locale."""
    moment = time.gmtime(seconds)
    return (
        f"{_WEEKDAYS[moment.tm_wday]}, {moment.tm_mday:02} {_MONTHS[moment.tm_mon - 1]} {moment.tm_year} "
        f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02} UTC"
    )
