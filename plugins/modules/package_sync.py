#!/usr/bin/python

# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package_sync
short_description: Bring packages to a release, or back to what a record found
version_added: 0.1.0
description:
  - Installs, upgrades or downgrades exactly the packages asked for, to the version the host's own resolver chooses.
    A downgrade is made when the repository set's candidate is lower than what is installed, which plain
    C(apt-get -y upgrade) refuses and C(dnf upgrade) never does.
  - Required dependencies may be installed or upgraded. Nothing else changes; a solution that would remove or downgrade
    any other package is refused, and the message names it.
  - The versions before and after are kept in a record on the host. O(state=restored) goes back to the versions before.
    M(egi.cmd.package_sync_info) lists the records and says which of them the host can go back to.
  - A plan that somebody looked at in check mode can be given back with O(plan), and is applied exactly or not at all.
  - A call that was killed can be repeated, in either direction.
  - The same call works on apt and on dnf hosts.
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details: Fetches the index of the repositories, as any package manager does before it answers, and changes nothing else.
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - apt 2.0 or later on apt hosts
  - dnf 4 with its Python bindings (python3-dnf) on dnf hosts
options:
  set:
    description:
      - Name of the repository set on the host, as given to M(egi.cmd.repository_set).
    type: str
    required: true
  packages:
    description:
      - Names of the packages, as apt or dnf spell them. A name covers every installed architecture of the package.
      - V(*) stands for every installed package whose candidate comes from the repository set.
        Packages that the host's administrator holds are then left alone and listed in RV(held).
      - A named package comes to its candidate wherever that is from; RV(packages[].origin) says where.
      - Without meaning for O(state=restored), which takes the packages from the record.
    type: list
    elements: str
    default: ['*']
  state:
    description:
      - V(latest) brings the packages to the resolver's candidates and keeps the record.
      - V(restored) brings every package that the record's runs changed back to the version the record found. Packages that
        came with it are removed; their configuration files and data stay, as with C(apt-get remove).
      - V(restored) works whatever the priorities say, and without the repository set if another repository offers the versions.
        Before it touches anything it says which versions are no longer offered by any repository.
      - Any record can be restored, not only the last one. Restoring a record again changes nothing as long as its packages are as
        it found them; a record that does not exist on the host changes nothing either.
      - After V(restored), the next V(latest) with the same id begins a new record.
    type: str
    choices: [latest, restored]
    default: latest
  record:
    description:
      - Id of the record, letters, digits, dots, underscores and hyphens. Use one id for one rollout.
      - Runs with the same id add to one record. What it first saw of a package is kept, so an interrupted or repeated run
        can still be restored as a whole.
    type: str
    required: true
  plan:
    description:
      - RV(plan) of an earlier call in check mode. Exactly its steps are made, also if the repositories offer newer versions by now.
      - When the host has changed so that a step does not fit, when a version is offered no longer or by another repository, or when the package
        manager would do more or less, the call fails naming every difference, and nothing is touched.
      - Steps that were made already count as done, so a call that was cut short can be repeated.
      - For O(state=latest), O(packages) is then without meaning. For O(state=restored), the plan must be the way back to the record.
    type: list
    elements: dict
    suboptions:
      package:
        description: As in RV(plan[].package).
        type: str
        required: true
      action:
        description: As in RV(plan[].action).
        type: str
        choices: [install, upgrade, downgrade, remove]
        required: true
      from:
        description: As in RV(plan[].from).
        type: str
      to:
        description: As in RV(plan[].to).
        type: str
      origin:
        description: As in RV(plan[].origin).
        type: str
      dependency:
        description: As in RV(plan[].dependency).
        type: bool
        default: false
  whole_host:
    description:
      - With O(state=latest), the record also keeps the version of every package on the host, as the first call with it found them,
        even if nothing has to change.
      - With O(state=restored), every package of the host goes back to what the record found, also what somebody else installed,
        changed or removed since. Packages that are not in the record are removed.
      - Packages kept in several versions side by side on dnf hosts (kernels) are left out.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds to wait for another package manager, or another call of this module, to end.
    type: int
    default: 300
notes:
  - Weak dependencies (Recommends) are not installed, on both families.
  - Configuration files that were changed on the host are kept when a package brings a new version of them.
  - On dnf hosts, packages of which several versions are kept side by side (kernels, C(installonlypkgs)) are not synchronised.
  - A key that a repository's C(gpgkey) names is imported like C(dnf -y) does; nothing unsigned is installed where
    C(gpgcheck) is on.
seealso:
  - module: egi.cmd.package_sync_info
  - module: egi.cmd.repository_set
author:
  - egi.cmd contributors (@egi-federation)
"""

EXAMPLES = r"""
- name: Bring everything the host has of the release to its current versions
  egi.cmd.package_sync:
    set: cmd-os-1
    record: cmd-os-1-2026-11

