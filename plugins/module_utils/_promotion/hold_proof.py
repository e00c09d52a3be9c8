# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Proof of holds before hosts see them: what hosts of one platform would do, worked out by libsolv.

Hosts on the proven version have to stay on it, hosts on the bad version and on the overlay's own build have to come to it by a
change of exactly the held packages, and no other package may be removed or miss an update. apt never takes what is not a
package's candidate; dnf takes a build from a weaker repository when another package requires it, so there the base's bad
builds may have to be excluded.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.solver import Build, Solver, Verdict
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import policy
from ansible_collections.egi.cmd.plugins.module_utils._promotion import version_range
from ansible_collections.egi.cmd.plugins.module_utils._promotion.candidate import AptPolicy, Pin, Suite
from ansible_collections.egi.cmd.plugins.module_utils._promotion.indices import Repository

_BANDS = {"base": "distribution", "overlay": "overlay", "holdback": "holdback"}
_WEIGHTS = {"previous": 0, "base": 1, "overlay": 2, "holdback": 3}
_SHOWN = 5

Host = t.Dict[str, Build]


class Held(t.NamedTuple):
    """A package as its hold wants it. version: the proven one."""

    package: str
    version: str
    is_bad: t.Callable[[str], bool]


class Proof(t.NamedTuple):
    """hosts: which were tried. excludes: builds of the base that its hosts must not see; of dnf only, and only where needed."""

    platform: str
    architecture: str
    hosts: t.Tuple[str, ...]
    excludes: t.Tuple[Build, ...]


class Finding(t.NamedTuple):
    """rule: of hold.RULES. what: which host, and what it would do."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.what}"


class _Situation(t.NamedTuple):
    """A host, and what an upgrade would do with it were there no hold. goes_back: it has to be brought to the proven version."""

    name: str
    host: Host
    unheld: Verdict
    goes_back: bool


class World:
    """One platform and architecture: the base as it was and as it is, the overlay, the packages held back."""

    def __init__(self, form: str, platform: str, architecture: str, held: t.Sequence[Held]) -> None:
        self._form, self._platform, self._architecture = form, platform, architecture
        self._held = {one.package: one for one in held}
        self._key = lambda version: version_range.key(form, version)
        self._solver = Solver(form, architecture)
        self._names: t.Set[str] = set()
        self._past: t.Set[str] = set()
        self._ours = set(self._held)
        pins = [Pin(("*",), "release", f"a={role}", policy.by_rule("apt", band)) for role, band in _BANDS.items()]
        self._apt = AptPolicy({role: Suite({"a": role}) for role in _BANDS}, pins)

    def read(self, role: str, repositories: t.Iterable[Repository]) -> None:
        """Read indices of the base. role: base, or previous for the last time it was without the bad versions."""
        for index in (index for repository in repositories for index in repository.indices):
            name = f"{role} {index.path}"
            self._solver.read(name, index.path, _WEIGHTS[role], filelists=(index.filelists, ""))
            names = self._solver.packages(name)
            self._names |= names
            if role == "previous":
                self._past |= names

    def add(self, role: str, paths: t.Iterable[str]) -> None:
        """Add package files of ours. role: overlay or holdback."""
        self._solver.add(role, paths, _WEIGHTS[role])
        self._ours |= self._solver.packages(role)

    def prove(self) -> Proof:
        """Try every kind of host. Raises Failure that says which of them would not be held, or would be harmed."""
        self._see_all_but("previous")
        bad = [build for name in self._held for build in self._of(name, "base") if self._held[name].is_bad(build.version)]
        lost = [build for build in self._solver.lost_without(bad) if build.package not in self._held]
        goods = self._good_hosts({build.package for build in [*lost, *self._solver.in_conflict(self._proven())]} - set(self._held))
        self._see_all_but("previous", "holdback")
        made = [one for good in goods for one in self._made(good, bad)]
        self._see(hidden=("previous", "holdback"))
        situations = [one for good in goods for one in self._grown(good)]
        situations += [_Situation(name, host, self._solver.upgrade(list(host.values())), True) for name, host in made]
        excludes: t.List[Build] = []
        found = self._tried(situations, excludes)
        if self._form == "rpm" and (any(one.rule == "hold.leaks" for one in found) or self._leaks(goods[0], lost)):
            excludes = bad
            found = self._tried(situations, excludes)
        if found:
            shown = "; ".join(map(str, found[:_SHOWN])) + (f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
            raise Failure(f"hold {', '.join(self._held)} on {self._platform} ({self._architecture})", shown,
                          "Hold the packages it names as well, in the same call, or hold another version; nothing was published")
        return Proof(self._platform, self._architecture, tuple(dict.fromkeys(one.name for one in situations)), tuple(excludes))

    def _good_hosts(self, others: t.Collection[str]) -> t.List[Host]:
        """Hosts as they were before the bad version came. others: packages that a hold may get in the way of: together on
        one host, or each on its own where they do not go together."""
        self._see_all_but("base", "overlay")
        proven = self._proven()
        alone = self._solver.install(proven)
        if alone.problems:
            raise Failure(f"hold {', '.join(self._held)} on {self._platform} ({self._architecture})",
                          f"[hold.unsolvable] the proven version cannot be installed: {'; '.join(alone.problems[:_SHOWN])}", "Hold another version")
        choices = [max(self._of(name, "previous"), key=lambda build: self._key(build.version)) for name in sorted(self._past.intersection(others))]
        verdicts = [self._solver.install([*proven, *choices])]
        if verdicts[0].problems:
            verdicts = [self._solver.install([*proven, choice]) for choice in choices]
        return [self._moved({}, verdict) for verdict in [alone, *verdicts] if not verdict.problems]

    def _grown(self, good: Host) -> t.Iterator[_Situation]:
        """A good host, and what plain upgrades make of it without a hold."""
        unheld = self._solver.upgrade(list(good.values()))
        yield _Situation("the proven version", good, unheld, False)
        upgraded = self._moved(good, unheld)
        if any(name in upgraded and one.is_bad(upgraded[name].version) for name, one in self._held.items()):
            yield _Situation("the bad version, up to date", upgraded, self._solver.upgrade(list(upgraded.values())), True)

    def _made(self, good: Host, bad: t.Sequence[Build]) -> t.Iterator[t.Tuple[str, Host]]:
        """A good host that took nothing but the bad version, or the overlay's own build."""
        worst = [build for name in self._held for build in self._newest([one for one in bad if one.package == name])]
        own = [build for name in self._held for build in self._newest(self._of(name, "overlay"))]
        for name, builds in (("the bad version", worst), ("the overlay's own build", own)):
            verdict = self._solver.install(builds, list(good.values()), going_down=True)
            if builds and not verdict.problems:
                yield name, self._moved(good, verdict)

    def _tried(self, situations: t.Sequence[_Situation], excludes: t.Sequence[Build]) -> t.List[Finding]:
        """What goes wrong on hosts that see the hold."""
        self._see(hidden=("previous",), excludes=excludes)
        return list(dict.fromkeys(finding for one in situations for finding in self._try(one)))

    def _try(self, one: _Situation) -> t.Iterator[Finding]:
        where, host = f"a host on {one.name}", one.host
        if one.goes_back:
            back = self._solver.install(self._proven(), list(host.values()), going_down=True)
            if back.problems:
                yield Finding("hold.unsolvable", f"{where} cannot come to the proven version: {'; '.join(back.problems[:_SHOWN])}")
                return
            for step in back.steps:
                lower = step.before and (step.after is None or self._key(step.after) < self._key(step.before))
                if lower and step.package not in self._held:
                    yield Finding("hold.removes", f"{where} would lose {step.package} {step.before} on its way to the proven version")
            host = self._moved(host, back)
        yield from self._compare(where, host, one.unheld, self._solver.upgrade(list(host.values())))

    def _compare(self, where: str, host: Host, unheld: Verdict, held: Verdict) -> t.Iterator[Finding]:
        if held.problems:
            yield Finding("hold.unsolvable", f"{where} cannot upgrade: {'; '.join(held.problems[:_SHOWN])}")
            return
        for name, one in self._held.items():
            after = held.after(name, host[name].version) if name in host else one.version
            if after != one.version:
                yield Finding("hold.leaks", f"{where} would get {name} {after} by an upgrade")
        gone = {step.package for step in unheld.steps if step.after is None}
        for step in held.steps:
            if step.after is None and step.package not in gone:
                yield Finding("hold.removes", f"{where} would lose {step.package} {step.before} by an upgrade")
        for step in unheld.steps:
            if step.package not in self._held and step.before and step.after and held.after(step.package, step.before) != step.after:
                yield Finding("hold.blocks", f"{where} would not get the update {step.package} {step.after}")

    def _leaks(self, good: Host, lost: t.Sequence[Build]) -> bool:
        """Whether a package that is not on a host yet would bring a bad version when it is installed; dnf lets it."""
        self._see_all_but("previous")
        for build in lost:
            verdict = self._solver.install([build], list(good.values()))
            if any(step.after and self._held[step.package].is_bad(step.after) for step in verdict.steps if step.package in self._held):
                return True
        return False

    def _see_all_but(self, *hidden: str) -> None:
        self._solver.consider(lambda build: _role(build) in hidden, self._names | self._ours)

    def _see(self, hidden: t.Collection[str], excludes: t.Sequence[Build] = ()) -> None:
        """Let hosts see what is in no hidden role and not excluded; on apt also nothing of our packages but the candidate."""
        out = set(excludes)

        def candidate(name: str) -> t.Optional[str]:
            versions: t.Dict[str, t.List[str]] = {}
            for build in self._solver.builds(name):
                if _role(build) not in hidden:
                    versions.setdefault(build.version, []).append(_role(build))
            return self._apt.candidate(name, versions)

        chosen = {name: candidate(name) for name in self._ours} if self._form == "deb" else {}

        def leave_out(build: Build) -> bool:
            return _role(build) in hidden or build in out or (build.package in chosen and chosen[build.package] != build.version)

        self._solver.consider(leave_out, self._names | self._ours)

    def _proven(self) -> t.List[Build]:
        return [next(build for build in self._of(name, "holdback") if build.version == one.version) for name, one in self._held.items()]

    def _of(self, package: str, role: str) -> t.List[Build]:
        return [build for build in self._solver.builds(package) if _role(build) == role]

    def _newest(self, builds: t.Sequence[Build]) -> t.List[Build]:
        return [max(builds, key=lambda build: self._key(build.version))] if builds else []

    def _moved(self, host: Host, verdict: Verdict) -> Host:
        """A host after what the solver would do."""
        after = dict(host)
        for step in verdict.steps:
            if step.after is None:
                after.pop(step.package, None)
            else:
                after[step.package] = next(build for build in self._of(step.package, step.repository.split()[0])
                                           if (build.version, build.repository) == (step.after, step.repository))
        return after


def _role(build: Build) -> str:
    return build.repository.split()[0]


def nevra(build: Build) -> str:
    """A build as dnf's excludepkgs names it, and nothing else but it."""
    return f"{build.package}-{build.version}.{build.architecture}"
