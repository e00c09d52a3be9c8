# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""libsolv, the solver of dnf and zypper, as the judge of what hosts can do with repositories, deb and rpm alike.

It needs python3-solv, and with that the system's own Python.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_SYSTEM = "@System"
# RPM_ADD_NO_RPMLIBREQS of libsolv's repo_rpmdb.h, which its bindings do not name: indices leave those requirements out too.
_WITHOUT_RPMLIB = 1 << 11


class Build(t.NamedTuple):
    """One build of a package in one repository. version: with epoch, as dpkg or rpm write it."""

    package: str
    version: str
    architecture: str
    repository: str

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.repository})"


class Step(t.NamedTuple):
    """What a host would do with one package; before or after is None where it is not installed."""

    package: str
    before: t.Optional[str]
    after: t.Optional[str]
    repository: str


class Verdict(t.NamedTuple):
    """problems: why it cannot be done, each a sentence of libsolv's; else steps says what would be done."""

    steps: t.List[Step]
    problems: t.List[str]

    def after(self, package: str, before: t.Optional[str] = None) -> t.Optional[str]:
        """The version of a package once it is done. before: the version the host has."""
        return next((step.after for step in self.steps if step.package == package), before)


class Solver:
    """Repositories, and questions about hosts that use them. All of them are read before the first question."""

    def __init__(self, form: str, architecture: str) -> None:
        """form: deb or rpm. architecture: in that family's word, amd64 or x86_64. Raises Failure without libsolv."""
        self._solv = libsolv()
        self._pool = self._solv.Pool()
        self._pool.setdisttype(self._solv.Pool.DISTTYPE_DEB if form == "deb" else self._solv.Pool.DISTTYPE_RPM)
        self._pool.setarch(architecture)
        self._form = form
        self._installed = self._pool.add_repo(_SYSTEM)
        self._builds: t.Dict[str, t.List[t.Any]] = {}
        self._roomy = False
        self._ready = False

    def read(self, repository: str, path: str, weight: int = 0, suffix: str = "", filelists: t.Tuple[str, str] = ("", "")) -> None:
        """Add a Packages file or a primary.xml. weight: of two repositories the one with more is preferred, whatever the
        versions. suffix: .gz and the like, where the path does not end in it. filelists: path and suffix of filelists.xml,
        for files that packages require and primary.xml does not list."""
        repo = self._pool.add_repo(repository)
        repo.priority = weight
        self._parse(repo, path, suffix, "add_debpackages" if self._form == "deb" else "add_rpmmd", *([] if self._form == "deb" else [None]))
        if filelists[0]:
            self._parse(repo, filelists[0], filelists[1], "add_rpmmd", "FL", self._solv.Repo.REPO_EXTEND_SOLVABLES)
        self._know(repo)

    def add(self, repository: str, paths: t.Iterable[str], weight: int = 0) -> None:
        """Add a repository of package files that no index names yet. weight: as in ``read``."""
        repo = self._pool.add_repo(repository)
        repo.priority = weight
        for path in paths:
            good = repo.add_deb(path) if self._form == "deb" else repo.add_rpm(path, _WITHOUT_RPMLIB)
            if good is None:
                raise Failure(f"read {path}", self._pool.errstr or "libsolv cannot read it", "Fetch or build it again")
        self._know(repo)

    def builds(self, package: str) -> t.List[Build]:
        """Every build of a package."""
        return [_build(solvable) for solvable in self._builds.get(package, ())]

    def packages(self, repository: str) -> t.Set[str]:
        """The names of all packages in a repository."""
        return {solvable.name for repo in self._pool.repos if repo.name == repository for solvable in repo.solvables}

    def lost_without(self, builds: t.Iterable[Build]) -> t.List[Build]:
        """What hosts see and could not install any more were these builds out of sight: what requires one of them and is
        content with nothing else, and what requires that."""
        key, hidden = self._solv.SOLVABLE_REQUIRES, set(self._pool.get_disabled_list())
        self._prepare()
        out = [solvable for build in builds for solvable in self._builds.get(build.package, ()) if _build(solvable) == build]
        seen, lost = set(hidden), []
        while out:
            needy = [other for one in out for other in self._pool.whatmatchessolvable(key, one)]  # of what is in sight only
            hidden.update(one.id for one in out)
            self._see(hidden)
            known = {one.id: one for one in needy if one.id not in hidden}
            out = [one for one in known.values() if any(not self._pool.whatprovides(need) for need in one.lookup_deparray(key))]
            lost += out
        self._see(seen)
        return [_build(one) for one in lost]

    def in_conflict(self, builds: t.Iterable[Build]) -> t.List[Build]:
        """What hosts see and cannot have beside one of these builds."""
        solv, known = self._solv, [one for build in builds for one in self._builds.get(build.package, ()) if _build(one) == build]
        self._prepare()
        found = {other.id: other for one in known for key in (solv.SOLVABLE_CONFLICTS, solv.SOLVABLE_OBSOLETES)
                 for other in self._pool.whatmatchessolvable(key, one) if other.repo.name != _SYSTEM}
        hidden = set(self._pool.get_disabled_list())
        return [_build(other) for number, other in sorted(found.items()) if number not in hidden]

    def consider(self, leave_out: t.Callable[[Build], bool], packages: t.Iterable[str]) -> None:
        """Let hosts see of the packages only the builds that are not left out, as excludes or pins do; all of the others."""
        out = {solvable.id for package in packages for solvable in self._builds.get(package, ()) if leave_out(_build(solvable))}
        self._prepare()
        self._see(out)

    def install(self, builds: t.Sequence[Build], installed: t.Sequence[Build] = (), going_down: bool = False) -> Verdict:
        """Bring exactly these builds onto a host that has installed. going_down: where a lower version has to come, it may."""
        self._host(installed)
        wanted = [solvable for build in builds for solvable in self._builds.get(build.package, ()) if _build(solvable) == build]
        job, solv = self._pool.Job, self._solv.Job
        return self._solve([job(solv.SOLVER_INSTALL | solv.SOLVER_SOLVABLE, solvable.id) for solvable in wanted], going_down)

    def upgrade(self, installed: t.Sequence[Build]) -> Verdict:
        """Upgrade everything a host has, as ``dnf upgrade`` and ``apt-get upgrade`` do: nothing goes down."""
        self._host(installed)
        solv = self._solv.Job
        return self._solve([self._pool.Job(solv.SOLVER_UPDATE | solv.SOLVER_SOLVABLE_ALL, 0)], False)

    def _know(self, repo: t.Any) -> None:
        for solvable in repo.solvables:
            self._builds.setdefault(solvable.name, []).append(solvable)
        self._ready = False

    def _host(self, installed: t.Sequence[Build]) -> None:
        """Install builds that some repository has, with all the solver has to know of them."""
        if not installed and self._installed.isempty():  # as it was: preparing costs more than solving
            self._prepare()
            return
        self._installed.empty(True)
        for build in installed:
            found = next((one for one in self._builds.get(build.package, ()) if one.evr == build.version and one.arch == build.architecture), None)
            if found is None:
                raise Failure(f"simulate a host with {build.package} {build.version}", "no repository that was read has this build",
                              "Name a snapshot that still has it")
            self._copy(found)
        self._pool.installed = self._installed
        self._ready = False
        self._prepare()

    def _copy(self, original: t.Any) -> None:
        solv, copy = self._solv, self._installed.add_solvable()
        copy.name, copy.evr, copy.arch = original.name, original.evr, original.arch
        for key in (solv.SOLVABLE_REQUIRES, solv.SOLVABLE_PROVIDES, solv.SOLVABLE_CONFLICTS, solv.SOLVABLE_OBSOLETES, solv.SOLVABLE_RECOMMENDS):
            for dependency in original.lookup_deparray(key):
                copy.add_deparray(key, dependency)

    def _see(self, hidden: t.Set[int]) -> None:
        if hidden and not self._roomy:
            self._make_room()
        self._roomy = bool(hidden)  # an empty list is none
        self._pool.set_disabled_list(sorted(hidden))
        self._pool.createwhatprovides()

    def _make_room(self) -> None:
        """libsolv's list of what is hidden keeps the length the pool had when it was first set. Packages of a host, which come
        later, would be taken for hidden or not by what lies behind it in memory: so it begins as long as it may get."""
        spare = self._pool.add_repo("spare")
        for _number in range(sum(map(len, self._builds.values()))):
            spare.add_solvable()
        self._pool.set_disabled_list([2])
        spare.free(True)

    def _prepare(self) -> None:
        if not self._ready:
            self._pool.addfileprovides()
            self._pool.createwhatprovides()
            self._ready = True

    def _solve(self, jobs: t.List[t.Any], going_down: bool) -> Verdict:
        solver = self._pool.Solver()
        solver.set_flag(self._solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        solver.set_flag(self._solv.Solver.SOLVER_FLAG_ALLOW_DOWNGRADE, int(going_down))
        problems = solver.solve(jobs)
        if problems:
            return Verdict([], [str(problem) for problem in problems])
        transaction = solver.transaction()
        removed = {one.name: one.evr for one in transaction.steps() if one.isinstalled()}
        steps = [Step(one.name, removed.pop(one.name, None), one.evr, one.repo.name) for one in transaction.newsolvables()]
        return Verdict(sorted([*steps, *(Step(name, version, None, "") for name, version in removed.items())]), [])

    def _parse(self, repo: t.Any, path: str, suffix: str, method: str, *arguments: t.Any) -> None:
        handle = None
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                handle = self._solv.xfopen_fd(f"index{suffix or os.path.splitext(path)[1]}", descriptor)
            finally:
                os.close(descriptor)  # libsolv made a copy
            good = handle is not None and getattr(repo, method)(handle, *arguments)
        except OSError as error:
            raise Failure(f"read {path}", error.strerror or str(error), "Sync the mirror it belongs to, then run again") from error
        finally:
            if handle is not None:
                handle.close()
        if not good:
            raise Failure(f"read {path}", self._pool.errstr or "libsolv cannot read it", "Verify the mirror it belongs to")


def libsolv() -> t.Any:
    """The bindings of libsolv; raises Failure where they are not to be had."""
    try:
        import solv
    except ImportError as error:
        raise Failure("ask libsolv", "its bindings for Python are missing", "Install python3-solv, and use the system's own Python") from error
    return solv


def _build(solvable: t.Any) -> Build:
    return Build(solvable.name, solvable.evr, solvable.arch, solvable.repo.name)
