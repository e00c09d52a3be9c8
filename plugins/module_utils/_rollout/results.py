# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What became of hosts, read from what the role's tasks registered: the bridge from Ansible's results to the record.

Unreachable, ignored, rescued and skipped are Ansible's words; none of them is a success here. A host without the result
that counts is left out: what is not known is not recorded.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.checks import failure_reason

Result = t.Dict[str, t.Any]
Registered = t.Mapping[str, t.Any]


def results(hosts: t.Iterable[str], hostvars: t.Mapping[str, Registered], step: str) -> t.List[Result]:
    """Return the results of hosts after a step, as wave_record takes them. step: prepared, changed or back."""
    if step not in _STEPS:
        raise Failure("collect results", f"the step is '{step}'", f"Known are {', '.join(_STEPS)}")
    found = [(host, _STEPS[step](hostvars[host])) for host in hosts]
    return [{"host": host, **result} for host, result in found if result]


def _prepared(registered: Registered) -> Result:
    """Return what a host's preparation came to: it is being changed, or something kept it from that."""
    one = registered.get("__rollout_prepared") or {"skipped": True}
    if one.get("skipped"):
        return {}
    if one.get("unreachable"):
        return {"status": "unreachable", "reason": failure_reason(one)}
    if one.get("failed"):
        return {"status": "failed", "reason": failure_reason(one), **_details(one)}
    return {"status": "started", "previous": one["previous"], "boot": one.get("boot", "")}


def _changed(registered: Registered) -> Result:
    """Return what the change and the check after it came to."""
    packages = (registered.get("__rollout_sync") or {}).get("packages") or []
    failed = registered.get("__rollout_failed")
    if failed:
        return {**_failed(failed, "failed"), "packages": packages}
    checked = registered.get("__rollout_checked")
    if not checked or checked.get("skipped") or checked.get("failed"):
        return {}
    if checked.get("unreachable"):
        return {"status": "unreachable", "reason": failure_reason(checked), "packages": packages}
    # What the host has noted of itself: the record never says more.
    status = "watched" if checked.get("status") == "soaking" else "healthy"
    return {"status": status, "packages": packages, **_details(checked)}


def _back(registered: Registered) -> Result:
    """Return what a roll-back came to."""
    failed = registered.get("__rollout_failed")
    restored = registered.get("__rollout_back")
    if restored and not (restored.get("skipped") or restored.get("failed") or restored.get("unreachable")):
        return {"status": "rolled_back", "reason": restored.get("reason", ""), "packages": (registered.get("__rollout_restored") or {}).get("packages") or [],
                "boot": restored.get("boot", "")}
    if restored and restored.get("unreachable"):
        return {"status": "rollback_failed", "reason": failure_reason(restored)}
    return {**_failed(failed, "rollback_failed"), "status": "rollback_failed"} if failed else {}


def _failed(one: t.Mapping[str, t.Any], status: str) -> Result:
    """Return the result of a host whose rescue asked it whether it still answers."""
    if one.get("unreachable"):
        return {"status": "unreachable", "reason": failure_reason(one)}
    return {"status": status, "reason": str(one.get("reason") or failure_reason(one)), **_details(one)}


def _details(one: t.Mapping[str, t.Any]) -> Result:
    return {"checks": one.get("checks") or [], "boot": one.get("boot") or ""}


_STEPS: t.Dict[str, t.Callable[[Registered], Result]] = {"prepared": _prepared, "changed": _changed, "back": _back}
