# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The way of a batch: untested, proposed, then updates, security or base; and back. Pure: a desk in, a desk out."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion.conditions import person
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import WITHDRAWN, Batch, Desk, Move, Report, Waiver
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse, unmet

PUBLISHED = ("updates", "security", "base")
TARGETS = ("proposed", *PUBLISHED)
RANKS = {WITHDRAWN: 0, "untested": 1, "proposed": 2, **dict.fromkeys(PUBLISHED, 3)}
BEFORE = {"proposed": "untested", **dict.fromkeys(PUBLISHED, "proposed")}
_SHOWN = 10


class Actor(t.NamedTuple):
    """Who moves a batch, and when: UTC, ISO 8601."""

    by: str
    time: str


def batch_of(desk: Desk, name: str) -> Batch:
    """A batch of the desk; raises Failure if there is none of that name."""
    if name not in desk.batches:
        raise Failure(f"find batch {name!r}", f"[flow.unknown] the desk of {desk.release} has no such batch",
                      f"There are: {', '.join(sorted(desk.batches)) or 'none'}")
    return desk.batches[name]


def take(desk: Desk, batch: Batch, actor: Actor) -> Desk:
    """The desk with a batch that was handed in. One it knows stays where it is; one that was withdrawn begins anew."""
    known = desk.batches.get(batch.name)
    if known is None:
        desk = desk.with_batch(batch._replace(kind=WITHDRAWN))
    elif known.kind != WITHDRAWN:
        return desk
    return desk.moved(batch.name, batch.kind, Move(WITHDRAWN, batch.kind, actor.time, actor.by, batch.digest))


def with_words(desk: Desk, name: str, reports: t.Iterable[Report], waivers: t.Iterable[Waiver]) -> Desk:
    """The desk with what was said of a batch added; what somebody said last already is not written down again, whatever the
    day. A report that names no digest is about the batch as it is."""
    batch = batch_of(desk, name)
    for report in reports:
        report = report if report.digest else report._replace(digest=batch.digest)
        last = next((one for one in reversed(batch.reports) if (one.kind, person(one.by)) == (report.kind, person(report.by))), None)
        if last is None or last._replace(day=report.day) != report:
            batch = batch._replace(reports=(*batch.reports, report))
    for waiver in waivers:
        if waiver not in [one._replace(day=waiver.day) for one in batch.waivers]:
            batch = batch._replace(waivers=(*batch.waivers, waiver))
    return desk.with_batch(batch)


def promote(desk: Desk, name: str, target: str, excuses: t.Sequence[Excuse], actor: Actor) -> Desk:
    """The desk with a batch one step further. Raises Failure that tells of every excuse nobody waived."""
    batch = batch_of(desk, name)
    if batch.kind == target:
        return desk
    left = unmet(excuses, batch.waivers)
    if left:
        shown = [str(one) for one in left[:_SHOWN]] + ([f"and {len(left) - _SHOWN} more"] if len(left) > _SHOWN else [])
        raise Failure(f"promote batch {name!r} to {target}", "; ".join(shown), "docs/promotion.md explains excuses, and how two people waive one")
    return desk.moved(name, target, Move(batch.kind, target, actor.time, actor.by, batch.digest, tuple(one.name for one in excuses)))


def demote(desk: Desk, name: str, target: str, frozen: bool, actor: Actor) -> Desk:
    """The desk with a batch taken back to target, WITHDRAWN for out of every repository; one that is not above it stays.

    frozen: base does not change any more. Raises Failure for that, for a hold, and while batches that come after it are
    further than target.
    """
    batch, action = batch_of(desk, name), f"take back batch {name!r}"
    if batch.kind not in RANKS:
        raise Failure(action, f"[flow.order] it stands in {batch.kind}", "A hold is lifted with egi.cmd.holdback")
    if RANKS[batch.kind] <= RANKS[target]:
        return desk
    if batch.kind == "base" and frozen:
        raise Failure(action, "[lifecycle.base-frozen] base does not change any more once the release is generally available", "Publish a fix to updates")
    needy = sorted(other.name for other in desk.batches.values() if name in other.after and RANKS.get(other.kind, 0) > RANKS[target])
    if needy:
        raise Failure(action, f"[prerequisite.needed] {', '.join(needy)} come after it", "Take those back first")
    return desk.moved(name, target, Move(batch.kind, target, actor.time, actor.by, batch.digest))


def circle_of(desk: Desk, name: str) -> t.List[str]:
    """The batches from one back to itself along what each comes after; empty if there is no such way."""
    ways: t.List[t.List[str]] = [[name]]
    seen: t.Set[str] = set()
    while ways:
        way = ways.pop()
        for following in desk.batches[way[-1]].after if way[-1] in desk.batches else ():
            if following == name:
                return [*way, name]
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []
