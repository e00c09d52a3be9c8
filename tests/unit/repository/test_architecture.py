# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floors of docs/architecture.md hold: what a package may import is what its row says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
UTILS = TOP / "plugins/module_utils"
PREFIX = "ansible_collections.egi.cmd.plugins.module_utils."
PACKAGES = sorted(path.stem for path in UTILS.iterdir() if path.name.startswith("_") and not path.name.startswith("__"))


def allowed() -> dict[str, set[str]]:
    """Package -> packages it may import, from the table in docs/architecture.md."""
    rows = re.findall(r"^\| *[^|]+ *\| *`(_\w+)` *\|[^|]*\| *([^|]+?) *\|$", (TOP / "docs/architecture.md").read_text(), re.MULTILINE)
    return {package: set(re.findall(r"`(_\w+)`", names)) for package, names in rows}


def imported(path: Path) -> set[str]:
    """Packages of module_utils that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name[len(PREFIX):].split(".")[0] for name in names if name.startswith(PREFIX)}


def files_of(package: str) -> list[Path]:
    return sorted((UTILS / package).rglob("*.py")) or [UTILS / f"{package}.py"]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_down(package: str) -> None:
    assert package in allowed(), f"docs/architecture.md has no row for {package}"
    for path in files_of(package):
        above = imported(path) - allowed()[package] - {package}
        assert not above, f"{path.relative_to(TOP)} imports {', '.join(sorted(above))}, which its row in docs/architecture.md does not allow"


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "_ansible"])
def test_only_the_door_knows_ansible(package: str) -> None:
    for path in files_of(package):
        known = re.findall(r"^\s*(?:from|import) ansible(?:\.[\w.]+)?(?= |$)", path.read_text(), re.MULTILINE)
        assert not known, f"{path.relative_to(TOP)}: {known}"


@pytest.mark.parametrize("engine", ["deb", "rpm"])
def test_the_version_engines_share_no_code(engine: str) -> None:
    text = (UTILS / f"_version/{engine}.py").read_text()
    assert not re.search(r"^(?:from|import) .*_version", text, re.MULTILINE)
