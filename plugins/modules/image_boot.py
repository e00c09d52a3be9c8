#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_boot
short_description: Boot images in throw-away machines and judge how it went
version_added: 0.1.0
description:
  - Boots each image with QEMU, tells it how to configure itself in the way a cloud would, and lets the guest report - what cloud-init says
    of itself, packages, repositories, whether the root file system grew.
  - A console that says C(finished) proves nothing, because a failed module of cloud-init does not keep it from finishing. The verdict
    is made from cloud-init's own result and status.
  - The image is never written. The guest has no network but what O(boots[].mirror) serves it.
  - KVM is judged by what a guest achieves with it. Where it opens and hangs, or does not exist, the processor is emulated.
  - What the tester is to blame for makes a verdict C(inconclusive), never C(pass).
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - QEMU (C(qemu-system-x86_64), C(qemu-img)), 7.2 was tested
  - C(setpriv) of util-linux
  - OVMF for O(boots[].firmware=uefi)
attributes:
  check_mode:
    support: full
    details: [Boots nothing, and says what would be booted.]
  diff_mode:
    support: full
    details: [Shows the verdict of each boot.]
  idempotent:
    support: full
    details: [A verdict stands for the same bytes, way to boot and expectations. Timeouts and inconclusive verdicts do not stand.]
options:
  boots:
    description: What to boot. One after another.
    type: list
    elements: dict
    required: true
    suboptions:
      image:
        description: Path of the image.
        type: path
        required: true
      format:
        description: Its format. Without it, the name's suffix says it - C(.qcow2), C(.raw), C(.img), C(.vmdk), C(.vhd).
        type: str
        choices: [qcow2, raw, vmdk, vpc]
      architecture:
        description: Architecture of the machine. V(i686) has no UEFI.
        type: str
        choices: [x86_64, i686]
        default: x86_64
      firmware:
        description: What the machine starts with.
        type: str
        choices: [bios, uefi]
        default: bios
      transport:
        description:
          - How the guest is told its configuration. V(ec2) has a metadata service that wants a token (IMDSv2); the others are discs.
          - V(none) tells it nothing. It passes when it is up and the power button works.
        type: str
        choices: [nocloud, configdrive, opennebula, ovf, ec2, none]
        default: nocloud
      memory:
        description: Memory in MiB.
        type: int
        default: 1024
      cpu:
        description: A processor that QEMU knows. V(max) has all the accelerator can do.
        type: str
        default: max
      timeout:
        description:
          - Seconds until a guest has to have reported, for each accelerator that is tried. An emulated one takes 40 seconds on an idle
            machine and three times that on a busy one.
          - With O(boots[].mirror), ten minutes are added.
        type: int
        default: 600
      user_data:
        description: Parts of user data that are tested as well, see M(egi.cmd.image_seed). The script that reports is added to them.
        type: raw
      mirror:
        description: Directories that are served to the guest by HTTP, each under a host's name. It has no other network.
        type: list
        elements: dict
        default: []
        suboptions:
          host:
            description: Host name in the URIs of the image's repositories.
            type: str
            required: true
          path:
            description: Directory on this host that answers for it.
            type: path
            required: true
      expect:
        description: What the guest has to be like. Its hostname, data source, root file system and power-off are always looked at.
        type: dict
        suboptions:
          packages:
            description: The installed packages, exactly these - C(name), C(version), C(architecture) of each. More keys do not matter.
            type: list
            elements: dict
          repositories:
            description: Repositories that are configured and enabled - C(name) of those that M(egi.cmd.repository_set) wrote, and C(uri).
            type: list
            elements: dict
            default: []
          priorities:
            description: Package -> the number that C(apt-cache policy) has for the version it would install.
            type: dict
          install:
            description: Packages that are installed from the configured repositories.
            type: list
            elements: str
            default: []
          grows:
            description: The root file system grows over a disk that is 4 GiB larger than the image.
            type: bool
            default: true
  reports:
    description: Directory for verdicts, consoles and screenshots, and for what was found out about this host's accelerators.
    type: path
    required: true
  accelerator:
    description: V(auto) tries V(kvm) where it may work, and emulates (V(tcg)) when no guest gets anywhere with it.
    type: str
    choices: [auto, kvm, tcg]
    default: auto
  force:
    description: Boot again although a verdict stands.
    type: bool
    default: false
  require_pass:
    description: Fail when a verdict is not C(pass), after all were made.
    type: bool
    default: true
