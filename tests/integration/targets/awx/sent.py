# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role awx sends, taken from awx.awx itself: its modules check their arguments before they look for an AWX, and there is none."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import ansible_runner

# Nothing listens on the discard port of this session's loopback.
NOWHERE = "http://127.0.0.1:9"
TYPES: dict[str, t.Any] = {"str": str, "int": int, "bool": bool, "dict": dict, "list": list}
PLAY = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
         "tasks": [{"ansible.builtin.include_role": {"name": "egi.cmd.awx", "apply": {"ignore_errors": True}}}]}]


class Sent(t.NamedTuple):
    """One call of a module of awx.awx: its arguments, and what it said."""

    module: str
    arguments: dict[str, t.Any]
    message: str


def sent(folder: Path, **variables: t.Any) -> list[Sent]:
    """Every call the role makes, as if each had been answered. variables: of the role."""
    (folder / "project").mkdir(parents=True)
    (folder / "project/all.yml").write_text(json.dumps(PLAY))
    runner = ansible_runner.run(private_data_dir=str(folder), playbook="all.yml", inventory="localhost,", quiet=True, cmdline="-vvv",
                                extravars={"awx_url": NOWHERE, **variables})
    events = [event["event_data"] for event in runner.events if event["event"] in ("runner_on_failed", "runner_item_on_failed")]
    assert runner.status == "successful", runner.stdout.read()
    assert str(variables["awx_token"]) not in json.dumps(events), "the token was shown"
    calls = [data for data in events if data["task_action"].startswith("awx.awx.") and "results" not in data["res"]]
    # A module that refuses its arguments has no invocation; what it says is shown then.
    return [Sent(data["task_action"], data["res"].get("invocation", {}).get("module_args", {}), data["res"]["msg"]) for data in calls]


def documented(modules: t.Iterable[str]) -> dict[str, dict[str, t.Any]]:
    """Module -> its options, with the options of their parts."""
    shown = subprocess.run(["ansible-doc", "--json", "-t", "module", *modules], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    return {name: one["doc"]["options"] for name, one in json.loads(shown.stdout).items()}


def problems(given: t.Mapping[str, t.Any], options: t.Mapping[str, t.Any], where: str) -> list[str]:
    """What is wrong with arguments, down to the last part: awx.awx itself does not look into the nodes of a workflow."""
    found = [f"{where} lacks {name}" for name, option in options.items() if option.get("required") and name not in given]
    for name, value in given.items():
        place, option = f"{where}.{name}", options.get(name)
        if option is None:
            found.append(f"{place} is unknown")
            continue
        kind = TYPES.get(option.get("type", "str"))
        if kind and not (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
            found.append(f"{place} is {value!r}, no {option['type']}")
        if option.get("choices") and value not in option["choices"]:
            found.append(f"{place} is {value!r}, none of {option['choices']}")
        if option.get("suboptions"):
            for number, part in enumerate(value if isinstance(value, list) else [value]):
                found += problems(part, option["suboptions"], f"{place}[{number}]")
    return found
