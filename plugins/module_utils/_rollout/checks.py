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
KINDS = ("command", "url", "port", "service", "tasks")
COMPARISONS = ("result", "number")
_DEFAULTS: t.Dict[str, t.Any] = {"rc": 0, "status": 200, "retries": 0, "delay": 5, "timeout": 30}
_TEXTS = ("contains", "compare", "tolerance")
_TOLERANCE = re.compile(r"[0-9]+(?:\.[0-9]+)?%?")
_LONGEST = 300
# What rollout_host and the role say of a host needs no name of a task before it.
_VERDICTS = ("health check '", "check before the change '", "not fit to be changed: ", "not as it was before the rollout: ")
_FILTER = re.compile(r"^.*(?:original message|The filter plugin '[^']+' failed|The lookup plugin '[^']+' failed): ")
_KIND_OF_TASK = re.compile(r"^(?:(?:Task|Module|Action) failed: )+")


def checks_of(given: t.Any, before: bool = False) -> t.List[Check]:
    """Return checks with every key filled in: name, kind, those of KINDS, the numbers of _DEFAULTS and the texts of _TEXTS.

    given: list of mappings with one of KINDS, or of commands; the same as JSON, or one command a line; nothing as
    None or "". before: they run before the change only, when there is nothing to compare with. Raise Failure naming the
    check that is wrong.
    """
    listed = from_json(given)
    if isinstance(listed, str):
        listed = [line.strip() for line in listed.splitlines() if line.strip()]
    if listed is None:
        return []
    listed = [listed] if isinstance(listed, t.Mapping) else listed
    if not isinstance(listed, t.Sequence):
        raise Failure("read the health checks", "they are neither a list nor a command", "Write a list of commands")
    checks = [_check(number, one) for number, one in enumerate(listed, 1)]
    names = [check["name"] for check in checks]
    for number, name in enumerate(names, 1):
        if name in names[:number - 1]:
            raise Failure(f"read health check {number}", f"an earlier one is called '{name}' as well", "Give each a name of its own")
        if before and (checks[number - 1]["compare"] or checks[number - 1]["tasks"]):
            raise Failure(f"read health check {number}", "a check before the change is no file of tasks, and is compared with nothing",
                          "Make it one of rollout_health_checks, or a command")
    return checks


def _check(number: int, given: t.Any) -> Check:
    if isinstance(given, str):
        given = {"command": given}
    action = f"read health check {number}"
    if not isinstance(given, t.Mapping):
        raise Failure(action, f"it is {json.dumps(given, default=str)}", "Write a command, or a mapping with one of " + ", ".join(KINDS))
    known = ("name", *KINDS, *_DEFAULTS, *_TEXTS)
    unknown = sorted(str(key) for key in set(given) - set(known))
    if unknown:
        raise Failure(action, f"it has an unknown key '{unknown[0]}'", f"Known are {', '.join(known)}")
    kinds = [kind for kind in KINDS if given.get(kind)]
    if len(kinds) != 1:
        raise Failure(action, f"it has {len(kinds) or 'none'} of {', '.join(KINDS)}", "Give exactly one of them")
    check: Check = {kind: str(given[kind]) if kind in kinds else "" for kind in KINDS}
    check.update({"name": str(given.get("name") or given[kinds[0]]), "kind": kinds[0]})
    for key, default in _DEFAULTS.items():
        value = given.get(key)
        check[key] = _number(action, key, default if value in (None, "") else value)
    check["port"] = _number(action, "port", check["port"] or 0)
    check.update({key: "" if given.get(key) is None else str(given[key]) for key in _TEXTS})
    _check_texts(action, check)
    return check


def _check_texts(action: str, check: Check) -> None:
    """Refuse what a check of its kind cannot do; fill in the tolerance."""
    if check["contains"] and check["kind"] != "url":
        raise Failure(action, "it has 'contains' without a url", "Leave it out")
    if check["compare"] and (check["compare"] not in COMPARISONS or check["kind"] == "tasks"):
        raise Failure(action, f"compare is '{check['compare']}'", f"Write {' or '.join(COMPARISONS)}; a file of tasks cannot be compared")
    if check["compare"] == "number" and check["kind"] not in ("command", "url"):
        raise Failure(action, "only a command or a url prints a number to compare", "Write compare: result")
    if check["tolerance"] and (check["compare"] != "number" or not _TOLERANCE.fullmatch(check["tolerance"])):
        raise Failure(action, f"tolerance is '{check['tolerance']}'", "Write a number or a percentage such as 10%, with compare: number")
    if check["compare"] == "number":
        check["tolerance"] = check["tolerance"] or "10%"


def _number(action: str, key: str, value: t.Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,5}", str(value)):
        raise Failure(action, f"{key} is '{value}'", "Write a number")
    return int(value)


def failure_reason(result: t.Any, task: str = "") -> str:
    """Return one line for the result of a failed task: what a check found, else the task's name and its message."""
    if not isinstance(result, t.Mapping):
        return _short(task)
    broken = [one for one in result.get("results", []) if isinstance(one, t.Mapping) and (one.get("failed") or one.get("unreachable"))]
    result = broken[0] if broken else result
    message = _message(result)
    return _short(message if message.startswith(_VERDICTS) else ": ".join(part for part in (task, message) if part))


def _message(result: t.Mapping[str, t.Any]) -> str:
    """Return what a task says on one line, without what ansible-core puts before a module's and a filter's own words."""
    message = _KIND_OF_TASK.sub("", " ".join(str(result.get("msg") or "").split()))
    return _FILTER.sub("", message, count=1)


def _short(text: str) -> str:
    text = masked(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST - 1] + "…"
