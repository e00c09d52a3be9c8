#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: promotion_info
short_description: Say what stands where at a desk, what keeps a batch from being promoted, and what changed
version_added: 0.1.0
description:
  - Lists the batches of a desk with their reports, waivers and history.
  - With O(batch) and O(to) it lists the excuses. Each is a condition that is not met, what shows that, and who has to act. When
    none is left that nobody waived, M(egi.cmd.promotion) promotes the batch, and only then.
  - With O(compare) it says what changed between two kinds of repository or two snapshots, with lines for release notes.
extends_documentation_fragment:
  - egi.cmd.attributes
  - egi.cmd.promotion
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
options:
  batch:
    description: Only this batch.
    type: str
  to:
    description: The kind of repository O(batch) is to be promoted to.
    type: str
    choices: [proposed, updates, security, base]
  compare:
    description: Two kinds of repository of the desk, or two snapshots of O(mirror_root) or names that lead to them.
    type: dict
    suboptions:
      before:
        description: The older, for example V(updates) or V(cmd-os-1-2026-11-20-171405).
        type: str
        required: true
      after:
        description: The newer, for example V(proposed) or V(cmd-os-1).
        type: str
        required: true
seealso:
  - module: egi.cmd.promotion
"""

EXAMPLES = r"""
- name: Find out what keeps a batch from all hosts
  egi.cmd.promotion_info:
    path: /srv/desk/cmd-os-1
    release: "{{ lookup('egi.cmd.release', 'release.yml') }}"
    mirror_root: /srv/www/cmd
    batch: cloud-2.3
    to: updates
    base:
      - platform: debian12
        paths: [/srv/mirror/debian12]
  register: wish

- name: Show it
  ansible.builtin.debug:
    msg: "{{ wish.excuses | map(attribute='text') | list }}"

- name: Find out what hosts would get from proposed
  egi.cmd.promotion_info:
    path: /srv/desk/cmd-os-1
    release: "{{ lookup('egi.cmd.release', 'release.yml') }}"
    mirror_root: /srv/www/cmd
    compare: {before: updates, after: proposed}
"""

RETURN = r"""
release:
  description: Name of the release.
  returned: success
  type: str
generation:
  description: The snapshot that readers see. Empty when there is none yet.
  returned: success
  type: str
batches:
  description: Batches by name.
  returned: success
  type: dict
  sample: {cloud-2.3: {kind: proposed, digest: 9f86d0, after: [], items: [], reports: [], waivers: [], history: []}}
excuses:
  description: Conditions that are not met, waived ones too. Empty without O(to).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What a waiver names.
      type: str
    rule:
      description: Id of the condition.
      type: str
    subject:
      description: The package or platform it is about, empty for the whole batch.
      type: str
    what:
      description: What is not as it has to be.
      type: str
    evidence:
      description: What shows it.
      type: str
    who:
      description: Who has to act.
      type: str
    waivable:
      description: Whether two people may waive it.
      type: bool
    waived_by:
      description: Who did. Empty if nobody did.
      type: list
      elements: str
    text:
      description: All of it in a line.
      type: str
promotable:
  description: Whether O(batch) can be promoted to O(to) now. Null without O(to).
  returned: success
  type: bool
masked:
  description:
    - Packages the overlay has already, or would have, that hide a newer version of a security repository of the base.
    - Empty without O(to). Only those of the batch itself are excuses.
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: Platform of the release.
      type: str
    package:
      description: Name of the package.
      type: str
    version:
      description: The overlay's version.
      type: str
    hidden:
      description: The version it hides.
      type: str
    day:
      description: Date of the index that has it.
      type: str
difference:
  description: Packages that changed. Empty without O(compare).
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(added), V(removed) or V(changed).
      type: str
    place:
      description: Platform, or the snapshot's source.
      type: str
    package:
      description: Name of the package.
      type: str
    architecture:
      description: Its architecture.
      type: str
    before:
      description: Versions only the older side has.
      type: list
      elements: str
    after:
      description: Versions only the newer side has.
      type: list
      elements: str
    size:
      description: Bytes, after minus before.
      type: int
    maintainer:
      description: Who the package names as its maintainer or packager.
      type: str
    lines:
      description: Lines of its newest changelog entry.
      type: list
      elements: str
notes:
  description: The difference as text, for release notes.
  returned: success
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Signing
from ansible_collections.egi.cmd.plugins.module_utils._promotion import change, difference, display, flow, gate_versions, parameters
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Desk
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk_directory import DeskDirectory
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import unmet
from ansible_collections.egi.cmd.plugins.module_utils._promotion.publication import Publication
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import KINDS

Result = t.Dict[str, t.Any]


def _wish(params: t.Mapping[str, t.Any], directory: DeskDirectory, desk: Desk, setting: change.Setting) -> Result:
    if params["to"] is None:
        return {"excuses": [], "promotable": None, "masked": []}
    known, found = change.judge(directory, desk, setting, params["batch"], params["to"])
    described = display.excuses(found, known.batch.waivers)
    return {
        "excuses": [{**data, "text": str(one)} for data, one in zip(described, found)],
        "promotable": not unmet(found, known.batch.waivers),
        "masked": gate_versions.masked_of_overlay(known),
    }


def _difference(params: t.Mapping[str, t.Any], directory: DeskDirectory, desk: Desk) -> Result:
    if not params["compare"]:
        return {"difference": [], "notes": ""}
    before, after = params["compare"]["before"], params["compare"]["after"]
    if (before in KINDS) != (after in KINDS):
        raise Failure(f"compare {before} with {after}", "one is a kind of repository, the other is a snapshot", "Name two of the same sort")
    if before in KINDS:
        changes = difference.between_kinds(desk, before, after)
    else:
        changes = difference.between_snapshots(params["mirror_root"], before, after)
    notes = [difference.noted(one, directory.bytes_of) for one in changes]
    return {"difference": [note._asdict() for note in notes], "notes": "".join(f"{note}\n" for note in notes)}


def _run(params: t.Mapping[str, t.Any]) -> Result:
    setting = parameters.setting(params, judging=params["to"] is not None)
    directory = DeskDirectory(params["path"], setting.manifest["name"])
    desk = Publication(directory, setting.manifest, params["mirror_root"], Signing()).seen()
    chosen = {params["batch"]: flow.batch_of(desk, params["batch"])} if params["batch"] else desk.batches
    return {
        "changed": False, "release": desk.release, "generation": desk.generation,
        "batches": {name: display.batch(one) for name, one in chosen.items()},
        **_wish(params, directory, desk, setting), **_difference(params, directory, desk),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **parameters.ARGUMENTS,
            "batch": {"type": "str"},
            "to": {"type": "str", "choices": ["proposed", "updates", "security", "base"]},
            "compare": {"type": "dict", "options": {"before": {"type": "str", "required": True}, "after": {"type": "str", "required": True}}},
        },
        required_by={"to": ("batch",)},
        supports_check_mode=True,
    )
    if module.params["to"]:
        respawn_for(module, "solv", "python3-solv")
    with door(module):
        module.exit_json(**_run(module.params))


if __name__ == "__main__":
    main()
