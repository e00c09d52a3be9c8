# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX starts them: the same files in the same places, run by ansible-runner, which is what AWX runs them with.

After awx/main/tasks/jobs.py, awx/main/models (variables of a job, survey answers, inventory) and awx/main/utils/safe_yaml.py of AWX 24.6.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import typing as t
from pathlib import Path

import ansible_runner
import yaml

Answers = t.Mapping[str, t.Any]
Template = t.Mapping[str, t.Any]


class NoTemplate(yaml.SafeDumper):
    """Marks every text as no template: what a person types into a survey must not be evaluated."""

    def represent_data(self, data: t.Any) -> yaml.Node:
        return self.represent_scalar("!unsafe", data) if isinstance(data, str) else super().represent_data(data)


class Job(t.NamedTuple):
    """A finished job. events: what AWX keeps; text: what it shows."""

    status: str
    code: int
    events: list[dict[str, t.Any]]
    text: str

    def results(self, *kinds: str) -> list[dict[str, t.Any]]:
        """The event data of some kinds of events, such as runner_on_ok."""
        return [event["event_data"] for event in self.events if event["event"] in kinds]

    def played(self) -> set[str]:
        """Hosts that did something."""
        return {data["host"] for data in self.results("runner_on_ok", "runner_on_failed", "runner_on_unreachable")}


def extra_vars(template: Template, answers: Answers, meta: Answers) -> str:
    """The variables file of a job: those of the template, defaults of the survey, answers, and what AWX says of the job itself.

    A default counts if it is a valid answer to its question. Only what the template itself sets may be a template.
    """
    fixed = dict(template["extra_vars"] or {})
    defaults = {one["variable"]: one["default"] for one in template["survey_spec"]["spec"] if _valid(one)}
    variables = {**fixed, **defaults, **answers, **meta}
    return "".join(yaml.dump({name: value}, Dumper=yaml.SafeDumper if name in fixed and fixed[name] == value else NoTemplate)
                   for name, value in variables.items())


def _valid(question: Answers) -> bool:
    default = question.get("default")
    if question["type"] == "integer":
        return isinstance(default, int)
    return default is not None and default in (question.get("choices") or [default])


def meta(number: int, template: Template, user: t.Optional[str]) -> dict[str, t.Any]:
    """What AWX says of a job. user: who started it; a schedule if None."""
    known: dict[str, t.Any] = {
        "job_id": number, "job_launch_type": "manual" if user else "scheduled", "inventory_id": 2, "inventory_name": template["inventory"],
        "project_revision": "0" * 40, "project_scm_branch": "", "job_template_id": 7, "job_template_name": template["name"],
        "execution_node": "receptor-1",
    }
    if user:
        known.update(user_id=1, user_name=user, user_email="", user_first_name="", user_last_name="")
    else:
        known.update(schedule_id=3, schedule_name=f"{template['name']}, daily")
    return {f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in known.items()}


def inventory(groups: t.Mapping[str, t.Sequence[str]], everywhere: Answers, hosts: t.Mapping[str, Answers]) -> str:
    """The inventory of a job: a program that prints JSON. groups: name -> hosts; everywhere: variables of the inventory."""
    data: dict[str, t.Any] = {"all": {"vars": dict(everywhere), "hosts": [], "children": list(groups)}}
    data.update({name: {"hosts": list(members)} for name, members in groups.items()})
    known = {"remote_host_enabled": "true", "remote_tower_enabled": "true"}
    data["_meta"] = {"hostvars": {name: {**own, **known, "remote_host_id": number, "remote_tower_id": number}
                                  for number, (name, own) in enumerate(hosts.items(), start=1)}}
    return f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(data)!r})\n"


def launch(
    folder: Path, project: Path, template: Template, answers: Answers, listing: str, *, number: int, user: t.Optional[str] = "alice",
    limit: str = "", check: bool = False, secret: t.Optional[str] = None,
) -> Job:
    """Run a job in a folder of its own that is thrown away with it. secret: content of the file a credential brings along."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("env", "inventory", "cp"):
        (folder / name).mkdir(parents=True, mode=0o700)
    shutil.copytree(project, folder / "project")
    known = meta(number, template, user)
    if secret is not None:
        _write(folder / "env/tmp4711", secret)
        known["holdback_key_file"] = str(folder / "env/tmp4711")
    _write(folder / "env/extravars", extra_vars(template, answers, known))
    arguments = ["-u", "root", *(["--check"] if check else []), *(["--become"] if template["become_enabled"] else []), *(["-l", limit] if limit else [])]
    _write(folder / "env/cmdline", shlex.join(arguments))
    _write(folder / "inventory/hosts", listing, 0o700)
    runner = ansible_runner.run(
        private_data_dir=str(folder), playbook=template["playbook"], inventory=str(folder / "inventory/hosts"), ident=str(number), quiet=True,
        envvars={**_environment(), "JOB_ID": str(number), "INVENTORY_ID": "2", "ANSIBLE_RETRY_FILES_ENABLED": "False", "AWX_PRIVATE_DATA_DIR": str(folder)},
    )
    job = Job(runner.status, runner.rc, list(runner.events), runner.stdout.read())
    shutil.rmtree(folder)
    return job


def _environment() -> dict[str, str]:
    """AWX has the collections where this test has them; the rest is as in its execution environment."""
    return {name: value for name, value in os.environ.items() if name.startswith(("ANSIBLE_", "LAB_")) or name in ("PATH", "HOME", "LC_ALL")}


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    path.touch(mode=mode)
    path.write_text(text)
