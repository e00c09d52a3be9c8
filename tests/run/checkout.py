# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkout as git sees it: its files, a copy that ansible-test accepts, and whether a test has written into it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import typing as t
from pathlib import Path

from tests.run.machine import TOP, WORK, remove


def _git(*words: str, cwd: Path = TOP) -> str:
    return subprocess.run(["git", *words], cwd=cwd, stdout=subprocess.PIPE, text=True, check=True).stdout


def files() -> list[Path]:
    """Every file of the checkout, relative to its top, that git has or would take."""
    names = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted({Path(name) for name in names if name and (TOP / name).is_file()})


def copy(name: str, leave_out: t.Collection[str] = ()) -> Path:
    """Copy the checkout below .cache/test/<name> as ansible_collections/egi/cmd, a git repository of its own; return its path.

    ansible-test refuses a folder of another name, a link to it, and finds no files in one that git ignores.
    leave_out: first path elements not to copy.
    """
    base = WORK / name
    remove(base)
    target = base / "ansible_collections/egi/cmd"
    for path in files():
        if path.parts[0] not in leave_out:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / path, target / path, follow_symlinks=False)
    _git("init", "--quiet", cwd=target)
    _git("add", "--all", cwd=target)
    return target


def state() -> dict[str, str]:
    """What git says about the checkout: path of every changed, new or ignored file outside .cache -> its state and content."""
    # -z: without it git quotes names with blanks, and nothing could be told of where they are.
    status = _git("status", "--porcelain", "--no-renames", "--ignored", "--untracked-files=all", "-z", "--", ".", ":(exclude).cache")
    # A repository below .cache, such as copy() makes, is told of all the same.
    found = {line[3:]: line[:2] for line in status.split("\0") if line and not line.startswith(".cache/", 3)}
    return {name: state + hashlib.sha256((TOP / name).read_bytes()).hexdigest() if (TOP / name).is_file() else state for name, state in found.items()}
