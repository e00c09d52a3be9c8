# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/waves.md shows is a plan, and its table is what comes out."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.egi.cmd.plugins.module_utils._rollout.gate import Status, judge
from ansible_collections.egi.cmd.plugins.module_utils._rollout.plan import plan_of
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave

GUIDE = (Path(__file__).parents[3] / "docs/waves.md").read_text()
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)]
GROUPS = {
    "all": ["ea1", "ea2", "a1", "a2", "b1", "web1.example.org"], "early_adopters": ["ea1", "ea2"], "site_a": ["a1", "a2"], "site_b": ["b1"],
}
LAST_WORDS = {
    "passed": Status.PASSED, "unreachable": Status.UNREACHABLE, "failed": Status.FAILED, "rolled back": Status.ROLLED_BACK,
    "left out by `--limit`": Status.NOT_ATTEMPTED, "without a result": Status.STARTED,
}


def example(key: str) -> t.Any:
    return next(one[key] for one in EXAMPLES if key in one)


def test_the_waves_of_the_guide_are_a_plan() -> None:
    plan = plan_of(example("rollout_waves"), GROUPS, "cmd-os-1")
    assert [wave.name for wave in plan.waves] == ["early_adopters", "some", "production"]


def test_the_window_of_the_guide_is_one() -> None:
    (wave,) = plan_of([{"name": "site_a", "windows": example("windows")}], GROUPS, "cmd-os-1").waves
    assert (wave.windows[0].start, wave.windows[0].end) == ("22:00", "04:00")


def rows() -> list[list[str]]:
    table = GUIDE.partition("| four hosts, and |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_the_table_of_verdicts_is_what_the_gate_says(row: list[str]) -> None:
    story, min_passed, max_failed, verdict = row
    numbers = {"one": 1, "two": 2}
    for word in [word for word in LAST_WORDS if re.search(rf"\b{re.escape(word)}" if word[0].isalpha() else re.escape(word), story)] or ["passed"]:
        bad = [status for count, said in re.findall(r"(one|two) (failed|unreachable|rolled back)", story) for status in [LAST_WORDS[said]] * numbers[count]]
        bad = bad or [LAST_WORDS[word]] * (0 if word == "passed" else 1)
        checks = ("api",) if "required check" in story else ()
        hosts = tuple(f"h{number}" for number in range(4))
        statuses = dict(zip(hosts, [*bad, *[Status.PASSED] * (4 - len(bad))]))
        recorded = {host: ["api"] for host in hosts[1:]}
        wave = Wave("w", hosts, int(min_passed), int(max_failed), required_checks=checks)
        assert judge(wave, statuses, checks=recorded).verdict.value == verdict, word
