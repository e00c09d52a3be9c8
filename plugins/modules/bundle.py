#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Carry snapshots of a mirror to a site without network
version_added: 0.1.0
description:
  - Writes a signed bundle of a snapshot, whole or without what a site already has, as a plain directory, a tar file
    or an ISO 9660 image for a disc.
  - Imports a bundle into the mirror of an isolated site. The same snapshot appears there, of the same name and byte for byte,
    and the set's name leads there in one step.
  - An import is refused unless the bundle is signed by a key of O(keyring), every file it takes is what its SHA-256 says, and the
    upstreams' own signatures are good by the keyrings of O(config). Until all of that is certain, readers keep what they had.
  - What was interrupted goes on when it is run again.
  - It does what C(cmd-mirror bundle) does.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - C(gpgv) or C(sqv); to export also GnuPG 2.2 or newer (C(gpg) and C(gpgconf))
attributes:
  check_mode:
    details:
      - An import in check mode verifies the bundle's signature and looks which files there are. It does not read the packages.
    support: full
  diff_mode:
    details:
      - Of an import, shows packages with their versions, at most 2000 lines for each side.
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(exported) writes a bundle of O(snapshot).
      - V(imported) takes a bundle in, and publishes its snapshot unless the set's name leads to a newer one or is held.
        Started as root, it works with the rights of the user who owns the mirror's directory, who must be able to read O(path).
      - V(inventoried) writes down what this mirror has, for O(inventory) of the next export.
    type: str
    choices: [exported, imported, inventoried]
    required: true
  path:
    description:
      - The bundle on the host, for O(state=imported) also the drive its disc is in, or for O(state=inventoried) the file to write.
      - A directory to export to is new, or holds an earlier bundle. What both bundles have is not written again.
    type: path
    required: true
  form:
    description: What O(state=exported) writes. An import sees for itself.
    type: str
    choices: [directory, tar, iso]
    default: directory
  snapshot:
    description: The snapshot to export, or a name that leads to one. Needed for O(state=exported).
    type: str
  inventory:
    description: Leave out what a site has. The file on the host that O(state=inventoried) wrote there.
    type: path
  since:
    description: Leave out what this snapshot of the exporting mirror holds. The site must have it.
    type: str
  sets:
    description: Names of the sets to write down with O(state=inventoried). All sets of O(config) if empty.
    type: list
    elements: str
    default: []
  key_home:
    description: Directory of the signing keys, as M(egi.cmd.repository_key) makes it.
    type: path
    default: /etc/cmd-mirror/signing
  signing_keys:
    description: Fingerprints of the keys that sign the bundle. Needed for O(state=exported).
    type: list
    elements: str
  keyring:
    description: Binary keyring of those who may sign bundles, for O(state=imported).
    type: path
    default: /etc/cmd-mirror/keys/bundles.gpg
  config:
    description: The mirror's configuration. An importing mirror needs the set of the bundle with the same sources, and keyrings of its own.
    type: path
    default: /etc/cmd-mirror/config.json
seealso:
  - module: egi.cmd.repository_key
  - module: egi.cmd.snapshot
"""

EXAMPLES = r"""
- name: Write what is published to a disk
  egi.cmd.bundle:
    state: exported
    snapshot: cmd-os-1
    path: /media/carrier/cmd-os-1
    signing_keys: ["{{ bundle_key.fingerprint }}"]

- name: Write only what the site lacks, as one file
  egi.cmd.bundle:
    state: exported
    snapshot: cmd-os-1
    path: /media/carrier/cmd-os-1.tar
    form: tar
    inventory: /media/carrier/inventory.json
    signing_keys: ["{{ bundle_key.fingerprint }}"]

- name: Write an image to burn
  egi.cmd.bundle:
    state: exported
    snapshot: cmd-os-1
    path: /srv/transfer/cmd-os-1.iso
    form: iso
    signing_keys: ["{{ bundle_key.fingerprint }}"]

- name: On the isolated site, take it in
  egi.cmd.bundle:
    state: imported
    path: /media/carrier/cmd-os-1
    keyring: /etc/cmd-mirror/keys/bundles.gpg

- name: On the isolated site, write down what is there now
  egi.cmd.bundle:
    state: inventoried
    path: /media/carrier/inventory.json
"""

RETURN = r"""
snapshot:
  description: The bundle's snapshot. Null for O(state=inventoried).
  returned: success
  type: str
  sample: cmd-os-1-2026-11-20-041502
base:
  description: Snapshots a delta builds on. Empty for a whole bundle.
  returned: success
  type: list
  elements: str
  sample: [cmd-os-1-2026-11-13-041502]
snapshots:
  description: The snapshots written down. Empty but for O(state=inventoried).
  returned: success
  type: list
  elements: str
  sample: []
files:
  description: Files the bundle carries, or the inventory names.
  returned: success
  type: int
  sample: 214
bytes:
  description: Size of the bundle's files. V(0) for O(state=inventoried).
  returned: success
  type: int
  sample: 48120333
previous:
  description: The snapshot the set's name led to before an import. Null if there was none, and for the other states.
  returned: success
  type: str
  sample: cmd-os-1-2026-11-13-041502
published:
  description: The snapshot the set's name leads to after an import. Null if there is none, and for the other states.
  returned: success
  type: str
  sample: cmd-os-1-2026-11-20-041502
