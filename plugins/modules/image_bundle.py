#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_bundle
short_description: Bundle disk images for EC2 and Eucalyptus, and unbundle them
version_added: 0.1.0
description:
  - Writes an image bundle of version 2007-10-10. It is encrypted for one cloud and for its user, cut into parts and signed.
  - Takes a bundle apart again. The image appears only when signature, parts and content were all found good.
  - Goes between bundles and OVF packages. The disk stays the same byte for byte.
  - The format knows nothing newer than SHA-1 and AES-128. It keeps an image from a cloud's other customers, and is no archive.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - Python library C(cryptography)
  - C(qemu-img) and C(setpriv), between bundles and OVF packages
attributes:
  check_mode:
    support: full
    details: [Unbundling decrypts everything in memory to say what would change.]
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Encryption is random, so a bundle of the same image for the same user is left alone instead of made again. That it was
        made for another O(cloud_certificate) cannot be seen. Remove its manifest to have it made anew.
options:
  state:
    description:
      - V(bundled) makes O(path) a directory with the bundle of O(image).
      - V(unbundled) makes O(path) the image of O(manifest).
    type: str
    choices: [bundled, unbundled]
    required: true
  path:
    description: Directory of the bundle, or the file to unbundle to.
    type: path
    required: true
  image:
    description: The raw image. An OVA, a descriptor or its directory is also possible if it has one disk.
    type: path
  manifest:
    description: Manifest of the bundle to take apart, C(*.manifest.xml), with the parts beside it.
    type: path
  form:
    description: What O(state=unbundled) writes.
    type: str
    choices: [raw, ova]
    default: raw
  key:
    description: Path of the user's RSA private key as PEM, without passphrase. It signs, and opens the bundle again.
    type: path
    required: true
  cloud_certificate:
    description: Path of the cloud's X.509 certificate as PEM. Needed for O(state=bundled).
    type: path
  certificate:
    description: Path of the X.509 certificate of who signed the bundle to take apart. Default is the owner of O(key).
    type: path
  name:
    description: Name of the bundle and of its files. Needed for O(state=bundled).
    type: str
  user:
    description: The user's account number. Needed for O(state=bundled).
    type: str
  kind:
    description: What the image is.
    type: str
    choices: [machine, kernel, ramdisk]
    default: machine
  architecture:
    description: For which machines it is, in the cloud's words.
    type: str
    choices: [x86_64, i386, arm64]
    default: x86_64
  kernel:
    description: Id of the kernel a machine boots with, such as V(eki-0123abcd).
    type: str
    default: ''
  ramdisk:
    description: Id of its RAM disk, such as V(eri-0123abcd).
    type: str
    default: ''
  block_devices:
    description: Virtual names and the devices they are in the guest.
    type: dict
    default: {}
  part_size:
    description: Size of the parts in MiB.
    type: int
    default: 10
seealso:
  - module: egi.cmd.ovf
"""

EXAMPLES = r"""
- name: Bundle an image for a cloud
  egi.cmd.image_bundle:
    state: bundled
    image: /srv/images/cmd-cloud-ec2-x86_64.raw
    path: /srv/bundles/cmd-cloud-ec2-x86_64
    name: cmd-cloud-ec2-x86_64
    user: "123456789012"
    key: /etc/pki/cloud/user-key.pem
    cloud_certificate: /etc/pki/cloud/cloud-certificate.pem
    kernel: eki-0123abcd
    ramdisk: eri-0123abcd
    block_devices: {ami: sda1, root: /dev/sda1}

- name: Turn a bundle into a package that VMware imports
  egi.cmd.image_bundle:
    state: unbundled
    manifest: /srv/bundles/cmd-cloud-ec2-x86_64/cmd-cloud-ec2-x86_64.manifest.xml
    path: /srv/images/cmd-cloud-ec2-x86_64.ova
    form: ova
    key: /etc/pki/cloud/user-key.pem
"""

RETURN = r"""
manifest:
  description: Path of the manifest.
  returned: success
  type: str
  sample: /srv/bundles/cmd-cloud-ec2-x86_64/cmd-cloud-ec2-x86_64.manifest.xml
image_size:
  description: Bytes of the raw image.
  returned: success
  type: int
  sample: 2147483648
sha1:
  description: SHA-1 of the archive in the bundle.
  returned: success
  type: str
  sample: 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12
parts:
  description: Number of parts. V(0) in check mode for a bundle that is not there yet.
  returned: success
  type: int
  sample: 38
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import bundle_cipher, bundle_package, bundle_read, bundle_write
from ansible_collections.egi.cmd.plugins.module_utils._image.bundle_manifest import Bundle
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_files import equal, replace

