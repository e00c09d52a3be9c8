#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: a host's own part in a staged rollout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_host
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Check a host before and after a staged rollout changes it
description:
  - Looks whether a host is fit to be changed, checks its health after the change, and verifies a roll-back. What it finds
    is kept on the host, in C(/var/lib/egi-cmd/rollout/), before the rollout's own record has it.
  - The playbook C(egi.cmd.rollout) uses it, one call per host and step, whatever the number of checks.
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details: With O(step=prepare) the host is looked at, no command of O(pre_checks) is run, and a finding is no failure. Other steps do nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Every call notes the time.
options:
  step:
    description:
      - V(prepare) fails if the host is not fit to be changed. Otherwise it notes how the host is, for a roll-back and for
        checks that are compared; what an earlier call with the same O(record) noted is kept.
      - V(check) runs the health checks, and fails with the first that does.
      - V(fail) notes that something else went wrong.
      - V(back) fails unless the repositories, the holds and the packages that the rollout changed are as V(prepare) found them.
    type: str
    choices: [prepare, check, fail, back]
    required: true
  record:
    description: Name of the rollout, from M(egi.cmd.wave_gate); also the record of M(egi.cmd.package_sync).
    type: str
    required: true
  release:
    description: Name of the release.
    type: str
    required: true
  wave:
    description: Name of the wave.
    type: str
    required: true
  set:
    description: Name of the repository set.
    type: str
    required: true
  skip:
    description: What not to look at with O(step=prepare).
    type: list
    elements: str
    choices: [disk, packages, locks]
    default: []
  free:
    description: How many MiB must be free for C(/usr) and for the cache of the package manager.
    type: int
    default: 500
  timeout:
    description: How many seconds to wait for whoever holds a lock of the package manager.
    type: int
    default: 60
  pre_checks:
    description: Checks before the change, as P(egi.cmd.rollout_checks#filter) returns them.
    type: list
    elements: dict
    default: []
    suboptions: &check
      name:
        description: What verdicts call it.
        type: str
        required: true
      kind:
        description: Which of the next options says what to check.
        type: str
        choices: [command, url, port, service, tasks]
        required: true
      command:
        description: A command, without a shell.
        type: str
        default: ''
      url:
        description: A URL to get.
        type: str
        default: ''
      port:
        description: A port of the host itself.
        type: int
        default: 0
      service:
        description: A unit of systemd.
        type: str
        default: ''
      tasks:
        description: A file of tasks, for the playbook.
        type: str
        default: ''
      rc:
        description: The command's expected exit status.
        type: int
        default: 0
      status:
        description: The URL's expected status.
        type: int
        default: 200
      contains:
        description: A text that the URL's answer must have.
        type: str
        default: ''
      retries:
        description: How often to repeat a check that fails.
        type: int
        default: 0
      delay:
        description: Seconds between two tries.
        type: int
        default: 5
      timeout:
        description: Seconds after which a try has failed.
        type: int
        default: 30
      compare:
        description: What to compare with the time before the change.
        type: str
        choices: ['', result, number]
        default: ''
      tolerance:
        description: How far the number may be from the one before, a number or a percentage.
        type: str
        default: 10%
  checks:
    description: Health checks, as P(egi.cmd.rollout_checks#filter) returns them. Those of the kind C(tasks) are left to the playbook.
    type: list
    elements: dict
    default: []
    suboptions: *check
  passed:
    description: Names of health checks of the kind C(tasks) that the playbook has seen pass.
    type: list
    elements: str
    default: []
  status:
    description:
      - With O(step=check), what a host whose checks pass has come to, V(soaking) if it is still to be watched.
      - With O(step=fail), what went wrong, V(failed) for the change or V(rollback_failed) for the roll-back.
    type: str
    choices: [soaking, passed, failed, rollback_failed]
    default: passed
  packages:
    description: What the rollout set on the host, as M(egi.cmd.package_sync) returns it.
    type: list
    elements: dict
    default: []
  reason:
    description: With O(step=fail), what went wrong.
    type: str
    default: ''
seealso:
  - module: egi.cmd.wave_record
  - plugin: egi.cmd.rollout_checks
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look whether the host is fit to be changed
  egi.cmd.rollout_host:
    step: prepare
    record: cmd-os-1-20261120T132501Z
    release: cmd-os-1
    wave: production
    set: cmd-os-1

- name: Check its health after the change
  egi.cmd.rollout_host:
    step: check
    record: cmd-os-1-20261120T132501Z
    release: cmd-os-1
    wave: production
    set: cmd-os-1
    checks: "{{ ['cloud-api --check'] | egi.cmd.rollout_checks }}"
"""

RETURN = r"""
status:
  description: What the host has come to; in check mode V(null).
  returned: always
  type: str
  sample: soaking
checks:
  description: What was looked at, each with C(name), C(verdict) (V(passed), V(failed) or V(failed_before)) and C(detail).
  returned: always
  type: list
  elements: dict
  sample: [{name: cloud-api --check, verdict: failed, detail: exited 1}]
previous:
  description: Where a roll-back takes the repositories, for M(egi.cmd.wave_record).
  returned: with O(step=prepare)
  type: dict
  sample: {set: cmd-os-1, generation: null}
reason:
  description: O(reason), or with O(step=back) what others changed since.
  returned: with O(step=fail) and O(step=back)
  type: str
others:
  description: Packages that are not as the rollout found them, and that it did not change.
  returned: with O(step=back)
  type: list
  elements: str
boot:
  description: The host's boot id, which tells whether it was restarted.
  returned: always
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door, respawn_for
from ansible_collections.egi.cmd.plugins.module_utils._ansible.run import runner
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import health, precheck, rollout_state, sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.families import host_family
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_host import packages_of

_SHOWN = 5
_CHECK: t.Dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["command", "url", "port", "service", "tasks"], "required": True},
    "command": {"type": "str", "default": ""},
    "url": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 0},
    "service": {"type": "str", "default": ""},
    "tasks": {"type": "str", "default": ""},
    "rc": {"type": "int", "default": 0},
    "status": {"type": "int", "default": 200},
    "contains": {"type": "str", "default": ""},
    "retries": {"type": "int", "default": 0},
    "delay": {"type": "int", "default": 5},
    "timeout": {"type": "int", "default": 30},
    "compare": {"type": "str", "choices": ["", "result", "number"], "default": ""},
    "tolerance": {"type": "str", "default": "10%"},
}


