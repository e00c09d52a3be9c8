#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module egi.cmd.system_test."""

from __future__ import annotations

DOCUMENTATION = r"""
module: system_test
short_description: Test a product with the base distribution's pending updates, and find the update that breaks it
version_added: 0.1.0
author:
  - egi.cmd contributors (@egi-cmd)
description:
  - Installs the product on a throw-away root, brings that up to date, and runs a test there. Then it tests once more with all pending
    updates.
  - When that fails it halves the updates until the smallest set is left that makes the test fail, each time on a new root. What a
    package manager installs along with a package is taken into account.
  - Proposes holds for M(egi.cmd.holdback), and writes a report for the base distribution's bug tracker.
  - A root is a layer over O(root), which is not changed. Programs run in a mount, pid and network namespace of their own. When the
    module ends, for whatever reason, the kernel ends all of them and removes the mounts.
  - A failed test does not fail the task. Look at RV(verdict).
options:
  root:
    description:
      - Directory or tarball with a root file system of the base distribution, on the host the module runs on.
      - Its own repositories are not used.
    type: path
    required: true
  directories:
    description: Directories that trials see at the same place and can only read, such as the one of the mirrors and the one of the test.
    type: list
    elements: path
    default: []
  repositories:
    description:
      - Repositories of the base distribution and the product, with the fields of O(egi.cmd.repository_set#module:repositories).
      - Their URLs start with V(file://), because trials have no network. Name snapshots of a mirror, and nothing changes under the trials.
      - One that has neither C(kind) nor C(band) is in the band V(distribution).
    type: list
    elements: dict
    required: true
  pending:
    description:
      - Repositories with the updates to test, such as a newer snapshot of the base distribution, or its channel of proposed updates.
      - Fields as in O(repositories).
    type: list
    elements: dict
    required: true
  packages:
    description: Packages of the product. They are installed before the first trial.
    type: list
    elements: str
    default: []
  updates:
    description: Names of pending updates to test. Default is every update that the package manager would take.
    type: list
    elements: str
    default: []
  platform:
    description: Platform of the release manifest, for the proposed holds.
    type: str
    required: true
  test:
    description:
      - The product's own test, a command with its arguments. It passes when it ends with 0.
      - It runs as root, in the root. Its only network is the loopback. Services are not running, it starts what it needs.
    type: list
    elements: str
    required: true
  test_timeout:
    description: Seconds the test may take. One that takes longer has failed.
    type: int
    default: 600
  install_timeout:
    description: Seconds an installation may take.
    type: int
    default: 1800
  attempts:
    description: Number of trials after which it gives up.
    type: int
    default: 60
  work_path:
    description:
      - Directory for the roots, on a file system that overlayfs can write to. On others a root is copied for each trial.
      - They are in the folder C(egi-cmd-trials) there, and removed at the end.
    type: path
    default: /var/tmp
  log_path:
    description: Directory for the logs. Those of the last run are replaced.
    type: path
    required: true
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: none
    details: [Without trials there is nothing to say.]
  diff_mode:
    support: none
    details: [It changes nothing but its logs.]
  idempotent:
    support: full
    details: [It never says that something changed.]
requirements:
  - root, and a kernel that allows mounts and namespaces
  - C(unshare) and C(setpriv) of util-linux
seealso:
  - module: egi.cmd.holdback
  - module: egi.cmd.snapshot
notes:
  - C(docs/system-test.md) is the guide.
"""

EXAMPLES = r"""
- name: Test the base distribution's proposed updates with our product
  egi.cmd.system_test:
    root: /srv/roots/jammy.tar
    platform: jammy
    directories: [/srv/mirror, /srv/tests]
    repositories:
      - name: ubuntu
        uris: [file:///srv/mirror/ubuntu-22.04/ubuntu]
        suite: jammy
        components: [main]
        origin: Ubuntu
        keys: [{file: /srv/mirror/project/mirror-key.asc}]
    pending:
      - name: ubuntu-proposed
        uris: [file:///srv/mirror/ubuntu-22.04/ubuntu]
        suite: jammy-proposed
        components: [main]
        origin: Ubuntu
        keys: [{file: /srv/mirror/project/mirror-key.asc}]
    packages: [cloud-client]
    test: [/srv/tests/cloud-client, --quick]
    log_path: /var/log/system-test/jammy-proposed
  register: tested

- name: Stop when it failed
  ansible.builtin.assert:
    that: tested.verdict == 'pass'
    fail_msg: "{{ tested.why }}"
"""

