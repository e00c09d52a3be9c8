# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout stands follows from its record, whatever a crash left there, and the command to paste fits the state."""

from __future__ import annotations

import copy
import json
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import journal, record, status
from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Status
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import Plan
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave
from ansible_collections.egi.cmd.plugins.module_utils._rollout.window import Opening

NOW, EARLIER = "2026-11-20T13:30:00Z", "2026-11-20T13:25:00Z"
COMMAND = ("ansible-playbook", "-i", "our hosts.yml", "egi.cmd.rollout")
CANARIES = Wave("canaries", ("ea1", "ea2"), 2, 0, soak=1800, recheck=300, turns=(("ea1", "ea2"),))
PRODUCTION = Wave("production", ("web1", "db1"), 2, 0, approval=("alice", "bob"), turns=(("web1", "db1"),))
PLAN = Plan("cmd-os-1", ("*",), (CANARIES, PRODUCTION), "0" * 64, "1" * 64)
RUN = {"machine": "bastion", "boot": "b00t", "pid": 4711, "started": "100", "user": "carol"}
HERE = {"machine": "bastion", "boot": "b00t", "processes": {"4711": "100", "5000": "200"}}
STARTED = record.run_started(RUN, "")
ENDED = {"event": "run_ended"}
Event = t.Dict[str, t.Any]


def host(wave: Wave, name: str, said: str, **details: t.Any) -> Event:
    return record.host_event(wave.name, name, said, **details)


def told(*events: Event, plan: Plan = PLAN) -> record.Rollout:
    text = "".join(record.line(event, EARLIER) for event in (record.opened("cmd-os-1-1", plan), *events))
    found = record.fold(text, "(text)")
    assert found is not None
    return found


def look(*events: Event, plan: Plan = PLAN, here: t.Optional[t.Mapping[str, t.Any]] = None) -> status.Answer:
    found = status.status(told(*events, plan=plan), NOW, COMMAND, HERE if here is None else here)
    validate(found)
    return found


