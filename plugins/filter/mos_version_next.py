# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that proposes the next free version of an overlay package."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._version import mos_history
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_proposal import Wish, propose
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import scheme
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import refusing

DOCUMENTATION = r"""
name: mos_version_next
author:
  - egi.cmd contributors
version_added: 0.1.0
short_description: Propose the next free version of an overlay package
description:
  - Make the next version in the form of the MOS scheme, from what was published before.
  - It is above every version a host of this or an older release may have, not above what later releases give, never used
    before, and below the base distribution's package of the same software version. If no version can be all that, it is
    an error that names the rule and what stands in the way.
options:
  _input:
    description:
      - One package's versions in every release of the overlay, the oldest release first.
      - A kind of repository that is left out has no version. A single version need not be a list.
    type: list
    elements: dict
    required: true
    suboptions:
      release:
        description: Number of the release, in quotes.
        type: str
        required: true
      base:
        description: Versions in C(base), in the order they were published.
        type: list
        elements: str
      updates:
        description: Versions in C(updates), in the order they were published.
        type: list
        elements: str
      security:
        description: Versions in C(security), in the order they were published.
        type: list
        elements: str
      proposed:
        description: Versions in C(proposed), in the order they were published.
        type: list
        elements: str
      candidate:
        description: Versions in C(candidate), in the order they were published.
        type: list
        elements: str
      untested:
        description: Versions in C(untested), in the order they were published.
        type: list
        elements: str
      contrib:
        description: Versions in C(contrib), in the order they were published.
        type: list
        elements: str
      holdback:
        description: Versions in C(holdback), in the order they were published.
        type: list
        elements: str
  format:
    description: The family whose scheme and order count.
    type: str
    choices: [deb, rpm]
    required: true
  release:
    description: Number of the release it is for. It has to be in the history.
    type: str
    required: true
  form:
    description:
      - V(build) makes it anew, from O(upstream) or O(software).
      - V(update) adds some changes to the newest version of the release.
      - V(security) is the same for a security fix; an rpm then gets a bundle number.
      - V(port) takes the effective version of release O(source) whole. There is no such form for rpm.
    type: str
    choices: [build, update, security, port]
    required: true
  kind:
    description: The kind of repository it is for.
    type: str
    choices: [base, updates, security, proposed, candidate, untested, contrib, holdback, developer]
    default: updates
  base:
    description: Tag of the base distribution, such as V(u14.04) or V(el7). For V(build).
    type: str
  upstream:
    description: Version of the base distribution's package it is made from. For V(build).
    type: str
  software:
    description: Version of software the base distribution does not have. For V(build), instead of O(upstream).
    type: str
  source:
    description: Release whose effective version is ported. For V(port).
    type: str
  at_least:
    description: Lowest build number, for an OpenStack rpm the number of commits since the tag. For V(build).
    type: int
seealso:
  - plugin: egi.cmd.mos_version_explain
    plugin_type: filter
  - plugin: egi.cmd.mos_progression_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Build for the next release
  ansible.builtin.debug:
    msg: "{{ history | egi.cmd.mos_version_next('deb', release='7.0', form='build', kind='base', base='u14.04', upstream='6.14.0-2.3ubuntu5') }}"
    # => 6.14.0-2.3~u14.04+mos4
  vars:
    history:
      - release: "7.0"
        base: [6.14.0-2.3~u14.04+mos3]

- name: Fix a bug after GA
  ansible.builtin.debug:
    msg: "{{ history | egi.cmd.mos_version_next('rpm', release='8.0', form='security', kind='security') }}"
    # => 0.1.10-1.el7~mos2.1
  vars:
    history:
      - release: "8.0"
        base: 0.1.10-1.el7~mos1
        updates: 0.1.10-1.el7~mos2
"""

RETURN = r"""
_value:
  description: The version.
  type: str
"""


@refusing
def mos_version_next(
    value: t.Any, format: str, release: str, form: str, kind: str = "updates", base: str = "", upstream: str = "",
    software: str = "", source: str = "", at_least: int | None = None,
) -> str:
    """Return the next free version."""
    history = mos_history.read(scheme(format), value)
    return propose(format, history, Wish(release, form, kind, base, upstream, software, source, at_least))


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"mos_version_next": mos_version_next}
