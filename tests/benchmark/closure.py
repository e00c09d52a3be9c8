# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time what a partial mirror computes: reading an index of 63,440 packages, selecting from it, and closing what was selected.

    python3 tests/benchmark/closure.py [--packages /path/of/a/real/Packages]

Without --packages the largest index this machine's own apt holds is used, and where there is none a generated one.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import resource
import subprocess
import sys
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

_PARTS = ("closure", "deb_packages", "model", "relation", "select")
closure, deb_packages, model, relation, select = load(*(f"plugins.module_utils._mirror.{name}" for name in _PARTS))

COUNT = 63_440  # Debian 12, main, amd64
LISTS = pathlib.Path("/var/lib/apt/lists")
_SLICE = 1 << 18


def generated(count: int) -> bytes:
    """An index in which every package depends on up to six with a lower number."""
    rng = random.Random(7)
    stanzas = []
    for number in range(count):
        depends = ", ".join(f"package{int(number * rng.random() ** 2)} (>= 1.{rng.randrange(9)})" for _unused in range(rng.randrange(7))) if number else ""
        stanzas.append(
            f"Package: package{number}\nVersion: 1.9-{rng.randrange(1, 9)}\nArchitecture: {rng.choice(('all', 'amd64'))}\nPriority: optional\n"
            f"Section: {rng.choice(('net', 'python', 'admin'))}\n{f'Depends: {depends}' if depends else 'Essential: no'}\n"
            f"{'Provides: virtual' + str(number % 40) if number % 9 == 0 else 'Multi-Arch: foreign'}\nDescription: {'word ' * 60}\n"
        )
    return "\n".join(stanzas).encode()


def own_index() -> t.Optional[bytes]:
    """The largest Packages that apt on this machine holds, unpacked by apt itself."""
    found = sorted(LISTS.glob("*_Packages*"), key=lambda path: path.stat().st_size) if LISTS.is_dir() else []
    if not found:
        return None
    run = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(found[-1])], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return run.stdout or None


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description="time selection and dependency closure")
    parser.add_argument("--packages", type=pathlib.Path, help="a Packages file to read")
    options = parser.parse_args()
    if options.packages:
        data, what = options.packages.read_bytes(), str(options.packages)
    else:
        own = own_index()
        data, what = (own, "this machine's own index") if own else (generated(COUNT), "a generated index")
    started = time.perf_counter()
    world = deb_packages.DebWorld("amd64")
    world.add(relation.Repository("main"), "main", (data[start:start + _SLICE] for start in range(0, len(data), _SLICE)), "Packages")
    indexed = time.perf_counter() - started
    print(f"{what}: {len(world.packages):,} packages, {len(data) >> 20} MiB, indexed in {indexed:.2f} s")
    names = {package.name for package in world.packages}
    chosen = [name for name in ("apache2", "gnome") if name in names] or [max(names, key=lambda name: (len(name), name))]
    selections = {name: model.Selection(names=(name,)) for name in chosen}
    selections["priority standard and above"] = model.Selection(priorities=("required", "important", "standard"))
    selections["section python"] = model.Selection(sections=("python",))
    print(f"{'selection':30}{'selected':>9}{'closure':>9}{'select, s':>11}{'close, s':>10}{'unresolved':>12}{'unproven':>10}")
    for name, selection in selections.items():
        started = time.perf_counter()
        selected = select.select([selection], world)
        middle = time.perf_counter()
        result = closure.close(world, selected)
        ended = time.perf_counter()
        times = f"{middle - started:11.3f}{ended - middle:10.3f}"
        print(f"{name:30}{len(selected):9,}{len(result.packages):9,}{times}{len(result.unresolved):12}{len(result.unproven):10}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB, with the file itself")
    return 0


if __name__ == "__main__":
    sys.exit(main())
