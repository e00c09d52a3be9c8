#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: promotion
short_description: Take in batches of packages and promote them from untested to production
version_added: 0.1.0
description:
  - A batch is a set of packages that move together, for one or many platforms, deb and rpm. It is taken in once, with declared
    checksums, and stands in the repositories of one kind at a time.
  - The way is V(untested), V(proposed), then V(updates), V(security) or V(base). The bytes that were tested are the bytes that move.
  - A promotion is refused, with the list of conditions that are not met, unless two people waived each of them.
    M(egi.cmd.promotion_info) shows the list before.
  - Readers see each change at once, on all platforms, by one switch of a pointer. A run that was killed is brought to its end,
    or forgotten, by the next one.
extends_documentation_fragment:
  - egi.cmd.attributes
  - egi.cmd.promotion
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - GnuPG 2.2 or newer
  - createrepo_c for platforms of format rpm
attributes:
  check_mode:
    support: full
  diff_mode:
    details: [Shows the packages in each kind of repository.]
    support: full
  idempotent:
    support: full
options:
  key_home:
    description: GnuPG home with the signing keys, see M(egi.cmd.repository_key).
    type: path
    required: true
  signing_keys:
    description: Fingerprints of the keys that sign, all 40 digits of each.
    type: list
    elements: str
    required: true
  batch:
    description: Name of the batch. It is given once; other files are another batch.
    type: str
    required: true
  state:
    description:
      - V(taken) takes the batch in, as a whole or not at all. A batch that is on the desk stays where it is; a withdrawn one
        begins anew.
      - V(promoted) brings it to the kind O(to).
      - V(demoted) takes it back to the kind O(to), by default V(proposed). Hosts get the version before again, as far as their
        package manager goes back.
      - V(withdrawn) takes it out of all repositories.
    type: str
    choices: [taken, promoted, demoted, withdrawn]
    default: taken
  to:
    description: The kind of repository to promote or demote to.
    type: str
    choices: [untested, proposed, updates, security, base]
  files:
    description: The batch's package files, for O(state=taken). Not needed for a batch that is on the desk.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of a C(.deb), C(.rpm) or C(.src.rpm) file on the repository host.
        type: path
        required: true
      sha256:
        description: The SHA-256 its maker declares.
        type: str
        required: true
      platform:
        description: Platform of the release manifest the file is for.
        type: str
        required: true
  after:
    description: Batches that have to be where this one goes before it goes there.
    type: list
    elements: str
    default: []
  reports:
    description: What people or tests found about the batch. What somebody said last already is not written down again.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Who speaks.
        type: str
        choices: [verification, adopter, system-test]
        required: true
      verdict:
        description: V(warn) accepts with a warning. V(inconclusive) counts for nothing.
        type: str
        choices: [pass, warn, fail, inconclusive]
        required: true
      by:
        description: Who it is from. The last report of each person counts.
        type: str
        required: true
      digest:
        description: Digest of the batch they looked at. A report on another one counts for nothing. Default is this batch's.
        type: str
        default: ""
      text:
        description: What they found, in words.
        type: str
        default: ""
      link:
        description: Where more is to be read.
        type: str
        default: ""
  waivers:
    description: Decisions of two people to go on although a condition is not met.
    type: list
    elements: dict
    default: []
    suboptions:
      excuse:
        description: Name of the excuse, as M(egi.cmd.promotion_info) shows it.
        type: str
        required: true
      by:
        description: Who waives it. Default is O(by).
        type: str
      second:
        description: Who agrees. Another person.
        type: str
        required: true
      text:
        description: Why, in words.
        type: str
        required: true
  by:
    description: Who asks for the change. It is written down.
    type: str
    required: true
seealso:
  - module: egi.cmd.promotion_info
  - module: egi.cmd.package_check
  - module: egi.cmd.snapshot
"""

EXAMPLES = r"""
- name: Take a batch in
  egi.cmd.promotion:
    path: /srv/desk/cmd-os-1
    release: "{{ lookup('egi.cmd.release', 'release.yml') }}"
    mirror_root: /srv/www/cmd
    key_home: /var/lib/repository-keys
    signing_keys: [0123456789ABCDEF0123456789ABCDEF01234567]
    by: A. Packager
    batch: cloud-2.3
    files:
      - path: /srv/incoming/cloud-api_2.3-1~d12+mos1_all.deb
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        platform: debian12

- name: Promote it to all hosts, two people waiving a closed window
  egi.cmd.promotion:
    path: /srv/desk/cmd-os-1
    release: "{{ lookup('egi.cmd.release', 'release.yml') }}"
    mirror_root: /srv/www/cmd
    key_home: /var/lib/repository-keys
    signing_keys: [0123456789ABCDEF0123456789ABCDEF01234567]
    by: R. Manager
    batch: cloud-2.3
    state: promoted
    to: updates
    base:
      - platform: debian12
        paths: [/srv/mirror/debian12]
    waivers:
      - excuse: lifecycle.window:2026-11-20
        second: S. Second
        text: The service is down at all sites, they asked for it.

- name: Take it back
  egi.cmd.promotion:
    path: /srv/desk/cmd-os-1
    release: "{{ lookup('egi.cmd.release', 'release.yml') }}"
    mirror_root: /srv/www/cmd
    key_home: /var/lib/repository-keys
    signing_keys: [0123456789ABCDEF0123456789ABCDEF01234567]
    by: R. Manager
    batch: cloud-2.3
    state: demoted
