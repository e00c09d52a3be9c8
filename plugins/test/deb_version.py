# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test that compares two Debian versions."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._version import deb
from ansible_collections.egi.cmd.plugins.plugin_utils._version_order import satisfies


def deb_version(value: str, version: str, operator: str = "eq") -> bool:
    """Return whether ``value operator version`` is true."""
    return satisfies(deb.key, value, version, operator)


class TestModule:
    """The test, as Ansible finds it."""

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        """Return the test by name."""
        return {"deb_version": deb_version}
