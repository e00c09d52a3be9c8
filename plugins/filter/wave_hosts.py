# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that lists the hosts of a rollout wave by wave."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import wave_groups

DOCUMENTATION = r"""
name: wave_hosts
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: List the hosts of a rollout, wave by wave
description:
  - Read the groups that the playbook C(egi.cmd.rollout) made of the waves, C(rollout_wave_001) and so on, and
    return their hosts in order, for C(hosts) of a play whose C(serial) is from P(egi.cmd.wave_sizes#filter).
options:
  _input:
    description: The inventory's groups, the variable C(groups).
    type: dict
    required: true
seealso:
  - plugin: egi.cmd.wave_sizes
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Work wave by wave
  hosts: "{{ groups | egi.cmd.wave_hosts }}"
  serial: "{{ groups | egi.cmd.wave_sizes }}"
"""

RETURN = r"""
_value:
  description: Host names, the first wave's first.
  type: list
  elements: str
"""


def wave_hosts(groups: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """Return the hosts of all wave groups in order."""
    return [str(host) for _name, hosts in wave_groups(groups) for host in hosts]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"wave_hosts": wave_hosts}
