# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/mirror.md says under "Recovery": each row is lost for real, and its commands bring it back."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import typing as t

import pytest

from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import keys
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.bundle_sites import FINGERPRINTS, Sites

pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are not installed")


@pytest.fixture(scope="module")
def key() -> t.Iterator[keys.Keys]:
    with keys.throw_away() as made:
        FINGERPRINTS.update({name: made.make(name) for name in ("upstream", "exporter")})
        yield made


@pytest.fixture
def sites(tmp_path: pathlib.Path, key: keys.Keys, capsys: pytest.CaptureFixture[str]) -> t.Iterator[Sites]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = Sites(tmp_path, key, capsys.readouterr)
    made.publish(alpha=b"one", beta=b"two")
    yield made
    for number, handler in handlers.items():
        signal.signal(number, handler)


def sound(sites: Sites) -> None:
    """Readers get everything, and every byte of it is right."""
    assert sites.run("mirror", "verify")["findings"] == []
    assert (sites.root("mirror") / "set/deb/pool/main/a/alpha/alpha_1.0-1_all.deb").read_bytes() == b"one"


def test_a_lost_name_of_a_set_comes_back_with_a_sync(sites: Sites) -> None:
    (sites.root("mirror") / "set").unlink()
    sites.run("mirror", "sync")
    sound(sites)


def test_another_lost_name_is_given_again(sites: Sites) -> None:
    sites.run("mirror", "snapshot", "publish", "set", "--as", "production")
    (sites.root("mirror") / "production").unlink()
    assert sites.run("mirror", "snapshot", "publish", "set", "--as", "production")["changed"]
    assert os.readlink(sites.root("mirror") / "production") == os.readlink(sites.root("mirror") / "set")


def test_the_mirrors_own_records_are_made_anew(sites: Sites) -> None:
    shutil.rmtree(sites.root("mirror") / ".cmd-mirror")
    assert not sites.run("mirror", "sync")["changed"]
    sound(sites)


def test_damaged_records_of_names_say_what_to_do(sites: Sites) -> None:
    record = sites.root("mirror") / ".cmd-mirror/pointers.json"
    record.write_text("{")
    assert "or remove it" in sites.run("mirror", "sync", good=1)
    record.unlink()
    sites.run("mirror", "sync")
    sound(sites)


@pytest.mark.parametrize("lost", ["store/sha256", "tree"])
def test_lost_files_are_fetched_and_linked_again(sites: Sites, lost: str) -> None:
    shutil.rmtree(sites.root("mirror") / lost)
    findings = sites.run("mirror", "verify", "--repair")["findings"]
    assert findings and all(finding["repaired"] for finding in findings)
    sound(sites)


def test_a_snapshot_whose_record_is_damaged_is_taken_away_and_made_again(sites: Sites) -> None:
    name = os.readlink(sites.root("mirror") / "set").rpartition("/")[2]
    (sites.root("mirror") / "snapshots" / name / ".cmd-mirror/generation.json").write_text("{")
    assert name in sites.run("mirror", "sync", good=1)["sets"]["set"]["error"]
    sites.run("mirror", "snapshot", "delete", "set")
    sites.run("mirror", "snapshot", "delete", name)
    assert sites.run("mirror", "sync")["sets"]["set"]["published"]
    sound(sites)


def test_a_lost_mirror_comes_back_by_a_sync(sites: Sites) -> None:
    shutil.rmtree(sites.root("mirror"))
    sites.run("mirror", "sync")
    sound(sites)
