# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""cmd-mirror: the mirror engine for people and timers."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle_console, difference, display, report, retention, runs, scrub_console, space, trace
from ansible_collections.egi.cmd.plugins.module_utils._mirror import configuration as configurations
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration, Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.display import Display
from ansible_collections.egi.cmd.plugins.module_utils._mirror.owner import as_owner
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Busy, Mirror, Plan

CONFIGURATION = "/etc/cmd-mirror/config.json"
OK, FAILED, USAGE, BUSY, DAMAGED = 0, 1, 2, 3, 4
_EPILOG = """exit codes:
  0  done, whether anything changed or not
  1  failed; what readers see did not change
  2  wrong arguments or configuration
  3  another run is at work in the same mirror
  4  verify or scrub found damage that is not repaired
  128 + n  ended by signal n; run it again, it goes on from there
"""

Result = t.Tuple[int, t.Any, str]  # exit code, result as data, result as text


class Session:
    """One call of the program."""

    def __init__(self, arguments: argparse.Namespace, configuration: Configuration, stop: threading.Event) -> None:
        self.arguments = arguments
        self.configuration = configuration
        self.display = Display(arguments.quiet)
        self.mirror = Mirror(configuration, stop)

    def sets(self) -> t.List[Set]:
        """The sets the command line names, or all."""
        return runs.chosen(self.configuration, self.arguments.set, self.arguments.config)

    def sync(self) -> Result:
        """cmd-mirror sync"""
        done = runs.sync_all(self.mirror, self.sets(), self.display.progress, self.display.say)
        lines = [f"{name}: {'new snapshot' if one.changed else 'nothing new,'} {one.generation}, published: {one.published or 'nothing'}, {one.seconds:.2f} s"
                 for name, one in done.outcomes.items()]
        data = {"changed": any(run["changed"] for run in done.reports.values()), "sets": done.reports}
        return FAILED if done.errors() else OK, data, "\n".join(lines)

    def plan(self) -> Result:
        """cmd-mirror plan"""
        chosen = self.sets()
        with self.mirror.locked():
            plans = [self.mirror.plan(of_set, self.display.progress) for of_set in chosen]
            self.mirror.store.settle()
        free = space.available(self.configuration.root)
        return OK, {plan.of_set.name: _plan_data(plan, free) for plan in plans}, "\n".join(_plan_text(plan, free) for plan in plans)

    def status(self) -> Result:
        """cmd-mirror status"""
        pointers, runs = self.mirror.pointers.all(), report.load(self.configuration)
        data, rows = {}, []
        for name in self.configuration.sets:
            pointer, run = pointers.get(name), runs.get(name, {})
            known = self.mirror.generations.all(name)
            data[name] = {"published": pointer.generation if pointer else None, "held": bool(pointer and pointer.held),
                          "newest": known[-1].name if known else None, "snapshots": len(known), "last_run": run or None}
            last = "never" if not run else f"{'good' if run['success'] else 'FAILED'}, {display.moment(run['ended'])}"
            rows.append([name, pointer.generation + (" (held)" if pointer.held else "") if pointer else "-", str(len(known)), last])
        notes = [f"{name}: {run['error']}" for name, run in runs.items() if run.get("error")]
        notes += [f"{name}: warning: {warning}" for name, run in runs.items() for warning in run.get("warnings", ())]
        notes += scrub_console.status(self.configuration)
        return OK, data, "\n".join([display.table(["SET", "PUBLISHED", "SNAPSHOTS", "LAST SYNC"], rows), *notes])

    def verify(self) -> Result:
        """cmd-mirror verify"""
        # As for all imports within functions here: a run without news costs little more than compiling what it imports.
        from ansible_collections.egi.cmd.plugins.module_utils._mirror.verify import verify

        chosen = self.sets()
        with self.mirror.locked():
            found = verify(self.mirror, chosen, self.arguments.repair, self.display.progress, lambda done, total: self.display.amount("verify", done, total))
        lines = [f"{'repaired' if finding.repaired else 'DAMAGED'}: {finding.path}: {finding.why}" for finding in found.findings]
        lines += [f"note: {note}" for note in found.notes]
        lines.append(f"{found.files} files, {display.size(found.size)} read, {len(found.findings)} damaged, "
                     f"{sum(finding.repaired for finding in found.findings)} repaired")
        data = {"changed": any(finding.repaired for finding in found.findings), "files": found.files, "bytes": found.size,
                "findings": [finding._asdict() for finding in found.findings], "notes": found.notes}
        return (OK if found.sound else DAMAGED), data, "\n".join(lines)

    def scrub(self) -> Result:
        """cmd-mirror scrub"""
        return scrub_console.run(self)

    def snapshot_list(self) -> Result:
        """cmd-mirror snapshot list"""
        chosen = {of_set.name for of_set in self.sets()} if self.arguments.set else None
        names: t.Dict[str, t.List[str]] = {}
        for pointer in self.mirror.pointers.all().values():
            names.setdefault(pointer.generation, []).append(pointer.name + (" (frozen)" if pointer.frozen else " (held)" if pointer.held else ""))
        rows, data = [], []
        for one in self.mirror.generations.all():
            if chosen is None or one.set in chosen:
                packages, total = sum(part.packages for part in one.sources.values()), sum(part.size for part in one.sources.values())
                data.append({"name": one.name, "set": one.set, "created": one.created, "packages": packages, "bytes": total,
                             "pointers": names.get(one.name, [])})
                rows.append([one.name, display.moment(one.created), str(packages), display.size(total), ", ".join(names.get(one.name, []))])
        return OK, data, display.table(["SNAPSHOT", "MADE", "PACKAGES", "SIZE", "POINTERS"], rows)

    def snapshot_publish(self) -> Result:
        """cmd-mirror snapshot publish"""
        with self.mirror.locked():
            generation = self.mirror.generations.load(self.mirror.pointers.resolve(self.arguments.what))
            name = self.arguments.name or generation.set
            changed = self.mirror.pointers.publish(name, generation.name, self.mirror.holds(name, generation))
        return OK, {"changed": changed, "pointer": name, "snapshot": generation.name}, f"{name} leads to {generation.name}"

    def snapshot_freeze(self) -> Result:
        """cmd-mirror snapshot freeze"""
        with self.mirror.locked():
            generation = self.mirror.pointers.resolve(self.arguments.what)
            changed = self.mirror.pointers.freeze(self.arguments.name, generation)
        return OK, {"changed": changed, "pointer": self.arguments.name, "snapshot": generation}, f"{self.arguments.name} is frozen at {generation}"

    def snapshot_unfreeze(self) -> Result:
        """cmd-mirror snapshot unfreeze"""
        with self.mirror.locked():
            changed = self.mirror.pointers.unfreeze(self.arguments.name)
        return OK, {"changed": changed, "pointer": self.arguments.name}, f"{self.arguments.name} may move again"

    def snapshot_rollback(self) -> Result:
        """cmd-mirror snapshot rollback"""
        with self.mirror.locked():
            generation = self.mirror.pointers.roll_back(self.arguments.name)
        return OK, {"changed": True, "pointer": self.arguments.name, "snapshot": generation}, f"{self.arguments.name} leads to {generation} and is held there"

    def snapshot_diff(self) -> Result:
        """cmd-mirror snapshot diff"""
        before, after = (self.mirror.generations.load(self.mirror.pointers.resolve(what)) for what in (self.arguments.before, self.arguments.after))
        found = difference.between(self.mirror.generations, before, after)
        data = {"before": before.name, "after": after.name, "counts": found.counts(), "bytes": found.size,
                "changes": [change.as_data() for change in found.changes]}
        counts = ", ".join(f"{count} {kind}" for kind, count in found.counts().items())
        return OK, data, "\n".join([*filter(None, [display.changes(found.changes)]), f"{before.name} -> {after.name}: {counts}"])

    def snapshot_delete(self) -> Result:
        """cmd-mirror snapshot delete"""
        with self.mirror.locked():
            if self.mirror.pointers.get(self.arguments.name):
                self.mirror.pointers.delete(self.arguments.name)
            else:
                retention.delete(self.mirror.generations, self.mirror.pointers, self.arguments.name)
        return OK, {"changed": True, "deleted": self.arguments.name}, f"{self.arguments.name} is deleted"

    def snapshot_prune(self) -> Result:
        """cmd-mirror snapshot prune"""
        policies = {of_set.name: of_set.policy for of_set in self.sets()}
        with self.mirror.locked():
            freed = retention.prune(self.mirror.store, self.mirror.generations, self.mirror.pointers, policies, time.time(), self.arguments.force,
                                    self.arguments.dry_run)
        verb = "would go" if self.arguments.dry_run else "are gone"
        text = [*freed.generations, f"{len(freed.generations)} snapshots and {freed.files} files ({display.size(freed.size)}) {verb}"]
        return OK, {"changed": not self.arguments.dry_run and bool(freed.generations or freed.files), **freed._asdict()}, "\n".join(text)

    def bundle_export(self) -> Result:
        """cmd-mirror bundle export"""
        return bundle_console.export(self)

    def bundle_import(self) -> Result:
        """cmd-mirror bundle import"""
        return bundle_console.bring(self)

    def bundle_inventory(self) -> Result:
        """cmd-mirror bundle inventory"""
        return bundle_console.inventory(self)


