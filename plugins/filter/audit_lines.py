# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a report of audits, for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_lines
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Show a report of audits as tables
description:
  - Returns the lines of two tables. The first has every package that is not plainly the operating system's own, the second every
    host with its counts.
options:
  _input:
    description: A report, from P(egi.cmd.audit_report#filter).
    type: dict
    required: true
seealso:
  - plugin: egi.cmd.audit_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show yesterday's report
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', '/var/log/audit/audit.json') | from_json | egi.cmd.audit_lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.plugin_utils import _audit_report
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing


@refusing
def audit_lines(report: t.Any) -> t.List[str]:
    """Return the lines."""
    return _audit_report.lines(_audit_report.checked(report))


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"audit_lines": audit_lines}
