# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the censuses of many hosts as one fleet."""

from __future__ import annotations

DOCUMENTATION = r"""
name: census_summary
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Make one fleet of many hosts' censuses
description:
  - Takes what M(egi.cmd.census_info) returned for each host and returns the fleet, to be written as JSON.
  - A host without a census is in it all the same, as one that was not seen.
positional: time
options:
  _input:
    description: Host to registered result.
    type: dict
    required: true
  time:
    description: When it is made, C(2026-01-31T12:00:00Z).
    type: str
    required: true
seealso:
  - module: egi.cmd.census_info
  - plugin: egi.cmd.census_lines
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Count what was found
  ansible.builtin.debug:
    msg: "{{ ({'web1.example.org': {'msg': 'no route to host'}} | egi.cmd.census_summary('2026-11-20T13:25:01Z')).summary }}"
"""

RETURN = r"""
_value:
  description:
    - The fleet. C(schema) is 1. C(hosts) has for each host C(seen) and its C(census), or C(why) it was not seen.
    - C(summary) counts hosts by release and snapshot, and lists those that were not seen, drifted, have holds or wait for a reboot.
    - C(problems) says in words what somebody should look at.
    - Its whole shape is published in C(plugins/plugin_utils/fleet.schema.json) of the collection.
  type: dict
"""

import typing as t

from ansible_collections.egi.cmd.plugins.plugin_utils import _census
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing


@refusing
def census_summary(results: t.Any, time: t.Any) -> t.Dict[str, t.Any]:
    """Return the fleet."""
    return _census.fleet(results, str(time))


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"census_summary": census_summary}
