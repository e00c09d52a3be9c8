# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a person reads: the plan before, the result after. Rows in, lines out; rows come from plan or record alone."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Status
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan
from ansible_collections.egi.cmd.plugins.module_utils._rollout.record import HostRecord, Rollout
from ansible_collections.egi.cmd.plugins.module_utils._rollout.timetable import written
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave

Row = t.Dict[str, str]
RESULT_COLUMNS = ("host", "wave", "release", "package", "version", "origin", "verdict")
PLAN_COLUMNS = ("order", "wave", "host", "starts", "soak", "release", "packages", "opt-in", "gate")
_NOTHING = "-"


def result_rows(rollout: Rollout, most: t.Optional[int] = None) -> t.List[Row]:
    """Return one row for each package the rollout set on each host, in the order of the plan.

    most: a host with more packages than that gets one row that says how many.
    """
    rows = []
    for wave in rollout.plan.waves:
        for host in wave.hosts:
            record = rollout.hosts[host]
            packages = record.packages or [{}]
            if most is not None and len(packages) > most:
                packages = [{"name": f"{len(packages)} packages"}]
            for package in packages:
                rows.append({
                    "host": host, "wave": wave.name, "release": rollout.plan.release,
                    "package": package.get("name", ""), "version": package.get("version", ""),
                    "origin": package.get("origin", ""), "verdict": _verdict(record),
                })
    return rows


def _verdict(record: HostRecord) -> str:
    """Return what became of a host; after a roll-back also why: ``failed, rolled back``."""
    said = [record.status.value]
    if record.status in (Status.ROLLED_BACK, Status.ROLLBACK_FAILED) and record.result:
        said.insert(0, record.result.value)
    return ", ".join(said).replace("_", " ")


def plan_rows(plan: Plan, times: t.Mapping[str, t.Optional[datetime.datetime]]) -> t.List[Row]:
    """Return one row for each host, in the order in which they get the release; one for a wave without a host.

    times: wave -> when it can start at the earliest, as timetable returns it.
    """
    rows = []
    for order, wave in enumerate(plan.waves, 1):
        start = times[wave.name]
        row = {
            "order": str(order), "wave": wave.name, "starts": written(start) if start else "never", "soak": _length(wave.soak),
            "release": plan.release, "packages": " ".join(plan.packages), "opt-in": " ".join(wave.opt_in), "gate": _gate(wave),
        }
        for number, turn in enumerate(wave.turns or ((),), 1):
            place = f"{order}.{number}" if len(wave.turns) > 1 else str(order)
            rows += [{**row, "order": place, "host": host} for host in turn or ("",)]
    return rows


def _gate(wave: Wave) -> str:
    if not wave.hosts:
        return "open: no host is asked for"
    parts = [f"{wave.min_passed} of {len(wave.hosts)} pass, {wave.max_failed} may fail"]
    if wave.required_checks:
        parts.append(f"each with {' and '.join(wave.required_checks)}")
    if wave.approval is not None:
        parts.insert(0, f"approved by {' or '.join(wave.approval) or 'anybody'} first")
    return "; ".join(parts)


def _length(seconds: int) -> str:
    """Return seconds as a site would write them: ``1h30m``."""
    said = ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size:
            said += f"{seconds // size}{unit}"
            seconds %= size
    return said


def lines(rows: t.Sequence[t.Mapping[str, t.Any]], columns: t.Sequence[str]) -> t.List[str]:
    """Return a plain table: a heading, then the rows; cells are padded, an empty one is a dash."""
    cells = [[str(row.get(column) or _NOTHING) for column in columns] for row in rows]
    table = [[column.upper() for column in columns], *cells]
    widths = [max(len(row[place]) for row in table) for place in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
