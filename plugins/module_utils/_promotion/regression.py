# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What follows from a system test that failed: the holds it proposes, and reports for the base distribution's bug tracker. Pure."""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import masked
from ansible_collections.egi.cmd.plugins.module_utils._promotion.bisect import FAIL, Cause
from ansible_collections.egi.cmd.plugins.module_utils._promotion.trial import Move, Outcome, Trial

_LAST_LINES = 40


class Regression(t.NamedTuple):
    """guilty: updates without which the test passes; dragged: updates that came with them. trial: the smallest that failed."""

    guilty: t.Tuple[Move, ...]
    dragged: t.Tuple[Move, ...]
    trial: Trial


def regressions(outcome: Outcome) -> t.List[Regression]:
    """What the causes of a failed test mean in versions."""
    return [_regression(outcome, cause) for cause in outcome.answer.causes]


def _regression(outcome: Outcome, cause: Cause) -> Regression:
    moves = {move.package: move for move in outcome.batch}
    shown = [trial for trial in outcome.trials if trial.outcome == FAIL and {*cause.packages} <= {move.package for move in trial.changed}]
    smallest = min(shown, key=lambda trial: (len(trial.changed), -trial.number))
    return Regression(tuple(moves[name] for name in cause.packages), tuple(moves[name] for name in cause.dragged), smallest)


def proposals(outcome: Outcome, found: t.Sequence[Regression], platform: str, test: t.Sequence[str]) -> t.List[t.Dict[str, t.Any]]:
    """Holds as egi.cmd.holdback takes them, but for link and expires, which are people's to say: one for each bad version."""
    holds: t.Dict[str, t.Dict[str, t.Any]] = {}
    for regression in found:
        for move in regression.guilty:
            package = outcome.manager.package(move.package)
            hold = holds.setdefault(move.after, {
                "name": _name(f"{package}-{move.after}"),
                "packages": [],
                "platforms": [platform],
                "bad": {outcome.manager.form: f">= {move.after}"},
                "reason": f"{regression.trial.why} with {_pairs(outcome, regression.guilty)}; it passes with {_pairs(outcome, regression.guilty, good=True)}",
                "test": list(test),
            })
            if package not in hold["packages"]:
                hold["packages"].append(package)
    return list(holds.values())


def title(outcome: Outcome, regression: Regression) -> str:
    """One line for a bug tracker."""
    return f"{_pairs(outcome, regression.guilty)}: regression, {regression.trial.why}"


def report(outcome: Outcome, regression: Regression, packages: t.Sequence[str], test: t.Sequence[str], said: str) -> str:
    """A report for the base distribution's bug tracker, plain text. packages: of the product. said: the end of the trial's log."""
    command = " ".join(map(shlex.quote, test))
    dragged = [f"  with it: {_line(outcome, move)}" for move in regression.dragged]
    others = [move for move in regression.trial.changed if move not in regression.guilty + regression.dragged]
    lines = [
        title(outcome, regression), "",
        f"System: {outcome.system}",
        "Package, the good version, the bad version:",
        *(f"  {_line(outcome, move)}" for move in regression.guilty), *dragged, *(f"  with it: {_line(outcome, move)}" for move in others), "",
        f"Test: {command}",
        f"With the good version it passes, with the bad one {regression.trial.why}.",
        f"{len(outcome.trials)} installations were tried; all other updates that were pending are not needed to see it.", "",
        "To reproduce, on a fresh system:",
        *(f"  {number}. {step}" for number, step in enumerate(_steps(outcome, regression, packages, command), start=1)), "",
        "The end of what the failing test said:",
        *(f"  {line}" for line in said.splitlines()[-_LAST_LINES:]),
    ]
    return masked("\n".join(line.rstrip() for line in lines) + "\n")


def _steps(outcome: Outcome, regression: Regression, packages: t.Sequence[str], command: str) -> t.List[str]:
    manager = outcome.manager
    good = manager.exactly({move.package: move.before for move in regression.guilty})
    bad = manager.exactly({move.package: move.after for move in regression.guilty})
    install = [" ".join(map(shlex.quote, manager.install(packages)))] if packages else []
    return [*install, " ".join(map(shlex.quote, good)), f"{command}   # passes", " ".join(map(shlex.quote, bad)), f"{command}   # fails"]


def _line(outcome: Outcome, move: Move) -> str:
    return f"{outcome.manager.package(move.package)}  {move.before or 'not installed'} -> {move.after or 'removed'}"


def _pairs(outcome: Outcome, moves: t.Sequence[Move], good: bool = False) -> str:
    return ", ".join(f"{outcome.manager.package(move.package)} {move.before if good else move.after}" for move in moves)


def _name(text: str) -> str:
    """A hold's name: a-z, 0-9, dots and hyphens."""
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-.")
