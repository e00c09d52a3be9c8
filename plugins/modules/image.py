#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module egi.cmd.image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Build cloud images and container roots from a release
version_added: 0.1.0
author:
  - egi.cmd contributors (@egi-cmd)
description:
  - Makes images of a base distribution with the repositories and packages of a release, one for each variant and architecture.
  - The image gets its repositories, keys and priorities as M(egi.cmd.repository_set) would write them. Mirrors that the build reads do
    not get into it.
  - A disk starts with BIOS and with UEFI, takes its configuration through cloud-init, and grows on first boot.
  - The same definition and the same packages give the same bytes, on every build host with the same tools.
  - Nothing is mounted by the module and no device is used. It needs neither loop devices nor the device mapper.
  - Stages are kept in O(cache). What is there is not made again, and a build that was killed goes on from there.
options:
  definition:
    description:
      - What the image is to be. C(docs/image.md) explains every field, and has the rules it has to keep.
      - C(name), C(platform), C(epoch) and either C(base) or C(external) are required.
      - With O(kickstart) or O(tdl), packages, repositories and the script are added to it.
    type: dict
    required: true
  kickstart:
    description: A kickstart file on the build host. Directives that have no meaning for an image are refused by name.
    type: path
  tdl:
    description: A template of the template description language (TDL) on the build host.
    type: path
  repository_keys:
    description:
      - Keys for repositories that O(kickstart) or O(tdl) name, by the name of the repository. Those files cannot say whom to trust.
      - Values as in O(egi.cmd.repository_set#module:repositories[].keys).
    type: dict
    default: {}
  state:
    description:
      - V(built) makes what is missing, and puts image files and C(image.json) below O(directory).
      - V(verified) builds again with nothing from the cache, and says whether the bytes are those of V(built). It changes nothing.
    type: str
    choices: [built, verified]
    default: built
  directory:
    description:
      - Where images go. Each cell has a directory of its own there, C(<name>-<variant>-<architecture>/).
      - The file C(image.json) in it is there only when all files are whole.
    type: path
    required: true
  cache:
    description:
      - Directory for finished stages. On the same file system as O(directory) nothing is stored twice.
      - Without root, everybody has to be able to enter it.
    type: path
    default: /var/cache/egi-cmd-image
  cells:
    description: Build these cells only, by name, such as C(cmd-cloud-generic-x86_64). All cells if empty.
    type: list
    elements: str
    default: []
  formats:
    description:
      - Formats of images that have a disk. A container is always C(tar.xz).
      - V(ovf) is a descriptor and a manifest beside the VMDK, which is then made too.
    type: list
    elements: str
    choices: [qcow2, raw.tar.xz, vmdk, vhd, ova, ovf]
    default: [qcow2]
  compression:
    description: How QCOW2 is compressed. V(zstd) needs QEMU 5.1 or later where the image is used, and is made in a tenth of the time.
    type: str
    choices: [zstd, zlib]
    default: zstd
  jobs:
    description: Number of cells that are built at the same time.
    type: int
    default: 2
  timeout:
    description: Seconds that a server may take to hand out a key or an index.
    type: int
    default: 30
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details: [It reads keys and indices to know what would be built.]
  diff_mode:
    support: full
    details: [Shows packages with their origins, digests and repositories. In check mode those of an image that has to be built are not known.]
  idempotent:
    support: full
    details: [Something changes when the definition, a package or a tool of the build host does.]
requirements:
  - mmdebstrap for the Debian family, dnf and root for the RPM family
  - e2fsprogs, dosfstools, mtools, fdisk, grub-pc-bin and grub-efi-amd64-bin for disks
  - qemu-utils, tar, xz-utils
  - pykickstart for O(kickstart)
notes:
  - Without root, mmdebstrap uses a user namespace, which needs C(newuidmap) and subordinate user ids.
seealso:
  - module: egi.cmd.repository_set
  - module: egi.cmd.image_boot
  - module: egi.cmd.image_drop
  - module: egi.cmd.ovf
"""

EXAMPLES = r"""
- name: Build our release's image
  egi.cmd.image:
    directory: /srv/images
    formats: [qcow2, raw.tar.xz, ova]
    definition:
      name: site-cloud
      platform: bookworm
      release: "{{ lookup('egi.cmd.release', './site-release.yml') }}"
      snapshot: site-1-20261120T120000Z
      release_packages: [cloud-client]
      epoch: 1763596800
      base:
        name: debian
        repositories:
          - {name: debian, uris: [http://debian.example.org/debian], suite: bookworm, components: [main], origin: Debian, keys: "{{ debian_keys }}"}
          - name: debian-security
            uris: [http://debian.example.org/debian-security]
            suite: bookworm-security
            components: [main]
            origin: Debian
            keys: "{{ debian_keys }}"

- name: Build it again elsewhere, and say whether it is the same
  egi.cmd.image:
    state: verified
    directory: /srv/images
    definition: "{{ our_image }}"
  register: rebuilt
  failed_when: not rebuilt.identical
"""

RETURN = r"""
images:
  description: Every cell, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    cell:
      description: Name of the cell.
      type: str
      sample: site-cloud-generic-x86_64
    path:
      description: Its C(image.json).
      type: str
      sample: /srv/images/site-cloud-generic-x86_64/image.json
    changed:
      description: Whether this cell changed, or would.
      type: bool
    why:
      description: In check mode, the first stage that would be made, and why. Empty when nothing would change.
      type: str
      sample: "root file system: the definition changed"
    stages:
      description: What was made, with the reason and the seconds it took.
      type: list
      elements: dict
      sample: [{stage: qcow2, why: "the disk is another, or this format was not asked for before", seconds: 1.6}]
    image:
      description: The content of C(image.json). Null in check mode for an image that is not there yet.
      type: dict
    identical:
      description: With O(state=verified), whether the second build gave the same bytes.
      type: bool
    differences:
      description: With O(state=verified), lines that only one build has, then files of the root file system that differ.
      type: list
      elements: str
      sample: ["- package libcloud:amd64 1.0-1 from site-1-updates", "+ package libcloud:amd64 1.1-1 from site-1-updates"]
identical:
  description: With O(state=verified), whether all second builds gave the same bytes.
  returned: success
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import secrets_in
from ansible_collections.egi.cmd.plugins.module_utils._image import build, build_again, definition_cell, definition_input, provenance
from ansible_collections.egi.cmd.plugins.module_utils._image.build_cache import Cache
from ansible_collections.egi.cmd.plugins.module_utils._image.build_stages import Settings
from ansible_collections.egi.cmd.plugins.module_utils._image.definition import parse

Result = t.Dict[str, t.Any]

ARGUMENTS: t.Dict[str, t.Any] = {
    "definition": {"type": "dict", "required": True},
    "kickstart": {"type": "path"},
    "tdl": {"type": "path"},
    "repository_keys": {"type": "dict", "default": {}, "no_log": False},
    "state": {"type": "str", "choices": ["built", "verified"], "default": "built"},
    "directory": {"type": "path", "required": True},
    "cache": {"type": "path", "default": "/var/cache/egi-cmd-image"},
    "cells": {"type": "list", "elements": "str", "default": []},
    "formats": {"type": "list", "elements": "str", "choices": ["qcow2", "raw.tar.xz", "vmdk", "vhd", "ova", "ovf"], "default": ["qcow2"]},
    "compression": {"type": "str", "choices": ["zstd", "zlib"], "default": "zstd"},
    "jobs": {"type": "int", "default": 2},
    "timeout": {"type": "int", "default": 30},
}


def _cells(params: Result) -> t.List[definition_cell.Cell]:
    if params["jobs"] < 1 or params["timeout"] < 1:
        raise Failure("read options", "jobs and timeout are 1 or more", "Correct them")
    data = definition_input.merged(params["definition"], params["kickstart"], params["tdl"], params["repository_keys"])
    found = definition_cell.cells(parse(data))
    strangers = sorted(set(params["cells"]) - {cell.name for cell in found})
    if strangers:
        raise Failure(f"build cell {strangers[0]}", f"the definition has {', '.join(cell.name for cell in found)}", "Correct cells")
    return [cell for cell in found if not params["cells"] or cell.name in params["cells"]]


def _built(params: Result, check: bool) -> Result:
    cache = Cache(params["cache"])
    settings = Settings(tuple(params["formats"]), params["compression"], check, params["timeout"], f"{cache.directory}/logs")
    outcomes = build.build(_cells(params), params["directory"], cache, settings, params["jobs"])
    images = [
        {"cell": one.cell.name, "path": one.path, "changed": one.changed, "why": one.why if check else "", "stages": [step._asdict() for step in one.steps],
         "image": one.after}
        for one in outcomes
    ]
    return {"changed": any(one.changed for one in outcomes), "images": images, "diff": [_diff(one) for one in outcomes if one.changed]}


def _diff(one: build.Outcome) -> Result:
    after = provenance.lines(one.after) if one.after else [f"not known before it is built: {one.why}"]
    return {"before_header": one.path, "after_header": one.path, "before": _text(provenance.lines(one.before)), "after": _text(after)}


def _text(lines: t.Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _verified(params: Result) -> Result:
    cache = Cache(params["cache"])
    settings = Settings(tuple(params["formats"]), params["compression"], False, params["timeout"], f"{cache.directory}/logs")
    images = [
        {"cell": cell.name, "path": build.image_path(params["directory"], cell), "changed": False, "why": "", **verdict._asdict()}
        for cell in _cells(params) for verdict in [build_again.verify(cell, params["directory"], cache, settings)]
    ]
    return {"changed": False, "images": images, "identical": all(one["identical"] for one in images)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, mutually_exclusive=[("kickstart", "tdl")], supports_check_mode=True)
    params = module.params
    base = params["definition"].get("base")
    entries = base.get("repositories") if isinstance(base, dict) else None
    if isinstance(entries, list):
        module.no_log_values.update(secrets_in(entry for entry in entries if isinstance(entry, dict)))
    with door(module):
        if params["state"] == "verified":
            result = _verified(params)
        else:
            result = _built(params, module.check_mode)
        if not module._diff:  # pylint: disable=protected-access
            result.pop("diff", None)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
