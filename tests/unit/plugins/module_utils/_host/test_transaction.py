# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files change together or not at all, whenever the process fails or dies."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import stat
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import transaction
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File
from ansible_collections.egi.cmd.plugins.module_utils._host.transaction import Move, Operation, Remove, Write

_CHANGES = ("rename", "link", "unlink", "mkdir", "rmdir", "fsync", "fchmod")
_NAMES = ("etc/sources", "etc/pins", "etc/keys/one", "var/lists/a", "var/lists/b", "var/tree")

# Every step of a change is flushed to the disk: in memory that costs nothing.
_FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

Host = t.Dict[str, t.Tuple[str, int, bytes]]


def seen(top: Path) -> Host:
    """Return path -> kind, mode, content of everything below top, but for what a test keeps beside the host."""
    found: Host = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        kind = "directory" if path.is_dir() else "file"
        found[str(path.relative_to(top))] = (kind, stat.S_IMODE(status.st_mode), path.read_bytes() if kind == "file" else b"")
    return found


@st.composite
def stories(draw: st.DrawFn) -> t.Tuple[t.Dict[str, bytes], t.List[t.Tuple[str, str, bytes]]]:
    """Files of a host, and what is to happen to them: at most one operation for each name."""
    files = {name: draw(st.binary(max_size=20)) for name in draw(st.sets(st.sampled_from(_NAMES[:-1])))}
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=5, unique=True))
    return files, [(name, draw(st.sampled_from(["write", "remove", "move"])), draw(st.binary(max_size=20))) for name in names]


class Story:
    """A host below a directory of its own, and the operations on it."""

    def __init__(self, top: Path, files: t.Mapping[str, bytes], steps: t.Sequence[t.Tuple[str, str, bytes]]) -> None:
        self.host, self.aside = top / "host", top / "aside"
        self.journal = str(self.host / "state/set_journal")
        self.host.mkdir()
        self.aside.mkdir()
        for name, content in files.items():
            path = self.host / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o640)
        self.operations: t.List[Operation] = []
        for number, (name, verb, content) in enumerate(steps):
            path = str(self.host / name)
            if verb == "write":
                self.operations.append(Write(path, File(content, 0o600)))
            elif verb == "remove":
                self.operations.append(Remove(path))
            else:
                self.operations.append(Move(path, self._staged(number, name, content)))

    def _staged(self, number: int, name: str, content: bytes) -> str:
        staged = self.aside / str(number)
        if name.endswith("tree"):
            (staged / "inner").mkdir(parents=True)
            (staged / "inner/leaf").write_bytes(content)
        else:
            staged.write_bytes(content)
        return str(staged)

    def apply(self) -> None:
        transaction.apply(self.journal, self.operations)

    def killed_before(self, step: int) -> bool:
        """Apply in a process that dies by SIGKILL before its step-th change; return whether it got that far."""
        child = os.fork()
        if child == 0:
            try:
                _interrupt(step, lambda: os.kill(os.getpid(), signal.SIGKILL))
                self.apply()
            finally:
                os._exit(0)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _interrupt(step: int, act: t.Callable[[], None], replace: t.Callable[[t.Any, str, t.Any], None] = setattr) -> None:
    calls = 0

    def wrapped(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any, **keywords: t.Any) -> t.Any:
            nonlocal calls
            calls += 1
            if calls == step:
                act()
            return function(*arguments, **keywords)

        return call

    for name in _CHANGES:
        replace(os, name, wrapped(getattr(os, name)))


def _no_room() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@settings(max_examples=8, deadline=None)
@given(stories())
def test_a_change_that_is_killed_anywhere_is_healed_to_before_or_after(story: t.Tuple[t.Dict[str, bytes], t.List[t.Tuple[str, str, bytes]]]) -> None:
    step = 1
    while True:
        with tempfile.TemporaryDirectory(dir=_FAST) as top:
            told = Story(Path(top), *story)
            before = seen(told.host)
            got_that_far = told.killed_before(step)
            transaction.heal(os.path.dirname(told.journal))
            now = seen(told.host)
            assert transaction.unfinished(os.path.dirname(told.journal)) == []
            assert not transaction.heal(os.path.dirname(told.journal))
            if now != before:
                shutil.rmtree(told.host)
                shutil.rmtree(told.aside)
                wanted = Story(Path(top), *story)
                wanted.apply()
                transaction.heal(os.path.dirname(wanted.journal))
                assert now == seen(wanted.host)
            if not got_that_far:
                return
        step += 1


@settings(max_examples=8, deadline=None)
@given(stories())
def test_a_change_that_fails_anywhere_leaves_everything_as_it_was(story: t.Tuple[t.Dict[str, bytes], t.List[t.Tuple[str, str, bytes]]]) -> None:
    for step in range(1, 200):
        with tempfile.TemporaryDirectory(dir=_FAST) as top, pytest.MonkeyPatch.context() as patch:
            told = Story(Path(top), *story)
            before = seen(told.host)
            _interrupt(step, _no_room, patch.setattr)
            try:
                told.apply()
            except (OSError, Failure) as error:
                assert "No space left on device" in str(error)
            else:
                return
            patch.undo()
            transaction.heal(os.path.dirname(told.journal))
            after = seen(told.host)
            # What fails after the point of no return is the cleaning up: heal() has finished it.
            if after != before:
                shutil.rmtree(told.host)
                shutil.rmtree(told.aside)
                wanted = Story(Path(top), *story)
                wanted.apply()
                transaction.heal(os.path.dirname(wanted.journal))
                assert after == seen(wanted.host)


def test_an_undo_gives_back_the_same_file_and_not_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    os.utime(path, (1, 1))
    before = path.stat()
    (tmp_path / "occupied").write_text("")
    with pytest.raises(OSError):
        transaction.apply(str(tmp_path / "state/a_journal"), [Write(str(path), File(b"new")), Write(str(tmp_path / "occupied/b"), File(b""))])
    after = path.stat()
    assert (after.st_ino, after.st_mtime, after.st_mode) == (before.st_ino, before.st_mtime, before.st_mode)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "occupied"]


def test_the_file_that_has_no_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: t.Any) -> None:
        _no_room()

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(OSError) as caught:
        transaction.apply(str(tmp_path / "state/a_journal"), [Write(str(tmp_path / "file"), File(b"new"))])
    assert str(tmp_path) in caught.value.filename


def test_a_second_run_waits_no_longer_than_it_was_told() -> None:
    with transaction.only_one(1), pytest.raises(Exception, match="another run is at it"), transaction.only_one(0):
        pass


def test_the_package_managers_own_lock_is_waited_for_and_then_held(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()

    def is_free() -> bool:
        child = os.fork()
        if child == 0:
            try:
                with lock.open("rb+") as handle:
                    fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os._exit(0)
            finally:
                os._exit(1)
        return os.waitpid(child, 0)[1] == 0

    with transaction.holding([str(lock), str(tmp_path / "nothing")], 0, "change it"):
        assert not is_free()
    assert is_free()
    assert not (tmp_path / "nothing").exists()
