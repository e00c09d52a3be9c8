#!/usr/bin/python

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package_sync_info
short_description: Tell which records a host has, and which of them it can go back to
version_added: 0.1.0
description:
  - Lists the records that M(egi.cmd.package_sync) keeps on the host, with the versions before and after.
  - For each of them says whether the host could go back to it now, by which steps, and if not, which versions no repository offers any
    more or what else stands in the way. The host's own package manager answers; nothing is changed.
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details: It never changes anything but the cached index of the repositories, which it fetches as any package manager does before it answers.
  diff_mode:
    support: none
    details: There is nothing to compare.
  idempotent:
    support: full
requirements:
  - apt 2.0 or later on apt hosts
  - dnf 4 with its Python bindings (python3-dnf) on dnf hosts
options:
  set:
    description: Name of the repository set whose records are listed. It need not be configured any more.
    type: str
    required: true
  record:
    description: Id of the only record to list. Default are all of the set.
    type: str
  whole_host:
    description: Judge going back with O(egi.cmd.package_sync#module:whole_host), instead of the packages the record's runs changed.
    type: bool
    default: false
  timeout:
    description: How many seconds to wait for another package manager to end.
    type: int
    default: 300
seealso:
  - module: egi.cmd.package_sync
author:
  - egi.cmd contributors (@egi-federation)
"""

EXAMPLES = r"""
- name: See where the host can go back to
  egi.cmd.package_sync_info:
    set: cmd-os-1
  register: known

- name: Show what is in the way
  ansible.builtin.debug:
    msg: "{{ item.record }} of {{ item.written }}: {{ item.obstacle or 'can be restored' }}"
  loop: "{{ known.records }}"
  loop_control:
    label: "{{ item.record }}"
"""

RETURN = r"""
records:
  description: The records of the set, the one written last first.
  returned: success
  type: list
  elements: dict
  contains:
    record:
      description: Its id.
      type: str
    state:
      description: V(planned) (interrupted), V(applied), V(failed) or V(restored).
      type: str
    written:
      description: When it was written last, UTC.
      type: str
    error:
      description: Why it failed, V(null) unless RV(records[].state) is V(failed).
      type: str
    touched:
      description: The packages its runs changed or meant to change.
      type: list
      elements: str
    before:
      description: Package to the version the record first saw, V(null) if it was not installed.
      type: dict
    after:
      description: Package to version when it was last verified.
      type: dict
    manifest:
      description: Package to version of the whole host before; V(null) unless O(egi.cmd.package_sync#module:whole_host) was asked for.
      type: dict
    restorable:
      description: Whether the host can go back to it now.
      type: bool
    missing:
      description: Package and version that no enabled repository of the host offers any more.
      type: list
      elements: str
    obstacle:
      description: Why the host cannot go back to it, V(null) if it can.
      type: str
    plan:
      description: The steps of going back, as RV(egi.cmd.package_sync#module:plan). Empty when there is nothing to do, or something in the way.
      type: list
      elements: dict
  sample:
    - record: cmd-os-1-2026-11
      state: applied
      written: "2026-11-20T09:12:44Z"
      error: null
      touched: [cloud-api]
      before: {cloud-api: 2.5-1}
      after: {cloud-api: 2.2-1~mos1}
      manifest: null
      restorable: false
      missing: [cloud-api 2.5-1]
      obstacle: >-
        Failed to go back to record 'cmd-os-1-2026-11': no enabled repository of this host offers cloud-api 2.5-1 any more.
        Configure a repository or snapshot that has it, then run this again; nothing was changed
      plan: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._ansible.run import runner
from ansible_collections.egi.cmd.plugins.module_utils._host import sync_listing
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_host import packages_of


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "set": {"type": "str", "required": True},
            "record": {"type": "str"},
            "whole_host": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    with door(module):
        wanted = module.params
        packages = packages_of(wanted["set"], wanted["timeout"], runner(module), lambda: respawn_for(module, "dnf", "python3-dnf"))
        listing = sync_listing.listed(packages, wanted["set"], wanted["record"], wanted["whole_host"])
    for reason in listing.damaged:
        module.warn(reason)
    module.exit_json(changed=False, records=listing.rows)


if __name__ == "__main__":
    main()