seealso:
  - module: egi.cmd.image_seed
"""

EXAMPLES = r"""
- name: Boot an image with both firmwares
  egi.cmd.image_boot:
    reports: /srv/images/reports
    boots:
      - image: /srv/images/cmd-cloud-generic-x86_64.qcow2
      - image: /srv/images/cmd-cloud-generic-x86_64.qcow2
        firmware: uefi
        transport: ovf

- name: Boot it and install from the release's own repository
  egi.cmd.image_boot:
    reports: /srv/images/reports
    boots:
      - image: /srv/images/cmd-cloud-generic-x86_64.qcow2
        mirror:
          - host: repo.example.org
            path: /srv/repository
        expect:
          packages: "{{ cell.packages }}"
          repositories: "{{ cell.repositories }}"
          priorities: {libcloud: 1200}
          install: [libcloud]
  vars:
    cell: "{{ lookup('ansible.builtin.file', 'image.json') | from_json }}"
"""

RETURN = r"""
verdicts:
  description: A verdict for each boot, in their order. In check mode, those that stand.
  returned: when images were looked at, whatever the verdicts are
  type: list
  elements: dict
  contains:
    schema:
      description: Version of this form, 1.
      type: int
    image:
      description: Name and SHA-256 of the file that was booted.
      type: dict
    disk_sha256:
      description: SHA-256 of the disk in it, which other forms of the same image share.
      type: str
    firmware:
      description: What the machine started with.
      type: str
    transport:
      description: How the guest was told its configuration.
      type: str
    accelerator:
      description: V(kvm) or V(tcg).
      type: str
    verdict:
      description: V(pass), V(fail) or V(inconclusive).
      type: str
    reason:
      description: >-
        V(booted), V(no-firmware), V(no-bootloader), V(no-kernel), V(panic), V(no-root), V(no-datasource), V(wrong-datasource),
        V(config-error), V(check-failed), V(timeout) or V(tester-error).
      type: str
    why:
      description: What showed it, in a sentence.
      type: str
    checks:
      description: What was looked at, with C(name), C(ok) and C(detail).
      type: list
      elements: dict
    seconds:
      description: How long the machine ran.
      type: float
    time:
      description: When it ended, UTC.
      type: str
    console:
      description: File in O(reports) with all that firmware and guest printed.
      type: str
    screenshot:
      description: File in O(reports) with the screen at the end, PNG. Null when there was none.
      type: str
  sample:
    - schema: 1
      image: {name: cmd-cloud-generic-x86_64.qcow2, sha256: 60a0dbfa33623811dad024bb44a6a4c8e395adfc9dec04b8305e3174d2f26dd3}
      disk_sha256: 2f2320c23fce6be96251bc545be7882a0bc26ca560a68c41e39efc253306b89c
      firmware: bios
      transport: nocloud
      accelerator: tcg
      verdict: pass
      reason: booted
      why: All 5 checks passed.
      checks: [{name: datasource, ok: true, detail: "DataSourceNoCloud [seed=/dev/sr0][dsmode=net], wanted DataSourceNoCloud"}]
      seconds: 42.5
      time: "2026-11-20T20:14:38Z"
      console: cmd-cloud-generic-x86_64.qcow2.bios.nocloud.a5963117d8c57c3c.log
      screenshot: cmd-cloud-generic-x86_64.qcow2.bios.nocloud.a5963117d8c57c3c.png
files:
  description: Paths of the verdicts on disk, in their order.
  returned: when images were looked at, whatever the verdicts are
  type: list
  elements: str
