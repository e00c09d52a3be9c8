#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Publish, freeze, roll back and remove snapshots of a mirror
version_added: 0.1.0
description:
  - Moves the names that readers of a mirror use from one snapshot to another, in one step for every reader.
  - A snapshot itself never changes. M(egi.cmd.mirror) makes them.
  - With C(--check --diff) it shows which packages readers would get, before they do.
  - Started as root, it works with the rights of the user who owns the mirror's directory.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
attributes:
  check_mode:
    support: full
  diff_mode:
    details:
      - Shows where the name leads, and packages with their versions, at most 2000 lines for each side.
    support: full
  idempotent:
    details:
      - O(state=rolled_back) without O(snapshot) goes one snapshot further back each time.
    support: partial
options:
  state:
    description:
      - V(published) lets O(name) lead to O(snapshot). With another name as O(snapshot), this promotes what that one has.
      - V(frozen) gives O(snapshot) the name O(name), which never moves and keeps the snapshot from being pruned.
      - V(unfrozen) lets a frozen name move again.
      - V(rolled_back) lets O(name) lead to the next older snapshot it ever led to.
      - V(absent) removes the name O(name), or the snapshot of that name if nothing leads to it.
      - V(pruned) removes old snapshots as the configuration's policy has it, and files that nothing refers to any more.
      - The name of a set that was moved back stays there although syncs bring newer snapshots, until it is published to the newest.
    type: str
    choices: [published, frozen, unfrozen, rolled_back, absent, pruned]
    default: published
  name:
    description:
      - The name that readers use. Needed for all states but V(pruned).
      - The name of a set cannot be frozen, because its syncs move it.
    type: str
  snapshot:
    description:
      - A snapshot, or a name that leads to one. Needed for V(published) and V(frozen).
      - With O(state=rolled_back), the snapshot to get away from. A name that does not lead there stays where it is.
    type: str
  sets:
    description: With O(state=pruned), the sets whose snapshots may go. All sets if empty.
    type: list
    elements: str
    default: []
  force:
    description: With O(state=pruned), remove even if most of the mirror's files would go.
    type: bool
    default: false
  config:
    description: The mirror's configuration, as P(egi.cmd.mirror#role) writes it.
    type: path
    default: /etc/cmd-mirror/config.json
seealso:
  - module: egi.cmd.mirror
  - module: egi.cmd.mirror_info
"""

EXAMPLES = r"""
- name: Give production what the newest snapshot has
  egi.cmd.snapshot:
    name: production
    snapshot: cmd-os-1

- name: Keep the snapshot of the release for ever
  egi.cmd.snapshot:
    name: cmd-os-1-ga
    snapshot: cmd-os-1-2026-11-20-041502
    state: frozen

- name: Get away from a snapshot with a broken update, once
  egi.cmd.snapshot:
    name: cmd-os-1
    snapshot: cmd-os-1-2026-11-20-041502
    state: rolled_back

- name: Go on with the syncs
  egi.cmd.snapshot:
    name: cmd-os-1
    snapshot: "{{ mirror.sets['cmd-os-1'].newest }}"

- name: Remove what the policy lets go
  egi.cmd.snapshot:
    state: pruned
"""

RETURN = r"""
name:
  description: The name. Null for O(state=pruned).
  returned: success
  type: str
  sample: cmd-os-1
previous:
  description: The snapshot the name led to before. Null if there was none.
  returned: success
  type: str
  sample: cmd-os-1-2026-11-20-041502
snapshot:
  description: The snapshot the name leads to now, or in check mode would lead to. Null if there is none.
  returned: success
  type: str
  sample: cmd-os-1-2026-11-19-041501
frozen:
  description: Whether the name never moves.
  returned: success
  type: bool
held:
  description: Whether syncs do not move the name.
  returned: success
  type: bool
removed_snapshots:
  description: Snapshots that were removed.
  returned: success
  type: list
  elements: str
  sample: []
removed_files:
  description: Files of the store that were removed because nothing referred to them.
  returned: success
  type: int
  sample: 0
removed_bytes:
  description: Room that was freed by that, in bytes.
  returned: success
  type: int
  sample: 0
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import configuration as configurations
from ansible_collections.egi.cmd.plugins.module_utils._mirror import difference, retention, runs
from ansible_collections.egi.cmd.plugins.module_utils._mirror.owner import as_owner
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import Pointer
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror

Result = t.Dict[str, t.Any]


class Lead(t.NamedTuple):
    """Where a name leads, and whether it stays there."""

    snapshot: t.Optional[str] = None
    frozen: bool = False
    held: bool = False


class Step(t.NamedTuple):
    """What was done, or would be. removed: snapshots, and files only they had."""

    before: Lead
    after: Lead
    removed: retention.Freed = retention.Freed([], 0, 0)


def _lead(pointer: t.Optional[Pointer]) -> Lead:
    return Lead(pointer.generation, pointer.frozen, pointer.held) if pointer else Lead()