signers:
  description: Fingerprints of the keys an imported bundle is signed with, or an exported one is to be.
  returned: success
  type: list
  elements: str
  sample: [0123456789ABCDEF0123456789ABCDEF01234567]
"""

import contextlib
import os
import threading
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle as bundles
from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle_export, bundle_import, runs
from ansible_collections.egi.cmd.plugins.module_utils._mirror import configuration as configurations
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle_export import Key
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle_medium import open_medium
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration
from ansible_collections.egi.cmd.plugins.module_utils._mirror.difference import package_lines
from ansible_collections.egi.cmd.plugins.module_utils._mirror.owner import as_owner
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import write_file
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror

Result = t.Dict[str, t.Any]
_SAME: Result = {"snapshot": None, "base": [], "snapshots": [], "files": 0, "bytes": 0, "previous": None, "published": None, "signers": []}


def _exported(module: AnsibleModule, told: Configuration) -> Result:
    wanted = module.params
    with as_owner(told.root):
        mirror = Mirror(told)
        base = bundle_export.inventory_of(mirror.generations, mirror.pointers.resolve(wanted["since"])) if wanted["since"] else None
    if wanted["inventory"]:
        base = bundle_export.load_inventory(wanted["inventory"])
    ready = bundle_export.prepare(mirror.generations, mirror.store, mirror.pointers.resolve(wanted["snapshot"]), base)
    before = _described(wanted["path"])
    key = Key(wanted["key_home"], tuple(wanted["signing_keys"]))
    changed = bundle_export.write(wanted["form"], ready, wanted["path"], key, threading.Event(), lambda done, total: None, module.check_mode)
    bundle = ready.bundle
    return {**_SAME, "changed": changed, "snapshot": bundle.generation, "base": list(bundle.base), "files": len(bundle.contents()), "bytes": ready.size,
            "signers": list(key.fingerprints), "diff": _diff(wanted["path"], before, _description(bundle))}


def _imported(module: AnsibleModule, told: Configuration) -> Result:
    wanted = module.params
    with as_owner(told.root):
        mirror = Mirror(told)
        with mirror.locked():
            done = bundle_import.take(mirror, wanted["path"], wanted["keyring"], lambda done, total: None, module.check_mode)
    for warning in done.warnings:
        module.warn(warning)
    bundle = done.bundle
    leads = [f"leads to {where}\n" if where else "" for where in (done.before, done.published)]
    texts = [lead + lines for lead, lines in zip(leads, package_lines(done.changes if done.published != done.before else []))]
    return {**_SAME, "changed": done.changed, "snapshot": bundle.generation, "base": list(bundle.base), "files": len(bundle.contents()), "bytes": done.size,
            "previous": done.before, "published": done.published, "signers": list(done.signers), "diff": _diff(bundle.set, *texts)}


def _inventoried(module: AnsibleModule, told: Configuration) -> Result:
    wanted = module.params
    path = wanted["path"]
    sets = runs.chosen(told, wanted["sets"], wanted["config"])
    with as_owner(told.root):
        found = bundle_export.inventory(Mirror(told).generations, [of_set.name for of_set in sets])
    before: t.Tuple[str, ...] = ()
    changed = True
    with contextlib.suppress(Failure):
        there = bundle_export.load_inventory(path)
        changed, before = there != found, there.generations
    if changed and not module.check_mode:
        write_file(path, bundles.encode_inventory(found).decode(), os.path.abspath(path) + ".new")
    texts = ["".join(f"{name}\n" for name in names) for names in (before, found.generations)]
    return {**_SAME, "changed": changed, "snapshots": list(found.generations), "files": len(found.files), "diff": _diff(path, *texts)}


def _described(path: str) -> str:
    """What a bundle says it is, unverified, or nothing."""
    with contextlib.suppress(Failure):
        with open_medium(path) as medium:
            return _description(bundles.parse(medium.head()[0]))
    return ""


def _description(bundle: bundles.Bundle) -> str:
    lines = [f"snapshot {bundle.generation}", *(f"on top of {name}" for name in bundle.base), f"{len(bundle.contents())} files"]
    return "".join(f"{line}\n" for line in lines)


def _diff(header: str, before: str, after: str) -> Result:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["exported", "imported", "inventoried"], "required": True},
            "path": {"type": "path", "required": True},
            "form": {"type": "str", "choices": ["directory", "tar", "iso"], "default": "directory"},
            "snapshot": {"type": "str"},
            "inventory": {"type": "path"},
            "since": {"type": "str"},
            "sets": {"type": "list", "elements": "str", "default": []},
            "key_home": {"type": "path", "default": "/etc/cmd-mirror/signing", "no_log": False},
            "signing_keys": {"type": "list", "elements": "str", "no_log": False},
            "keyring": {"type": "path", "default": "/etc/cmd-mirror/keys/bundles.gpg", "no_log": False},
            "config": {"type": "path", "default": "/etc/cmd-mirror/config.json"},
        },
        required_if=[("state", "exported", ("snapshot", "signing_keys"))],
        mutually_exclusive=[("inventory", "since")],
        supports_check_mode=True,
    )
    with door(module):
        told = configurations.load(module.params["config"])
        take = {"exported": _exported, "imported": _imported, "inventoried": _inventoried}[module.params["state"]]
        result = take(module, told)
        if not module._diff:  # pylint: disable=protected-access
            del result["diff"]
        module.exit_json(**result)


if __name__ == "__main__":
    main()
