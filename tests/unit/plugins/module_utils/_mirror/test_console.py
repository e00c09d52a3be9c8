# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd-mirror from its command line to the files readers get; the upstream is a directory, its signatures are real."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._mirror import console, program, space
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys

MODULE_UTILS = pathlib.Path(program.__file__).resolve().parents[1]
FINGERPRINTS: t.Dict[str, str] = {}
pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are not installed")


@pytest.fixture(scope="module")
def key() -> t.Iterator[keys.Keys]:
    with keys.throw_away() as made:
        FINGERPRINTS.update({name: made.make(name) for name in ("upstream", "stranger")})
        yield made


class Site:
    """An upstream and a mirror of it."""

    def __init__(self, work: pathlib.Path, key: keys.Keys, printed: t.Callable[[], t.Tuple[str, str]]) -> None:
        self.work, self._key, self._printed = work, key, printed
        self._date = int(time.time()) - 5000
        self.root = work / "mirror"
        source = {"name": "deb", "format": "deb", "urls": [f"file://{work}/upstream"], "keyring": key.keyring(work / "keys.gpg", FINGERPRINTS["upstream"]),
                  "suites": ["suite"], "architectures": ["amd64"]}
        self.configuration: t.Dict[str, t.Any] = {"root": str(self.root), "margin": 0, "retries": 0, "metrics": str(work / "cmd-mirror.prom"),
                                                  "sets": {"set": {"sources": [source]}}}

    def publish(self, signer: str = "upstream", **packages: bytes) -> None:
        """Put packages, and an index of them, upstream."""
        self._date += 1
        indices = archives.packed("main/binary-amd64/Packages", "\n".join(archives.stanza(name, content) for name, content in packages.items()).encode())
        release = archives.release("suite", indices, date=self._date)
        files = {path[1:]: data for path, data in archives.served("dists/suite", indices).items()}
        files.update({f"pool/main/{name[0]}/{name}/{name}_1.0-1_all.deb": content for name, content in packages.items()})
        files["dists/suite/InRelease"] = self._key.clearsign(release, FINGERPRINTS[signer])
        shutil.rmtree(self.work / "upstream", ignore_errors=True)
        for path, data in files.items():
            (self.work / "upstream" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.work / "upstream" / path).write_bytes(data)

    def publish_as_of(self, age: int, **packages: bytes) -> None:
        """The same, dated so many seconds ago; it is valid for a day."""
        self._date = int(time.time()) - age
        self.publish(**packages)

    def run(self, *arguments: str, good: int = 0) -> t.Any:
        """Run the program; return its result, or what it says on standard error."""
        (self.work / "config.json").write_text(json.dumps(self.configuration))
        try:
            code = console.main(["--config", str(self.work / "config.json"), "--json", *arguments])
        except SystemExit as end:  # argparse
            code = t.cast(int, end.code)
        output, errors = self._printed()
        assert code == good, output + errors
        return json.loads(output) if output else errors


@pytest.fixture
def site(tmp_path: pathlib.Path, key: keys.Keys, capsys: pytest.CaptureFixture[str]) -> t.Iterator[Site]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Site(tmp_path, key, capsys.readouterr)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_life(site: Site) -> None:
    site.publish(alpha=b"one", beta=b"two")
    assert site.run("plan")["set"]["counts"] == {"added": 2, "removed": 0, "changed": 0}
    first = site.run("sync")["sets"]["set"]
    assert (site.root / "set/deb/pool/main/a/alpha/alpha_1.0-1_all.deb").read_bytes() == b"one"
    assert not site.run("sync")["changed"]
    site.publish(alpha=b"rebuilt", gamma=b"three")
    plan = site.run("plan")["set"]
    assert {(change["kind"], change["package"]) for change in plan["changes"]} == {("changed", "alpha"), ("removed", "beta"), ("added", "gamma")}
    second = site.run("sync")["sets"]["set"]
    assert second["changed"] and second["published"] == second["snapshot"] != first["snapshot"]
    assert (site.root / "set/deb/pool/main/a/alpha/alpha_1.0-1_all.deb").read_bytes() == b"rebuilt"
    old = site.root / "snapshots" / first["snapshot"] / "deb/pool/main/a/alpha/alpha_1.0-1_all.deb"
    assert old.read_bytes() == b"one", "a snapshot changed"
    assert site.run("snapshot", "diff", first["snapshot"], "set")["counts"] == plan["counts"]
    assert site.run("verify")["findings"] == []
    assert 'egi_cmd_mirror_last_run_success{set="set"} 1' in (site.work / "cmd-mirror.prom").read_text()


