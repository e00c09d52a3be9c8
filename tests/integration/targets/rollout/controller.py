# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller of a rollout's tests: inventories, runs of the playbook, and how a host really is."""

from __future__ import annotations

import json
import os
import subprocess
import time
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
STATE = Path(os.environ["LAB_STATE"])
INVENTORY = Path(os.environ["LAB_INVENTORY"])
WORK = STATE / "rollout"
RECORDS = WORK / "records"
ROOTS = {name: STATE / "hosts" / name / "root" for name in ("apt1", "dnf1")}
CONFIGURATION = ("etc/apt", "etc/yum.repos.d", "etc/pki/rpm-gpg", "etc/dnf")
MEMORY = "var/lib/egi-cmd/repository_set/cmd-os-1"
# Nothing listens on the discard port of this session's loopback: a host that is down.
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
PATIENCE = 300.0

Host = t.Dict[str, t.Any]


def publish(stage: str) -> None:
    """Publish the standard site; its hosts already run the base distribution's cloud."""
    command = ["/usr/bin/python3", "-m", "lab.site", "--stage", stage, "--install", "cloud-client"]
    done = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def sites(apt1: t.Optional[Host] = None, **variables: t.Any) -> Path:
    """Write the site's inventory: who is in which wave, what is rolled out. apt1: connection variables of apt1."""
    everywhere = {
        "rollout_release": str(STATE / "site" / "release.yml"), "rollout_record_dir": str(RECORDS),
        "rollout_health_checks": ["cloud-api --check"], **variables,
    }
    children = {"early_adopters": {"hosts": {"apt1": apt1 or {}}}, "production": {"hosts": {"dnf1": {}}}}
    path = WORK / "sites.yml"
    path.write_text(json.dumps({"all": {"vars": everywhere, "children": children}}))
    return path


def command(*arguments: str) -> list[str]:
    return ["ansible-playbook", "-i", str(INVENTORY), "-i", str(WORK / "sites.yml"), "egi.cmd.rollout", *arguments]


def rollout(*arguments: str) -> tuple[int, str]:
    """Run the playbook; return its exit status and output."""
    done = subprocess.run(command(*arguments), cwd=WORK, env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=600)
    assert "WARNING" not in done.stdout, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return done.returncode, done.stdout


def environment() -> dict[str, str]:
    return {**os.environ, "ANSIBLE_PIPELINING": "1", "ANSIBLE_INJECT_FACT_VARS": "false", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_RETRIES": "0"}


def packages(host: str) -> list[str]:
    """The host's packages, asked from dpkg or rpm itself; rpm shows the keys it trusts as packages too."""
    query = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Status}\n"] if host == "apt1" else ["rpm", "-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n"]
    listed = subprocess.run(["chroot", str(ROOTS[host]), *query], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return sorted(listed)


def configuration(host: str) -> dict[str, tuple[int, bytes]]:
    """Every file that tells the host about repositories: path -> (mode, content)."""
    found = {}
    for top in CONFIGURATION:
        for path in sorted((ROOTS[host] / top).rglob("*")):
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(ROOTS[host]))] = (path.stat().st_mode, path.read_bytes())
    return found


def state(host: str) -> tuple[list[str], dict[str, tuple[int, bytes]]]:
    return packages(host), configuration(host)


def same(host: str, before: tuple[list[str], dict[str, tuple[int, bytes]]]) -> None:
    """The host's packages and files are what they were, byte for byte."""
    assert packages(host) == before[0], f"{host} has {set(packages(host)) ^ set(before[0])}"
    now = configuration(host)
    different = sorted(path for path in {*now, *before[1]} if now.get(path) != before[1].get(path))
    assert different == [], f"{host} has other files: {different}"


def version(host: str, package: str) -> str:
    return next(line.split()[1] for line in packages(host) if line.split()[0] == package)


def records() -> list[Path]:
    return sorted(RECORDS.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)


def events(path: Path) -> list[dict[str, t.Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def statuses(path: Path, host: str) -> list[str]:
    return [event["status"] for event in events(path) if event["event"] == "host" and event["host"] == host]


def behind_a_cable(host: str) -> Host:
    """Connection variables of a host at the end of a cable: an ssh that ends like ssh does once the host has /unplugged."""
    ssh = WORK / "ssh"
    ssh.write_text(f'#!/bin/sh\n[ ! -e {ROOTS[host]}/unplugged ] || exit 255\nfor last; do :; done\nexec chroot {ROOTS[host]} /bin/sh -c "$last"\n')
    ssh.chmod(0o755)
    return {"ansible_connection": "ssh", "ansible_ssh_executable": str(ssh), "ansible_ssh_transfer_method": "piped"}


def of_host(host: str, record: str) -> dict[str, t.Any]:
    """What the host itself knows of a rollout."""
    told: dict[str, t.Any] = json.loads((ROOTS[host] / f"var/lib/egi-cmd/rollout/{record}.json").read_text())
    return told


def wait_until(true: t.Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.2)
