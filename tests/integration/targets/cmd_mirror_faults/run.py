#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What readers of a mirror see while it is updated, fails, is killed, and when its disk fills up.

Runs inside a lab session with the host repo, whose nginx serves both the upstream and the mirror; readers poll the
mirror all the time and must never see anything but one whole state or another. How an upstream can lie is the matter
of the target mirror_matrix.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import typing as t
from pathlib import Path

for _path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
    sys.path.append(_path)
sys.path.insert(0, str(Path(__file__).resolve().parent))

from reader import Readers  # noqa: E402

from ansible_collections.egi.cmd.plugins.module_utils._mirror import console, program  # noqa: E402
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives, keys  # noqa: E402

TOP = Path(__file__).resolve().parents[4]
SERVED = Path(os.environ["LAB_STATE"]) / "hosts/repo/root/srv/repository"
UPSTREAM, MIRROR = SERVED / "upstream", SERVED / "mirror"
URL = "http://127.0.0.1"
PACKAGES = 300
CHANGED = 30
KILLS = 50
UPDATES = 250  # every fifth of them fails
FEW = 40  # packages where an update is to take little time
POLLS = 10_000
BRIEF = {"count": 2, "grace_hours": 0.005, "most": 1}  # old snapshots go after 18 seconds, longer than any poll takes
_libc = ctypes.CDLL(None, use_errno=True)


class Site:
    """An upstream with a deb suite and an rpm repository that change together, and a mirror of it."""

    def __init__(self, work: Path, key: keys.Keys) -> None:
        self.work, self.key, self.changed = work, key, CHANGED
        self.random = random.Random(7)
        self.fingerprint, self.stranger = key.make("upstream"), key.make("stranger")
        self.keyring = key.keyring(work / "keys.gpg", self.fingerprint)
        self.program = work / "cmd-mirror"
        self.program.write_bytes(program.build(str(TOP / "plugins/module_utils")))
        self.packages = {f"package{number}": (1, self._content()) for number in range(PACKAGES)}
        self.state = 0
        self.epoch = int(time.time()) - 5000  # every state a second later, all of them in the past
        self.config = self.configure(MIRROR)

    def configure(self, root: Path, keep: t.Optional[t.Dict[str, float]] = None, **more: t.Any) -> Path:
        """Write a configuration for a mirror root; return its path. keep: of the set; more: for the whole mirror."""
        sources = [{"name": "deb", "format": "deb", "urls": [f"{URL}/upstream/deb"], "keyring": self.keyring, "suites": ["suite"], "architectures": ["amd64"]},
                   {"name": "rpm", "format": "rpm", "urls": [f"{URL}/upstream/rpm"], "keyring": self.keyring}]
        path = self.work / f"{root.name}.json"
        path.write_text(json.dumps({"root": str(root), "margin": 0, "retries": 1, "timeout": 10,
                                    "sets": {"set": {"sources": sources, "keep": keep or {}}}, **more}))
        return path

    def change(self) -> None:
        """Let the upstream bring new versions of some packages."""
        for name in self.random.sample(sorted(self.packages), self.changed):
            self.packages[name] = (self.packages[name][0] + 1, self._content())
        self.publish()

    def publish(self, date: t.Optional[int] = None, valid_for: int = 86400, signer: t.Optional[str] = None) -> None:
        """Put the upstream's state in place, in one step."""
        self.state += 1
        date = date or self.epoch + self.state
        files: archives.Files = {}
        stanzas, rpms = [], []
        for name, (number, content) in self.packages.items():
            version = f"{number}.0-1"
            files[f"deb/pool/main/p/{name}/{name}_{version}_all.deb"] = content
            stanzas.append(archives.stanza(name, content, version=version))
            files[f"rpm/Packages/{name}-{version}.noarch.rpm"] = content
            rpms.append(archives.rpm_package(name, content, href=f"Packages/{name}-{version}.noarch.rpm", version=f"{number}.0"))
        indices = archives.packed("main/binary-amd64/Packages", "\n".join(stanzas).encode())
        release = archives.release("suite", indices, date=date, valid_for=valid_for)
        signer = signer or self.fingerprint
        files.update({path.lstrip("/"): data for path, data in archives.served("deb/dists/suite", indices).items()})
        files["deb/dists/suite/InRelease"] = self.key.clearsign(release, signer)
        primary = archives.primary(*rpms)
        packed = archives.packed("", primary, (".gz",))[".gz"]
        href = f"repodata/{archives.digest(packed)}-primary.xml.gz"
        repomd = archives.repomd({"primary": (href, packed, len(primary))}, revision=str(date))
        files.update({f"rpm/{href}": packed, "rpm/repodata/repomd.xml": repomd, "rpm/repodata/repomd.xml.asc": self.key.detach(repomd, signer)})
        directory = SERVED / f"upstream-{self.state}"
        for path, data in files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(data)
            # nginx takes a file of the same size and second for the same, and here are several states in one second.
            os.utime(directory / path, (self.epoch + self.state, self.epoch + self.state))
        link = SERVED / "upstream.new"
        link.symlink_to(directory.name)
        link.rename(UPSTREAM)

    def start(self, *arguments: str, config: t.Optional[Path] = None) -> subprocess.Popen[str]:
        """Start cmd-mirror."""
        return subprocess.Popen([sys.executable, str(self.program), "--config", str(config or self.config), "--json", *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str, good: int = 0, config: t.Optional[Path] = None) -> t.Any:
        """Run cmd-mirror; return its result."""
        process = self.start(*arguments, config=config)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == good, f"{arguments}: {process.returncode}, not {good}\n{output}{errors}"
        assert "Traceback" not in errors, errors
        return json.loads(output) if output else errors

    def failures(self) -> t.Iterator[t.Callable[[], None]]:
        """Ways to go on to a state that no mirror may take, over and over."""
        def package(change: t.Callable[[bytes], bytes]) -> t.Callable[[], None]:
            def damage() -> None:
                before = set(self.packages.values())
                self.change()
                name = min(name for name, now in self.packages.items() if now not in before)
                path = UPSTREAM / f"deb/pool/main/p/{name}/{name}_{self.packages[name][0]}.0-1_all.deb"
                path.write_bytes(change(path.read_bytes()))

            return damage

        return itertools.cycle((
            package(lambda content: content[:-1] + bytes([content[-1] ^ 1])), package(lambda content: content[:-1]),
            lambda: self.publish(signer=self.stranger), lambda: self.publish(valid_for=60), lambda: self.publish(date=1_700_000_000, valid_for=0),
        ))

    def _content(self) -> bytes:
        return self.random.randbytes(int(min(self.random.lognormvariate(9.5, 1.0), 500_000)))


def snapshot_of(root: Path = MIRROR) -> str:
    return os.readlink(root / "set")


def files_in(store: Path) -> t.Set[t.Tuple[str, int]]:
    """Every file of a store, unfinished ones as well, with its size."""
    found = set()
    for path in [*store.glob("sha256/*/*"), *store.glob("partial/*")]:
        with contextlib.suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_size))
    return found


