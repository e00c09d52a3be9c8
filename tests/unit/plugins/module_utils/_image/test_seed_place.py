# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed's place: private, whole or not there, the same bytes each time, and nothing else is ever replaced."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import seed_place

FILES = {"meta-data": b"{}\n", "openstack/latest/user_data": b"x" * 5000}


def test_a_disc_is_read_back_and_private(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "seed.iso")
    seed_place.put_disc(path, seed_place.disc(FILES, "config-2", 0))
    assert seed_place.found(path, False) == FILES and seed_place.private(path)
    os.chmod(path, 0o644)
    assert not seed_place.private(path)
    assert os.listdir(tmp_path) == ["seed.iso"]


def test_a_disc_follows_from_its_files() -> None:
    assert seed_place.disc(FILES, "cidata", 0) == seed_place.disc(dict(reversed(list(FILES.items()))), "cidata", 0)


@pytest.mark.skipif(not shutil.which("xorriso"), reason="xorriso is not installed")
def test_another_reader_sees_label_and_names(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "seed.iso"
    path.write_bytes(seed_place.disc(FILES, "config-2", 0))
    done = subprocess.run(["xorriso", "-indev", str(path), "-pvd_info", "-find", "/"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, text=True)
    assert "Volume Id    : config-2" in done.stdout and "'/openstack/latest/user_data'" in done.stdout


def test_a_directory_is_read_back_replaced_and_private(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "seed")
    for files in (FILES, {"user-data": b"y"}):
        seed_place.put_directory(path, files)
        assert seed_place.found(path, True) == files and seed_place.private(path)
    assert os.listdir(tmp_path) == ["seed"]


def test_what_a_killed_run_left_is_swept(tmp_path: pathlib.Path) -> None:
    (tmp_path / ".seed.iso.seed-abc").write_text("half")
    (tmp_path / ".seed.iso.seed-dir").mkdir()
    (tmp_path / ".other.iso.seed-abc").write_text("another's")
    seed_place.sweep(str(tmp_path / "seed.iso"))
    assert os.listdir(tmp_path) == [".other.iso.seed-abc"]


def _text(path: pathlib.Path) -> None:
    path.write_text("a letter")


def _directory(path: pathlib.Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")


def _linked(path: pathlib.Path) -> None:
    path.mkdir()
    (path / "user-data").symlink_to("/etc/hostname")


def _link(path: pathlib.Path) -> None:
    path.symlink_to("/etc/hostname")


def _other_disc(path: pathlib.Path) -> None:
    path.write_bytes(seed_place.disc({"bundle.json": b"{}"}, "BUNDLE", 0))


@pytest.mark.parametrize("make, directory, why", [
    (_text, False, "it is no seed"), (_text, True, "it is not a directory"), (_directory, True, "thesis.tex is in it"),
    (_directory, False, "it is not a file"), (_linked, True, "user-data is no file"), (_link, False, "it is not a file"),
    (_other_disc, False, "bundle.json is in it"),
])
def test_what_is_no_seed_is_not_replaced(make: t.Callable[[pathlib.Path], None], directory: bool, why: str, tmp_path: pathlib.Path) -> None:
    make(tmp_path / "place")
    with pytest.raises(Failure, match=why):
        seed_place.found(str(tmp_path / "place"), directory)


def test_nothing_is_there_at_first(tmp_path: pathlib.Path) -> None:
    assert seed_place.found(str(tmp_path / "seed.iso"), False) is None
