# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Trials: a product's own test on throw-away roots, without pending updates of its base, with all of them, and with some."""

from __future__ import annotations

import glob
import os
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import keys, repository
from ansible_collections.egi.cmd.plugins.module_utils._promotion import bisect
from ansible_collections.egi.cmd.plugins.module_utils._promotion.trial_packages import Installed, Manager, manager_of
from ansible_collections.egi.cmd.plugins.module_utils._promotion.trial_root import Root, Workshop

_KEY_PATIENCE = 30  # seconds that a server may take to hand out a key
_TAIL = 4000  # characters of a log that are kept as evidence
_ACTION = "run a system test"

Entries = t.Sequence[t.Mapping[str, t.Any]]


class Plan(t.NamedTuple):
    """root: directory or tarball. directories: what trials may read of this machine. repositories: where the product and the base
    come from; pending: where the updates wait. packages: of the product. only: names of updates, none for all there are. test: argv.
    seconds, install_seconds: how long a test and an installation may take. attempts: how many trials at most. work: directory for
    the roots, logs: for what trials said."""

    root: str
    directories: t.Sequence[str]
    repositories: Entries
    pending: Entries
    packages: t.Sequence[str]
    only: t.Sequence[str]
    test: t.Sequence[str]
    seconds: int
    install_seconds: int
    attempts: int
    work: str
    logs: str


class Move(t.NamedTuple):
    """A package that changed; before is empty for a new one, after for one that went."""

    package: str
    before: str
    after: str


class Trial(t.NamedTuple):
    """asked: the updates that were asked for; held: those that were kept away. outcome: pass, fail or unresolved; why: a clause.
    changed: all that really changed. log: a file; seconds: what it took."""

    number: int
    asked: t.Tuple[str, ...]
    held: t.Tuple[str, ...]
    outcome: str
    why: str
    changed: t.Tuple[Move, ...]
    seconds: float
    log: str


class Outcome(t.NamedTuple):
    """system: the root's name for itself. good: what is installed without the updates. batch: the pending updates, by the names
    that the causes use."""

    manager: Manager
    system: str
    answer: bisect.Answer
    good: Installed
    batch: t.Tuple[Move, ...]
    trials: t.Tuple[Trial, ...]


def run(plan: Plan) -> Outcome:
    """Try what the plan says. Raises Failure for what cannot be tried at all."""
    if not plan.test or not plan.test[0]:
        raise Failure(_ACTION, "option test is empty", "Give a command, and its arguments")
    os.makedirs(plan.logs, exist_ok=True)
    for pattern in ("prepare.log", "pending.log", "trial-*.log"):
        for old in glob.glob(f"{glob.escape(plan.logs)}/{pattern}"):
            os.unlink(old)
    with Workshop(plan.work, plan.directories) as workshop:
        return _Bench(plan, workshop).outcome()


