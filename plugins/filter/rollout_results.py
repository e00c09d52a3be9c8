# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what became of the hosts of a rollout, from what its tasks registered."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.results import results

DOCUMENTATION = r"""
name: rollout_results
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Collect what became of the hosts of a rollout
description:
  - Turn what the tasks of the role P(egi.cmd.rollout#role) registered on hosts into results for M(egi.cmd.wave_record), so that one
    task records all hosts.
  - A host without a result is left out; unreachable, ignored and rescued are never a success.
options:
  _input:
    description: Hosts, as the inventory calls them.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variable C(hostvars).
    type: dict
    required: true
  step:
    description: What the hosts have been through.
    type: str
    choices: [prepared, changed, back]
    required: true
seealso:
  - module: egi.cmd.wave_record
"""

EXAMPLES = r"""
- name: Record what became of the hosts
  egi.cmd.wave_record:
    record_dir: /srv/rollouts
    record: "{{ admission.record }}"
    wave: production
    results: "{{ ansible_play_hosts | egi.cmd.rollout_results(hostvars, 'changed') }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
_value:
  description: Results, each with C(host), C(status) and what else is known.
  type: list
  elements: dict
"""


def rollout_results(hosts: t.Sequence[str], hostvars: t.Any, step: str) -> list[dict[str, t.Any]]:
    """Return the results of hosts."""
    try:
        return results(hosts, hostvars, step)
    except Failure as failure:
        raise AnsibleFilterError(str(failure)) from None


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"rollout_results": rollout_results}