class _Host:
    """One call: the parameters, what the host knows of the rollout, and what the answer will be."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module, self.given = module, module.params
        self.answer: t.Dict[str, t.Any] = {"status": None, "checks": [], "boot": rollout_state.boot_id()}

    def prepare(self) -> None:
        """Refuse a host that is not fit; note how it is before the change."""
        given, family, run = self.given, host_family(), runner(self.module)
        state = rollout_state.load(given["record"])
        found = precheck.findings(family.name, run, given["skip"], given["free"], given["timeout"], given["record"])
        self.answer["checks"] = [one.as_result() for one in found]
        look = rollout_state.look(family, given["set"], run)
        before = state["before"] if state else look
        self.answer["previous"] = {"set": given["set"], "generation": before["generation"]}
        if self.module.check_mode:
            return
        problem = next((f"not fit to be changed: {one.problem}" for one in found if one.problem), "")
        if not problem:
            results = health.run_all(given["pre_checks"])
            self.answer["checks"] += _shown(results)
            problem = next((f"check before the change '{one['name']}' {one['detail']}" for one in results if one["verdict"] == health.FAILED), "")
        if problem:
            # Nothing is noted: the host was not touched.
            self._fail(problem)
        if state is None:
            before = {**look, "baseline": health.baseline(_own(given["checks"]))}
        self._note("started", before=before, checks=[])

    def check(self) -> None:
        """Run the health checks and note what the host has come to."""
        state = self._known()
        results = health.run_all(_own(self.given["checks"]), {one["name"]: one for one in state["before"]["baseline"]})
        self.answer["checks"] = [{"name": name, "verdict": health.PASSED, "detail": ""} for name in self.given["passed"]] + _shown(results)
        failed = next((f"health check '{one['name']}' {one['detail']}" for one in results if one["verdict"] == health.FAILED), "")
        self._note("failed" if failed else self.given["status"], failed, checks=self.answer["checks"])
        if failed:
            self._fail(failed)

    def fail(self) -> None:
        """Note what went wrong. The reason comes back whatever happens: it is what the rollout's record needs."""
        self.answer["reason"] = self.given["reason"]
        try:
            self.answer["checks"] = self._known()["checks"]
            self._note(self.given["status"], self.given["reason"], checks=self.answer["checks"])
        except (Failure, OSError) as error:
            self.module.warn(f"The host could not note that it failed: {error}")

    def back(self) -> None:
        """Note that the host is as it was, or fail naming the first thing that is not."""
        state, given, run = self._known(), self.given, runner(self.module)
        packages = packages_of(given["set"], given["timeout"], run, lambda: respawn_for(self.module, "dnf", "python3-dnf"))
        packages.refresh(required=False)
        record = sync_record.load(sync_record.path_of(given["record"], sync_record.DIRECTORY))
        own, others = rollout_state.package_differences(record, packages.installed())
        wrong = own + rollout_state.differences(state["before"], rollout_state.look(host_family(), given["set"], run))
        said = f"others changed {', '.join(others[:_SHOWN])}{' and more' if len(others) > _SHOWN else ''} since" if others else ""
        self.answer.update(others=others, reason=said)
        self._note("rollback_failed" if wrong else "rolled_back", wrong[0] if wrong else said, checks=state["checks"])
        if wrong:
            self._fail(f"not as it was before the rollout: {wrong[0]}" + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""))

    def _known(self) -> rollout_state.State:
        state = rollout_state.load(self.given["record"])
        if state is None:
            path = rollout_state.path_of(self.given["record"])
            raise Failure(f"go on with rollout '{self.given['record']}'", f"this host does not know it ({path} is missing)",
                          "Run step=prepare first; how the host was before cannot be known any more")
        return state

    def _note(self, status: str, reason: str = "", **details: t.Any) -> None:
        self.answer["status"] = status
        state = rollout_state.load(self.given["record"]) or {}
        known = {"release": self.given["release"], "wave": self.given["wave"], "packages": self.given["packages"] or state.get("packages", [])}
        rollout_state.save(self.given["record"], rollout_state.noted({**state, **known}, status, reason, **details))

    def _fail(self, why: str) -> None:
        self.module.fail_json(msg=why, **self.answer)


