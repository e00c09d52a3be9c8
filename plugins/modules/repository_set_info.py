#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module egi.cmd.repository_set_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_set_info
short_description: Show which repositories and versions the host's own resolver prefers
version_added: 0.1.0
author:
  - egi.cmd contributors (@egi-cmd)
description:
  - Asks the host's own apt or dnf which repositories it uses, with which priority, and what it would install.
  - The answer comes from the resolver, not from the files, so it shows what pins and settings of others do as well.
options:
  name:
    description:
      - Show the repositories of this set alone.
      - All repositories of the host, those of others included, when left out.
    type: str
  packages:
    description: Packages to ask about.
    type: list
    elements: str
    default: []
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
seealso:
  - module: egi.cmd.repository_set
notes:
  - Uses the metadata the host already has; nothing is fetched.
"""

EXAMPLES = r"""
- name: Which cloud-api would the host install, and from where?
  egi.cmd.repository_set_info:
    packages: [cloud-api]
  register: resolver

- name: Stop if it is not the overlay's
  ansible.builtin.assert:
    that: resolver.packages['cloud-api'].candidate == resolver.packages['cloud-api'].versions[0].version
"""

RETURN = r"""
family:
  description: What the host installs packages with, V(apt) or V(dnf).
  returned: success
  type: str
  sample: apt
sets:
  description: The sets this host has, and the generation that is live.
  returned: success
  type: dict
  sample: {cmd-os-1: 5f0c8a3d2b1e4f67}
repositories:
  description: Repositories the resolver sees, strongest first. An empty apt repository is not among them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name in the set; for a repository of others C(origin/suite) on apt and the repository id on dnf.
      type: str
    set:
      description: The set it belongs to; empty for a repository of others.
      type: str
    priority:
      description: The number the resolver uses. Higher wins on apt, lower on dnf.
      type: int
    location:
      description: Its address.
      type: str
    origin:
      description: Who publishes it, as its metadata says. Empty on dnf.
      type: str
    label:
      description: Its label, as its metadata says. Empty on dnf.
      type: str
    suite:
      description: Its suite, as its metadata says. Empty on dnf.
      type: str
  sample:
    - name: cmd-os-1-updates
      set: cmd-os-1
      priority: 1200
      location: http://repo.example.org/apt
      origin: EGI
      label: CMD-OS
      suite: cmd-os-1-updates
packages:
  description: What the resolver says of each package asked for.
  returned: success
  type: dict
  contains:
    installed:
      description: The installed version, or null.
      type: str
    candidate:
      description: The version an installation or full upgrade would choose, or null.
      type: str
    versions:
      description: Every version the host could have, with origin, repository and priority.
      type: list
      elements: dict
  sample:
    cloud-api:
      installed: null
      candidate: 2.2-1~u22.04+mos1
      versions:
        - version: 2.2-1~u22.04+mos1
          origin: EGI
          repository: cmd-os-1-updates
          priority: 1200
"""

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._ansible.run import runner
from ansible_collections.egi.cmd.plugins.module_utils._failure import masked
from ansible_collections.egi.cmd.plugins.module_utils._host import generations
from ansible_collections.egi.cmd.plugins.module_utils._host.families import host_family
from ansible_collections.egi.cmd.plugins.module_utils._host.family import SourceView


def _shown(source: SourceView) -> t.Dict[str, t.Any]:
    return {**dataclasses.asdict(source), "location": masked(source.location)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"name": {"type": "str"}, "packages": {"type": "list", "elements": "str", "default": []}},
        supports_check_mode=True,
    )
    with door(module):
        family = host_family()
        if family.name == "dnf":
            respawn_for(module, "dnf", "python3-dnf")
        view = family.view(runner(module), module.params["packages"])
        wanted = module.params["name"]
        module.exit_json(
            changed=False,
            family=family.name,
            sets={name: generations.remember(name).generation for name in generations.set_names()},
            repositories=[_shown(source) for source in view.repositories if not wanted or source.set == wanted],
            packages={name: dataclasses.asdict(package) for name, package in view.packages.items()},
        )


if __name__ == "__main__":
    main()