def test_a_failed_sync_says_so_everywhere_and_changes_nothing(site: Site) -> None:
    site.publish(alpha=b"one")
    good = site.run("sync")["sets"]["set"]
    site.publish(signer="stranger", alpha=b"evil")
    failed = site.run("sync", good=1)["sets"]["set"]
    assert failed["success"] == 0 and "InRelease" in failed["error"]
    assert os.readlink(site.root / "set") == f"snapshots/{good['snapshot']}"
    status = site.run("status")["set"]
    assert status["last_run"]["last_success"] == good["last_success"] and status["last_run"]["error"] == failed["error"]
    assert 'egi_cmd_mirror_last_run_success{set="set"} 0' in (site.work / "cmd-mirror.prom").read_text()


def test_a_deleted_snapshot_comes_back_although_the_upstream_stands_still(site: Site) -> None:
    site.publish(alpha=b"one")
    name = site.run("sync")["sets"]["set"]["snapshot"]
    site.run("snapshot", "delete", "set")
    site.run("snapshot", "delete", name)
    again = site.run("sync")["sets"]["set"]
    assert again["changed"] and (site.root / "set/deb/pool/main/a/alpha/alpha_1.0-1_all.deb").read_bytes() == b"one"


def test_another_selection_is_another_snapshot(site: Site) -> None:
    site.publish(alpha=b"one")
    site.run("sync")
    site.configuration["sets"]["set"]["sources"].append({**site.configuration["sets"]["set"]["sources"][0], "name": "twin"})
    assert site.run("sync")["changed"] and (site.root / "set/twin/dists/suite/InRelease").exists()
    del site.configuration["sets"]["set"]["sources"][0]
    assert site.run("sync")["changed"] and not (site.root / "set/deb").exists()
    assert not site.run("sync")["changed"]


def test_a_set_that_is_not_published_waits_for_a_person(site: Site) -> None:
    site.configuration["sets"]["set"]["publish"] = False
    site.publish(alpha=b"one")
    name = site.run("sync")["sets"]["set"]["snapshot"]
    assert not (site.root / "set").exists()
    assert site.run("snapshot", "publish", name)["changed"] and not site.run("snapshot", "publish", name)["changed"]
    assert (site.root / "set/deb/dists/suite/InRelease").exists()


def test_damage_is_found_and_mended(site: Site) -> None:
    site.publish(alpha=b"one", beta=b"two")
    site.run("sync")
    rotten = site.root / "store/sha256" / archives.digest(b"one")[:2] / archives.digest(b"one")
    rotten.chmod(0o644)
    rotten.write_bytes(b"eno")
    assert [finding["repaired"] for finding in site.run("verify", good=4)["findings"]] == [False]
    assert [finding["repaired"] for finding in site.run("verify", "--repair")["findings"]] == [True]
    assert rotten.read_bytes() == b"one" and site.run("verify")["findings"] == []
    for link in (site.root / "tree").rglob("beta_*.deb"):
        link.unlink()
    assert [finding["repaired"] for finding in site.run("verify", "--repair")["findings"]] == [True]
    head = next((site.root / "snapshots").glob("*/deb/dists/suite/InRelease"))
    good, moment = head.read_bytes(), head.stat().st_mtime
    head.write_bytes(good.replace(b"Example", b"Exemple", 1))
    os.utime(head, (moment, moment))  # rot leaves it alone
    assert [finding["repaired"] for finding in site.run("verify", "--repair")["findings"]] == [True]  # the upstream still has it
    assert head.read_bytes() == good and head.stat().st_mtime == moment
    site.publish(alpha=b"one", beta=b"two")
    head.write_bytes(good.replace(b"Example", b"Exemple", 1))
    assert not any(finding["repaired"] for finding in site.run("verify", "--repair", good=4)["findings"])


