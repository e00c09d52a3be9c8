# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record tells the truth wherever it was cut off, and says where it is damaged."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import tempfile
import typing as t

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import journal, record, steps
from ansible_collections.egi.cmd.plugins.module_utils._rollout.admission import Wishes
from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Status, Verdict
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import plan_of

GROUPS = {"all": ["a", "b", "c", "d"], "early_adopters": ["a", "b"], "production": ["c", "d"]}
PLAN = plan_of(None, GROUPS, "cmd-os-1")
WAVE = {host: wave.name for wave in PLAN.waves for host in wave.hosts}
# Other waves with the same content.
WATCHED = plan_of([{"name": "early_adopters", "soak": "10m"}, {"name": "production", "hosts": "d"}], GROUPS, "cmd-os-1")
NOW = "2026-11-20T12:00:00Z"
GOOD = record.line(record.opened("r-1", PLAN), NOW)
RUN = {"machine": "elsewhere", "boot": "b", "pid": 1, "started": "1", "user": "alice"}

# What the playbook may say of a host, and what becomes of it in a wave without a soak.
COUNTED = {"started": "started", "healthy": "passed", "failed": "failed", "unreachable": "unreachable", "rolled_back": "rolled_back",
           "rollback_failed": "rollback_failed"}


def test_a_cut_off_record_tells_what_its_whole_lines_tell() -> None:
    events = [record.opened("r-1", PLAN), {"event": "run_started", "run": RUN}]
    events += [record.host_event(WAVE[host], host, status) for host in "ab" for status in ("started", "passed")]
    text = "".join(record.line(event, NOW) for event in events)
    for cut in range(len(text) + 1):
        told = record.fold(text[:cut], "x")
        whole = text[:cut].count("\n")
        assert (told is None) == (whole == 0)
        if told:
            passed = {host for host, one in told.hosts.items() if one.status is Status.PASSED}
            assert passed == ({"a"} if whole >= 4 else set()) | ({"b"} if whole >= 6 else set())
            assert (told.blocking("production") is None) == (whole >= 6)


@pytest.mark.parametrize("damage, line", [
    ("nonsense\n", 2), ("\n", 2), ("[]\n", 2), ('{"event": "host"}\n', 2), ('{"event": "party"}\n', 2),
    (record.line(record.host_event("nowhere", "a", "passed"), NOW), 2),
    (record.line(record.host_event("production", "a", "passed"), NOW), 2),
    (record.line(record.host_event("early_adopters", "a", "great"), NOW), 2),
    (record.line({"event": "gate", "wave": "production", "verdict": "maybe", "reason": ""}, NOW), 2),
    (record.line({"event": "host", "wave": "early_adopters", "host": "a", "status": 7}, NOW), 2),
    (record.line({"event": "host", "wave": "early_adopters", "host": ["a"], "status": "passed"}, NOW), 2),
    (record.line({**record.host_event("early_adopters", "a", "passed"), "previous": 7}, NOW), 2),
    (record.line({**record.host_event("early_adopters", "a", "passed"), "packages": ["x"]}, NOW), 2),
    (GOOD, 2), (record.line(record.host_event("early_adopters", "a", "passed"), NOW) + "{\n", 3),
])
def test_damage_is_named_by_file_and_line(damage: str, line: int) -> None:
    with pytest.raises(Failure, match=f"rollout record /x/r-1.jsonl: line {line} is not one of its events"):
        record.fold(GOOD + damage, "/x/r-1.jsonl")


@pytest.mark.parametrize("first", [
    record.line(record.host_event("early_adopters", "a", "passed"), NOW),
    record.line({**record.opened("r-1", PLAN), "schema": 2}, NOW),
    record.line({**record.opened("../r", PLAN)}, NOW),
    record.line({**record.opened("r-1", PLAN), "plan": {}}, NOW),
    record.line({**record.opened("r-1", PLAN), "plan": {**PLAN.as_dict(), "waves": [1]}}, NOW),
])
def test_a_record_begins_with_its_plan(first: str) -> None:
    with pytest.raises(Failure, match="line 1 is not one of its events"):
        record.fold(first, "x")


def test_secrets_stay_out_and_a_reason_is_one_line() -> None:
    event = record.host_event("production", "c", "failed", reason="cannot get\nhttp://me:secret@x/")
    assert event["reason"] == "cannot get http://***@x/"


