#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: holdback_info
short_description: Tell which updates are held back, why and until when
version_added: 0.1.0
description:
  - Lists the holds of a release's desk, as readers of its repositories see it. M(egi.cmd.holdback) opens and lifts them.
extends_documentation_fragment:
  - egi.cmd.attributes
  - egi.cmd.desk
author:
  - egi.cmd contributors (@egi-cmd)
attributes:
  check_mode:
    support: full
    details: [It never changes anything.]
  diff_mode:
    support: none
    details: [There is nothing to compare.]
  idempotent:
    support: full
seealso:
  - module: egi.cmd.holdback
"""

EXAMPLES = r"""
- name: See what is held back
  egi.cmd.holdback_info:
    path: /srv/desk/cmd-os-1
    release: "{{ lookup('egi.cmd.release', 'release.yml') }}"
    mirror_root: /srv/repository
  register: held

- name: Show it
  ansible.builtin.debug:
    msg: "{{ held.table }}"
"""

RETURN = r"""
holds:
  description: Every hold that was ever opened, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    state:
      description: V(active), V(expired) or V(lifted). An expired hold still holds.
      type: str
    days_left:
      description: Days to its last one, negative after that.
      type: int
    packages:
      description: The packages that are held back.
      type: list
      elements: str
    platforms:
      description: Where.
      type: list
      elements: str
    bad:
      description: The bad versions, for each package format.
      type: dict
    proven:
      description: The version hosts stay on, for each platform and package.
      type: dict
    excludes:
      description: Builds of the base that dnf must not see, for each platform that needs it.
      type: dict
    reason:
      description: Why.
      type: str
    link:
      description: The issue that somebody works on.
      type: str
    opened:
      description: The day it was opened.
      type: str
    expires:
      description: Its last day.
      type: str
    by:
      description: Who opened it.
      type: str
    test:
      description: The product's own test.
      type: list
      elements: str
    fixed_in:
      description: The version that is said to be good again.
      type: str
    verdicts:
      description: What tests said of later versions.
      type: list
      elements: dict
    lifted:
      description: The day it was lifted, empty before.
      type: str
expired:
  description: Names of holds that are open past their last day.
  returned: success
  type: list
  elements: str
  sample: []
repository_holds:
  description: What hosts have to hide from dnf, for P(egi.cmd.resolve#filter) and the role P(egi.cmd.cmd_repo#role).
  returned: success
  type: list
  elements: dict
  sample: [{platform: el9, excludes: [libcloud-2.2-1.el9.noarch]}]
table:
  description: The holds as text, a line for each, those that need somebody first.
  returned: success
  type: str
  sample: "libcloud-2.2: 30 days left; libcloud 2.1-1 on jammy; loses connections; https://bugs.example.org/4711; Release Team\n"
"""

import datetime

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Signing
from ansible_collections.egi.cmd.plugins.module_utils._promotion import hold_parameters, hold_record, parameters
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk_directory import DeskDirectory
from ansible_collections.egi.cmd.plugins.module_utils._promotion.publication import Publication
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=hold_parameters.DESK,
        supports_check_mode=True,
    )
    with door(module):
        wanted = module.params
        day = day_of(wanted["day"], "judge holds") if wanted["day"] else datetime.date.today()
        manifest = parameters.manifest_of(wanted["release"])
        desk = Publication(DeskDirectory(wanted["path"], manifest["name"]), manifest, wanted["mirror_root"], Signing()).seen()
        rows = [hold_record.row(record, day) for _name, record in sorted(hold_record.records(desk).items())]
        expired = [row["name"] for row in rows if row["state"] == "expired"]
        for name in expired:
            module.warn(f"hold {name} is EXPIRED and still open")
        module.exit_json(changed=False, holds=rows, expired=expired, repository_holds=hold_record.excludes(desk), table=hold_record.table(rows))


if __name__ == "__main__":
    main()
