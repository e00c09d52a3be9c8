#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_seed
short_description: Write what a machine is told at its first boot, for any way of telling it
version_added: 0.1.0
description:
  - One description of a machine - name, keys, user data, network - becomes a NoCloud seed, an OpenStack configuration drive, an
    OpenNebula context, an OVF environment or the tree of EC2's metadata service, as cloud-init reads them.
  - The same description gives the same bytes. A disc is written without any program for discs.
  - Seeds are readable by their owner alone, and replaced in one step.
  - What a transport cannot carry is refused by name; nothing is left out in silence.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: [Shows names and sizes of the files in each seed, never what is in them.]
  idempotent:
    support: full
options:
  seeds:
    description: The seeds. With O(seeds[].state=absent) nothing but O(seeds[].path) and O(seeds[].format) is looked at.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where the seed is. Its directory exists. Something there that is no seed is not replaced.
        type: path
        required: true
      state:
        description: Whether the seed is there.
        type: str
        choices: [present, absent]
        default: present
      transport:
        description:
          - The way the machine is told. V(nocloud), V(configdrive), V(opennebula) and V(ovf) are discs with the label that cloud-init
            looks for; the OVF environment has to be in a drive on IDE or SCSI.
          - V(ec2) is a tree for a test's metadata service, and only a V(directory).
        type: str
        choices: [nocloud, configdrive, opennebula, ovf, ec2]
        default: nocloud
      format:
        description: V(iso) is the image of a disc. V(directory) has the same files, for C(ds=nocloud;s=https://...) and its like.
        type: str
        choices: [iso, directory]
        default: iso
      hostname:
        description: The machine's name. Needed for V(present).
        type: str
      instance_id:
        description:
          - What makes the machine another one to cloud-init, which then does all of a first boot again.
          - Without it, it is made of everything else, and changes when that changes. OpenNebula has none.
        type: str
      user_data:
        description:
          - A text as cloud-init reads it, a dictionary that becomes a C(#cloud-config), or a list of such parts, which becomes MIME.
        type: raw
      vendor_data:
        description: The same, of whoever runs the cloud. V(nocloud) and V(configdrive) have it.
        type: raw
      ssh_keys:
        description: Public keys of the image's default user.
        type: list
        elements: str
        default: []
      password:
        description: Password of the image's default user, in clear or as C(crypt) has it. It is added to the user data and does not expire.
        type: str
      network:
        description:
          - Network configuration of version 1 or 2. V(nocloud) and V(ovf) carry it as it is.
          - V(configdrive) and V(opennebula) have words of their own, for Ethernet interfaces with a hardware address.
        type: dict
  published:
    description: Directories that are served to others. A seed with secrets below one of them gives a warning.
    type: list
    elements: path
    default: [/srv, /var/www, /usr/share/nginx]
seealso:
  - module: egi.cmd.image_boot
"""

EXAMPLES = r"""
- name: Write a NoCloud disc
  egi.cmd.image_seed:
    seeds:
      - path: /var/lib/machines/wn1-seed.iso
        hostname: wn1.example.org
        ssh_keys: ["{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"]
        user_data:
          package_update: true
          packages: [libcloud]

- name: Tell the same to machines of two clouds, with an address of their own
  egi.cmd.image_seed:
    seeds:
      - path: /var/lib/machines/wn2-config.iso
        transport: configdrive
        hostname: wn2.example.org
        network: "{{ wn2_network }}"
      - path: /var/lib/machines/wn2-context.iso
        transport: opennebula
        hostname: wn2.example.org
        network: "{{ wn2_network }}"
  vars:
    wn2_network:
      version: 2
      ethernets:
        eth0:
          match: {macaddress: "52:54:00:00:00:02"}
          addresses: [192.0.2.2/24]
          gateway4: 192.0.2.1
          nameservers: {addresses: [192.0.2.53]}
"""

RETURN = r"""
seeds:
  description: The seeds, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
    changed:
      description: Whether it was written or removed.
      type: bool
    instance_id:
      description: The instance id it has, or null for one that is absent.
      type: str
    sha256:
      description: Digest of the disc; null for a directory and for one that is absent.
      type: str
    secrets:
      description: What in it should be read by nobody else, in words.
      type: list
      elements: str
  sample:
    - {path: /var/lib/machines/wn1-seed.iso, changed: true, instance_id: i-4f1c0e1a2b3c4d5e6, secrets: [],
       sha256: 8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4}
"""

import hashlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import seed, seed_files, seed_place

ARGUMENTS = {
    "seeds": {"type": "list", "elements": "dict", "required": True, "options": {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "transport": {"type": "str", "choices": ["nocloud", "configdrive", "opennebula", "ovf", "ec2"], "default": "nocloud"},
        "format": {"type": "str", "choices": ["iso", "directory"], "default": "iso"},
        "hostname": {"type": "str"},
        "instance_id": {"type": "str"},
        "user_data": {"type": "raw", "no_log": True},
        "vendor_data": {"type": "raw", "no_log": True},
        "ssh_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "password": {"type": "str", "no_log": True},
        "network": {"type": "dict"}},
        "required_if": [("state", "present", ("hostname",))]},
    "published": {"type": "list", "elements": "path", "default": ["/srv", "/var/www", "/usr/share/nginx"]},
}
_HIDDEN = ("user_data", "vendor_data", "password", "network")
Given = t.Mapping[str, t.Any]


class Step(t.NamedTuple):
    """A seed, and what there is to do about it. image: bytes of the disc."""

    given: Given
    instance_id: t.Optional[str]
    before: t.Optional[t.Dict[str, bytes]]
    after: t.Optional[t.Dict[str, bytes]]
    image: bytes
    changed: bool


def _planned(given: Given) -> Step:
    path, directory = given["path"], given["format"] == "directory"
    above = os.path.dirname(path)
    if not os.path.isdir(above):
        raise Failure(f"write {path}", f"{above} is no directory", "Create it first, closed to others")
    before = seed_place.found(path, directory)
    if given["state"] == "absent":
        return Step(given, None, before, None, b"", before is not None)
    if given["transport"] == "ec2" and not directory:
        raise Failure(f"write {path}", "EC2 has a service and no disc", "Set format to directory")
    told = seed.of(given)
    after = seed_files.files(told, given["transport"])
    image = b"" if directory else seed_place.disc(after, seed_files.LABELS[given["transport"]], 0)
    same = before is not None and before == after if directory else os.path.exists(path) and _content(path) == image
    return Step(given, told.instance_id, before, after, image, not (same and seed_place.private(path)))


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _take(step: Step) -> None:
    path = step.given["path"]
    seed_place.sweep(path)
    if not step.changed:
        return
    if step.after is None:
        seed_place.remove(path)
    elif step.image:
        seed_place.put_disc(path, step.image)
    else:
        seed_place.put_directory(path, step.after)


def _warn(module: AnsibleModule, given: Given, secrets: t.Sequence[str]) -> None:
    place = os.path.realpath(given["path"])
    for public in map(os.path.realpath, module.params["published"]):
        if secrets and os.path.commonpath([place, public]) == public:
            module.warn(f"{given['path']} has {' and '.join(secrets)}, and {public} is served to others")
            return


def _diff(steps: t.Sequence[Step]) -> t.Dict[str, str]:
    """Names and sizes: what is in a seed may be secret, and so may be how it differs."""
    texts = []
    for side, of_step in (("before", lambda step: step.before), ("after", lambda step: step.after)):
        text = ""
        for step in steps:
            for name, content in sorted((of_step(step) or {}).items()):
                other = (step.before or {}).get(name)
                note = ", changed" if side == "after" and other is not None and other != content else ""
                text += f"{step.given['path']}: {name}, {len(content)} bytes{note}\n"
        texts.append(text)
    return {"before_header": "seeds", "after_header": "seeds", "before": texts[0], "after": texts[1]}


def _row(step: Step, secrets: t.Sequence[str]) -> t.Dict[str, t.Any]:
    digest = hashlib.sha256(step.image).hexdigest() if step.image else None
    return {"path": step.given["path"], "changed": step.changed, "instance_id": step.instance_id, "sha256": digest, "secrets": list(secrets)}


def _invocation(params: Given) -> t.Dict[str, t.Any]:
    """The arguments without what may be secret."""
    seeds = [{**given, **{name: "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" for name in _HIDDEN if given[name]}} for given in params["seeds"]]
    return {"module_args": {**params, "seeds": seeds}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    # Ansible strikes every word of hidden arguments out of all results; of a cloud-config that would be words like "true" in paths and
    # digests. What is returned here has no user data in it, and the arguments themselves are hidden wholly.
    module.no_log_values = {given["password"] for given in module.params["seeds"] if given["password"]}
    invocation = _invocation(module.params)
    with door(module, invocation=invocation):
        steps = [_planned(given) for given in module.params["seeds"]]
        secrets = [seed.secrets(step.given) if step.after is not None else [] for step in steps]
        if not module.check_mode:
            for step in steps:
                _take(step)
        for step, found in zip(steps, secrets):
            _warn(module, step.given, found)
        result: t.Dict[str, t.Any] = {"changed": any(step.changed for step in steps), "seeds": [_row(*pair) for pair in zip(steps, secrets)]}
        if module._diff:  # pylint: disable=protected-access
            result["diff"] = _diff(steps)
        module.exit_json(invocation=invocation, **result)


if __name__ == "__main__":
    main()
