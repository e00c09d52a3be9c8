# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Synchronisation on apt hosts, through apt-get, apt-cache and dpkg themselves; their output is read in the C locale."""

from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files, apt_policy, apt_view
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Run
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_plan import DOWNGRADE, INSTALL, REMOVE, UPGRADE, Known, Step, Targets

_ENVIRONMENT = {**apt_view.ENVIRONMENT, "DEBIAN_FRONTEND": "noninteractive"}

# Only what is asked for and what it depends on: the host's own apt.conf may say otherwise for people at a terminal.
# Configuration files that were changed locally are kept, as unattended-upgrades does: nobody is there to answer.
_APT = (
    "apt-get", "-q", "-y", "--allow-downgrades", "--no-install-recommends",
    "-o", "APT::Install-Suggests=false", "-o", "APT::Get::AutomaticRemove=false",
    "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0",
)
_CONFIGURE = ("dpkg", "--configure", "-a", "--force-confdef", "--force-confold")
_STATUS_FORMAT = "${binary:Package}\t${Architecture}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\t${db:Status-Eflag}\n"

# dpkg(1), "Package states": what is not listed here was interrupted.
_ABSENT = ("not-installed", "config-files")
_WHOLE = ("installed", "triggers-awaited", "triggers-pending")

_LOCKED = re.compile(r"^(?:E: |dpkg: error: )?.*(?:Could not get lock|Unable to lock|lock was locked by another process|Unable to acquire the dpkg).*$", re.M)
_INSTALL_LINE = re.compile(r"Inst (?P<name>\S+)(?: \[(?P<old>[^\]]+)\])? \((?P<new>\S+) ")
_REMOVE_LINE = re.compile(r"(?:Remv|Purg) (?P<name>\S+) \[(?P<old>[^\]]+)\]")


class _Installed(t.NamedTuple):
    """What dpkg's database says of a package that is there, wholly or in part; held: why it must stay, '' when free.

    torn: its unpacking was cut short, so dpkg itself does not know which of its files are there.
    """

    version: str
    whole: bool
    held: str
    torn: bool


