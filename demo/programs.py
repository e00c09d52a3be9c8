# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs the demonstration runs, each with a log of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

from lab.roots import LabError

TOP = Path(__file__).resolve().parent.parent
STATE = Path(os.environ["LAB_STATE"])
ANSIBLE = ["ansible-playbook", "-i", os.environ["LAB_INVENTORY"], "-i", str(TOP / "demo/inventory.yml")]


def publish(stage: str, *options: str) -> None:
    """Publish the standard site up to a stage (see lab/content.py)."""
    _run([sys.executable, "-m", "lab.site", "--stage", stage, *options], f"publish-{stage}")


def play_holds(part: str) -> None:
    """Run a part of demo/holds.yml: the tasks with a tag, or several joined by commas."""
    _run([*ANSIBLE, "demo/holds.yml", "--tags", part], f"holds-{part.replace(',', '-')}")


def play(playbook: str, name: str, *options: str) -> None:
    """Run a playbook on this machine itself. name: of its log."""
    here = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3"]
    _run([*here, playbook, *options], name)


def started(arguments: t.Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program whose output goes to a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        return subprocess.Popen(arguments, cwd=TOP, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)


def tail(log: Path, what: str) -> str:
    """What happened, and the end of the log."""
    lines = log.read_text(errors="replace").splitlines()[-25:]
    return "\n".join([f"{what}. The end of {short(log)}:", *(f"  {line}" for line in lines)])


def short(path: Path) -> str:
    """A path as a reader in the checkout would type it."""
    return str(path.relative_to(TOP)) if path.is_relative_to(TOP) else str(path)


def _run(arguments: t.Sequence[str], name: str) -> None:
    log = STATE / "log" / f"{name}.log"
    status = started(arguments, log).wait()
    if status:
        raise LabError(tail(log, f"{name} ended with {status}"))
