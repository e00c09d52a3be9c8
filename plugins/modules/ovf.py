#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ovf
short_description: Pack virtual machines as OVF or OVA, unpack and edit such packages
version_added: 0.1.0
description:
  - Writes a package of virtual machines that VMware, VirtualBox and others import, as one OVA file or as a directory.
    The same input always gives the same bytes.
  - Unpacks and edits packages of others. They are hostile until every rule of C(docs/ovf.md) was looked at; a package that breaks one is
    refused by its name, and nothing is written.
  - It runs where the disks are, and needs no hypervisor.
extends_documentation_fragment:
  - egi.cmd.attributes
  - egi.cmd.ovf_systems
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - C(openssl), to sign or to check a signature
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: [Of the descriptor. Values of passwords and of user data are not shown.]
  idempotent:
    support: full
options:
  state:
    description:
      - V(packed) makes O(path) the package of O(image), O(domain) or O(systems).
      - V(unpacked) makes O(path) a directory with the files of O(src).
      - V(edited) changes in the package O(path) what O(systems) says, and leaves everything else as it is.
    type: str
    choices: [packed, unpacked, edited]
    default: packed
  path:
    description:
      - The OVA file, or for O(form=directory) and O(state=unpacked) the directory. The descriptor is called after it.
      - For O(state=edited), the package as it is.
    type: path
    required: true
  form:
    description: What O(state=packed) writes. A file above 8 GiB does not go into an OVA.
    type: str
    choices: [ova, directory]
    default: ova
  src:
    description: Package to unpack. An OVA file, a descriptor, or the directory of one.
    type: path
  image:
    description:
      - An C(image.json) of the build, with the C(vmdk) it lists in the same directory.
      - The machine gets a CD-ROM drive and the properties that cloud-init reads.
    type: path
  domain:
    description: A libvirt domain, as C(virsh dumpxml) writes it. Its disks have to be streamOptimized VMDK files.
    type: path
  name:
    description: Name of the collection, if it is to be one.
    type: str
    default: ''
  licence:
    description: Text the importer shows and has accepted.
    type: str
    default: ''
  version:
    description: Version of OVF. V(2.0) was never checked against its schema.
    type: str
    choices: ['1.1', '2.0']
    default: '1.1'
  manifest_digest:
    description:
      - Digest of the manifest. V(none) writes none, and then nobody sees a damaged disk. Old VMware products take V(sha1) only.
      - A package that is edited keeps its own.
    type: str
    choices: [sha256, sha1, sha512, none]
    default: sha256
  signing_key:
    description: Path of an RSA private key as PEM without passphrase, that signs the manifest.
    type: path
  signing_certificate:
    description: Path of its certificate as PEM, which becomes part of the package.
    type: path
  authorities:
    description: Path of certificates as PEM. The package O(src) or the one to be edited has to be signed by someone they vouch for.
    type: path
  kernel_config:
    description: The C(/boot/config-*) of the kernel in the disks. Hardware it has no driver for is refused.
    type: path
  epoch:
    description: Time of the files in an OVA, in seconds since 1970. With O(image), the image's own.
    type: int
    default: 0
notes:
  - A package is a file for everybody who gets the image. Give values that are secret at deployment, not here.
seealso:
  - module: egi.cmd.ovf_info
  - module: egi.cmd.image_bundle
"""

EXAMPLES = r"""
- name: Pack what the build made
  egi.cmd.ovf:
    path: /srv/images/cmd-cloud-generic-x86_64.ova
    image: /srv/images/cmd-cloud-generic-x86_64/image.json

- name: Pack two machines that belong together, signed
  egi.cmd.ovf:
    path: /srv/images/shop.ova
    name: shop
    systems:
      - name: web
        platform: bookworm
        memory: 2048
        disks: [/srv/build/web.vmdk]
        networks: [outside, inside]
      - name: database
        platform: bookworm
        cpus: 2
        memory: 4096
        disks: [/srv/build/database.vmdk, /srv/build/data.vmdk]
        storage: {bus: scsi, model: VirtualSCSI}
        networks: [inside]
    signing_key: /etc/pki/images/key.pem
    signing_certificate: /etc/pki/images/certificate.pem

- name: Unpack a package of somebody else, if they signed it
  egi.cmd.ovf:
    state: unpacked
    src: /srv/incoming/appliance.ova
    path: /srv/images/appliance
    authorities: /etc/pki/images/partners.pem

- name: Give it more memory and a name
  egi.cmd.ovf:
    state: edited
    path: /srv/images/appliance
    systems:
      - memory: 8192
        properties:
          - {key: hostname, value: appliance.example.org}
"""

RETURN = r"""
path:
  description: The package, or the directory it was unpacked to.
  returned: success
  type: str
  sample: /srv/images/cmd-cloud-generic-x86_64.ova
files:
  description: Its files, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
    size:
      description: Bytes.
      type: int
  sample:
    - {name: cmd-cloud-generic-x86_64.ovf, size: 5367}
    - {name: cmd-cloud-generic-x86_64.mf, size: 163}
    - {name: cmd-cloud-generic-x86_64.vmdk, size: 183500800}
