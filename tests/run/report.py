# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a part did: its checks by name, its whole output in a log, its counts in a small file."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import time
import typing as t
from pathlib import Path
from xml.etree import ElementTree

# Long enough for the slowest single command on two busy cores; a command that hangs must not cost the whole run.
PATIENCE = 1800.0
_DETAIL_LINES = 15
_SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


@dataclasses.dataclass(frozen=True)
class Output:
    """A finished command: its exit status, and what it wrote (standard output and error, in order)."""

    status: int
    text: str

    def tail(self, lines: int = _DETAIL_LINES) -> str:
        return "\n".join(self.text.rstrip().splitlines()[-lines:])


class Remark(t.NamedTuple):
    """A check that failed or was skipped; times: how many of them, when a program only told their number."""

    name: str
    why: str
    times: int = 1


@dataclasses.dataclass
class Report:
    """Collects the checks of one part."""

    part: str
    directory: Path
    passed: int = 0
    failed: list[Remark] = dataclasses.field(default_factory=list)
    skipped: list[Remark] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log.write_text("")

    @property
    def log(self) -> Path:
        return self.directory / f"{self.part}.log"

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.passed, sum(remark.times for remark in self.failed), sum(remark.times for remark in self.skipped)

    def note(self, text: str) -> None:
        """Write to the part's log."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(text.rstrip() + "\n")

    def check(self, name: str, holds: bool, why: str = "", times: int = 1) -> bool:
        """Count one check, or times of them; why is shown when it does not hold."""
        if holds:
            self.passed += times
        else:
            self.failed.append(Remark(name, why, times))
        self.note(f"{'ok' if holds else 'FAILED'}: {name}" + ("" if holds else f"\n{why}"))
        return holds

    def skip(self, name: str, why: str, times: int = 1) -> None:
        """Count one check, or times of them, that could not be made here."""
        self.skipped.append(Remark(name, why, times))
        self.note(f"skipped: {name}: {why}")

    def run(self, *command: object, env: t.Mapping[str, str], cwd: Path, patience: float = PATIENCE) -> Output:
        """Run a command to its end, its output into the log; ended with its whole process group when patience is over."""
        argv = [str(word) for word in command]
        start = time.monotonic()
        process = subprocess.Popen(
            argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", start_new_session=True,
        )
        try:
            text, _none = process.communicate(timeout=patience)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            text, _none = process.communicate()
            status, text = 124, f"{text}\nended after {patience:.0f} s without an end"
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        # In one piece, because two commands may run at once.
        self.note(f"\n$ {' '.join(argv)}\n{text}(exit status {status}, {time.monotonic() - start:.0f} s)")
        return Output(status, text)

    def command(self, name: str, *command: object, env: t.Mapping[str, str], cwd: Path) -> Output:
        """Run a command and count it as one check: exit status 0."""
        output = self.run(*command, env=env, cwd=cwd)
        self.check(name, output.status == 0, output.tail())
        return output

    def junit(self, name: str, path: Path, output: Output) -> None:
        """Count every test of a junit XML file; a missing file, or one without tests, is one failure."""
        if not path.exists():
            self.check(name, False, f"no test report was written\n{output.tail()}")
            return
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
        bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        idle = [case for case in cases if case.find("skipped") is not None]
        self.passed += len(cases) - len(bad) - len(idle)
        for case in bad:
            reason = next(child for child in case if child.tag in ("failure", "error"))
            self.check(f"{name}: {_title(case)}", False, (reason.text or reason.get("message") or "").strip()[-1500:])
        for case in idle:
            self.skip(f"{name}: {_title(case)}", case.find("skipped").get("message") or "no reason given")  # type: ignore[union-attr]
        if not cases or (output.status and not bad):
            self.check(name, False, f"{len(cases)} tests, exit status {output.status}\n{output.tail()}")

    def tally(self, name: str, output: Output) -> None:
        """Count a program whose last line is ``N passed, N failed, N skipped``."""
        lines = output.text.rstrip().splitlines()
        found = _SUMMARY.match(lines[-1].strip()) if lines else None
        if found is None:
            self.check(name, False, f"no summary line, exit status {output.status}\n{output.tail()}")
            return
        passed, failed, skipped = (int(number) for number in found.groups())
        self.passed += passed
        if failed:
            self.check(name, False, output.tail(), failed)
        if skipped:
            self.skip(name, "it says why in the log", skipped)
        if passed + failed == 0 or (output.status and not failed):
            self.check(name, False, f"ran nothing, or failed without saying where: exit status {output.status}\n{output.tail()}")

    def save(self, seconds: float) -> None:
        """Write the counts for machines, beside the log."""
        passed, failed, skipped = self.counts
        content: dict[str, t.Any] = {"part": self.part, "passed": passed, "failed": failed, "skipped": skipped, "seconds": round(seconds, 1)}
        content["failures"] = [remark._asdict() for remark in self.failed]
        content["skips"] = [remark._asdict() for remark in self.skipped]
        (self.directory / f"{self.part}.json").write_text(json.dumps(content, indent=2) + "\n")


def _title(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '')}.{case.get('name', '')}".rpartition("plugins.")[2]
