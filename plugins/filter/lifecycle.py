# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: how a release stands on a day: its stage, its support, its dates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lifecycle
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Tell how a release stands on a day
description:
  - Takes a release manifest and a day, and returns whether the release is supported on that day, and all of its dates.
  - Dates the manifest states win. The others follow from C(ga) and C(support), see C(docs/lifecycle.md).
  - Needs no clock, so that the same call gives the same answer tomorrow.
positional: day
options:
  _input:
    description: A release manifest, usually from P(egi.cmd.release#lookup).
    type: dict
    required: true
  day:
    description: The day to answer for, C(YYYY-MM-DD) in UTC or in whatever time zone the release is run in.
    type: str
    required: true
seealso:
  - plugin: egi.cmd.publishable
    plugin_type: filter
  - plugin: egi.cmd.schedule
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Is CMD-OS 1 still supported
  ansible.builtin.debug:
    msg: "{{ lookup('egi.cmd.release', 'cmd-os-1') | egi.cmd.lifecycle('2018-06-01') }}"

- name: Which of these releases have any support today
  ansible.builtin.debug:
    msg: "{{ query('egi.cmd.release', 'cmd-os-1', 'umd-5') | map('egi.cmd.lifecycle', today) | selectattr('supported') | map(attribute='release') }}"
  vars:
    today: "{{ now(utc=true).strftime('%Y-%m-%d') }}"
"""

RETURN = r"""
_value:
  description: How the release stands. Days are text, V(2026-09-01).
  type: dict
  contains:
    release:
      description: Name of the release.
      type: str
    day:
      description: The day asked for.
      type: str
    support:
      description: V(before_ga), V(full), V(security), V(retiring) (support has ended, hosts have to go), V(retired) or V(unknown).
      type: str
    supported:
      description: Whether there are updates or security updates; none where the manifest does not state enough dates.
      type: bool
    stage:
      description:
        - The support, and before GA how far the release is
          (V(development), V(feature_freeze), V(soft_code_freeze), V(hard_code_freeze)).
      type: str
    since:
      description: First day of the stage; none if it has no beginning.
      type: str
    until:
      description: Last day of the stage; none if it has no end.
      type: str
    reason:
      description: The stage in words, with the dates that make it.
      type: str
    dates:
      description: Every known date of the release by its name in the manifest.
      type: dict
    sources:
      description: For each of the dates V(stated), or what it follows from, for example V(12 months after ga).
      type: dict
    next:
      description: The next date with C(milestone), C(day) and C(days) until then; none when no date is left.
      type: dict
"""

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of
from ansible_collections.egi.cmd.plugins.module_utils._release.lifecycle import life
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import checked, refusing, texts_of_dates


@refusing
def lifecycle(manifest: t.Any, day: t.Any) -> t.Dict[str, t.Any]:
    """Return how the release stands on the day."""
    return dict(texts_of_dates(life(checked(manifest), day_of(day, "tell how a release stands"))))


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"lifecycle": lifecycle}