RETURN = r"""
verdict:
  description: V(pass), V(fail), or V(inconclusive) when the test fails without the updates, is flaky, or could not be run.
  returned: success
  type: str
  sample: fail
why:
  description: The verdict in words.
  returned: success
  type: str
  sample: the test fails with libcloud, and passes with the others
culprits:
  description: The updates without which the test passes.
  returned: success
  type: list
  elements: dict
  contains:
    package:
      description: Name of the package.
      type: str
    good:
      description: Its version before.
      type: str
    bad:
      description: Its version with which the test fails.
      type: str
  sample: [{package: libcloud, good: 1.0-1, bad: 1.1-1}]
holds:
  description:
    - Proposed holds, as O(egi.cmd.holdback#module:holds) takes them. C(link) and C(expires) are for people to add.
  returned: success
  type: list
  elements: dict
  sample:
    - name: libcloud-1.1-1
      packages: [libcloud]
      platforms: [jammy]
      bad: {deb: ">= 1.1-1"}
      reason: the test ended with 1 with libcloud 1.1-1; it passes with libcloud 1.0-1
      test: [/srv/tests/cloud-client, --quick]
reports:
  description: For each independent cause a report for the base distribution's bug tracker.
  returned: success
  type: list
  elements: dict
  contains:
    title:
      description: One line.
      type: str
    text:
      description: Plain text.
      type: str
updates:
  description: The pending updates.
  returned: success
  type: list
  elements: dict
  contains:
    package:
      description: The package as its manager names it.
      type: str
    before:
      description: Version without the update.
      type: str
    after:
      description: Version with it.
      type: str
installed:
  description: Package and version of everything in the root without the updates.
  returned: success
  type: dict
  sample: {cloud-client: 3.0-1, libcloud: 1.0-1}
trials:
  description: What was tried, in order.
  returned: success
  type: list
  elements: dict
  contains:
    number:
      description: Counts from 1.
      type: int
    asked:
      description: Updates that were asked for. The first trial asks for none.
      type: list
      elements: str
    held:
      description: Updates that were kept away, with what needs them.
      type: list
      elements: str
    outcome:
      description: V(pass), V(fail), or V(unresolved) when these updates cannot be installed without others.
      type: str
    why:
      description: The outcome in words.
      type: str
    changed:
      description: Every package that really changed, with C(before) and C(after); one of them is empty for a package that is new or gone.
      type: list
      elements: dict
    seconds:
      description: What it took.
      type: float
    log:
      description: File with everything that package manager and test said.
      type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import REPOSITORY_OPTIONS
from ansible_collections.egi.cmd.plugins.module_utils._promotion import regression, trial

Result = t.Dict[str, t.Any]


def _repositories(option: str, entries: t.Sequence[Result]) -> t.List[Result]:
    for entry in entries:
        unknown = sorted(set(entry) - set(REPOSITORY_OPTIONS))
        if unknown:
            raise Failure(f"read option {option}", f"a repository has no field {unknown[0]!r}", f"It has {', '.join(sorted(REPOSITORY_OPTIONS))}")
    return [entry if entry.get("kind") or entry.get("band") else {**entry, "band": "distribution"} for entry in entries]


def _plan(params: t.Mapping[str, t.Any]) -> trial.Plan:
    for option in ("test_timeout", "install_timeout", "attempts"):
        if params[option] < 1:
            raise Failure(f"read option {option}", f"it is {params[option]}", "Give 1 or more")
    return trial.Plan(
        root=params["root"], directories=params["directories"], repositories=_repositories("repositories", params["repositories"]),
        pending=_repositories("pending", params["pending"]), packages=params["packages"], only=params["updates"], test=params["test"],
        seconds=params["test_timeout"], install_seconds=params["install_timeout"], attempts=params["attempts"],
        work=params["work_path"], logs=params["log_path"],
    )


def _result(outcome: trial.Outcome, params: t.Mapping[str, t.Any]) -> Result:
    found = regression.regressions(outcome)
    guilty = [move for one in found for move in one.guilty]
    return {
        "changed": False,
        "verdict": outcome.answer.verdict,
        "why": outcome.answer.why,
        "culprits": [{"package": outcome.manager.package(move.package), "good": move.before, "bad": move.after} for move in guilty],
        "holds": regression.proposals(outcome, found, params["platform"], params["test"]),
        "reports": [
            {
                "title": regression.title(outcome, one),
                "text": regression.report(outcome, one, params["packages"], params["test"], trial.tail(one.trial.log)),
            }
            for one in found
        ],
        "updates": [move._asdict() for move in outcome.batch],
        "installed": outcome.good,
        "trials": [{**one._asdict(), "changed": [move._asdict() for move in one.changed]} for one in outcome.trials],
    }


def main() -> None:
    """Run the module."""
    names: Result = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "directories": {"type": "list", "elements": "path", "default": []},
            "repositories": {"type": "list", "elements": "dict", "required": True},
            "pending": {"type": "list", "elements": "dict", "required": True},
            "packages": names,
            "updates": names,
            "platform": {"type": "str", "required": True},
            "test": {"type": "list", "elements": "str", "required": True},
            "test_timeout": {"type": "int", "default": 600},
            "install_timeout": {"type": "int", "default": 1800},
            "attempts": {"type": "int", "default": 60},
            "work_path": {"type": "path", "default": "/var/tmp"},
            "log_path": {"type": "path", "required": True},
        },
        supports_check_mode=False,
    )
    with door(module):
        module.exit_json(**_result(trial.run(_plan(module.params)), module.params))


if __name__ == "__main__":
    main()
