# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run costs that changes nothing: 20 repositories on each host, this collection against the usual ways.

    sudo env PATH=$PWD/.cache/venv/core-2.19/bin:$PATH python3 tests/benchmark/repository_set.py

Four throw-away hosts (two apt, two dnf), reached at once. One line per way; times are the median of the rounds, and the
ways take turns, so that a busy machine is unfair to all of them alike. bin/test or bin/demo must have prepared .cache.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
COUNT = 20
ROUNDS = 7
HOSTS = ("apt1=deb", "apt2=deb", "dnf1=rpm", "dnf2=rpm", "repo=repository")
URL = "http://repo.demo.example/bench"
NAMES = [f"bench-{number:02}" for number in range(1, COUNT + 1)]

Play = t.Dict[str, t.Any]


def play(hosts: str, *tasks: t.Dict[str, t.Any], **variables: t.Any) -> Play:
    named = [{"name": f"Task {number}", **task} for number, task in enumerate(tasks, start=1)]
    return {"name": f"On {hosts}", "hosts": hosts, "gather_facts": False, "vars": variables, "tasks": named}


def publishing(home: str, key: str) -> Play:
    """Publish one package in COUNT suites and COUNT rpm repositories."""
    common = {"architectures": ["amd64"], "key_home": home, "signing_keys": [key], "key_name": "bench", "contents": False}
    suites = [{"name": name, "components": {"main": ["/srv/incoming/base/deb/base"]}} for name in NAMES]
    places = [{"path": name, "packages": ["/srv/incoming/base/rpm/base"]} for name in NAMES]
    return play(
        "repository_host",
        {"egi.cmd.repository": {**common, "path": "/srv/repository/bench/apt", "format": "deb", "origin": "Bench", "suites": suites}},
        {"egi.cmd.repository": {**common, "architectures": ["x86_64"], "path": "/srv/repository/bench/rpm", "format": "rpm", "repositories": places}},
    )


def ours(key: str, armoured: str) -> list[Play]:
    """One task, one module call per host."""
    keys = [{"fingerprint": key, "content": armoured}]
    deb = [{"name": name, "kind": "updates", "uris": [f"{URL}/apt"], "suite": name, "components": ["main"], "origin": "Bench", "keys": keys} for name in NAMES]
    rpm = [{"name": name, "kind": "updates", "baseurl": [f"{URL}/rpm/{name}"], "signed_metadata": True, "keys": keys} for name in NAMES]
    call = {"name": "bench", "repositories": "{{ deb if 'apt_hosts' in group_names else rpm }}"}
    return [play("apt_hosts:dnf_hosts", {"egi.cmd.repository_set": call}, deb=deb, rpm=rpm)]


def one_file() -> list[Play]:
    """One file of pins or repositories in one task: the least the usual way can cost, with no key, no proof and no order."""
    content = "{% for name in names %}# {{ name }}\n{% endfor %}"
    return [play("apt_hosts:dnf_hosts", {"ansible.builtin.copy": {"content": content, "dest": "/etc/bench", "mode": "0644"}}, names=NAMES)]


def loop() -> list[Play]:
    """The loops most roles have: one module call for each repository, on apt another one for its pin."""
    source = f"Types: deb\nURIs: {URL}/apt\nSuites: {{{{ item }}}}\nComponents: main\nSigned-By: /etc/apt/keyrings/bench.asc\n"
    pin = "Package: *\nPin: release n={{ item }}\nPin-Priority: 1200\n"
    dnf = {"name": "loop-{{ item }}", "description": "{{ item }}", "baseurl": f"{URL}/rpm/{{{{ item }}}}", "priority": "30", "enabled": False}
    return [
        play("apt_hosts",
             {"ansible.builtin.copy": {"content": source, "dest": "/var/tmp/loop-{{ item }}.sources", "mode": "0644"}, "loop": NAMES},
             {"ansible.builtin.copy": {"content": pin, "dest": "/var/tmp/loop-{{ item }}.pref", "mode": "0644"}, "loop": NAMES}),
        play("dnf_hosts", {"ansible.builtin.yum_repository": dnf, "loop": NAMES}),
    ]


def run(name: str, plays: t.Sequence[Play], inventory: str) -> tuple[float, str]:
    """Run a playbook; return its seconds and its output. Ends the benchmark when it fails."""
    path = Path(inventory).parent.parent / f"{name}.yml"
    path.write_text(json.dumps(plays))
    start = time.monotonic()
    done = subprocess.run(["ansible-playbook", "-f", "4", "-i", inventory, str(path)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name}: {done.stdout[-3000:]}")
    return time.monotonic() - start, done.stdout


def signing_key(root: Path) -> tuple[str, str, str]:
    """GnuPG home, fingerprint and public key of the standard site's base distribution."""
    home = "/var/lib/repository-keys"
    gpg = ["chroot", str(root), "gpg", "--homedir", home, "--batch"]
    listing = subprocess.run([*gpg, "--with-colons", "--list-keys", "Example OS"], stdout=subprocess.PIPE, text=True, check=True).stdout
    fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
    return home, fingerprint, subprocess.run([*gpg, "--armor", "--export", fingerprint], stdout=subprocess.PIPE, text=True, check=True).stdout


def measure(inventory: str) -> None:
    """Prepare, let the ways take turns, and print the table."""
    subprocess.run(["/usr/bin/python3", "-m", "lab.site"], cwd=TOP, check=True)
    home, key, armoured = signing_key(Path(os.environ["LAB_STATE"]) / "hosts/repo/root")
    run("publish", [publishing(home, key)], inventory)
    ping = [play("apt_hosts:dnf_hosts", {"ansible.builtin.ping": {}})]
    ways = {
        "`ansible.builtin.ping`: one call that does nothing": ping,
        "`egi.cmd.repository_set`: one call": ours(key, armoured),
        "one file with `ansible.builtin.copy`: one call": one_file(),
        "a loop of `copy` (apt) or `yum_repository` (dnf): 40 or 20 calls": loop(),
    }
    first = {name: run("first", plays, inventory)[0] for name, plays in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(ROUNDS):
        for name, plays in ways.items():
            seconds, output = run("again", plays, inventory)
            if "changed=0" not in output or "changed=1" in output:
                sys.exit(f"{name}: not idempotent\n{output}")
            times[name].append(seconds)
    base = statistics.median(times[next(iter(ways))])
    print("| way | first run, s | nothing to change, s | against ping |\n|---|---|---|---|")
    for name, seconds_list in times.items():
        middle = statistics.median(seconds_list)
        print(f"| {name} | {first[name]:.1f} | {middle:.2f} | {middle / base:.1f} |")


def main() -> int:
    """Start a session of throw-away hosts, and measure inside it."""
    os.environ.update(ANSIBLE_COLLECTIONS_PATH=str(TOP / ".cache/collections"), ANSIBLE_PIPELINING="1", PYTHONPATH=str(TOP))
    if "LAB_INVENTORY" in os.environ:
        measure(os.environ["LAB_INVENTORY"])
        return 0
    hosts = [word for host in HOSTS for word in ("--host", host)]
    lab = ["/usr/bin/python3", "-m", "lab", "run", "--fresh", "--discard", "--state", str(TOP / ".cache/benchmark"), *hosts, "--"]
    return subprocess.run([*lab, sys.executable, __file__], cwd=TOP, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
