# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file has its name only when its content was verified, and loses our trust when it rots."""

from __future__ import annotations

import hashlib
import os
import pathlib

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import store as stores
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store

BODY = b"some package"
SHA256 = hashlib.sha256(BODY).hexdigest()


def test_a_file_is_there_once_kept_and_only_with_its_size(tmp_path: pathlib.Path) -> None:
    store = Store(str(tmp_path))
    pathlib.Path(store.partial(SHA256)).write_bytes(BODY)
    assert not store.has(SHA256, len(BODY))
    path = store.keep(SHA256)
    assert path == store.path(SHA256) and pathlib.Path(path).read_bytes() == BODY
    assert store.has(SHA256, len(BODY)) and not store.has(SHA256, 3)
    assert os.stat(path).st_mode & 0o777 == 0o444 and not list(store.partials())


def test_web_servers_may_read_whatever_the_umask(tmp_path: pathlib.Path) -> None:
    old = os.umask(0o077)
    try:
        path = Store(str(tmp_path / "new")).path(Store(str(tmp_path / "new")).add(BODY))
    finally:
        os.umask(old)
    for directory in (tmp_path / "new", tmp_path / "new/store", tmp_path / "new/store/sha256", pathlib.Path(path).parent):
        assert directory.stat().st_mode & 0o777 == 0o755


def test_a_name_that_is_no_digest_is_refused(tmp_path: pathlib.Path) -> None:
    for name in ("../../etc/passwd", "", "AB" * 32, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(Failure):
            Store(str(tmp_path)).path(name)


def test_scrub_finds_rot_and_the_reader_never_meets_a_hole_while_it_is_mended(tmp_path: pathlib.Path) -> None:
    store = Store(str(tmp_path))
    good = store.add(b"good")
    path = pathlib.Path(store.path(store.add(BODY)))
    path.chmod(0o644)
    path.write_bytes(BODY[::-1])
    assert store.scrub() == [SHA256]
    assert not store.has(SHA256, len(BODY)) and path.exists() and store.has(good, 4)
    store.add(BODY)
    assert store.has(SHA256, len(BODY)) and path.read_bytes() == BODY and store.scrub() == []


def test_what_was_written_before_a_power_cut_is_read_again(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("first")
    monkeypatch.setattr(stores, "_BOOT_ID", str(boot))
    root = str(tmp_path / "root")
    store = Store(root)
    store.unsettled()
    path = pathlib.Path(store.path(store.add(BODY)))
    path.chmod(0o644)
    path.write_bytes(b"\0" * len(BODY))  # what a file system may leave behind a rename
    pathlib.Path(store.partial("ab" * 32)).write_bytes(b"\0" * 5)
    assert Store(root).recover() == []  # killed, not cut off: the kernel still writes it
    boot.write_text("second")
    store = Store(root)
    assert store.recover() == [SHA256] and not store.has(SHA256, len(BODY)) and not list(store.partials())
    store.settle()
    assert Store(root).recover() == []


def test_a_file_that_is_finished_while_partials_are_listed_is_no_error(tmp_path: pathlib.Path) -> None:
    store = Store(str(tmp_path))
    names = [digit * 64 for digit in "abcd"]
    for name in names:
        pathlib.Path(store.partial(name)).write_bytes(b"x")
    listed = store.partials()
    first = next(listed)[0]
    for name in names:
        os.unlink(store.partial(name))
    assert first in names and not list(listed)
