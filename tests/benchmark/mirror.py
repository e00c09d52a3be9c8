# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirroring side by side: cmd-mirror, aptly, reprepro, debmirror, apt-mirror, apt-mirror2, dnf reposync, and curl as the floor.

    sudo python3 tests/benchmark/mirror.py [--rounds 5] [--far-rounds 2] [--only deb far large rpm faults] [--write]

One nginx worker serves packages of an archive's sizes on loopback, near and over a delay of 20 ms a round trip. Missing
tools are installed: from Debian, and apt-mirror2 from PyPI into .cache. Prints Markdown; --write puts it into
docs/benchmarks.md. Needs root for port 80: apt-mirror drops any other from its paths.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import signal
import sys
import tempfile
import time
import typing as t

from peers import bed, scenarios, table, tools
from peers.server import ROUND_TRIP, Server, serving

_PARTS = ("deb", "far", "large", "rpm", "faults")
_GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/benchmarks.md"
_BEGIN, _END = "<!-- tests/benchmark/mirror.py: begin -->\n", "<!-- tests/benchmark/mirror.py: end -->\n"
_ALL = (scenarios.FIRST, scenarios.NOTHING, scenarios.SIGNED, scenarios.CHANGED)
_BRIEF = (scenarios.FIRST, scenarios.NOTHING)


def main() -> int:
    """Measure and print."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through everything that has to be ended
    if asked.port == 80 and os.geteuid():
        sys.stderr.write("Failed to listen on port 80: it needs root. Run it with sudo, or with --port 0 and without apt-mirror\n")
        return 1
    if asked.install:
        tools.install()
    lines = []
    with tempfile.TemporaryDirectory(prefix="egi-mirror-", dir=asked.work) as name:
        work = pathlib.Path(name)
        keys = bed.Keys(work)
        try:
            with serving(work, asked.port) as server:
                for line in _report(asked, work, keys, server):
                    print(line, flush=True)
                    lines.append(line)
        finally:
            keys.close()
    if asked.write:
        text = "\n".join(lines)
        guide = _GUIDE.read_text(encoding="utf-8")
        head, _begin, rest = guide.partition(_BEGIN)
        _GUIDE.write_text(f"{head}{_BEGIN}\n{text}\n\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mirroring tools side by side")
    parser.add_argument("--debs", type=int, default=2000)
    parser.add_argument("--rpms", type=int, default=500)
    parser.add_argument("--stanzas", type=int, default=63_440, help="packages of the large index: Debian 12 main has as many")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--far-rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--tools", nargs="+", help="only these; all if not given")
    parser.add_argument("--port", type=int, default=80, help="0 for any that is free")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds after which a tool is ended")
    parser.add_argument("--work", default="/dev/shm", help="directory to work in; one on tmpfs leaves the disk out")
    parser.add_argument("--no-install", dest="install", action="store_false")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    return parser.parse_args()


def _report(asked: argparse.Namespace, work: pathlib.Path, keys: bed.Keys, server: Server) -> t.Iterator[str]:
    """Everything, part by part as it is known."""
    yield from _machine(asked)
    bench = scenarios.Bench(work, server, asked.patience)
    debs, rpms = ([kind for kind in kinds if _takes_part(kind, asked, work)] for kinds in (tools.DEB, tools.RPM))
    away = f"{ROUND_TRIP * 1000:.0f} ms away"
    if {"deb", "far", "faults"} & set(asked.only):
        archive = bed.debs(work, keys, asked.debs)
        what = f"{asked.debs:,} debs, {archive.size() / 1e6:.0f} MB"
        if "deb" in asked.only:
            yield from _part(f"{what}, loopback", lambda: table.of_runs(bench.rounds(archive, debs, asked.rounds, server.near, _ALL)))
        if "far" in asked.only:
            proof = ["", _proof(server, archive)]
            yield from _part(f"{what}, {away}", lambda: [*proof, *table.of_runs(bench.rounds(archive, debs, asked.far_rounds, server.far, _BRIEF))])
        if "faults" in asked.only:
            yield from _part(f"{what}, killed half-way", lambda: table.of_interrupted(bench.interrupted(archive, debs)))
            yield from _part(f"{what}, one damaged", lambda: table.of_damaged(bench.damaged(archive, debs), {kind.name: kind.checks for kind in debs}))
    if "rpm" in asked.only:
        repository = bed.rpms(work, keys, asked.rpms)
        what = f"{asked.rpms:,} rpms, {repository.size() / 1e6:.0f} MB"
        for place, url, rounds in (("loopback", server.near, asked.rounds), (away, server.far, asked.far_rounds)):
            yield from _part(f"{what}, {place}", lambda: table.of_runs(bench.rounds(repository, rpms, rounds, url, _BRIEF)))
    if "large" in asked.only:
        archive = bed.large(work, keys, asked.stanzas)
        yield from _part(f"{asked.stanzas:,} packages of a few bytes each, loopback", lambda: table.of_runs(bench.rounds(archive, debs, 1, server.near, _ALL)))


def _part(title: str, measure: t.Callable[[], t.Iterable[str]]) -> t.Iterator[str]:
    """A headline, the load, which makes every number worse, and what was measured."""
    before = os.getloadavg()[0]
    lines = [*measure()]
    yield from ["", f"### {title}", "", f"Load of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after.", *lines]


def _takes_part(kind: t.Type[tools.Tool], asked: argparse.Namespace, work: pathlib.Path) -> bool:
    return bool(kind(work).program()) and (not asked.tools or kind.name in asked.tools) and (asked.port == 80 or kind is not tools.AptMirror)


def _proof(server: Server, archive: bed.Archive) -> str:
    seconds = server.round_trip(f"/{archive.name}/{archive.head}")
    return f"Fifty small requests, one after the other on an open connection, took {seconds * 1000:.1f} ms each."


def _machine(asked: argparse.Namespace) -> t.Iterator[str]:
    kinds = [kind(pathlib.Path(asked.work)) for kind in (*tools.DEB, tools.Reposync)]
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = {line.partition(":")[2].strip() for line in file if line.startswith("model name")}
    yield (f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({', '.join(sorted(model)) or platform.machine()}), "
           f"targets in `{asked.work}`.")
    yield "; ".join(f"{tool.name} {tool.version()}" if tool.program() else f"{tool.name}: could not be had" for tool in kinds) + "."


if __name__ == "__main__":
    sys.exit(main())
