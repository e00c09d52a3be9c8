# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation: what Ansible shows of every plugin, and every example as a playbook that Ansible accepts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.run.checkout import copy
from tests.run.machine import TOP, WORK, collections, environment, newest, remove, tool, venv
from tests.run.report import Report

_KINDS = ("module", "filter", "test", "lookup", "role")


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """quick leaves out the examples as playbooks. Links and readability of the guides are unit tests (tests/unit/repository)."""
    collections()
    env = environment(newest())
    target = copy("docs")
    lint = [str(tool("antsibull-docs")), "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self", "--skip-rstcheck", "."]
    output = report.run(*lint, env=environment(venv("lint"), ANSIBLE_COLLECTIONS_PATH=target.parents[2]), cwd=target)
    report.check("antsibull-docs lint", output.status == 0 and not output.text.strip(), output.tail())
    examples = _documented(report, env)
    if not quick:
        _playbooks(report, env, examples)


def _documented(report: Report, env: dict[str, str]) -> dict[str, str]:
    """ansible-doc shows every file of every kind; returns plugin -> its examples."""
    examples: dict[str, str] = {}
    for kind in _KINDS:
        folder = TOP / "roles" if kind == "role" else TOP / "plugins" / (f"{kind}s" if kind == "module" else kind)
        expected = sorted({f"egi.cmd.{path.stem}" for path in folder.glob("[a-z]*") if path.is_dir() or path.suffix == ".py"})
        done = subprocess.run(["ansible-doc", "--json", "-t", kind, *expected], env=env, stdout=subprocess.PIPE, text=True, check=False)
        shown = json.loads(done.stdout or "{}")
        for name in expected:
            good = name in shown and "error" not in shown[name]
            report.check(f"ansible-doc -t {kind} {name}", good, str(shown.get(name, {}).get("error", "not shown")))
            if good and kind != "role":
                examples[f"{kind}.{name}"] = shown[name].get("examples") or ""
    return examples


def _playbooks(report: Report, env: dict[str, str], examples: dict[str, str]) -> None:
    """Every example, of plugins and of guides, goes through ansible-playbook --syntax-check."""
    target = WORK / "docs-examples"
    remove(target)
    target.mkdir(parents=True)
    (target / "plugins.json").write_text(json.dumps(examples))
    writer = Path(__file__).with_name("examples.py")
    output = report.run(newest() / "bin/python", writer, TOP, target, env=env, cwd=TOP)
    report.check("examples can be read", output.status == 0, output.tail())
    playbooks = sorted(target.glob("*.yml"))
    check = ["ansible-playbook", "--syntax-check", "-i", "localhost,"]
    together = report.run(*check, *playbooks, env=env, cwd=target)
    for playbook in playbooks:
        # One by one only when that is needed to say which.
        output = together if together.status == 0 else report.run(*check, playbook, env=env, cwd=target)
        report.check(f"example {playbook.stem}", output.status == 0, output.tail())
