# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet has every host that was asked, whether or not it answered, and says what is wrong in words."""

from __future__ import annotations

import copy
import json
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.filter.census_lines import census_lines
from ansible_collections.egi.cmd.plugins.filter.census_summary import census_summary
from ansible_collections.egi.cmd.plugins.module_utils._host import census
from ansible_collections.egi.cmd.plugins.plugin_utils import _census

TIME = "2026-11-20T13:25:01Z"
SET: t.Dict[str, t.Any] = {
    "name": "cmd-os-1", "release": "cmd-os-1", "generation": "5f0c8a3d2b1e4f67", "frozen": True, "snapshots": ["cmd-os-1-20261101T040000Z"],
    "repositories": [], "sync": {"record": "november", "state": "applied", "time": TIME, "touched": 3, "error": None},
}
CENSUS: t.Dict[str, t.Any] = {
    "schema": 1, "time": TIME, "system": {"family": "apt", "distribution": "debian", "version": "12", "codename": "bookworm", "architecture": "x86_64"},
    "kernel": {"running": "6.1.0-9-amd64", "installed": "6.1.0-9-amd64", "reboot": ""}, "sets": [SET], "drift": {"files": [], "packages": None},
    "holds": [], "rollout": None, "packages": {}, "problems": [],
}
DOWN = {"unreachable": True, "msg": "ssh: connect to host:\nno route"}


def host(**changes: t.Any) -> t.Dict[str, t.Any]:
    return {"changed": False, "census": {**copy.deepcopy(CENSUS), **changes}}


def validate(fleet: t.Dict[str, t.Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in
               (Path(census.__file__).with_name("census.schema.json"), Path(_census.__file__).with_name("fleet.schema.json"))]
    registry = referencing.Registry().with_resources((one["$id"], referencing.Resource.from_contents(one)) for one in schemas)
    jsonschema.Draft202012Validator(schemas[1], registry=registry).validate(fleet)


def test_a_host_that_is_down_is_listed() -> None:
    fleet = census_summary({"web1": host(), "gone1": DOWN, "odd1": "skipped"}, TIME)
    validate(fleet)
    assert fleet["summary"]["not_seen"] == ["gone1", "odd1"]
    assert fleet["problems"] == ["gone1: not seen: ssh: connect to host: no route", "odd1: not seen: it gave no result"]
    assert "1 of 3 hosts seen, 0 drifted, 0 with holds, 0 wait for a reboot." in census_lines(fleet)


def test_hosts_are_counted_by_release_and_snapshot() -> None:
    moving = host(sets=[{**SET, "frozen": False, "snapshots": []}])
    fleet = census_summary({"a": host(), "b": host(), "c": moving, "d": host(sets=[])}, TIME)
    validate(fleet)
    assert fleet["summary"]["releases"] == [
        {"release": "cmd-os-1", "snapshot": "cmd-os-1-20261101T040000Z", "hosts": 2}, {"release": "cmd-os-1", "snapshot": "moving", "hosts": 1}]
    assert fleet["summary"]["without_release"] == ["d"] and fleet["problems"] == []
    lines = census_lines(fleet)
    assert lines[1].split() == ["a", "cmd-os-1", "cmd-os-1-20261101T040000Z", "yes", TIME, "applied", "-", "-", "-", "-"]
    assert ["cmd-os-1", "moving", "1"] in [line.split() for line in lines]


def test_what_somebody_should_look_at_is_said_in_words() -> None:
    drift = {"files": [{"set": "cmd-os-1", "path": "/etc/a", "state": "changed"}, {"set": "cmd-os-1", "path": "/etc/b", "state": "missing"}],
             "packages": [{"package": "cloud-api", "installed": "2.5-1", "release": "2.2-1", "drift": "newer"}]}
    broken = {**SET, "sync": {**SET["sync"], "state": "failed", "error": "no space"}}
    found = host(drift=drift, sets=[broken], holds=[{"package": "libcloud", "by": "apt-mark hold"}], problems=["Failed to read x: it is damaged."],
                 kernel={**CENSUS["kernel"], "reboot": "a package asked for it"}, rollout={
                     "rollout": "cmd-os-1-1", "release": "cmd-os-1", "wave": "canaries", "status": "failed", "time": TIME, "reason": "ill"})
    fleet = census_summary({"web1": found}, TIME)
    validate(fleet)
    assert fleet["problems"] == [
        "web1: /etc/a was changed by hand", "web1: /etc/b is missing", "web1: cloud-api 2.5-1 is newer than the release, which has 2.2-1",
        "web1: the last sync, november, failed: no space", "web1: Failed to read x: it is damaged."]
    assert (fleet["summary"]["drifted"], fleet["summary"]["held"], fleet["summary"]["reboot"]) == (["web1"], ["web1"], ["web1"])
    assert "2 files, 1 newer" in census_lines(fleet)[1] and "cmd-os-1-1: failed" in census_lines(fleet)[1]


@given(st.dictionaries(st.text("abc1.-", min_size=1, max_size=8), st.one_of(
    st.none(), st.text(max_size=5), st.just(DOWN), st.builds(host), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)), max_size=6))
def test_no_host_is_dropped_whatever_it_answered(results: t.Dict[str, t.Any]) -> None:
    fleet = census_summary(results, TIME)
    validate(fleet)
    assert list(fleet["hosts"]) == sorted(results)
    assert fleet["summary"]["seen"] + len(fleet["summary"]["not_seen"]) == fleet["summary"]["hosts"] == len(results)
    lines = census_lines(fleet)
    assert all(any(line.startswith(name) for line in lines) for name in results)


@pytest.mark.parametrize("bad", [None, "", [], {"schema": 2}, {"schema": 1, "hosts": {}}])
def test_what_is_no_fleet_is_refused(bad: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="read a census of a fleet"):
        census_lines(bad)
    with pytest.raises(AnsibleFilterError, match="count the fleet"):
        census_summary(["web1"], TIME)
