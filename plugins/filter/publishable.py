# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what may be published where on a day, and why not."""

from __future__ import annotations

DOCUMENTATION = r"""
name: publishable
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Tell what may be published where on a day
description:
  - Takes a release manifest and a day, and returns for each kind of repository whether it accepts packages on that day,
    which ones, why, for how long, and what would allow those it refuses.
  - The stage of the release decides, then the windows without releases (C(no_release) in the manifest).
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
  kinds:
    description: Only these kinds of repository, in this order. All that the release has when left out.
    type: list
    elements: str
seealso:
  - plugin: egi.cmd.lifecycle
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Stop before something is published where it does not belong
  ansible.builtin.assert:
    that: answer.allowed
    fail_msg: "{{ answer.reason }}. {{ answer.remedy }}."
  vars:
    today: "{{ now(utc=true).strftime('%Y-%m-%d') }}"
    answer: "{{ lookup('egi.cmd.release', 'files/site-release.yml') | egi.cmd.publishable(today, kinds=['updates']) | first }}"

- name: See the kinds that are open
  ansible.builtin.debug:
    msg: "{{ lookup('egi.cmd.release', 'cmd-os-1') | egi.cmd.publishable('2017-06-01') | selectattr('allowed') | map(attribute='kind') }}"
"""

RETURN = r"""
_value:
  description: One answer for each kind of repository.
  type: list
  elements: dict
  contains:
    kind:
      description: The kind of repository.
      type: str
    allowed:
      description: Whether it accepts packages on that day.
      type: bool
    accepts:
      description: What it accepts, in words; empty if nothing.
      type: str
    reason:
      description: Why.
      type: str
    remedy:
      description: Who or what would allow it, or where to publish instead; empty if it is allowed.
      type: str
    since:
      description: First day of this answer, V(2026-09-01); none if it has no beginning.
      type: str
    until:
      description: Last day of this answer; none if it has no end.
      type: str
"""

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release import publishing
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of
from ansible_collections.egi.cmd.plugins.plugin_utils._releases import checked, refusing, texts_of_dates


@refusing
def publishable(manifest: t.Any, day: t.Any, kinds: t.Optional[t.Sequence[str]] = None) -> t.List[t.Dict[str, t.Any]]:
    """Return one answer for each kind."""
    asked = [kinds] if isinstance(kinds, str) else kinds
    answers = publishing.publishable(checked(manifest), day_of(day, "say what may be published"), asked)
    return [texts_of_dates(answer._asdict()) for answer in answers]


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"publishable": publishable}
