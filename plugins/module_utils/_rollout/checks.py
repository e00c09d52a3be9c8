# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Checks of a host, as a site writes them, and the reason for a failure, as a person reads it."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import from_json

Check = t.Dict[str, t.Any]
KINDS = ("command", "url", "port", "service")
_DEFAULTS: t.Dict[str, t.Any] = {"rc": 0, "status": 200, "retries": 0, "delay": 5, "timeout": 30}
_LONGEST = 300
_FILTER = re.compile(r"^.*(?:original message|The filter plugin '[^']+' failed|The lookup plugin '[^']+' failed): ")
# How the tasks that run a check are named; Ansible hands a rescue the name and the result, nothing else.
_CHECK = "Health check "
_KIND_OF_TASK = re.compile(r"^(?:(?:Task|Module|Action) failed: )+")


def checks_of(given: t.Any) -> t.List[Check]:
    """Return checks with every key filled in: name, kind, command, url, port, service and the numbers of _DEFAULTS.

    given: list of mappings with one of KINDS, or of commands; the same as JSON, or one command a line; nothing as
    None or "". Raise Failure naming the check that is wrong.
    """
    listed = from_json(given)
    if isinstance(listed, str):
        listed = [line.strip() for line in listed.splitlines() if line.strip()]
    if listed is None:
        return []
    listed = [listed] if isinstance(listed, t.Mapping) else listed
    if not isinstance(listed, t.Sequence):
        raise Failure("read the health checks", "they are neither a list nor a command", "Write a list of commands")
    return [_check(number, one) for number, one in enumerate(listed, 1)]


def _check(number: int, given: t.Any) -> Check:
    if isinstance(given, str):
        given = {"command": given}
    action = f"read health check {number}"
    if not isinstance(given, t.Mapping):
        raise Failure(action, f"it is {json.dumps(given, default=str)}", "Write a command, or a mapping with one of " + ", ".join(KINDS))
    unknown = sorted(set(given) - {"name", *KINDS, *_DEFAULTS})
    if unknown:
        raise Failure(action, f"it has an unknown key '{unknown[0]}'", f"Known are {', '.join(('name', *KINDS, *_DEFAULTS))}")
    kinds = [kind for kind in KINDS if given.get(kind)]
    if len(kinds) != 1:
        raise Failure(action, f"it has {len(kinds) or 'none'} of {', '.join(KINDS)}", "Give exactly one of them")
    check: Check = {kind: str(given[kind]) if kind in kinds else "" for kind in KINDS}
    check.update({"name": str(given.get("name") or given[kinds[0]]), "kind": kinds[0]})
    for key, default in _DEFAULTS.items():
        value = given.get(key)
        check[key] = _number(action, key, default if value in (None, "") else value)
    if check["port"]:
        check["port"] = _number(action, "port", check["port"])
    return check


def _number(action: str, key: str, value: t.Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,5}", str(value)):
        raise Failure(action, f"{key} is '{value}'", "Write a number")
    return int(value)


def failure_reason(result: t.Any, task: str = "") -> str:
    """Return one line for the result of a failed task: what a health check found, else the task's name and its message."""
    if not isinstance(result, t.Mapping):
        return _short(task)
    broken = [one for one in result.get("results", []) if isinstance(one, t.Mapping) and (one.get("failed") or one.get("unreachable"))]
    result = broken[0] if broken else result
    exited = f"exited {result['rc']}" if result.get("cmd") and isinstance(result.get("rc"), int) else ""
    if task.startswith(_CHECK):
        name = f"health check '{task[len(_CHECK):]}'"
        return _short(f"{name} {exited}" if exited else f"{name} failed: {_message(result)}")
    return _short(": ".join(part for part in (task, _message(result)) if part))


def _message(result: t.Mapping[str, t.Any]) -> str:
    """Return what a task says on one line, without what ansible-core puts before a module's and a filter's own words."""
    message = _KIND_OF_TASK.sub("", " ".join(str(result.get("msg") or "").split()))
    return _FILTER.sub("", message, count=1)


def _short(text: str) -> str:
    text = masked(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST - 1] + "…"
