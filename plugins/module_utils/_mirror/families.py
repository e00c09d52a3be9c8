# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Chooses what reads an upstream: deb or rpm."""

from __future__ import annotations

import types

from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source


def family(source: Source) -> types.ModuleType:
    """deb_upstream or rpm_upstream, which have the same read().

    Imported when it is asked for: Python compiles the modules of cmd-mirror in every run, which is most of what a run
    without news costs.
    """
    if source.format == "deb":
        from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_upstream

        return deb_upstream
    from ansible_collections.egi.cmd.plugins.module_utils._mirror import rpm_upstream

    return rpm_upstream
