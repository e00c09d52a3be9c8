# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host is fit to be changed: locks that are really held, records that were really left behind, a history of dnf."""

from __future__ import annotations

import os
import pathlib
import sqlite3
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._host import precheck, sync_record

_LOCKING = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"


def run_of(output: str = "", status: int = 0) -> t.Any:
    return lambda _argv, _environment: (status, output, "")


def test_a_full_disk_is_named_and_a_missing_place_counts_as_its_parent(tmp_path: pathlib.Path) -> None:
    assert precheck.disk([str(tmp_path / "not/there")], 0) == ""
    assert precheck.disk([str(tmp_path)], 10**9).startswith(f"{tmp_path} has ")
    assert precheck.disk([str(tmp_path)], 10**9).endswith(" MiB free, 1000000000 are needed")


def test_whoever_holds_a_lock_is_named(tmp_path: pathlib.Path) -> None:
    lock = tmp_path / "lock"
    assert precheck.held([str(lock)], [], 0) == "", "a lock that is not there is free"
    with subprocess.Popen([sys.executable, "-c", _LOCKING, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        name = pathlib.Path(f"/proc/{holder.pid}/comm").read_text().strip()
        assert precheck.held([str(lock)], [], 0) == f"{lock} is held by process {holder.pid} ({name})"
        holder.stdin.close()
    assert precheck.held([str(lock)], [], 0) == ""


def test_a_process_file_counts_while_its_process_lives(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "metadata_lock.pid"
    file.write_text(f"{os.getpid()}\n")
    assert precheck.held([], [str(file)], 0).startswith(f"{file} is held by process {os.getpid()} (")
    for stale in (str(2**22 + 1), "", "rubbish"):
        file.write_text(stale)
        assert precheck.held([], [str(file)], 0) == ""


def test_what_dpkg_left_half_done_is_named(tmp_path: pathlib.Path) -> None:
    said = "The following packages are only half configured, probably due to problems\nconfiguring them the first time:\n cloud-api  API of the cloud\n"
    assert precheck.pending("apt", run_of(said), "r", str(tmp_path)) == "dpkg --audit finds cloud-api half done"
    assert precheck.pending("apt", run_of(), "r", str(tmp_path)) == ""


@pytest.mark.parametrize("states, problem", [([], ""), ([1], ""), ([1, 2], ""), ([0, 1], ""), ([1, 0], "dnf's transaction 2 was interrupted")])
def test_what_dnf_never_ended_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, states: list[int], problem: str) -> None:
    history = tmp_path / "history.sqlite"
    with sqlite3.connect(history) as database:
        database.execute("CREATE TABLE trans (id INTEGER PRIMARY KEY, state INTEGER, dt_begin INTEGER)")
        database.executemany("INSERT INTO trans (state, dt_begin) VALUES (?, 1000)", [(state,) for state in states])
    database.close()
    monkeypatch.setattr(precheck, "_HISTORY", str(history))
    records = tmp_path / "records"
    assert precheck.pending("dnf", run_of(), "r", str(records)) == problem
    sync_record.save(sync_record.path_of("since", str(records)), sync_record.Record("since", "s", "dnf", sync_record.APPLIED))
    assert precheck.pending("dnf", run_of(), "r", str(records)) == "", "package_sync has looked at everything since"
    os.utime(records / "since.json", (999, 999))
    assert precheck.pending("dnf", run_of(), "r", str(records)) == problem


def test_an_interrupted_rollout_is_finished_by_itself_and_by_no_other(tmp_path: pathlib.Path) -> None:
    sync_record.save(sync_record.path_of("old", str(tmp_path)), sync_record.Record("old", "s", "apt", sync_record.APPLIED))
    sync_record.save(sync_record.path_of("mine", str(tmp_path)), sync_record.Record("mine", "s", "apt", sync_record.PLANNED))
    os.utime(tmp_path / "old.json", (1, 1))
    broken = run_of("half:\n cloud-api  x\n")
    assert precheck.pending("apt", broken, "mine", str(tmp_path)) == ""
    assert precheck.pending("apt", run_of(), "other", str(tmp_path)) == "package_sync was interrupted in the middle of record 'mine'"
    sync_record.save(sync_record.path_of("old", str(tmp_path)), sync_record.Record("old", "s", "apt", sync_record.RESTORED))
    assert precheck.pending("apt", run_of(), "other", str(tmp_path)) == "", "the newest record counts"


def test_what_is_to_be_skipped_is_not_looked_at(tmp_path: pathlib.Path) -> None:
    found = precheck.findings("apt", run_of(), ["locks", "packages"], 10**9, 0, "r", str(tmp_path))
    assert [(one.name, one.as_result()["verdict"]) for one in found] == [("disk", "failed")]
