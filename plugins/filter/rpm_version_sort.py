# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that sorts RPM versions."""

from __future__ import annotations

import typing as t

from jinja2 import pass_environment

from ansible_collections.egi.cmd.plugins.module_utils._version import rpm
from ansible_collections.egi.cmd.plugins.plugin_utils._version_order import by_version

if t.TYPE_CHECKING:
    from jinja2 import Environment

DOCUMENTATION = r"""
name: rpm_version_sort
author:
  - egi.cmd contributors
version_added: 0.1.0
short_description: Sort RPM package versions
description:
  - Sort a list of versions, or of things that have a version, from the oldest to the newest.
  - The order is rpm's own (4.15 and later). A missing epoch is 0; a version without a release is older than the same version with one.
  - Items with equal versions keep their order.
options:
  _input:
    description:
      - Versions, or items that hold one in O(attribute).
      - An item that is not a valid RPM version is an error that names it.
    type: list
    elements: raw
    required: true
  reverse:
    description: Sort from the newest to the oldest.
    type: bool
    default: false
  attribute:
    description:
      - Where an item keeps its version, a name or a dotted path such as V(candidate.version).
      - If not given, the item itself is the version.
    type: str
seealso:
  - plugin: egi.cmd.rpm_version_max
    plugin_type: filter
  - plugin: egi.cmd.rpm_version
    plugin_type: test
"""

EXAMPLES = r"""
- name: Show versions from the oldest to the newest
  ansible.builtin.debug:
    msg: "{{ ['1.0^git1-1.el10', '1.0~rc1-1.el9', '1.0-1.el9'] | egi.cmd.rpm_version_sort }}"
    # => ['1.0~rc1-1.el9', '1.0-1.el9', '1.0^git1-1.el10']

- name: Show packages, the newest first
  ansible.builtin.debug:
    msg: "{{ packages | egi.cmd.rpm_version_sort(attribute='version', reverse=true) }}"
  vars:
    packages:
      - {name: grid-tools, version: "1.0~rc1-1.el9"}
      - {name: grid-tools, version: "1.0^git1-1.el10"}
"""

RETURN = r"""
_value:
  description: The same items, sorted.
  type: list
  elements: raw
"""


@pass_environment
def rpm_version_sort(
    environment: Environment, value: t.Any, reverse: bool = False, attribute: str | int | None = None
) -> list[t.Any]:
    """Return value sorted by RPM version."""
    return by_version(environment, rpm.key, value, attribute, reverse)


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"rpm_version_sort": rpm_version_sort}
