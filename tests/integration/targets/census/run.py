#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The census of a real apt host and a real dnf host, beside one that is down; runs inside a lab session.

The host repo mirrors the standard site, dnf1 is frozen at a snapshot of it and apt1 follows its moving name. Arguments name
the cases to run; all if there are none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import traceback
import typing as t
from pathlib import Path

import jsonschema
from referencing import Registry, Resource

TOP = Path(__file__).resolve().parents[4]
STATE = Path(os.environ["LAB_STATE"])
INVENTORY = os.environ["LAB_INVENTORY"]
WORK = STATE / "census"
ROOTS = {name: STATE / "hosts" / name / "root" for name in ("apt1", "dnf1")}
SOURCES = {"apt1": "etc/apt/sources.list.d/egi-cmd-cmd-os-1.sources", "dnf1": "etc/yum.repos.d/egi-cmd-cmd-os-1.repo"}
MIRROR = "http://repo.demo.example/mirror"
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
SCHEMAS = [json.loads((TOP / path).read_text()) for path in ("plugins/module_utils/_host/census.schema.json", "plugins/plugin_utils/fleet.schema.json")]
REGISTRY: t.Any = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in SCHEMAS)
PUBLISH = """
- hosts: repo
  gather_facts: false
  tasks:
    - include_tasks: {mirror}
    - copy: {{content: "{{{{ first.sets['cmd-os-1'].snapshot }}}}", dest: {snapshot}}}
      delegate_to: localhost
"""
POINT = """
- hosts: apt1:dnf1
  gather_facts: false
  vars:
    manifest: "{{ lookup('egi.cmd.release', lookup('ansible.builtin.env', 'LAB_STATE') ~ '/site/release.yml') }}"
    release: >-
      {{ manifest | combine({
        'deb': {'uri': mirror ~ '/cmd-os-1/deb', 'snapshot_uri': mirror ~ '/snapshots/{snapshot}/deb'},
        'rpm': {'baseurl': mirror ~ '/cmd-os-1/el9-{kind}', 'snapshot_baseurl': mirror ~ '/snapshots/{snapshot}/el9-{kind}'}
      }, recursive=true) }}
  roles:
    - role: egi.cmd.cmd_repo
      cmd_repo_release: "{{ release }}"
      cmd_repo_snapshot: "{{ snapshot if inventory_hostname == 'dnf1' else '' }}"
  tasks:
    - egi.cmd.package_sync: {set: cmd-os-1, packages: [cloud-api], record: first}
"""
Answer = t.Dict[str, t.Any]


def run(command: t.Sequence[str], good: t.Collection[int] = (0,)) -> str:
    """Run a program of this machine; return its standard output and error."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300,
                          cwd=WORK, env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_RETRIES": "0"})
    assert done.returncode in good, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
    assert "Traceback" not in done.stdout and "WARNING]" not in done.stdout, done.stdout
    return done.stdout


def on(host: str, script: str) -> str:
    """Run a shell script on a host; return its output."""
    return run(["chroot", str(ROOTS[host]), "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-euc", script])


def play(text: str, **variables: t.Any) -> None:
    """Run a playbook of this file."""
    (WORK / "play.yml").write_text(text)
    run(["ansible-playbook", "-i", INVENTORY, "play.yml", "-e", json.dumps(variables)])


def census(host: str, **arguments: t.Any) -> Answer:
    """Take the census of a host, which is what the schema says."""
    text = run(["ansible", host, "-i", INVENTORY, "-m", "egi.cmd.census_info", "-a", json.dumps(arguments) if arguments else ""])
    answer: Answer = json.loads(text[text.index("=> {") + 3:])
    assert answer["changed"] is False, answer
    found: Answer = answer["census"]
    jsonschema.Draft202012Validator(SCHEMAS[0]).validate(found)
    return found


def only_set(found: Answer) -> Answer:
    """The one repository set of a host."""
    (placed,) = found["sets"]
    return t.cast(Answer, placed)


def snapshot() -> str:
    """The snapshot that the mirror made."""
    return (WORK / "snapshot").read_text()


def prepare() -> None:
    """Publish the site, mirror it, and point the hosts there."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    done = subprocess.run(["/usr/bin/python3", "-m", "lab.site"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for host in ROOTS:
        nothing = census(host)
        assert nothing["sets"] == [] and nothing["rollout"] is None and nothing["problems"] == [], nothing
    play(PUBLISH.format(mirror=TOP / "tests/integration/targets/frozen_host/tasks/mirror.yml", snapshot=WORK / "snapshot"))
    play(POINT, mirror=MIRROR, snapshot=snapshot())


