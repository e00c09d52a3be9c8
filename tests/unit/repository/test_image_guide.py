# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide of images shows a definition that is right, every field there is, and every rule."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import yaml

from ansible_collections.egi.cmd.plugins.module_utils._image import definition, definition_cell
from ansible_collections.egi.cmd.plugins.module_utils._release import manifest

TOP = Path(__file__).resolve().parents[3]
GUIDE = (TOP / "docs/image.md").read_text()
EXAMPLE = (TOP / "docs/examples/image.yml").read_text()


def test_the_guide_shows_the_example() -> None:
    assert f"```yaml\n{EXAMPLE}```\n" in GUIDE


def test_the_example_becomes_cells_of_the_example_release() -> None:
    (play,) = yaml.safe_load(EXAMPLE)
    told = {**play["tasks"][0]["egi.cmd.image"]["definition"], "release": manifest.load_file(str(TOP / "docs/examples/site-release.yml"))}
    assert definition.problems(told) == []
    assert [cell.name for cell in definition_cell.cells(definition.parse(told))] == ["site-cloud-container-x86_64", "site-cloud-generic-x86_64"]


def test_the_rules_of_definitions_are_published() -> None:
    assert "".join(f"| `{rule}` | {text} |\n" for rule, text in definition.RULES.items()) in GUIDE


def test_every_field_of_a_definition_is_explained() -> None:
    explained = set(re.findall(r"^\| `([a-z_]+)(?:\.[a-z_]+)?` \|", GUIDE, re.MULTILINE))
    assert set(definition.FIELDS) <= explained


def test_the_schema_of_image_json_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads((TOP / "plugins/module_utils/_image/image.schema.json").read_text()))
