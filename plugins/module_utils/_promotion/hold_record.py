# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What is known of a hold once it was opened: on the desk as JSON, and as data for people."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import hold as holds
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Desk
from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold import Hold

Versions = t.Mapping[str, t.Mapping[str, str]]
"""Platform -> package -> version."""


class Verdict(t.NamedTuple):
    """What the product's test said of versions of the base. verdict: pass or fail; day: YYYY-MM-DD."""

    versions: Versions
    verdict: str
    day: str
    text: str = ""


class Record(t.NamedTuple):
    """proven: what hosts stay on. excludes: platform -> builds of the base that dnf must not see. lifted: the day it was,
    empty while the hold is active."""

    hold: Hold
    proven: Versions
    excludes: t.Mapping[str, t.Sequence[str]]
    verdicts: t.Tuple[Verdict, ...] = ()
    lifted: str = ""


def records(desk: Desk) -> t.Dict[str, Record]:
    """Every hold of a desk. Raises Failure for one that cannot be understood."""
    return {name: _record(name, data) for name, data in desk.holds.items()}


def active(desk: Desk) -> t.Dict[str, Record]:
    """The holds that hosts feel, expired or not."""
    return {name: record for name, record in records(desk).items() if not record.lifted}


def with_record(desk: Desk, record: Record) -> Desk:
    """The desk with a hold added or replaced."""
    data = {**record._asdict(), "hold": holds.to_data(record.hold), "verdicts": [one._asdict() for one in record.verdicts]}
    return desk._replace(holds={**desk.holds, record.hold.name: data})


def row(record: Record, day: datetime.date) -> t.Dict[str, t.Any]:
    """A hold for people and callers. days_left: negative once it has expired."""
    days = (record.hold.expires - day).days
    state = "lifted" if record.lifted else "expired" if days < 0 else "active"
    shown = holds.to_data(record.hold)
    return {**shown, "state": state, "days_left": days, "proven": record.proven, "excludes": record.excludes,
            "verdicts": [one._asdict() for one in record.verdicts], "lifted": record.lifted}


def table(rows: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """Holds for people at a terminal, those that need somebody first."""
    order = {"expired": 0, "active": 1, "lifted": 2}
    lines = []
    for one in sorted(rows, key=lambda one: (order[one["state"]], one["days_left"], one["name"])):
        days, state = one["days_left"], one["state"]
        left = f"EXPIRED {-days} days ago" if state == "expired" else f"{days} days left" if state == "active" else f"lifted {one['lifted']}"
        kept = sorted({f"{package} {version}" for packages in one["proven"].values() for package, version in packages.items()})
        lines.append(f"{one['name']}: {left}; {', '.join(kept)} on {', '.join(one['platforms'])}; {one['reason']}; {one['link']}; {one['by']}")
    return "".join(f"{line}\n" for line in lines)


def excludes(desk: Desk) -> t.List[t.Dict[str, t.Any]]:
    """What hosts have to hide from dnf because of active holds, for each platform that needs it."""
    found: t.Dict[str, t.List[str]] = {}
    for _name, record in sorted(active(desk).items()):
        for platform, builds in record.excludes.items():
            found.setdefault(platform, []).extend(builds)
    return [{"platform": platform, "excludes": builds} for platform, builds in sorted(found.items()) if builds]


def _record(name: str, data: t.Mapping[str, t.Any]) -> Record:
    try:
        return Record(holds.from_data(data["hold"]), data["proven"], data["excludes"], tuple(Verdict(**one) for one in data["verdicts"]), data["lifted"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Failure(f"read hold {name!r}", f"the desk has it damaged ({type(error).__name__}: {error})", "Restore desk.json from a backup") from error
