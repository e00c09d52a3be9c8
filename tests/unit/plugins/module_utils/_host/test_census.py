# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A census says what is there, in the shape it publishes; what is broken is said, and hides nothing else."""

from __future__ import annotations

import json
import os
import typing as t
import urllib.error
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import census, generations, kernels, rollout_state, snapshots, sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File, Inventory

NOW = "2026-11-20T13:25:01Z"
FROZEN = "https://user:secret@mirror.example.org/snapshots/cmd-os-1-20261101T040000Z/apt"
MOVING = "http://mirror.example.org/site/cmd-os-1/apt"
SNAPSHOT = "cmd-os-1-20261101T040000Z"


class Host:
    """A host with the given repositories, and no hold; asked through what a family must be able to do."""

    name = "apt"

    def __init__(self, *repositories: t.Tuple[str, str, str]) -> None:
        self.repositories = list(repositories)

    def paths(self, _set_name: str) -> t.List[str]:
        return []

    def key_path(self, set_name: str, fingerprint: str) -> str:
        return f"/nowhere/{set_name}-{fingerprint}"

    def inventory(self, _run: t.Any, packages: t.Sequence[str]) -> Inventory:
        return Inventory(self.repositories, [("cmd-os-1-extra", "libcloud-2.2-1.noarch")], {name: "1.0-1" for name in packages})

    def survey(self, _run: t.Any, _packages: t.Sequence[str]) -> t.Any:
        raise Failure("ask", "it is broken")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generations, "BASE", str(tmp_path / "sets"))
    monkeypatch.setattr(sync_record, "DIRECTORY", str(tmp_path / "syncs"))
    monkeypatch.setattr(rollout_state, "DIRECTORY", str(tmp_path / "rollouts"))
    return tmp_path


def configure(name: str, files: t.Mapping[str, File]) -> str:
    """Do what a change does with the files of a generation and of its memory; return its id."""
    generation = generations.Generation(dict(files), {})
    written, _old = generations.writes(name, generation, [])
    for path, file in {**files, **written}.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(file.content)
        Path(path).chmod(file.mode)
    return generation.id


def ours(name: str) -> bytes:
    return f"# Managed by egi.cmd repository_set {name}\n".encode()


def taken(host: Host, **wishes: t.Any) -> t.Dict[str, t.Any]:
    """A census; nothing of the machine the test runs on is asked but apt-mark's answer, which is given."""
    family = t.cast(t.Any, host)
    fetch = wishes.pop("fetch", _nobody_answers)
    return census.taken(family, lambda argv, environment: (0, "site-tools\n", ""), census.Wishes(**wishes), NOW, fetch)


def _nobody_answers(_url: str) -> str:
    raise OSError("no route to host")


def _missing(url: str) -> urllib.error.HTTPError:
    return urllib.error.HTTPError(url, 404, "Not Found", Message(), None)


