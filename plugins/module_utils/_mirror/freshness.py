# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Whether signed metadata may be used today: not expired, not from the future, never older than what was accepted before.

A signature alone does not tell: an attacker between us and the upstream can serve yesterday's, correctly signed, for
ever, and keep every security update away.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

FUTURE = 600  # seconds a publisher's clock may be ahead of ours
POLICIES = ("fail", "warn")


class Dates(t.NamedTuple):
    """When metadata was made and until when it may be used; unix times, valid_until 0 for "for ever"."""

    date: int
    valid_until: int


def complaints(dates: Dates, accepted: int, now: int) -> t.List[str]:
    """What speaks against using metadata with these dates; empty when nothing does.

    accepted: the date of the metadata accepted last, 0 for none. now: unix time.
    """
    found = []
    if dates.valid_until and now > dates.valid_until:
        found.append(f"it expired on {_shown(dates.valid_until)}")
    if dates.date > now + FUTURE:
        found.append(f"it is dated {_shown(dates.date)}, which has not come yet")
    if dates.date < accepted:
        found.append(f"it is dated {_shown(dates.date)}, older than what was accepted before ({_shown(accepted)})")
    return found


def enforce(what: str, dates: Dates, accepted: int, now: int, policy: str) -> t.List[str]:
    """Raise Failure about stale metadata under the policy ``fail``; return the warnings under ``warn``."""
    found = [f"{what}: {complaint}" for complaint in complaints(dates, accepted, now)]
    if found and policy != "warn":
        remedy = "Ask the upstream or try another of its mirrors; if this is meant, set freshness: warn for this source"
        raise Failure(f"accept {what}", "; ".join(complaints(dates, accepted, now)), remedy)
    return found


def _shown(moment: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    except (ValueError, OverflowError, OSError):
        return str(moment)
