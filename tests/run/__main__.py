# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the tests."""

from __future__ import annotations

import argparse
import fcntl
import signal
import sys
import time
import traceback
import typing as t

from tests.run import checkout, demo, docs, exact, images, importer, integration, lint, machine, molecule, sanity, units
from tests.run.report import Remark, Report


class Part(t.NamedTuple):
    """One part of the tests: what it proves, how to run it, and whether ``quick`` includes it."""

    proves: str
    run: t.Callable[[Report, bool, list[str]], None]
    quick: bool = False


PARTS = {
    "lint": Part("style and types: ansible-lint, yamllint, ruff, mypy, shellcheck", lint.run, quick=True),
    "docs": Part("documentation: every plugin, every link, every example", docs.run, quick=True),
    "units": Part("unit and property tests on every supported ansible-core", units.run, quick=True),
    "sanity": Part("ansible-test sanity on every supported ansible-core and every Python found", sanity.run),
    "exact": Part("much repetition: versions against dpkg and rpm, closures against libsolv, publishing under kill -9", exact.run),
    "importer": Part("the tarball: content, galaxy-importer, installed and used", importer.run),
    "integration": Part("modules and roles on throw-away hosts, real apt and dnf (root)", integration.run),
    "images": Part("images: built, converted, booted with BIOS and UEFI, published (root)", images.run),
    "molecule": Part("the roles' Molecule scenarios on throw-away hosts (root)", molecule.run),
    "demo": Part("bin/demo as a stranger would run it (root)", demo.run),
}


def _arguments() -> argparse.Namespace:
    listing = "\n".join(f"  {name:12} {part.proves}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="bin/test", formatter_class=argparse.RawDescriptionHelpFormatter, description="Run the tests: all, quick, or one part.",
        epilog=f"parts:\n{listing}\n\nquick is lint, docs and units in a lighter form. Output of each part: .cache/test/<part>.log",
    )
    parser.add_argument("part", nargs="?", default="all", choices=["all", "quick", *PARTS], metavar="PART", help="all (default), quick, or a part")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="for one part: integration targets, pytest arguments, a scenario")
    known, rest = parser.parse_known_args()
    known.arguments += rest
    if known.arguments and known.part not in PARTS:
        parser.error(f"arguments are for one part: {' '.join(known.arguments)}")
    return known


def _run(name: str, part: Part, quick: bool, arguments: list[str]) -> Report:
    """Run one part; whatever goes wrong inside it is a failure of that part and of nothing else."""
    print(f"{name:12} {part.proves}", flush=True)
    machine.WORK.mkdir(parents=True, exist_ok=True)
    with (machine.WORK / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("    waiting: another bin/test runs this part in this checkout", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return _run_alone(name, part, quick, arguments)


def _run_alone(name: str, part: Part, quick: bool, arguments: list[str]) -> Report:
    report = Report(name, machine.WORK)
    start = time.monotonic()
    try:
        part.run(report, quick, arguments)
    except (Exception, SystemExit) as error:  # a crash must be counted, whatever it is
        report.check(f"{name} runs to its end", False, str(error) if isinstance(error, SystemExit) else traceback.format_exc())
    if not report.passed and not report.failed:
        report.check(f"{name} ran something", False, "no check was made")
    seconds = time.monotonic() - start
    report.save(seconds)
    _show(report, seconds)
    return report


def _show(report: Report, seconds: float) -> None:
    for remark in report.skipped:
        print(f"    skipped: {_many(remark)}: {remark.why}")
    for remark in report.failed:
        print(f"    FAILED: {_many(remark)}\n" + "".join(f"        {line}\n" for line in remark.why.splitlines()[-15:]), end="")
    passed, failed, skipped = report.counts
    log = f"   see {report.log.relative_to(machine.TOP)}" if failed else ""
    print(f"{'':12} {passed} passed, {failed} failed, {skipped} skipped   ({seconds:.0f} s){log}", flush=True)


def _many(remark: Remark) -> str:
    return remark.name if remark.times == 1 else f"{remark.name} ({remark.times} times)"


def main() -> int:
    """Run the parts asked for; the last line is the sum of what they counted, and true."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_none: sys.exit(143))
    names = list(PARTS) if arguments.part == "all" else [arguments.part]
    if arguments.part == "quick":
        names = [name for name, part in PARTS.items() if part.quick]
    before = checkout.state()
    start = time.monotonic()
    reports = [_run(name, PARTS[name], arguments.part == "quick", arguments.arguments) for name in names]
    passed, failed, skipped = (sum(numbers) for numbers in zip(*(report.counts for report in reports)))
    touched = sorted(name for name, _state in before.items() ^ checkout.state().items())
    if touched:
        print(f"FAILED: a test wrote into the checkout, or somebody edited it meanwhile: {', '.join(dict.fromkeys(touched))}")
        failed += 1
    else:
        passed += 1
    minutes, seconds = divmod(int(time.monotonic() - start), 60)
    print(f"in {minutes} min {seconds} s")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
