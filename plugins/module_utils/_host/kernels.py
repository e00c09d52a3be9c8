# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The kernel that runs, the newest one that is installed, and whether the host waits for a reboot."""

from __future__ import annotations

import os
import platform
import re
import typing as t

BOOT, MODULES, FLAG = "/boot", "/lib/modules", "/run/reboot-required"
_IMAGES = ("vmlinuz-", "vmlinux-", "Image-")

Kernel = t.Dict[str, t.Any]


def kernel(boot: str = BOOT, modules: str = MODULES, flag: str = FLAG, running: str = "") -> Kernel:
    """Return {"running": release, "installed": newest release or None, "reboot": why the host waits for one, '' if it does not}.

    installed is None in a container, which has no kernel of its own. A kernel counts as installed when its image is there, on
    either family. flag: the file by which packages of Debian's family ask for a reboot.
    """
    running = running or platform.release()
    installed = max(_installed(boot, modules), key=_order, default=None)
    reasons = [f"kernel {installed} is installed, {running} runs"] if installed and installed != running else []
    reasons += ["a package asked for it"] if os.path.exists(flag) else []
    return {"running": running, "installed": installed, "reboot": "; ".join(reasons)}


def _installed(boot: str, modules: str) -> t.Set[str]:
    found = {name[len(start):] for name in _listed(boot) for start in _IMAGES if name.startswith(start)}
    found |= {name for name in _listed(modules) if os.path.exists(os.path.join(modules, name, "vmlinuz"))}
    # "rescue" images of Red Hat's family boot what was installed first.
    return {name for name in found if name[:1].isdigit()}


def _listed(directory: str) -> t.List[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _order(release: str) -> t.List[t.Tuple[int, int, str]]:
    """Return a key that sorts releases: numbers by value, and a number above a word, so that 6.1.0 is above 6.1.0-rc1's 'rc'."""
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.findall(r"[0-9]+|[a-z]+", release.lower())]
