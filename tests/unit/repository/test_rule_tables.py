# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of rules in the guides are those of the code; the worked examples are true for dpkg and rpm."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive import metadata_check
from ansible_collections.egi.cmd.plugins.module_utils._promotion import conditions, hold
from ansible_collections.egi.cmd.plugins.module_utils._version import mos_rules, mos_scheme

DOCS = Path(__file__).resolve().parents[3] / "docs"
EXAMPLES = re.findall(r"^\| (deb|rpm) \| `([^`]+)` \| `([^`]+)` \|$", (DOCS / "mos-versions.md").read_text(), re.MULTILINE)


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"|{'|'.join(line)}|\n" if line[0] == "---" else f"| {' | '.join(line)} |\n" for line in lines)


def test_the_rules_of_versions_are_published() -> None:
    rows = [(f"`{rule.id}`", ", ".join(rule.families), rule.text, rule.why) for rule in mos_rules.RULES]
    assert table(("rule", "family", "what", "why"), rows) in (DOCS / "mos-versions.md").read_text()


def test_the_rules_of_packages_are_published() -> None:
    rows = [(f"`{rule.id}`", rule.severity, rule.text) for rule in metadata_check.RULES]
    assert table(("rule", "severity", "what"), rows) in (DOCS / "package-check.md").read_text()


def test_the_conditions_of_a_promotion_are_published() -> None:
    rows = [(f"`{rule}`", one.text, one.who, "yes" if one.waivable else "no") for rule, one in conditions.CONDITIONS.items()]
    assert table(("excuse", "what has to hold", "who acts", "can be waived"), rows) in (DOCS / "promotion.md").read_text()


def test_the_rules_of_holds_are_published() -> None:
    rows = [(f"`{rule}`", f"{text[0].upper()}{text[1:]}.") for rule, text in hold.RULES.items()]
    assert table(("rule", "what it demands"), rows) in (DOCS / "holdback.md").read_text()


def test_there_are_worked_examples_of_both_families() -> None:
    assert {family for family, _low, _high in EXAMPLES} == {"deb", "rpm"}


@pytest.mark.parametrize(("family", "low", "high"), EXAMPLES)
def test_a_worked_example_is_true(family: str, low: str, high: str) -> None:
    key = mos_scheme.scheme(family).key
    assert key(low) < key(high)


@pytest.mark.parametrize(("family", "low", "high"), EXAMPLES)
def test_the_package_managers_agree(family: str, low: str, high: str) -> None:
    """rpm tells through its own macro language, so that no binding is needed."""
    tool = {"deb": "dpkg", "rpm": "rpm"}[family]
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    if family == "deb":
        assert subprocess.run(["dpkg", "--compare-versions", low, "lt", high], check=False).returncode == 0
    else:
        said = subprocess.run(["rpm", "--eval", f'%{{lua:print(rpm.vercmp("{low}", "{high}"))}}'], check=True, capture_output=True, text=True).stdout
        assert said.strip() == "-1"
