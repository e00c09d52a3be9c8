# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that pairs the hosts of a rollout with the group of their wave."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan, members

DOCUMENTATION = r"""
name: wave_members
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Pair the hosts of a rollout with the group of their wave
description:
  - Return, in the order of the plan, the hosts that take part in this run, each with its wave and the group for it,
    ready for M(ansible.builtin.add_host).
options:
  _input:
    description: The plan, as P(egi.cmd.wave_plan#filter) returns it.
    type: dict
    required: true
  hosts:
    description: The hosts of this run, what C(--limit) left of the inventory.
    type: list
    elements: str
    required: true
seealso:
  - plugin: egi.cmd.wave_hosts
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Make a group of each wave
  ansible.builtin.add_host:
    name: "{{ item.host }}"
    groups: ["{{ item.group }}"]
  loop: "{{ plan | egi.cmd.wave_members(ansible_play_hosts_all) }}"
"""

RETURN = r"""
_value:
  description: Mappings with C(host), C(wave) and C(group).
  type: list
  elements: dict
"""


def wave_members(plan: t.Mapping[str, t.Any], hosts: t.Sequence[str]) -> list[dict[str, str]]:
    """Return host, wave and group of each host of this run."""
    return members(Plan.from_dict(plan), hosts)


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"wave_members": wave_members}
