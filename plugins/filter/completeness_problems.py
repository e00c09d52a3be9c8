# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what keeps a release from being complete."""

from __future__ import annotations

DOCUMENTATION = r"""
name: completeness_problems
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: List what keeps a release from being complete
description:
  - Takes a list of products and says what is missing before a release is complete. An empty list means it is.
  - Every product the release takes (P(egi.cmd.route#filter)) has to exist on each platform of C(platforms_required) at
    the same version, or needs a written waiver for that platform.
positional: release, day
options:
  _input:
    description: The products.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the product.
        type: str
        required: true
      tags:
        description: What it belongs to, for example V(openstack), V(opennebula), V(common) or V(grid).
        type: list
        elements: str
        required: true
      versions:
        description: Version of the product on each platform, by the platform's id in the manifest. Versions need quotes.
        type: dict
  release:
    description: The release manifest. It has to state C(product_tags) and C(platforms_required).
    type: dict
    required: true
  day:
    description: The day to answer for, C(YYYY-MM-DD) in UTC or in whatever time zone the release is run in.
    type: str
    required: true
  waivers:
    description: Permissions to leave a product missing, or at another version, on one platform.
    type: list
    elements: dict
    default: []
    suboptions:
      product:
        description: Name of the product.
        type: str
        required: true
      platform:
        description: Id of the platform.
        type: str
        required: true
      reason:
        description: Why.
        type: str
        required: true
      by:
        description: Who permits it.
        type: str
        required: true
      until:
        description: Last day of the permission, C(YYYY-MM-DD).
        type: str
        required: true
seealso:
  - plugin: egi.cmd.route
    plugin_type: filter
"""

EXAMPLES = r"""
- name: A release is composed only when it is complete
  ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | map(attribute='text') | join('; ') }}"
  vars:
    problems: "{{ products | egi.cmd.completeness_problems(lookup('egi.cmd.release', 'cmd-os-1'), '2017-02-01', waivers) }}"
    products:
      - {name: example.site-bdii, tags: [common], versions: {centos7: "1.4.0"}}
    waivers:
      - product: example.site-bdii
        platform: xenial
        reason: its upstream has no Xenial packages yet
        by: release manager
        until: "2017-03-31"
"""

RETURN = r"""
_value:
  description: The problems, those of one product together.
  type: list
  elements: dict
  contains:
    id:
      description:
        - V(missing), V(version) (different versions), V(waiver-expired) (the problem it covered is listed as well), or
          V(waiver-unknown) (a waiver that matches no product or no required platform, most likely misspelt).
      type: str
    product:
      description: Name of the product.
      type: str
    platforms:
      description: The platforms it is about.
      type: list
      elements: str
    text:
      description: The problem in words.
      type: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release import routing
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import checked, refusing


@refusing
def completeness_problems(products: t.Any, release: t.Any, day: t.Any, waivers: t.Any = ()) -> t.List[t.Dict[str, t.Any]]:
    """Return what is missing; empty when nothing is."""
    action = "check a release for completeness"
    found = routing.gaps(routing.products_from(products, action), checked(release), routing.waivers_from(waivers or [], action), day_of(day, action))
    return [gap._asdict() for gap in found]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"completeness_problems": completeness_problems}
