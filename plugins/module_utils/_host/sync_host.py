# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The package manager of the host this runs on."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Run, family_name
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import SET_NAME
from ansible_collections.egi.cmd.plugins.module_utils._host.sync import Packages
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_apt import AptPackages
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_dnf import DnfPackages


def packages_of(set_name: str, wait: int, run: Run, need_dnf: t.Callable[[], None]) -> Packages:
    """Return the host's package manager, for one repository set. Raises Failure.

    wait: seconds to wait for its locks. need_dnf: called before dnf's Python bindings are imported.
    """
    if not SET_NAME.match(set_name):
        raise Failure(f"use repository set '{set_name}'", "its name is not made of lower-case letters, digits, dots and hyphens",
                      "Give the name that repository_set was given")
    with open("/etc/os-release", encoding="utf-8") as handle:
        family = family_name(handle.read())
    if family == "dnf":
        need_dnf()
        return DnfPackages(set_name, wait)

    return AptPackages(run, set_name, wait)
