# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that shows the record of a rollout as a table."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import table
from ansible_collections.egi.cmd.plugins.module_utils._rollout.record import fold

DOCUMENTATION = r"""
name: rollout_table
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Show the record of a rollout as a table
description:
  - Turn the text of a record into the lines of a table with host, wave, release, package, version, origin and verdict.
options:
  _input:
    description: The text of the record, the content of its C(.jsonl) file.
    type: str
    required: true
  columns:
    description: The columns to show, in this order.
    type: list
    elements: str
    choices: [host, wave, release, package, version, origin, verdict]
    default: [host, wave, release, package, version, origin, verdict]
"""

EXAMPLES = r"""
- name: Show a rollout
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', '.rollout/cmd-os-1-20261120T132501Z.jsonl') | egi.cmd.rollout_table }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, the first one the heading; none for a record that was never opened.
  type: list
  elements: str
"""


def rollout_table(text: str, columns: t.Sequence[str] = table.RESULT_COLUMNS) -> list[str]:
    """Return the lines of the table."""
    unknown = sorted(set(columns) - set(table.RESULT_COLUMNS))
    if unknown:
        raise AnsibleFilterError(f"unknown column {unknown[0]!r}. Use some of {', '.join(table.RESULT_COLUMNS)}.")
    try:
        rollout = fold(str(text), "(text)")
    except Failure as failure:
        raise AnsibleFilterError(str(failure)) from None
    return table.lines(table.result_rows(rollout), columns) if rollout else []


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"rollout_table": rollout_table}