class AptPackages:
    """The host's apt. run: see family.Run. wait: seconds to wait for apt's and dpkg's locks."""

    family = "apt"

    def __init__(self, run: Run, set_name: str, wait: int) -> None:
        self._run, self._set, self._wait = run, set_name, wait

    @property
    def _sources_file(self) -> str:
        return apt_files.sources_path(self._set)

    def require_set(self) -> None:
        """Refuse when the repository set is not configured on this host."""
        if not os.path.exists(self._sources_file):
            raise Failure(f"synchronise with repository set '{self._set}'", f"it is not configured on this host ({self._sources_file} is missing)",
                          "Run egi.cmd.repository_set first")

    def refresh(self, required: bool) -> None:
        """Fetch the index of the set's sources only; the lists of other sources stay as they are."""
        if not os.path.exists(self._sources_file):
            return
        status, _out, err = self._patient(["apt-get", "-q", "update", "-o", f"Dir::Etc::sourcelist={self._sources_file}",
                                           "-o", "Dir::Etc::sourceparts=-", "-o", "APT::Get::List-Cleanup=false",
                                           # Otherwise apt warns and goes on with the old index.
                                           "-o", "APT::Update::Error-Mode=any"])
        if required and (status or _complaints(err)):
            raise Failure(f"fetch the index of repository set '{self._set}'", "; ".join(_complaints(err)) or f"apt-get update ended with {status}",
                          "Check that the repositories answer, then run this again")

    def mend(self, broken: t.Collection[str]) -> bool:
        """Run what apt itself demands after an interruption (``dpkg --configure -a``), only when dpkg left something."""
        if not broken and not _journal():
            return False
        # A script that fails again is no reason to stop: what is asked for may be just the version that repairs it.
        self._patient(list(_CONFIGURE))
        return True

    def offered(self) -> t.List[str]:
        """Return the installed packages whose candidate comes from the set's sources."""
        installed = list(self._dpkg())
        if not installed:
            return []
        ours = self._ours()
        return [name for name, policy in self._policy(installed).items()
                for version in policy.versions if version.version == policy.candidate and _repository(version, ours)]

    def installed(self) -> t.Dict[str, str]:
        """Return every package that is installed, wholly or in part, with its version."""
        return {name: one.version for name, one in self._dpkg().items()}

    def look(self, names: t.Collection[str]) -> t.Dict[str, Known]:
        """Return what dpkg and apt-cache know; a name without architecture covers every installed architecture of it."""
        if not names:
            return {}
        dpkg = self._dpkg()
        keys = {key for name in names for key in [name, *(one for one in dpkg if one.partition(":")[0] == name)] if key}
        policies = self._policy(sorted(keys))
        ours, foreign = self._ours(), self._foreign()
        known = {}
        for key in keys:
            here, policy = dpkg.get(key), policies.get(key)
            offers = {one.version: origin for one in (policy.versions if policy else ()) for origin in [_origin(one, ours, foreign)] if origin}
            candidate = policy.candidate if policy else None
            known[key] = Known(here.version, candidate, offers, here.whole, here.held) if here else Known(None, candidate, offers)
        return known

    def simulate(self, targets: Targets, action: str) -> t.List[Step]:
        """Ask ``apt-get -s`` for everything the targets bring about."""
        status, out, err = self._run([*_APT, "-s", "install", *_words(targets)], _ENVIRONMENT)
        if status:
            raise Failure(action, _reason(out, err, status), "Correct the repositories or leave out the package; nothing was changed")
        changes = _changes(out)
        known = self.look([name for name, _old, _new, _downgraded in changes])
        steps = []
        for name, old, new, downgraded in changes:
            kind = REMOVE if new is None else INSTALL if old is None else DOWNGRADE if downgraded else UPGRADE
            steps.append(Step(name, kind, old, new, known[name].origin(new)))
        return sorted(steps, key=lambda step: step.package)

    def apply(self, targets: Targets, action: str, dependencies: t.Collection[str]) -> t.List[str]:
        """Let ``apt-get`` reach the targets; dependencies, and what apt counted so before, count as automatically installed."""
        automatic = sorted({*self._automatic([name for name, version in targets.items() if version is not None]), *dependencies})
        self._make_removable(targets)
        status, out, err = self._patient([*_APT, "install", *_words(targets)])
        if automatic:
            self._run(["apt-mark", "auto", *automatic], _ENVIRONMENT)
        if status:
            raise Failure(action, _reason(out, err, status),
                          "Repair the package, or go back with state=restored and this record; apt's log is /var/log/apt/term.log")
        self._make_whole(targets)
        return []

    def _make_whole(self, targets: Targets) -> None:
        """Install once more what has the right version and is still in parts: a removal that was killed leaves such a package
        without dpkg's mark that it must be reinstalled, and apt then sees nothing to do."""
        found = self._dpkg()
        parts = [f"{name}={version}" for name, version in sorted(targets.items())
                 if version is not None and name in found and found[name].version == version and not found[name].whole]
        if parts:
            self._patient([*_APT, "--reinstall", "install", *parts])

    def _make_removable(self, targets: Targets) -> None:
        """Install torn packages that must go as a whole first: dpkg refuses to remove them, and by force would forget their files.

        Without their archive apt refuses everything, which simulate() has said already.
        """
        torn = [f"{name}={one.version}" for name, one in sorted(self._dpkg().items()) if one.torn and name in targets and targets[name] is None]
        if torn:
            self._patient([*_APT, "--reinstall", "install", *torn])

    def _patient(self, argv: t.Sequence[str]) -> t.Tuple[int, str, str]:
        """Run a command that takes locks; while somebody else holds them, wait and try again.

        Our own waiting covers the lock on the lists too, which DPkg::Lock::Timeout does not.
        """
        deadline = time.monotonic() + self._wait
        while True:
            status, out, err = self._run(argv, _ENVIRONMENT)
            locked = _LOCKED.search(err) if status else None
            if not locked:
                return status, out, err
            if time.monotonic() >= deadline:
                raise Failure(f"run {argv[0]}", f"another package manager is running ({locked.group(0).strip()})",
                              f"Wait for it to end, or raise timeout (now {self._wait} s); nothing was changed")
            time.sleep(1)

    def _dpkg(self) -> t.Dict[str, _Installed]:
        """Return every package that is installed, wholly or in part; a foreign architecture is part of its name."""
        native = self._output(["dpkg", "--print-architecture"]).strip()
        found = {}
        for line in self._output(["dpkg-query", "-W", "-f", _STATUS_FORMAT]).splitlines():
            name, architecture, version, want, status, flag = line.split("\t")
            key = name.partition(":")[0] if architecture in (native, "all") else name
            if status in _ABSENT:
                continue
            found[key] = _Installed(version, status in _WHOLE and flag == "ok", "apt-mark hold" if want == "hold" else "", flag == "reinstreq")
        return found

    def _policy(self, names: t.Sequence[str]) -> t.Dict[str, apt_policy.Policy]:
        return apt_policy.packages(self._output(["apt-cache", "policy", *names]))

    def _ours(self) -> t.Dict[apt_view.Place, str]:
        """Return place -> repository name of the set's sources; nothing when the set is not configured."""
        return {place: name for place, (name, set_name) in apt_view.our_places().items() if set_name == self._set}

    def _foreign(self) -> t.Dict[str, str]:
        """Return source words -> ``Origin/suite``, the way apt itself tells archives apart."""
        return {words: f"{fields.get('o') or fields.get('l') or 'unknown'}/{fields.get('a') or fields.get('n') or 'unknown'}"
                for words, (_priority, fields) in apt_policy.sources(self._output(["apt-cache", "policy"])).items()}

    def _automatic(self, names: t.Sequence[str]) -> t.List[str]:
        return self._output(["apt-mark", "showauto", *names]).split() if names else []

    def _output(self, argv: t.Sequence[str]) -> str:
        status, out, err = self._run(argv, _ENVIRONMENT)
        if status:
            raise Failure(f"run {' '.join(argv[:2])}", _reason(out, err, status), "Repair the host's apt first: run the same command by hand")
        return out