booted:
  description: What was booted, or in check mode would be.
  returned: when images were looked at, whatever the verdicts are
  type: list
  elements: str
  sample: [cmd-cloud-generic-x86_64.qcow2 with bios and nocloud]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import boot_record, boot_request, boot_run

ARGUMENTS = {
    "boots": {"type": "list", "elements": "dict", "required": True, "options": {
        "image": {"type": "path", "required": True},
        "format": {"type": "str", "choices": ["qcow2", "raw", "vmdk", "vpc"]},
        "architecture": {"type": "str", "choices": ["x86_64", "i686"], "default": "x86_64"},
        "firmware": {"type": "str", "choices": ["bios", "uefi"], "default": "bios"},
        "transport": {"type": "str", "choices": ["nocloud", "configdrive", "opennebula", "ovf", "ec2", "none"], "default": "nocloud"},
        "memory": {"type": "int", "default": 1024},
        "cpu": {"type": "str", "default": "max"},
        "timeout": {"type": "int", "default": 600},
        "user_data": {"type": "raw"},
        "mirror": {"type": "list", "elements": "dict", "default": [], "options": {
            "host": {"type": "str", "required": True},
            "path": {"type": "path", "required": True}}},
        "expect": {"type": "dict", "options": {
            "packages": {"type": "list", "elements": "dict"},
            "repositories": {"type": "list", "elements": "dict", "default": []},
            "priorities": {"type": "dict"},
            "install": {"type": "list", "elements": "str", "default": []},
            "grows": {"type": "bool", "default": True}}}}},
    "reports": {"type": "path", "required": True},
    "accelerator": {"type": "str", "choices": ["auto", "kvm", "tcg"], "default": "auto"},
    "force": {"type": "bool", "default": False},
    "require_pass": {"type": "bool", "default": True, "no_log": False},
}
Verdict = boot_record.Verdict


def _told(verdict: t.Optional[Verdict]) -> str:
    return f"{verdict['verdict']}, {verdict['reason']}: {verdict['why']}" if verdict else "not booted"


def _run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    params = module.params
    digests: t.Dict[str, str] = {}
    boots = [boot_request.of(given, digests) for given in params["boots"]]
    boot_run.require(boots)
    reports = params["reports"]
    before = [boot_record.kept(reports, boot) for boot in boots]
    wanted = [boot for boot, stands in zip(boots, before) if params["force"] or not stands]
    after = list(before)
    if wanted and not module.check_mode:
        with boot_record.Shelf(reports) as shelf:
            made = {boot.report: boot_run.run(boot, shelf, params["accelerator"]) for boot in {boot.report: boot for boot in wanted}.values()}
        after = [made.get(boot.report, stands) for boot, stands in zip(boots, before)]
    result: t.Dict[str, t.Any] = {
        "changed": bool(wanted), "verdicts": [verdict for verdict in after if verdict],
        "files": [os.path.join(reports, f"{boot.report}.json") for boot in boots], "booted": [boot.title for boot in wanted]}
    if module._diff:  # pylint: disable=protected-access
        told = ["to be booted" if module.check_mode and boot in wanted else _told(verdict) for boot, verdict in zip(boots, after)]
        texts = ["".join(f"{boot.title}: {text}\n" for boot, text in zip(boots, side)) for side in (map(_told, before), told)]
        result["diff"] = {"before_header": reports, "after_header": reports, "before": texts[0], "after": texts[1]}
    return result


def _judge(result: t.Mapping[str, t.Any]) -> None:
    bad = [verdict for verdict in result["verdicts"] if verdict["verdict"] != "pass"]
    if bad:
        why = "; ".join(f"{one['image']['name']} with {one['firmware']} and {one['transport']}: {_told(one)}" for one in bad)
        raise Failure("boot every image", why, "Read the console in the directory of reports, and docs/image-boot.md for what the reason means")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    with door(module):
        result = _run(module)
    with door(module, **result):
        if module.params["require_pass"]:
            _judge(result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