def validate(found: status.Answer) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path(status.__file__).with_name("status.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(found)


def passed(wave: Wave) -> t.List[Event]:
    return [host(wave, name, "passed") for name in wave.hosts]


PASTE = "ansible-playbook -i 'our hosts.yml' egi.cmd.rollout"


def test_a_run_at_work_is_named_and_nothing_is_to_be_pasted() -> None:
    found = look(STARTED, host(CANARIES, "ea1", "soaking"), host(CANARIES, "ea2", "started"))
    assert (found["state"], found["run"]["alive"], found["command"]) == ("running", True, "")
    assert found["waves"][0]["soak_ends"] == "2026-11-20T13:55:00Z"
    assert found["hosts"][0]["until"] == "2026-11-20T13:55:00Z" and found["hosts"][1]["until"] == ""
    assert status.lines(found)[0] == "cmd-os-1-1 is being run by carol, process 4711 on bastion."


@pytest.mark.parametrize("here, state, more", [
    ({**HERE, "processes": {"5000": "200"}}, "interrupted", ""), ({**HERE, "boot": "other"}, "interrupted", ""),
    ({**HERE, "machine": "laptop"}, "unknown", " -e rollout_take_over=true"),
])
def test_a_run_that_is_gone_is_gone_on_with(here: t.Mapping[str, t.Any], state: str, more: str) -> None:
    found = look(STARTED, host(CANARIES, "ea1", "started"), here=here)
    assert (found["state"], found["command"]) == (state, PASTE + more)


def test_a_gate_that_is_closed_is_named_with_what_to_do() -> None:
    found = look(STARTED, host(CANARIES, "ea1", "passed"), host(CANARIES, "ea2", "unreachable", reason="no route"), ENDED)
    assert found["state"] == "stopped" and found["closed"]["reason"] == "canaries: 1 of 2 healthy, 1 unreachable: ea2 (no route); needs 2 of 2"
    assert "rollout_set_aside=HOST" in found["next"] and found["command"] == PASTE
    assert "Closed gate: canaries: 1 of 2 healthy, 1 unreachable: ea2 (no route); needs 2 of 2." in status.lines(found)


def test_a_wave_that_nobody_started_is_no_closed_gate() -> None:
    assert look()["closed"] is None and look()["next"] == "Go on with canaries:"


def test_an_approval_that_is_missing_is_the_command() -> None:
    found = look(STARTED, *passed(CANARIES), ENDED)
    assert found["waits"] == "it waits for the approval of alice or bob" and found["waves"][1]["approval"] == "waits for alice or bob"
    assert found["command"] == f"{PASTE} -e rollout_approve=production"
    refused = look(*passed(CANARIES), record.approval("production", "refused", "bob", "not before Monday"))
    assert refused["next"] == "production: bob refused it (not before Monday). To approve it after all:"
    approved = look(*passed(CANARIES), record.approval("production", "approved", "alice", ""))
    assert (approved["waits"], approved["command"], approved["waves"][1]["approval"]) == ("", PASTE, "approved by alice")


def test_a_window_that_is_closed_says_when_it_opens() -> None:
    opening = Opening(("monday",), "09:00", "16:00", "UTC", ())
    later = Wave("production", PRODUCTION.hosts, 2, 0, windows=(opening,), turns=PRODUCTION.turns)
    plan = Plan("cmd-os-1", ("*",), (CANARIES, later), "0" * 64, "1" * 64)
    found = look(*passed(CANARIES), ENDED, plan=plan)
    assert found["waves"][1]["starts"] == "2026-11-23T09:00:00Z"
    assert found["next"] == "production: it is outside the wave's windows; it opens at 2026-11-23T09:00:00Z. Then:"
    emergency = look(*passed(CANARIES), record.run_started(RUN, "CVE-2026-1"), plan=plan, here={**HERE, "processes": {"1": "1"}})
    assert (emergency["waits"], emergency["waves"][1]["starts"]) == ("", "")
    assert status.lines(emergency)[0].endswith("Emergency: CVE-2026-1.")


def test_a_failed_wave_is_rolled_back_or_to_be() -> None:
    fail = {"event": "gate", "wave": "canaries", "verdict": "fail", "reason": "canaries: 1 failed: ea1"}
    found = look(host(CANARIES, "ea1", "started"), host(CANARIES, "ea1", "failed"), fail)
    assert found["state"] == "rolling_back" and found["next"] == "Not yet back: ea1. Finish the roll-back:" and found["command"] == PASTE
    found = look(host(CANARIES, "ea1", "started"), host(CANARIES, "ea1", "failed"), fail, host(CANARIES, "ea1", "rolled_back"))
    assert (found["state"], found["command"]) == ("rolled_back", "") and found["closed"]["verdict"] == "fail"


def test_nothing_is_left_to_do_when_every_gate_is_open() -> None:
    found = look(STARTED, *passed(CANARIES), record.approval("production", "approved", "alice", ""), *passed(PRODUCTION), ENDED)
    assert (found["state"], found["closed"], found["command"], found["next"]) == ("done", None, "", "Nothing is left to do.")


def test_a_host_that_was_set_aside_says_who_did_it() -> None:
    found = look(host(CANARIES, "ea1", "passed"), record.set_aside("canaries", "ea2", "alice", "disk"))
    assert (found["hosts"][1]["status"], found["hosts"][1]["reason"]) == ("set_aside", "alice decided to go on without it")
    assert found["waves"][0]["counts"] == {"passed": 1, "set_aside": 1}


hosts = st.sampled_from([(wave, name) for wave in (CANARIES, PRODUCTION) for name in wave.hosts])
EVENTS = st.one_of(
    st.builds(lambda place, said: host(*place, said.value), hosts, st.sampled_from([one for one in Status if one is not Status.NOT_ATTEMPTED])),
    st.sampled_from([STARTED, ENDED, record.run_started(RUN, "CVE-2026-1")]),
    st.builds(lambda place: record.set_aside(place[0].name, place[1], "alice", ""), hosts),
    st.builds(lambda verdict: record.approval("production", verdict, "bob", "why"), st.sampled_from(["approved", "refused"])),
    st.builds(lambda wave, verdict: {"event": "gate", "wave": wave.name, "verdict": verdict, "reason": "so it is"},
              st.sampled_from([CANARIES, PRODUCTION]), st.sampled_from(["pass", "fail", "inconclusive"])))


@given(st.lists(EVENTS, max_size=12))
def test_any_record_has_a_status_and_looking_changes_nothing(events: t.List[Event]) -> None:
    rollout = told(*events)
    before = copy.deepcopy(rollout)
    found = status.status(rollout, NOW, COMMAND, HERE)
    assert rollout == before
    validate(found)
    assert (found["state"] in ("done", "rolled_back")) == (rollout.over and not rollout.run)
    assert [one["host"] for one in found["hosts"]] == ["ea1", "ea2", "web1", "db1"]
    assert (found["command"] == "") == (found["state"] in ("done", "rolled_back", "running"))
    if not rollout.approved("production"):
        assert found["state"] != "done"
    assert "rollout_approve" not in found["command"] or rollout.blocking("production") is None
    assert status.lines(found)


def test_the_newest_record_comes_first_and_one_that_was_never_opened_not_at_all(tmp_path: Path) -> None:
    assert journal.names(str(tmp_path / "nowhere")) == []
    for now in ("2026-11-20T13:25:01Z", "2026-11-21T13:25:01Z"):
        journal.create(str(tmp_path), PLAN, now)
    (tmp_path / "torn.jsonl").write_text('{"time": "2026-11-22T')
    assert journal.names(str(tmp_path)) == ["cmd-os-1-20261121T132501Z", "cmd-os-1-20261120T132501Z"]
    with pytest.raises(Failure, match="there is no such file"):
        journal.load(str(tmp_path), "cmd-os-2")
