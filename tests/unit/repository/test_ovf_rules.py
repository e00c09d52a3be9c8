# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of packages in the guide are those of the code, and the other way round."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
SOURCES = "".join(path.read_text() for path in sorted((TOP / "plugins/module_utils/_image").glob("ovf_*.py")))
GUIDE = (TOP / "docs/ovf.md").read_text()


def test_every_rule_in_the_guide_is_in_the_code() -> None:
    published = {rule for row in re.findall(r"^\| ((?:`[a-z-]+` ?)+)\|", GUIDE, re.MULTILINE) for rule in re.findall(r"`([a-z-]+)`", row)}
    assert len(published) > 40
    assert not {rule for rule in published if f'"{rule}"' not in SOURCES}


def test_every_rule_of_the_code_is_in_the_guide() -> None:
    found = set(re.findall(r'(?:Problem|_Stop|_found)\(\s*"([a-z-]+)"', SOURCES))
    assert len(found) > 40
    assert not {rule for rule in found if f"`{rule}`" not in GUIDE}
