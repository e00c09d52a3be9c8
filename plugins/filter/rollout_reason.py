# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that says in one line why a task failed."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._rollout.checks import failure_reason

DOCUMENTATION = r"""
name: rollout_reason
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Say in one line why a task failed
description:
  - Turn the result of a failed task into one line for the record of a rollout. Passwords in URLs are masked.
options:
  _input:
    description: The result, in a rescue the variable C(ansible_failed_result).
    type: raw
    required: true
  task:
    description: Name of the task, in a rescue C(ansible_failed_task.name).
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Say why
  ansible.builtin.debug:
    msg: "{{ ansible_failed_result | egi.cmd.rollout_reason(task=ansible_failed_task.name) }}"
"""

RETURN = r"""
_value:
  description: The reason.
  type: str
  sample: "health check 'cloud-api --check' exited 1"
"""


def rollout_reason(result: t.Any, task: str = "") -> str:
    """Return the reason in one line."""
    return failure_reason(result, task)


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"rollout_reason": rollout_reason}
