#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module egi.cmd.package_check."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_check
short_description: Check that packages say who made them, for which release and from what
version_added: 0.1.0
author:
  - egi.cmd contributors (@egi-cmd)
description:
  - Reads package files and checks version, maintainer and the newest changelog entry of each against the release team's rules.
  - Takes C(.deb), C(.dsc), C(.changes), C(.rpm) and C(.src.rpm) files, mixed as they come. A C(.dsc) needs the files it names beside it.
  - All files are checked before it ends, so that a batch is repaired in one go. A file that cannot be read is a finding too.
  - C(docs/mos-versions.md) has the table of rules.
options:
  files:
    description: Paths of the package files, on the host the module runs on.
    type: list
    elements: path
    required: true
  series:
    description:
      - Release series the newest changelog entry has to name, such as V(mos6.1).
      - V(mos6.1-updates) in a changelog is of the series V(mos6.1).
    type: str
    required: true
  organisation:
    description: Who the newest changelog entry has to name, in its text or as its author. Case does not matter.
    type: str
    required: true
  maintainer:
    description: Name and address of the release team, as C(Maintainer) (deb) or C(Packager) (rpm) has to have it.
    type: str
    required: true
  backports:
    description:
      - Names of source packages that were taken from another release of a base distribution.
      - Their newest changelog entry has to name the exact version, and a URL of its source.
      - A package whose entry says C(Backport of) and its own name is one without being listed here.
    type: list
    elements: str
    default: []
  version_scheme:
    description:
      - V(mos) checks each version against the grammar of overlay versions.
      - V(none) only refuses names of base distributions and their vendors in it.
    type: str
    choices: [mos, none]
    default: mos
  release:
    description: Number of the overlay release the packages are for, in quotes. For the rules of versions.
    type: str
  kind:
    description: The kind of repository the packages are for. For the rules of versions.
    type: str
    choices: [base, updates, security, proposed, candidate, untested, contrib, holdback, developer]
  fail_on:
    description:
      - The least severe finding that makes the task fail.
      - V(never) only reports.
    type: str
    choices: [error, warning, never]
    default: error
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details: [It never changes anything.]
  diff_mode:
    support: none
    details: [There is nothing to compare.]
  idempotent:
    support: full
seealso:
  - module: egi.cmd.repository
  - plugin: egi.cmd.mos_version_next
    plugin_type: filter
notes:
  - Signatures are not judged here; M(egi.cmd.repository) signs what it publishes.
"""

EXAMPLES = r"""
- name: Check what was built before it is published
  egi.cmd.package_check:
    files: "{{ query('ansible.builtin.fileglob', '/srv/incoming/*.deb', '/srv/incoming/*.rpm') }}"
    series: mos6.1
    release: "6.1"
    kind: updates
    organisation: Example Project
    maintainer: Example Release Team <release@example.org>
    backports: [qemu]

- name: Only report
  egi.cmd.package_check:
    files: [/srv/incoming/alpha_1.0-1_all.deb]
    series: cmd-os-1
    organisation: Example Project
    maintainer: Example Release Team <release@example.org>
    version_scheme: none
    fail_on: never
  register: checked
"""

RETURN = r"""
findings:
  description: Every rule that a file breaks, in the order of the files. Also returned when the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    file:
      description: Path of the file.
      type: str
    rule:
      description: Id of the rule.
      type: str
    severity:
      description: V(error) or V(warning).
      type: str
    why:
      description: What was found.
      type: str
    remedy:
      description: What to do.
      type: str
  sample:
    - file: /srv/incoming/alpha_1.0-1~u14.04+mos1_all.deb
      rule: source-commit
      severity: error
      why: "'17f8fb6' is no full commit id: 40 or 64 hexadecimal digits"
      remedy: "Add a line 'Source commit: <40 digits>'"
packages:
  description: What was read, without the files that could not be read.
  returned: always
  type: list
  elements: dict
  contains:
    file:
      description: Path of the file.
      type: str
    family:
      description: V(deb) or V(rpm).
      type: str
    name:
      description: Name of the package.
      type: str
    source:
      description: Name of its source package.
      type: str
    version:
      description: Its version, with the epoch.
      type: str
    maintainer:
      description: Its maintainer or packager.
      type: str
passed:
  description: Whether there is no error among the findings, whatever O(fail_on) says.
  returned: always
  type: bool
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._archive.metadata_check import SEVERITIES, Finding, Policy, check_file
from ansible_collections.egi.cmd.plugins.module_utils._archive.package_metadata import PackageMetadata
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import release_key

_SHOWN = 10


def _policy(params: t.Dict[str, t.Any]) -> Policy:
    empty = [name for name in ("series", "organisation", "maintainer") if not params[name].strip()]
    if empty:
        raise Failure("check packages", f"{', '.join(empty)} is empty, which every package names", "Say what packages have to name")
    if not params["files"]:
        raise Failure("check packages", "files is empty", "Name the packages; a check of nothing must not pass")
    if params["release"]:
        release_key(params["release"])  # refuses what is no release, whatever the versions are
    return Policy(
        params["series"], params["organisation"], params["maintainer"], tuple(params["backports"]),
        params["release"] or "", params["kind"] or "", params["version_scheme"] == "mos",
    )


def _described(metadata: PackageMetadata) -> t.Dict[str, t.Any]:
    return {name: value for name, value in metadata._asdict().items() if name != "entry"}


def _refusal(findings: t.Sequence[Finding], files: int) -> Failure:
    """What a person at the terminal sees of a failed task: the first findings."""
    shown = [f"{os.path.basename(finding.file)}: {finding.rule}: {finding.why}" for finding in findings[:_SHOWN]]
    more = [f"and {len(findings) - _SHOWN} more"] if len(findings) > _SHOWN else []
    return Failure(f"accept {files} package files", "; ".join(shown + more), "Each of the findings says what to do")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "path", "required": True},
            "series": {"type": "str", "required": True},
            "organisation": {"type": "str", "required": True},
            "maintainer": {"type": "str", "required": True},
            "backports": {"type": "list", "elements": "str", "default": []},
            "version_scheme": {"type": "str", "choices": ["mos", "none"], "default": "mos"},
            "release": {"type": "str"},
            "kind": {
                "type": "str",
                "choices": ["base", "updates", "security", "proposed", "candidate", "untested", "contrib", "holdback", "developer"],
            },
            "fail_on": {"type": "str", "choices": ["error", "warning", "never"], "default": "error"},
        },
        supports_check_mode=True,
    )
    with door(module, changed=False, findings=[], packages=[], passed=False):
        policy = _policy(module.params)
        checked = [check_file(path, policy) for path in module.params["files"]]
        findings = [finding for _metadata, found in checked for finding in found]
        result = {
            "changed": False,
            "findings": [finding._asdict() for finding in findings],
            "packages": [_described(metadata) for metadata, _found in checked if metadata],
            "passed": not any(finding.severity == "error" for finding in findings),
        }
        fail_on = module.params["fail_on"]
        grave = [] if fail_on == "never" else SEVERITIES[: SEVERITIES.index(fail_on) + 1]
        unacceptable = [finding for finding in findings if finding.severity in grave]
        if unacceptable:
            module.fail_json(msg=str(_refusal(unacceptable, len(module.params["files"]))), **result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
