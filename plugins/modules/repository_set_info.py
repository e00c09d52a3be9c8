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
  audit:
    description:
      - Judge every installed package, and O(packages), against the release, in the same call.
      - V(findings) returns what is not plainly the operating system's own, or has a finding; V(all) returns every package.
      - Nothing is judged when left out.
    type: str
    choices: [findings, all]
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
  - plugin: egi.cmd.audit_report
    plugin_type: filter
notes:
  - Uses the metadata the host already has. dnf itself fetches what it counts as out of date.
"""

EXAMPLES = r"""
- name: Which cloud-api would the host install, and from where?
  egi.cmd.repository_set_info:
    packages: [cloud-api]
  register: resolver

- name: Stop if it is not the overlay's
  ansible.builtin.assert:
    that: resolver.packages['cloud-api'].candidate == resolver.packages['cloud-api'].versions[0].version

- name: What does this host have that is not the operating system's own, and which security fixes does that hide?
  egi.cmd.repository_set_info:
    audit: findings
  register: judged
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
audit:
  description: What the installed packages are to the release.
  returned: success, when O(audit) is given
  type: dict
  contains:
    summary:
      description:
        - Counts of the host. C(categories) and C(divergent) count what is installed, C(findings) every package that was judged.
        - C(oldest_masked_security_days) is the age of the oldest security fix that is hidden, or null.
      type: dict
    packages:
      description: The packages, by name.
      type: list
      elements: dict
      contains:
        name:
          description: The package; a foreign architecture is part of the name.
          type: str
        installed:
          description: The installed version, or null.
          type: str
        candidate:
          description: The version the resolver would choose; on dnf that of C(dnf distro-sync).
          type: str
        category:
          description:
            - V(upstream) is the operating system's, or another repository's that is in no set.
            - V(specific) is the release's, and nobody else has it.
            - V(upgraded), V(holdback) and V(forbidden_downgrade) are the release's instead of the base's.
              V(forbidden_downgrade) has older software than the base and is not in holdback.
            - V(orphan) is installed, offered by nobody, and nothing is going to replace it.
          type: str
        repository:
          description: The repository of the candidate.
          type: str
        origin:
          description: Who publishes it, as its metadata says. Empty on dnf.
          type: str
        priority:
          description: The priority of that repository, or null.
          type: int
        held:
          description: Why the host must keep what it has; empty when it is free.
          type: str
        release:
          description: The version that the release has, or null.
          type: str
        drift:
          description: V(older) or V(newer) when the installed version is not the release's.
          type: str
        masked:
          description:
            - Versions of the base, newer than what the host keeps, that an overlay, a hold or a setting hides.
            - C(since) is a day on which it was there already, C(evidence) says whose day it is. V(release_file) is the C(Date) of the
              suite's Release file, V(advisory) the date of dnf's security advisory, V(repository) the date of an rpm repository.
          type: list
          elements: dict
        findings:
          description: Any of V(forbidden_downgrade), V(orphan), V(drift), V(masked) and V(masked_security).
          type: list
          elements: str
  sample:
    summary:
      installed: 412
      categories: {upstream: 408, specific: 1, upgraded: 1, holdback: 1, forbidden_downgrade: 0, orphan: 1}
      divergent: 2
      findings: {forbidden_downgrade: 0, orphan: 1, drift: 0, masked: 1, masked_security: 1}
      oldest_masked_security_days: 12
    packages:
      - name: libcloud
        installed: 0.9-1
        candidate: 0.9-1
        category: holdback
        repository: cmd-os-1-holdback
        origin: EGI
        priority: 1300
        held: ""
        release: 0.9-1
        drift: ""
        masked:
          - version: 1.0-1
            repository: Example OS/base-security
            suite: base-security
            security: true
            by: cmd-os-1-holdback
            since: "2026-11-08"
            evidence: release_file
            age_days: 12
        findings: [masked, masked_security]
"""

import dataclasses
import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._ansible.run import runner
from ansible_collections.egi.cmd.plugins.module_utils._failure import masked
from ansible_collections.egi.cmd.plugins.module_utils._host import audit, generations, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.families import host_family
from ansible_collections.egi.cmd.plugins.module_utils._host.family import SourceView, Survey


def _shown(source: SourceView) -> t.Dict[str, t.Any]:
    return {**dataclasses.asdict(source), "location": masked(source.location)}


def _audited(survey: Survey, family: str, only_findings: bool) -> t.Dict[str, t.Any]:
    today = datetime.datetime.now(datetime.timezone.utc).date()
    judged = audit.audit(survey.packages, lambda one, other: policy.stronger(family, one, other), survey.dated, today)
    shown = [one for one in judged if not only_findings or one.findings or one.category != "upstream"]
    return {"summary": audit.summary(judged), "packages": [dataclasses.asdict(one) for one in shown]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "audit": {"type": "str", "choices": ["findings", "all"]},
        },
        supports_check_mode=True,
    )
    with door(module):
        family = host_family()
        if family.name == "dnf":
            respawn_for(module, "dnf", "python3-dnf")
        run, asked, wanted = runner(module), module.params["packages"], module.params["name"]
        survey = family.survey(run, asked) if module.params["audit"] else None
        view = survey.view if survey else family.view(run, asked)
        module.exit_json(
            changed=False,
            family=family.name,
            sets={name: generations.remember(name).generation for name in generations.set_names()},
            repositories=[_shown(source) for source in view.repositories if not wanted or source.set == wanted],
            packages={name: dataclasses.asdict(package) for name, package in view.packages.items()},
            **({"audit": _audited(survey, family.name, module.params["audit"] == "findings")} if survey else {}),
        )


if __name__ == "__main__":
    main()