Result = t.Dict[str, t.Any]


def _bundled(params: t.Mapping[str, t.Any], dry: bool) -> Result:
    if not params["user"].isdigit():
        raise Failure("bundle the image", f"the user {params['user']!r} is no account number", "Give its digits, in quotes")
    if params["part_size"] < 1:
        raise Failure("bundle the image", f"part_size is {params['part_size']}", "Give at least 1 MiB")
    wanted = Bundle(params["name"], params["user"], params["kind"], params["architecture"], kernel=params["kernel"], ramdisk=params["ramdisk"],
                    devices=tuple(sorted((str(virtual), str(device)) for virtual, device in params["block_devices"].items())))
    key, cloud = bundle_cipher.PrivateKey(params["key"]), bundle_cipher.certificate(params["cloud_certificate"])
    with bundle_package.scratch(params["path"]) as work:
        raw = bundle_package.raw_disk(params["image"], work)
        changed, bundle = bundle_write.write(params["path"], raw, wanted, key, cloud, params["part_size"] << 20, dry)
    return _result(changed, bundle_write.manifest_path(params["path"], params["name"]), bundle, f"bundle {params['name']}")


def _unbundled(params: t.Mapping[str, t.Any], dry: bool) -> Result:
    key = bundle_cipher.PrivateKey(params["key"])
    signer = bundle_cipher.certificate(params["certificate"]) if params["certificate"] else key.certified()
    path, folder = params["path"], os.path.dirname(os.path.abspath(params["manifest"]))
    bundle = bundle_read.load(params["manifest"], signer)
    bundle_read.check_parts(bundle, folder)
    if params["form"] == "ova":
        with bundle_package.scratch(path) as work:
            raw = os.path.join(work, "disk.raw")
            replace(raw, bundle_read.contents(bundle, folder, key), sparse=True)
            stem = os.path.splitext(os.path.basename(path))[0]
            architecture = "i686" if bundle.architecture == "i386" else bundle.architecture
            changed = bundle_package.write_ova(path, raw, stem, architecture, work, dry)
    else:
        changed = not equal(path, lambda: bundle_read.contents(bundle, folder, key))
        if changed and not dry:
            replace(path, bundle_read.contents(bundle, folder, key), sparse=True)
        elif changed:
            for _chunk in bundle_read.contents(bundle, folder, key):  # in check mode too, a bad bundle is refused
                pass
    return _result(changed, params["manifest"], bundle, path)


def _result(changed: bool, manifest: str, bundle: Bundle, header: str) -> Result:
    lines = f"{bundle.name}: {bundle.kind} {bundle.architecture}, {bundle.size} bytes, SHA-1 {bundle.sha1}\n"
    diff = {"before_header": header, "after_header": header, "before": "" if changed else lines, "after": lines}
    return {"changed": changed, "manifest": manifest, "image_size": bundle.size, "sha1": bundle.sha1, "parts": len(bundle.parts), "diff": diff}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["bundled", "unbundled"], "required": True},
            "path": {"type": "path", "required": True},
            "image": {"type": "path"},
            "manifest": {"type": "path"},
            "form": {"type": "str", "choices": ["raw", "ova"], "default": "raw"},
            "key": {"type": "path", "required": True, "no_log": False},
            "cloud_certificate": {"type": "path"},
            "certificate": {"type": "path"},
            "name": {"type": "str"},
            "user": {"type": "str"},
            "kind": {"type": "str", "choices": ["machine", "kernel", "ramdisk"], "default": "machine"},
            "architecture": {"type": "str", "choices": ["x86_64", "i386", "arm64"], "default": "x86_64"},
            "kernel": {"type": "str", "default": ""},
            "ramdisk": {"type": "str", "default": ""},
            "block_devices": {"type": "dict", "default": {}},
            "part_size": {"type": "int", "default": 10},
        },
        required_if=[("state", "bundled", ("image", "name", "user", "cloud_certificate")), ("state", "unbundled", ("manifest",))],
        supports_check_mode=True,
    )
    respawn_for(module, "cryptography", "python3-cryptography")
    with door(module):
        act = {"bundled": _bundled, "unbundled": _unbundled}[module.params["state"]]
        result = act(module.params, module.check_mode)
        if not module._diff:  # pylint: disable=protected-access
            del result["diff"]
        module.exit_json(**result)


if __name__ == "__main__":
    main()
