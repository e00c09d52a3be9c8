# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only much repetition shows: versions against dpkg, apt and rpm, candidates and upgrades against apt and dnf, closures
against libsolv, publishing under kill -9."""

from __future__ import annotations

from tests.run.machine import TOP, environment, prepare
from tests.run.report import Report


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """arguments: for the comparison, instead of its usual number of pairs."""
    # apt, rpm and libsolv ship their Python bindings for the system's interpreter only.
    prepare("need_packages", "createrepo-c", "dnf", "dpkg-dev", "gnupg", "python3-apt", "python3-dnf", "python3-rpm", "python3-solv", "rpm", "zchunk")
    env = environment()
    report.tally("versions", report.run("/usr/bin/python3", "tests/exact/versions.py", *(arguments or ["--pairs", "100000"]), env=env, cwd=TOP))
    report.tally("candidates", report.run("/usr/bin/python3", "tests/exact/candidate.py", env=env, cwd=TOP))
    report.tally("solver", report.run("/usr/bin/python3", "tests/exact/solver.py", env=env, cwd=TOP))
    report.tally("closures", report.run("/usr/bin/python3", "tests/exact/closure.py", "--worlds", "3000", env=env, cwd=TOP))
    report.tally("rebuilt rpm metadata", report.run("/usr/bin/python3", "tests/exact/rpm_rebuild.py", "--rounds", "100", env=env, cwd=TOP))
    report.tally("publishing", report.run("/usr/bin/python3", "tests/exact/publish_interrupted.py", "--seconds", "20", env=env, cwd=TOP))
