# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: products to the releases that take them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: route
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Route products to releases
description:
  - Takes a list of products and says for each one which of the given releases take it.
  - A release takes a product if they share a tag; the release's tags are C(product_tags) in its manifest. A release
    without them takes nothing.
positional: releases
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
  releases:
    description: A release manifest or a list of them, usually from P(egi.cmd.release#lookup).
    type: raw
    required: true
seealso:
  - plugin: egi.cmd.completeness_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Where does a product go
  ansible.builtin.debug:
    msg: "{{ products | egi.cmd.route(query('egi.cmd.release', 'cmd-os-1', 'cmd-one-1', 'umd-5')) }}"
  vars:
    products:
      - {name: example.site-bdii, tags: [common]}
      - {name: example.keystone-voms, tags: [openstack]}
"""

RETURN = r"""
_value:
  description: One entry for each product, in the same order.
  type: list
  elements: dict
  contains:
    product:
      description: Name of the product.
      type: str
    releases:
      description: Names of the releases that take it; empty if none does.
      type: list
      elements: str
    reason:
      description: Which release takes which tags, and which tags nobody takes.
      type: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release import routing
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import all_checked, refusing


@refusing
def route(products: t.Any, releases: t.Any) -> t.List[t.Dict[str, t.Any]]:
    """Return the releases of each product."""
    return routing.route(routing.products_from(products, "route products"), all_checked(releases))


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"route": route}
