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


@pytest.mark.parametrize("given", [None, "", []])
def test_no_checks(given: object) -> None:
    assert checks_of(given) == []


def test_the_other_kinds() -> None:
    found = checks_of([{"url": "http://x/", "status": "204"}, {"port": "8774", "retries": 3, "name": "api"}, {"service": "ssh", "delay": ""}])
    assert [(one["kind"], one["name"]) for one in found] == [("url", "http://x/"), ("port", "api"), ("service", "ssh")]
    assert (found[0]["status"], found[1]["port"], found[1]["retries"], found[2]["delay"]) == (204, 8774, 3, 5)


@pytest.mark.parametrize("given, said", [
    (7, "neither a list nor a command"), ([7], "health check 1: it is 7"), (["true", {}], "health check 2: it has none of"),
    ([{"command": "x", "url": "y"}], "it has 2 of"), ([{"comand": "x"}], "unknown key 'comand'"),
    ([{"command": "x", "rc": "zero"}], "rc is 'zero'"), ([{"port": "http"}], "port is 'http'"), ([{"command": "x", "retries": -1}], "retries is '-1'"),
])
def test_a_wrong_check_is_named(given: object, said: str) -> None:
    with pytest.raises(Failure) as caught:
        checks_of(given)
    assert said in str(caught.value)


CHECK = checks_of("cloud-api --check")[0]


@pytest.mark.parametrize("result, reason", [
    ({"results": [{"rc": 0, "item": CHECK}, {"failed": True, "rc": 1, "item": CHECK}]}, "health check 'cloud-api --check' exited 1"),
    ({"failed": True, "rc": 2, "ansible_loop_var": "one", "one": {**CHECK, "rc": 1}}, "health check 'cloud-api --check' exited 2, expected 1"),
    ({"failed": True, "msg": "Status code was 500", "item": checks_of([{"url": "http://x/"}])[0]}, "health check 'http://x/' failed: Status code was 500"),
    ({"failed": True, "item": CHECK, "msg": "no such\n file"}, "health check 'cloud-api --check' failed: no such file"),
    ({"failed": True, "msg": "Failed to get http://a:b@x/:\n  gone"}, "Task: Failed to get http://***@x/: gone"),
    ({"failed": True, "msg": "Task failed: Module failed: Failed to x: y."}, "Task: Failed to x: y."),
    ({}, "Task"), (None, "Task"), ("garbage", "Task"), ({"results": []}, "Task"), ({"msg": None}, "Task"),
])
def test_reasons(result: object, reason: str) -> None:
    assert failure_reason(result, "Task") == reason


def test_a_reason_is_short() -> None:
    assert len(failure_reason({"msg": "x" * 5000}, "Task")) == 300
