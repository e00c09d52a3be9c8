#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_drop
short_description: Publish cloud images, promote them from a build to a release, and sign them off
version_added: 0.1.0
description:
  - Publishes the images of a build as a drop, gives the bytes of a drop a milestone's label, and blesses a drop whose images booted.
  - Readers see a stream of drops with all its indexes change in one step. What a label has is never replaced.
  - From the same record, C(drop.json), it makes signed checksums, simple streams, the image list of the HEPiX format, the index
    of virt-builder, productmd's files, a bill of materials in SPDX for each image, C(README.md) and pages for browsers.
  - Started as root, it works with the rights of the user who owns O(directory). That user has to be able to read keys and images.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
attributes:
  check_mode:
    details:
      - Digests of images are compared when they are copied, which check mode does not do.
    support: full
  diff_mode:
    details:
      - Shows drops, their images and reports, and which packages a new drop has changed.
    support: full
  idempotent:
    support: full
options:
  directory:
    description: Directory that a web server shows. Streams are beside each other in it. Its parent has to exist.
    type: path
    required: true
  stream:
    description: Name of the stream, for example that of a release. Lower case letters, digits, dots and dashes.
    type: str
    required: true
  state:
    description:
      - V(present) publishes O(images) as a scratch drop. Without O(label), the newest build stays what it is if it has the same
        images, else the day's next label is taken. Without O(images), it only adds O(verdicts) to the drop O(label).
      - V(promoted) gives the images of O(source) the label O(label), a milestone. The bytes are compared and not copied again.
      - V(blessed) signs O(label) off, a milestone. With O(label=final), the drop O(source), an rc, becomes final and is signed off.
        Refused, with RV(excuses), until every image passed every boot of O(required_boots) that applies to it.
    type: str
    choices: [present, promoted, blessed]
    default: present
  label:
    description:
      - C(YYYYMMDD.N) for a scratch drop, C(alpha-N), C(beta-N), C(rc-N), or C(final). Needed for V(promoted) and V(blessed).
    type: str
  source:
    description: The label whose images are promoted or become final.
    type: str
  images:
    description: Files C(image.json), one for each image. The images are beside them. See M(egi.cmd.image).
    type: list
    elements: path
    default: []
  verdicts:
    description: Reports of boots, as M(egi.cmd.image_boot) writes them. One about other bytes is refused.
    type: list
    elements: path
    default: []
  required_boots:
    description: How images have to boot. With none, no image that has a disk is blessed.
    type: list
    elements: dict
    default: []
    suboptions:
      firmware:
        description: Asked of images that say they boot with it.
        type: str
        choices: [bios, uefi]
        required: true
      transport:
        description: How the instance gets its configuration.
        type: str
        choices: [nocloud, configdrive, opennebula, ovf, ec2, none]
        required: true
      variants:
        description: Only asked of these variants. All if empty.
        type: list
        elements: str
        choices: [generic, ec2, container]
        default: []
  by:
    description: Who does it. Shown with the drop. Needed for V(promoted) and V(blessed).
    type: str
  text:
    description: Why, or what is to be known. Shown with the sign-off.
    type: str
    default: ''
  title:
    description: The stream's name for people. The name of the stream if left out.
    type: str
  base_url:
    description: Address of O(directory) for readers.
    type: str
    required: true
  contact:
    description: Address for questions.
    type: str
    default: ''
  key_home:
    description: GnuPG home with the signing keys, see M(egi.cmd.repository_key).
    type: path
    required: true
  signing_keys:
    description: Fingerprints of the keys that sign, all 40 digits of each.
    type: list
    elements: str
    required: true
  smime_certificate:
    description: Certificate, in PEM, of who endorses the image list. Without it there is no image list.
    type: path
  smime_key:
    description: Its private key, in PEM and without a passphrase.
    type: path
  valid_days:
    description: How long the image list is valid after the stream's last change. Subscribers reject it later.
    type: int
    default: 180
  against:
    description: The label that RV(difference) compares with. The drop before if left out, of builds a build, of milestones a milestone.
    type: str
  verify:
    description: Read every published image and compare its digest, instead of trusting size, time and inode.
    type: bool
    default: false
seealso:
  - module: egi.cmd.repository_key
