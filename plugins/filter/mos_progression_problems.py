# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that checks a package's versions through all releases."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._version import mos_history
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import scheme
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing

DOCUMENTATION = r"""
name: mos_progression_problems
author:
  - egi.cmd contributors
version_added: 0.1.0
short_description: List the downgrades in a package's way through releases
description:
  - Check that a package only goes forward, inside each repository and from each release to every later one.
  - A release's effective version is the highest of base, updates and security.
  - Versions need not be of the MOS scheme.
options:
  _input:
    description:
      - One package's versions in every release of the overlay, the oldest release first.
      - A kind of repository that is left out has no version. A single version need not be a list.
    type: list
    elements: dict
    required: true
    suboptions:
      release:
        description: Number of the release, in quotes.
        type: str
        required: true
      base:
        description: Versions in C(base), in the order they were published.
        type: list
        elements: str
      updates:
        description: Versions in C(updates), in the order they were published.
        type: list
        elements: str
      security:
        description: Versions in C(security), in the order they were published.
        type: list
        elements: str
      proposed:
        description: Versions in C(proposed), in the order they were published.
        type: list
        elements: str
      candidate:
        description: Versions in C(candidate), in the order they were published.
        type: list
        elements: str
      untested:
        description: Versions in C(untested), in the order they were published.
        type: list
        elements: str
      contrib:
        description: Versions in C(contrib), in the order they were published.
        type: list
        elements: str
      holdback:
        description: Versions in C(holdback), in the order they were published.
        type: list
        elements: str
  format:
    description: The family whose scheme and order count.
    type: str
    choices: [deb, rpm]
    required: true
seealso:
  - plugin: egi.cmd.mos_version_next
    plugin_type: filter
  - plugin: egi.cmd.mos_version_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Stop if hosts would go back when they move to the next release
  ansible.builtin.assert:
    that: history | egi.cmd.mos_progression_problems('deb') == []
  vars:
    history:
      - release: "6.1"
        base: 2.1.0-1~u14.04+mos1
        updates: [2.1.0-1~u14.04+mos1+mos6.1+1]
      - release: "7.0"
        base: 2.1.0-1~u14.04+mos1
        updates: [2.1.0-1~u14.04+mos1+mos7.0+1]
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
def mos_progression_problems(value: t.Any, format: str) -> list[dict[str, str]]:
    """Return every rule the history breaks."""
    used = scheme(format)
    return [problem._asdict() for problem in mos_history.problems(used, mos_history.read(used, value))]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"mos_progression_problems": mos_progression_problems}
