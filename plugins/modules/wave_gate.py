#!/usr/bin/python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module: the gates of a staged rollout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wave_gate
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Open, judge and close a wave of a staged rollout
description:
  - Reads and writes the record of a rollout, a file, and answers from it whether a wave may start, who is to be watched,
    what the verdict on it is, and what to tell the reader.
  - Only a recorded V(passed) counts for a wave. A host that was unreachable, rescued or never attempted does not.
  - The playbook C(egi.cmd.rollout) uses it; run it where the records are (C(delegate_to=localhost), C(run_once=true)).
extends_documentation_fragment:
  - egi.cmd.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is recorded; RV(phase) is V(preview) and RV(table) is the plan.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: O(step=admit) resumes a rollout that is open and opens another when the last one is over.
options:
  step:
    description:
      - V(admit) opens the rollout, or resumes the newest open one that brings hosts the same, and fails unless the gates of all
        earlier waves are passed, the wave is approved if it must be, and its window is open.
      - V(watch) says which hosts of a wave with a soak are to be checked again, and when.
      - V(judge) computes and records the verdict on the wave.
      - V(close) gives the last word on the wave and, if no wave follows, ends the run in the record.
    type: str
    choices: [admit, watch, judge, close]
    required: true
  record_dir:
    description: Directory of the records on the host this runs on; made if it does not exist.
    type: path
    required: true
  wave:
    description: Name of the wave.
    type: str
    required: true
  plan:
    description: The plan, as P(egi.cmd.wave_plan#filter) returns it; needed to admit, and in check mode.
    type: dict
  hosts:
    description: The hosts about to be worked on; admission refuses a host of another wave, and only these are watched.
    type: list
    elements: str
    default: []
  run:
    description: Who runs the rollout, as P(egi.cmd.rollout_run#lookup) returns it; needed to admit.
    type: dict
  take_over:
    description: Resume a rollout whose last run was on another machine and did not record its end.
    type: bool
    default: false
  roll_back:
    description:
      - Roll back, however far the rollout came. With O(step=admit), the newest rollout with the same plan is taken; with
        O(step=close), a wave that is wholly back is no reason to stop.
    type: bool
    default: false
  emergency:
    description: Why windows, days without a release and soak do not count in this run; the record keeps it. Gates and approvals still count.
    type: str
    default: ''
  approve:
    description: Waves to approve, a list or a comma-separated text. An approval is only taken once the gates before the wave are open.
    type: raw
  refuse:
    description: Waves to refuse, a list or a comma-separated text.
    type: raw
  set_aside:
    description: Hosts to go on without, a list or a comma-separated text. They leave the count of their wave; one that has passed or failed cannot.
    type: raw
  reason:
    description: Why, for the record, of what O(approve), O(refuse), O(set_aside) and O(replan) say.
    type: str
    default: ''
  replan:
    description: Go on with an open rollout although the inventory or the waves have changed; results of hosts that stay are kept.
    type: bool
    default: false
  record:
    description: Name of the rollout, from RV(record) of the admission; needed for all other steps.
    type: str
  last:
    description: Whether this run has no further wave.
    type: bool
    default: true
seealso:
  - module: egi.cmd.wave_record
  - plugin: egi.cmd.wave_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Start the wave
  egi.cmd.wave_gate:
    step: admit
    record_dir: /srv/rollouts
    wave: production
    plan: "{{ ['early_adopters', 'production'] | egi.cmd.wave_plan(groups, release='cmd-os-1') }}"
    hosts: "{{ ansible_play_batch }}"
    run: "{{ lookup('egi.cmd.rollout_run') }}"
  delegate_to: localhost
  run_once: true
  register: admission

- name: Judge the wave
  egi.cmd.wave_gate:
    step: judge
    record_dir: /srv/rollouts
    wave: production
    record: "{{ admission.record }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
wave:
  description: Name of the wave.
  returned: success
  type: str
  sample: early_adopters
record:
  description: Name of the rollout; empty in check mode.
  returned: success
  type: str
  sample: cmd-os-1-20261120T132501Z
path:
  description: The file of the record; empty in check mode.
  returned: success
  type: str
  sample: /srv/rollouts/cmd-os-1-20261120T132501Z.jsonl
phase:
  description: What the wave's hosts are in for, V(work), V(roll_back), V(done) or V(preview).
  returned: success
  type: str
  sample: work
hosts:
  description: The hosts to work on, to roll back, or to preview.
  returned: success
  type: list
  elements: str
  sample: [ea1.example.org]
turns:
  description: RV(hosts) in the turns in which they are to be changed, as the wave's slots say.
  returned: success
  type: list
  elements: list
  sample: [[ea1.example.org], [ea2.example.org]]
soak:
  description: How many seconds a healthy host is to be watched; V(0) if it is not.
  returned: success
  type: int
watch:
  description: What is to be watched next.
  returned: success
  type: dict
  contains:
    hosts:
      description: Hosts to check again.
      type: list
      elements: str
    pause:
      description: Seconds until then.
      type: int
    passing:
      description: Hosts whose time is over then, so that they pass if they are healthy.
      type: list
      elements: str
previous:
  description: For each of RV(hosts) where a roll-back takes its repositories, as M(egi.cmd.wave_record) was told.
  returned: success
  type: dict
  sample: {ea1.example.org: {set: cmd-os-1, generation: null}}
verdict:
  description: V(pass), V(fail) or V(inconclusive), from what is recorded now; empty in check mode.
  returned: success
  type: str
  sample: inconclusive
stop:
  description: Whether nothing may follow this wave in this run; only O(step=close) ever says so.
  returned: success
  type: bool
message:
  description: The verdict in words, with what to do.
  returned: success
  type: str
  sample: "early_adopters: 2 of 2 healthy; needs 2 of 2."
table:
  description: The rollout so far as the lines of a table; in check mode the plan.
  returned: success
  type: list
  elements: str
"""

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.egi.cmd.plugins.module_utils._ansible.door import door
from ansible_collections.egi.cmd.plugins.module_utils._rollout import steps
from ansible_collections.egi.cmd.plugins.module_utils._rollout.admission import Wishes, emergency_reason
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan, from_json
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import names


def _wishes(given: t.Mapping[str, t.Any]) -> Wishes:
    return Wishes(
        approve=names(from_json(given["approve"])), refuse=names(from_json(given["refuse"])), set_aside=names(from_json(given["set_aside"])),
        text=given["reason"],
        emergency=emergency_reason(given["emergency"]), replan=given["replan"], take_over=given["take_over"],
    )


def _answer(module: AnsibleModule) -> t.Dict[str, t.Any]:
    given = module.params
    directory, record, wave = given["record_dir"], given["record"], given["wave"]
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if module.check_mode:
        return steps.preview(Plan.from_dict(given["plan"]), wave, emergency_reason(given["emergency"]), now)
    if given["step"] == "admit":
        start = steps.take_back if given["roll_back"] else steps.admit
        return start(directory, Plan.from_dict(given["plan"]), wave, given["hosts"], given["run"], _wishes(given), now)
    if given["step"] == "watch":
        return steps.watch(directory, record, wave, given["hosts"], now)
    if given["step"] == "judge":
        return steps.judge(directory, record, wave, now)
    return steps.close(directory, record, wave, given["last"], given["roll_back"], now)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["admit", "watch", "judge", "close"], "required": True},
            "record_dir": {"type": "path", "required": True},
            "wave": {"type": "str", "required": True},
            "plan": {"type": "dict"},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "run": {"type": "dict"},
            "take_over": {"type": "bool", "default": False},
            "roll_back": {"type": "bool", "default": False},
            "emergency": {"type": "str", "default": ""},
            "approve": {"type": "raw"},
            "refuse": {"type": "raw"},
            "set_aside": {"type": "raw"},
            "reason": {"type": "str", "default": ""},
            "replan": {"type": "bool", "default": False},
            "record": {"type": "str"},
            "last": {"type": "bool", "default": True},
        },
        required_if=[("step", "admit", ("plan", "run")), ("step", "watch", ("record",)), ("step", "judge", ("record",)), ("step", "close", ("record",))],
        supports_check_mode=True,
    )
    with door(module):
        answer = _answer(module)
        module.exit_json(changed=not module.check_mode, **answer)


if __name__ == "__main__":
    main()
