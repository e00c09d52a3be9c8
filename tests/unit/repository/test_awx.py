# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role awx sends is what AWX takes, and AWX finds the playbooks of the example project.

The rules are those of AWX 24.6: awx/main/utils/ansible.py (playbooks), awx/api/views (surveys), awx/api/serializers.py (schedules),
awx/main/fields.py (credential types), awx/main/models (variables of a job).
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[3]
PROJECT = TOP / "docs/examples/awx-project"
# Variables that AWX gives every job: a prefix, and one of these.
META = ("job_id", "job_launch_type", "user_id", "user_name", "user_email", "user_first_name", "user_last_name", "inventory_id", "inventory_name",
        "project_revision", "project_scm_branch", "job_template_id", "job_template_name", "schedule_id", "schedule_name", "execution_node",
        "workflow_job_id", "workflow_job_name", "workflow_job_launch_type", "parent_job_schedule_id", "parent_job_schedule_name", "job_scm_branch")
DEFAULTS = {"text": str, "textarea": str, "integer": int, "multiplechoice": str}


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it: a text may be marked as no template."""


Loader.add_constructor("!unsafe", Loader.construct_yaml_str)


def role(name: str) -> t.Any:
    return yaml.load((TOP / "roles/awx" / name / "main.yml").read_text(), Loader)  # noqa: S506


DATA = role("vars")
TEMPLATES: dict[str, dict[str, t.Any]] = DATA["__awx_job_templates"]
QUESTIONS = [(key, question) for key, one in TEMPLATES.items() for question in one["survey"]]


def asked(value: t.Any) -> str:
    return str(value["variable"]) if isinstance(value, dict) else str(value)


def discovered(project: Path) -> list[str]:
    """The playbooks AWX offers of a project."""
    line = re.compile(r"\s*-?\s*(hosts|(ansible\.builtin\.)?(include|import_playbook)):")
    found = []
    for path in sorted(project.rglob("*.y*ml")):
        folders = path.relative_to(project).parts[:-1]
        hidden = {"roles", "tasks", "group_vars", "host_vars"} & set(folders) or any(name.startswith(".") for name in folders)
        if not hidden and any(line.match(one) for one in path.read_text().splitlines()):
            found.append(str(path.relative_to(project)))
    return found


def test_awx_finds_the_playbook_of_every_job_template() -> None:
    assert {one["playbook"] for one in TEMPLATES.values()} == set(discovered(PROJECT))


def test_awx_would_not_find_what_is_no_playbook(tmp_path: Path) -> None:
    for name in ("tasks/main.yml", "roles/a/b.yml", "group_vars/all.yml", "deep/host_vars/a.yml", ".git/a.yml", "list.yml", "a.txt", "deep/site.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("- name: A list\n" if name == "list.yml" else "- hosts: all\n")
    assert discovered(tmp_path) == ["deep/site.yaml"]


@pytest.mark.parametrize("path", sorted(PROJECT.glob("*.yml")), ids=lambda path: path.name)
def test_a_wrapper_runs_the_playbook_of_its_name(path: Path) -> None:
    (play,) = yaml.safe_load(path.read_text())
    assert play["ansible.builtin.import_playbook"] == f"egi.cmd.{path.stem}"
    assert (TOP / "playbooks" / path.name).exists()


def test_the_project_asks_for_this_collection() -> None:
    (wanted,) = yaml.safe_load((PROJECT / "collections/requirements.yml").read_text())["collections"]
    assert wanted["name"] == "egi.cmd"


@pytest.mark.parametrize("key", list(TEMPLATES))
def test_a_survey_asks_for_each_variable_once(key: str) -> None:
    names = [question["variable"] for question in TEMPLATES[key]["survey"]]
    assert names and len(names) == len(set(names))
    # A fixed value would silently lose against an answer.
    assert not set(names) & set(TEMPLATES[key]["extra_vars"])


@pytest.mark.parametrize("question", [question for _key, question in QUESTIONS], ids=asked)
def test_a_question_is_one_that_awx_takes_and_its_answer_a_scalar(question: dict[str, t.Any]) -> None:
    assert set(question) <= {"variable", "question_name", "question_description", "type", "required", "default", "choices", "min", "max"}
    assert all(isinstance(question[field], str) and question[field] for field in ("variable", "question_name", "question_description", "type"))
    assert isinstance(question["required"], bool)
    # multiselect is a list, a password would be in the record of the job.
    assert question["type"] in DEFAULTS
    default = question.get("default", "")
    assert default == "" or isinstance(default, DEFAULTS[question["type"]])
    assert ("choices" in question) == (question["type"] == "multiplechoice")
    if "choices" in question:
        assert default in question["choices"] and all(isinstance(choice, str) for choice in question["choices"])


@pytest.mark.parametrize(("key", "question"), QUESTIONS, ids=asked)
def test_an_answer_is_read_by_the_playbook(key: str, question: dict[str, t.Any]) -> None:
    playbook = (TOP / "playbooks" / TEMPLATES[key]["playbook"]).read_text()
    roles = set(re.findall(r"name: egi\.cmd\.(\w+)$", playbook, re.MULTILINE))
    readers = [playbook, *[path.read_text() for name in roles for path in (TOP / "roles" / name / "tasks").glob("*.yml")]]
    assert any(re.search(rf"\b{question['variable']}\b", text) for text in readers)


@pytest.mark.parametrize("key", list(DATA["__awx_schedules"]))
def test_a_schedule_is_one_that_awx_takes(key: str) -> None:
    schedule = DATA["__awx_schedules"][key]
    assert schedule["job_template"] in TEMPLATES
    assert re.fullmatch(r"DTSTART;TZID=\{\{ awx_timezone \}\}:[0-9]{8}T[0-9]{6} RRULE:FREQ=(DAILY|WEEKLY);INTERVAL=[0-9]+(;BYDAY=[A-Z]{2})?", schedule["rrule"])


@pytest.mark.parametrize("key", list(DATA["__awx_credential_types"]))
def test_a_credential_type_keeps_its_secret(key: str) -> None:
    one = DATA["__awx_credential_types"][key]
    fields = {field["id"]: field for field in one["inputs"]["fields"]}
    assert set(one["inputs"]["required"]) <= set(fields)
    for field in fields.values():
        assert set(field) <= {"id", "label", "help_text", "type", "format", "choices", "multiline", "secret", "ask_at_runtime", "default"}
        assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", field["id"]) and field["id"] != "tower"
        assert field["secret"] and field["type"] == "string"
    # Variables of a job can be read by whoever may see the job: only the name of a file is among them.
    assert set(one["injectors"]) == {"file", "extra_vars"}
    assert set(one["injectors"]["extra_vars"].values()) == {"{{ tower.filename }}"}
    assert re.findall(r"\{\{ (\w+) \}\}", one["injectors"]["file"]["template"]) == list(fields)


def test_no_option_is_called_like_a_variable_of_awx() -> None:
    """The role may run inside AWX, whose variables would win."""
    assert not set(role("defaults")) & {f"awx_{name}" for name in META}


@pytest.mark.parametrize("key", list(TEMPLATES))
def test_what_a_job_template_sets_needs_no_answer(key: str) -> None:
    """A job that a schedule starts has no user, and no launch has all variables."""
    for value in TEMPLATES[key]["extra_vars"].values():
        for used in re.findall(r"(?:awx|tower)_(?:user|schedule|job|workflow)\w+", str(value)):
            assert f"{used} | default(" in value
