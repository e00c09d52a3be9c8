# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that picks the newest RPM version."""

from __future__ import annotations

import typing as t

from jinja2 import pass_environment

from ansible_collections.egi.cmd.plugins.module_utils._version import rpm
from ansible_collections.egi.cmd.plugins.plugin_utils._version_order import newest

if t.TYPE_CHECKING:
    from jinja2 import Environment

DOCUMENTATION = r"""
name: rpm_version_max
author:
  - egi.cmd contributors
version_added: 0.1.0
short_description: Pick the newest RPM package version
description:
  - Pick the newest of a list of versions, or of things that have a version.
  - The order is rpm's own (4.15 and later). A missing epoch is 0; a version without a release is older than the same version with one.
  - Of items with equal versions the first is picked.
options:
  _input:
    description:
      - Versions, or items that hold one in O(attribute).
      - An item that is not a valid RPM version is an error that names it.
    type: list
    elements: raw
    required: true
  attribute:
    description:
      - Where an item keeps its version, a name or a dotted path such as V(candidate.version).
      - If not given, the item itself is the version.
    type: str
seealso:
  - plugin: egi.cmd.rpm_version_sort
    plugin_type: filter
  - plugin: egi.cmd.rpm_version
    plugin_type: test
"""

EXAMPLES = r"""
- name: Show the newest version
  ansible.builtin.debug:
    msg: "{{ ['1.0-1.el9', '1.0^git1-1.el10', '1.0~rc1-1.el9'] | egi.cmd.rpm_version_max }}"
    # => '1.0^git1-1.el10'

- name: Show the newest package, or none
  ansible.builtin.debug:
    msg: "{{ packages | egi.cmd.rpm_version_max(attribute='version') | default('none') }}"
  vars:
    packages: []
"""

RETURN = r"""
_value:
  description: The item with the newest version. Undefined if the list is empty.
  type: raw
"""


@pass_environment
def rpm_version_max(environment: Environment, value: t.Any, attribute: str | int | None = None) -> t.Any:
    """Return the item of value with the newest RPM version."""
    return newest(environment, rpm.key, value, attribute)


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"rpm_version_max": rpm_version_max}
