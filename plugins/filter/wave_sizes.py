# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that gives the size of each wave of a rollout."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import wave_groups

DOCUMENTATION = r"""
name: wave_sizes
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Give the size of each wave of a rollout
description:
  - Count the hosts of the groups that the playbook C(egi.cmd.rollout) made of the waves. As C(serial) of a play
    over P(egi.cmd.wave_hosts#filter) it makes one batch exactly one wave, whatever C(--limit) left of it.
options:
  _input:
    description: The inventory's groups, the variable C(groups).
    type: dict
    required: true
seealso:
  - plugin: egi.cmd.wave_hosts
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Work wave by wave
  hosts: "{{ groups | egi.cmd.wave_hosts }}"
  serial: "{{ groups | egi.cmd.wave_sizes }}"
"""

RETURN = r"""
_value:
  description: Numbers of hosts, the first wave's first.
  type: list
  elements: int
"""


def wave_sizes(groups: t.Mapping[str, t.Sequence[str]]) -> list[int]:
    """Return the number of hosts of each wave group in order."""
    return [len(hosts) for _name, hosts in wave_groups(groups)]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"wave_sizes": wave_sizes}
