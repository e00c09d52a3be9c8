# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the dates of releases as an iCalendar file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: icalendar
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Write the dates of releases as iCalendar
description:
  - Takes one or several release manifests and returns the text of an iCalendar file (RFC 5545) with the events of
    P(egi.cmd.schedule#filter), all of them for whole days.
  - An event keeps its UID when its day moves, so calendar programs that are given the new file move it too.
  - The same manifests give the same text.
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
  stamp:
    description:
      - The day on which the schedule was last changed, C(YYYY-MM-DD), written as DTSTAMP of every event.
      - When left out, each event carries its own day, so that the file changes only when the schedule does.
    type: str
  name:
    description: What calendar programs call the calendar.
    type: str
    default: Releases
notes:
  - Without an event there is no calendar (RFC 5545 demands at least one), and the filter fails.
seealso:
  - plugin: egi.cmd.schedule
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write a calendar that people can subscribe to
  ansible.builtin.copy:
    content: "{{ lookup('egi.cmd.release', 'cmd-os-1') | egi.cmd.icalendar(name='CMD-OS 1') }}"
    dest: /srv/www/cmd-os-1.ics
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The text, with the line breaks the standard asks for (CRLF).
  type: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release.icalendar import calendar
from ansible_collections.egi.cmd.plugins.module_utils._release.schedule import schedule
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import all_checked, optional_day, refusing


@refusing
def icalendar(manifests: t.Any, first: t.Any = None, last: t.Any = None, stamp: t.Any = None, name: str = "Releases") -> str:
    """Return the text of the calendar."""
    action = "write a calendar"
    events = schedule(all_checked(manifests), optional_day(first, action), optional_day(last, action))
    return calendar(events, optional_day(stamp, action), str(name))


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"icalendar": icalendar}
