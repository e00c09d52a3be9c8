# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Chooses the family of the host a module runs on."""

from __future__ import annotations

from ansible_collections.egi.cmd.plugins.module_utils._host.apt import Apt
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Family, family_name


def host_family() -> Family:
    """Return the family of this host. Raises Failure."""
    with open("/etc/os-release", encoding="utf-8", errors="replace") as handle:
        name = family_name(handle.read())
    if name == "apt":
        return Apt()
    from ansible_collections.egi.cmd.plugins.module_utils._host.dnf import Dnf

    return Dnf()
