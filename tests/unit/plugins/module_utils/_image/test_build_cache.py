# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of stages: what is there is whole; image.json is there only with its files; what two images differ in is named."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import build, provenance
from ansible_collections.egi.cmd.plugins.module_utils._image.build_cache import Cache, Stage, digest_of

EPOCH = 1763596800
STAGE = Stage("disk", "site-cloud-generic-x86_64", "a" * 64)


def kept(cache: Cache, stage: Stage = STAGE, content: bytes = b"disk") -> pathlib.Path:
    work = cache.work("one")
    pathlib.Path(work, "disk.raw").write_bytes(content)
    pathlib.Path(work, "leftover").mkdir()
    cache.keep(stage, work, ["disk.raw"], {"sha256": "x"}, EPOCH)
    return pathlib.Path(cache.path(stage))


@pytest.fixture(name="cache")
def _cache(tmp_path: pathlib.Path) -> t.Iterator[Cache]:
    cache = Cache(str(tmp_path / "cache"))
    with cache.locked():
        yield cache


def test_a_stage_is_remembered_without_what_it_was_made_with(cache: Cache) -> None:
    assert cache.record(STAGE) is None
    place = kept(cache)
    assert cache.record(STAGE) == {"sha256": "x"}
    assert sorted(os.listdir(place)) == ["disk.raw", "record.json"]
    assert cache.record(STAGE._replace(key="b" * 64)) is None


@pytest.mark.parametrize("damage", ["write", "remove", "record"])
def test_a_stage_that_somebody_changed_is_no_stage(cache: Cache, damage: str) -> None:
    place = kept(cache)
    if damage == "write":
        (place / "disk.raw").write_bytes(b"disc")
    elif damage == "remove":
        (place / "disk.raw").unlink()
    else:
        (place / "record.json").write_text("{")
    assert cache.record(STAGE) is None


def test_only_one_build_works_in_a_cache_and_the_next_sweeps(tmp_path: pathlib.Path) -> None:
    cache = Cache(str(tmp_path))
    with cache.locked():
        cache.work("killed")
        with pytest.raises(Failure, match="another build works there"):
            with Cache(str(tmp_path)).locked():
                pass
    with cache.locked():
        assert os.listdir(tmp_path / "work") == []


def test_a_path_that_a_sources_file_cannot_have_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Failure, match="other characters"):
        Cache(str(tmp_path / "other cache"))


def test_of_old_stages_the_newest_stays(cache: Cache) -> None:
    for number, key in enumerate("abcd"):
        os.utime(kept(cache, STAGE._replace(key=key * 64)), (number, number))
    cache.forget("disk", STAGE.cell, ["a" * 64])
    assert sorted(os.listdir(os.path.dirname(cache.path(STAGE)))) == ["a" * 32, "d" * 32]


def test_a_digest_does_not_know_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 1, "b": 3})


def image(version: str) -> t.Dict[str, t.Any]:
    package = {"name": "libcloud", "version": version, "architecture": "amd64", "source": "libcloud", "source_version": version, "origin": "site-1"}
    return {"schema": 1, "definition": "sha256:0", "disk": None, "files": [{"name": "x.tar.xz", "sha256": version}], "packages": [package],
            "repositories": [], "tools": {"tar": "1.34"}}


def test_what_two_images_differ_in_is_named() -> None:
    assert provenance.differences(image("1.0"), image("1.0")) == []
    assert provenance.differences(image("1.0"), image("1.1")) == [
        "- file x.tar.xz 1.0", "- package libcloud:amd64 1.0 from site-1", "+ file x.tar.xz 1.1", "+ package libcloud:amd64 1.1 from site-1",
    ]
    assert provenance.lines(None) == []


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2}', "\udcff"])
def test_an_image_that_cannot_be_read_is_none(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "image.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert build.load(str(path)) is None
    path.write_text(json.dumps(image("1.0")))
    assert build.load(str(path)) == image("1.0")
