# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One synchronisation from beginning to end, the same for both families: look, plan, refuse, record, change, verify."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import sync_given, sync_plan, sync_record
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

    def installed(self) -> t.Dict[str, str]:
        """Return every installed package with its version."""

    def look(self, names: t.Collection[str]) -> t.Dict[str, Known]:
        """Return what is known of the packages, one entry per name or per installed architecture of it."""

    def simulate(self, targets: Targets, action: str) -> t.List[Step]:
        """Return every change that reaching the targets makes; change nothing. action: for the Failure."""

    def apply(self, targets: Targets, action: str, dependencies: t.Collection[str]) -> t.List[str]:
        """Reach the targets as simulated; return what a person should be warned of.

        dependencies: those of the targets that come for the others' sake only.
        """


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


Plan = t.Optional[t.Sequence[Step]]
"""Steps to make exactly, as an earlier dry run returned them; None: whatever is right now."""


def to_latest(packages: Packages, record_id: str, set_name: str, asked: t.Sequence[str], dry: bool,
              directory: str = sync_record.DIRECTORY, *, plan: Plan = None, whole_host: bool = False) -> Outcome:
    """Bring the asked packages to the resolver's candidates, or make the plan's steps; dry=True plans only. Raises Failure.

    whole_host: keep all installed versions in the record, not only those of the packages concerned.
    """
    path = sync_record.path_of(record_id, directory)
    record = _record_for(path, record_id, set_name, packages.family)
    packages.require_set()
    packages.refresh(required=True)
    action = f"bring packages to repository set '{set_name}'"
    held: t.Dict[str, str] = {}
    left: Plan = None
    if plan is None:
        names = [name for name in asked if name != EVERYTHING]
        known, mended = _looked_at(packages, [*names, *(packages.offered() if EVERYTHING in asked else [])], dry)
        targets = sync_plan.latest(known, list(packages.look(names)), set_name)
        held = {name: one.held for name, one in known.items() if one.held}
    else:
        found, mended = _looked_at(packages, [step.package for step in plan], dry)
        known = {step.package: found[step.package] for step in plan}
        left = sync_given.pending(plan, known)
        targets = {step.package: step.after for step in left}
    if whole_host and record.manifest is None:
        record = record.with_manifest(packages.installed())
    outcome = _reach(packages, path, record, known, targets, action, sync_record.APPLIED, dry, left)
    return dataclasses.replace(outcome, changed=outcome.changed or mended, held=held)


def to_restored(packages: Packages, record_id: str, set_name: str, dry: bool,
                directory: str = sync_record.DIRECTORY, *, plan: Plan = None, whole_host: bool = False) -> Outcome:
    """Bring the packages a record changed back to the versions it found; dry=True plans only. Raises Failure.

    whole_host: bring every package of the host back. No record, or a host that is as the record found it, leaves nothing to do.
    """
    path = sync_record.path_of(record_id, directory)
    record = sync_record.load(path)
    if record is None:
        return Outcome(False, None)
    _same_set(record, set_name, path)
    packages.refresh(required=False)
    wanted = wanted_back(packages, record, whole_host)
    found, mended = _looked_at(packages, list(wanted), dry)
    known = {name: found[name] for name in wanted}
    left = None if plan is None else sync_given.pending(plan, {**known, **packages.look([step.package for step in plan if step.package not in known])})
    targets = sync_plan.restored(wanted, known, record_id)
    outcome = _reach(packages, path, record, known, targets, _back(record_id), sync_record.RESTORED, dry, left)
    return dataclasses.replace(outcome, changed=outcome.changed or mended)


def wanted_back(packages: Packages, record: Record, whole_host: bool) -> Targets:
    """Return what going back to a record means on this host: of the whole host only what differs. Raises Failure."""
    touched = {name: record.before[name] for name in record.touched}
    if not whole_host:
        return touched
    manifest = record.manifest
    if manifest is None:
        raise Failure(f"go back to record '{record.record}' with the whole host", "it only has the packages its runs changed",
                      "Leave out whole_host; a record keeps the whole host when its first run was given whole_host")
    now = packages.installed()
    # What is touched is looked at in any case: it may have the right version and be half installed.
    return {name: manifest.get(name) for name in sorted({*manifest, *now, *touched}) if name in touched or manifest.get(name) != now.get(name)}


def way_back(packages: Packages, record: Record, whole_host: bool) -> t.List[Step]:
    """Return the steps that going back to a record would make now. Raises Failure naming what stands in the way."""
    wanted = wanted_back(packages, record, whole_host)
    found = packages.look(list(wanted))
    known = {name: found[name] for name in wanted}
    return _steps(packages, known, sync_plan.restored(wanted, known, record.record), _back(record.record), None)


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


def _back(record_id: str) -> str:
    return f"go back to record '{record_id}'"


def _same_set(record: Record, set_name: str, path: str) -> None:
    if record.set != set_name:
        raise Failure(f"use record '{record.record}'", f"{path} belongs to repository set '{record.set}', not to '{set_name}'", "Use another record id")


def _reach(packages: Packages, path: str, record: Record, known: t.Mapping[str, Known], targets: Targets, action: str, end: str, dry: bool,
           left: Plan) -> Outcome:
    """Simulate, refuse, record the plan, apply, verify, record the end. left: the steps this must come to, if somebody said."""
    steps = _steps(packages, known, targets, action, left)
    found: Versions = {**{name: one.installed for name, one in known.items()}, **{step.package: step.before for step in steps}}
    wanted: Versions = {**found, **targets, **{step.package: step.after for step in steps}}
    changes = {step.package for step in steps} | set(targets)
    warnings: t.List[str] = []
    recorded = os.path.exists(path)
    keep = bool(changes) or recorded or record.manifest is not None
    if changes:
        # Also on the way back: a run that is cut short must be seen.
        record = record.planned(found, changes) if end == sync_record.APPLIED else record.planned({}, ())
    if not dry:
        if changes:
            sync_record.save(path, record)
            new = {step.package for step in steps if step.dependency and step.action == sync_plan.INSTALL}
            warnings = _apply_and_verify(packages, path, record, targets, wanted, action, new & set(targets))
        if keep:
            sync_record.save(path, record.ended(end, {**record.after, **wanted}))
    origins = {step.package: step.origin for step in steps}
    listed = [{"name": name, "version": version, "origin": origins.get(name) if name in origins else known[name].origin(version)}
              for name, version in sorted(wanted.items()) if version is not None]
    before = {name: record.first_saw(name, version) for name, version in found.items()}
    return Outcome(bool(changes), end if keep else None, steps, before, wanted, listed, warnings=warnings)


def _steps(packages: Packages, known: t.Mapping[str, Known], targets: Targets, action: str, left: Plan) -> t.List[Step]:
    """Return what reaching the targets makes the package manager do; refuse what nobody asked for."""
    simulated = packages.simulate(targets, action) if targets else []
    sync_plan.check(simulated, targets, action, known)
    if left is not None:
        sync_given.check(left, simulated, known)
    dependencies = {step.package for step in left or () if step.dependency}
    return [dataclasses.replace(step, dependency=step.package in dependencies or step.package not in targets) for step in simulated]


def _apply_and_verify(packages: Packages, path: str, record: Record, targets: Targets, wanted: Versions, action: str,
                      dependencies: t.Collection[str]) -> t.List[str]:
    """Apply; whatever goes wrong is written into the record together with what is installed now."""
    try:
        warnings = packages.apply(targets, action, dependencies)
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
