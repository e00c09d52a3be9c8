# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the gates take for a batch of 50 packages on a base of 63,440: beside dose-debcheck, which only tests installability.

    PYTHONPATH=<directory above ansible_collections> /usr/bin/python3 tests/benchmark/promotion.py [--rounds 5]

The batch are builds of packages of the base, with their dependencies; the overlay already has an older build of each. The
base is the largest index this machine's own apt holds, and where there is none a generated one. Each number is the best
of the rounds.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.metadata_check import Policy
from ansible_collections.egi.cmd.plugins.module_utils._promotion import closure as solved
from ansible_collections.egi.cmd.plugins.module_utils._promotion import evidence, gates, indices, intake
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Item
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import scheme

closure = importlib.import_module("closure")  # the benchmark beside this one: it knows where to get a large index

MANIFEST = {
    "schema": 1, "name": "cmd-os-1", "distribution": "CMD-OS", "version": "1", "kinds": ["base", "updates", "proposed"],
    "platforms": {"debian12": {"os": ["Debian"], "version": "12", "format": "deb"}},
    "deb": {"uri": "http://repo.example.org", "suite": "{release}{suffix}", "components": ["main"], "origin": "EGI"}, "dates": {"ga": "2026-01-15"},
}
MAINTAINER = "Example Release Team <release@example.org>"


def chosen(index: str, count: int) -> t.List[t.Dict[str, str]]:
    """Packages from all over an index that have dependencies, none of them on one exact version, as their fields."""
    found = []
    for stanza in index.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Depends|Pre-Depends|Provides): (.+)$", stanza, re.MULTILINE))
        if "Depends" in fields and "(=" not in fields["Depends"] and "lib" not in fields["Package"] and "-" in fields.get("Version", ""):
            found.append(fields)
    return found[:: max(1, len(found) // count)][:count]


def built(work: pathlib.Path, fields: t.Mapping[str, str], number: int) -> pathlib.Path:
    """A deb of the overlay, made from a package of the base."""
    version = scheme("deb").divergent(fields["Version"])._replace(base="d12", build=number)
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "DEBIAN").mkdir(parents=True)
    control = {**fields, "Version": str(version), "Architecture": "amd64", "Maintainer": MAINTAINER, "Description": "built from the base"}
    (tree / "DEBIAN/control").write_text("".join(f"{name}: {value}\n" for name, value in control.items()))
    notes = tree / f"usr/share/doc/{fields['Package']}"
    notes.mkdir(parents=True)
    (notes / "changelog.Debian").write_text(f"{fields['Package']} ({version}) cmd-os-1; urgency=medium\n\n  * Example Project\n    Source commit: {'a' * 40}\n"
                                            f"    Build commit: {'b' * 40}\n\n -- T <t@example.org>  Thu, 19 Nov 2026 12:00:00 +0000\n")
    path = work / f"{fields['Package']}_{str(version).rpartition(':')[2]}_amd64.deb"
    subprocess.run(["dpkg-deb", "-Zgzip", "--root-owner-group", "--build", str(tree), str(path)], check=True, stdout=subprocess.DEVNULL)
    return path


def batch(name: str, kind: str, paths: t.Sequence[pathlib.Path]) -> Batch:
    """The batch these files make."""
    declared = [intake.Declared(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), "debian12") for path in paths]
    return intake.batch(name, declared, (), MANIFEST, Desk("cmd-os-1", {}), True)._replace(kind=kind)


def best(rounds: int, work: t.Callable[[], t.Any]) -> t.Tuple[float, t.Any]:
    """Seconds of the fastest of some rounds, and what the last one gave."""
    times, answer = [], None
    for _round in range(rounds):
        started = time.perf_counter()
        answer = work()
        times.append(time.perf_counter() - started)
    return min(times), answer


def dose(work: pathlib.Path, base: pathlib.Path, paths: t.Sequence[pathlib.Path]) -> None:
    """Installability of the batch by dose-debcheck."""
    with open(work / "batch", "w", encoding="utf-8") as index:
        for path in paths:
            index.write(subprocess.run(["dpkg-deb", "-f", str(path)], stdout=subprocess.PIPE, text=True, check=True).stdout + "\n")
    command = ["dose-debcheck", "--deb-native-arch=amd64", f"--fg={work}/batch", f"--bg={base}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="egi-promotion-") as directory:
        work = pathlib.Path(directory)
        index = closure.own_index() or closure.generated(closure.COUNT)
        (work / "Packages").write_bytes(index)
        fields = chosen(index.decode(), 50)
        old, new = ([built(work, one, number) for one in fields] for number in (1, 2))
        files = {hashlib.sha256(path.read_bytes()).hexdigest(): str(path) for path in (*old, *new)}
        before, wanted = batch("old", "updates", old), batch("new", "proposed", new)
        base = [indices.repository("debian12", "deb", ("amd64",), [str(work / "Packages")], False)]
        terms = evidence.Terms(metadata=Policy("cmd-os-1", "Example Project", MAINTAINER, mos_versions=False))
        wish = evidence.Evidence(MANIFEST, datetime.date(2026, 11, 19), Desk("cmd-os-1", {"old": before, "new": wanted}), wanted, "updates", terms)

        def place(item: Item) -> str:
            return files[item.sha256]

        def read() -> solved.World:
            world = solved.World("deb", "debian12", "amd64")
            world.read("base", base)
            return world

        reading, _world = best(rounds, read)
        whole, known = best(rounds, lambda: evidence.gather(wish, base, (), place))
        judging, excuses = best(rounds, lambda: gates.excuses(known))
        count = index.count(b"\nPackage: ") + 1
        print(f"{len(fields)} packages on a base of {count:,}; {len(excuses)} excuses: {', '.join(sorted({one.rule for one in excuses}))}")
        print(f"{'all gates':45}{whole + judging:8.2f} s")
        print(f"{'  of which reading the base':45}{reading:8.2f} s")
        print(f"{'  of which judging what was read':45}{judging:8.3f} s")
        if shutil.which("dose-debcheck"):
            print(f"{'dose-debcheck, installability alone':45}{best(rounds, lambda: dose(work, work / 'Packages', new))[0]:8.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