class _Bench:
    def __init__(self, plan: Plan, workshop: Workshop) -> None:
        self._plan = plan
        self._prepared = workshop.base(plan.root)
        os_release = self._prepared.check(["cat", "/etc/os-release"], "read /etc/os-release")
        self._manager, self._system = manager_of(os_release), _pretty(os_release)
        self._trials: t.List[Trial] = []
        self._good: Installed = {}
        self._batch: t.Dict[str, Move] = {}

    def outcome(self) -> Outcome:
        self._prepare()
        self._batch = {move.package: move for move in self._pending()}
        answer = bisect.judge(list(self._batch), self._attempt, self._plan.attempts)
        return Outcome(self._manager, self._system, answer, self._good, tuple(self._batch.values()), tuple(self._trials))

    def _prepare(self) -> None:
        """Make the root that all trials start from: the product on the base, current, and able to see the updates."""
        manager, prepared = self._manager, self._prepared
        # What a root brings along is for another network; only what the plan names is tried.
        prepared.check(["/bin/sh", "-c", f"rm -rf {' '.join(manager.sources)}"], "remove the root's own repositories")
        if manager.family == "apt":
            # Services belong to the test: their processes would end with the installation.
            prepared.write("/usr/sbin/policy-rc.d", b"#!/bin/sh\nexit 101\n", 0o755)
        self._configure("trial-base", self._plan.repositories)
        self._must(manager.upgrade(), "bring it up to date")
        if self._plan.packages:
            self._must(manager.install(self._plan.packages), f"install {', '.join(self._plan.packages)}")
        self._good = self._installed(prepared)
        self._configure("trial-pending", self._plan.pending)

    def _configure(self, name: str, entries: Entries) -> None:
        repositories = repository.parse(entries, self._manager.family, name)
        for one in repositories:
            for url in (*one.uris, *one.baseurl):
                self._require_here(one.name, url)
        certificates = keys.read(repositories, lambda fingerprint: self._manager.key_path(name, fingerprint), True, _KEY_PATIENCE)
        for path, file in self._manager.render(name, repositories, certificates).items():
            self._prepared.write(path, file.content, file.mode)
        self._must(self._manager.refresh, f"read the repositories {', '.join(one.name for one in repositories)}")

    def _require_here(self, name: str, url: str) -> None:
        """Trials have no network, so that a test means the same every time it runs."""
        path = os.path.normpath(url[len("file://"):])
        if not url.startswith("file:///"):
            raise Failure(_ACTION, f"repository '{name}' is at {url}, and trials have no network", "Give a file:// URL, such as of a mirror on this host")
        if not any(path == top or path.startswith(f"{top.rstrip('/')}/") for top in map(os.path.abspath, self._plan.directories)):
            raise Failure(_ACTION, f"repository '{name}' is in {path}, which trials cannot see", "Add the mirror's root to directories")

    def _must(self, command: t.Sequence[str], what: str) -> None:
        log = f"{self._plan.logs}/prepare.log"
        status = self._prepared.run(command, log, self._plan.install_seconds)
        if status != 0:
            raise Failure(f"{what} in the root of a system test", _said(log) or _ended(status, self._plan.install_seconds), f"Read {log}")

    def _installed(self, root: Root) -> Installed:
        return self._manager.installed(root.check(self._manager.query, "ask what is installed"))

    def _pending(self) -> t.List[Move]:
        """The updates hosts would take, found by taking them. New packages that come with them are no updates."""
        root = self._prepared.above("pending")
        try:
            log = f"{self._plan.logs}/pending.log"
            status = root.run(self._manager.pending(self._plan.only), log, self._plan.install_seconds)
            found = [move for move in _moves(self._good, self._installed(root)) if move.before and move.after]
        finally:
            root.remove()
        # One that fails in the middle, after changes, is for the trials to look into.
        if status != 0 and not found:
            raise Failure("install the pending updates", _said(log) or _ended(status, self._plan.install_seconds), f"Read {log}")
        missing = {*self._plan.only} - {self._manager.package(move.package) for move in found}
        if missing:
            raise Failure(_ACTION, f"no update of {', '.join(sorted(missing))} is pending", "Correct option updates, or add the package to packages")
        return found

    def _attempt(self, asked: t.FrozenSet[str], held: t.FrozenSet[str]) -> bisect.Attempt:
        """One trial, written down."""
        number, began = len(self._trials) + 1, time.monotonic()
        log = f"{self._plan.logs}/trial-{number:03}.log"
        wanted, kept = (tuple(name for name in self._batch if name in names) for names in (asked - held, held))
        root = self._prepared.above("trial")
        try:
            outcome, why, changed = self._try(root, wanted, kept, log)
        finally:
            root.remove()
        self._trials.append(Trial(number, wanted, kept, outcome, why, changed, round(time.monotonic() - began, 1), log))
        return bisect.Attempt(outcome, frozenset(move.package for move in changed if self._batch.get(move.package) == move))

    def _try(self, root: Root, wanted: t.Sequence[str], kept: t.Sequence[str], log: str) -> t.Tuple[str, str, t.Tuple[Move, ...]]:
        changed: t.Tuple[Move, ...] = ()
        if wanted:
            command = self._command(wanted, kept)
            status = root.run(command, log, self._plan.install_seconds)
            if status != 0 and not kept and not self._can(command, log):
                return bisect.UNRESOLVED, "these updates cannot be installed without others", ()
            if status != 0:
                # Whatever of them is half installed: they are to blame.
                return bisect.FAIL, f"the installation {_ended(status, self._plan.install_seconds)}", tuple(self._batch[name] for name in wanted)
            changed = tuple(_moves(self._good, self._installed(root)))
        status = root.run(self._plan.test, log, self._plan.seconds)
        return bisect.PASS if status == 0 else bisect.FAIL, f"the test {_ended(status, self._plan.seconds)}", changed

    def _command(self, wanted: t.Sequence[str], kept: t.Sequence[str]) -> t.Sequence[str]:
        if kept:
            return self._manager.without(wanted, kept, self._good)
        return self._manager.exactly({name: self._batch[name].after for name in wanted})

    def _can(self, command: t.Sequence[str], log: str) -> bool:
        """Whether an installation that failed was possible at all. It needs a root nobody has begun to change."""
        root = self._prepared.above("possible")
        try:
            return root.run(self._manager.can(command), log, self._plan.install_seconds) == 0
        finally:
            root.remove()


def _moves(before: Installed, after: Installed) -> t.Iterator[Move]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Move(name, before.get(name, ""), after.get(name, ""))


def _ended(status: t.Optional[int], seconds: int) -> str:
    return f"did not end within {seconds} seconds" if status is None else f"ended with {status}"


def tail(path: str) -> str:
    """The end of a log."""
    with open(path, "rb") as handle:
        handle.seek(0, os.SEEK_END)
        handle.seek(max(0, handle.tell() - _TAIL))
        return handle.read().decode("utf-8", "replace")


def _said(path: str) -> str:
    """The last line, but for dnf's advice, which comes after the reason."""
    lines = [line.strip(" -") for line in tail(path).splitlines() if line.strip() and not line.startswith("(try to add")]
    return lines[-1] if lines else ""


def _pretty(os_release: str) -> str:
    """PRETTY_NAME of os-release(5)."""
    named = [line.partition("=")[2].strip("\"' ") for line in os_release.splitlines() if line.startswith("PRETTY_NAME=")]
    return named[0] if named else "the base distribution"
