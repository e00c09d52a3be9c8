# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that explains a version of an overlay package."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import classify, explain, scheme
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing

DOCUMENTATION = r"""
name: mos_version_explain
author:
  - egi.cmd contributors
version_added: 0.1.0
short_description: Say what an overlay package's version means
description:
  - Take a version of the MOS scheme apart, and say in words what it was made from, for what, and what class it is of.
  - A version outside the scheme is an error.
options:
  _input:
    description: The version, in quotes.
    type: str
    required: true
  format:
    description: The family whose scheme and order count.
    type: str
    choices: [deb, rpm]
    required: true
  upstream:
    description:
      - The base distribution's version of the same package.
      - An empty text says that the base distribution has no such package, so the version is of a specific one.
      - If not given, what depends on it is left out.
    type: str
  release:
    description: Number of the overlay release the version was found in. One made for another release is a port.
    type: str
    default: ""
seealso:
  - plugin: egi.cmd.mos_version_problems
    plugin_type: filter
  - plugin: egi.cmd.mos_version_next
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what a version means
  ansible.builtin.debug:
    msg: "{{ ('2.1.0-1~u14.04+mos2~mos6.1+1' | egi.cmd.mos_version_explain('deb')).text }}"
    # => software 2.1.0, revision 1 for u14.04, build 2, brought back whole to release 6.1, update 1: whole backport

- name: Stop unless it is a security fix
  ansible.builtin.assert:
    that: ('0.1.10-1.el7~mos201.1' | egi.cmd.mos_version_explain('rpm')).class == 'security'
"""

RETURN = r"""
_value:
  description: The parts of the version, and what they mean.
  type: dict
  contains:
    class:
      description:
        - V(specific), V(divergent), V(subset_update), V(whole_backport), V(port) or V(security).
        - V(specific_or_divergent) if only the base distribution's version could tell.
      type: str
    text:
      description: The version in words.
      type: str
    epoch:
      description: The epoch, 0 if none is written.
      type: int
    software:
      description: The software's version.
      type: str
    revision:
      description: What is kept of the base package's revision (deb) or release (rpm).
      type: str
    base:
      description: The base distribution's tag, such as V(u14.04) or V(el7); empty if an rpm has none.
      type: str
    build:
      description: The number after V(mos).
      type: int
    steps:
      description: Updates and ports after it, oldest first. Empty for rpm.
      type: list
      elements: dict
      contains:
        form:
          description: V(+) if changes were added, V(~) if the version before it was brought back whole.
          type: str
        release:
          description: The release it was made for.
          type: str
        update:
          description: Number of the update in that release.
          type: int
    bundle:
      description: Number of the security bundle of an rpm, 0 if there is none.
      type: int
"""


@refusing
def mos_version_explain(value: str, format: str, upstream: str | None = None, release: str = "") -> dict[str, t.Any]:
    """Return the parts of a version, its class and its meaning in words."""
    version = scheme(format).parse(value)
    parts = {name: part for name, part in version._asdict().items() if name != "family"}
    return {
        **parts,
        "steps": [step._asdict() for step in version.steps],
        "class": classify(version, upstream, release),
        "text": explain(version, upstream, release),
    }


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"mos_version_explain": mos_version_explain}
