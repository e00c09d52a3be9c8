# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which packages a synchronisation may change: targets from what is known, and every refusal, without touching a host."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

INSTALL, UPGRADE, DOWNGRADE, REMOVE = "install", "upgrade", "downgrade", "remove"

Targets = t.Dict[str, t.Optional[str]]
"""Package -> the exact version it must have; None: it must not be installed."""


@dataclass(frozen=True)
class Known:
    """What the host's package manager knows of one package.

    offers: version -> origin (repository name, or the family's own string), only what can be fetched now.
    whole: False when an earlier run left it half installed, whatever its version.
    held: why the host's administrator wants it left alone; '' when free.
    """

    installed: t.Optional[str]
    candidate: t.Optional[str]
    offers: t.Mapping[str, str]
    whole: bool = True
    held: str = ""

    def origin(self, version: t.Optional[str]) -> t.Optional[str]:
        """Return where a version comes from; None when no configured repository has it."""
        return self.offers.get(version) if version is not None else None

    def differs(self, version: t.Optional[str]) -> bool:
        """Return whether something has to be done for this version to be there, whole."""
        return self.installed != version or not self.whole


@dataclass(frozen=True)
class Step:
    """One change of one package; action is one of INSTALL, UPGRADE, DOWNGRADE, REMOVE.

    dependency: nobody asked for it, another step needs it.
    """

    package: str
    action: str
    before: t.Optional[str]
    after: t.Optional[str]
    origin: t.Optional[str] = None
    dependency: bool = False

    def as_result(self) -> t.Dict[str, t.Any]:
        """Return the step as the module gives it back."""
        return {"package": self.package, "action": self.action, "from": self.before, "to": self.after, "origin": self.origin, "dependency": self.dependency}

    def __str__(self) -> str:
        return f"{self.action} {self.package} {self.before or '(none)'} -> {self.after or '(none)'}"


def latest(known: t.Mapping[str, Known], named: t.Collection[str], set_name: str) -> Targets:
    """Return the targets that bring every package to the resolver's candidate; what is there already is left out.

    named: the packages asked for by name; the others of known were found by ``*`` and are left alone when held.
    Raises Failure for a named package that has no candidate, or that the administrator holds.
    """
    action = f"bring packages to repository set '{set_name}'"
    unknown = sorted(name for name in named if name not in known or known[name].candidate is None)
    if unknown:
        raise Failure(action, f"no enabled repository of this host offers {', '.join(unknown)}",
                      f"Check the spelling, and that set '{set_name}' has a repository with it")
    _refuse_held({name: known[name] for name in named if known[name].differs(known[name].candidate)}, action, "Release the hold, or do not name the package")
    return {name: one.candidate for name, one in known.items() if one.candidate is not None and not one.held and one.differs(one.candidate)}


def restored(wanted: Targets, known: t.Mapping[str, Known], record: str) -> Targets:
    """Return the targets that bring packages back to the versions a record found; what is there already is left out.

    Raises Failure, before anything is touched, naming every version that no configured repository offers any more, or
    else every package that the administrator holds by now.
    """
    action = f"go back to record '{record}'"
    missing = gone(wanted, known)
    if missing:
        raise Failure(action, f"no enabled repository of this host offers {', '.join(missing)} any more",
                      "Configure a repository or snapshot that has it, then run this again; nothing was changed")
    targets = {name: version for name, version in wanted.items() if known[name].differs(version)}
    _refuse_held({name: known[name] for name in targets}, action, "Release the hold, then run this again; nothing was changed")
    return targets


def gone(wanted: Targets, known: t.Mapping[str, Known]) -> t.List[str]:
    """Return ``package version`` for every wanted version that is neither there nor offered by a configured repository."""
    return sorted(f"{name} {version}" for name, version in wanted.items()
                  if version is not None and known[name].differs(version) and version not in known[name].offers)


def _refuse_held(known: t.Mapping[str, Known], action: str, remedy: str) -> None:
    held = sorted(name for name, one in known.items() if one.held)
    if held:
        raise Failure(action, "; ".join(f"{name} is held ({known[name].held})" for name in held), remedy)


def check(steps: t.Sequence[Step], targets: Targets, action: str, asked: t.Collection[str]) -> None:
    """Refuse a solution that does more than was asked. Required dependencies may be installed or upgraded, nothing else.

    steps: what the package manager would really do. asked: packages that may change freely. Raises Failure naming each offender.
    """
    offences = []
    for step in steps:
        if step.action == REMOVE and targets.get(step.package, "") is not None:
            offences.append(f"{step.package} {step.before} would be removed")
        elif step.action == DOWNGRADE and step.package not in asked:
            offences.append(f"{step.package} would be downgraded from {step.before} to {step.after}")
    if offences:
        raise Failure(action, "; ".join(sorted(offences)),
                      "Name these packages as well if that is meant, remove by hand what stands in the way, or leave out what needs it; nothing was changed")
    planned = {step.package: step.after for step in steps}
    other = sorted(f"{name} {version} (the package manager chose {planned[name]})" for name, version in targets.items()
                   if name in planned and planned[name] != version)
    if other:
        raise Failure(action, f"the solution has another version than wanted of {', '.join(other)}", "Look for conflicting dependencies; nothing was changed")


def table(versions: t.Mapping[str, t.Optional[str]]) -> str:
    """Return versions as the text a diff compares: one line per package, sorted."""
    return "".join(f"{name} {version or '(not installed)'}\n" for name, version in sorted(versions.items()))
