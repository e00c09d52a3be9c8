# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host knows of a rollout, and whether it is as it was before."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import holds, rollout_state
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_record import Record

BEFORE: dict[str, t.Any] = {"generation": None, "files": {"/etc/a": "0" * 64}, "holds": ["hold p"], "baseline": []}


def written(directory: pathlib.Path, **more: t.Any) -> pathlib.Path:
    state = {"release": "r", "wave": "early", "packages": [{"name": "p", "version": "1", "origin": None}], "before": BEFORE, **more}
    rollout_state.save("r-1", rollout_state.noted(state, "failed", "cannot get\nhttp://me:secret@x/", checks=[]), str(directory))
    return directory / "r-1.json"


def test_a_file_keeps_the_published_schema_and_no_secret(tmp_path: pathlib.Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(pathlib.Path(rollout_state.__file__).with_name("host-rollout.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(written(tmp_path).read_text()), schema)
    found = rollout_state.load("r-1", str(tmp_path))
    assert found is not None
    assert (found["reason"], found["before"]) == ("cannot get http://***@x/", BEFORE)
    assert rollout_state.load("r-2", str(tmp_path)) is None


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 2}', '{"schema": 1}'])
def test_damage_is_named(tmp_path: pathlib.Path, content: str) -> None:
    path = written(tmp_path)
    path.write_text(content)
    with pytest.raises(Failure, match=f"read {path}: "):
        rollout_state.load("r-1", str(tmp_path))


def test_a_name_that_leaves_the_directory_is_refused() -> None:
    with pytest.raises(Failure, match="use record '../x'"):
        rollout_state.path_of("../x")


def test_what_is_not_as_it_was_is_said() -> None:
    assert rollout_state.differences(BEFORE, BEFORE) == []
    now = {"generation": "9a2b", "files": {"/etc/a": "1" * 64, "/etc/b": "2" * 64}, "holds": ["hold q"]}
    assert rollout_state.differences(BEFORE, now) == [
        "the repositories are at generation 9a2b instead of none", "/etc/a is not the file it was", "/etc/b is not the file it was",
        "'hold p' is gone", "'hold q' is new",
    ]


def test_packages_of_the_rollout_must_be_back_and_those_of_others_are_named() -> None:
    record = Record("r", "s", "apt", touched=("new", "old"), before={"new": None, "old": "1"}, manifest={"old": "1", "kept": "5", "gone": "7"})
    assert rollout_state.package_differences(record, {"old": "1", "kept": "5", "gone": "7"}) == ([], [])
    assert rollout_state.package_differences(record, {"old": "2", "new": "3", "kept": "6", "added": "1"}) == (
        ["new is 3 instead of absent", "old is 2 instead of 1"], ["added", "gone", "kept"])
    assert rollout_state.package_differences(None, {"old": "2"}) == ([], [])


def test_holds_of_dnf_are_those_of_its_files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf, locks = tmp_path / "dnf.conf", tmp_path / "versionlock.list"
    monkeypatch.setattr(holds, "_DNF_CONF", str(conf))
    monkeypatch.setattr(holds, "_VERSIONLOCK", str(locks))
    assert holds.holds("dnf", t.cast(t.Any, None)) == []
    conf.write_text("[main]\ngpgcheck=1\nexcludepkgs=kernel*, java\n  perl\n[extra]\nexcludepkgs=python\n")
    locks.write_text("# added by hand\ncloud-api-0:2.2-1.*\n\n!libcloud-0:1-1.* # not this one\n")
    assert holds.holds("dnf", t.cast(t.Any, None)) == [
        "exclude java", "exclude kernel*", "exclude perl", "versionlock !libcloud-0:1-1.*", "versionlock cloud-api-0:2.2-1.*"]
    conf.write_text("excludepkgs=kernel\n")
    with pytest.raises(Failure, match="Correct the file"):
        holds.holds("dnf", t.cast(t.Any, None))


def test_holds_of_apt_are_its_own_answer() -> None:
    assert holds.holds("apt", lambda _argv, _environment: (0, "b\na\n", "")) == ["hold a", "hold b"]
    with pytest.raises(Failure, match="list the packages on hold: no dpkg"):
        holds.holds("apt", lambda _argv, _environment: (1, "", "no dpkg"))
