#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror_keyring
short_description: Make a keyring of keys whose fingerprints are known
version_added: 0.1.0
description:
  - Writes OpenPGP certificates, armored or not, into one binary keyring, as C(gpgv) and C(cmd-mirror) read it.
  - A key with another fingerprint than the one given is refused, and so is a key nobody named.
  - A keyring that has just the named keys is not fetched again. Remove the file to fetch a key whose expiry date was moved.
  - The role P(egi.cmd.mirror#role) makes the keyrings of a mirror with it.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
attributes:
  check_mode:
    details:
      - URLs are not asked.
    support: full
  diff_mode:
    details:
      - Shows the fingerprints.
    support: full
  idempotent:
    support: full
options:
  path:
    description: The keyring. Its directory has to be there.
    type: path
    required: true
  keys:
    description: The keys.
    type: list
    elements: dict
    required: true
    suboptions:
      fingerprint:
        description: The full fingerprint, 40 or 64 hexadecimal digits.
        type: str
        required: true
      content:
        description: The armored key itself. Exactly one of this, O(keys[].url) and O(keys[].file).
        type: str
      url:
        description: Where the host fetches it.
        type: str
      file:
        description: Path of the key on the host.
        type: path
  proxy:
    description: Proxy for O(keys[].url).
    type: str
  client_certificate:
    description: Certificate the server of O(keys[].url) asks for, a path on the host.
    type: path
  client_key:
    description: The key that belongs to it.
    type: path
  ca_certificate:
    description: Certificates to trust that server by, a path on the host.
    type: path
  timeout:
    description: Seconds a server may take.
    type: int
    default: 30
seealso:
  - module: egi.cmd.mirror
"""

EXAMPLES = r"""
- name: The keys of a distribution
  egi.cmd.mirror_keyring:
    path: /etc/cmd-mirror/keys/site.gpg
    keys:
      - fingerprint: 0123456789ABCDEF0123456789ABCDEF01234567
        url: https://repo.example.org/site-archive-keyring.asc
"""

RETURN = r"""
fingerprints:
  description: The fingerprints of the keys in the keyring.
  returned: success
  type: list
  elements: str
  sample: [0123456789ABCDEF0123456789ABCDEF01234567]
"""

import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._host import keys as host_keys
from ansible_collections.egi.cmd.plugins.module_utils._host import openpgp, repository

_REACHING = ("proxy", "client_certificate", "client_key", "ca_certificate")


def _held(path: str) -> t.Dict[str, bytes]:
    """Certificates of the keyring that is there; one that is damaged is made anew."""
    try:
        with open(path, "rb") as file:
            return dict(openpgp.certificates(file.read()))
    except (FileNotFoundError, openpgp.OpenPGPError):
        return {}


def _wanted(module: AnsibleModule, held: t.Mapping[str, bytes]) -> t.Dict[str, bytes]:
    """The certificates by fingerprint; empty bytes for those a check did not fetch."""
    named = {key["fingerprint"].replace(" ", "").upper() for key in module.params["keys"]}
    if named == set(held) and all(key["url"] for key in module.params["keys"]):
        return dict(held)
    # The reader of a host's repositories reads keys with every check; to it, this is a repository of which only the keys count.
    entry = {"name": "keyring", "band": "distribution", "baseurl": ["file:///"], "keys": module.params["keys"],
             **{field: module.params[field] for field in _REACHING}}
    read = host_keys.read(repository.parse([entry], "dnf", "keyring"), lambda fingerprint: module.params["path"], not module.check_mode,
                          module.params["timeout"])
    return {key.fingerprint: key.packets for key in read["keyring"]}


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    """Make the keyring, or see whether it has to be made."""
    path = module.params["path"]
    held = _held(path)
    wanted = _wanted(module, held)
    changed = held != wanted
    if changed and not module.check_mode:
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), prefix=".keyring-", delete=False) as file:
            file.write(b"".join(wanted.values()))
        os.chmod(file.name, 0o644)
        module.atomic_move(file.name, path)
    return {"changed": changed, "fingerprints": sorted(wanted),
            "diff": {"before": "".join(f"{one}\n" for one in sorted(held)), "after": "".join(f"{one}\n" for one in sorted(wanted))}}


def main() -> None:
    """Run the module."""
    key = {"fingerprint": {"type": "str", "required": True}, "content": {"type": "str"}, "url": {"type": "str"}, "file": {"type": "path"}}
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "keys": {"type": "list", "elements": "dict", "required": True, "no_log": False, "options": key,
                     "mutually_exclusive": [("content", "url", "file")], "required_one_of": [("content", "url", "file")]},
            "proxy": {"type": "str"},
            "client_certificate": {"type": "path"},
            "client_key": {"type": "path", "no_log": False},
            "ca_certificate": {"type": "path"},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    secrets = repository.secrets_in([module.params])
    module.no_log_values.update(secrets)
    with door(module):
        module.exit_json(**run(module))


if __name__ == "__main__":
    main()
