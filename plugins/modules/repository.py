#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: repository
short_description: Publish a signed repository of deb or rpm packages
version_added: 0.1.0
description:
  - Takes packages from directories, checks them, and publishes them with signed indices in one directory a web server can show.
  - A call declares the whole content of its suites (deb) or repositories (rpm). Packages that are no longer declared leave the index.
  - One package that lies about itself refuses the whole call, and nothing is changed. Refused are files that are truncated,
    damaged or no package, whose name differs from what they contain, of an architecture that was not declared, and a second file
    with other bytes for a version that is there already.
  - Readers never see an index that names what is absent. Packages come first, then the metadata of a suite or repository
    is swapped in one step. Indices of the two publications before stay for readers in the middle of an update.
  - Unchanged input changes nothing, not a byte and not a date.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - GnuPG 2.2 or newer (C(gpg) and C(gpgconf))
  - createrepo_c for O(format=rpm)
  - C(dpkg-deb) for deb packages compressed with zstd
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    details:
      - A suite with O(suites[].valid_for) is signed again, and changed, once less than half of that span is left.
    support: full
options:
  path:
    description:
      - Root of the repository. It is created when missing.
      - Below it C(.egi-cmd) remembers what was published. Only its owner may read that directory, and it may be deleted.
    type: path
    required: true
  format:
    description: Package format.
    type: str
    choices: [deb, rpm]
    required: true
  origin:
    description: C(Origin) of the Release files. Required for O(format=deb).
    type: str
  label:
    description: C(Label) of the Release files, unless the suite says otherwise. Default is O(origin).
    type: str
  codename:
    description:
      - C(Codename) of the Release files, unless the suite says otherwise. Default is the suite's name.
      - Several suites may share one, as V(mos7.0) does; that is why clients pin by suite and never by codename.
    type: str
  architectures:
    description:
      - Architectures published, in the words of the format, for example V(amd64) or V(x86_64). V(all) and V(noarch) packages
        are always taken. V(src) takes source RPMs.
      - Required unless every suite or repository has its own.
    type: list
    elements: str
    default: []
  suites:
    description: Suites of a deb repository, each below C(dists/).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the suite, for example V(cmd-os-1-updates).
        type: str
        required: true
      state:
        description: V(absent) removes the suite. Its packages stay in C(pool/) unless O(purge=true).
        type: str
        choices: [present, absent]
        default: present
      kind:
        description: What the suite is for. It decides the default of O(suites[].not_automatic).
        type: str
        choices: [base, updates, security, proposed, holdback, developer, contrib, untested, candidate]
        default: base
      components:
        description:
          - Component to list of directories and files with C(.deb) and C(.dsc) files, on the repository host.
          - Directories are searched with all below them; hidden files are left out. They must lie outside O(path).
        type: dict
        default: {}
      architectures:
        description: Architectures of this suite. Default is O(architectures).
        type: list
        elements: str
      label:
        description: C(Label) of this suite.
        type: str
      codename:
        description: C(Codename) of this suite.
        type: str
      version:
        description: C(Version) of this suite, for example V(7.0).
        type: str
        default: ""
      description:
        description: C(Description) of this suite.
        type: str
        default: ""
      valid_for:
        description:
          - How long clients may trust a Release file, a number with V(h), V(d), V(w) or V(y). It becomes C(Valid-Until).
          - Publish at least once in half that time, for example from a timer; the module signs again when less than half is left.
          - Without it a Release file is valid for ever.
        type: str
      not_automatic:
        description:
          - Write C(NotAutomatic) and C(ButAutomaticUpgrades), so that a host takes a package only when it is asked for.
          - Default is V(true) for the kinds V(proposed), V(candidate) and V(untested), else V(false).
        type: bool
  repositories:
    description: Repositories of an rpm root.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Directory below O(path), for example V(cmd-os-1-el9/updates/x86_64).
        type: str
        required: true
      state:
        description: V(absent) removes the repository.
        type: str
        choices: [present, absent]
        default: present
      packages:
        description: Directories and files with C(.rpm) files, on the repository host, outside O(path).
        type: list
        elements: path
        default: []
      architectures:
        description: Architectures of this repository. Default is O(architectures).
        type: list
        elements: str
  key_home:
    description:
      - GnuPG home with the signing keys, see M(egi.cmd.repository_key). It must lie outside O(path).
    type: path
    required: true
  signing_keys:
    description:
      - Full fingerprints of the keys that sign. All of them sign, and the public halves of all are published.
      - To rotate, name the new and the old key, give hosts the new key, then drop the old one.
    type: list
    elements: str
    required: true
  key_name:
    description:
      - What the published key is called after, C(project/<key_name>-archive-keyring.gpg) or C(RPM-GPG-KEY-<key_name>).
    type: str
    required: true
  contents:
    description:
      - Publish C(Contents) indices (O(format=deb)). New packages are then decompressed, which also proves that they are whole.
    type: bool
    default: true
  purge:
    description:
      - Also remove suites or repositories that are not declared, and package files no index of the last three publications names.
    type: bool
    default: false
  date:
    description:
      - The time to publish at, in seconds since 1970. Default is C(SOURCE_DATE_EPOCH) of the environment, else the clock.
      - A new Release file is dated at least one second after the one before, or apt would ignore it.
    type: int
seealso:
  - module: egi.cmd.repository_key
