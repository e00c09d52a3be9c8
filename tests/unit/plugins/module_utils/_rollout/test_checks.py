# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks as a site writes them, and reasons as a person reads them."""

from __future__ import annotations

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.checks import checks_of, failure_reason


@pytest.mark.parametrize("given", ["cloud-api --check", ["cloud-api --check"], [{"command": "cloud-api --check"}], {"command": "cloud-api --check"}])
def test_a_command_however_it_is_written(given: object) -> None:
    (check,) = checks_of(given)
    assert (check["kind"], check["command"], check["name"], check["rc"]) == ("command", "cloud-api --check", "cloud-api --check", 0)


@pytest.mark.parametrize("given", ["cloud-api --check\n\n  [ -e /etc/cloud ]\n", '["cloud-api --check", {"command": "[ -e /etc/cloud ]"}]'])
def test_what_a_survey_can_give(given: str) -> None:
    assert [one["command"] for one in checks_of(given)] == ["cloud-api --check", "[ -e /etc/cloud ]"]


@pytest.mark.parametrize("given", [None, "", [], " \n", "[]"])
def test_no_checks(given: object) -> None:
    assert checks_of(given) == []


def test_the_other_kinds() -> None:
    found = checks_of([{"url": "http://x/", "status": "204"}, {"port": "8774", "retries": 3, "name": "api"}, {"service": "ssh", "delay": ""}])
    assert [(one["kind"], one["name"]) for one in found] == [("url", "http://x/"), ("port", "api"), ("service", "ssh")]
    assert (found[0]["status"], found[1]["port"], found[1]["retries"], found[2]["delay"]) == (204, 8774, 3, 5)


@pytest.mark.parametrize("given", [{"tasks": "x.yml"}, {"command": "x", "compare": "result"}])
def test_a_check_before_the_change_has_nothing_to_compare_with(given: object) -> None:
    assert checks_of([given])
    with pytest.raises(Failure, match="health check 2: a check before the change is no file of tasks"):
        checks_of(["true", given], before=True)


def test_what_is_compared() -> None:
    found = checks_of([{"command": "x", "compare": "number"}, {"command": "y", "compare": "number", "tolerance": 5}, {"port": 1, "compare": "result"}, "z"])
    assert [(one["compare"], one["tolerance"]) for one in found] == [("number", "10%"), ("number", "5"), ("result", ""), ("", "")]


@pytest.mark.parametrize("given, said", [
    (7, "neither a list nor a command"), ([7], "health check 1: it is 7"), (["true", {}], "health check 2: it has none of"),
    ([{"command": "x", "url": "y"}], "it has 2 of"), ([{"comand": "x"}], "unknown key 'comand'"),
    (["true", "true"], "health check 2: an earlier one is called 'true'"), ([{"port": 1, "contains": "x"}], "'contains' without a url"),
    ([{"command": "x", "compare": "better"}], "compare is 'better'"), ([{"tasks": "x.yml", "compare": "result"}], "compare is 'result'"),
    ([{"port": 1, "compare": "number"}], "only a command or a url"), ([{"command": "x", "tolerance": "1%"}], "tolerance is '1%'"),
    ([{"command": "x", "compare": "number", "tolerance": "much"}], "tolerance is 'much'"),
    ([{"command": "x", "rc": "zero"}], "rc is 'zero'"), ([{"port": "http"}], "port is 'http'"), ([{"command": "x", "retries": -1}], "retries is '-1'"),
])
def test_a_wrong_check_is_named(given: object, said: str) -> None:
    with pytest.raises(Failure) as caught:
        checks_of(given)
    assert said in str(caught.value)


@pytest.mark.parametrize("task, result, reason", [
    ("Run the health checks", {"msg": "health check 'cloud-api --check' exited 1"}, "health check 'cloud-api --check' exited 1"),
    ("Say which check failed", {"msg": "Task failed: Action failed: health check 'api' failed:\nno user"}, "health check 'api' failed: no user"),
    ("Prepare the hosts", {"msg": "not fit to be changed: /usr has 1 MiB free"}, "not fit to be changed: /usr has 1 MiB free"),
    ("Task", {"failed": True, "msg": "Failed to get http://a:b@x/:\n  gone"}, "Task: Failed to get http://***@x/: gone"),
    ("Task", {"failed": True, "msg": "Task failed: Module failed: Failed to x: y."}, "Task: Failed to x: y."),
    ("Task", {"msg": "An unhandled exception occurred while templating '{{ x }}'. Error was E, original message: Failed to x: y."},
     "Task: Failed to x: y."),
    ("Task", {"msg": "Task failed: Finalization of task args failed: The filter plugin 'egi.cmd.resolve' failed: Failed to x: y."}, "Task: Failed to x: y."),
    ("Task", {"msg": "one failed", "results": [{"msg": "fine"}, {"failed": True, "msg": "why"}]}, "Task: why"),
    ("Task", {}, "Task"), ("Task", None, "Task"), ("Task", "garbage", "Task"), ("Task", {"results": []}, "Task"), ("", {"msg": "why"}, "why"),
])
def test_reasons(task: str, result: object, reason: str) -> None:
    assert failure_reason(result, task) == reason


def test_a_reason_is_short() -> None:
    assert len(failure_reason({"msg": "x" * 5000}, "Task")) == 300
