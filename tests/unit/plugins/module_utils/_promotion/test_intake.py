# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import intake
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk_directory import DeskDirectory
from ansible_collections.egi.cmd.plugins.module_utils._promotion.intake import Declared
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._archive import packages
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import living

EMPTY = Desk("example-1", {})


@pytest.fixture(name="hand_in")
def fixture_hand_in(tmp_path):
    """Write a package's bytes under a name, and declare them."""

    def hand_in(name, data, platform="bookworm"):
        (tmp_path / name).write_bytes(data)
        return Declared(str(tmp_path / name), hashlib.sha256(data).hexdigest(), platform)

    return hand_in


def control(version="1.0-1~d12+mos1", architecture="all", package="alpha"):
    return packages.CONTROL.replace("1.0-1", version).replace("all", architecture).replace("alpha", package)


@pytest.fixture(name="deb")
def fixture_deb(hand_in):
    return hand_in("alpha_1.0-1~d12+mos1_all.deb", packages.deb(control()))


@pytest.fixture(name="rpm")
def fixture_rpm(hand_in):
    return hand_in("alpha-1.0-1.el9~mos1.noarch.rpm", packages.rpm(release="1.el9~mos1"), "el9")


def taken(*declared, desk=EMPTY, after=(), mos_versions=True):
    return intake.batch("b1", declared, after, living(), desk, mos_versions)


def test_a_batch_is_what_was_handed_in(deb, rpm):
    batch = taken(deb, rpm, after=["first", "first"])
    assert [(item.platform, item.package, item.version, item.architecture, item.source) for item in batch.items] == [
        ("bookworm", "alpha", "1.0-1~d12+mos1", "all", "alpha"), ("el9", "alpha", "1.0-1.el9~mos1", "noarch", "alpha")]
    assert {item.sha256 for item in batch.items} == {deb.sha256, rpm.sha256}
    assert (batch.kind, batch.after) == ("untested", ("first",))
    assert taken(rpm, deb, after=["first"]) == batch


def test_a_source_package_is_taken_too(hand_in):
    data = packages.rpm(release="1.el9~mos1", source=None)
    (item,) = taken(hand_in("alpha-1.0-1.el9~mos1.src.rpm", data, "el9")).items
    assert (item.architecture, item.source) == ("src", "alpha")


@pytest.mark.parametrize(("name", "data", "platform", "rule"), [
    ("alpha_1.0-1~d12+mos1_all.deb", b"!<arch>\n", "bookworm", "intake.unreadable"),
    ("beta_1.0-1~d12+mos1_all.deb", packages.deb(control()), "bookworm", "intake.unreadable"),
    ("alpha_1.0-1~d12+mos1_arm64.deb", packages.deb(control(architecture="arm64")), "bookworm", "intake.architecture"),
    ("alpha_1.0-1ubuntu1_all.deb", packages.deb(control("1.0-1ubuntu1")), "bookworm", "version.form"),
    ("alpha_1.0-1~d12+mos1_all.deb", packages.deb(control()), "el9", "intake.format"),
    ("alpha_1.0-1~d12+mos1_all.deb", packages.deb(control()), "trixie", "intake.platform"),
    ("alpha-1.0-1.el9~mos1.noarch.rpm", packages.rpm(release="1.el9~mos1")[:-1], "el9", "intake.unreadable"),
], ids=lambda value: "data" if isinstance(value, bytes) else value)  # built anew, and a test's name has to stay
def test_one_bad_file_refuses_the_batch(hand_in, name, data, platform, rule):
    good = hand_in("good_1.0-1~d12+mos1_all.deb", packages.deb(control(package="good")))
    with pytest.raises(Failure, match=rf"1 package file is refused: .*\[{rule}\]"):
        taken(good, hand_in(name, data, platform))


def test_all_that_is_wrong_is_told_at_once(deb, rpm):
    with pytest.raises(Failure, match=r"2 package files are refused") as caught:
        taken(deb._replace(sha256="0" * 64), rpm._replace(sha256="F" * 64))
    assert str(caught.value).count("[intake.checksum]") == 2


def test_a_file_that_is_not_there_is_refused(deb):
    with pytest.raises(Failure, match=r"\[intake\.unreadable\] No such file"):
        taken(deb._replace(path="/nonexistent/alpha_1.0-1~d12+mos1_all.deb"))


@pytest.mark.parametrize("kind", ["updates", ""])
def test_a_version_has_one_set_of_bytes_for_ever(deb, hand_in, kind):
    desk = EMPTY.with_batch(Batch("b0", kind, taken(deb).items))
    assert taken(deb, desk=desk)
    other = hand_in("alpha_1.0-1~d12+mos1_all.deb", packages.deb(control() + "Homepage: https://example.org/\n"))
    with pytest.raises(Failure, match=r"\[intake\.other-bytes\]"):
        taken(other, desk=desk)


def test_a_name_is_given_once(deb, rpm):
    desk = EMPTY.with_batch(taken(deb))
    assert taken(deb, desk=desk) == desk.batches["b1"]
    with pytest.raises(Failure, match=r"\[intake\.batch-differs\]"):
        taken(deb, rpm, desk=desk)


def test_batches_do_not_wait_for_each_other(deb):
    desk = EMPTY.with_batch(Batch("b0", "untested", (), after=("b1",)))
    with pytest.raises(Failure, match=r"\[prerequisite\.circle\].*b1 -> b0 -> b1"):
        taken(deb, desk=desk, after=["b0"])
    with pytest.raises(Failure, match=r"\[prerequisite\.circle\].*b1 -> b1"):
        taken(deb, after=["b1"])


@pytest.mark.parametrize("name", ["", "../b1", ".b1", "b 1", "b1\n", "b/1", "hold-b1"])
def test_a_name_is_a_plain_one(deb, name):
    with pytest.raises(Failure, match=r"\[intake\.name\]"):
        intake.batch(name, [deb], (), living(), EMPTY, True)


def test_a_batch_has_files():
    with pytest.raises(Failure, match=r"\[intake\.empty\]"):
        taken()


def test_bytes_that_change_on_the_way_in_are_not_taken(deb, tmp_path):
    directory = DeskDirectory(str(tmp_path / "desk"), "example-1")
    (item,) = taken(deb).items
    (tmp_path / "alpha_1.0-1~d12+mos1_all.deb").write_bytes(b"others")
    with pytest.raises(Failure, match=r"\[intake\.checksum\]"):
        directory.take(item, deb.path)
    assert not [path for path in (tmp_path / "desk").rglob("*") if path.is_file()]


def test_bytes_that_no_batch_names_are_forgotten(deb, tmp_path):
    directory = DeskDirectory(str(tmp_path / "desk"), "example-1")
    batch = taken(deb)
    directory.take(batch.items[0], deb.path)
    directory.forget_files(EMPTY.with_batch(batch))
    assert directory.bytes_of(deb.sha256) == directory.file(batch.items[0])
    directory.forget_files(EMPTY)
    assert directory.bytes_of(deb.sha256) is None
