# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Syncing several sets one after the other: one that fails does not keep the others from theirs, and every end is reported."""

from __future__ import annotations

import errno
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import report, trace
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration, Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror, Outcome, Show


class Runs(t.NamedTuple):
    """How syncs ended, by set. reports: of every set that was begun; outcomes: of those that succeeded."""

    reports: t.Dict[str, report.Run]
    outcomes: t.Dict[str, Outcome]

    def errors(self) -> t.Dict[str, str]:
        """Why sets failed."""
        return {name: run["error"] for name, run in self.reports.items() if run["error"]}


def chosen(configuration: Configuration, names: t.Sequence[str], where: str) -> t.List[Set]:
    """The sets of these names, or all without any. where: the configuration's path, for the error."""
    for name in names:
        if name not in configuration.sets:
            raise Failure(f"find set {name!r}", f"{where} has {', '.join(configuration.sets)}", "Name one of them, or none for all")
    return [configuration.sets[name] for name in names or configuration.sets]


def sync_all(mirror: Mirror, sets: t.Sequence[Set], show: Show, say: t.Callable[[str], None]) -> Runs:
    """Sync sets and write the report. show: progress of a fetch; say: a warning or an error, as it happens."""
    report.check(mirror.configuration)
    runs = Runs({}, {})
    with mirror.locked():
        for of_set in sets:
            started, begun = time.monotonic(), time.time()
            try:
                outcome = mirror.sync(of_set, show)
                newest = mirror.generations.load(outcome.generation)
                trace.write(mirror, of_set, outcome, newest, begun, time.time())
            except (Failure, OSError) as error:
                failure = as_failure(f"sync {of_set.name}", error)
                runs.reports[of_set.name] = report.of_failure(str(failure), time.monotonic() - started)
                say(f"{of_set.name}: {failure}")
                if mirror.stop.is_set():
                    break
                continue
            runs.outcomes[of_set.name] = outcome
            runs.reports[of_set.name] = report.of_outcome(outcome, newest)
            for warning in outcome.warnings:
                say(f"{of_set.name}: warning: {warning}")
        report.write(mirror.configuration, runs.reports)
    return runs


def as_failure(action: str, error: t.Union[Failure, OSError]) -> Failure:
    """Every error as a sentence; a full or broken disk is no bug of ours."""
    if isinstance(error, Failure):
        return error
    where = f"{error.filename}: " if error.filename else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "Make room, then run it again: it goes on from here" if full else "Check the disk, and that the mirror's files belong to who runs this"
    return Failure(action, f"{where}{error.strerror or error}", remedy)
