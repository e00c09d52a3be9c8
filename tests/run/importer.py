# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball a user installs: what is in it, what Galaxy's importer says, and whether it works with nothing else around."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.run.checkout import copy
from tests.run.machine import TOP, WORK, environment, newest, remove, venv
from tests.run.report import Report

# First path elements of the tarball: what a user needs, and nothing of the workshop.
_EXPECTED = {
    "CHANGELOG.rst", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md",
    "changelogs", "docs", "extensions", "meta", "playbooks", "plugins", "roles",
}
_REMAINS = ("meta", "plugins", "roles", "playbooks")
_FINDING = re.compile(r"^(?:WARNING|ERROR).*", re.MULTILINE)


def run(report: Report, quick: bool, arguments: list[str]) -> None:
    """Build from what git has, so that nothing left lying about in the checkout gets in."""
    python = newest()
    env = environment(python, LC_ALL="C.UTF-8")
    target = WORK / "importer"
    remove(target)
    target.mkdir(parents=True)
    command = [python / "bin/ansible-galaxy", "collection", "build", "--output-path", target]
    report.command("the collection builds", *command, env=env, cwd=copy("build"))
    for tarball in target.glob("*.tar.gz"):
        _content(report, tarball)
        _importer(report, tarball)
        _installed(report, tarball, env)


def _content(report: Report, tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = [Path(name) for name in archive.getnames()]
    first = {path.parts[0] for path in names if path.parts}
    report.check("the tarball holds what it should", first == _EXPECTED, f"unexpected: {sorted(first - _EXPECTED)}, missing: {sorted(_EXPECTED - first)}")
    junk = [str(path) for path in names if "__pycache__" in path.parts or path.suffix in (".pyc", ".gz", ".orig", ".swp")]
    report.check("the tarball holds no left-overs", not junk, "\n".join(junk))


def _importer(report: Report, tarball: Path) -> None:
    """Galaxy's importer ends with 0 whatever it finds, so its log decides."""
    python = venv("importer")
    (tarball.parent / "importer.cfg").write_text("[galaxy-importer]\nCHECK_CHANGELOG = True\nANSIBLE_LOCAL_TMP = " + f"{WORK}/ansible/importer\n")
    env = environment(python, GALAXY_IMPORTER_CONFIG=tarball.parent / "importer.cfg")
    output = report.run(python / "bin/python", "-m", "galaxy_importer.main", tarball.name, env=env, cwd=tarball.parent)
    report.check("galaxy-importer accepts the tarball", output.status == 0 and "Importer processing completed successfully" in output.text, output.tail())
    findings = _FINDING.findall(output.text)
    report.check("galaxy-importer finds nothing to say", not findings, "\n".join(findings))


def _installed(report: Report, tarball: Path, env: dict[str, str]) -> None:
    """Install, delete all but what Ansible loads, and use a module, a lookup, a filter, the roles and a playbook."""
    place = tarball.parent / "collections"
    env = {**env, "ANSIBLE_COLLECTIONS_PATH": str(place)}
    report.command("the tarball installs", "ansible-galaxy", "collection", "install", "--offline", "-p", place, tarball, env=env, cwd=tarball.parent)
    collection = place / "ansible_collections/egi/cmd"
    for path in collection.iterdir():
        if path.name not in (*_REMAINS, "MANIFEST.json", "FILES.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    told = report.run(venv("importer") / "bin/ansible-builder", "introspect", place, env=env, cwd=tarball.parent)
    report.check("an execution environment gets what the collection needs", told.status == 0 and "jsonschema" in told.text, told.tail())
    # In check mode, and for a set that does not exist: this is somebody's machine.
    module = ["ansible", "localhost", "--check", "-m", "egi.cmd.repository_set", "-a", "name=importer-test state=absent"]
    report.command("an installed module runs", *module, env=env, cwd=tarball.parent)
    lookup = "{{ (lookup('egi.cmd.release', 'cmd-os-1')).name }} {{ ['1.0~rc1', '1.0'] | egi.cmd.deb_version_max }}"
    debug = ["ansible", "localhost", "-m", "ansible.builtin.debug", "-a", f"msg={json.dumps(lookup)}"]
    told = report.command("an installed lookup and filter run", *debug, env=env, cwd=tarball.parent)
    report.check("the installed lookup reads a shipped manifest", "cmd-os-1 1.0" in told.text, told.tail())
    for playbook in sorted(collection.glob("playbooks/*.yml")):
        name = f"egi.cmd.{playbook.stem}"
        report.command(f"installed playbook {name}", "ansible-playbook", "--syntax-check", "-i", "localhost,", name, env=env, cwd=tarball.parent)
    listing = json.loads(subprocess.run(["ansible-doc", "--json", "--list", "-t", "role", "egi.cmd"], env=env, stdout=subprocess.PIPE, check=True).stdout)
    roles = {f"egi.cmd.{path.name}" for path in (TOP / "roles").iterdir() if path.is_dir()}
    report.check("every installed role is documented", set(listing) == roles, f"{sorted(listing)} instead of {sorted(roles)}")
