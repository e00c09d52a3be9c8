# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that completes the checks of a rollout."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.checks import checks_of

DOCUMENTATION = r"""
name: rollout_checks
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Complete the health checks of a rollout
description:
  - Turn health checks as a site writes them into mappings with all keys. A check that cannot be read is an error that
    says which one.
options:
  _input:
    description:
      - A list of commands, or of mappings with one of C(command), C(url), C(port), C(service), C(tasks) (a file of tasks on
        the controller).
      - Further keys are C(name), C(rc) (expected from a command, 0), C(status) (expected from a URL, 200), C(contains) (a text
        that the URL's answer must have), C(retries) (0), C(delay) (5) and C(timeout) (30), the last two in seconds.
      - C(compare) judges a check by what it said before the change, V(result) (it may not be worse) or V(number) (the first number
        it prints may differ by C(tolerance), a number or a percentage, 10%).
      - Commands in one text, one a line, or the list as JSON; empty text or null for none.
    type: raw
    required: true
  before:
    description: Whether these run before the change only. Then none may be C(tasks) or have C(compare).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the checks in full
  ansible.builtin.debug:
    msg: "{{ ['cloud-api --check', {'port': 8774, 'retries': 5}] | egi.cmd.rollout_checks }}"
"""

RETURN = r"""
_value:
  description: The checks, each with C(kind) and all keys.
  type: list
  elements: dict
"""


def rollout_checks(checks: t.Any, before: bool = False) -> list[dict[str, t.Any]]:
    """Return the checks with all keys."""
    try:
        return [{**check, "tasks": _found(check["tasks"])} if check["kind"] == "tasks" else check for check in checks_of(checks, before)]
    except Failure as failure:
        raise AnsibleFilterError(str(failure)) from None


def _found(path: str) -> str:
    """Return the path of a file of tasks from the root: a playbook of a collection would look for it in the collection."""
    found = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(found):
        raise Failure(f"read health check '{path}'", f"there is no file {found}", "Write its path as seen from where you run the command")
    return found


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"rollout_checks": rollout_checks}