def _published(mirror: Mirror, name: str, what: str, dry: bool) -> Step:
    now = _lead(mirror.pointers.get(name))
    generation = mirror.generations.load(mirror.pointers.resolve(what))
    held = mirror.holds(name, generation)
    mirror.pointers.publish(name, generation.name, held, dry)
    return Step(now, Lead(generation.name, now.frozen, held))


def _frozen(mirror: Mirror, name: str, what: str, dry: bool) -> Step:
    now = _lead(mirror.pointers.get(name))
    if name in mirror.configuration.sets:
        raise Failure(f"freeze {name}", "it is the name of a set, which its syncs move", "Freeze another name, or roll it back to hold it")
    generation = mirror.pointers.resolve(what)
    mirror.pointers.freeze(name, generation, dry)
    return Step(now, Lead(generation, True, False))


def _unfrozen(mirror: Mirror, name: str, dry: bool) -> Step:
    now = _lead(mirror.pointers.get(name))
    mirror.pointers.unfreeze(name, dry)
    return Step(now, now._replace(frozen=False))


def _rolled_back(mirror: Mirror, name: str, bad: t.Optional[str], dry: bool) -> Step:
    now = _lead(mirror.pointers.get(name))
    if bad is not None and now.snapshot is not None and now.snapshot != mirror.pointers.resolve(bad):
        return Step(now, now)
    return Step(now, Lead(mirror.pointers.roll_back(name, dry), False, True))


def _absent(mirror: Mirror, name: str, dry: bool) -> Step:
    now = _lead(mirror.pointers.get(name))
    if now.snapshot is not None:
        if not dry:
            mirror.pointers.delete(name)
        return Step(now, Lead())
    if name not in [one.name for one in mirror.generations.all()]:
        return Step(now, now)
    retention.delete(mirror.generations, mirror.pointers, name, dry)
    return Step(now, now, retention.Freed([name], 0, 0))


def _pruned(mirror: Mirror, sets: t.Sequence[configurations.Set], force: bool, dry: bool) -> Step:
    policies = {of_set.name: of_set.policy for of_set in sets}
    return Step(Lead(), Lead(), retention.prune(mirror.store, mirror.generations, mirror.pointers, policies, time.time(), force, dry))


def _take(module: AnsibleModule, mirror: Mirror) -> Step:
    wanted, dry = module.params, module.check_mode
    state, name, what = wanted["state"], wanted["name"], wanted["snapshot"]
    if state == "published":
        return _published(mirror, name, what, dry)
    if state == "frozen":
        return _frozen(mirror, name, what, dry)
    if state == "unfrozen":
        return _unfrozen(mirror, name, dry)
    if state == "rolled_back":
        return _rolled_back(mirror, name, what, dry)
    if state == "absent":
        return _absent(mirror, name, dry)
    return _pruned(mirror, runs.chosen(mirror.configuration, wanted["sets"], wanted["config"]), wanted["force"], dry)


def _diff(mirror: Mirror, name: t.Optional[str], step: Step) -> Result:
    """Where the name leads and what that means for packages; of what is removed, the snapshots."""
    texts = [_told(step.before), _told(step.after)]
    if step.before.snapshot and step.after.snapshot:
        before, after = (mirror.generations.load(lead.snapshot) for lead in (step.before, step.after) if lead.snapshot)
        texts = [text + lines for text, lines in zip(texts, difference.package_lines(difference.between(mirror.generations, before, after).changes))]
    texts[0] += "".join(f"{snapshot}\n" for snapshot in step.removed.generations)
    return {"before_header": name or "snapshots", "after_header": name or "snapshots", "before": texts[0], "after": texts[1]}


def _told(lead: Lead) -> str:
    more = [word for word, true in (("frozen", lead.frozen), ("held", lead.held)) if true]
    return " ".join([f"leads to {lead.snapshot}", *more]) + "\n" if lead.snapshot else ""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["published", "frozen", "unfrozen", "rolled_back", "absent", "pruned"], "default": "published"},
            "name": {"type": "str"},
            "snapshot": {"type": "str"},
            "sets": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "config": {"type": "path", "default": "/etc/cmd-mirror/config.json"},
        },
        required_if=[("state", "published", ("name", "snapshot")), ("state", "frozen", ("name", "snapshot")), ("state", "unfrozen", ("name",)),
                     ("state", "rolled_back", ("name",)), ("state", "absent", ("name",))],
        supports_check_mode=True,
    )
    with door(module):
        told = configurations.load(module.params["config"])
        with as_owner(told.root):
            mirror = Mirror(told)
            with mirror.locked():
                step = _take(module, mirror)
                diff = _diff(mirror, module.params["name"], step) if module._diff else None  # pylint: disable=protected-access
        result: Result = {
            "changed": step.before != step.after or bool(step.removed.generations or step.removed.files), "name": module.params["name"],
            "previous": step.before.snapshot, **step.after._asdict(), "removed_snapshots": step.removed.generations,
            "removed_files": step.removed.files, "removed_bytes": step.removed.size,
        }
        if diff is not None:
            result["diff"] = diff
        module.exit_json(**result)


if __name__ == "__main__":
    main()
