#!/usr/bin/python

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module egi.cmd.census_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: census_info
short_description: Tell which release and snapshot a host is on, and what was changed by hand
version_added: 0.1.0
author:
  - egi.cmd contributors (@egi-cmd)
description:
  - Reads what the host is told and what was done to it last. Which release, which snapshot, which files were changed since, what is held,
    the last synchronisation of packages, the last rollout, and the kernel.
  - It takes well below a second, however many packages the repositories have, unless O(drift=all) asks the resolver.
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details: [It never changes anything.]
  diff_mode:
    support: none
    details: [There is nothing to compare.]
  idempotent:
    support: full
options:
  drift:
    description:
      - V(files) compares the files of each repository set with those that were proved and put in place.
      - V(all) also asks the host's own apt or dnf which installed packages of the release are in another version than the release's.
    type: str
    choices: [files, all]
    default: files
  packages:
    description: Packages whose installed versions to tell.
    type: list
    elements: str
    default: []
  ask_mirror:
    description:
      - Ask the mirror of each repository that is not frozen which snapshot it leads to now, by its C(<name>.target.txt).
      - A mirror that wants a login is not asked with one, so it says nothing.
    type: bool
    default: false
seealso:
  - module: egi.cmd.repository_set_info
  - module: egi.cmd.package_sync_info
  - plugin: egi.cmd.census_summary
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Which release is this host on?
  egi.cmd.census_info:
    packages: [cloud-api]
  register: host

- name: Say so
  ansible.builtin.debug:
    msg: "{{ item.release }} at {{ item.snapshots | join(', ') or 'no known snapshot' }}"
  loop: "{{ host.census.sets }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
census:
  description:
    - The census of the host, one JSON object. Its whole shape is published in
      C(plugins/module_utils/_host/census.schema.json) of the collection.
  returned: success
  type: dict
  contains:
    schema:
      description: Always V(1).
      type: int
    time:
      description: When it was taken, UTC.
      type: str
    system:
      description: C(family) (V(apt) or V(dnf)), C(distribution), C(version), C(codename) and C(architecture).
      type: dict
    kernel:
      description:
        - C(running); C(installed), the newest one, null in a container; and C(reboot), why the host waits for one, empty when it does not.
      type: dict
    sets:
      description:
        - The repository sets. C(name), C(release), C(generation), C(snapshots), whether it is C(frozen), its C(repositories), and C(sync),
          what M(egi.cmd.package_sync) did last for it, or null.
      type: list
      elements: dict
    drift:
      description: C(files) that are V(changed), V(missing) or V(added), and C(packages), null unless O(drift=all).
      type: dict
    holds:
      description: What a person told apt or dnf to leave alone, C(package) and C(by).
      type: list
      elements: dict
    rollout:
      description: What the last staged rollout left on the host, or null.
      type: dict
    packages:
      description: Version of each package of O(packages), null for one that is not installed.
      type: dict
    problems:
      description: What could not be found out, and why.
      type: list
      elements: str
  sample:
    schema: 1
    time: "2026-11-20T13:25:01Z"
    system: {family: apt, distribution: ubuntu, version: "22.04", codename: jammy, architecture: x86_64}
    kernel: {running: 5.15.0-91-generic, installed: 5.15.0-91-generic, reboot: ""}
    sets:
      - name: cmd-os-1
        release: cmd-os-1
        generation: 5f0c8a3d2b1e4f67
        frozen: true
        snapshots: [cmd-os-1-20261101T040000Z]
        repositories:
          - name: cmd-os-1-updates
            location: http://mirror.example.org/snapshots/cmd-os-1-20261101T040000Z/apt
            frozen: true
            snapshot: cmd-os-1-20261101T040000Z
        sync: {record: cmd-os-1-2026-11, state: applied, time: "2026-11-20T09:12:44Z", touched: 3, error: null}
    drift: {files: [], packages: null}
    holds: [{package: libcloud, by: apt-mark hold}]
    rollout: null
    packages: {cloud-api: 2.2-1~u22.04+mos1}
    problems: []
"""

import datetime

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._ansible.run import runner
from ansible_collections.egi.cmd.plugins.module_utils._host import census
from ansible_collections.egi.cmd.plugins.module_utils._host.families import host_family


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "drift": {"type": "str", "choices": ["files", "all"], "default": "files"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "ask_mirror": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    with door(module):
        family = host_family()
        if family.name == "dnf":
            respawn_for(module, "dnf", "python3-dnf")
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        wishes = census.Wishes(given["packages"], resolver=given["drift"] == "all", mirror=given["ask_mirror"])
        module.exit_json(changed=False, census=census.taken(family, runner(module), wishes, now))


if __name__ == "__main__":
    main()
