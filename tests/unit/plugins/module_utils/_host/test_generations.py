# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host remembers what it had, byte for byte, and forgets the oldest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import generations
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File
from ansible_collections.egi.cmd.plugins.module_utils._host.generations import Generation, Memory

files = st.dictionaries(
    st.sampled_from(["/etc/a", "/etc/b", "/etc/c"]),
    st.builds(File, st.binary(max_size=30), st.sampled_from([0o600, 0o644]), st.one_of(st.none(), st.text(max_size=5))), max_size=3)


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generations, "BASE", str(tmp_path))
    return tmp_path


def remember(generation: Generation) -> None:
    """Do what a change does with the files of its memory."""
    written, old = generations.writes("example", generation, ["/made"])
    for path, file in written.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(file.content)
    for path in old:
        Path(path).unlink()


def number(value: int) -> Generation:
    return Generation({"/etc/a": File(str(value).encode())}, {"one": value}, ["/cache/one_"])


@given(files, files)
def test_the_same_files_have_the_same_name_and_others_another(one: dict[str, File], other: dict[str, File]) -> None:
    def told(wanted: dict[str, File]) -> dict[str, tuple[bytes, int]]:
        return {path: (file.content, file.mode) for path, file in wanted.items()}

    assert (Generation(one, {}).id == Generation(other, {"x": 1}).id) == (told(one) == told(other))


def test_what_is_loaded_is_what_was_live() -> None:
    generation = Generation({"/etc/a": File(bytes(range(256)), 0o600, "hidden")}, {"one": 1200}, ["/cache/one_"])
    remember(generation)
    assert generations.load("example", generation.id) == generation
    assert generations.remember("example") == Memory(generation.id, (generation.id,), ("/made",))
    assert generations.set_names() == ["example"]


def test_the_last_twenty_are_kept(base: Path) -> None:
    for value in range(25):
        remember(number(value))
    memory = generations.remember("example")
    assert memory.known == tuple(number(value).id for value in range(5, 25))
    assert len(list((base / "example/generations").iterdir())) == 20
    with pytest.raises(Failure, match=number(24).id):
        generations.load("example", number(0).id)


def test_going_back_makes_an_old_one_the_newest() -> None:
    for value in (1, 2, 1):
        remember(number(value))
    assert generations.remember("example").known == (number(2).id, number(1).id)


@pytest.mark.parametrize("identifier", ["../current", "", "ABCDEF0123456789", "0" * 15])
def test_a_name_that_cannot_be_one_reads_no_file(identifier: str) -> None:
    remember(number(1))
    with pytest.raises(Failure, match="no such generation"):
        generations.load("example", identifier)


def test_a_host_without_the_set_remembers_nothing() -> None:
    assert generations.remember("example") == Memory()
    assert generations.set_names() == []


def test_a_damaged_memory_is_named(base: Path) -> None:
    (base / "example").mkdir()
    (base / "example/current.json").write_text("{")
    with pytest.raises(Failure, match="current.json"):
        generations.remember("example")


def test_only_root_may_read_the_memory() -> None:
    written, _old = generations.writes("example", number(1), [])
    assert {file.mode for file in written.values()} == {0o600}


def test_metadata_of_every_generation_is_found_even_if_one_is_damaged(base: Path) -> None:
    for value in (1, 2):
        remember(Generation({"/etc/a": File(str(value).encode())}, {}, [f"/cache/{value}_"]))
    (base / "example/current.json").write_text("{")
    (base / "example/generations/0000000000000000.json").write_text("{")
    assert generations.caches("example") == ["/cache/1_", "/cache/2_"]
    assert generations.caches("other") == []