def _own(checks: t.Sequence[health.Check]) -> t.List[health.Check]:
    """Return the checks that the host itself can run."""
    return [check for check in checks if check["kind"] != "tasks"]


def _shown(results: t.Sequence[health.Result]) -> t.List[t.Dict[str, str]]:
    return [{key: one[key] for key in ("name", "verdict", "detail")} for one in results]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["prepare", "check", "fail", "back"], "required": True},
            "record": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "wave": {"type": "str", "required": True},
            "set": {"type": "str", "required": True},
            "skip": {"type": "list", "elements": "str", "choices": ["disk", "packages", "locks"], "default": []},
            "free": {"type": "int", "default": 500},
            "timeout": {"type": "int", "default": 60},
            "pre_checks": {"type": "list", "elements": "dict", "default": [], "options": _CHECK},
            "checks": {"type": "list", "elements": "dict", "default": [], "options": _CHECK},
            "passed": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "status": {"type": "str", "choices": ["soaking", "passed", "failed", "rollback_failed"], "default": "passed"},
            "packages": {"type": "list", "elements": "dict", "default": []},
            "reason": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    with door(module, checks=[]):
        host = _Host(module)
        if module.params["step"] == "prepare":
            host.prepare()
        elif not module.check_mode:
            getattr(host, module.params["step"])()
    # What the host notes is about the rollout, not a change of what it runs.
    module.exit_json(changed=False, **host.answer)


if __name__ == "__main__":
    main()
