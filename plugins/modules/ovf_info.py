#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ovf_info
short_description: Read and judge OVF and OVA packages
version_added: 0.1.0
description:
  - Says what is in packages, and which rules of C(docs/ovf.md) they break. It only reads.
  - All packages are read before it ends. It does not fail for a bad package unless O(fail_on) says so.
extends_documentation_fragment:
  - egi.cmd.attributes
author:
  - egi.cmd contributors (@egi-cmd)
requirements:
  - C(openssl), if a package is signed
attributes:
  check_mode:
    support: full
    details: [It never changes anything.]
  diff_mode:
    support: none
    details: [There is nothing to compare.]
  idempotent:
    support: full
options:
  paths:
    description: OVA files, descriptors, or directories with one.
    type: list
    elements: path
    required: true
  authorities:
    description: Path of certificates as PEM. A package has to be signed by someone they vouch for.
    type: path
  kernel_config:
    description: The C(/boot/config-*) of the kernel in the disks. Hardware it has no driver for is a problem then.
    type: path
  domain_directory:
    description: Also return each system as a domain of libvirt, with its disks in this directory.
    type: path
  domain_type:
    description: Type of these domains.
    type: str
    choices: [kvm, qemu]
    default: kvm
  fail_on:
    description: The least severe problem that makes the task fail.
    type: str
    choices: [error, warning, never]
    default: never
seealso:
  - module: egi.cmd.ovf
"""

EXAMPLES = r"""
- name: Look at what was sent
  egi.cmd.ovf_info:
    paths: [/srv/incoming/appliance.ova]
  register: package

- name: Refuse what is not whole, not signed, or does not boot this kernel
  egi.cmd.ovf_info:
    paths: "{{ query('ansible.builtin.fileglob', '/srv/images/*.ova') }}"
    authorities: /etc/pki/images/certificate.pem
    kernel_config: /srv/build/config-cloud
    fail_on: error
"""

RETURN = r"""
packages:
  description: The packages, in the order of O(paths).
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: As in O(paths).
      type: str
    valid:
      description: Whether it has no problem that is an error.
      type: bool
    signed:
      description: Whether its signature is good.
      type: bool
    manifest_digest:
      description: Digest of its manifest, V(none) without one.
      type: str
    problems:
      description: Every rule it breaks.
      type: list
      elements: dict
      contains:
        rule:
          description: Id of the rule.
          type: str
        what:
          description: What was found.
          type: str
        remedy:
          description: What to do.
          type: str
        severity:
          description: V(error) or V(warning).
          type: str
    files:
      description: Its files with name, size and digests.
      type: list
      elements: dict
    envelope:
      description: What the descriptor says, with systems, files, disks and networks. Null if it cannot be read. Values of passwords
        and of user data are V(***).
      type: dict
    domains:
      description: Its systems as domains of libvirt, with O(domain_directory). A bad package has none.
      type: list
      elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import domain, ovf_guest, ovf_package
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_display import plain
from ansible_collections.egi.cmd.plugins.module_utils._image.ovf_model import Problem

Result = t.Dict[str, t.Any]
_SHOWN = 10


def _package(path: str, params: t.Mapping[str, t.Any], kernel: str) -> Result:
    with ovf_package.Source(path) as source:
        package = ovf_package.inspect(source, params["authorities"] or "")
    problems = list(package.problems)
    if kernel and package.envelope:
        problems += ovf_guest.judge(package.envelope, kernel)
    valid = not any(problem.severity == "error" for problem in problems)
    domains: t.List[str] = []
    if params["domain_directory"] and valid and package.envelope:
        domains = [domain.write(package.envelope, system, params["domain_directory"], domain.architecture(system), params["domain_type"]).decode("utf-8")
                   for system in package.envelope.systems]
    return {
        "path": path, "valid": valid, "signed": package.signed, "manifest_digest": package.digest,
        "problems": [problem._asdict() for problem in problems], "files": [content._asdict() for content in package.contents],
        "envelope": plain(package.envelope) if package.envelope else None, "domains": domains,
    }


def _judged(path: str, params: t.Mapping[str, t.Any], kernel: str) -> Result:
    """A package, or that it cannot be read at all."""
    try:
        return _package(path, params, kernel)
    except Failure as failure:
        problem = Problem("readable", failure.why, failure.remedy)
        return {"path": path, "valid": False, "signed": False, "manifest_digest": "none", "problems": [problem._asdict()], "files": [], "envelope": None,
                "domains": []}


def _refusal(packages: t.Sequence[Result], grave: t.Sequence[str]) -> t.Optional[Failure]:
    found = [f"{one['path']}: {problem['rule']}: {problem['what']}" for one in packages for problem in one["problems"] if problem["severity"] in grave]
    if not found:
        return None
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return Failure(f"accept {len(packages)} packages", "; ".join(found[:_SHOWN] + more), "Each of the problems says what to do")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True},
            "authorities": {"type": "path"},
            "kernel_config": {"type": "path"},
            "domain_directory": {"type": "path"},
            "domain_type": {"type": "str", "choices": ["kvm", "qemu"], "default": "kvm"},
            "fail_on": {"type": "str", "choices": ["error", "warning", "never"], "default": "never"},
        },
        supports_check_mode=True,
    )
    params = module.params
    with door(module, changed=False, packages=[]):
        kernel = ""
        if params["kernel_config"]:
            with open(params["kernel_config"], encoding="utf-8", errors="replace") as file:
                kernel = file.read()
        packages = [_judged(path, params, kernel) for path in params["paths"]]
        grave = {"never": [], "error": ["error"], "warning": ["error", "warning"]}[params["fail_on"]]
        refusal = _refusal(packages, grave)
        if refusal:
            module.fail_json(msg=str(refusal), changed=False, packages=packages)
        module.exit_json(changed=False, packages=packages)


if __name__ == "__main__":
    main()
