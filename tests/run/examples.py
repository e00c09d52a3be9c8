# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every YAML example of plugins and guides as a playbook: ``examples.py TOP TARGET``. Needs PyYAML.

A list with hosts is a playbook; a list of tasks gets a play around it; everything else (a manifest, variables, an
inventory) is not for ansible-playbook and is left out. TARGET/plugins.json holds the plugins' own examples.
"""

from __future__ import annotations

import json
import re
import sys
import typing as t
from pathlib import Path

import yaml


def playbook(document: t.Any) -> list[t.Any] | None:
    """The playbook an example is, or can be made into; None when it is something else."""
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        return None
    if any("hosts" in item or "ansible.builtin.import_playbook" in item for item in document):
        return document
    if any("." in key and key.replace(".", "").replace("_", "").isalnum() for item in document for key in item):
        return [{"name": "Example", "hosts": "localhost", "gather_facts": False, "tasks": document}]
    return None


def examples(top: Path, target: Path) -> t.Iterator[tuple[str, str]]:
    """Every example with a name for its file."""
    yield from json.loads((target / "plugins.json").read_text()).items()
    for path in sorted([*top.glob("*.md"), *top.glob("docs/**/*.md"), *top.glob("roles/*/README.md")]):
        blocks = re.findall(r"^```ya?ml\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
        for number, body in enumerate(blocks, start=1):
            yield f"{'-'.join(path.relative_to(top).with_suffix('').parts)}-{number}", body


def main(top: Path, target: Path) -> None:
    """Write the playbooks, one per example."""
    for name, text in examples(top, target):
        for number, document in enumerate(yaml.safe_load_all(text), start=1):
            plays = playbook(document)
            if plays is not None:
                (target / f"{name}-{number}.yml").write_text(json.dumps(plays, default=str) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