def a_host_as_it_was_made() -> None:
    """Nothing was changed by hand; the versions are those of dpkg and rpm."""
    for host in ROOTS:
        found = census(host, drift="all", packages=["cloud-api", "site-tools", "nonesuch"])
        placed = only_set(found)
        assert (placed["name"], placed["release"]) == ("cmd-os-1", "cmd-os-1"), placed
        assert (placed["sync"]["record"], placed["sync"]["state"]) == ("first", "applied"), placed
        assert found["drift"] == {"files": [], "packages": []} and found["holds"] == [] and found["problems"] == [], found
        assert found["packages"]["nonesuch"] is None, found
        for name in ("cloud-api", "site-tools"):
            query = f"dpkg-query -W -f '${{Version}}' {name}" if host == "apt1" else f"rpm -q --qf '%{{VERSION}}-%{{RELEASE}}' {name}"
            assert found["packages"][name] == on(host, query), found
        assert found["kernel"]["running"] == os.uname().release and found["kernel"]["installed"] is None, found
        memory = json.loads((ROOTS[host] / "var/lib/egi-cmd/repository_set/cmd-os-1/current.json").read_text())
        assert placed["generation"] == memory["generation"], placed
    assert census("dnf1")["system"]["family"] == "dnf" and census("apt1")["system"]["family"] == "apt"


def a_frozen_host_names_its_snapshot_and_the_mirror_says_where_the_moving_one_is() -> None:
    placed = only_set(census("dnf1"))
    assert placed["frozen"] and placed["snapshots"] == [snapshot()], placed
    placed = only_set(census("apt1"))
    assert not placed["frozen"] and placed["snapshots"] == [], placed
    placed = only_set(census("apt1", ask_mirror=True))
    assert not placed["frozen"] and placed["snapshots"] == [snapshot()], placed


def what_was_changed_by_hand_is_found() -> None:
    for host, name in SOURCES.items():
        path = ROOTS[host] / name
        before = path.read_bytes()
        try:
            path.write_bytes(before + b"# somebody was here\n")
            assert census(host)["drift"]["files"] == [{"set": "cmd-os-1", "path": f"/{name}", "state": "changed"}]
            path.unlink()
            found = census(host)
            assert found["drift"]["files"] == [{"set": "cmd-os-1", "path": f"/{name}", "state": "missing"}], found
            path.write_text("not ours any more\n")
            problems = "; ".join(census(host)["problems"])
            assert f"/{name} was not written by this module" in problems, problems
        finally:
            path.write_bytes(before)
            path.chmod(0o644)
        found = census(host)
        assert found["drift"]["files"] == [] and found["problems"] == [], found


def a_package_that_is_not_the_releases_is_found() -> None:
    for host in ROOTS:
        query = "dpkg-query -W -f '${Version}' cloud-api" if host == "apt1" else "rpm -q --qf '%{VERSION}-%{RELEASE}' cloud-api"
        release = on(host, query)
        on(host, "apt-get -qq install cloud-api=2.5-1" if host == "apt1" else "dnf -qy --releasever=9 --repo=base install cloud-api-2.5")
        found = census(host, drift="all")
        assert [(one["package"], one["release"], one["drift"]) for one in found["drift"]["packages"]] == [("cloud-api", release, "newer")], found
        assert census(host)["drift"]["packages"] is None


def what_is_held_is_shown_with_who_holds_it() -> None:
    on("apt1", "apt-mark hold site-tools")
    assert census("apt1")["holds"] == [{"package": "site-tools", "by": "apt-mark hold"}]
    on("dnf1", "echo excludepkgs=site-tools >>/etc/dnf/dnf.conf")
    assert census("dnf1")["holds"] == [{"package": "site-tools", "by": "excludepkgs"}]


def the_last_sync_and_the_last_rollout() -> None:
    """A sync that was interrupted, the newest of several rollouts, and a record that is damaged."""
    host = "apt1"
    module = {"set": "cmd-os-1", "packages": ["cloud-api"], "record": "second"}
    run(["ansible", host, "-i", INVENTORY, "-m", "egi.cmd.package_sync", "-a", json.dumps(module)])
    assert only_set(census(host))["sync"]["record"] == "second"
    path = ROOTS[host] / "var/lib/egi-cmd/package_sync/second.json"
    path.write_text(path.read_text().replace('"applied"', '"planned"'))
    assert only_set(census(host))["sync"]["state"] == "planned"
    records = ROOTS[host] / "var/lib/egi-cmd/rollout"
    records.mkdir(parents=True, exist_ok=True)
    for number, status in enumerate(("passed", "failed"), 1):
        said = {"schema": 1, "rollout": f"cmd-os-1-{number}", "release": "cmd-os-1", "wave": "canaries", "status": status, "reason": ""}
        (records / f"cmd-os-1-{number}.json").write_text(json.dumps({**said, "time": f"2026-11-2{number}T00:00:00Z"}))
        os.utime(records / f"cmd-os-1-{number}.json", (number, number))
    assert census(host)["rollout"]["status"] == "failed"
    (records / "broken.json").write_text("{")
    found = census(host)
    assert found["rollout"]["rollout"] == "cmd-os-1-2" and "broken.json" in found["problems"][0], found