- name: Bring two packages, whether or not they are installed
  egi.cmd.package_sync:
    set: cmd-os-1
    packages:
      - cloud-api
      - cloud-client
    record: cmd-os-1-2026-11

- name: See what would be done
  egi.cmd.package_sync:
    set: cmd-os-1
    record: cmd-os-1-2026-11
  check_mode: true
  register: foreseen

- name: Do exactly that, days later
  egi.cmd.package_sync:
    set: cmd-os-1
    record: cmd-os-1-2026-11
    plan: "{{ foreseen.plan }}"

- name: Go back to what was there before
  egi.cmd.package_sync:
    set: cmd-os-1
    state: restored
    record: cmd-os-1-2026-11
"""

RETURN = r"""
record:
  description: Id of the record.
  returned: always
  type: str
  sample: cmd-os-1-2026-11
record_state:
  description:
    - V(planned) (interrupted), V(applied), V(failed) or V(restored); in check mode what it would become.
      V(null) when there is no record, because nothing ever had to change and O(whole_host) was not asked for.
  returned: always
  type: str
  sample: applied
plan:
  description: Every change this call made, or in check mode would make.
  returned: always
  type: list
  elements: dict
  contains:
    package:
      description: Name; of a foreign architecture C(name:architecture) on apt and C(name.architecture) on dnf.
      type: str
    action:
      description: V(install), V(upgrade), V(downgrade) or V(remove).
      type: str
    from:
      description: Version before, V(null) if it was not installed.
      type: str
    to:
      description: Version after, V(null) if it is removed.
      type: str
    origin:
      description: Name of the set's repository that the version comes from; else C(Origin/suite) on apt, the repository's id on dnf.
      type: str
    dependency:
      description: Whether nobody asked for it, and it only comes because another package needs it.
      type: bool
  sample:
    - {package: cloud-api, action: downgrade, from: 2.5-1, to: 2.2-1~mos1, origin: cmd-os-1-updates, dependency: false}
before:
  description: Package to the version the record first saw, V(null) if it was not installed.
  returned: always
  type: dict
  sample: {cloud-api: 2.5-1}
after:
  description: Package to its version after this call.
  returned: always
  type: dict
  sample: {cloud-api: 2.2-1~mos1}
packages:
  description: The packages concerned that are installed after this call.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name, as in RV(plan[].package).
      type: str
    version:
      description: Installed version.
      type: str
    origin:
      description: As in RV(plan[].origin); V(null) when no configured repository offers this version.
      type: str
  sample:
    - {name: cloud-api, version: 2.2-1~mos1, origin: cmd-os-1-updates}
held:
  description: Package to the reason why it was left alone although V(*) covers it.
  returned: always
  type: dict
  sample: {cloud-client: apt-mark hold}
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._ansible.run import runner
from ansible_collections.egi.cmd.plugins.module_utils._host import sync, sync_given, sync_plan, transaction
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_host import packages_of


def synchronise(module: AnsibleModule) -> sync.Outcome:
    """Do what the parameters say. Raises Failure."""
    set_name, record, timeout = module.params["set"], module.params["record"], module.params["timeout"]
    packages = packages_of(set_name, timeout, runner(module), lambda: respawn_for(module, "dnf", "python3-dnf"))
    plan = None if module.params["plan"] is None else sync_given.read(module.params["plan"])
    whole_host = module.params["whole_host"]
    with contextlib.nullcontext() if module.check_mode else transaction.only_one(timeout, f"synchronise packages with set '{set_name}'"):
        if module.params["state"] == "restored":
            return sync.to_restored(packages, record, set_name, module.check_mode, plan=plan, whole_host=whole_host)
        return sync.to_latest(packages, record, set_name, module.params["packages"], module.check_mode, plan=plan, whole_host=whole_host)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "set": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "str", "default": ["*"]},
            "state": {"type": "str", "choices": ["latest", "restored"], "default": "latest"},
            "record": {"type": "str", "required": True},
            "plan": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "package": {"type": "str", "required": True},
                    "action": {"type": "str", "choices": ["install", "upgrade", "downgrade", "remove"], "required": True},
                    "from": {"type": "str"},
                    "to": {"type": "str"},
                    "origin": {"type": "str"},
                    "dependency": {"type": "bool", "default": False},
                },
            },
            "whole_host": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    with door(module, record=module.params["record"]):
        outcome = synchronise(module)
    for warning in outcome.warnings:
        module.warn(warning)
    result = {
        "changed": outcome.changed,
        "record": module.params["record"],
        "record_state": outcome.record_state,
        "plan": [step.as_result() for step in outcome.steps],
        "before": outcome.before,
        "after": outcome.after,
        "packages": outcome.packages,
        "held": outcome.held,
    }
    if module._diff:
        result["diff"] = {
            "before_header": "installed packages",
            "after_header": "installed packages",
            "before": sync_plan.table({step.package: step.before for step in outcome.steps}),
            "after": sync_plan.table({step.package: step.after for step in outcome.steps}),
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
