# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long fetching takes: this collection against ``curl -Z``, which verifies nothing and is the floor.

    PYTHONPATH=<directory above ansible_collections> python tests/benchmark/fetch.py [--files 2000] [--rounds 5] [--work /dev/shm]

nginx with one worker serves an archive's usual sizes on loopback; eight connections everywhere. Best round of each.
"""

from __future__ import annotations

import argparse
import hashlib
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

import packages
from peers.server import serving

from ansible_collections.egi.cmd.plugins.module_utils._mirror.fetcher import fetch
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport

CONNECTIONS = 8


class Cost(t.NamedTuple):
    """Seconds on the clock, and of processor time."""

    wall: float
    processor: float


def main() -> None:
    """Make files, serve them, time both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", help="directory to work in; one on tmpfs leaves the disk out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="egi-fetch-", dir=asked.work) as name:
        work = pathlib.Path(name)
        files = make(work / "files", asked.files)
        with serving(work) as server:
            url = f"{server.near}/"
            rounds = [(time_curl(work, url, files), time_ours(work, url, files), time_again(work, url, files)) for _round in range(asked.rounds)]
    size = sum(file.size for file in files)
    sys.stdout.write(f"{len(files)} files, {size / 1e6:.0f} MB{'':<38} clock   processor\n")
    for what, costs in zip(("curl -Z: nothing verified", "fetch: SHA-256 of every file, into the store", "fetch: all there"), zip(*rounds)):
        sys.stdout.write(f"{what:<54} {min(cost.wall for cost in costs):7.3f} s {min(cost.processor for cost in costs):7.3f} s\n")


def make(directory: pathlib.Path, count: int) -> t.List[Wanted]:
    """Files of the sizes an archive's packages have: most small, a few large."""
    chance = random.Random(7)
    directory.mkdir()
    wanted = []
    for number in range(count):
        content = chance.randbytes(packages.size(chance))
        (directory / f"{number}.deb").write_bytes(content)
        wanted.append(Wanted(f"{number}.deb", len(content), hashlib.sha256(content).hexdigest()))
    return wanted


def time_curl(work: pathlib.Path, url: str, files: t.Sequence[Wanted]) -> Cost:
    """Fetch with curl into a directory."""
    target = empty(work / "curl")
    lines = [f'url = "{url}{file.path}"\noutput = "{target}/{file.path}"\n' for file in files]
    (work / "curl.conf").write_text("".join(lines))
    words = ["curl", "-sS", "--no-progress-meter", "-Z", "--parallel-max", str(CONNECTIONS), "-K", str(work / "curl.conf")]
    return cost(lambda: subprocess.run(words, check=True), resource.RUSAGE_CHILDREN)


def time_ours(work: pathlib.Path, url: str, files: t.Sequence[Wanted]) -> Cost:
    """Fetch into an empty store."""
    empty(work / "store")
    return time_again(work, url, files)


def time_again(work: pathlib.Path, url: str, files: t.Sequence[Wanted]) -> Cost:
    """Fetch into the store as it is."""

    def run() -> None:
        with Transport(Source("benchmark", "deb", (url,)), CONNECTIONS) as transport:
            fetch(transport, files, Store(str(work / "store")))

    return cost(run, resource.RUSAGE_SELF)


def empty(directory: pathlib.Path) -> pathlib.Path:
    """Make a directory anew."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory


def cost(run: t.Callable[[], object], whose: int) -> Cost:
    """What a call costs."""
    before, began = resource.getrusage(whose), time.perf_counter()
    run()
    wall, after = time.perf_counter() - began, resource.getrusage(whose)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
