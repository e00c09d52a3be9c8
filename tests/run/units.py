# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit and property tests: directly with pytest, and the modules' own code on the oldest Python of managed hosts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.run.checkout import copy
from tests.run.machine import TARGET_MINORS, TOP, WORK, collections, cores, environment, interpreters, newest, prepare, venv
from tests.run.report import Report
from tests.run.sanity import LEAVE_OUT, ansible_test_environment

# Real tools that unit tests let judge: signing, TLS, transfer, compressed indices, package headers, images
_JUDGES = (
    "dosfstools", "fdisk", "gnupg", "gpgv", "grub-efi-amd64-bin", "grub-pc-bin", "mtools", "openssl", "python3-solv", "qemu-utils", "rpm", "rsync",
    "sqv", "xorriso", "zchunk", "zstd",
)
# The rest is pure: it never imports Ansible (tests/unit/repository/test_architecture.py), so that the core makes no difference.
_KNOW_ANSIBLE = ("filter", "lookup", "test")
_SYSTEM_MODULES = Path("/usr/lib/python3/dist-packages")


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """All tests on the newest core, on the others those of code that knows Ansible.

    quick: only the newest core. arguments: for pytest, instead of all tests; then also only the newest core.
    """
    collections()
    if os.geteuid() == 0:
        prepare("need_packages", *_JUDGES)
    *older, latest = cores()
    for core in [] if quick or arguments else older:
        _pytest(report, core, [f"tests/unit/plugins/{kind}" for kind in _KNOW_ANSIBLE])
    _pytest(report, latest, arguments or ["tests/unit"])
    if not quick and not arguments:
        _oldest_python(report)


def _pytest(report: Report, core: str, arguments: list[str]) -> None:
    python = venv(f"core-{core}")
    env = environment(python, PYTHONPATH=":".join(map(str, (collections(), TOP, *_libsolv(python)))))
    result = WORK / f"units-{core}.xml"
    result.unlink(missing_ok=True)
    flags = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-n", "2", f"--junitxml={result}"]
    report.junit(f"core {core}", result, report.run(python / "bin/python", "-m", "pytest", *flags, *arguments, env=env, cwd=TOP))


def _libsolv(python: Path) -> list[Path]:
    """A directory with the system's libsolv bindings alone, if the environment is made of the Python they are built for."""
    place = WORK / "libsolv"
    place.mkdir(parents=True, exist_ok=True)
    for module in [*_SYSTEM_MODULES.glob("_solv.cpython-*.so"), *_SYSTEM_MODULES.glob("solv.py")]:
        link = place / module.name
        if not link.is_symlink():
            link.symlink_to(module)
    probe = [str(python / "bin/python"), "-c", "import solv"]
    usable = subprocess.run(probe, env={"PYTHONPATH": str(place)}, stderr=subprocess.DEVNULL, check=False).returncode == 0
    return [place] if usable else []


def _oldest_python(report: Report) -> None:
    """ansible-test runs the tests of modules and module_utils as a managed host's Python would."""
    minor = TARGET_MINORS[0]
    if minor not in interpreters():
        report.skip(f"module code on Python 3.{minor}", "there is no such interpreter on this machine")
        return
    target = copy("units", LEAVE_OUT)
    command = [f"{newest()}/bin/ansible-test", "units", "--color", "no", "--venv", "--python", f"3.{minor}", "--requirements"]
    output = report.run(*command, env=ansible_test_environment(newest()), cwd=target)
    results = sorted(target.glob("tests/output/junit/python*.xml"))
    for result in results:
        report.junit(f"Python 3.{minor}", result, output)
    if not results:
        report.check(f"module code on Python 3.{minor}", False, output.tail())
