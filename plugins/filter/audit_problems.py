# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what of a report of audits was asked to fail."""

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_problems
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: List what of a report of audits was asked to fail
description:
  - Judges a report by what is asked to fail. A host that was not audited always fails.
positional: fail_on, divergent_max
options:
  _input:
    description: A report, from P(egi.cmd.audit_report#filter).
    type: dict
    required: true
  fail_on:
    description: Findings that are failures.
    type: list
    elements: str
    choices: [forbidden_downgrade, orphan, drift, masked, masked_security]
    default: []
  divergent_max:
    description: How many divergent packages a host may have installed; more is a failure. Any number when left out.
    type: int
seealso:
  - plugin: egi.cmd.audit_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Stop when a host hides a security fix
  ansible.builtin.assert:
    that: audits | egi.cmd.audit_problems(['masked_security']) | length == 0
  vars:
    audits: "{{ lookup('ansible.builtin.file', '/var/log/audit/audit.json') | from_json }}"
"""

RETURN = r"""
_value:
  description: A line for each problem, with host, finding and package; empty when there is none.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.plugin_utils import _audit_report
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing


@refusing
def audit_problems(report: t.Any, fail_on: t.Any = (), divergent_max: t.Any = None) -> t.List[str]:
    """Return the lines."""
    found = _audit_report.problems(*_audit_report.asked(report, fail_on, divergent_max))
    return [f"{host}: {what}: {text}" for host, what, text in found]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"audit_problems": audit_problems}
