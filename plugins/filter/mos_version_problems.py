# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that checks a version of an overlay package."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._version.mos_rules import Context, problems
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing

DOCUMENTATION = r"""
name: mos_version_problems
author:
  - egi.cmd contributors
version_added: 0.1.0
short_description: List the rules an overlay package's version breaks
description:
  - Check one version against the rules of the MOS scheme, with the package manager's own order.
  - What is not given is not checked.
options:
  _input:
    description: The version, in quotes.
    type: str
    required: true
  format:
    description: The family whose scheme and order count.
    type: str
    choices: [deb, rpm]
    required: true
  upstream:
    description:
      - The base distribution's version of the same package.
      - An empty text says that the base distribution has no such package, so the version is of a specific one.
      - If not given, what depends on it is left out.
    type: str
  release:
    description: Number of the overlay release the version is for, in quotes.
    type: str
  kind:
    description: The kind of repository the version is for.
    type: str
    choices: [base, updates, security, proposed, candidate, untested, contrib, holdback, developer]
seealso:
  - plugin: egi.cmd.mos_version
    plugin_type: test
  - plugin: egi.cmd.mos_progression_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what is wrong with a version
  ansible.builtin.debug:
    msg: "{{ '1.2-0~u14.04+mos1' | egi.cmd.mos_version_problems('deb', upstream='1.2-0ubuntu1') }}"
    # => rules revision (expected '0u') and zero-tilde (below 1.2)
"""

RETURN = r"""
_value:
  description: The broken rules; empty if there is none.
  type: list
  elements: dict
  contains:
    rule:
      description: Id of the rule. docs/mos-versions.md has the table.
      type: str
    why:
      description: What was found.
      type: str
"""


@refusing
def mos_version_problems(
    value: str, format: str, upstream: str | None = None, release: str | None = None, kind: str | None = None
) -> list[dict[str, str]]:
    """Return every rule the version breaks."""
    return [problem._asdict() for problem in problems(format, value, Context(upstream, release or "", kind or ""))]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"mos_version_problems": mos_version_problems}
