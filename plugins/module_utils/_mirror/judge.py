# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Whether a solver can install what was selected from what clients will see, deb and rpm alike."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.solver import Build, Solver
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

_SHOWN = 5  # packages told of in one message
_REASONS = 3


class Index(t.NamedTuple):
    """A Packages file or primary.xml of a repository, as clients will see it, in slices; filelists: its filelists.xml."""

    repository: str
    slices: t.Iterable[bytes]
    filelists: t.Optional[t.Iterable[bytes]] = None


def require_installable(form: str, architecture: str, indices: t.Iterable[Index], selected: t.Collection[Build], what: str) -> None:
    """Raise Failure unless each selected package on its own can be installed on a bare host that has these indices."""
    solver = Solver(form, architecture)
    with tempfile.TemporaryDirectory(prefix="egi-judge-") as work:
        for index in indices:
            listed = _written(work, "filelists", index.filelists) if index.filelists is not None else ""
            solver.read(index.repository, _written(work, "index", index.slices), filelists=(listed, ""))
    refused = []
    for build in sorted(set(selected)):
        problems = solver.install([build]).problems if build in solver.builds(build.package) else ["no index has it"]
        if problems:
            refused.append(f"{build.package} {build.version} ({'; '.join(problems[:_REASONS])})")
    if refused:
        more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        raise Failure(f"prove that {what} can be installed", f"a solver cannot install {', '.join(refused[:_SHOWN])}{more}",
                      "Select what is missing, add the repository that has it, or do not select these packages; nothing was published")


def _written(work: str, name: str, slices: t.Iterable[bytes]) -> str:
    """A file with this content: libsolv reads nothing else."""
    path = os.path.join(work, name)
    with open(path, "wb") as file:
        file.writelines(slices)
    return path
