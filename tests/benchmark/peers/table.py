# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results as Markdown."""

from __future__ import annotations

import statistics
import typing as t

from peers.scenarios import Damaged, Interrupted, Run, Runs


def of_runs(runs: Runs) -> t.Iterator[str]:
    """What the scenarios took on the clock, then what else they cost; a row for each tool, the fastest first."""
    first, tools = _in_order(runs)
    for what, cell in (("seconds, median (least – most)", _clock), ("processor seconds / MiB of memory / requests / MB received", _cost)):
        yield ""
        yield from _head(what, *runs, "runs")
        for name in tools:
            yield _row(name, *(cell(found[name]) for found in runs.values()), str(len(first[name])))


def _in_order(runs: Runs) -> t.Tuple[t.Mapping[str, t.List[Run]], t.List[str]]:
    """The first scenario, and the tools that took part in it."""
    first = next(iter(runs.values()))
    return first, sorted((name for name, found in first.items() if found), key=lambda name: (bool(first[name][0].note), _median(first[name], _seconds)))


def of_interrupted(found: t.Mapping[str, Interrupted]) -> t.Iterator[str]:
    """One table."""
    yield from ["", "Killed half-way with `kill -9`, and run again. What was on its way, up to a file for each connection, counts as arrived.", ""]
    yield from _head("tool", "files that had arrived", "asked for again", "second run, s", "how it ended")
    for name, result in found.items():
        yield _row(name, str(result.finished), str(result.repeated), f"{result.again.cost.wall:.2f}", result.again.note or "complete")


def of_damaged(found: t.Mapping[str, Damaged], checks: t.Mapping[str, str]) -> t.Iterator[str]:
    """One table. checks: what each tool compares packages with."""
    yield from ["", "One bit of one package is wrong upstream; its size is right.", ""]
    yield from _head("tool", "compares", "exit code", "damaged file", "new metadata")
    for name, result in found.items():
        shown = {None: "is published in a step of its own", True: "is what readers see", False: "is not shown"}[result.shown]
        yield _row(name, checks[name], str(result.code), "in the mirror" if result.taken else "refused", shown)


def _clock(found: t.Sequence[Run]) -> str:
    if not found:
        return ""
    notes = [run.note for run in found if run.note]
    if notes:
        return notes[0]
    walls = [run.cost.wall for run in found]
    return f"{statistics.median(walls):.2f}" + (f" ({min(walls):.2f} – {max(walls):.2f})" if len(walls) > 1 else "")


def _cost(found: t.Sequence[Run]) -> str:
    if not found:
        return ""
    memory = max(run.cost.memory for run in found) / (1 << 20)
    requests, received = _median(found, lambda run: run.requests), _median(found, lambda run: run.sent) / 1e6
    return f"{_median(found, lambda run: run.cost.processor):.2f} / {memory:.0f} / {requests:,.0f} / {received:,.1f}"


def _seconds(run: Run) -> float:
    return run.cost.wall


def _median(found: t.Sequence[Run], value: t.Callable[[Run], float]) -> float:
    return statistics.median(map(value, found))


def _head(*cells: str) -> t.List[str]:
    return [_row(*cells), _row(*["---"] * len(cells))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
