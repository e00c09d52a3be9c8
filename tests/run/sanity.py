# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity on a copy, with every supported ansible-core this machine's Python can run."""

from __future__ import annotations

import re
from pathlib import Path

from tests.run.checkout import copy
from tests.run.machine import TARGET_MINORS, ansible_test_home, cores, environment, interpreters, tool, venv
from tests.run.report import Output, Report

# ansible-test takes every file below bin for Python; ours are shell, and shellcheck looks at them in the lint part.
LEAVE_OUT = ("bin", ".ci")


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """arguments: names of cores (2.18), to run only these."""
    for minor in TARGET_MINORS:
        if minor not in interpreters():
            report.skip(f"compile and import on Python 3.{minor}", "there is no such interpreter on this machine")
    for core in [core for core in cores() if core in arguments or not arguments]:
        target = copy(f"sanity-{core}", LEAVE_OUT)
        python = venv(f"core-{core}")
        count(report, core, report.run(python / "bin/ansible-test", "sanity", "--color", "no", env=ansible_test_environment(python), cwd=target))


def ansible_test_environment(python: Path) -> dict[str, str]:
    """The environment ansible-test needs: interpreters to find on PATH, shellcheck, a HOME of its own."""
    env = environment(python, HOME=ansible_test_home())
    # Its own settings would be found in the copy it works on; it refuses ANSIBLE_* it does not know.
    env = {name: value for name, value in env.items() if not name.startswith("ANSIBLE_")}
    places = [str(path.parent) for path in interpreters().values()]
    first, *rest = env["PATH"].split(":")
    env["PATH"] = ":".join([first, *places, *rest, str(tool("shellcheck").parent)])
    return env


def count(report: Report, core: str, output: Output) -> None:
    """Each test that ran is one check; the list of failed ones follows the word FATAL."""
    ran = re.findall(r'^Running sanity test "([^"]+)"(?: on Python ([\d.]+))?', output.text, re.MULTILINE)
    # Missing interpreters are reported once for all cores, by run().
    for name in re.findall(r'^WARNING: Skipping sanity test "([^"]+)"(?! on Python)', output.text, re.MULTILINE):
        report.skip(f"core {core}: {name}", "ansible-test left it out, see the log")
    failed = re.findall(r"^([a-z0-9-]+)(?: --python ([\d.]+))?$", output.text.partition("\nFATAL: The ")[2].partition("\n")[2], re.MULTILINE)
    errors = "\n".join(line for line in output.text.splitlines() if line.startswith("ERROR: "))
    for name, version in ran:
        report.check(f"core {core}: {name} {version}".rstrip(), (name, version) not in failed, _errors_of(output.text, name, version))
    if not ran or (output.status and not failed):
        report.check(f"core {core}: ansible-test sanity", False, f"{len(ran)} tests ran, exit status {output.status}\n{errors}\n{output.tail()}")


def _errors_of(text: str, name: str, version: str) -> str:
    """The errors between this test's start and the next one's."""
    start = f'Running sanity test "{name}"' + (f" on Python {version}" if version else "")
    own = text.partition(f"{start}\n")[2].partition("\nRunning sanity test ")[0].partition("\nFATAL: ")[0]
    return "\n".join(line.removeprefix("ERROR: ") for line in own.splitlines() if line.startswith("ERROR: "))
