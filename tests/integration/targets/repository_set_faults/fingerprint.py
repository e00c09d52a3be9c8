# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a change of repositories could touch on a host: kind, mode, owner and content, byte for byte."""

from __future__ import annotations

import hashlib
import os
import stat
import typing as t

APT = ("etc", "var/lib/apt", "var/lib/egi-cmd", "var/cache/apt")
DNF = ("etc", "var/lib/dnf", "var/lib/egi-cmd", "var/cache/dnf")
LOOKED_AT = {"apt": APT, "dnf": DNF}
"""Where a host of each family keeps what a change could touch."""


def fingerprint(root: str, looked_at: t.Sequence[str] = APT) -> t.Dict[str, str]:
    """Return path -> what is there, for a host whose root directory is root. looked_at: directories below it."""
    found = {}
    for top in looked_at:
        for directory, names, files in os.walk(os.path.join(root, top)):
            for name in [".", *names, *files]:
                path = os.path.normpath(os.path.join(directory, name))
                found[path] = _described(path)
    return found


def _described(path: str) -> str:
    status = os.lstat(path)
    owner = f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
    if stat.S_ISLNK(status.st_mode):
        return f"{owner} {os.readlink(path)}"
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as handle:
            return f"{owner} {hashlib.sha256(handle.read()).hexdigest()}"
    return owner
