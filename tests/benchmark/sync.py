# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long whole syncs take, as a person calls them: cmd-mirror from its start to its end.

    PYTHONPATH=<directory above ansible_collections> python tests/benchmark/sync.py [--debs 2000] [--rounds 3] [--work /dev/shm]

A signed suite is served by nginx on loopback: first sync, nothing changed, one package in a hundred changed, switch.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

import fetch

from ansible_collections.egi.cmd.plugins.module_utils._archive import release_file, signing
from ansible_collections.egi.cmd.plugins.module_utils._mirror import program
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Wanted

_SUITE = release_file.Suite("suite", "Example", "Example", "suite", "", "", ("amd64",), ("main",), False, 86400)
_INDEX = "main/binary-amd64/Packages.gz"


class Bench:
    """An upstream below work/files and a mirror of it below work/mirror."""

    def __init__(self, work: pathlib.Path, keyring: signing.Keyring, key: str) -> None:
        self.work, self._keyring, self._key = work, keyring, key
        self._date = int(time.time()) - 3600
        (work / "key.gpg").write_bytes(keyring.export(key, False))
        (work / "cmd-mirror").write_bytes(program.build(str(pathlib.Path(__file__).resolve().parents[2] / "plugins/module_utils")))

    def publish(self, files: t.Sequence[Wanted]) -> None:
        """Index and sign the upstream's files."""
        self._date += 1
        text = "\n".join(f"Package: p{file.path[5:-4]}\nVersion: {self._date}\nArchitecture: all\nFilename: {file.path}\nSize: {file.size}\n"
                         f"SHA256: {file.sha256}\nDescription: benchmark\n" for file in files)
        packed = gzip.compress(text.encode(), 6, mtime=0)
        suite = self.work / "files/dists/suite"
        by_hash = suite / "main/binary-amd64/by-hash/SHA256"
        by_hash.mkdir(parents=True, exist_ok=True)
        (suite / _INDEX).write_bytes(packed)
        release = release_file.render(_SUITE, {_INDEX: packed}, self._date)
        (by_hash / release.decode().split("SHA256:\n ")[1].split()[0]).write_bytes(packed)
        (suite / "InRelease").write_bytes(self._keyring.clearsign(release, [self._key]))

    def configure(self, url: str) -> None:
        """Write cmd-mirror's configuration."""
        source = {"name": "deb", "format": "deb", "urls": [url], "keyring": str(self.work / "key.gpg"), "suites": ["suite"], "architectures": ["amd64"]}
        configuration = {"root": str(self.work / "mirror"), "sets": {"set": {"sources": [source]}}}
        (self.work / "config.json").write_text(json.dumps(configuration))

    def run(self, *arguments: str) -> t.Tuple[float, float, int]:
        """Run cmd-mirror; return seconds on the clock, of processor time, and the largest size in memory in KiB."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = ["/usr/bin/time", "-f", "%M", "-o", str(self.work / "memory"), sys.executable, str(self.work / "cmd-mirror"), "--config",
                   str(self.work / "config.json"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int((self.work / "memory").read_text())


def changed(directory: pathlib.Path, files: t.Sequence[Wanted], share: float, chance: random.Random) -> t.List[Wanted]:
    """The files with a share of them replaced by new ones of the same size."""
    new = []
    for number in chance.sample(range(len(files)), max(1, int(len(files) * share))):
        content = chance.randbytes(files[number].size)
        digest = hashlib.sha256(content).hexdigest()
        (directory / f"pool/{digest}.deb").write_bytes(content)
        new.append((number, Wanted(f"pool/{digest}.deb", len(content), digest)))
    return [dict(new).get(number, file) for number, file in enumerate(files)]


def main() -> None:
    """Make an upstream, time cmd-mirror, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--debs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", help="directory to work in; one on tmpfs leaves the disk out")
    asked = parser.parse_args()
    rows: t.Dict[str, t.List[t.Tuple[float, float, int]]] = {}
    with tempfile.TemporaryDirectory(prefix="egi-sync-", dir=asked.work) as name:
        work = pathlib.Path(name)
        home = os.path.join(name, "keys")
        signing.create_home(home)
        chance = random.Random(11)
        (work / "files").mkdir()
        files = [file._replace(path=f"pool/{file.path}") for file in fetch.make(work / "files/pool", asked.debs)]
        with signing.open_home(home) as keyring, fetch.serving(work) as url:
            bench = Bench(work, keyring, keyring.create("Benchmark", "rsa3072", 0))
            bench.configure(url)
            for _round in range(asked.rounds):
                shutil.rmtree(work / "mirror", ignore_errors=True)
                (work / "mirror").mkdir()
                bench.publish(files)
                rows.setdefault("first sync", []).append(bench.run("sync"))
                rows.setdefault("nothing changed", []).append(bench.run("sync"))
                files = changed(work / "files", files, 0.01, chance)
                bench.publish(files)
                rows.setdefault("1 % changed", []).append(bench.run("sync"))
                rows.setdefault("roll back", []).append(bench.run("snapshot", "rollback", "set"))
                rows.setdefault("verify", []).append(bench.run("verify"))
    sys.stdout.write(f"{asked.debs} debs, {sum(file.size for file in files) / 1e6:.0f} MB    clock   processor   memory\n")
    for what, costs in rows.items():
        wall, processor, memory = (min(values) for values in zip(*costs))
        sys.stdout.write(f"{what:<22} {wall:7.3f} s {processor:7.3f} s {memory / 1024:6.0f} MiB\n")


if __name__ == "__main__":
    main()
