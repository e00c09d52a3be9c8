# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One synchronisation from beginning to end, the same for both families: look, plan, refuse, record, change, verify."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import sync_plan, sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_plan import Known, Step, Targets
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_record import Record, Versions

EVERYTHING = "*"


class Packages(t.Protocol):
    """A host's package manager, as far as a synchronisation needs it. Every method raises Failure."""

    family: str
    """apt or dnf."""

    def require_set(self) -> None:
        """Refuse when the repository set is not configured on this host."""

    def refresh(self, required: bool) -> None:
        """Fetch the index of the set's repositories; required=False goes on with what there is when that fails."""

    def mend(self, broken: t.Collection[str]) -> bool:
        """Finish what an interrupted run of the package manager left half done; return whether there was anything.

        broken: the packages in question that are not whole.
        """

    def offered(self) -> t.List[str]:
        """Return the installed packages whose candidate comes from the set."""

    def look(self, names: t.Collection[str]) -> t.Dict[str, Known]:
        """Return what is known of the packages, one entry per name or per installed architecture of it."""

    def simulate(self, targets: Targets, action: str) -> t.List[Step]:
        """Return every change that reaching the targets makes; change nothing. action: for the Failure."""

    def apply(self, targets: Targets, action: str) -> t.List[str]:
        """Reach the targets as simulated; return what a person should be warned of."""


@dataclass(frozen=True)
class Outcome:
    """What a synchronisation did, or in a dry run would do. record_state is None when there is no record."""

    changed: bool
    record_state: t.Optional[str]
    steps: t.List[Step] = field(default_factory=list)
    before: Versions = field(default_factory=dict)
    after: Versions = field(default_factory=dict)
    packages: t.List[t.Dict[str, t.Optional[str]]] = field(default_factory=list)
    held: t.Dict[str, str] = field(default_factory=dict)
    warnings: t.List[str] = field(default_factory=list)


def to_latest(packages: Packages, record_id: str, set_name: str, asked: t.Sequence[str], dry: bool,
              directory: str = sync_record.DIRECTORY) -> Outcome:
    """Bring the asked packages to the resolver's candidates; dry=True plans only. Raises Failure."""
    path = sync_record.path_of(record_id, directory)
    record = _record_for(path, record_id, set_name, packages.family)
    packages.require_set()
    packages.refresh(required=True)
    names = [name for name in asked if name != EVERYTHING]
    known, mended = _looked_at(packages, [*names, *(packages.offered() if EVERYTHING in asked else [])], dry)
    targets = sync_plan.latest(known, list(packages.look(names)), set_name)
    held = {name: one.held for name, one in known.items() if one.held}
    outcome = _reach(packages, path, record, known, targets, f"bring packages to repository set '{set_name}'", sync_record.APPLIED, dry)
    return _with(outcome, changed=outcome.changed or mended, held=held)


def to_restored(packages: Packages, record_id: str, set_name: str, dry: bool, directory: str = sync_record.DIRECTORY) -> Outcome:
    """Bring the packages a record changed back to the versions it found; dry=True plans only. Raises Failure.

    No record, or one that was restored already, leaves nothing to do.
    """
    path = sync_record.path_of(record_id, directory)
    record = sync_record.load(path)
    if record is None or record.state == sync_record.RESTORED:
        return Outcome(False, record.state if record else None, before=dict(record.before) if record else {}, after=dict(record.after) if record else {})
    _same_set(record, set_name, path)
    packages.refresh(required=False)
    found, mended = _looked_at(packages, record.touched, dry)
    known = {name: found[name] for name in record.touched}
    targets = sync_plan.restored(record.before, record.touched, known, record_id)
    outcome = _reach(packages, path, record, known, targets, f"go back to record '{record_id}'", sync_record.RESTORED, dry)
    return _with(outcome, changed=outcome.changed or mended)


def _looked_at(packages: Packages, names: t.Collection[str], dry: bool) -> t.Tuple[t.Dict[str, Known], bool]:
    """Return what is known of the packages once nothing of them is half done, and whether that had to be mended."""
    known = packages.look(names)
    mended = not dry and packages.mend([name for name, one in known.items() if not one.whole])
    return (packages.look(names) if mended else known), mended


def _record_for(path: str, record_id: str, set_name: str, family: str) -> Record:
    """Return the record to go on with; one that was restored is closed, so the same id starts afresh."""
    record = sync_record.load(path)
    if record is None or record.state == sync_record.RESTORED:
        return Record(record_id, set_name, family)
    _same_set(record, set_name, path)
    return record


def _same_set(record: Record, set_name: str, path: str) -> None:
    if record.set != set_name:
        raise Failure(f"use record '{record.record}'", f"{path} belongs to repository set '{record.set}', not to '{set_name}'", "Use another record id")


def _reach(packages: Packages, path: str, record: Record, known: t.Mapping[str, Known], targets: Targets, action: str, end: str, dry: bool) -> Outcome:
    """Simulate, refuse, record the plan, apply, verify, record the end."""
    steps = packages.simulate(targets, action) if targets else []
    sync_plan.check(steps, targets, action, known)
    found: Versions = {**{name: one.installed for name, one in known.items()}, **{step.package: step.before for step in steps}}
    wanted: Versions = {**found, **targets, **{step.package: step.after for step in steps}}
    changes = {step.package for step in steps} | set(targets)
    warnings: t.List[str] = []
    recorded = os.path.exists(path)
    record = record.planned(found, changes) if end == sync_record.APPLIED else record
    if not dry:
        if changes:
            sync_record.save(path, record)
            warnings = _apply_and_verify(packages, path, record, targets, wanted, action)
        if changes or recorded:
            sync_record.save(path, record.ended(end, {**record.after, **wanted}))
    origins = {step.package: step.origin for step in steps}
    listed = [{"name": name, "version": version, "origin": origins.get(name) if name in origins else known[name].origin(version)}
              for name, version in sorted(wanted.items()) if version is not None]
    before = {name: record.before.get(name, version) for name, version in found.items()}
    return Outcome(bool(changes), end if changes or recorded else None, steps, before, wanted, listed, warnings=warnings)


def _apply_and_verify(packages: Packages, path: str, record: Record, targets: Targets, wanted: Versions, action: str) -> t.List[str]:
    """Apply; whatever goes wrong is written into the record together with what is installed now."""
    try:
        warnings = packages.apply(targets, action)
        found = packages.look(list(wanted))
        wrong = [f"{name} is {found[name].installed or 'not installed'}{'' if found[name].whole else ', half installed'} instead of {version or 'absent'}"
                 for name, version in sorted(wanted.items()) if found[name].differs(version)]
        if wrong:
            raise Failure(action, f"the package manager said it was done, yet {', '.join(wrong)}", "See the package manager's log on the host")
    except Failure as failure:
        now = packages.look(list(record.before))
        sync_record.save(path, record.ended(sync_record.FAILED, {name: now[name].installed for name in record.before}, str(failure)))
        raise
    return warnings


def _with(outcome: Outcome, **changes: t.Any) -> Outcome:
    return Outcome(**{**outcome.__dict__, **changes})