def the_fleet() -> None:
    """The playbook lists the host that is down, writes one file for each host that is up, and fails only when it was asked to."""
    extra = STATE / "hosts.json"
    extra.write_text(json.dumps({"all": {"hosts": {"gone1": UNREACHABLE}}}))
    command = ["ansible-playbook", "-i", INVENTORY, "-i", str(extra), "egi.cmd.census", "--limit", "apt1:dnf1:gone1"]
    wanted = {"census_report_dir": "report", "census_packages": "cloud-api,site-tools", "census_drift": ""}
    said = run([*command, "-e", json.dumps(wanted)])
    assert "gone1: not seen: " in said and "the last sync, second, was interrupted" in said, said
    fleet = json.loads((WORK / "report/fleet.json").read_text())
    jsonschema.Draft202012Validator(SCHEMAS[1], registry=REGISTRY).validate(fleet)
    summary = fleet["summary"]
    assert (summary["hosts"], summary["seen"], summary["not_seen"], summary["held"]) == (3, 2, ["gone1"], ["apt1", "dnf1"]), summary
    assert {(one["release"], one["snapshot"], one["hosts"]) for one in summary["releases"]} == {
        ("cmd-os-1", snapshot(), 1), ("cmd-os-1", "moving", 1)}, summary
    for host in ROOTS:
        assert json.loads((WORK / f"report/{host}.json").read_text()) == fleet["hosts"][host]["census"]
    assert not (WORK / "report/gone1.json").exists()
    said = run([*command, "-e", json.dumps({"census_strict": "true"})], good=(2,))
    assert "gone1: not seen: " in said, said
    run([*command, "--limit", "dnf1", "-e", json.dumps({"census_strict": True})])


def a_rollout_whose_hosts_are_all_down() -> None:
    """The status comes from the record: the gate that is closed, why, and the command to go on with."""
    variables = {"rollout_release": str(STATE / "site/release.yml"), "rollout_record_dir": str(WORK / "records"), "rollout_waves": "canaries,rest"}
    groups = {"canaries": {"hosts": {"gone1": UNREACHABLE}}, "rest": {"hosts": {"gone2": UNREACHABLE}}}
    (WORK / "down.yml").write_text(json.dumps({"all": {"vars": variables, "children": groups}}))
    ansible = ["ansible-playbook", "-i", str(WORK / "down.yml")]
    assert "No rollout is recorded in " in run([*ansible, "egi.cmd.rollout_status"])
    run([*ansible, "egi.cmd.rollout"], good=(2,))
    said = run([*ansible, "egi.cmd.rollout_status", "-e", "rollout_status_file=status.json"])
    assert "Closed gate: canaries: 0 of 1 healthy, 1 unreachable: gone1" in said and f"  ansible-playbook -i {WORK}/down.yml egi.cmd.rollout" in said, said
    found = json.loads((WORK / "status.json").read_text())
    jsonschema.Draft202012Validator(json.loads((TOP / "plugins/module_utils/_rollout/status.schema.json").read_text())).validate(found)
    assert (found["state"], found["run"], found["closed"]["wave"]) == ("stopped", None, "canaries"), found
    assert [(one["host"], one["status"]) for one in found["hosts"]] == [("gone1", "unreachable"), ("gone2", "not_attempted")], found
    wanted = {"rollout_status_format": "json", "rollout_record": found["rollout"]}
    assert '"state": "stopped"' in run([*ansible, "egi.cmd.rollout_status", "-e", json.dumps(wanted)])
    assert "there is no such file" in run([*ansible, "egi.cmd.rollout_status", "-e", "rollout_record=nonesuch"], good=(2,))


CASES = (
    a_host_as_it_was_made, a_frozen_host_names_its_snapshot_and_the_mirror_says_where_the_moving_one_is, what_was_changed_by_hand_is_found,
    a_package_that_is_not_the_releases_is_found, what_is_held_is_shown_with_who_holds_it, the_last_sync_and_the_last_rollout, the_fleet,
    a_rollout_whose_hosts_are_all_down,
)


def main() -> int:
    """Run every case; print what is wrong and a tally."""
    prepare()
    cases = [case for case in CASES if case.__name__ in sys.argv[1:] or not sys.argv[1:]]
    failed = 0
    for case in cases:
        try:
            case()
        except Exception:  # noqa: BLE001
            failed += 1
            print(f"FAILED: {case.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
