# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A desk and its excuses as data for callers and as text for people."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Waiver
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse


def excuses(found: t.Sequence[Excuse], waivers: t.Sequence[Waiver]) -> t.List[t.Dict[str, t.Any]]:
    """Excuses as data. waived_by: the two people, empty if nobody waived it or nobody can."""
    described = []
    for one in found:
        waiver = next((waiver for waiver in reversed(waivers) if one.waivable and waiver.excuse == one.name), None)
        described.append({"name": one.name, **one._asdict(), "waived_by": [waiver.by, waiver.second] if waiver else []})
    return described


def batch(one: Batch) -> t.Dict[str, t.Any]:
    """A batch as data, with its digest."""
    records = {field: [record._asdict() for record in getattr(one, field)] for field in ("items", "reports", "waivers", "history")}
    return {**one._asdict(), **records, "after": list(one.after), "digest": one.digest}


def table(desk: Desk) -> str:
    """What stands where, a line for each package, for a line-wise diff."""
    kinds = sorted({one.kind for one in desk.batches.values()} - {""})
    rows = [f"{kind} {item.platform} {item.package} {item.version} ({item.architecture})" for kind in kinds for item in desk.items(kind)]
    return "".join(f"{row}\n" for row in sorted(rows))