def validate(found: t.Dict[str, t.Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(Path(census.__file__).with_name("census.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(found)


def test_a_host_that_was_never_told_anything_has_a_census() -> None:
    found = taken(Host(), packages=["cloud-api"])
    validate(found)
    assert found["sets"] == [] and found["rollout"] is None and found["drift"] == {"files": [], "packages": None}
    assert found["packages"] == {"cloud-api": "1.0-1"}
    assert found["holds"] == [{"package": "libcloud-2.2-1.noarch", "by": "excludepkgs of cmd-os-1-extra"}, {"package": "site-tools", "by": "apt-mark hold"}]


def test_a_frozen_set_names_its_snapshot_and_hides_its_password(state: Path) -> None:
    generation = configure("cmd-os-1", {str(state / "a.sources"): File(ours("cmd-os-1"))})
    found = taken(Host(("cmd-os-1", "cmd-os-1-updates", FROZEN), ("cmd-os-1", "trust-anchors", MOVING)))
    validate(found)
    (placed,) = found["sets"]
    assert (placed["generation"], placed["frozen"], placed["snapshots"]) == (generation, True, [SNAPSHOT])
    assert "secret" not in json.dumps(found)


def test_a_moving_set_is_where_its_mirror_says() -> None:
    configure("cmd-os-1", {})
    told: t.List[str] = []

    def fetch(url: str) -> str:
        told.append(url)
        if url != "http://mirror.example.org/site/cmd-os-1.target.txt":
            raise _missing(url)
        return f"snapshots/{SNAPSHOT}\n"

    host = Host(("cmd-os-1", "cmd-os-1-base", MOVING), ("cmd-os-1", "cmd-os-1-updates", MOVING))
    (placed,) = taken(host, mirror=True, fetch=fetch)["sets"]
    assert (placed["frozen"], placed["snapshots"]) == (False, [SNAPSHOT])
    assert len(told) == len(set(told)) == 2, "each question once"
    (placed,) = taken(host, fetch=fetch)["sets"]
    assert placed["snapshots"] == [] and len(told) == 2, "nobody is asked unless that was asked for"


def test_a_mirror_that_does_not_answer_is_asked_once_and_named() -> None:
    configure("cmd-os-1", {})
    asked: t.List[str] = []

    def fetch(url: str) -> str:
        asked.append(url)
        raise OSError("no route to host")

    found = taken(Host(("cmd-os-1", "cmd-os-1-base", MOVING), ("cmd-os-1", "cmd-os-1-updates", f"{MOVING}/other")), mirror=True, fetch=fetch)
    validate(found)
    assert len(asked) == 1
    assert found["problems"] == ["Failed to ask http://mirror.example.org for its snapshots: no route to host. Check name, proxy and network."]


@pytest.mark.parametrize("name, repository, release", [
    ("cmd-os-1", "cmd-os-1-updates", "cmd-os-1"), ("mos-7.0", "mos-7-0-base", "mos-7.0"), ("cloud", "cmd-os-1-updates", "cmd-os-1"), ("cloud", "epel", "cloud"),
])
def test_the_release_of_a_set_is_that_of_its_repositories(name: str, repository: str, release: str) -> None:
    configure(name, {})
    assert taken(Host((name, repository, MOVING)))["sets"][0]["release"] == release


def test_what_was_changed_by_hand_is_drift(state: Path) -> None:
    paths = {word: str(state / f"etc/{word}") for word in ("same", "changed", "missing", "mode")}
    configure("cmd-os-1", {path: File(ours("cmd-os-1")) for path in paths.values()})
    Path(paths["changed"]).write_bytes(ours("cmd-os-1") + b"Enabled: no\n")
    Path(paths["missing"]).unlink()
    Path(paths["mode"]).chmod(0o600)
    found = taken(Host())
    validate(found)
    assert {(one["path"], one["state"]) for one in found["drift"]["files"]} == {
        (paths["changed"], "changed"), (paths["missing"], "missing"), (paths["mode"], "changed")}


def test_what_is_broken_is_said_and_hides_nothing_else(state: Path) -> None:
    """A damaged memory, a damaged package record, a damaged rollout record and a resolver that refuses."""
    configure("cmd-os-1", {})
    configure("umd-5", {})
    (state / "sets/cmd-os-1/current.json").write_text("{")
    for folder in ("syncs", "rollouts"):
        (state / folder).mkdir()
        (state / folder / "broken.json").write_text("[]")
    sync_record.save(str(state / "syncs/first.json"), sync_record.Record("first", "umd-5", "apt", "failed", error="no space"))
    found = taken(Host(), resolver=True)
    validate(found)
    assert [(one["name"], one["generation"] is None, one["sync"] is None) for one in found["sets"]] == [("cmd-os-1", True, True), ("umd-5", False, False)]
    assert found["drift"]["packages"] is None and found["rollout"] is None
    assert [text.split(":")[0].rpartition("/")[2] for text in found["problems"]] == ["broken.json", "current.json", "Failed to ask", "broken.json"]


def test_the_newest_sync_and_the_newest_rollout_count(state: Path) -> None:
    configure("cmd-os-1", {})
    (state / "rollouts").mkdir()
    for number, name in enumerate(("old", "new", "middle")):
        sync_record.save(str(state / f"syncs/{name}.json"), sync_record.Record(name, "cmd-os-1", "apt", "applied"))
        (state / f"rollouts/{name}.json").write_text(json.dumps({"schema": 1, "rollout": name, "status": "passed", "checks": []}))
        for folder in ("syncs", "rollouts"):
            os.utime(state / folder / f"{name}.json", (10 + 10 * (number % 2) + number, 10 + 10 * (number % 2) + number))
    found = taken(Host())
    validate(found)
    assert found["sets"][0]["sync"] == {"record": "new", "state": "applied", "time": "1970-01-01T00:00:21Z", "touched": 0, "error": None}
    assert (found["rollout"]["rollout"], found["rollout"]["status"]) == ("new", "passed")


@pytest.mark.parametrize("location, snapshot", [
    (FROZEN, SNAPSHOT), (MOVING, ""), ("http://m.example.org/a/snapshots/x-1/el9-base", "x-1"), ("http://m.example.org/snapshots", ""), ("", ""),
    ("file:///srv/snapshots/x-2", "x-2"),
])
def test_an_address_names_its_snapshot_or_none(location: str, snapshot: str) -> None:
    assert snapshots.frozen(location) == snapshot


@pytest.mark.parametrize("answer", ["", "<html>", "snapshots/", "snapshots/../etc", "x" * 5000])
def test_what_is_no_target_file_says_nothing(answer: str) -> None:
    assert snapshots.asked(MOVING, lambda url: answer) == ""


def boot(place: Path, *releases: str) -> kernels.Kernel:
    for release in releases:
        (place / f"vmlinuz-{release}").write_text("")
    return kernels.kernel(str(place), str(place / "modules"), str(place / "reboot-required"), "6.1.0-9-amd64")


def test_a_newer_kernel_waits_for_a_reboot(tmp_path: Path) -> None:
    assert boot(tmp_path) == {"running": "6.1.0-9-amd64", "installed": None, "reboot": ""}
    assert boot(tmp_path, "6.1.0-9-amd64", "0-rescue-0123")["reboot"] == ""
    found = boot(tmp_path, "6.1.0-10-amd64")
    assert found["installed"] == "6.1.0-10-amd64" and found["reboot"] == "kernel 6.1.0-10-amd64 is installed, 6.1.0-9-amd64 runs"
    (tmp_path / "reboot-required").write_text("")
    assert boot(tmp_path)["reboot"].endswith("; a package asked for it")


@given(st.lists(st.integers(0, 400), min_size=3, max_size=4), st.lists(st.integers(0, 400), min_size=3, max_size=4))
def test_kernels_are_ordered_by_their_numbers(one: t.List[int], other: t.List[int]) -> None:
    words = [".".join(map(str, release[:3])) + f"-{release[-1]}-generic" for release in (one, other)]
    numbers = [[*release[:3], release[-1]] for release in (one, other)]
    assert (kernels._order(words[0]) < kernels._order(words[1])) == (numbers[0] < numbers[1])