"""

EXAMPLES = r"""
- name: Publish CMD-OS 1 for Debian hosts
  egi.cmd.repository:
    path: /srv/repository/apt
    format: deb
    origin: EGI
    label: CMD-OS
    codename: cmd-os-1
    architectures: [amd64, arm64]
    key_home: /srv/keys
    signing_keys: ["{{ archive_key.fingerprint }}"]
    key_name: cmd-os
    suites:
      - name: cmd-os-1
        components: {main: [/srv/incoming/base]}
      - name: cmd-os-1-updates
        kind: updates
        components: {main: [/srv/incoming/updates]}
        valid_for: 30d
      - name: cmd-os-1-proposed
        kind: proposed
        components: {main: [/srv/incoming/proposed]}

- name: Publish CMD-OS 1 for Enterprise Linux 9 hosts
  egi.cmd.repository:
    path: /srv/repository/rpm
    format: rpm
    architectures: [x86_64]
    key_home: /srv/keys
    signing_keys: ["{{ archive_key.fingerprint }}"]
    key_name: cmd-os
    repositories:
      - path: cmd-os-1-el9/os/x86_64
        packages: [/srv/incoming/el9/base]
      - path: cmd-os-1-el9/updates/x86_64
        packages: [/srv/incoming/el9/updates]

- name: Sign with the old and the new key while hosts learn the new one
  egi.cmd.repository:
    path: /srv/repository/apt
    format: deb
    origin: EGI
    architectures: [amd64]
    key_home: /srv/keys
    signing_keys: ["{{ new_key.fingerprint }}", "{{ old_key.fingerprint }}"]
    key_name: cmd-os
    suites:
      - name: cmd-os-1
        components: {main: [/srv/incoming/base]}
"""

RETURN = r"""
parts:
  description: The suites or repositories declared as present, in the order declared.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the suite, or path of the repository.
      type: str
    changed:
      description: Whether its metadata was, or in check mode would be, published anew.
      type: bool
    packages:
      description: How many packages it lists.
      type: int
    date:
      description: When its metadata was published, in seconds since 1970; V(0) if it is not published yet. In check mode, what is published now.
      type: int
    valid_until:
      description: When clients stop trusting it, in seconds since 1970; V(0) for never.
      type: int
  sample:
    - name: cmd-os-1-updates
      changed: true
      packages: 2
      date: 1795179600
      valid_until: 1797771600
added:
  description: Packages that are listed now and were not before, each after the name of its suite or repository.
  returned: success
  type: list
  elements: str
  sample: ["cmd-os-1-updates main example 1.1-1 amd64"]
removed:
  description: Packages that were listed before and are not now.
  returned: success
  type: list
  elements: str
  sample: []
purged:
  description: Paths below O(path) that were removed.
  returned: success
  type: list
  elements: str
  sample: ["dists/cmd-os-0"]
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_repository, rpm_repository
from ansible_collections.egi.cmd.plugins.module_utils._archive.declaration import KINDS, Declaration, Outcome, from_parameters


def run(module: AnsibleModule) -> t.Dict[str, t.Any]:
    """Publish, or plan to."""
    wanted = from_parameters(module.params)
    publish = deb_repository.publish if module.params["format"] == "deb" else rpm_repository.publish
    outcome = publish(wanted, _now(module.params["date"]), module.check_mode)
    return _result(wanted, outcome, module._diff)  # pylint: disable=protected-access


def _now(date: t.Optional[int]) -> int:
    if date is not None:
        return date
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(stated) if stated.isdigit() else int(time.time())


def _result(wanted: Declaration, outcome: Outcome, diff: bool) -> t.Dict[str, t.Any]:
    after = {f"{part.name} {line}" for part in outcome.parts for line in part.packages} if outcome.changed else set()
    named = {part.name for part in wanted.parts} | {path.partition("/")[2] for path in outcome.removed}
    before = {f"{name} {line}" for name, lines in outcome.before.items() if name in named for line in lines}
    result: t.Dict[str, t.Any] = {
        "changed": outcome.changed,
        "parts": [{**part._asdict(), "packages": len(part.packages)} for part in outcome.parts],
        "added": sorted(after - before),
        "removed": sorted(before - after),
        "purged": outcome.removed,
    }
    if diff:
        result["diff"] = [{
            "before_header": wanted.root, "after_header": wanted.root,
            "before": "".join(f"{line}\n" for line in sorted(before)), "after": "".join(f"{line}\n" for line in sorted(after)),
        }]
    return result


def main() -> None:
    """Run the module."""
    suite = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "kind": {"type": "str", "choices": list(KINDS), "default": "base"},
        "components": {"type": "dict", "default": {}},
        "architectures": {"type": "list", "elements": "str"},
        "label": {"type": "str"},
        "codename": {"type": "str"},
        "version": {"type": "str", "default": ""},
        "description": {"type": "str", "default": ""},
        "valid_for": {"type": "str"},
        "not_automatic": {"type": "bool"},
    }
    repository = {
        "path": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "packages": {"type": "list", "elements": "path", "default": []},
        "architectures": {"type": "list", "elements": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "format": {"type": "str", "choices": ["deb", "rpm"], "required": True},
            "origin": {"type": "str"},
            "label": {"type": "str"},
            "codename": {"type": "str"},
            "architectures": {"type": "list", "elements": "str", "default": []},
            "suites": {"type": "list", "elements": "dict", "default": [], "options": suite},
            "repositories": {"type": "list", "elements": "dict", "default": [], "options": repository},
            "key_home": {"type": "path", "required": True, "no_log": False},
            "signing_keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "key_name": {"type": "str", "required": True, "no_log": False},
            "contents": {"type": "bool", "default": True},
            "purge": {"type": "bool", "default": False},
            "date": {"type": "int"},
        },
        required_if=[("format", "deb", ("origin", "suites")), ("format", "rpm", ("repositories",))],
        supports_check_mode=True,
    )
    with door(module):
        module.exit_json(**run(module))


if __name__ == "__main__":
    main()
