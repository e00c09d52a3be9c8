#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: where a staged rollout stands."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_info
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Tell where every host of a staged rollout stands, and what to do next
description:
  - Reads the record of a rollout and says where every host and wave stands, who runs it and whether that run is alive, which gate is
    closed and why, what it waits for, and the command that goes on.
  - It reads the record and nothing else, so it works while every host of the rollout is down.
  - The playbook C(egi.cmd.rollout_status) uses it; run it where the records are.
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details: It never changes anything.
  diff_mode:
    support: none
    details: There is nothing to compare.
  idempotent:
    support: full
options:
  record_dir:
    description: Directory of the records.
    type: path
    required: true
  record:
    description: Name of the rollout. The newest one if left out.
    type: str
  run:
    description:
      - What P(egi.cmd.rollout_run#lookup) returns on the machine where rollouts are run from, to tell whether the recorded run is alive.
      - If left out, the machine this module runs on is looked at.
    type: dict
  command:
    description: The words that run the rollout here, from which RV(status.command) is made.
    type: list
    elements: str
    default: [ansible-playbook, egi.cmd.rollout]
seealso:
  - module: egi.cmd.wave_gate
"""

EXAMPLES = r"""
- name: Read where the newest rollout stands
  egi.cmd.rollout_info:
    record_dir: /srv/rollouts
  register: known
  delegate_to: localhost
  run_once: true

- name: Stop when a gate is closed
  ansible.builtin.assert:
    that: not known.status.closed
    fail_msg: "{{ known.lines }}"
"""

RETURN = r"""
records:
  description: Names of all rollouts recorded in the directory, the newest first.
  returned: success
  type: list
  elements: str
  sample: [cmd-os-1-20261120T132501Z]
status:
  description:
    - Where the rollout stands; null when none is recorded. Its whole shape is published in
      C(plugins/module_utils/_rollout/status.schema.json) of the collection.
  returned: success
  type: dict
  contains:
    rollout:
      description: Its name.
      type: str
    state:
      description: V(done), V(rolled_back), V(running), V(unknown), V(interrupted), V(rolling_back) or V(stopped).
      type: str
    run:
      description: Who runs it, and whether that run is C(alive); null when nobody does.
      type: dict
    waves:
      description: Verdict, counts, when each may start, until when it is watched, and who approved it.
      type: list
      elements: dict
    hosts:
      description: Wave, status and reason of each host.
      type: list
      elements: dict
    closed:
      description: The gate that nothing passes now, and why; null when there is none.
      type: dict
    waits:
      description: Why the next wave may not start now, besides a gate.
      type: str
    next:
      description: What to do, in words.
      type: str
    command:
      description: The command to do it with, or nothing.
      type: str
  sample:
    rollout: cmd-os-1-20261120T132501Z
    state: stopped
    closed: {wave: canaries, verdict: inconclusive, reason: "canaries: 1 of 2 healthy, 1 unreachable: ea2; needs 2 of 2"}
lines:
  description: The same for people.
  returned: success
  type: list
  elements: str
"""

import datetime

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._rollout import journal, status


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "record_dir": {"type": "path", "required": True},
            "record": {"type": "str"},
            "run": {"type": "dict"},
            "command": {"type": "list", "elements": "str", "default": ["ansible-playbook", "egi.cmd.rollout"]},
        },
        supports_check_mode=True,
    )
    given = module.params
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with door(module):
        names = journal.names(given["record_dir"])
        wanted = given["record"] or next(iter(names), "")
        if not wanted:
            module.exit_json(changed=False, records=names, status=None, lines=[f"No rollout is recorded in {given['record_dir']}."])
        found = status.status(journal.load(given["record_dir"], wanted), now, given["command"], given["run"])
        module.exit_json(changed=False, records=names, status=found, lines=status.lines(found))


if __name__ == "__main__":
    main()
