# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names readers use: moved in one step, held, frozen, healed."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.holdings import Root


def _three(root: Root) -> list:
    names: list = []
    last = None
    for number in range(3):
        last = root.build("set", last, s={f"pool/a_{number}_all.deb": bytes([number])})
        names.append(last.name)
    return names


def test_a_name_leads_to_one_generation_and_says_so_in_a_file(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one, two, _three_ = _three(root)
    assert root.pointers.publish("set", one) and not root.pointers.publish("set", one)
    assert root.pointers.publish("set", two)
    assert os.readlink(tmp_path / "set") == f"snapshots/{two}"
    assert root.read("set.target.txt") == f"snapshots/{two}\n".encode()
    assert root.pointers.resolve("set") == two == root.pointers.resolve(two)


def test_rollback_goes_back_one_by_one_and_holds(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    names = _three(root)
    for name in names:
        root.pointers.publish("set", name)
    assert root.pointers.roll_back("set") == names[1] and root.pointers.all()["set"].held
    assert root.pointers.roll_back("set") == names[0]
    with pytest.raises(Failure, match="before"):
        root.pointers.roll_back("set")
    root.pointers.publish("set", names[2])
    assert not root.pointers.all()["set"].held
    root.generations.delete(names[1])
    assert root.pointers.roll_back("set") == names[0]


def test_a_frozen_name_does_not_move(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one, two, _three_ = _three(root)
    assert root.pointers.freeze("ga", one) and not root.pointers.freeze("ga", one)
    for move in (root.pointers.publish, root.pointers.freeze):
        with pytest.raises(Failure, match="frozen"):
            move("ga", two)
    root.pointers.publish("set", one)
    with pytest.raises(Failure, match="moves"):
        root.pointers.freeze("set", two)
    root.pointers.delete("ga")
    assert "ga" not in root.pointers.all() and not (tmp_path / "ga.target.txt").exists()


def test_a_frozen_name_moves_again_when_it_is_unfrozen(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one, two, _three_ = _three(root)
    root.pointers.freeze("ga", one)
    assert root.pointers.unfreeze("ga") and not root.pointers.unfreeze("ga")
    assert root.pointers.freeze("ga", one) and root.pointers.all()["ga"].frozen
    root.pointers.unfreeze("ga")
    assert root.pointers.publish("ga", two)
    with pytest.raises(Failure, match="moves"):
        root.pointers.freeze("ga", one)
    root.pointers.publish("set", one)
    with pytest.raises(Failure, match="moves"):
        root.pointers.freeze("set", one)
    with pytest.raises(Failure, match="no pointer"):
        root.pointers.unfreeze("gb")


def test_a_dry_move_answers_and_refuses_like_a_real_one_and_changes_nothing(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one, two, _three_ = _three(root)
    root.pointers.publish("set", one)
    root.pointers.publish("set", two)
    root.pointers.freeze("ga", one)
    before = root.pointers.all()
    assert root.pointers.publish("set", one, dry=True) and not root.pointers.publish("set", two, dry=True)
    assert root.pointers.roll_back("set", dry=True) == one
    assert root.pointers.freeze("gb", one, dry=True) and root.pointers.unfreeze("ga", dry=True)
    with pytest.raises(Failure, match="frozen"):
        root.pointers.publish("ga", two, dry=True)
    assert root.pointers.all() == before


def test_names_that_are_something_else_are_refused(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one = _three(root)[0]
    (tmp_path / "index.html").write_text("theirs")
    for name in ("store", "tree", "snapshots", "../x", "a/b", "", ".hidden", "x.target.txt", "index.html"):
        with pytest.raises(Failure):
            root.pointers.publish(name, one)
    with pytest.raises(Failure):
        root.pointers.publish("set", "no-such-snapshot")
    assert (tmp_path / "index.html").read_text() == "theirs"


def test_a_kill_between_two_steps_is_healed(tmp_path: pathlib.Path) -> None:
    root = Root(tmp_path)
    one, two, _three_ = _three(root)
    root.pointers.publish("set", one)
    os.unlink(tmp_path / "set")
    os.symlink(f"snapshots/{two}", tmp_path / "set")  # killed after the rename
    assert [where for _at, where in root.pointers.all()["set"].history] == [one, two]
    root.pointers.heal()
    assert root.read("set.target.txt") == f"snapshots/{two}\n".encode()
    assert root.pointers.roll_back("set") == one
