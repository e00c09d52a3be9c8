#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staged rollouts on real hosts: apt1 is the early adopter, dnf1 is production; runs inside a lab session.

Arguments name the cases to run; all if there are none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
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
PATIENCE = 120.0

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


def the_plan_is_shown_and_nothing_changes() -> None:
    before = state("apt1"), state("dnf1")
    code, said = rollout("--check")
    assert code == 0, said
    assert "2      production      dnf1  cmd-os-1  *         -       1 of 1 pass, 0 may fail" in said, said
    same("apt1", before[0])
    same("dnf1", before[1])
    assert records() == []


def a_limit_cannot_get_past_the_gate() -> None:
    before = state("dnf1")
    code, said = rollout("--limit", "production")
    assert code != 0, said
    assert "early_adopters: 0 of 1 healthy, 1 not attempted: apt1; needs 1 of 1" in said, said
    same("dnf1", before)


def a_first_rollout_that_fails_leaves_no_trace() -> None:
    """A check fails on apt1, which goes back to the base distribution's packages; dnf1 never hears of it."""
    sites(rollout_health_checks=["cloud-api --check", "test -e /nowhere"])
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "early_adopters: 0 of 1 healthy, 1 failed: apt1 (health check 'test -e /nowhere' exited 1); needs 1 of 1" in said, said
    assert "Rolled back: apt1. production was not started" in said, said
    assert "rescued=1" in said, said
    assert statuses(records()[-1], "apt1") == ["started", "failed", "rolled_back"]
    assert statuses(records()[-1], "dnf1") == []
    assert not (ROOTS["apt1"] / MEMORY).exists()
    same("apt1", before[0])
    same("dnf1", before[1])


def a_host_that_is_down_pauses_the_rollout() -> None:
    sites(apt1=UNREACHABLE)
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "early_adopters: 0 of 1 healthy, 1 unreachable: apt1" in said, said
    assert "Nothing was rolled back. production was not started. Run the same command" in said, said
    same("apt1", before[0])
    same("dnf1", before[1])
    assert [event["verdict"] for event in events(records()[-1]) if event["event"] == "gate"] == ["inconclusive"]


def a_rollout_survives_kill_9_and_a_second_operator() -> None:
    """Resume what the host that was down had paused; be killed in the middle; be refused meanwhile; resume again."""
    sites()
    paused, before = records()[-1], state("dnf1")
    first = subprocess.Popen(command(), cwd=WORK, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: "started" in statuses(paused, "apt1"), "apt1 is being changed")
        code, said = rollout()
        assert code != 0, said
        assert f"{paused.stem} is being run by " in said, said
        assert f"process {first.pid} on " in said, said
    finally:
        first.kill()
        first.wait()
    same("dnf1", before)
    with paused.open("a") as file:
        file.write('{"event": "host", "host": "ap')  # what a write looks like that the kill cut in two
    code, said = rollout()
    assert code == 0, said
    assert records()[-1] == paused, "the rollout was not resumed"
    assert "production: 1 of 1 healthy; needs 1 of 1. cmd-os-1 is rolled out." in said, said
    assert version("apt1", "cloud-api").startswith("2.2-")
    assert version("dnf1", "cloud-api").startswith("2.2-")
    assert statuses(paused, "apt1")[-1] == statuses(paused, "dnf1")[-1] == "passed"


def a_host_lost_in_the_middle_has_not_passed() -> None:
    """apt1 is cut off between two health checks: the wave's only host is gone, and the gate is computed all the same."""
    sites(apt1=behind_a_cable("apt1"), rollout_health_checks=["touch /unplugged", "cloud-api --check"], rollout_packages="cloud-api")
    before = state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "early_adopters: 0 of 1 healthy, 1 unreachable: apt1" in said, said
    assert "Nothing was rolled back. production was not started" in said, said
    assert statuses(records()[-1], "apt1") == ["started", "unreachable"]
    same("dnf1", before)
    (ROOTS["apt1"] / "unplugged").unlink()
    sites(rollout_packages="cloud-api")
    first = records()[-1]
    code, said = rollout()
    assert code == 0, said
    assert records()[-1] == first


def behind_a_cable(host: str) -> Host:
    """Connection variables of a host at the end of a cable: an ssh that ends like ssh does once the host has /unplugged."""
    ssh = WORK / "ssh"
    ssh.write_text(f'#!/bin/sh\n[ ! -e {ROOTS[host]}/unplugged ] || exit 255\nfor last; do :; done\nexec chroot {ROOTS[host]} /bin/sh -c "$last"\n')
    ssh.chmod(0o755)
    return {"ansible_connection": "ssh", "ansible_ssh_executable": str(ssh), "ansible_ssh_transfer_method": "piped"}


def a_second_rollout_changes_nothing() -> None:
    sites()
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code == 0, said
    same("apt1", before[0])
    same("dnf1", before[1])
    assert said.count("changed=0") == 2, said


def a_hand_over_between_two_runs() -> None:
    """Early adopters in one run, production in the next, as with an approval between two jobs."""
    sites()
    code, said = rollout("--limit", "early_adopters")
    assert code == 0, said
    first = records()[-1]
    code, said = rollout("--limit", "production")
    assert code == 0, said
    assert records()[-1] == first
    assert statuses(first, "dnf1") == ["started", "passed"]


def a_finished_rollout_goes_back_on_request() -> None:
    """Early adopters, and nobody else, get what is proposed; then both go back to what they had before."""
    sites(rollout_waves=[{"name": "early_adopters", "opt_in": "proposed"}, {"name": "production"}])
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code == 0, said
    assert version("apt1", "cloud-client").startswith("3.1-")
    assert version("dnf1", "cloud-client").startswith("3.0-")
    code, said = rollout("-e", "rollout_roll_back=true")
    assert code == 0, said
    assert " asked for the roll-back. Rolled back: apt1." in said, said
    same("apt1", before[0])
    same("dnf1", before[1])


def a_broken_update_goes_back_to_the_update_before() -> None:
    sites()
    publish("broken")
    before = state("apt1"), state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "1 failed: apt1 (health check 'cloud-api --check' exited 1)" in said, said
    same("apt1", before[0])
    same("dnf1", before[1])


def damage_is_named() -> None:
    damaged = RECORDS / "damaged.jsonl"
    damaged.write_text("not a record\n")
    code, said = rollout()
    damaged.unlink()
    assert code != 0, said
    assert f"Failed to read the rollout record {damaged}: line 1 is not one of its events" in said, said


def wait_until(true: t.Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.2)


CASES = (
    the_plan_is_shown_and_nothing_changes, a_limit_cannot_get_past_the_gate, a_first_rollout_that_fails_leaves_no_trace,
    a_host_that_is_down_pauses_the_rollout, a_rollout_survives_kill_9_and_a_second_operator,
    a_host_lost_in_the_middle_has_not_passed, a_second_rollout_changes_nothing, a_hand_over_between_two_runs, a_finished_rollout_goes_back_on_request,
    a_broken_update_goes_back_to_the_update_before, damage_is_named,
)


def main() -> int:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    publish("proposed")
    sites()
    failed = 0
    cases = [case for case in CASES if case.__name__ in sys.argv[1:] or not sys.argv[1:]]
    for case in cases:
        try:
            case()
            print(f"ok      {case.__name__}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {case.__name__}: {error}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
