# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record is read back as it was written, whole or not at all, and keeps what it first saw."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_record import Record

VERSIONS = st.dictionaries(st.text(min_size=1, max_size=8), st.none() | st.text(max_size=8), max_size=4)


@st.composite
def records(draw: st.DrawFn) -> Record:
    before = draw(VERSIONS)
    touched = tuple(sorted(draw(st.sets(st.sampled_from(sorted(before)))))) if before else ()
    state = draw(st.sampled_from(["planned", "applied", "failed", "restored"]))
    manifest = draw(st.none() | st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=4))
    return Record("wave-1", "cmd-os-1", "apt", state, touched, before, draw(VERSIONS), draw(st.none() | st.text()), manifest)


@given(records())
def test_what_is_written_is_read_back(record: Record) -> None:
    assert sync_record.parse(sync_record.render(record), "x") == record


@given(records())
def test_every_written_record_keeps_the_published_schema(record: Record) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(pathlib.Path(sync_record.__file__).with_name("package-record.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(sync_record.render(record)), schema)


def test_a_record_without_a_manifest_is_still_read() -> None:
    data = json.loads(sync_record.render(Record("r", "s", "dnf")))
    del data["manifest"]
    assert sync_record.parse(json.dumps(data), "x") == Record("r", "s", "dnf")


def test_only_records_are_listed(tmp_path: pathlib.Path) -> None:
    assert sync_record.ids(str(tmp_path / "none")) == []
    for name in ("b.json", "a.json", "a.json.part", "no id.json", ".json", "notes.txt"):
        (tmp_path / name).touch()
    assert sync_record.ids(str(tmp_path)) == ["a", "b"]


@given(records(), VERSIONS, VERSIONS)
def test_a_second_plan_keeps_what_was_first_seen(record: Record, first: t.Dict[str, t.Optional[str]], second: t.Dict[str, t.Optional[str]]) -> None:
    twice = record.planned(first, first).planned(second, second)
    assert {**twice.before, **record.before} == twice.before
    assert all(twice.before[name] == version for name, version in first.items() if name not in record.before)
    assert set(twice.touched) == {*record.touched, *first, *second}
    assert set(twice.touched) <= set(twice.before)


@given(st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                                lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)).map(json.dumps))
def test_anything_else_is_refused_naming_the_file(text: str) -> None:
    with pytest.raises(Failure, match="records/wave-1.json"):
        sync_record.parse(text, "records/wave-1.json")


@pytest.mark.parametrize("damage", [
    {"state": "done"}, {"touched": ["unseen"]}, {"touched": [["cloud"]]}, {"before": {"cloud": 1}}, {"after": []}, {"error": 0},
    {"manifest": {"cloud": None}}, {"manifest": []}, {"set": None}, {"schema": 2},
])
def test_a_damaged_field_is_refused(damage: t.Dict[str, t.Any]) -> None:
    data = json.loads(sync_record.render(Record("r", "s", "dnf", "applied", ("cloud",), {"cloud": "1-1"}, {"cloud": "2-1"})))
    with pytest.raises(Failure, match="schema"):
        sync_record.parse(json.dumps({**data, **damage}), "x")


@pytest.mark.parametrize("record", ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n", "x" * 201])
def test_an_id_that_would_be_another_file_is_refused(record: str) -> None:
    with pytest.raises(Failure, match="letters, digits"):
        sync_record.path_of(record, "/somewhere")


def test_a_saved_record_replaces_the_old_one_and_leaves_nothing_else(tmp_path: pathlib.Path) -> None:
    path = sync_record.path_of("wave-1", str(tmp_path / "deep" / "package_sync"))
    assert sync_record.load(path) is None
    for state in (sync_record.PLANNED, sync_record.APPLIED):
        record = Record("wave-1", "cmd-os-1", "apt", state)
        sync_record.save(path, record)
        assert sync_record.load(path) == record
    assert os.listdir(os.path.dirname(path)) == ["wave-1.json"]


def test_bytes_that_are_no_text_are_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "r.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(Failure, match="UTF-8"):
        sync_record.load(str(tmp_path / "r.json"))
