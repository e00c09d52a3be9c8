# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test that tells whether an overlay package's version keeps the rules."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._version.mos_rules import Context, problems
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing


@refusing
def mos_version(value: str, format: str, upstream: str | None = None, release: str | None = None, kind: str | None = None) -> bool:
    """Return whether the version breaks no rule."""
    return not problems(format, value, Context(upstream, release or "", kind or ""))


class TestModule:
    """The test, as Ansible finds it."""

    def tests(self) -> dict[str, t.Callable[..., bool]]:
        """Return the test by name."""
        return {"mos_version": mos_version}
