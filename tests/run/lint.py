# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Style and types. The collection's own files only; how the tools are set is in their usual files at the top."""

from __future__ import annotations

from tests.run.checkout import copy, files
from tests.run.machine import TOP, WORK, collections, environment, tool, venv
from tests.run.report import Report


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """quick leaves out the second run of ansible-lint."""
    collections()
    env = environment(venv("lint"))
    python = [path for path in files() if path.suffix == ".py"]
    shell = [path for path in files() if path.parts[0] in ("bin", ".ci") or path.suffix == ".sh"]
    report.command("ruff", tool("ruff"), "check", "--no-cache", *python, env=env, cwd=TOP)
    report.command("yamllint", tool("yamllint"), "--strict", *[path for path in files() if path.suffix in (".yml", ".yaml")], env=env, cwd=TOP)
    report.command("shellcheck", tool("shellcheck"), "--external-sources", *shell, env=env, cwd=TOP)
    _mypy(report, env)
    _ansible_lint(report, env, quick)
    report.command("changelog fragments", tool("antsibull-changelog"), "lint", env=env, cwd=copy("changelog"))


def _mypy(report: Report, env: dict[str, str]) -> None:
    paths = {**env, "MYPYPATH": env["ANSIBLE_COLLECTIONS_PATH"]}
    packages = [f"ansible_collections.egi.cmd.plugins.{name}" for name in ("module_utils", "plugin_utils", "filter", "lookup", "modules")]
    flags = ["--config-file", "pyproject.toml", "--cache-dir", f"{WORK}/mypy"]
    report.command("mypy: plugins", tool("mypy"), *flags, *[word for name in packages for word in ("-p", name)], env=paths, cwd=TOP)
    report.command("mypy: lab and test runner", tool("mypy"), *flags, "-p", "lab", "-p", "tests.run", env={**paths, "MYPYPATH": str(TOP)}, cwd=TOP)


def _ansible_lint(report: Report, env: dict[str, str], quick: bool) -> None:
    """On a copy: ansible-lint leaves a .ansible folder behind. Twice: a profile silently leaves out the rule ``args``."""
    target = copy("lint", leave_out=("tests",))
    once = {**env, "ANSIBLE_COLLECTIONS_PATH": f"{target.parents[2]}:{env['ANSIBLE_COLLECTIONS_PATH']}"}
    lint = [str(tool("ansible-lint")), "--nocolor", "--offline"]
    report.command("ansible-lint, production profile", *lint, env=once, cwd=target)
    if not quick:
        # What demo/ publishes and holds keeps arguments in module_defaults, which the rule does not know; the demo itself runs it.
        without = ["--exclude", "changelogs", "--exclude", "demo/site.yml", "--exclude", "demo/holds.yml"]
        report.command("ansible-lint, module arguments", *lint, "--strict", "--config-file", "/dev/null", *without, env=once, cwd=target)
