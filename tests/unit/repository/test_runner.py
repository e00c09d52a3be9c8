# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bin/test counts truly: what ran nothing, crashed or was cut short is a failure."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.run import sanity
from tests.run.report import Output, Report


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return Report("part", tmp_path)


@pytest.mark.parametrize(("status", "text", "counts"), [
    (0, "work\n3 passed, 0 failed, 1 skipped\n", (3, 0, 1)),
    (1, "work\n3 passed, 2 failed, 0 skipped\n", (3, 2, 0)),
    (0, "work\n0 passed, 0 failed, 0 skipped\n", (0, 1, 0)),
    (0, "work\n0 passed, 0 failed, 4 skipped\n", (0, 1, 4)),
    (1, "work\n3 passed, 0 failed, 0 skipped\n", (3, 1, 0)),
    (0, "3 passed, 0 failed, 0 skipped\nand more\n", (0, 1, 0)),
    (0, "", (0, 1, 0)),
])
def test_a_program_is_believed_only_when_its_last_line_and_exit_status_agree(report: Report, status: int, text: str, counts: tuple[int, int, int]) -> None:
    report.tally("program", Output(status, text))
    assert report.counts == counts


@pytest.mark.parametrize(("status", "xml", "counts"), [
    (0, "<testsuites><testsuite><testcase name='a'/><testcase name='b'><skipped message='no'/></testcase></testsuite></testsuites>", (1, 0, 1)),
    (1, "<testsuites><testsuite><testcase name='a'><failure>why</failure></testcase></testsuite></testsuites>", (0, 1, 0)),
    (1, "<testsuites><testsuite><testcase name='a'/></testsuite></testsuites>", (1, 1, 0)),
    (0, "<testsuites><testsuite/></testsuites>", (0, 1, 0)),
    (3, None, (0, 1, 0)),
])
def test_pytest_is_believed_only_with_a_report_of_tests(report: Report, tmp_path: Path, status: int, xml: str | None, counts: tuple[int, int, int]) -> None:
    path = tmp_path / "junit.xml"
    if xml:
        path.write_text(xml)
    report.junit("pytest", path, Output(status, "output"))
    assert report.counts == counts


RAN = 'Running sanity test "compile" on Python 3.8\nRunning sanity test "pep8"\nERROR: Found 1 pep8 issue(s)\nERROR: a.py:1:1: E999: bad\n'


@pytest.mark.parametrize(("status", "text", "counts"), [
    (0, 'Running sanity test "compile" on Python 3.8\nRunning sanity test "pep8"\n', (2, 0, 0)),
    (1, f"{RAN}FATAL: The 1 sanity test(s) listed below (out of 2) failed. See error output above for details.\npep8\n", (1, 1, 0)),
    (1, f"{RAN}FATAL: something else\n", (2, 1, 0)),
    (0, "WARNING: All targets skipped.\n", (0, 1, 0)),
    (0, 'WARNING: Skipping sanity test "pslint" because it cannot be done.\nRunning sanity test "pep8"\n', (1, 0, 1)),
])
def test_sanity_is_believed_only_when_tests_ran(report: Report, status: int, text: str, counts: tuple[int, int, int]) -> None:
    sanity.count(report, "2.19", Output(status, text))
    assert report.counts == counts


def test_the_error_shown_is_the_one_of_the_test(report: Report) -> None:
    sanity.count(report, "2.19", Output(1, f"{RAN}FATAL: The 1 sanity test(s) listed below failed.\npep8\n"))
    assert [(remark.name, "E999" in remark.why) for remark in report.failed] == [("core 2.19: pep8", True)]


def test_a_command_that_hangs_is_ended_with_its_children(report: Report, tmp_path: Path) -> None:
    mark = tmp_path / "child"
    script = f"import subprocess, time; p = subprocess.Popen(['sleep', '60']); open({str(mark)!r}, 'w').write(str(p.pid)); time.sleep(60)"
    output = report.run(sys.executable, "-c", script, env=os.environ, cwd=tmp_path, patience=2)
    assert output.status == 124
    deadline = time.monotonic() + 10
    while Path(f"/proc/{mark.read_text()}/stat").exists() and " Z " not in Path(f"/proc/{mark.read_text()}/stat").read_text():
        assert time.monotonic() < deadline, "the child is still there"
        time.sleep(0.1)