"""

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import domain, ova, ovf_guest, ovf_package, ovf_request
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_certificate import Signer
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_display import shown
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_edit import edit
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_parameters import SYSTEM, changes, check

Result = t.Dict[str, t.Any]


def _signer(params: t.Mapping[str, t.Any]) -> t.Optional[Signer]:
    return Signer(params["signing_key"], params["signing_certificate"]) if params["signing_key"] else None


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(4 << 20)


def _wanted(module: AnsibleModule) -> t.Tuple[ovf_request.Package, int]:
    params = module.params
    version, licence = params["version"], params["licence"]
    if params["image"]:
        return ovf_request.of_image(params["image"], version, licence)
    if params["domain"]:
        found = domain.read(_content(params["domain"]))
        if found.lost:
            module.warn(f"A package cannot have what this domain has: {', '.join(found.lost)}")
        return ovf_request.of_domain(found.system, found.disks, version, licence), params["epoch"]
    return ovf_request.described(params["systems"], version, params["name"], licence), params["epoch"]


def _stem(path: str, form: str) -> str:
    name = os.path.basename(os.path.abspath(path))
    return os.path.splitext(name)[0] if form == "ova" and name.endswith(".ova") else name


def _packed(module: AnsibleModule) -> Result:
    params = module.params
    package, epoch = _wanted(module)
    if params["kernel_config"]:
        problems = ovf_guest.judge(package.envelope, _content(params["kernel_config"]).decode("utf-8", "replace"))
        if problems:
            raise Failure(f"pack {params['path']}", "; ".join(problem.what for problem in problems), problems[0].remedy)
    content = ova.parts(_stem(params["path"], params["form"]), package.envelope, package.sources, params["manifest_digest"], _signer(params))
    return _written(module, content, params["form"] == "ova", epoch)


def _written(module: AnsibleModule, content: t.Sequence[ova.Part], archive: bool, epoch: int) -> Result:
    """Write a package, with what the diff needs."""
    path = module.params["path"]
    before = _descriptor(path)
    changed = ova.write(path, content, epoch, module.check_mode) if archive else ova.write_directory(path, content, module.check_mode)
    after = b"".join(content[0].chunks())
    return _result(path, changed, content, before, after)


def _result(path: str, changed: bool, content: t.Sequence[ova.Part], before: bytes, after: bytes) -> Result:
    diff = {"before_header": path, "after_header": path, "before": shown(before), "after": shown(after)}
    return {"changed": changed, "path": path, "files": [{"name": part.name, "size": part.size} for part in content], "diff": diff}


def _descriptor(path: str) -> bytes:
    """The descriptor of a package that may be there."""
    with contextlib.suppress(Failure, OSError):
        with ovf_package.Source(path) as source:
            return source.descriptor()
    return b""


def _unpacked(module: AnsibleModule) -> Result:
    params = module.params
    with ovf_package.Source(params["src"]) as source:
        package = ovf_package.inspect(source, params["authorities"] or "")
        ovf_package.require(package, params["src"])
        for problem in package.problems:
            module.warn(f"{params['src']}: {problem.what}")
        return _written(module, ovf_package.parts(source, package), False, 0)


def _edited(module: AnsibleModule) -> Result:
    params = module.params
    with ovf_package.Source(params["path"]) as source:
        package = ovf_package.inspect(source, params["authorities"] or "")
        ovf_package.require(package, params["path"])
        before = source.descriptor()
        after = edit(before, changes(params["systems"]))
        content = ovf_package.parts(source, package)
        signer = _signer(params)
        if after == before:
            return _result(params["path"], False, content, before, after)
        if package.signed and signer is None:
            raise Failure(f"edit {params['path']}", "its signature would no longer be good", "Give a signing_key and its certificate")
        stem = package.descriptor[:-4]
        files = [part for part in content if part.name not in (package.descriptor, f"{stem}.mf", f"{stem}.cert")]
        return _written(module, ova.with_manifest(stem, after, files, package.digest, signer), source.archive is not None, params["epoch"])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["packed", "unpacked", "edited"], "default": "packed"},
            "path": {"type": "path", "required": True},
            "form": {"type": "str", "choices": ["ova", "directory"], "default": "ova"},
            "src": {"type": "path"},
            "image": {"type": "path"},
            "domain": {"type": "path"},
            "systems": {"type": "list", "elements": "dict", "default": [], "options": SYSTEM},
            "name": {"type": "str", "default": ""},
            "licence": {"type": "str", "default": ""},
            "version": {"type": "str", "choices": ["1.1", "2.0"], "default": "1.1"},
            "manifest_digest": {"type": "str", "choices": ["sha256", "sha1", "sha512", "none"], "default": "sha256"},
            "signing_key": {"type": "path", "no_log": False},
            "signing_certificate": {"type": "path"},
            "authorities": {"type": "path"},
            "kernel_config": {"type": "path"},
            "epoch": {"type": "int", "default": 0},
        },
        required_if=[("state", "unpacked", ("src",))],
        required_together=[("signing_key", "signing_certificate")],
        supports_check_mode=True,
    )
    with door(module):
        check(module.params)
        act = {"packed": _packed, "unpacked": _unpacked, "edited": _edited}[module.params["state"]]
        result = act(module)
        if not module._diff:  # pylint: disable=protected-access
            del result["diff"]
        module.exit_json(**result)


if __name__ == "__main__":
    main()