def main(arguments: t.Optional[t.Sequence[str]] = None) -> int:
    """Run the program; return its exit code."""
    told = _parser().parse_args(arguments)
    stop = threading.Event()
    signals: t.List[int] = []

    def end(number: int, _frame: t.Any) -> None:
        signals.append(number)
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # the second time at once

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    code = _run(told, stop)
    return 128 + signals[0] if signals else code


def _run(told: argparse.Namespace, stop: threading.Event) -> int:
    try:
        configuration = configurations.load(told.config)
    except Failure as failure:
        sys.stderr.write(f"cmd-mirror: {failure}\n")
        return USAGE
    try:
        # A bundle goes where the person may write; everything else is written into the mirror.
        with contextlib.nullcontext() if told.run == "bundle_export" else as_owner(configuration.root):
            session = Session(told, configuration, stop)
            try:
                code, data, text = getattr(session, told.run)()
            finally:
                session.display.clear()
    except Busy as failure:
        sys.stderr.write(f"cmd-mirror: {failure}\n")
        return BUSY
    except (Failure, OSError) as error:
        sys.stderr.write(f"cmd-mirror: {runs.as_failure('run', error)}\n")
        return FAILED
    if told.json and data is not None:  # None: standard output is the result itself
        sys.stdout.write(json.dumps(data, indent=1) + "\n")
    elif text:
        sys.stdout.write(text + "\n")
    return code


