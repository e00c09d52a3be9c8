# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time the sorting of 10,000 versions: our engines beside python-debian, apt and rpm.

    python3 tests/benchmark/versions.py

Whatever of the three this Python cannot import is left out and named; the system's own Python has apt and rpm.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import random
import sys
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

Sort = t.Callable[[t.List[str]], t.List[str]]


def versions(suffixes: list[str], count: int, rng: random.Random) -> list[str]:
    """Return versions of the usual shape."""
    return [
        f"{rng.choice(('', '', '', '1:'))}{rng.randrange(9)}.{rng.randrange(30)}.{rng.randrange(99)}"
        f"{rng.choice(('', '', '~rc1', '+git20161215'))}-{rng.randrange(1, 9)}{rng.choice(suffixes)}"
        for _unused in range(count)
    ]


def python_debian() -> Sort:
    """Return python-debian's sort."""
    from debian.debian_support import Version
    return lambda items: sorted(items, key=Version)


def apt() -> Sort:
    """Return a sort by apt's comparison."""
    import apt_pkg
    apt_pkg.init_system()
    return lambda items: sorted(items, key=functools.cmp_to_key(apt_pkg.version_compare))


def rpm() -> Sort:
    """Return a sort by rpm's comparison; rpm splits each version once."""
    from rpm import labelCompare, ver

    def label(text: str) -> t.Any:
        version = ver(text)
        return version.e, version.v, version.r

    compare = functools.cmp_to_key(labelCompare)
    return lambda items: sorted(items, key=lambda text: compare(label(text)))


SUFFIXES = (
    ["", "", "~bpo12+1", "+deb12u2", "ubuntu1.1", "~u14.04+mos1"],
    [".el9", ".el9", ".el9_4", ".el10", ".el9~mos1", ".fc40"],
)
OTHERS: tuple[dict[str, t.Callable[[], Sort]], ...] = (
    {"apt_pkg": apt, "python-debian": python_debian},
    {"rpm.labelCompare": rpm},
)


def best(sort: Sort, items: list[str], repeat: int) -> tuple[float, list[str]]:
    """Return the shortest of several times, in seconds, and what came out."""
    times = []
    for _unused in range(repeat):
        started = time.perf_counter()
        result = sort(items)
        times.append(time.perf_counter() - started)
    return min(times), result


def main() -> int:
    """Print one table; return 1 if a sort disagrees with ours, for then its time means nothing."""
    parser = argparse.ArgumentParser(description="time the sorting of versions")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    rng = random.Random(1)
    status = 0
    print(f"{'family':8}{'sort':24}{'ms':>9}{'us each':>9}   {options.count} versions, best of {options.repeat}")
    engines = load("plugins.module_utils._version.deb", "plugins.module_utils._version.rpm")
    for ours, family, suffixes, others in zip(engines, ("deb", "rpm"), SUFFIXES, OTHERS):
        items = versions(suffixes, options.count, rng)
        seconds, sorted_by_us = best(lambda found, key=ours.key: sorted(found, key=key), items, options.repeat)
        row(family, "egi.cmd", seconds, options.count)
        keys = [ours.key(text) for text in sorted_by_us]
        for name, make in others.items():
            try:
                sort = make()
            except ImportError:
                print(f"{family:8}{name:24}  skipped: this Python cannot import it")
                continue
            seconds, result = best(sort, items, options.repeat)
            row(family, name, seconds, options.count)
            if [ours.key(text) for text in result] != keys:
                print(f"{family:8}{name:24}  DISAGREES with our order")
                status = 1
    return status


def row(family: str, name: str, seconds: float, count: int) -> None:
    """Print one line of the table."""
    print(f"{family:8}{name:24}{seconds * 1e3:9.1f}{seconds / count * 1e6:9.2f}")


if __name__ == "__main__":
    sys.exit(main())