"""

RETURN = r"""
batch:
  description: Name of the batch.
  returned: success
  type: str
kind:
  description: The kind of repository it stands in, or in check mode would. Empty for none.
  returned: success
  type: str
  sample: updates
previous:
  description: The kind it stood in before. Empty for none.
  returned: success
  type: str
  sample: proposed
digest:
  description: SHA-256 over its files. Reports are about a digest.
  returned: success
  type: str
generation:
  description: The snapshot that readers see. Empty in check mode when there is none yet.
  returned: success
  type: str
  sample: cmd-os-1-2026-11-20-171405
excuses:
  description: Conditions that are not met, all of them waived, of a promotion that took place.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What a waiver names.
      type: str
    rule:
      description: Id of the condition.
      type: str
    subject:
      description: The package or platform it is about, empty for the whole batch.
      type: str
    what:
      description: What is not as it has to be.
      type: str
    evidence:
      description: What shows it.
      type: str
    who:
      description: Who has to act.
      type: str
    waivable:
      description: Whether two people may waive it.
      type: bool
    waived_by:
      description: Who did.
      type: list
      elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import change, display, parameters
from ansible_collections.egi.cmd.plugins.module_utils._promotion.change import Outcome, Request
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Report, Waiver
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk_directory import DeskDirectory
from ansible_collections.egi.cmd.plugins.module_utils._promotion.flow import TARGETS
from ansible_collections.egi.cmd.plugins.module_utils._promotion.intake import Declared
from ansible_collections.egi.cmd.plugins.module_utils._promotion.publication import Publication


def _request(params: t.Mapping[str, t.Any], day: str) -> Request:
    target = params["to"] or "proposed"
    if params["state"] == "promoted" and (params["to"] is None or target not in TARGETS):
        raise Failure(f"promote batch {params['batch']!r}", f"option to is {params['to']!r}", f"Set it to one of {', '.join(TARGETS)}")
    if params["state"] == "demoted" and target not in ("untested", "proposed"):
        raise Failure(f"take back batch {params['batch']!r}", f"option to is {target!r}, where hosts get it", "Set it to proposed or untested")
    if not params["by"].strip():
        raise Failure(f"change batch {params['batch']!r}", "option by is empty", "Say who asks for it")
    reports = tuple(Report(one["kind"], one["verdict"], one["by"], day, one["digest"], one["text"], one["link"]) for one in params["reports"])
    waivers = tuple(Waiver(one["excuse"], one["by"] or params["by"], one["second"], one["text"], day) for one in params["waivers"])
    files = tuple(Declared(one["path"], one["sha256"], one["platform"]) for one in params["files"])
    return Request(params["batch"], params["state"], target, params["by"], files, tuple(params["after"]), reports, waivers)


def _run(params: t.Mapping[str, t.Any], dry: bool) -> Outcome:
    setting = parameters.setting(params, judging=params["state"] == "promoted")
    request = _request(params, str(setting.day))
    for path in (params["path"], params["mirror_root"]):
        parameters.require_own(path)
    directory = DeskDirectory(params["path"], setting.manifest["name"])
    publication = Publication(directory, setting.manifest, params["mirror_root"], parameters.signing_of(params))
    return change.run(directory, publication, setting, request, dry)


def main() -> None:
    """Run the module."""
    texts = {"type": "str", "default": ""}
    word = {"type": "str", "required": True}
    module = AnsibleModule(
        argument_spec={
            **parameters.ARGUMENTS,
            "key_home": {"type": "path", "required": True, "no_log": False},
            "signing_keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "batch": word,
            "state": {"type": "str", "choices": ["taken", "promoted", "demoted", "withdrawn"], "default": "taken"},
            "to": {"type": "str", "choices": ["untested", "proposed", "updates", "security", "base"]},
            "files": {
                "type": "list", "elements": "dict", "default": [],
                "options": {"path": {"type": "path", "required": True}, "sha256": word, "platform": word},
            },
            "after": {"type": "list", "elements": "str", "default": []},
            "reports": {
                "type": "list", "elements": "dict", "default": [],
                "options": {
                    "kind": {"type": "str", "choices": ["verification", "adopter", "system-test"], "required": True},
                    "verdict": {"type": "str", "choices": ["pass", "warn", "fail", "inconclusive"], "required": True},
                    "by": word, "digest": texts, "text": texts, "link": texts,
                },
            },
            "waivers": {
                "type": "list", "elements": "dict", "default": [],
                "options": {"excuse": word, "by": {"type": "str"}, "second": word, "text": word},
            },
            "by": word,
        },
        supports_check_mode=True,
    )
    if module.params["state"] == "promoted":
        respawn_for(module, "solv", "python3-solv")
    with door(module):
        outcome = _run(module.params, module.check_mode)
        name = module.params["batch"]
        before, after = outcome.before.batches.get(name), outcome.after.batches[name]
        result: t.Dict[str, t.Any] = {
            "changed": outcome.before != outcome.after, "batch": name, "kind": after.kind, "previous": before.kind if before else "",
            "digest": after.digest, "generation": outcome.after.generation, "excuses": display.excuses(outcome.excuses, after.waivers),
        }
        if module._diff:  # pylint: disable=protected-access
            texts_of = [display.table(desk) for desk in (outcome.before, outcome.after)]
            result["diff"] = {"before_header": module.params["path"], "after_header": module.params["path"], "before": texts_of[0], "after": texts_of[1]}
        module.exit_json(**result)


if __name__ == "__main__":
    main()
