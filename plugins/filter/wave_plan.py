# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that plans a staged rollout."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import plan_of

DOCUMENTATION = r"""
name: wave_plan
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Plan a staged rollout
description:
  - Turn waves and the groups of the inventory into the plan of a rollout, which hosts get the release in which order and
    what opens the gate behind each wave.
  - The same waves and inventory give the same plan in the same order.
  - A host in two waves belongs to the first. A wave without a host of its own is an error, and so is an unknown group.
  - Empty text and null mean "not given" everywhere, as surveys hand over a blank field.
options:
  _input:
    description:
      - The waves, a list of mappings with C(name), C(hosts) (groups, hosts or patterns; the group called like the wave if not
        given), C(percent) of them with C(unit) V(host), V(together) or V(apart), C(min_passed) (all that may not fail),
        C(max_failed) (0), C(max_failed_percent), C(required_checks), C(opt_in) (repository kinds such as V(proposed)),
        C(soak), C(recheck), C(windows), C(slots) and C(approval). The guide C(docs/waves.md) says what each means.
      - Or names of groups, as a list or in one text separated by commas, or the list as JSON.
      - If not given, V(early_adopters,production).
    type: raw
    required: true
  groups:
    description: The inventory's groups, the variable C(groups).
    type: dict
    required: true
  release:
    description: The release, the name or path of a manifest, or a manifest.
    type: raw
    required: true
  packages:
    description: Packages to bring up to date, a list or a comma-separated text; all that the release offers if not given.
    type: raw
  opt_in:
    description: Repository kinds for the waves that do not name their own.
    type: raw
  hostvars:
    description: The variable C(hostvars), where C(rollout_cluster) of a host is read if a wave asks for clusters.
    type: dict
  key:
    description: Key of the hash that chooses a percentage. The name of the release if not given.
    type: str
"""

EXAMPLES = r"""
- name: Plan with the two waves everybody has
  ansible.builtin.set_fact:
    plan: "{{ 'early_adopters,production' | egi.cmd.wave_plan(groups, release='cmd-os-1') }}"

- name: Plan with a gate that forgives one host in production
  ansible.builtin.set_fact:
    plan: "{{ waves | egi.cmd.wave_plan(groups, release='cmd-os-1', packages='cloud-api') }}"
  vars:
    waves:
      - {name: early, hosts: [early_adopters], opt_in: [proposed], soak: 1h}
      - {name: some, hosts: [site_a, site_b], percent: 10, max_failed: 1}
      - {name: rest, hosts: [site_a, site_b], slots: 1, max_failed_percent: 5, approval: true}
"""

RETURN = r"""
_value:
  description:
    - The plan, with the keys C(release), C(packages), C(waves), C(no_release), C(content) (identity of what hosts get) and
      C(digest) (identity of the whole).
  type: dict
"""


def wave_plan(
    waves: t.Any, groups: t.Mapping[str, t.Sequence[str]], release: t.Any, packages: t.Any = None, opt_in: t.Any = None,
    hostvars: t.Any = None, key: t.Any = None,
) -> dict[str, t.Any]:
    """Return the plan as data."""
    try:
        return plan_of(waves, groups, release, packages, opt_in, hostvars, key).as_dict()
    except Failure as failure:
        raise AnsibleFilterError(str(failure)) from None


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"wave_plan": wave_plan}
