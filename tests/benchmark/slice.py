# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time reading an index of 63,440 packages: our slicer beside apt_pkg.TagFile, and our primary.xml reader; with the memory it takes.

    python3 tests/benchmark/slice.py [--packages /path/of/a/real/Packages]

The system's own Python has apt_pkg; where it is missing it is left out and said so. Both readers must find the same.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import pathlib
import resource
import sys
import tempfile
import time
import typing as t

from packages import write_index

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

COUNT = 63_440  # Debian 12, main, amd64
_SLICE = 1 << 18

Found = t.List[t.Tuple[str, int, str, str, str]]
Read = t.Callable[[str], Found]


def write_primary(path: pathlib.Path, count: int) -> None:
    """A primary.xml: about 1 kB a package, most of it dependencies."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<metadata xmlns="urn:common" xmlns:rpm="urn:rpm" packages="{count}">\n')
        for number in range(count):
            entries = "".join(f'      <rpm:entry name="lib{number}.so.{index}()(64bit)"/>\n' for index in range(8))
            file.write(
                f'<package type="rpm">\n  <name>p{number}</name>\n  <arch>x86_64</arch>\n  <version epoch="0" ver="1.{number}" rel="1.el9"/>\n'
                f'  <checksum type="sha256" pkgid="YES">{hashlib.sha256(str(number).encode()).hexdigest()}</checksum>\n  <summary>example</summary>\n'
                f'  <size package="{number}" installed="1" archive="1"/>\n  <location href="Packages/p/p{number}-1.{number}-1.el9.x86_64.rpm"/>\n'
                f"  <format>\n    <rpm:license>GPL</rpm:license>\n    <rpm:requires>\n{entries}    </rpm:requires>\n  </format>\n</package>\n"
            )
        file.write("</metadata>\n")


def ours(path: str) -> Found:
    """Read by our slicer."""
    return _entries("deb_slicer", path)


def ours_rpm(path: str) -> Found:
    """Read by our primary.xml reader."""
    return _entries("rpm_primary", path)


def _entries(reader: str, path: str) -> Found:
    module, = load(f"plugins.module_utils._mirror.{reader}")
    started = time.process_time()
    with open(path, "rb") as file:
        entries = list(module.packages(iter(lambda: file.read(_SLICE), b""), path))
    _report(started)
    return [(entry.wanted.path, entry.wanted.size, entry.wanted.sha256, entry.package, entry.version) for entry in entries]


def apt(path: str) -> Found:
    """Read by apt's own parser."""
    import apt_pkg
    apt_pkg.init()
    started = time.process_time()
    with apt_pkg.TagFile(path) as stanzas:
        found = [(one["Filename"], int(one["Size"]), one["SHA256"], one["Package"], one["Version"]) for one in stanzas]
    _report(started)
    return found


_measured: t.Tuple[float, int] = (0.0, 0)


def _report(started: float) -> None:
    """Time and memory at this moment; ru_maxrss is the highest ever, so each reader has a process of its own."""
    global _measured  # noqa: PLW0603  one value per process
    _measured = (time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def measure(arguments: t.Tuple[Read, str]) -> t.Tuple[float, int, int, str]:
    """In a process of its own: seconds, MiB, packages found, and a digest of what was found."""
    read, path = arguments
    found = read(path)
    return (*_measured, len(found), hashlib.sha256(repr(found).encode()).hexdigest())


def main() -> int:
    """Print one table; return 1 if the two readers of Packages disagree."""
    parser = argparse.ArgumentParser(description="time the reading of indices")
    parser.add_argument("--packages", help="a Packages file to read instead of a generated one")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        packages, primary = pathlib.Path(options.packages or f"{directory}/Packages"), pathlib.Path(directory, "primary.xml")
        if not options.packages:
            write_index(packages, COUNT)
        write_primary(primary, COUNT // 3)
        readers = {"egi.cmd, Packages": (ours, packages), "apt_pkg.TagFile": (apt, packages), "egi.cmd, primary.xml": (ours_rpm, primary)}
        print(f"{'reader':24}{'s':>8}{'packages/s':>12}{'MiB':>6}   best of {options.repeat}")
        digests = set()
        for name, (read, path) in readers.items():
            try:
                with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
                    seconds, memory, count, digest = min(pool.map(measure, [(read, str(path))] * options.repeat, chunksize=1))
            except ImportError:
                print(f"{name:24}  skipped: this Python cannot import it")
                continue
            print(f"{name:24}{seconds:8.3f}{count / seconds:12,.0f}{memory:6}")
            if path == packages:
                digests.add(digest)
    if len(digests) > 1:
        print("the readers of Packages DISAGREE")
    return int(len(digests) > 1)


if __name__ == "__main__":
    sys.exit(main())
