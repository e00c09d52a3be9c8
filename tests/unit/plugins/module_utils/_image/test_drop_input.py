# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what builders and testers really write is read; anything else is refused by name, never with a traceback."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import drop_input
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._image.drop_cells import image, verdict


def written(path: pathlib.Path, data: t.Any) -> str:
    path.write_text(json.dumps(data))
    return str(path)


def test_an_image_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    assert drop_input.image(written(tmp_path / "image.json", image())) == image()


def test_a_report_is_read_without_the_testers_own_paths(tmp_path: pathlib.Path) -> None:
    told = verdict(image())
    assert drop_input.verdict(written(tmp_path / "verdict.json", told)) == {name: told[name] for name in told if name not in ("console", "screenshot")}


def broken(change: t.Callable[[t.Dict[str, t.Any]], t.Any]) -> t.Dict[str, t.Any]:
    told = image()
    change(told)
    return told


@pytest.mark.parametrize(("told", "why"), [
    ([], "schema 1"), ({}, "schema 1"), ({**image(), "schema": 2}, "schema 1"), (broken(lambda told: told.pop("files")), "files is missing"),
    (broken(lambda told: told.update(files=[])), "names no file"), (broken(lambda told: told["files"].append(told["files"][0])), "twice"),
    (broken(lambda told: told["files"][0].update(name="../../etc/passwd")), "files is not"),
    (broken(lambda told: told["files"][0].update(name=".hidden")), "files is not"), (broken(lambda told: told["files"][0].update(name="a b")), "files is not"),
    (broken(lambda told: told["files"][0].update(name="a\nb")), "files is not"), (broken(lambda told: told["files"][0].update(size=-1)), "files is not"),
    (broken(lambda told: told["files"][0].update(size=True)), "files is not"), (broken(lambda told: told["files"][0].update(sha256="A" * 64)), "files is not"),
    (broken(lambda told: told["files"][0].update(format="iso")), "files is not"), (broken(lambda told: told.update(name="a/b")), "name is not"),
    (broken(lambda told: told.update(variant="desktop")), "variant is not"), (broken(lambda told: told.update(disk={})), "disk is not"),
    (broken(lambda told: told["packages"][0].update(version="1\n2")), "packages is not"),
    (broken(lambda told: told.update(variant=["generic"])), "variant is not"),
])
def test_what_no_builder_writes_is_refused(tmp_path: pathlib.Path, told: t.Any, why: str) -> None:
    with pytest.raises(Failure, match=why):
        drop_input.image(written(tmp_path / "image.json", told))


@pytest.mark.parametrize("data", [b"", b"\xff", b"{", b"[" * 100000, b'{"schema": 1}'])
def test_what_is_no_json_is_refused(tmp_path: pathlib.Path, data: bytes) -> None:
    (tmp_path / "image.json").write_bytes(data)
    with pytest.raises(Failure):
        drop_input.image(str(tmp_path / "image.json"))


def test_a_file_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Failure, match="No such file"):
        drop_input.verdict(str(tmp_path / "verdict.json"))


ANYTHING = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
                        | st.dictionaries(st.sampled_from(["name", "sha256", "size"]), inner, max_size=3), max_leaves=5)


@given(st.sampled_from(sorted(verdict(image()))), ANYTHING)
def test_no_value_makes_a_traceback(tmp_path_factory: pytest.TempPathFactory, field: str, value: t.Any) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    try:
        drop_input.verdict(written(path, {**verdict(image()), field: value}))
    except Failure:
        pass
    try:
        drop_input.image(written(path, {**image(), field: value}))
    except Failure:
        pass
