#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_key
short_description: Create and list the keys that sign a package repository
version_added: 0.1.0
description:
  - Keeps signing keys in a GnuPG home of their own, readable by its owner only, and creates a key when none of that user id can sign.
  - The keys have no passphrase, so that publishing works unattended. Protect the host and the directory.
  - Started as root, it works with the rights of the user who owns O(home), so that this user can sign.
  - No agent is left running and C(~/.gnupg) is never touched.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - GnuPG 2.2 or newer (C(gpg) and C(gpgconf))
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  home:
    description:
      - Directory of the keys. It is created when missing.
      - Keep it outside what a web server shows, and back it up. Who loses it must give every host a new key.
    type: path
    required: true
  user_id:
    description:
      - User id of the key, for example V(EGI CMD-OS archive 2026 <archive@example.org>).
      - To rotate, use a new user id, for example with the next year.
    type: str
    required: true
  algorithm:
    description:
      - What a new key is made of. V(rsa4096) is understood by every apt and rpm in use; V(ed25519) is not understood by
        Ubuntu 14.04 and Enterprise Linux 7.
      - An existing key is not changed.
    type: str
    choices: [rsa3072, rsa4096, ed25519]
    default: rsa4096
  valid_for:
    description:
      - How long a new key is valid, a number with V(d), V(w) or V(y). V(never) makes a key that does not expire.
      - An existing key is not changed.
    type: str
    default: 5y
seealso:
  - module: egi.cmd.repository
"""

EXAMPLES = r"""
- name: A key for the archive
  egi.cmd.repository_key:
    home: /srv/repository/keys
    user_id: EGI CMD-OS archive 2026 <archive@example.org>
  register: archive_key

- name: Show what hosts must trust
  ansible.builtin.debug:
    msg: "{{ archive_key.fingerprint }}"
"""

RETURN = r"""
fingerprint:
  description: Fingerprint of the newest usable key of O(user_id). Empty in check mode when the key would be created.
  returned: success
  type: str
  sample: 0123456789ABCDEF0123456789ABCDEF01234567
public_key:
  description: The public half of that key, ASCII armored, as C(keys.content) of a repository set takes it.
  returned: success
  type: str
  sample: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n..."
expires:
  description: When that key expires, in seconds since 1970; V(0) for never.
  returned: success
  type: int
  sample: 1921449600
signing_keys:
  description: All keys of O(home), oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    fingerprint:
      description: Fingerprint of the key.
      type: str
    user_id:
      description: First user id of the key.
      type: str
    created:
      description: When it was created, in seconds since 1970.
      type: int
    expires:
      description: When it expires, in seconds since 1970; V(0) for never.
      type: int
    usable:
      description: Whether it can sign today.
      type: bool
  sample:
    - fingerprint: 0123456789ABCDEF0123456789ABCDEF01234567
      user_id: EGI CMD-OS archive 2026 <archive@example.org>
      created: 1763596800
      expires: 1921276800
      usable: true
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._archive import declaration, signing
from ansible_collections.egi.cmd.plugins.module_utils._mirror.owner import as_owner


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    """Find or create the key."""
    parameters = module.params
    home, user_id = parameters["home"], declaration.check_line(parameters["user_id"], "user_id")
    valid_for = 0 if parameters["valid_for"] == "never" else declaration.seconds(parameters["valid_for"], "valid_for")
    if module.check_mode and not os.path.isdir(home):
        return {"changed": True, "fingerprint": "", "public_key": "", "expires": 0, "signing_keys": []}
    changed = False if module.check_mode else signing.create_home(home)
    with signing.open_home(home) as keyring:
        usable = [key for key in keyring.keys() if key.user_id == user_id and key.usable]
        if not usable:
            changed = True
            if not module.check_mode:
                keyring.create(user_id, parameters["algorithm"], valid_for)
        keys = keyring.keys()
        usable = [key for key in keys if key.user_id == user_id and key.usable]
        newest = usable[-1] if usable else None
        public_key = keyring.export(newest.fingerprint, armored=True).decode("ascii") if newest else ""
    return {
        "changed": changed,
        "fingerprint": newest.fingerprint if newest else "",
        "public_key": public_key,
        "expires": newest.expires if newest else 0,
        "signing_keys": [key._asdict() for key in keys],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "required": True},
            "user_id": {"type": "str", "required": True},
            "algorithm": {"type": "str", "choices": list(signing.ALGORITHMS), "default": "rsa4096"},
            "valid_for": {"type": "str", "default": "5y"},
        },
        supports_check_mode=True,
    )
    with door(module):
        with as_owner(module.params["home"]):
            result = run(module)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
