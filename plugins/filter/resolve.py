# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a release manifest and a host's facts to the repositories that host gets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: resolve
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Resolve a release manifest for one host
description:
  - Takes a release manifest and the facts of a host, and returns the repositories of that release for that host,
    the strongest band first.
  - The result is what M(egi.cmd.repository_set) and the role P(egi.cmd.cmd_repo#role) take.
  - Repositories that have to be opted in (proposed, candidate, untested, contrib) are part of the result with
    C(opt_in) false, and rank below the operating system.
positional: facts
options:
  _input:
    description: A release manifest, usually from P(egi.cmd.release#lookup).
    type: dict
    required: true
  facts:
    description:
      - The facts of the host, usually C(ansible_facts).
      - Read are C(distribution), C(distribution_version), C(distribution_major_version), C(distribution_release),
        C(architecture) and C(machine), with or without the prefix C(ansible_).
    type: dict
    required: true
  opt_in:
    description: Kinds that take part with the overlay's own band although they are opt-in, for example V(proposed).
    type: list
    elements: str
  snapshot:
    description:
      - Point the host at this frozen snapshot instead of the moving release, for example
        V(cmd-os-1-20261101T040000Z). The content of a C(<release>.target.txt) is understood as well.
      - The manifest has to say where snapshots are.
    type: str
  kinds:
    description: Only these kinds of repository. All that the manifest has when left out.
    type: list
    elements: str
  extra:
    description:
      - The site's own repositories in the same form as the result, each with a O(extra[].band).
      - Their format must be that of the host.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the repository.
        type: str
        required: true
      band:
        description: Where it ranks.
        type: str
        required: true
        choices: [developer, holdback, overlay, distribution, proposed]
  keys:
    description: Signing keys to use instead of those in the manifest. Needed where the manifest says they are unknown.
    type: list
    elements: dict
    suboptions:
      fingerprint:
        description: The full fingerprint, 40 or 64 hexadecimal digits.
        type: str
        required: true
      url:
        description: Where the host fetches the key. Exactly one of this, O(keys[].file) and O(keys[].content).
        type: str
      file:
        description: Path of the key on the host.
        type: str
      content:
        description: The armoured key itself.
        type: str
  holds:
    description:
      - What RV(egi.cmd.holdback_info#module:repository_holds) says, for holds that the holdback repository alone cannot keep on dnf hosts.
      - The builds it names for the host's platform are hidden in each repository of O(extra) whose band is V(distribution).
    type: list
    elements: dict
    suboptions:
      platform:
        description: Platform of the manifest.
        type: str
        required: true
      excludes:
        description: Exact builds, as dnf's C(excludepkgs) takes them.
        type: list
        elements: str
        required: true
  platform:
    description: Take this platform of the manifest instead of finding it by the facts.
    type: str
seealso:
  - plugin: egi.cmd.release
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: See what this host would get from a release
  ansible.builtin.debug:
    msg: "{{ lookup('egi.cmd.release', 'files/site-release.yml') | egi.cmd.resolve(ansible_facts) }}"

- name: Test hosts take part in proposed
  ansible.builtin.set_fact:
    repository_set: "{{ release | egi.cmd.resolve(ansible_facts, opt_in=['proposed']) }}"

- name: Frozen hosts stay on one snapshot
  ansible.builtin.set_fact:
    repository_set: "{{ release | egi.cmd.resolve(ansible_facts, snapshot='site-1-20261101T040000Z') }}"
"""

RETURN = r"""
_value:
  description: The resolved repository set.
  type: dict
  contains:
    release:
      description: Name of the release.
      type: str
    platform:
      description: Id of the platform in the manifest.
      type: str
    format:
      description: V(deb) or V(rpm).
      type: str
    architecture:
      description: The architecture in the family's own word.
      type: str
    repositories:
      description: The repositories, the strongest band first. docs/architecture.md lists the fields.
      type: list
      elements: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._release.resolve import Wishes, resolve
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import checked, refusing


@refusing
def resolve_filter(manifest: t.Any, facts: t.Any, **wishes: t.Any) -> t.Dict[str, t.Any]:
    """Return the resolved repository set; every refusal is an AnsibleFilterError."""
    strange = sorted(set(wishes) - set(Wishes._fields))
    if strange:
        raise AnsibleFilterError(f"egi.cmd.resolve has no argument '{strange[0]}'; it has {', '.join(Wishes._fields)}")
    return resolve(checked(manifest), facts, Wishes(**wishes))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter under its short name."""
        return {"resolve": resolve_filter}
