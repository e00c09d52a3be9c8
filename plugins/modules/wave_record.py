#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: what became of one host in a staged rollout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wave_record
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Record what became of a host in a staged rollout
description:
  - Adds one line to the record of a rollout, a file on the controller, and returns when it is on the disk.
  - Make it the last act on a host. What is not recorded did not happen, as far as the gate is concerned.
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Every call adds a line.
options:
  record_dir:
    description: Directory of the records on the controller.
    type: path
    required: true
  record:
    description: Name of the rollout, from M(egi.cmd.wave_gate).
    type: str
    required: true
  wave:
    description: Name of the wave.
    type: str
    required: true
  host:
    description: Name of the host in the inventory.
    type: str
    required: true
  status:
    description: What became of it.
    type: str
    choices: [started, passed, failed, unreachable, rolled_back, rollback_failed]
    required: true
  reason:
    description: Why it did not pass. Passwords in URLs are masked.
    type: str
    default: ''
  packages:
    description: What the rollout set on the host, as M(egi.cmd.package_sync) returns it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the package.
        type: str
        required: true
      version:
        description: Installed version.
        type: str
      origin:
        description: The repository it came from.
        type: str
  previous:
    description:
      - Where a roll-back takes the host's repositories, the name of its repository set as C(set) and the generation before
        the rollout as C(generation), null for none.
      - Only the first one recorded for a host counts.
    type: dict
seealso:
  - module: egi.cmd.wave_gate
"""

EXAMPLES = r"""
- name: Record that the host is healthy
  egi.cmd.wave_record:
    record_dir: /srv/rollouts
    record: "{{ admission.record }}"
    wave: early_adopters
    host: "{{ inventory_hostname }}"
    status: passed
    packages: "{{ sync.packages }}"
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The file the line was added to.
  returned: success
  type: str
  sample: /srv/rollouts/cmd-os-1-20261120T132501Z.jsonl
"""

import datetime

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._rollout import steps


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "record_dir": {"type": "path", "required": True},
            "record": {"type": "str", "required": True},
            "wave": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "status": {
                "type": "str", "required": True,
                "choices": ["started", "passed", "failed", "unreachable", "rolled_back", "rollback_failed"],
            },
            "reason": {"type": "str", "default": ""},
            "packages": {
                "type": "list", "elements": "dict", "default": [],
                "options": {"name": {"type": "str", "required": True}, "version": {"type": "str"}, "origin": {"type": "str"}},
            },
            "previous": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    given = module.params
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with door(module):
        path = steps.note(
            given["record_dir"], given["record"], given["wave"], given["host"], given["status"], now, write=not module.check_mode,
            reason=given["reason"], packages=given["packages"], previous=given["previous"],
        )
        module.exit_json(changed=not module.check_mode, path=path)


if __name__ == "__main__":
    main()
