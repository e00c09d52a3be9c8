# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a report of audits as JUnit XML, for pipelines."""

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_junit
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Write a report of audits as JUnit XML
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
- name: Write it where the pipeline reads it
  ansible.builtin.copy:
    content: "{{ lookup('ansible.builtin.file', '/var/log/audit/audit.json') | from_json | egi.cmd.audit_junit(['orphan'], 20) }}"
    dest: /var/log/audit/audit.xml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The XML. It has a suite for each host, a case for each finding and one for the number of divergent packages.
  type: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.plugin_utils import _audit_report
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing


@refusing
def audit_junit(report: t.Any, fail_on: t.Any = (), divergent_max: t.Any = None) -> str:
    """Return the XML."""
    return _audit_report.junit(*_audit_report.asked(report, fail_on, divergent_max))


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"audit_junit": audit_junit}
