# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that loses bits: a scrub finds them a part at a time, and what is damaged is mended from wherever it still is."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._mirror import console
from ansible_collections.egi.cmd.plugins.module_utils._mirror.rate import Limit
from ansible_collections.egi.cmd.plugins.module_utils._mirror.scrub import scrub
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys
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
    yield Sites(tmp_path, key, capsys.readouterr)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def flip(path: pathlib.Path) -> None:
    """Change one bit where it is, and nothing else: no time, no size, no inode."""
    about = path.stat()
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.seek(about.st_size // 2)
        byte = file.read(1)[0]
        file.seek(about.st_size // 2)
        file.write(bytes([byte ^ 0x10]))
    os.utime(path, (about.st_atime, about.st_mtime))
    path.chmod(about.st_mode & 0o777)


def stored(sites: Sites, content: bytes) -> pathlib.Path:
    sha256 = archives.digest(content)
    return sites.root("mirror") / "store/sha256" / sha256[:2] / sha256


def head(sites: Sites, snapshot: str) -> pathlib.Path:
    return sites.root("mirror") / "snapshots" / snapshot / "deb/dists/suite/InRelease"


def scrubbed(sites: Sites, *arguments: str, good: int = 0) -> t.List[t.Tuple[str, bool]]:
    findings = sites.run("mirror", "scrub", *arguments, good=good)["findings"]
    return [(finding["path"].rpartition("/")[2], finding["repaired"]) for finding in findings]


def test_a_flipped_bit_is_found_kept_in_mind_and_mended(sites: Sites) -> None:
    sites.publish(alpha=b"one" * 500, beta=b"two" * 500)
    assert scrubbed(sites) == []
    flip(stored(sites, b"one" * 500))
    assert scrubbed(sites, good=4) == [("alpha_1.0-1_all.deb", False)]
    assert json.loads((sites.root("mirror") / ".cmd-mirror/scrub.json").read_text())["damaged"] == [archives.digest(b"one" * 500)]
    assert scrubbed(sites, "--repair") == [("alpha_1.0-1_all.deb", True)]
    assert stored(sites, b"one" * 500).read_bytes() == b"one" * 500
    assert scrubbed(sites) == [] and sites.run("mirror", "verify")["findings"] == []


def test_a_walk_goes_on_where_it_stopped_and_misses_nothing(sites: Sites) -> None:
    packages = {f"p{number}": os.urandom(20000) for number in range(12)}
    sites.publish(**packages)
    flip(stored(sites, packages["p7"]))
    mirror = Mirror(console.configurations.load(str(sites.work / "mirror.json")))
    found: t.Set[str] = set()
    nights, read, share = 0, 0, 0.0
    while share < 1.0:
        done = scrub(mirror, Limit(200_000), 0.3, False, lambda what, progress: None)
        assert done.share > share
        nights, read, share = nights + 1, read + done.files, done.share
        found |= {finding.path for finding in done.findings}
    in_store = sum(len(names) for folder, _folders, names in os.walk(sites.root("mirror") / "store/sha256"))
    assert read == in_store and len(found) == 1 and nights > 2


def test_what_the_upstream_lost_as_well_stays_known(sites: Sites) -> None:
    sites.publish(alpha=b"one" * 500)
    flip(stored(sites, b"one" * 500))
    shutil.move(sites.work / "upstream", sites.work / "away")
    for _night in range(2):
        assert scrubbed(sites, "--repair", good=4) == [("alpha_1.0-1_all.deb", False)]
    shutil.move(sites.work / "away", sites.work / "upstream")
    assert scrubbed(sites, "--repair") == [("alpha_1.0-1_all.deb", True)]


def test_a_damaged_file_nobody_needs_is_not_left_for_the_next_sync(sites: Sites) -> None:
    first = sites.publish(alpha=b"one" * 500)
    sites.publish(beta=b"two" * 500)
    sites.run("mirror", "snapshot", "delete", first)
    flip(stored(sites, b"one" * 500))
    assert scrubbed(sites, "--repair") == [(archives.digest(b"one" * 500), True)]
    assert not stored(sites, b"one" * 500).exists()
    sites.publish(alpha=b"one" * 500)
    assert sites.run("mirror", "verify")["findings"] == []


def test_a_scrub_and_a_sync_do_not_wait_for_each_other(sites: Sites) -> None:
    sites.publish(alpha=b"one" * 500)
    flip(stored(sites, b"one" * 500))
    with Mirror(console.configurations.load(str(sites.work / "mirror.json"))).locked():
        done = sites.run("mirror", "scrub", "--repair", good=4)
    assert done["files"] and "another run is at work" in done["notes"][0]
    with open(sites.root("mirror") / ".cmd-mirror/scrub.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another scrub is at work" in sites.run("mirror", "scrub", good=3)
        sites.run("mirror", "sync")
    assert scrubbed(sites, "--repair") == [("alpha_1.0-1_all.deb", True)]


def test_a_stopped_scrub_says_where_it_was(sites: Sites) -> None:
    sites.publish(**{f"p{number}": os.urandom(30000) for number in range(10)})
    process = subprocess.Popen(sites.program("mirror", "scrub", "--rate", "50K"))
    state = sites.root("mirror") / ".cmd-mirror/scrub.json"
    until = time.monotonic() + 60
    while not (sites.root("mirror") / ".cmd-mirror/scrub.lock").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    first = json.loads(state.read_text())
    assert 0 < first["files"] < 10 and first["position"]
    assert sites.run("mirror", "scrub")["share"] == 1.0
    assert json.loads(state.read_text())["round_files"] > 10


def test_a_damaged_document_comes_from_another_snapshot(sites: Sites) -> None:
    first = sites.publish(alpha=b"one")
    sites.sources.append({**sites.deb, "name": "twin"})  # a new snapshot that has the same document twice
    second = sites.run("mirror", "sync")["sets"]["set"]["snapshot"]
    good, moment = head(sites, first).read_bytes(), head(sites, first).stat().st_mtime
    shutil.rmtree(sites.work / "upstream")
    flip(head(sites, first))
    assert all(repaired for _path, repaired in scrubbed(sites, "--repair")) and head(sites, first).read_bytes() == good
    assert head(sites, first).stat().st_mtime == moment
    head(sites, second).unlink()
    assert all(finding["repaired"] for finding in sites.run("mirror", "verify", "--repair")["findings"])
    assert head(sites, second).read_bytes() == good and sites.run("mirror", "verify")["findings"] == []


def test_a_damaged_document_comes_from_the_upstream_while_it_stands_still(sites: Sites) -> None:
    name = sites.publish(alpha=b"one")
    good = head(sites, name).read_bytes()
    flip(head(sites, name))
    assert scrubbed(sites, good=4) == [("InRelease", False)]
    assert scrubbed(sites, "--repair") == [("InRelease", True)] and head(sites, name).read_bytes() == good
    assert not list((sites.root("mirror") / "store/sha256").rglob(archives.digest(good)))


def test_a_document_nobody_has_any_more_names_the_snapshot_to_delete(sites: Sites) -> None:
    name = sites.publish(alpha=b"one")
    flip(head(sites, name))
    sites.publish(alpha=b"one", beta=b"two")
    done = sites.run("mirror", "verify", "--repair", good=4)
    assert f"cmd-mirror snapshot delete {name}" in done["findings"][0]["why"]
    sites.run("mirror", "snapshot", "delete", name)
    assert sites.run("mirror", "verify")["findings"] == []


def test_our_own_damaged_record_is_a_finding(sites: Sites) -> None:
    name = sites.publish(alpha=b"one")
    record = sites.root("mirror") / "snapshots" / name / ".cmd-mirror/generation.json"
    record.write_text("{")
    done = sites.run("mirror", "scrub", "--repair", good=4)
    assert name in done["findings"][0]["path"] and done["files"] > 0


def test_metrics_tell_of_the_walk_and_a_sync_keeps_them(sites: Sites, capsys: pytest.CaptureFixture[str]) -> None:
    sites.publish(alpha=b"one" * 500)
    flip(stored(sites, b"one" * 500))
    flip(head(sites, os.readlink(sites.root("mirror") / "set").rpartition("/")[2]))
    configuration = json.loads((sites.work / "mirror.json").read_text())
    (sites.work / "metered.json").write_text(json.dumps({**configuration, "metrics": str(sites.work / "metrics.prom")}))
    for command, code in (("scrub", 4), ("sync", 0)):
        assert console.main(["--config", str(sites.work / "metered.json"), command]) == code
        lines = (sites.work / "metrics.prom").read_text().splitlines()
        assert {"egi_cmd_mirror_scrub_damaged_files 2", "egi_cmd_mirror_scrub_round_ratio 1.0"} <= set(lines)
        assert any(line.startswith("egi_cmd_mirror_scrub_round_timestamp_seconds ") for line in lines)
    capsys.readouterr()
    assert console.main(["--config", str(sites.work / "mirror.json"), "status"]) == 0
    assert "scrub: 100% of this round" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--rate", "fast"], ["--rate", "0"], ["--for", "10"], ["--for", "0s"]])
def test_a_wrong_argument_is_named(capsys: pytest.CaptureFixture[str], wrong: t.List[str]) -> None:
    with pytest.raises(SystemExit):
        console.main(["scrub", *wrong])
    assert f"{wrong[1]!r} is no" in capsys.readouterr().err