def _journal() -> bool:
    """Return whether dpkg's journal has entries: what makes apt say "dpkg was interrupted"."""
    try:
        return any(name.isdigit() for name in os.listdir("/var/lib/dpkg/updates"))
    except FileNotFoundError:
        return False


def _words(targets: Targets) -> t.List[str]:
    """Return targets as apt-get(8) takes them: ``name=version``, and ``name-`` for what must go."""
    return [f"{name}-" if version is None else f"{name}={version}" for name, version in sorted(targets.items())]


def _changes(output: str) -> t.List[t.Tuple[str, t.Optional[str], t.Optional[str], bool]]:
    """Return (package, old version, new version, is a downgrade) for every change that ``apt-get -s`` prints."""
    lines = output.splitlines()
    downgraded = set(_block(lines, "The following packages will be DOWNGRADED:"))
    found: t.Dict[str, t.Tuple[str, t.Optional[str], t.Optional[str], bool]] = {}
    for line in lines:
        install, remove = _INSTALL_LINE.match(line), _REMOVE_LINE.match(line)
        if install:
            name = install.group("name")
            found[name] = (name, install.group("old"), install.group("new"), name in downgraded)
        elif remove:
            found.setdefault(remove.group("name"), (remove.group("name"), remove.group("old"), None, False))
    return list(found.values())


def _block(lines: t.Sequence[str], title: str) -> t.List[str]:
    """Return the words of the indented lines below a title of apt-get's summary."""
    words: t.List[str] = []
    if title in lines:
        for line in lines[lines.index(title) + 1:]:
            if not line.startswith(" "):
                break
            words += line.split()
    return words


def _complaints(err: str) -> t.List[str]:
    """Return what apt's error output says is wrong, without its warnings of no consequence."""
    return [line[3:].strip().rstrip(".") for line in err.splitlines() if line.startswith(("E: ", "W: Failed to fetch"))]


def _reason(out: str, err: str, status: int) -> str:
    """Return why apt-get refused or failed, in its own words: unmet dependencies, the failing package and its last output."""
    lines = out.splitlines()
    failed = _block(err.splitlines(), "Errors were encountered while processing:")
    if failed:
        tail = [line for line in lines + err.splitlines() if line.strip()][-12:]
        return f"{', '.join(failed)} could not be set up; the last output was:\n" + "\n".join(f"  {line}" for line in tail) + "\n"
    unmet = [line.strip() for title in ("The following packages have unmet dependencies:",) if title in lines
             for line in lines[lines.index(title) + 1:] if line.startswith(" ")]
    return "; ".join([*unmet, *_complaints(err)]) or f"it ended with {status}"


def _repository(version: apt_policy.Version, ours: t.Mapping[apt_view.Place, str]) -> str:
    """Return the set's repository that carries the version, '' when none does."""
    return next((ours[place] for place in apt_view.places_of(version) if place in ours), "")


def _origin(version: apt_policy.Version, ours: t.Mapping[apt_view.Place, str], foreign: t.Mapping[str, str]) -> str:
    """Return where a version can be fetched from: the set's repository name, else ``Origin/suite``, '' for nowhere."""
    remote = [words for _priority, words in sorted(version.sources, reverse=True) if words != apt_policy.STATUS_FILE]
    return _repository(version, ours) or next((foreign.get(words, words) for words in remote), "")
