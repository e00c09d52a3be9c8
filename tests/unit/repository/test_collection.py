# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules every module, plugin, role and file keeps."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (TOP / "plugins/modules").glob("*.py") if path.stem != "__init__")
ROLES = sorted(path.name for path in (TOP / "roles").iterdir() if (path / "tasks").is_dir())
PLUGINS = sorted(path for kind in ("filter", "lookup", "test") for path in (TOP / "plugins" / kind).glob("*.py") if path.stem != "__init__")
PYTHON = sorted(path for folder in ("plugins", "lab", "tests", "demo") for path in (TOP / folder).rglob("*.py"))
HEADER = "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n# SPDX-License-Identifier: GPL-3.0-or-later\n"


def relative(path: object) -> str:
    return str(path.relative_to(TOP)) if isinstance(path, Path) else str(path)


def texts_of(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.rglob("*") if path.suffix in (".yml", ".py", ".sh"))


def test_action_groups_are_the_modules() -> None:
    assert yaml.safe_load((TOP / "meta/runtime.yml").read_text())["action_groups"] == {"cmd": MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_an_integration_target(module: str) -> None:
    """Directly, or through a role or playbook of the same collection that a target uses."""
    tests = texts_of(TOP / "tests/integration/targets")
    for used in set(re.findall(r"\begi\.cmd\.(\w+)", tests)):
        tests += texts_of(TOP / "roles" / used)
    assert re.search(rf"\begi\.cmd\.{module}\b", tests), f"no target in tests/integration/targets uses egi.cmd.{module}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_supports(module: str) -> None:
    tree = ast.parse((TOP / f"plugins/modules/{module}.py").read_text())
    texts = {node.targets[0].id: node.value.value for node in tree.body
             if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)}
    documentation = yaml.safe_load(texts["DOCUMENTATION"])
    assert documentation["module"] == module
    assert {"check_mode", "diff_mode", "idempotent"} <= set(documentation["attributes"])
    assert "version_added" in documentation
    assert yaml.safe_load(texts["EXAMPLES"])
    assert yaml.safe_load(texts["RETURN"])


@pytest.mark.parametrize("plugin", PLUGINS, ids=relative)
def test_a_plugin_is_documented(plugin: Path) -> None:
    beside = plugin.with_suffix(".yml")
    if beside.exists():
        texts = yaml.safe_load(beside.read_text())
        documentation, rest = texts["DOCUMENTATION"], texts
    else:
        rest = {match[0]: match[1] for match in re.findall(r'^([A-Z]+) = r?"""(.*?)"""', plugin.read_text(), re.MULTILINE | re.DOTALL)}
        documentation = yaml.safe_load(rest["DOCUMENTATION"])
    assert documentation["name"] == plugin.stem
    assert rest["EXAMPLES"].strip()
    assert rest["RETURN"]


@pytest.mark.parametrize("role", ROLES)
def test_role_defaults_are_the_documented_options(role: str) -> None:
    specification = yaml.safe_load((TOP / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    options = {name for entry in specification.values() for name, option in entry.get("options", {}).items() if not option.get("required")}
    defaults = yaml.safe_load((TOP / "roles" / role / "defaults/main.yml").read_text()) or {}
    assert set(defaults) == options


@pytest.mark.parametrize("role", ROLES)
def test_role_options_are_described_alike(role: str) -> None:
    specification = yaml.safe_load((TOP / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    defaults = yaml.safe_load((TOP / "roles" / role / "defaults/main.yml").read_text()) or {}
    for entry in specification.values():
        for name, option in entry.get("options", {}).items():
            assert name.startswith(f"{role}_"), name
            assert option.get("description"), name
            if "default" in option:
                assert option["default"] == defaults[name], name


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_a_molecule_scenario_and_a_readme(role: str) -> None:
    assert (TOP / "extensions/molecule" / role / "converge.yml").exists()
    assert (TOP / "roles" / role / "README.md").exists()


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_a_python_file_names_its_licence_and_stays_readable(path: Path) -> None:
    text = path.read_text()
    assert not text or HEADER in text[:500], "licence header is missing: copy it from plugins/module_utils/_failure.py"
    assert text.count("\n") <= 400, "longer than 400 lines: find the seam"


@pytest.mark.parametrize("path", [path for path in PYTHON if "module_utils" in path.parts and "tests" not in path.parts], ids=relative)
def test_module_utils_say_they_are_private(path: Path) -> None:
    text = path.read_text()
    assert not text or "PRIVATE to the egi.cmd collection" in text[:500]


def test_python_files_speak_for_themselves() -> None:
    unfinished = [relative(path) for path in PYTHON if re.search(r"#.*\b(?:TO[D]O|FIX[M]E|X[X]X)\b", path.read_text())]
    assert not unfinished


@pytest.mark.parametrize("playbook", sorted((TOP / "playbooks").glob("*.yml")), ids=relative)
def test_a_playbook_is_found_by_its_collection_name_and_by_awx(playbook: Path) -> None:
    # AWX offers a playbook only when one line of it looks like this (awx/main/utils/ansible.py).
    assert re.search(r"^\s*?(?:- )?(?:ansible\.builtin\.)?(?:hosts|import_playbook|include):\s*?.*?$", playbook.read_text(), re.MULTILINE)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", playbook.stem)


def test_the_changelog_knows_this_version() -> None:
    version = yaml.safe_load((TOP / "galaxy.yml").read_text())["version"]
    assert version in yaml.safe_load((TOP / "changelogs/changelog.yaml").read_text())["releases"]
    assert f"v{version}" in (TOP / "CHANGELOG.rst").read_text()


def test_cmd_mirror_says_the_version_it_is() -> None:
    version = yaml.safe_load((TOP / "galaxy.yml").read_text())["version"]
    assert f'\nVERSION = "{version}"\n' in (TOP / "plugins/module_utils/_mirror/trace.py").read_text()


def test_shell_entry_points_can_be_called() -> None:
    modes = subprocess.run(["git", "ls-files", "-s", "bin", ".ci"], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
    wrong = [line for line in modes.splitlines() if not line.startswith("100755") and not line.endswith("prepare.sh")]
    assert not wrong