def test_old_snapshots_go_by_policy_after_a_sync(site: Site) -> None:
    site.configuration["sets"]["set"]["keep"] = {"count": 1, "grace_hours": 0, "most": 1}
    site.publish(alpha=b"one")
    first = site.run("sync")["sets"]["set"]["snapshot"]
    site.publish(alpha=b"two")
    assert site.run("sync")["sets"]["set"]["removed_snapshots"] == [first]
    assert len(site.run("snapshot", "list")) == 1 and site.run("verify")["findings"] == []


@pytest.mark.parametrize("arguments, good", [
    (["sync", "no-such-set"], 1), (["snapshot", "publish", "no-such-snapshot"], 1), (["snapshot", "rollback", "set"], 1), (["snapshot", "diff", "a", "b"], 1),
    (["nonsense"], 2), ([], 2), (["snapshot"], 2),
])
def test_mistakes_on_the_command_line_have_their_exit_code(site: Site, arguments: t.List[str], good: int) -> None:
    assert site.run(*arguments, good=good)


def test_a_wrong_configuration_is_exit_code_2(site: Site) -> None:
    site.configuration["rot"] = "/srv"
    assert "did you mean" in site.run("sync", good=2)


def test_metrics_that_cannot_be_written_are_said_before_any_work(site: Site) -> None:
    site.publish(alpha=b"one")
    site.configuration["metrics"] = str(site.work / "absent/cmd-mirror.prom")
    assert "absent" in site.run("sync", good=1) and not (site.root / "set").exists()


def test_the_program_is_the_same_bytes_every_time_and_needs_no_ansible(tmp_path: pathlib.Path) -> None:
    cmd_mirror = tmp_path / "cmd-mirror"
    cmd_mirror.write_bytes(program.build(str(MODULE_UTILS)))
    assert cmd_mirror.read_bytes() == program.build(str(MODULE_UTILS))
    done = subprocess.run([sys.executable, "-I", "-S", str(cmd_mirror), "--help"], stdout=subprocess.PIPE, text=True, cwd="/", check=True)
    assert "exit codes" in done.stdout


def test_room_is_counted_once_for_each_content_and_less_what_was_begun(tmp_path: pathlib.Path) -> None:
    store = Store(str(tmp_path))
    with open(store.partial("ab" * 32), "wb") as file:
        file.write(b"x" * 100)
    here = store.add(b"here")
    coming = space.need(store, [Wanted("a", 1000, "ab" * 32), Wanted("b", 1000, "ab" * 32), Wanted("c", 4, here), Wanted("d", 7, "cd" * 32)], 3, 0)
    assert (coming.files, coming.fetch) == (2, 907) and coming.size > coming.fetch
    assert coming.inodes == 2 + 3 + 3, "files, links and directories: two of the store, one of packages"


def test_an_upstream_that_stands_still_past_its_date_is_told_in_every_run(site: Site) -> None:
    site.configuration["sets"]["set"]["sources"][0]["freshness"] = "warn"
    site.publish_as_of(86400 + 5000, beta=b"two")
    first = site.run("sync")["sets"]["set"]
    second = site.run("sync")["sets"]["set"]
    assert (first["changed"], second["changed"]) == (True, False)
    assert len(first["warnings"]) == len(second["warnings"]) == 1 and "it expired on" in second["warnings"][0]
    assert site.run("plan")["set"]["warnings"] == second["warnings"]
    assert site.run("status")["set"]["last_run"]["warnings"] == second["warnings"]
    assert 'egi_cmd_mirror_warnings{set="set"} 1' in (site.work / "cmd-mirror.prom").read_text()
    site.configuration["sets"]["set"]["sources"][0]["freshness"] = "fail"
    assert "it expired on" in site.run("sync", good=1)["sets"]["set"]["error"]