def wait(process: subprocess.Popen[str], begun: t.Callable[[], bool]) -> None:
    """Return when a process is where a test wants it, however slow the machine is today."""
    deadline = time.monotonic() + 60
    while not begun():
        assert process.poll() is None and time.monotonic() < deadline, process.poll()
        time.sleep(0.05)


def killed_at_any_moment(site: Site) -> None:
    """kill -9 at random moments of syncs and of pruning: readers see whole states only, and in the end nothing is missing."""
    site.configure(MIRROR, keep=BRIEF)
    site.publish()
    site.run("sync")
    fetched = 0
    with Readers(f"{URL}/mirror/set") as readers:
        for number in range(KILLS):
            if number % 4 == 0:
                site.run("sync")
                site.change()
            pruning = number % 4 == 3
            process = site.start(*(["snapshot", "prune"] if pruning else ["sync"]))
            time.sleep(site.random.uniform(0.05, 0.3 if pruning else 0.6))
            process.kill()
            process.communicate()
            fetched += process.returncode == -signal.SIGKILL
        site.run("sync")
        time.sleep(0.5)
    assert fetched > KILLS // 3, f"only {fetched} of {KILLS} were killed before they were done"
    assert readers.anomalies == [], readers.anomalies[:5]
    assert readers.polls > 50 and len(readers.states) > KILLS // 8, (readers.polls, readers.states)
    assert site.run("verify")["findings"] == []
    assert not [path for path in (MIRROR / "snapshots").iterdir() if path.name.startswith(".")]
    print(f"    {readers.polls} polls, {len(readers.states)} states, {fetched} kills", flush=True)


