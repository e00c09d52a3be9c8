# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a run leaves for monitoring: the last run of every set as JSON, and the same as a Prometheus text file.

Written whole after every sync, good or bad; the time of the last success outlives failures. What scrubs found is in a
file of its own, <root>/.cmd-mirror/scrub.json, because they run beside syncs; the metrics have both.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import STATE, write_file
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Outcome

Run = t.Dict[str, t.Any]

_LASTING = ("last_success", "snapshot", "snapshot_created", "published", "sources")  # what a failed run does not change
_METRICS = (
    ("last_run_timestamp_seconds", "ended", "When the last sync ended."),
    ("last_run_success", "success", "1 if the last sync succeeded."),
    ("last_run_duration_seconds", "seconds", "How long the last sync took."),
    ("last_run_fetched_bytes", "fetched_bytes", "Bytes of packages and indices the last sync had to fetch."),
    ("last_success_timestamp_seconds", "last_success", "When a sync last succeeded."),
    ("snapshot_timestamp_seconds", "snapshot_created", "When the newest snapshot was made."),
    ("warnings", "warning_count", "Warnings of the last sync."),
)
_SCRUB_METRICS = (
    ("last_run_timestamp_seconds", "ended", "When the last scrub ended."),
    ("last_run_duration_seconds", "seconds", "How long the last scrub took."),
    ("round_ratio", "share", "How much of the store this round has read."),
    ("round_timestamp_seconds", "round_ended", "When every file of the store had been read."),
    ("round_bytes", "round_bytes", "Bytes the last whole round read."),
    ("damaged_files", "unmended", "Damaged files nobody could mend yet."),
    ("repaired_files", "repaired", "Files the last scrub mended."),
)


def of_outcome(outcome: Outcome, newest: Generation) -> Run:
    """A successful sync as data."""
    now = int(time.time())
    return {
        "success": 1, "ended": now, "last_success": now, "seconds": round(outcome.seconds, 3), "error": None, "changed": outcome.changed,
        "snapshot": outcome.generation, "snapshot_created": newest.created, "published": outcome.published,
        "packages": outcome.plan.difference.counts(), "fetched_files": outcome.plan.need.files, "fetched_bytes": outcome.plan.need.fetch,
        "removed_snapshots": outcome.freed.generations, "removed_bytes": outcome.freed.size,
        "warnings": outcome.warnings, "warning_count": len(outcome.warnings),
        "sources": {name: {"packages": part.packages, "bytes": part.size, "dated": part.dated} for name, part in newest.sources.items()},
    }


def of_failure(error: str, seconds: float) -> Run:
    """A failed sync as data."""
    return {"success": 0, "ended": int(time.time()), "seconds": round(seconds, 3), "error": error, "changed": False, "fetched_bytes": 0, "warnings": [],
            "warning_count": 0}


def load(configuration: Configuration) -> t.Dict[str, Run]:
    """The last run of every set; empty before the first."""
    try:
        with open(_path(configuration), encoding="utf-8") as file:
            return dict(json.load(file)["sets"])
    except (OSError, ValueError, KeyError, TypeError):  # it is written anew by the next sync
        return {}


def check(configuration: Configuration) -> None:
    """Raise Failure, before any work, where the files could not be written."""
    for path in (configuration.metrics, configuration.report):
        directory = os.path.dirname(path) if path else configuration.root
        if not os.access(directory, os.W_OK | os.X_OK):
            raise Failure(f"write {path or _path(configuration)}", f"{directory} is no directory one can write in",
                          "Make it, or name another file in the configuration")


def write(configuration: Configuration, runs: t.Mapping[str, Run]) -> None:
    """Add these runs to what is known and write both files."""
    known = {name: run for name, run in load(configuration).items() if name in configuration.sets}
    for name, run in runs.items():
        before = known.get(name, {})
        known[name] = {**{field: before[field] for field in _LASTING if field in before}, **run}
    write_file(_path(configuration), json.dumps({"version": 1, "sets": known}, indent=1, sort_keys=True) + "\n", _path(configuration) + ".new")
    write_metrics(configuration)


def write_metrics(configuration: Configuration) -> None:
    """Write the metrics from what is known, if that is wanted."""
    if configuration.metrics:
        text = prometheus(load(configuration), load_scrub(configuration))
        write_file(configuration.metrics, text, f"{configuration.metrics}.{os.getpid()}")


def load_scrub(configuration: Configuration) -> Run:
    """Where the scrub of the store is and what it found; as before the first one if there is none, or it is damaged."""
    fresh: Run = {"position": "", "share": 0.0, "files": 0, "bytes": 0, "damaged": []}
    try:
        with open(_scrub_path(configuration), encoding="utf-8") as file:
            data = {**fresh, **json.load(file)}
        good = all(isinstance(data[field], (int, float)) for field in data if field not in ("position", "damaged"))
        return data if good and all(isinstance(text, str) for text in (data["position"], *data["damaged"])) else fresh
    except (OSError, ValueError, TypeError):
        return fresh


def save_scrub(configuration: Configuration, data: Run) -> None:
    """Write down where the scrub is."""
    write_file(_scrub_path(configuration), json.dumps(data, indent=1, sort_keys=True) + "\n", _scrub_path(configuration) + ".new")


def prometheus(runs: t.Mapping[str, Run], scrub: Run) -> str:
    """The runs and the scrub in Prometheus' text format."""
    lines = []
    for metric, field, text in _METRICS:
        lines += [f"# HELP egi_cmd_mirror_{metric} {text}", f"# TYPE egi_cmd_mirror_{metric} gauge"]
        lines += [f'egi_cmd_mirror_{metric}{{set="{name}"}} {run[field]}' for name, run in sorted(runs.items()) if field in run]
    for metric, field, text in (("packages", "packages", "Packages in the newest snapshot."), ("bytes", "bytes", "Bytes of the newest snapshot's files."),
                                ("upstream_timestamp_seconds", "dated", "The date the upstream gives its metadata.")):
        lines += [f"# HELP egi_cmd_mirror_source_{metric} {text}", f"# TYPE egi_cmd_mirror_source_{metric} gauge"]
        for name, run in sorted(runs.items()):
            for source, part in sorted(run.get("sources", {}).items()):
                lines.append(f'egi_cmd_mirror_source_{metric}{{set="{name}",source="{source}"}} {part[field]}')
    for metric, field, text in _SCRUB_METRICS:
        if field in scrub and "ended" in scrub:
            lines += [f"# HELP egi_cmd_mirror_scrub_{metric} {text}", f"# TYPE egi_cmd_mirror_scrub_{metric} gauge"]
            lines.append(f"egi_cmd_mirror_scrub_{metric} {scrub[field]}")
    return "\n".join(lines) + "\n"


def _scrub_path(configuration: Configuration) -> str:
    return os.path.join(configuration.root, STATE, "scrub.json")


def _path(configuration: Configuration) -> str:
    if configuration.report:
        return configuration.report
    state = os.path.join(configuration.root, STATE)
    with contextlib.suppress(FileExistsError):
        os.makedirs(state, mode=0o700)
    return os.path.join(state, "last-run.json")
