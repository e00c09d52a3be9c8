# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This doc fragment is PRIVATE to the egi.cmd collection; its content may change in any release.
"""The virtual machines of a package, as the module ovf takes them."""

from __future__ import annotations


class ModuleDocFragment:
    """Use as ``egi.cmd.ovf_systems``; the argument spec is SYSTEMS of ``_image/ovf_parameters.py``."""

    DOCUMENTATION = r"""
options:
  systems:
    description:
      - The virtual machines of the package. Several make a collection.
      - For O(state=edited), what is to be different. Then O(systems[].name) is only needed if there are several, and only
        O(systems[].cpus), O(systems[].memory), and key and value of O(systems[].properties) can be given.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Id and name.
        type: str
      cpus:
        description: Number of CPUs. A new system has one.
        type: int
      memory:
        description: Memory in MiB. A new system has 1024.
        type: int
      platform:
        description: Platform of a release manifest, such as V(bookworm) or V(el9). Tells the importer the operating system.
        type: str
      architecture:
        description: V(x86_64) or another one.
        type: str
        choices: [x86_64, i686, aarch64]
        default: x86_64
      firmware:
        description: What the machine boots with, if not what the hypervisor takes.
        type: str
        choices: [bios, efi]
      hardware:
        description: Families of virtual hardware.
        type: str
        default: vmx-10
      disks:
        description: Paths of its disks, streamOptimized VMDK.
        type: list
        elements: path
      storage:
        description:
          - Where the disks are. Default is IDE, which every hypervisor has and every kernel drives.
          - Debian's cloud kernel has no driver for C(lsilogic), C(AHCI) and C(E1000), see O(kernel_config).
        type: dict
        suboptions:
          bus:
            description: The bus.
            type: str
            choices: [ide, scsi, sata]
            default: ide
          model:
            description: The controller, such as V(VirtualSCSI) or V(lsilogic). Default is the bus' usual one.
            type: str
            choices: ['', PIIX4, PIIX3, lsilogic, lsilogicsas, buslogic, VirtualSCSI, virtio-scsi, AHCI]
            default: ''
      cdrom:
        description: Where the CD-ROM drive is that the properties come on. Default is IDE.
        type: dict
        suboptions:
          bus:
            description: The bus.
            type: str
            choices: [ide, scsi, sata]
            default: ide
          model:
            description: The controller, such as V(VirtualSCSI) or V(lsilogic). Default is the bus' usual one.
            type: str
            choices: ['', PIIX4, PIIX3, lsilogic, lsilogicsas, buslogic, VirtualSCSI, virtio-scsi, AHCI]
            default: ''
      transports:
        description: How the guest gets the properties. Without any, there is no CD-ROM drive.
        type: list
        elements: str
        choices: [iso, com.vmware.guestInfo]
        default: [iso, com.vmware.guestInfo]
      networks:
        description: Names of networks, one for each card.
        type: list
        elements: str
        default: [default]
      card:
        description: Model of the network cards.
        type: str
        choices: [VmxNet3, virtio, E1000, PCNet32]
        default: VmxNet3
      product:
        description: What runs in it.
        type: dict
        suboptions:
          name:
            description: Name of the product.
            type: str
          vendor:
            description: Who makes it.
            type: str
          version:
            description: Its version.
            type: str
          url:
            description: Its page.
            type: str
      cloud_init:
        description: Bring the properties that cloud-init reads. V(instance-id), V(hostname), V(public-keys), V(password), V(user-data), V(seedfrom)
          and V(network-config).
        type: bool
        default: true
      properties:
        description: Values a person sets at deployment.
        type: list
        elements: dict
        suboptions:
          key:
            description: Name of the value in the guest.
            type: str
            required: true
          value:
            description: What it is unless the person says otherwise.
            type: str
            default: ''
          type:
            description: Type of the value.
            type: str
            default: string
          label:
            description: What the person is asked.
            type: str
          description:
            description: More about it.
            type: str
          user_configurable:
            description: Whether the person is asked at all.
            type: bool
            default: true
          password:
            description: Whether it is typed unseen.
            type: bool
            default: false
"""