def _plan_data(plan: Plan, free: int) -> t.Dict[str, t.Any]:
    return {"changed": plan.changed, "counts": plan.difference.counts(), "fetch_files": plan.need.files, "fetch_bytes": plan.need.fetch,
            "disk_bytes": plan.need.size, "free_bytes": free, "sources": sorted(plan.news), "dropped_sources": plan.dropped, "warnings": plan.warnings,
            "changes": [change.as_data() for change in plan.difference.changes]}


def _plan_text(plan: Plan, free: int) -> str:
    if not plan.changed:
        return f"{plan.of_set.name}: nothing new"
    counts = ", ".join(f"{count} {kind}" for kind, count in plan.difference.counts().items())
    head = f"{plan.of_set.name}: {counts}; {plan.need.files} files, {display.size(plan.need.fetch)} to fetch; " \
           f"{display.size(plan.need.size)} of {display.size(free)} free on disk are needed"
    return "\n".join([*filter(None, [display.changes(plan.difference.changes)]), head])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cmd-mirror", description="Mirror deb and rpm repositories: verified, in whole snapshots, switched in one step.",
                                     epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="FILE", default=CONFIGURATION, help=f"configuration, JSON (default: {CONFIGURATION})")
    parser.add_argument("--version", action="version", version=f"cmd-mirror {trace.VERSION}")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _command(commands, "sync", "fetch what is new into a new snapshot and publish it", sets=True)
    _command(commands, "plan", "show what a sync would do: packages, bytes, room on disk", sets=True)
    _command(commands, "status", "show what is published and how the last syncs ended")
    _command(commands, "verify", "check signatures, links and every byte of all snapshots", sets=True).add_argument(
        "--repair", action="store_true", help="fetch again what is damaged")
    scrub_console.add_command(commands, _command)
    snapshot = commands.add_parser("snapshot", help="list, publish, compare and remove snapshots").add_subparsers(metavar="COMMAND", required=True)
    _command(snapshot, "list", "list snapshots and what leads to them", "snapshot_", sets=True)
    publish = _command(snapshot, "publish", "let a name lead to a snapshot", "snapshot_")
    publish.add_argument("what", metavar="SNAPSHOT", help="a snapshot, or a name that leads to one")
    publish.add_argument("--as", dest="name", metavar="NAME", help="the name readers use (default: the snapshot's set)")
    freeze = _command(snapshot, "freeze", "give a snapshot a name that never moves", "snapshot_")
    freeze.add_argument("what", metavar="SNAPSHOT", help="a snapshot, or a name that leads to one")
    freeze.add_argument("name", metavar="NAME", help="the name readers use")
    _command(snapshot, "unfreeze", "let a frozen name move again", "snapshot_").add_argument("name", metavar="NAME", help="the name readers use")
    _command(snapshot, "rollback", "let a name lead to the snapshot before", "snapshot_").add_argument("name", metavar="NAME", help="the name readers use")
    diff = _command(snapshot, "diff", "show which packages differ", "snapshot_")
    diff.add_argument("before", metavar="OLD", help="a snapshot, or a name that leads to one")
    diff.add_argument("after", metavar="NEW", help="a snapshot, or a name that leads to one")
    _command(snapshot, "delete", "remove a snapshot nothing leads to, or a name", "snapshot_").add_argument("name", metavar="NAME", help="a snapshot or a name")
    prune = _command(snapshot, "prune", "remove old snapshots by policy, and files nothing refers to", "snapshot_", sets=True)
    prune.add_argument("--dry-run", action="store_true", help="only show what would go")
    prune.add_argument("--force", action="store_true", help="even if most of the mirror would go")
    bundle_console.add_commands(commands, _command)
    return parser


def _command(commands: t.Any, name: str, text: str, prefix: str = "", sets: bool = False) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=f"{prefix}{name}")
    if sets:
        parser.add_argument("set", nargs="*", metavar="SET", help="sets of the configuration (default: all)")
    return parser
