# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""libsolv, the solver of dnf and zypper, as the judge of what can be installed, deb and rpm alike."""

from __future__ import annotations

import importlib
import os
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_SHOWN = 5  # packages told of in one message
_REASONS = 3

Wish = t.Tuple[str, str, str, str]  # repository, name, version and architecture of a package


class Index(t.NamedTuple):
    """An index of a repository as clients will see it. kind: packages (deb), primary or filelists (rpm)."""

    repository: str
    kind: str
    slices: t.Iterable[bytes]


def available(what: str) -> t.Any:
    """libsolv's module. what: is to be judged, for the Failure when it is not installed."""
    try:
        return importlib.import_module("solv")
    except ImportError as error:
        raise Failure(f"prove that {what} can be installed", "Python's module solv is missing",
                      "Install python3-solv, for the Python that runs this, or set prove: false for the set") from error


def require_installable(form: str, architecture: str, indices: t.Iterable[Index], wishes: t.Collection[Wish], what: str) -> None:
    """Raise Failure unless each wish on its own can be installed on a bare host that has these indices. An index of
    filelists comes after the primary of its repository."""
    solv = available(what)
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_DEB if form == "deb" else solv.Pool.DISTTYPE_RPM)
    pool.setarch(architecture)
    repositories: t.Dict[str, t.Any] = {}
    for index in indices:
        repository = repositories.get(index.repository)
        if repository is None:
            repository = repositories[index.repository] = pool.add_repo(index.repository)
        _read(solv, repository, index)
    pool.addfileprovides()
    pool.createwhatprovides()
    found = {(one.repo.name, one.name, one.evr, one.arch): one for one in pool.solvables_iter()}
    refused = []
    for wish in sorted(wishes):
        reasons = _reasons(solv, pool, found[wish]) if wish in found else ["no index has it"]
        if reasons:
            refused.append(f"{wish[1]} {wish[2]} ({'; '.join(reasons[:_REASONS])})")
    if refused:
        more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        raise Failure(f"prove that {what} can be installed", f"a solver cannot install {', '.join(refused[:_SHOWN])}{more}",
                      "Select what is missing, add the repository that has it, or do not select these packages; nothing was published")


def _read(solv: t.Any, repository: t.Any, index: Index) -> None:
    """libsolv reads files; their name has no ending, so it takes them as they are."""
    descriptor, path = tempfile.mkstemp(prefix="egi-solv-")
    try:
        with open(descriptor, "wb") as file:
            file.writelines(index.slices)
        handle = solv.xfopen(path)
        if index.kind == "packages":
            good = repository.add_debpackages(handle)
        elif index.kind == "primary":
            good = repository.add_rpmmd(handle, None)
        else:
            good = repository.add_rpmmd(handle, "FL", solv.Repo.REPO_EXTEND_SOLVABLES)
        handle.close()
    finally:
        os.unlink(path)
    if not good:
        raise Failure(f"read an index of {index.repository}", "libsolv cannot", "Report it; set prove: false meanwhile")


def _reasons(solv: t.Any, pool: t.Any, solvable: t.Any) -> t.List[str]:
    """Why a package cannot be installed; none if it can."""
    solver = pool.Solver()
    solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    return [str(problem) for problem in solver.solve([pool.Job(solv.Job.SOLVER_SOLVABLE | solv.Job.SOLVER_INSTALL, solvable.id)])]
