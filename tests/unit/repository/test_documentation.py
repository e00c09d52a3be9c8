# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents are true in the small things: links lead somewhere, examples can be read, commands exist."""

from __future__ import annotations

import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.egi.cmd.plugins.module_utils._release import document, manifest
from tests.run import machine

TOP = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md"), *TOP.glob("roles/*/README.md")])


class Block(t.NamedTuple):
    """A code block of a document."""

    path: Path
    number: int
    language: str
    body: str


BLOCKS = [
    Block(path, number, language, body)
    for path in DOCUMENTS
    for number, (language, body) in enumerate(re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL), start=1)
]


def name(value: Path | Block) -> str:
    return f"{value.path.relative_to(TOP)}, block {value.number}" if isinstance(value, Block) else str(value.relative_to(TOP))


def prose(path: Path) -> str:
    """A document without its code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def parses(text: str) -> bool:
    """Whether a shell can read it."""
    return subprocess.run(["sh", "-n"], input=text, text=True, stderr=subprocess.DEVNULL, check=False).returncode == 0


def anchors(path: Path) -> set[str]:
    """The anchors a forge makes of a document's headings."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if not re.match(r"[a-z]+:", target):
            file, _hash, anchor = target.partition("#")
            found = (path.parent / file).resolve() if file else path
            assert found.exists(), f"{target} leads nowhere"
            if anchor and found.suffix == ".md":
                assert anchor in anchors(found), f"{target}: there is no such heading"


def test_every_guide_is_linked_from_the_index() -> None:
    index = (TOP / "docs/README.md").read_text()
    missing = [path.name for path in TOP.glob("docs/*.md") if path.name != "README.md" and f"({path.name}" not in index]
    assert not missing


@pytest.mark.parametrize("block", BLOCKS, ids=name)
def test_an_example_can_be_read(block: Block) -> None:
    assert block.language, "a code block names its language: yaml, console, text ..."
    if block.language in ("yaml", "yml"):
        assert list(yaml.safe_load_all(block.body))
    if block.language == "console" and "\n$ " not in f"\n{block.body}":
        assert parses(block.body), "a console block is commands, or commands after a prompt with what they print"
    if block.language in ("sh", "shell", "bash"):
        assert parses(block.body)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "console"], ids=name)
def test_a_shown_command_exists(block: Block) -> None:
    prompted = re.findall(r"^\$ (.+)$", block.body, re.MULTILINE)
    for line in prompted or block.body.splitlines():
        for program in re.findall(r"(?:^|sudo )((?:bin|\.ci)/\S+)", line):
            assert (TOP / program).exists(), f"{program} does not exist"


@pytest.mark.parametrize("block", [block for block in BLOCKS if re.search(r"^schema: 1$", block.body, re.MULTILINE)], ids=name)
def test_a_shown_release_manifest_is_valid(block: Block) -> None:
    where = name(block)
    assert manifest.check(document.parse(block.body, where), where)["name"]


def test_the_readme_shows_the_example_release() -> None:
    shown = next(block.body for block in BLOCKS if block.path == TOP / "README.md" and "schema: 1" in block.body)
    assert yaml.safe_load(shown) == yaml.safe_load((TOP / "docs/examples/site-release.yml").read_text())


def test_the_readme_names_the_supported_cores() -> None:
    row = re.search(r"^\| ansible-core \| ([\d., ]+) \|", (TOP / "README.md").read_text(), re.MULTILINE)
    assert row
    assert row[1].split(", ") == list(machine.CORES)
    assert yaml.safe_load((TOP / "meta/runtime.yml").read_text())["requires_ansible"] == f">={next(iter(machine.CORES))}.0"