def test_the_state_before_the_rollout_is_the_first_one_recorded() -> None:
    events = [record.opened("r-1", PLAN)]
    events += [record.host_event("early_adopters", "a", "started", previous={"set": "s", "generation": given}) for given in (None, "later")]
    told = record.fold("".join(record.line(event, NOW) for event in events), "x")
    assert told is not None
    assert told.hosts["a"].previous == {"set": "s", "generation": None}


def test_a_recorded_fail_stays_one() -> None:
    events = [record.opened("r-1", PLAN), {"event": "gate", "wave": "early_adopters", "verdict": "fail", "reason": "bad"}]
    events += [record.host_event("early_adopters", host, "passed") for host in "ab"]
    told = record.fold("".join(record.line(event, NOW) for event in events), "x")
    assert told is not None
    assert told.outcome(PLAN.waves[0]).verdict is Verdict.FAIL
    assert not told.over


def test_every_written_line_keeps_the_published_schema(tmp_path: pathlib.Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(pathlib.Path(record.__file__).with_name("record.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    run = {**RUN, "processes": {"1": "1"}}
    answer = steps.admit(str(tmp_path), PLAN, "early_adopters", ["a", "b"], run, Wishes(set_aside=("b",), text="in repair", emergency="CVE"), NOW)
    details = {"reason": "why", "checks": [{"name": "api", "verdict": "passed", "detail": ""}], "boot": "b",
               "packages": [{"name": "p", "version": "1-1", "origin": None}], "previous": {"set": "s", "generation": None}}
    for status in ("started", "healthy", "unreachable", "rolled_back", "rollback_failed", "failed"):
        steps.note(str(tmp_path), answer["record"], "early_adopters", [{"host": "a", "status": status, **details}], [], NOW)
    journal.append(str(tmp_path), answer["record"], [record.approval("production", "refused", "bob", "")], NOW)
    steps.close(str(tmp_path), answer["record"], "early_adopters", True, False, NOW)
    with pytest.raises(Failure, match="1 failed: a"):
        steps.admit(str(tmp_path), WATCHED, "production", ["d"], run, Wishes(replan=True), NOW)
    steps.judge(str(tmp_path), answer["record"], "early_adopters", NOW)
    lines = pathlib.Path(answer["path"]).read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["event"] for line in lines} == set(schema["properties"]["event"]["enum"])
    for line in lines:
        jsonschema.validate(json.loads(line), schema)


class Interrupted(RuleBasedStateMachine):
    """Hosts come and go, the controller dies anywhere in a write; what was acknowledged stays, nothing else appears."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.name = ""
        self.acknowledged: t.Dict[str, str] = {}

    @initialize()
    def open(self) -> None:
        self.name = journal.create(self.directory, PLAN, NOW).name

    @rule(host=st.sampled_from(sorted(WAVE)), status=st.sampled_from(sorted(COUNTED)))
    def note(self, host: str, status: str) -> None:
        steps.note(self.directory, self.name, WAVE[host], [{"host": host, "status": status}], [], NOW)
        self.acknowledged[host] = COUNTED[status]

    @rule(host=st.sampled_from(sorted(WAVE)), status=st.sampled_from(sorted(COUNTED.values())), share=st.floats(0, 0.999))
    def die_while_writing(self, host: str, status: str, share: float) -> None:
        line = record.line(record.host_event(WAVE[host], host, status), NOW).encode()
        with open(journal.path_of(self.directory, self.name), "ab") as file:
            file.write(line[:int(len(line) * share)])

    @precondition(lambda self: self.name)
    @invariant()
    def the_record_is_honest(self) -> None:
        told = journal.load(self.directory, self.name)
        said = {host: one.status.value for host, one in told.hosts.items() if one.status is not Status.NOT_ATTEMPTED}
        assert said == self.acknowledged
        early = [self.acknowledged.get(host) for host in GROUPS["early_adopters"]]
        assert (told.blocking("production") is None) == (early == ["passed", "passed"])

    def teardown(self) -> None:
        shutil.rmtree(self.directory)


TestInterrupted = Interrupted.TestCase
TestInterrupted.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


def test_a_record_is_on_the_disk_before_append_returns(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), real(handle)))
    journal.append(str(tmp_path), "r-1", [record.opened("r-1", PLAN)], NOW)
    assert synced == [str(tmp_path / "r-1.jsonl"), str(tmp_path)]