def told_to_stop(site: Site) -> None:
    """SIGTERM and SIGINT end a sync soon, with their exit code, and nothing is switched."""
    before = snapshot_of()
    site.change()
    slow = site.configure(MIRROR, limit=20_000)
    for number in (signal.SIGTERM, signal.SIGINT):
        seen = files_in(MIRROR / "store")
        process = site.start("sync", config=slow)
        wait(process, lambda: files_in(MIRROR / "store") != seen)
        process.send_signal(number)
        started = time.monotonic()
        _output, errors = process.communicate(timeout=30)
        assert process.returncode == 128 + number and time.monotonic() - started < 10, (process.returncode, errors)
        assert "Traceback" not in errors and snapshot_of() == before, errors
    site.configure(MIRROR)
    assert site.run("sync")["changed"]


def read_all_the_time(site: Site) -> None:
    """Through 200 updates and 50 failing ones, with old snapshots going meanwhile, readers see whole states only."""
    site.packages, site.changed = dict([*site.packages.items()][:FEW]), FEW // 10
    root = SERVED / "busy"
    config = site.configure(root, keep=BRIEF)
    site.publish()
    assert _sync(config)
    good, failures = [snapshot_of(root)], site.failures()
    with Readers(f"{URL}/busy/set", processes=2, sample=1) as readers:
        for number in range(UPDATES):
            if number % 5 == 4:
                next(failures)()
                assert not _sync(config) and snapshot_of(root) == good[-1]
            else:
                site.change()
                assert _sync(config) and snapshot_of(root) != good[-1]
                good.append(snapshot_of(root))
    assert readers.anomalies == [], readers.anomalies[:5]
    assert readers.polls >= POLLS and len(readers.states) > UPDATES // 2, (readers.polls, len(readers.states))
    left = list((root / "snapshots").iterdir())
    assert len(left) < len(good), "no snapshot went"
    assert site.run("verify", config=config)["findings"] == []
    print(f"    {readers.polls} polls, {len(readers.states)} states, {len(good)} snapshots, {len(left)} left", flush=True)


def _sync(config: Path) -> bool:
    """Run cmd-mirror sync in this process: its start would take most of the time."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        code = console.main(["--config", str(config), "sync"])
    assert code in (0, 1) and "Traceback" not in errors.getvalue(), (code, errors.getvalue())
    return code == 0


def full_disk(site: Site) -> None:
    """Too little room is seen before the first byte; a disk others fill meanwhile ends the sync, and nothing is lost."""
    root = SERVED / "small"
    root.mkdir()
    if _libc.mount(b"tmpfs", os.fsencode(root), b"tmpfs", 0, b"size=24m"):
        raise OSError(ctypes.get_errno(), "cannot mount a tmpfs")
    config = site.configure(root)
    filler = root / "filler"
    filler.write_bytes(b"\0" * (20 << 20))
    told = site.run("sync", good=1, config=config)["sets"]["set"]["error"]
    assert "are needed" in told, told
    assert not [path for path in (root / "store/sha256").glob("*/*") if path.stat().st_size > 200_000], "packages were fetched"
    with open(filler, "wb", buffering=0) as other:
        process = site.start("sync", config=site.configure(root, limit=1_000_000))
        wait(process, lambda: len(files_in(root / "store")) > 20)
        with contextlib.suppress(OSError):
            while True:
                other.write(b"\0" * 65536)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "No space left" in output + errors and "Traceback" not in errors, (process.returncode, output, errors)
    assert not (root / "set").exists()
    filler.unlink()
    arrived = len(list((root / "store/sha256").glob("*/*")))
    assert arrived > 5
    done = site.run("sync", config=site.configure(root))
    assert done["sets"]["set"]["fetched_files"] <= PACKAGES + 5 - arrived, (arrived, done)
    assert site.run("verify", config=config)["findings"] == []


CASES = (killed_at_any_moment, told_to_stop, full_disk, read_all_the_time)


def main() -> int:
    failed = 0
    with tempfile.TemporaryDirectory(prefix="egi-mirror-") as work, keys.throw_away() as key:
        site = Site(Path(work), key)
        for case in CASES:
            started = time.monotonic()
            try:
                case(site)
                print(f"ok: {case.__doc__} ({time.monotonic() - started:.0f} s)", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED: {case.__name__}\n{traceback.format_exc()}", flush=True)
    for path in SERVED.glob("upstream-*"):
        shutil.rmtree(path)
    print(f"{len(CASES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
