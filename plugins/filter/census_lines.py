# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the census of a fleet, for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: census_lines
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Show the census of a fleet as tables
description:
  - Returns the lines of two tables. The first has every host, the second how many hosts are at which release and snapshot.
  - Below them is one line for each host that was not seen, and for everything else that somebody should look at.
options:
  _input:
    description: A fleet, from P(egi.cmd.census_summary#filter).
    type: dict
    required: true
seealso:
  - plugin: egi.cmd.census_summary
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show yesterday's census
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', '/var/log/census/fleet.json') | from_json | egi.cmd.census_lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.plugin_utils import _census
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing


@refusing
def census_lines(fleet: t.Any) -> t.List[str]:
    """Return the lines."""
    return _census.lines(_census.checked(fleet))


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"census_lines": census_lines}
