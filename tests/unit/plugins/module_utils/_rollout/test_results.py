# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible says of a task is not what a rollout records: only a check that ran and passed is a success."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.results import results

CHECKS = [{"name": "api", "verdict": "passed", "detail": ""}]
PACKAGES = [{"name": "p", "version": "1", "origin": None}]
DONE: dict[str, t.Any] = {"changed": False, "failed": False, "checks": CHECKS, "boot": "b"}
LOST = {"unreachable": True, "msg": "no route to host", "changed": False}
PREVIOUS = {"set": "s", "generation": None}
SYNC = {"__rollout_sync": {"packages": PACKAGES}}


@pytest.mark.parametrize("step, registered, status", [
    ("prepared", {}, None),
    ("prepared", {"__rollout_prepared": {"skipped": True, "changed": False}}, None),
    ("prepared", {"__rollout_prepared": {**DONE, "previous": PREVIOUS}}, "started"),
    ("prepared", {"__rollout_prepared": LOST}, "unreachable"),
    ("prepared", {"__rollout_prepared": {"failed": True, "msg": "not fit to be changed: full", "checks": []}}, "failed"),
    ("changed", {}, None),
    ("changed", SYNC, None),
    ("changed", {**SYNC, "__rollout_checked": DONE}, "healthy"),
    ("changed", {**SYNC, "__rollout_checked": {**DONE, "status": "passed"}}, "healthy"),
    ("changed", {**SYNC, "__rollout_checked": {**DONE, "status": "soaking"}}, "watched"),
    ("changed", {**SYNC, "__rollout_checked": LOST}, "unreachable"),
    # Failed, and its rescue did not come to an end: what is not known is not recorded.
    ("changed", {**SYNC, "__rollout_checked": {**DONE, "failed": True}}, None),
    ("changed", {**SYNC, "__rollout_checked": {"skipped": True}}, None),
    ("changed", {**SYNC, "__rollout_checked": DONE, "__rollout_failed": {"reason": "why", **DONE}}, "failed"),
    ("changed", {"__rollout_failed": LOST}, "unreachable"),
    ("changed", {"__rollout_failed": {"failed": True, "msg": "no room"}}, "failed"),
    ("back", {}, None),
    ("back", {"__rollout_back": DONE, "__rollout_restored": {"packages": PACKAGES}}, "rolled_back"),
    # In a roll-back __rollout_failed is what failed before, unless the check of the roll-back says otherwise.
    ("back", {"__rollout_back": DONE, "__rollout_failed": {"reason": "why"}}, "rolled_back"),
    ("back", {"__rollout_back": LOST}, "rollback_failed"),
    ("back", {"__rollout_back": {"failed": True}, "__rollout_failed": {"reason": "why"}}, "rollback_failed"),
    ("back", {"__rollout_failed": LOST}, "rollback_failed"),
])
def test_what_counts(step: str, registered: dict[str, t.Any], status: str | None) -> None:
    found = results(["a"], {"a": registered}, step)
    assert [(one["host"], one["status"]) for one in found] == ([("a", status)] if status else [])


def test_what_is_known_goes_with_it() -> None:
    hostvars = {"a": {**SYNC, "__rollout_checked": DONE}, "b": {"__rollout_failed": {"reason": "why", "checks": CHECKS, "boot": "c"}}}
    assert results(["a", "b"], hostvars, "changed") == [
        {"host": "a", "status": "healthy", "packages": PACKAGES, "checks": CHECKS, "boot": "b"},
        {"host": "b", "status": "failed", "reason": "why", "packages": [], "checks": CHECKS, "boot": "c"},
    ]
    assert results(["a"], {"a": {"__rollout_prepared": {**DONE, "previous": PREVIOUS}}}, "prepared")[0]["previous"] == PREVIOUS


def test_an_unknown_step_is_named() -> None:
    with pytest.raises(Failure, match="the step is 'x'"):
        results([], {}, "x")