"""

EXAMPLES = r"""
- name: Publish this week's build
  egi.cmd.image_drop:
    directory: /srv/mirror/images
    stream: cmd-os-1
    title: CMD-OS 1
    base_url: https://repo.example.org/images
    key_home: /var/lib/cmd-mirror/gnupg
    signing_keys: [0123456789ABCDEF0123456789ABCDEF01234567]
    images:
      - /srv/build/generic-x86_64/image.json
      - /srv/build/ec2-x86_64/image.json
  register: scratch

- name: Let it be tested as the first release candidate
  egi.cmd.image_drop:
    directory: /srv/mirror/images
    stream: cmd-os-1
    title: CMD-OS 1
    base_url: https://repo.example.org/images
    key_home: /var/lib/cmd-mirror/gnupg
    signing_keys: [0123456789ABCDEF0123456789ABCDEF01234567]
    state: promoted
    source: "{{ scratch.label }}"
    label: rc-1
    by: R. Manager

- name: Release it
  egi.cmd.image_drop:
    directory: /srv/mirror/images
    stream: cmd-os-1
    title: CMD-OS 1
    base_url: https://repo.example.org/images
    key_home: /var/lib/cmd-mirror/gnupg
    signing_keys: [0123456789ABCDEF0123456789ABCDEF01234567]
    state: blessed
    source: rc-1
    label: final
    verdicts:
      - /srv/reports/generic-bios-nocloud.json
      - /srv/reports/generic-uefi-nocloud.json
    required_boots:
      - firmware: bios
        transport: nocloud
      - firmware: uefi
        transport: nocloud
    by: R. Manager
    text: No open blockers
"""

RETURN = r"""
label:
  description: The drop's label.
  returned: success
  type: str
  sample: 20261120.1
path:
  description: Where the drop is, or would be.
  returned: success
  type: str
  sample: /srv/mirror/images/cmd-os-1/20261120.1
url:
  description: Where readers find it.
  returned: success
  type: str
  sample: https://repo.example.org/images/cmd-os-1/20261120.1/
stage:
  description: C(scratch), C(alpha), C(beta), C(rc) or C(final).
  returned: success
  type: str
  sample: scratch
blessed:
  description: Who signed it off, empty if nobody did.
  returned: success
  type: str
  sample: R. Manager
latest:
  description: The blessed drop of the highest stage, empty if there is none.
  returned: success
  type: str
  sample: rc-1
latest_scratch:
  description: The newest build.
  returned: success
  type: str
  sample: 20261120.1
files:
  description: The images' files.
  returned: success
  type: list
  elements: dict
  sample: [{name: cmd-cloud-generic-x86_64.qcow2, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}]
excuses:
  description: What keeps the drop from being blessed, with O(required_boots) as given. Empty for one that is blessed.
  returned: always
  type: list
  elements: dict
  contains:
    what:
      description: The condition.
      type: str
      sample: cmd-cloud-generic-x86_64 boots with uefi and nocloud
    why:
      description: What shows that it is not met.
      type: str
      sample: there is no report
    who:
      description: Who has to act.
      type: str
      sample: the testers
difference:
  description: What changed against the other drop, V(null) if there is none.
  returned: success
  type: dict
  contains:
    from:
      description: The other drop.
      type: str
    to:
      description: This drop.
      type: str
    added:
      description: Images that came.
      type: list
      elements: str
    removed:
      description: Images that went.
      type: list
      elements: str
    changed:
      description: Images in both with other bytes, with their files and digests before and after.
      type: list
      elements: dict
    packages:
      description: For each image in both, the packages C(added), C(removed) and C(changed), with versions before and after.
      type: dict
