# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: how releases stand on a day, and their calendar, for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: schedule_lines
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Show how releases stand and what happens when
description:
  - Takes one or several release manifests and returns lines to read.
  - First, for each release, how it stands on the day, and what each of its repositories takes or why it takes nothing.
    Then the calendar of all of them.
positional: day, first, last
options:
  _input:
    description: A release manifest or a list of them, usually from P(egi.cmd.release#lookup).
    type: raw
    required: true
  day:
    description: The day to answer for, C(YYYY-MM-DD) in UTC or in whatever time zone the release is run in.
    type: str
    required: true
  first:
    description: Leave out what is over before this day, C(YYYY-MM-DD). Empty for no limit.
    type: str
  last:
    description: Leave out what begins after this day, C(YYYY-MM-DD). Empty for no limit.
    type: str
seealso:
  - plugin: egi.cmd.schedule
    plugin_type: filter
  - plugin: egi.cmd.publishable
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show a release's calendar
  ansible.builtin.debug:
    msg: "{{ lookup('egi.cmd.release', 'cmd-os-1') | egi.cmd.schedule_lines('2017-12-20') }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release import display
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of
from ansible_collections.egi.cmd.plugins.module_utils._release.schedule import schedule
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import all_checked, optional_day, refusing


@refusing
def schedule_lines(manifests: t.Any, day: t.Any, first: t.Any = None, last: t.Any = None) -> t.List[str]:
    """Return the lines."""
    action = "show a schedule"
    releases, today = all_checked(manifests), day_of(day, action)
    events = schedule(releases, optional_day(first, action), optional_day(last, action))
    standing = [line for release in releases for line in display.status_lines(release, today)]
    return [*standing, *display.event_lines(events)]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"schedule_lines": schedule_lines}
