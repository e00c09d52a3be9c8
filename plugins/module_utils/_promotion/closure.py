# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the solver says of a change: whether every package of a batch can be installed, and whether hosts get it by an upgrade.

libsolv is asked about base + overlay as they would be after the change. apt never takes what is not a package's candidate, so
for deb every other build is left out; dnf may take one from a weaker repository, so for rpm the weights decide.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.solver import Build, Solver, Verdict
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Item
from ansible_collections.egi.cmd.plugins.module_utils._promotion.indices import Repository
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import EVERYWHERE
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import EFFECTIVE
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import scheme

_WEIGHTS = {"holdback": 3, "overlay": 2, "base": 1, "previous": 1}
_REASONS = 3

Hidden = t.Callable[[Build], bool]


class Offer(t.NamedTuple):
    """A version somebody else publishes of a package. security: in a security repository; day: of the index that has it."""

    version: str
    security: bool
    day: str


class Unsolved(t.NamedTuple):
    """What a host could not do. rule: of the conditions; reasons: the solver's words."""

    rule: str
    platform: str
    package: str
    reasons: str


def overlay_kinds(target: str) -> t.Tuple[str, ...]:
    """The kinds whose packages hosts of a target have: who opted into proposed has the others too."""
    return EFFECTIVE if target in EFFECTIVE else (*EFFECTIVE, target)


class World:
    """One platform and architecture: the base, the overlay as it will be, and the release before."""

    def __init__(self, form: str, platform: str, architecture: str) -> None:
        self._form, self._platform, self._architecture = form, platform, architecture
        self._solver = Solver(form, architecture)
        self._key = scheme(form).key
        self._others: t.Dict[str, t.Tuple[bool, str]] = {}  # repository of somebody else -> security, day
        self._batch: t.List[Build] = []
        self._names: t.Set[str] = set()

    def read(self, role: str, repositories: t.Iterable[Repository]) -> None:
        """Read repositories of others for this platform. role: base, or previous for those of the release before."""
        for repository in repositories:
            for index in repository.indices if repository.platform == self._platform else ():
                name = f"{role} {index.path}"
                self._solver.read(name, index.path, _WEIGHTS[role], filelists=(index.filelists, ""))
                self._others[name] = repository.security, index.day
                if role == "previous":
                    self._names |= self._solver.packages(name)

    def lay_over(self, desk: Desk, batch: Batch, target: str, file: t.Callable[[Item], str]) -> None:
        """Read the desk's packages as hosts will have them. batch: goes to target; file: says where an item's bytes are."""
        coming = [item for item in batch.items if self._suits(item)]
        standing = [item for kind in overlay_kinds(target) for item in desk.items(kind, self._platform) if self._suits(item) and item not in coming]
        held = [item for item in desk.items("holdback", self._platform) if self._suits(item)]
        for role, items in (("overlay", standing), ("overlay batch", coming), ("holdback", held)):
            self._solver.add(role, [file(item) for item in items], _WEIGHTS[role.split()[0]])
        self._names |= {item.package for item in (*standing, *coming, *held)}
        self._batch = [build for name in sorted({item.package for item in coming}) for build in self._solver.builds(name)
                       if build.repository == "overlay batch"]

    def offers(self, role: str) -> t.Dict[t.Tuple[str, str], t.List[Offer]]:
        """What others publish of the overlay's packages, by platform and package."""
        found: t.Dict[t.Tuple[str, str], t.List[Offer]] = {}
        for name in sorted(self._names):
            for build in self._solver.builds(name):
                if _role(build) == role:
                    found.setdefault((self._platform, name), []).append(Offer(build.version, *self._others[build.repository]))
        return found

    def judge(self) -> t.List[Unsolved]:
        """Every package of the batch that cannot be installed, or that hosts would not get by a plain upgrade."""
        hosts = self._hosts_that_see(lambda build: _role(build) == "previous" or build.repository == "overlay batch")
        if any(name.startswith("previous ") for name in self._others):
            hosts += self._hosts_that_see(lambda build: _role(build) not in ("previous", "base"))
        chosen = self._see(lambda build: _role(build) == "previous")
        broken = self._broken()
        coming = {build.package: build for build in self._batch if build.package not in broken and chosen[build.package] == build}
        found = [Unsolved("installable.broken", self._platform, name, reasons) for name, reasons in sorted(broken.items())]
        for host in hosts:
            found += [one for one in self._upgraded(host, coming) if one not in found]
        return found

    def _broken(self) -> t.Dict[str, str]:
        """Packages of the batch that cannot be installed on a bare host; what goes together goes alone too."""
        if not self._solver.install(self._batch).problems:
            return {}
        alone = {build.package: self._solver.install([build]).problems for build in self._batch}
        return {name: _told(problems) for name, problems in alone.items() if problems}

    def _hosts_that_see(self, hidden: Hidden) -> t.List[t.List[Build]]:
        """Hosts with the batch's packages as they are without it: one host, or one for each where they exclude each other."""
        chosen = self._see(hidden)
        old = [build for build in (chosen[name] for name in dict.fromkeys(build.package for build in self._batch)) if build]
        together = self._solver.install(old)
        verdicts = [together] if not together.problems else [self._solver.install([build]) for build in old]
        return [self._host(verdict) for verdict in verdicts if verdict.steps]

    def _host(self, verdict: Verdict) -> t.List[Build]:
        return [next(build for build in self._solver.builds(step.package) if (build.version, build.repository) == (step.after, step.repository))
                for step in verdict.steps]

    def _upgraded(self, host: t.List[Build], coming: t.Mapping[str, Build]) -> t.Iterator[Unsolved]:
        had = {build.package: build.version for build in host}
        verdict = self._solver.upgrade(host)
        for name, build in coming.items():
            if name in had and self._key(had[name]) < self._key(build.version) and verdict.after(name, had[name]) != build.version:
                problems = verdict.problems or self._solver.install([build], host).problems or [f"the solver leaves {name} at {had[name]}"]
                yield Unsolved("upgrade.broken", self._platform, name, _told(problems))
        for step in verdict.steps:
            if step.after is None:
                yield Unsolved("upgrade.removes", self._platform, step.package, f"{step.package} {step.before} would be removed")

    def _see(self, hidden: Hidden) -> t.Dict[str, t.Optional[Build]]:
        """Let hosts see what is not hidden; returns what each of the overlay's packages would be on them."""
        chosen = {name: max((build for build in self._solver.builds(name) if not hidden(build)), key=self._rank, default=None) for name in self._names}

        def leave_out(build: Build) -> bool:
            return hidden(build) or (self._form == "deb" and build not in self._batch and build != chosen[build.package])

        self._solver.consider(leave_out, self._names)
        return chosen

    def _rank(self, build: Build) -> t.Tuple[int, t.Any, bool]:
        return _WEIGHTS[_role(build)], self._key(build.version), build.repository == "overlay batch"

    def _suits(self, item: Item) -> bool:
        return item.platform == self._platform and item.architecture in (self._architecture, *EVERYWHERE)


def _role(build: Build) -> str:
    return build.repository.split()[0]


def _told(problems: t.Sequence[str]) -> str:
    return "; ".join(problems[:_REASONS])