"""

import os
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._archive.signing import FINGERPRINT
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import drop_change, drop_input, drop_signing
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import Boot
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_change import Outcome, Wish
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_signing import Signers
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import Site
from ansible_collections.egi.cmd.plugins.module_utils._mirror.owner import as_owner

Params = t.Mapping[str, t.Any]
# It becomes part of commands that people copy from a page: nothing a shell reads.
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~%+-]+)*")


def _site(params: Params) -> Site:
    """What documents say; Failure for what would make an index nobody can read."""
    action, words = "publish images", {name: params[name] or "" for name in ("title", "contact", "by", "text")}
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", params["stream"]):
        raise Failure(action, f"{params['stream']!r} is no name of a stream", "Use lower case letters, digits, dots and dashes")
    for name, text in words.items():
        if not text.isprintable():
            raise Failure(action, f"{name} is not one line of printable text", "Write it in one line")
    base = params["base_url"].rstrip("/")
    if not _ADDRESS.fullmatch(base):
        raise Failure(action, f"{base} is no address that readers can use", "Use http or https, a host and a path, nothing else")
    if params["valid_days"] < 1:
        raise Failure(action, "valid_days is less than 1", "Subscribers would reject the list")
    return Site(params["stream"], words["title"] or params["stream"], base, words["contact"], params["valid_days"], tuple(params["signing_keys"]))


def _signers(params: Params) -> Signers:
    keys = tuple(params["signing_keys"])
    wrong = [key for key in keys if not FINGERPRINT.fullmatch(key)]
    if wrong or not keys:
        raise Failure("sign", f"{wrong[0]!r} is no fingerprint" if wrong else "no key is named", "Name keys by all 40 digits of their fingerprints")
    return Signers(params["key_home"], keys, params["smime_certificate"] or "", params["smime_key"] or "")


def _wish(params: Params) -> Wish:
    boots = tuple(Boot(one["firmware"], one["transport"], tuple(one["variants"])) for one in params["required_boots"])
    return Wish(params["state"], params["label"] or "", params["source"] or "", tuple(params["images"]), tuple(params["verdicts"]), boots,
                params["by"] or "", params["text"], params["against"] or "", params["verify"])


def _result(site: Site, directory: str, outcome: Outcome) -> t.Dict[str, t.Any]:
    drop = outcome.drop
    return {
        "changed": outcome.changed, "label": drop.label, "path": f"{directory}/{site.stream}/{drop.label}", "url": f"{site.url}/{drop.label}/",
        "stage": drop.stage, "blessed": drop.blessing.by if drop.blessing else "", "latest": outcome.pointers.get("latest", ""),
        "latest_scratch": outcome.pointers.get("latest-scratch", ""), "excuses": [excuse._asdict() for excuse in outcome.excuses],
        "files": [{"name": file["name"], "sha256": file["sha256"]} for image in drop.images for file in image["files"]], "difference": outcome.difference,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "stream": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "promoted", "blessed"], "default": "present"},
            "label": {"type": "str"},
            "source": {"type": "str"},
            "images": {"type": "list", "elements": "path", "default": []},
            "verdicts": {"type": "list", "elements": "path", "default": []},
            "required_boots": {"type": "list", "elements": "dict", "default": [], "options": {
                "firmware": {"type": "str", "choices": list(drop_input.FIRMWARE), "required": True},
                "transport": {"type": "str", "choices": list(drop_input.TRANSPORTS), "required": True},
                "variants": {"type": "list", "elements": "str", "choices": list(drop_input.VARIANTS), "default": []},
            }},
            "by": {"type": "str"},
            "text": {"type": "str", "default": ""},
            "title": {"type": "str"},
            "base_url": {"type": "str", "required": True},
            "contact": {"type": "str", "default": ""},
            "key_home": {"type": "path", "required": True},
            "signing_keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "smime_certificate": {"type": "path"},
            "smime_key": {"type": "path", "no_log": False},
            "valid_days": {"type": "int", "default": 180},
            "against": {"type": "str"},
            "verify": {"type": "bool", "default": False},
        },
        required_if=[("state", "promoted", ("label", "source", "by")), ("state", "blessed", ("label", "by"))],
        required_together=[("smime_certificate", "smime_key")],
        supports_check_mode=True,
    )
    params = module.params
    with door(module, excuses=[]):
        site, signers, wish = _site(params), _signers(params), _wish(params)
        with as_owner(params["directory"] if os.path.isdir(params["directory"]) else os.path.dirname(params["directory"])):
            if signers.certificate:
                site = site._replace(endorser=drop_signing.endorser(signers.certificate))
            outcome = drop_change.run(params["directory"], site, signers, wish, module.check_mode)
    result = _result(site, params["directory"], outcome)
    if wish.state == "blessed" and outcome.excuses:
        told = "; ".join(map(str, outcome.excuses))
        failure = Failure(f"bless {wish.label}", told, "See the excuses: it can be blessed when there are none")
        module.fail_json(msg=str(failure), excuses=result["excuses"])
    if module._diff:  # pylint: disable=protected-access
        texts = ["".join(f"{line}\n" for line in lines) for lines in (outcome.before, outcome.after)]
        result["diff"] = {"before_header": site.url, "after_header": site.url, "before": texts[0], "after": texts[1]}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
