# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the dates of several releases as one list of events."""

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: List the dates of releases as events
description:
  - Takes one or several release manifests and returns what happens on which day.
  - Events are the dates of each release, its minor releases with the milestones before them, and its windows without
    releases. Days of the week without releases are a rule and no event.
positional: first, last
options:
  _input:
    description: A release manifest or a list of them, usually from P(egi.cmd.release#lookup).
    type: raw
    required: true
  first:
    description: Leave out what is over before this day, C(YYYY-MM-DD). Empty for no limit.
    type: str
  last:
    description: Leave out what begins after this day, C(YYYY-MM-DD). Empty for no limit.
    type: str
seealso:
  - plugin: egi.cmd.icalendar
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What happens this quarter
  ansible.builtin.debug:
    msg: "{{ query('egi.cmd.release', 'cmd-os-1', 'files/site-release.yml') | egi.cmd.schedule('2026-10-01', '2026-12-31') }}"

- name: Planned releases that fall into a window without releases
  ansible.builtin.debug:
    msg: "{{ lookup('egi.cmd.release', 'files/site-release.yml') | egi.cmd.schedule | selectattr('warning') }}"
"""

RETURN = r"""
_value:
  description: The events by day.
  type: list
  elements: dict
  contains:
    day:
      description: The day, V(2026-09-01).
      type: str
    last:
      description: The last day; the same as C(day) for an event of one day.
      type: str
    release:
      description: Name of the release.
      type: str
    title:
      description: What people call the release.
      type: str
    id:
      description: Identifies the event within the release, for example V(ga) or V(1.2.0/content_cutoff).
      type: str
    text:
      description: What happens.
      type: str
    source:
      description: V(stated), or what the day follows from.
      type: str
    warning:
      description: What is wrong with the day; empty if nothing.
      type: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release import schedule as releases
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import all_checked, optional_day, refusing, texts_of_dates


@refusing
def schedule(manifests: t.Any, first: t.Any = None, last: t.Any = None) -> t.List[t.Dict[str, t.Any]]:
    """Return the events as dictionaries."""
    action = "make a schedule"
    events = releases.schedule(all_checked(manifests), optional_day(first, action), optional_day(last, action))
    return [texts_of_dates(event._asdict()) for event in events]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"schedule": schedule}
