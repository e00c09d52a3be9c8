#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror_info
short_description: Tell what a mirror host holds
version_added: 0.1.0
description:
  - Returns the sets of a mirror, their snapshots, the names that lead to them, and how the last syncs ended.
  - Can compare two snapshots, package by package.
  - Changes nothing and waits for nobody; a sync may run at the same time.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
attributes:
  check_mode:
    support: full
  diff_mode:
    details:
      - There is nothing to show, because nothing changes.
    support: N/A
  idempotent:
    support: full
options:
  config:
    description: The mirror's configuration, as P(egi.cmd.mirror#role) writes it.
    type: path
    default: /etc/cmd-mirror/config.json
  compare:
    description: Two snapshots, or names that lead to one, the older first.
    type: list
    elements: str
    default: []
seealso:
  - module: egi.cmd.mirror
  - module: egi.cmd.snapshot
"""

EXAMPLES = r"""
- name: Ask the mirror
  egi.cmd.mirror_info:
  register: mirror

- name: The mirror is not older than two days
  ansible.builtin.assert:
    that: mirror.sets['cmd-os-1'].age < 2 * 86400

- name: See what production would get from the newest snapshot
  egi.cmd.mirror_info:
    compare: [production, cmd-os-1]
  register: mirror
"""

RETURN = r"""
sets:
  description: The sets of the configuration, by name.
  returned: success
  type: dict
  contains:
    published:
      description: The snapshot the set's own name leads to. Null if there is none.
      type: str
    held:
      description: Whether it stays there although syncs bring newer ones, because somebody moved it back.
      type: bool
    newest:
      description: The newest snapshot. Null before the first sync.
      type: str
    snapshots:
      description: How many snapshots there are.
      type: int
    age:
      description: Seconds since the last sync that succeeded. Null before the first.
      type: int
    last_run:
      description: How the last sync ended, as the report of C(cmd-mirror) has it. Null before the first.
      type: dict
snapshots:
  description: All snapshots, oldest first, also of sets that are no longer configured.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name, a directory below C(snapshots/).
      type: str
    set:
      description: The set.
      type: str
    created:
      description: When it was made, in seconds since 1970.
      type: int
    packages:
      description: How many package files it lists.
      type: int
    size:
      description: Bytes of all its files. Snapshots share what they have in common.
      type: int
    pointers:
      description: The names that lead to it.
      type: list
      elements: str
pointers:
  description: Names readers use, and what they lead to.
  returned: success
  type: dict
  contains:
    snapshot:
      description: Where it leads.
      type: str
    frozen:
      description: Whether it never moves.
      type: bool
    held:
      description: Whether syncs do not move it.
      type: bool
    history:
      description: Where it led before, oldest first, each with C(time) in seconds since 1970 and C(snapshot).
      type: list
      elements: dict
difference:
  description: What O(compare) asked for. Null without it.
  returned: success
  type: dict
  contains:
    counts:
      description: How many packages are V(added), V(removed) and V(changed).
      type: dict
    size:
      description: Bytes of all packages, newer minus older.
      type: int
    changes:
      description: Each with C(kind), C(source), C(package), C(architecture), and C(before) and C(after), lists of C(version), C(size) and C(sha256).
      type: list
      elements: dict
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import configuration as configurations
from ansible_collections.egi.cmd.plugins.module_utils._mirror import difference, report
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration
from ansible_collections.egi.cmd.plugins.module_utils._mirror.owner import as_owner
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror

Result = t.Dict[str, t.Any]
_NOTHING: Result = {"published": None, "held": False, "newest": None, "snapshots": 0, "age": None, "last_run": None}


def _view(told: Configuration, compare: t.Sequence[str]) -> Result:
    mirror = Mirror(told)
    pointers, generations, last = mirror.pointers.all(), mirror.generations.all(), report.load(told)
    sets = {}
    for name in told.sets:
        known, pointer, run = [one for one in generations if one.set == name], pointers.get(name), last.get(name)
        succeeded = run.get("last_success") if run else None
        sets[name] = {"published": pointer.generation if pointer else None, "held": bool(pointer and pointer.held),
                      "newest": known[-1].name if known else None, "snapshots": len(known),
                      "age": int(time.time()) - succeeded if succeeded else None, "last_run": run}
    return {
        "sets": sets,
        "snapshots": [{"name": one.name, "set": one.set, "created": one.created, "packages": sum(part.packages for part in one.sources.values()),
                       "size": sum(part.size for part in one.sources.values()),
                       "pointers": [pointer.name for pointer in pointers.values() if pointer.generation == one.name]} for one in generations],
        "pointers": {name: {"snapshot": one.generation, "frozen": one.frozen, "held": one.held,
                            "history": [{"time": at, "snapshot": where} for at, where in one.history]} for name, one in pointers.items()},
        "difference": _difference(mirror, compare) if compare else None,
    }


def _difference(mirror: Mirror, compare: t.Sequence[str]) -> Result:
    before, after = (mirror.generations.load(mirror.pointers.resolve(what)) for what in compare)
    found = difference.between(mirror.generations, before, after)
    return {"counts": found.counts(), "size": found.size, "changes": [change.as_data() for change in found.changes]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/cmd-mirror/config.json"},
            "compare": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    with door(module):
        compare = module.params["compare"]
        if len(compare) not in (0, 2):
            raise Failure("compare snapshots", f"compare names {len(compare)}", "Name two, the older first")
        told = configurations.load(module.params["config"])
        if os.path.isdir(told.root):
            with as_owner(told.root):
                result = _view(told, compare)
        elif compare:
            raise Failure(f"find snapshot {compare[0]!r}", f"there is no mirror in {told.root}", "Sync first")
        else:
            result = {"sets": {name: dict(_NOTHING) for name in told.sets}, "snapshots": [], "pointers": {}, "difference": None}
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
