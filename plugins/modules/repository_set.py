#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module egi.cmd.repository_set."""

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_set
short_description: Configure a set of package repositories on an apt or dnf host, proved before it goes live
version_added: 0.1.0
author:
  - egi.cmd contributors (@egi-cmd)
description:
  - Writes sources, keys and priorities of a whole set of repositories in one call, on apt and dnf hosts alike.
  - Before anything changes, the host's own apt or dnf fetches and verifies the new set in an isolated root, with all
    of the host's other repositories and settings in view. Only if signatures, dates, names and the resulting
    priorities are as intended, files, keys and the metadata that was fetched go live together.
  - Any failure leaves the host byte for byte as it was, and names the repository, URL or key that caused it.
  - Priorities follow from the kind of each repository. Developer repositories are above holdback, holdback is above
    the overlay, the overlay is above the operating system, and the operating system is above what is only proposed.
options:
  name:
    description:
      - Name of the set. It becomes part of file names.
      - Lower-case letters, digits, dots and hyphens.
    type: str
    required: true
  state:
    description:
      - V(present) makes the set exactly O(repositories).
      - V(absent) removes every trace of the set.
      - V(reverted) restores the files of an earlier generation of this host, offline and without a proof.
    type: str
    choices: [present, absent, reverted]
    default: present
  generation:
    description:
      - The generation to restore, as RV(previous_generation) of an earlier call said.
      - Leave it out to go back to the time before the set existed. This is the same as O(state=absent).
      - Only used with O(state=reverted).
    type: str
  timeout:
    description:
      - Seconds that the proof may take in all, and that a key may take to arrive.
      - A single server that does not answer is named after about a fifth of this time per attempt.
    type: int
    default: 120
  repositories:
    description:
      - The repositories of the set, as the P(egi.cmd.resolve#filter) filter returns them.
      - Required with O(state=present).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the repository. Lower-case letters, digits and hyphens.
        type: str
        required: true
      kind:
        description: What the repository holds. Its band of precedence follows from it.
        type: str
        choices: [developer, holdback, base, updates, security, proposed, candidate, untested, contrib]
      band:
        description:
          - Band of precedence of an extra repository that has no O(repositories[].kind), strongest first.
          - Wins over the band of O(repositories[].kind).
        type: str
        choices: [developer, holdback, overlay, distribution, proposed]
      description:
        description: One line for people. The name by default.
        type: str
      uris:
        description:
          - Addresses of the archive, C(http), C(https) or C(file). On apt hosts only, and required there.
          - User and password in it are moved to a file that only root may read.
        type: list
        elements: str
        default: []
      suite:
        description: The directory below C(dists/), and the Suite of its Release file. On apt hosts only, and required there.
        type: str
      components:
        description: Components of the suite. On apt hosts only, and required there.
        type: list
        elements: str
        default: []
      origin:
        description: Origin of the Release file. On apt hosts this or O(repositories[].label) is required.
        type: str
      label:
        description: Label of the Release file.
        type: str
      baseurl:
        description:
          - Addresses of the repository, C(http), C(https) or C(file). On dnf hosts only, and required there.
          - User and password in it are moved to a file that only root may read.
        type: list
        elements: str
        default: []
      signed_metadata:
        description: Whether C(repomd.xml.asc) exists and is demanded. Packages are always verified. On dnf hosts only.
        type: bool
        default: true
      keys:
        description:
          - The OpenPGP certificates that may sign this repository, and no other repository.
          - Give exactly one of V(content), V(url) and V(file) in each entry.
        type: list
        elements: dict
        required: true
        suboptions:
          fingerprint:
            description: Full fingerprint of the primary key. Required with V(url); verified wherever it is given.
            type: str
          content:
            description: The certificate itself, ASCII-armored.
            type: str
          url:
            description:
              - Where the certificate is. Fetched with the repository's own proxy and certificates.
              - Not fetched when the host has the certificate with this fingerprint already.
            type: str
          file:
            description: Path of the certificate on the managed host.
            type: path
      enabled:
        description: Whether the repository takes part in resolution.
        type: bool
        default: true
      opt_in:
        description:
          - Lifts a proposed, candidate, untested or contrib repository into the overlay's band.
          - Without it apt takes its packages only when they are asked for, and dnf leaves the repository disabled.
        type: bool
        default: false
      priority:
        description: A number of your own, if it keeps the order between the bands. Higher wins on apt, lower on dnf.
        type: int
      architectures:
        description: Architectures to use. All of the host by default. On apt hosts only.
        type: list
        elements: str
        default: []
      proxy:
        description: Proxy of this repository, C(http) or C(https).
        type: str
      client_certificate:
        description: TLS client certificate, a path on the host.
        type: path
      client_key:
        description: Key of O(repositories[].client_certificate), a path on the host.
        type: path
      ca_certificate:
        description: Certificates that may sign the server's, a path on the host.
        type: path
      excludes:
        description: Packages this repository must never give, names or globs. On dnf hosts only.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is fetched and nothing is proved. A key that only a URL has is shown by its fingerprint.
  diff_mode:
    support: full
    details:
      - Keys are shown by fingerprint. What only root may read is not shown.
  idempotent:
    support: full
    details:
      - A run that finds every file as it must be starts no program and asks no server. Nothing must be proved again.
seealso:
  - module: egi.cmd.repository_set_info
  - module: egi.cmd.package_sync
  - module: ansible.builtin.deb822_repository
    description: For a single apt repository without priority and without a proof.
  - module: ansible.builtin.yum_repository
    description: For a single dnf repository without a proof.
notes:
  - Needs root, Python 3.8 or later, and the host's own apt or dnf. No gpg is needed.
  - A run that was killed is undone or finished by the next one. See RV(healed).
  - Repositories that another file of the host already configures are refused, and so is a setting of the host that
    would change the order, such as a pin or C(APT::Default-Release).
"""

EXAMPLES = r"""
- name: Point the host at CMD-OS 1
  egi.cmd.repository_set:
    name: cmd-os-1
    repositories: "{{ (lookup('egi.cmd.release', 'cmd-os-1') | egi.cmd.resolve(ansible_facts)).repositories }}"

- name: One repository of a site, above everything else
  egi.cmd.repository_set:
    name: review-4711
    repositories:
      - name: review-4711
        kind: developer
        uris: [https://review.example.org/4711/apt]
        suite: review-4711
        components: [main]
        origin: Example
        keys:
          - fingerprint: 0123456789ABCDEF0123456789ABCDEF01234567
            url: https://review.example.org/key.asc

- name: Remove every trace of it
  egi.cmd.repository_set:
    name: review-4711
    state: absent
"""

RETURN = r"""
name:
  description: The set.
  returned: success
  type: str
  sample: cmd-os-1
family:
  description: What the host installs packages with, V(apt) or V(dnf).
  returned: success
  type: str
  sample: apt
generation:
  description:
    - Names the configuration that is live now; the same configuration has the same name everywhere.
    - Null when the set is absent, and in check mode when a key still has to be fetched.
  returned: success
  type: str
  sample: 5f0c8a3d2b1e4f67
previous_generation:
  description: What was live before this call; null when the set was absent. Give it to O(state=reverted) to go back.
  returned: success
  type: str
  sample: 9a2b7c1d0e3f4a58
files:
  description: Files of the set that are on the host now.
  returned: success
  type: list
  elements: str
  sample: [/etc/apt/preferences.d/egi-cmd-cmd-os-1.pref, /etc/apt/sources.list.d/egi-cmd-cmd-os-1.sources]
priorities:
  description: Priority of each repository.
  returned: success
  type: dict
  sample: {cmd-os-1-updates: 1200, cmd-os-1-holdback: 1300}
proved:
  description: Whether this call proved a new configuration. False when nothing had to change.
  returned: success
  type: bool
  sample: true
healed:
  description: Whether this call undid or finished an earlier one that had been cut short; in check mode, whether it would.
  returned: success
  type: bool
  sample: false
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._ansible.run import runner
from ansible_collections.egi.cmd.plugins.module_utils._host import change, generations, repository, transaction
from ansible_collections.egi.cmd.plugins.module_utils._host.families import host_family
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Family


def _wanted(module: AnsibleModule, family: Family, online: bool) -> t.Tuple[change.Change, t.List[repository.Repository]]:
    """Return what would change, and the repositories a proof is about. online: keys may be fetched."""
    name, timeout = module.params["name"], module.params["timeout"]
    if module.params["state"] == "present":
        repositories = repository.parse(module.params["repositories"], family.name, name)
        return change.present(family, name, repositories, online, timeout), repositories
    repository.check_set_name(name)
    if module.params["state"] == "reverted" and module.params["generation"]:
        return change.reverted(family, name, module.params["generation"]), []
    return change.absent(family, name), []


def _prove_and_apply(module: AnsibleModule, wanted: change.Change, repositories: t.Sequence[repository.Repository]) -> None:
    if not repositories:
        change.apply(wanted, None, runner(module))
        return
    scratch, timeout = generations.scratch(wanted.set_name), module.params["timeout"]
    try:
        proof = change.prove(wanted, repositories, scratch, runner(module), timeout)
        change.apply(wanted, proof, runner(module), timeout)
    finally:
        change.clean(scratch)


def _run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    family = host_family()
    interrupted = bool(transaction.unfinished(generations.BASE))
    foreseen, repositories = _wanted(module, family, online=False)
    if module.check_mode or not (foreseen.changed or interrupted):
        return _result(foreseen, False, interrupted)
    if family.name == "dnf":
        # Before the lock is taken: a module that is started again would wait for itself.
        respawn_for(module, "dnf", "python3-dnf")
    with transaction.only_one(module.params["timeout"]):
        healed = transaction.heal(generations.BASE)
        wanted, repositories = _wanted(module, family, online=True)
        result = _result(wanted, wanted.changed and bool(repositories), healed)
        if wanted.changed:
            _prove_and_apply(module, wanted, repositories)
    return result


def _result(wanted: change.Change, proved: bool, healed: bool) -> t.Dict[str, t.Any]:
    generation = wanted.wanted
    return {
        "changed": wanted.changed or healed,
        "name": wanted.set_name,
        "family": wanted.family.name,
        "generation": generation.id if generation and all(file.content for file in generation.files.values()) else None,
        "previous_generation": wanted.memory.generation,
        "files": sorted(generation.files) if generation else [],
        "priorities": generation.priorities if generation else {},
        "proved": proved,
        "healed": healed,
        "diff": wanted.diff(),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "reverted"], "default": "present"},
            "generation": {"type": "str"},
            "timeout": {"type": "int", "default": 120},
            "repositories": {"type": "list", "elements": "dict", "options": repository.REPOSITORY_OPTIONS},
        },
        required_if=[("state", "present", ["repositories"])],
        supports_check_mode=True,
    )
    module.no_log_values.update(repository.secrets_in(module.params["repositories"] or []))
    # apt reads the proof's files as an unprivileged user; modes of lasting files are set one by one.
    os.umask(0o022)
    with door(module):
        module.exit_json(**_run(module))


if __name__ == "__main__":
    main()
