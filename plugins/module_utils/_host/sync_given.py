# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A plan that an earlier run made, given back to be applied: exactly, or not at all. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_plan import INSTALL, REMOVE, Known, Step

_ACTION = "use the plan"
_REMEDY = "Make a new plan in check mode and look at it; nothing was changed"


def read(rows: t.Sequence[t.Mapping[str, t.Any]]) -> t.List[Step]:
    """Return the steps in a module's result, Step.as_result(). Raises Failure naming a step that cannot be one."""
    steps = [Step(row["package"], row["action"], row["from"], row["to"], row["origin"], bool(row["dependency"])) for row in rows]
    for step in steps:
        if (step.before is None) != (step.action == INSTALL) or (step.after is None) != (step.action == REMOVE):
            raise Failure(_ACTION, f"'{step}' is no step: an install has no version before, a removal none after, everything else has both", _REMEDY)
    names = [step.package for step in steps]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Failure(_ACTION, f"it has more than one step for {', '.join(twice)}", _REMEDY)
    return steps


def pending(plan: t.Sequence[Step], known: t.Mapping[str, Known]) -> t.List[Step]:
    """Return the steps that are still to be made: a package that is where its step ends was brought there by an earlier run.

    Raises Failure naming every package that is neither where its step begins nor where it ends, and every version that
    is offered no longer, or by another repository than planned.
    """
    left, wrong = [], []
    for step in plan:
        one = known[step.package]
        if not one.differs(step.after):
            continue
        if one.installed not in (step.before, step.after):
            wrong.append(f"{step.package} is {one.installed or 'not installed'}, and the plan begins with {step.before or 'none'}")
        elif one.origin(step.after) != step.origin:
            wrong.append(f"{step.package} {step.after} is offered by {one.origin(step.after) or 'nobody'}, and the plan has it from {step.origin or 'nobody'}")
        elif one.held:
            wrong.append(f"{step.package} is held ({one.held})")
        else:
            left.append(step)
    _refuse(wrong)
    return left


def check(left: t.Sequence[Step], steps: t.Sequence[Step], known: t.Mapping[str, Known]) -> None:
    """Refuse when what the package manager would really do is not what is left of the plan. Raises Failure naming the difference."""
    planned = {step.package: step for step in left}
    found = {step.package: step for step in steps}
    wrong = [f"the package manager would {step}, which is not in the plan" for name, step in found.items()
             if name not in planned or (step.after, step.origin) != (planned[name].after, planned[name].origin)]
    # A package that is there but only half set up is no change of version, so apt does not announce it.
    wrong += [f"the package manager would not {step}" for name, step in planned.items()
              if name not in found and not (name in known and known[name].installed == step.after)]
    _refuse(wrong)


def _refuse(wrong: t.Sequence[str]) -> None:
    if wrong:
        raise Failure(_ACTION, f"it does not fit this host: {'; '.join(sorted(wrong))}", _REMEDY)
