# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter that makes the nodes of an AWX workflow of a rollout's waves."""

from __future__ import annotations

import json
import re
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import names

DOCUMENTATION = r"""
name: awx_workflow_nodes
author: egi.cmd contributors (@egi-cmd)
version_added: 0.1.0
short_description: Make an AWX workflow of the waves of a rollout
description:
  - Turn waves into C(workflow_nodes) for C(awx.awx.workflow_job_template). Each wave is one run of the same job template, limited to
    the wave's hosts, and starts only when the one before was successful.
  - Somebody has to approve each wave but the first. No approval ever times out.
  - A job is limited by groups and patterns, so two waves must not name the same, and a wave cannot be a percentage.
positional: job_template, organization, workflow
options:
  _input:
    description:
      - Names of waves, as a list or in one text separated by commas, or mappings with C(name), C(hosts) (groups, hosts or patterns;
        the group called like the wave if not given) and C(approval).
      - C(approval) V(false) lets a wave start as soon as the one before is done. V(true) asks before the first wave, too,
        and tells the rollout that the wave is approved, whose own waves may ask for that.
      - Other keys of a wave are left to the rollout itself.
    type: raw
    required: true
  job_template:
    description: Name of the job template that runs C(egi.cmd.rollout). It has to ask for the limit on launch.
    type: str
    required: true
  organization:
    description: Name of its organization.
    type: str
    required: true
  workflow:
    description: Name of the workflow, which the names of its approvals begin with.
    type: str
    required: true
seealso:
  - plugin: egi.cmd.awx
    plugin_type: role
"""

EXAMPLES = r"""
- name: Early adopters, then after an approval production
  awx.awx.workflow_job_template:
    name: Staged rollout
    organization: Default
    workflow_nodes: "{{ 'early_adopters,production' | egi.cmd.awx_workflow_nodes('Rollout', 'Default', 'Staged rollout') }}"
"""

RETURN = r"""
_value:
  description: The nodes, in the order they run.
  type: list
  elements: dict
"""

Node = t.Dict[str, t.Any]


def awx_workflow_nodes(waves: t.Any, job_template: str, organization: str, workflow: str) -> list[Node]:
    """Return the nodes of a workflow; see DOCUMENTATION."""
    try:
        return _nodes(_asked(waves), job_template, organization, workflow)
    except Failure as failure:
        raise AnsibleFilterError(str(failure)) from None


def _nodes(waves: list[t.Mapping[str, t.Any]], job_template: str, organization: str, workflow: str) -> list[Node]:
    nodes: list[Node] = []
    for number, wave in enumerate(waves):
        given = wave.get("approval")
        if _flag(wave["name"], given, number > 0):
            # The name is looked for in all of AWX, so it has to be one of its own.
            approval = {"type": "workflow_approval", "name": f"{workflow}: approve {wave['name']}",
                        "description": f"Let {wave['name']} have the release that the wave before has passed", "timeout": 0}
            nodes.append({"identifier": f"approve-{wave['name']}", "unified_job_template": approval})
        run = {"type": "job_template", "name": job_template, "organization": {"name": organization}}
        job: Node = {"identifier": f"wave-{wave['name']}", "unified_job_template": run, "limit": ":".join(_hosts(wave))}
        if given:
            # The rollout's own plan asks, too: the job that AWX let go on brings the answer.
            job["extra_data"] = {"rollout_approve": wave["name"]}
        nodes.append(job)
    for node, following in zip(nodes, [*nodes[1:], None]):
        node["related"] = {"success_nodes": [{"identifier": following["identifier"]}] if following else []}
    return nodes


def _asked(waves: t.Any) -> list[t.Mapping[str, t.Any]]:
    """Return the waves as mappings with names, checked for what a limit cannot say."""
    given = names(waves) if isinstance(waves, str) or waves is None else waves
    if not isinstance(given, t.Sequence) or not given:
        raise _failure("there is no wave", "Give their names, such as early_adopters,production")
    asked = [{"name": wave} if isinstance(wave, str) else wave for wave in given]
    taken: dict[str, str] = {}
    for number, wave in enumerate(asked, start=1):
        name = wave.get("name") if isinstance(wave, t.Mapping) else None
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise _failure(f"wave {number} has no name of letters, digits, _, . and -", "Write each wave as {name: ..., hosts: [...]}")
        if wave.get("percent") not in (None, "", 100):
            raise _failure(f"wave '{name}' is a percentage, which the limit of a job cannot be", "Make a group of its hosts, or roll out in one job")
        for pattern in _hosts(wave):
            if pattern in taken:
                raise _failure(f"waves '{taken[pattern]}' and '{name}' both have {pattern}, so that one job would run into the other's wave",
                               "Give each wave hosts of its own")
            taken[pattern] = name
    return asked


def _hosts(wave: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    return names(wave.get("hosts")) or (str(wave["name"]),)


def _flag(name: str, given: t.Any, default: bool) -> bool:
    if given is None or given == "":
        return default
    if isinstance(given, t.Mapping) or given is True:
        return True
    if given is False:
        return False
    raise _failure(f"approval of wave '{name}' is {json.dumps(given, default=str)}", "Write true or false")


def _failure(why: str, remedy: str) -> Failure:
    return Failure("make a workflow of the waves", why, remedy)


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filter by name."""
        return {"awx_workflow_nodes": awx_workflow_nodes}
