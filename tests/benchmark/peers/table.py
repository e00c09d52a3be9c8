# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results as Markdown."""

from __future__ import annotations

import statistics
import typing as t

from peers.scenarios import Damaged, Interrupted, Run, Runs


def of_runs(runs: Runs) -> t.Iterator[str]:
    """One table for each scenario, fastest first."""
    for scenario, tools in runs.items():
        yield from ["", f"**{scenario[0].upper()}{scenario[1:]}**", ""]
        yield from _head("tool", "seconds", "min", "max", "runs", "processor, s", "memory, MiB", "requests", "received, MB")
        rows = [(_median(found, lambda run: run.cost.wall), name, found) for name, found in tools.items() if found]
        for _seconds, name, found in sorted(rows):
            yield _row(name, *_cells(found))


def _cells(found: t.Sequence[Run]) -> t.Iterator[str]:
    if found[0].note:
        yield from [found[0].note, "", "", "1"]
    else:
        walls = [run.cost.wall for run in found]
        yield from [f"{statistics.median(walls):.2f}", f"{min(walls):.2f}", f"{max(walls):.2f}", str(len(walls))]
    yield f"{_median(found, lambda run: run.cost.processor):.2f}"
    yield f"{max(run.cost.memory for run in found) / (1 << 20):.0f}"
    yield f"{_median(found, lambda run: run.requests):.0f}"
    yield f"{_median(found, lambda run: run.sent) / 1e6:.1f}"


def of_interrupted(found: t.Mapping[str, Interrupted]) -> t.Iterator[str]:
    """One table."""
    yield from ["", "**Killed half-way (kill -9), run again.** What was sent and still on its way, up to one file for each connection, counts as arrived.", ""]
    yield from _head("tool", "files that had arrived", "asked for again", "second run, s", "how it ended")
    for name, result in found.items():
        yield _row(name, str(result.finished), str(result.repeated), f"{result.again.cost.wall:.2f}", result.again.note or "complete")


def of_damaged(found: t.Mapping[str, Damaged], checks: t.Mapping[str, str]) -> t.Iterator[str]:
    """One table. checks: what each tool compares packages with."""
    yield from ["", "**One bit of one package is wrong upstream**", ""]
    yield from _head("tool", "compares", "exit code", "damaged file", "new metadata")
    for name, result in found.items():
        shown = {None: "is published in a step of its own", True: "is what readers see", False: "is not shown"}[result.shown]
        yield _row(name, checks[name], str(result.code), "in the mirror" if result.taken else "refused", shown)


def _median(found: t.Sequence[Run], value: t.Callable[[Run], float]) -> float:
    return statistics.median(map(value, found))


def _head(*cells: str) -> t.List[str]:
    return [_row(*cells), _row(*["---"] * len(cells))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
