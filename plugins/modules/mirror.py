#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror
short_description: Sync the sets of a mirror host
version_added: 0.1.0
description:
  - Brings sets of a mirror to what their upstreams hold now. Each set gets a new snapshot, and its name leads there in one step.
  - It does what C(cmd-mirror sync) does on the mirror host, with the same configuration, and leaves the same report and metrics.
  - Nothing is published that is not signed, fresh and complete. A sync that fails leaves readers what they had, and the next
    one goes on with what was fetched.
  - One set that fails does not keep the others from theirs. The module fails in the end and says which.
  - Progress and warnings go to the host's log as they happen, so that a long sync with C(async) can be watched there.
  - Started as root, it works with the rights of the user who owns the mirror's directory.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - C(gpgv) or C(sqv) on the mirror host
attributes:
  check_mode:
    details:
      - To know what a sync would do, the upstreams' indices are fetched and kept for the sync. Packages are not, and readers see no change.
    support: full
  diff_mode:
    details:
      - Shows packages with their versions, at most 2000 lines for each side of a set.
    support: full
  idempotent:
    support: full
options:
  config:
    description: The mirror's configuration, as P(egi.cmd.mirror#role) writes it.
    type: path
    default: /etc/cmd-mirror/config.json
  sets:
    description: Names of the sets to sync. All sets of O(config) if empty.
    type: list
    elements: str
    default: []
seealso:
  - module: egi.cmd.mirror_info
  - module: egi.cmd.snapshot
"""

EXAMPLES = r"""
- name: See what a sync would bring, with --check --diff
  egi.cmd.mirror:

- name: Sync one set
  egi.cmd.mirror:
    sets: [cmd-os-1]
  register: synced

- name: First sync of a whole distribution
  egi.cmd.mirror:
    sets: [debian12]
  async: 86400
  poll: 30
"""

RETURN = r"""
sets:
  description: The sets that were synced, by name. A set that failed has only C(error).
  returned: always
  type: dict
  contains:
    changed:
      description: Whether there is, or in check mode would be, a new snapshot, or the set's name leads elsewhere than before.
      type: bool
    error:
      description: Why the set was not synced. Null if it was.
      type: str
    snapshot:
      description: The newest snapshot. Null in check mode before the first sync.
      type: str
    published:
      description: The snapshot the set's name leads to. Null if there is none.
      type: str
    packages:
      description: How many packages are V(added), V(removed) and V(changed) against the snapshot before.
      type: dict
    fetched_files:
      description: Files that had, or in check mode would have, to be fetched.
      type: int
    fetched_bytes:
      description: Their size in bytes.
      type: int
    disk_bytes:
      description: Room the new snapshot takes, or in check mode would take, on disk.
      type: int
    removed_snapshots:
      description: Old snapshots the set's policy let go.
      type: list
      elements: str
    warnings:
      description: What a person should know although the set was synced.
      type: list
      elements: str
  sample:
    cmd-os-1:
      changed: true
      error: null
      snapshot: cmd-os-1-2026-11-20-041502
      published: cmd-os-1-2026-11-20-041502
      packages: {added: 2, removed: 0, changed: 5}
      fetched_files: 9
      fetched_bytes: 48120333
      disk_bytes: 48136192
      removed_snapshots: []
      warnings: []
"""

import contextlib
import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._mirror import configuration as configurations
from ansible_collections.egi.cmd.plugins.module_utils._mirror import runs
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration, Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.difference import package_lines
from ansible_collections.egi.cmd.plugins.module_utils._mirror.display import Display
from ansible_collections.egi.cmd.plugins.module_utils._mirror.owner import as_owner
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import Pointer
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror, Plan

Result = t.Dict[str, t.Any]


def _plans(mirror: Mirror, sets: t.Sequence[Set], display: Display) -> t.Tuple[t.Dict[str, Plan], t.Dict[str, Result]]:
    """What a sync would do."""
    with mirror.locked():
        plans = {of_set.name: mirror.plan(of_set, display.progress) for of_set in sets}
        mirror.store.settle()
        pointers = mirror.pointers.all()
    results = {}
    for name, plan in plans.items():
        result = _result(plan, pointers.get(name), plan.last.name if plan.last else None)
        results[name] = {**result, "changed": plan.changed or _would_move(plan, pointers.get(name)), "warnings": plan.warnings}
    return plans, results


def _would_move(plan: Plan, pointer: t.Optional[Pointer]) -> bool:
    """Whether a sync that finds nothing new would still publish, because the name leads nowhere or elsewhere."""
    if not plan.of_set.publish or plan.last is None:
        return False
    return pointer is None or (not pointer.held and pointer.generation != plan.last.name)


def _synced(mirror: Mirror, sets: t.Sequence[Set], display: Display) -> t.Tuple[t.Dict[str, Plan], t.Dict[str, Result]]:
    """Sync."""
    before = mirror.pointers.all()
    done = runs.sync_all(mirror, sets, display.progress, display.say)
    after = mirror.pointers.all()
    results: t.Dict[str, Result] = {name: {"error": error} for name, error in done.errors().items()}
    for name, outcome in done.outcomes.items():
        moved = (before[name].generation if name in before else None) != outcome.published
        results[name] = {**_result(outcome.plan, after.get(name), outcome.generation), "changed": outcome.changed or moved,
                         "removed_snapshots": outcome.freed.generations, "warnings": outcome.warnings}
    return {name: outcome.plan for name, outcome in done.outcomes.items()}, results


def _result(plan: Plan, pointer: t.Optional[Pointer], newest: t.Optional[str]) -> Result:
    return {"error": None, "snapshot": newest, "published": pointer.generation if pointer else None, "packages": plan.difference.counts(),
            "fetched_files": plan.need.files, "fetched_bytes": plan.need.fetch, "disk_bytes": plan.need.size, "removed_snapshots": []}


def _diff(name: str, plan: Plan) -> Result:
    before, after = package_lines(plan.difference.changes)
    return {"before_header": plan.last.name if plan.last else f"{name}: no snapshot", "after_header": f"{name}: as the upstreams have it",
            "before": before, "after": after}


@contextlib.contextmanager
def _room(module: AnsibleModule, told: Configuration) -> t.Iterator[Configuration]:
    """The configuration to work with: a check on a host that has no mirror yet does not begin one."""
    if module.check_mode and not os.path.isdir(told.root):
        with tempfile.TemporaryDirectory(prefix="egi-mirror-") as place:
            yield told._replace(root=place)
    else:
        yield told


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "path", "default": "/etc/cmd-mirror/config.json"},
            "sets": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    with door(module, sets={}):
        told = configurations.load(module.params["config"])
        sets = runs.chosen(told, module.params["sets"], module.params["config"])
        display = Display(False, module.log)
        with as_owner(told.root), _room(module, told) as room:
            plans, results = (_plans if module.check_mode else _synced)(Mirror(room), sets, display)
    answer: Result = {"changed": any(result.get("changed") for result in results.values()), "sets": results}
    if module._diff:  # pylint: disable=protected-access
        answer["diff"] = [_diff(name, plan) for name, plan in plans.items() if plan.changed]
    for name, result in results.items():
        for warning in result.get("warnings", []):
            module.warn(f"{name}: {warning}")
    errors = [f"{name}: {result['error']}" for name, result in results.items() if result["error"]]
    if errors:
        module.fail_json(msg="\n".join(errors), **answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
