# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The records of a host, and for each of them whether the host can go back to it now, and what stands in the way."""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import sync, sync_plan, sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_record import Record


class Listing(t.NamedTuple):
    """rows: what is known of each record, the one written last first. damaged: why a file could not be read."""

    rows: t.List[t.Dict[str, t.Any]]
    damaged: t.List[str]


def listed(packages: sync.Packages, set_name: str, only: t.Optional[str], whole_host: bool, directory: str = sync_record.DIRECTORY) -> Listing:
    """Return the records of a repository set; only: the id of one of them. Changes nothing. Raises Failure."""
    names = sync_record.ids(directory) if only is None else [sync_record.checked_id(only)]
    packages.refresh(required=False)
    rows, damaged = [], []
    for name in names:
        path = sync_record.path_of(name, directory)
        try:
            record = sync_record.load(path)
            written = os.stat(path).st_mtime if record else 0.0
        except Failure as failure:
            damaged.append(str(failure))
            continue
        if record is not None and record.set == set_name:
            rows.append({"written": utc(written), **_row(packages, record, whole_host)})
    return Listing(sorted(rows, key=lambda row: (row["written"], row["record"]), reverse=True), damaged)


def _row(packages: sync.Packages, record: Record, whole_host: bool) -> t.Dict[str, t.Any]:
    missing: t.List[str] = []
    plan: t.List[t.Dict[str, t.Any]] = []
    obstacle = None
    try:
        wanted = sync.wanted_back(packages, record, whole_host)
        missing = sync_plan.gone(wanted, packages.look(list(wanted)))
        plan = [step.as_result() for step in sync.way_back(packages, record, whole_host)]
    except Failure as failure:
        obstacle = str(failure)
    return {
        "record": record.record, "state": record.state, "error": record.error, "touched": list(record.touched), "before": record.before,
        "after": record.after, "manifest": record.manifest, "restorable": obstacle is None, "missing": missing, "obstacle": obstacle, "plan": plan,
    }


def utc(seconds: float) -> str:
    """Return a file's time as people and records write it: 2026-01-31T12:00:00Z."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
