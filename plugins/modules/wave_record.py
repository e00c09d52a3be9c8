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
short_description: Record what became of hosts in a staged rollout
description:
  - Adds a line for each host to the record of a rollout, and returns when they are on the disk.
  - Make it the last act on a host. What is not recorded did not happen, as far as the gate is concerned.
  - One call takes any number of hosts.
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Every call adds lines.
options:
  record_dir:
    description: Directory of the records on the host this runs on.
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
  batch:
    description: The hosts of this run; RV(watch) is about no others.
    type: list
    elements: str
    default: []
  results:
    description: What became of each host.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Name of the host in the inventory.
        type: str
        required: true
      status:
        description:
          - V(healthy) says that every check passed after the change. In a wave with a soak it is recorded as C(soaking) first, and as
            C(passed) when it is still so after that time.
          - V(watched) says the same of a host that has noted itself that it is still watched. It is never recorded as C(passed).
        type: str
        choices: [started, healthy, watched, failed, unreachable, rolled_back, rollback_failed]
        required: true
      reason:
        description: Why it did not pass. Passwords in URLs are masked.
        type: str
        default: ''
      checks:
        description: What its checks said, as M(egi.cmd.rollout_host) returns it.
        type: list
        elements: dict
        default: []
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
      boot:
        description: The host's boot id.
        type: str
        default: ''
seealso:
  - module: egi.cmd.wave_gate
"""

EXAMPLES = r"""
- name: Record that the host is healthy
  egi.cmd.wave_record:
    record_dir: /srv/rollouts
    record: "{{ admission.record }}"
    wave: early_adopters
    results:
      - host: "{{ inventory_hostname }}"
        status: healthy
        packages: "{{ sync.packages }}"
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The file the lines were added to; empty in check mode.
  returned: success
  type: str
  sample: /srv/rollouts/cmd-os-1-20261120T132501Z.jsonl
verdict:
  description: The verdict on the wave with these results, V(pass), V(fail) or V(inconclusive); empty in check mode.
  returned: success
  type: str
  sample: inconclusive
watch:
  description: What is to be watched next, as M(egi.cmd.wave_gate) returns it.
  returned: success
  type: dict
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
            "batch": {"type": "list", "elements": "str", "default": []},
            "results": {
                "type": "list", "elements": "dict", "required": True,
                "options": {
                    "host": {"type": "str", "required": True},
                    "status": {
                        "type": "str", "required": True,
                        "choices": ["started", "healthy", "watched", "failed", "unreachable", "rolled_back", "rollback_failed"],
                    },
                    "reason": {"type": "str", "default": ""},
                    "checks": {"type": "list", "elements": "dict", "default": []},
                    "packages": {
                        "type": "list", "elements": "dict", "default": [],
                        "options": {"name": {"type": "str", "required": True}, "version": {"type": "str"}, "origin": {"type": "str"}},
                    },
                    "previous": {"type": "dict"},
                    "boot": {"type": "str", "default": ""},
                },
            },
        },
        supports_check_mode=True,
    )
    given = module.params
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with door(module):
        if module.check_mode:
            module.exit_json(changed=False, path="", verdict="", watch=steps.NOTHING_TO_WATCH)
        answer = steps.note(given["record_dir"], given["record"], given["wave"], given["results"], given["batch"], now)
        module.exit_json(changed=True, **answer)


if __name__ == "__main__":
    main()
