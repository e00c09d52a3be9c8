# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollout's filters as Ansible's own templates use them: arguments, results, and errors that name the bad value."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.filter.rollout_checks import rollout_checks
from ansible_collections.egi.cmd.plugins.filter.rollout_reason import rollout_reason
from ansible_collections.egi.cmd.plugins.filter.rollout_table import rollout_table
from ansible_collections.egi.cmd.plugins.filter.wave_hosts import wave_hosts
from ansible_collections.egi.cmd.plugins.filter.wave_members import wave_members
from ansible_collections.egi.cmd.plugins.filter.wave_plan import wave_plan
from ansible_collections.egi.cmd.plugins.filter.wave_sizes import wave_sizes
from ansible_collections.egi.cmd.plugins.module_utils._rollout import record
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import plan_of

GROUPS = {"all": ["a", "b", "c"], "early_adopters": ["a", "b"], "production": ["b", "c"]}
NOW = "2026-11-20T12:00:00Z"


@pytest.mark.parametrize("limited, hosts, sizes", [
    (["c", "b", "a"], ["a", "b", "c"], [2, 1]), (["b"], ["b"], [1]), (["c", "a"], ["a", "c"], [1, 1]), ([], [], []),
])
def test_one_batch_is_one_wave_whatever_the_limit(limited: list[str], hosts: list[str], sizes: list[int]) -> None:
    groups: dict[str, list[str]] = dict(GROUPS)
    for member in wave_members(wave_plan("", GROUPS, "cmd-os-1"), limited):
        groups.setdefault(member["group"], []).append(member["host"])
    assert (wave_hosts(groups), wave_sizes(groups)) == (hosts, sizes)


@pytest.mark.parametrize("call, said", [
    (lambda: wave_plan("typo", GROUPS, "cmd-os-1"), "'typo', which is neither a group nor a host"),
    (lambda: wave_plan("", GROUPS, ""), "no release is given"),
    (lambda: rollout_checks([{}]), "health check 1: it has none of"),
    (lambda: rollout_table("x\n"), "line 1 is not one of its events: it is not JSON"),
    (lambda: rollout_table("", columns=["host", "hots"]), "unknown column 'hots'"),
])
def test_bad_input_is_a_filter_error(call: t.Callable[[], t.Any], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        call()


def test_a_table_of_chosen_columns() -> None:
    text = record.line(record.opened("r-1", plan_of("", GROUPS, "cmd-os-1")), NOW)
    text += record.line(record.host_event("early_adopters", "a", "failed"), NOW)
    assert rollout_table(text, columns=["host", "verdict"]) == ["HOST  VERDICT", "a     failed", "b     not attempted", "c     not attempted"]
    assert rollout_table(text[:10]) == []


def test_a_reason_hides_passwords() -> None:
    assert rollout_reason({"msg": "http://me:secret@x/"}, task="Fetch") == "Fetch: http://***@x/"
