# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the audits of many hosts as one report."""

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_report
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Make one report of many hosts' audits
description:
  - Takes what M(egi.cmd.repository_set_info) returned for each host and returns one report, to be written as JSON.
  - A version that a host's overlay hides is dated with the earliest day known. That is what the host itself has evidence for, or
    the day an earlier report had.
positional: day, previous
options:
  _input:
    description: Host to registered result. A result without an audit, of a host that failed or was unreachable, is reported as such.
    type: dict
    required: true
  day:
    description: The day of the report, C(YYYY-MM-DD).
    type: str
    required: true
  previous:
    description: An earlier report, for the days it knows. Empty for none.
    type: dict
    default: {}
seealso:
  - module: egi.cmd.repository_set_info
  - plugin: egi.cmd.audit_lines
    plugin_type: filter
  - plugin: egi.cmd.audit_junit
    plugin_type: filter
  - plugin: egi.cmd.audit_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Report what was found on a host
  ansible.builtin.debug:
    msg: "{{ {'web1.example.org': {'msg': 'no route to host'}} | egi.cmd.audit_report('2026-11-20') | egi.cmd.audit_lines }}"
"""

RETURN = r"""
_value:
  description:
    - The report. C(schema) is 1, C(day) the day, C(hosts) has for each host C(audited), and when it was, its C(family), C(sets),
      C(summary) and C(packages) as the module returns them; otherwise C(why).
    - The evidence for a day may also be V(earlier_report), or V(this_report) when nothing else is known.
  type: dict
"""

import typing as t

from ansible_collections.egi.cmd.plugins.plugin_utils import _audit_report
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing


@refusing
def audit_report(results: t.Any, day: t.Any, previous: t.Any = None) -> t.Dict[str, t.Any]:
    """Return the report."""
    return _audit_report.report(results, day, previous or {})


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"audit_report": audit_report}
