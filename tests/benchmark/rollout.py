# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time a rollout over many simulated hosts, beside a playbook that does as many things and no rollout.

    python3 tests/benchmark/rollout.py [--hosts 500] [--forks 5 20 50] [--packages 20] [--python .cache/venv/core-2.19/bin]

The playbook, the role, the plan, the gate, the records and the files are the real ones, in a copy of the collection. Every
host is this machine, so the three modules that would change it are stand-ins there, which answer at once what the
real ones return; gathering the facts that cmd_repo needs, and the health check, are real. What is measured is therefore
the controller's work and Ansible's own, not apt's or dnf's.

The floor is a playbook with as many modules run on hosts (ping) and as many tasks done on the controller alone (debug), on the
same hosts with the same forks: what Ansible itself costs.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

TOP = pathlib.Path(__file__).resolve().parents[2]
HEALTH_CHECK = "true"
CANARIES = 0.1
# The options of each stand-in, and what it answers; packages stand for the rollout's size on a host.
STAND_INS: t.Dict[str, t.Tuple[str, str]] = {
    "repository_set": ("name state repositories generation timeout", "changed=True, generation='0' * 16, previous_generation=None, diff=[]"),
    "package_sync": ("set packages state record whole_host timeout", "changed=True, plan=[], packages=PACKAGES"),
    "rollout_host": (
        "step record release wave set skip free timeout pre_checks checks passed status packages reason",
        "changed=False, status='passed', previous={'set': 'cmd-os-1', 'generation': None}, boot='b00t', "
        "checks=[] if module.params['step'] != 'check' else [{key: one[key] for key in ('name', 'verdict', 'detail')} "
        "for one in health.run_all(module.params['checks'])]"),
}
MODULE = '''#!/usr/bin/python
"""A stand-in: see tests/benchmark/rollout.py."""
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.egi.cmd.plugins.module_utils._host import health

PACKAGES = [{{"name": "package%d" % number, "version": "1.0-%d" % number, "origin": "cmd-os-1-updates"}} for number in range({packages})]
module = AnsibleModule(argument_spec={{name: {{"type": "raw"}} for name in "{options}".split()}}, supports_check_mode=True)
module.exit_json({answer})
'''
CALLBACK = '''
import collections, json, os, resource, time
from ansible.plugins.callback import CallbackBase

HERE = ("debug", "set_fact", "fail", "assert", "include_tasks", "include_role", "add_host", "validate_argument_spec")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME, CALLBACK_NEEDS_ENABLED = 2.0, "aggregate", "cost", True

    def __init__(self):
        super().__init__()
        self.counts = {"modules": 0, "controller": 0}
        self.spent, self.task = collections.Counter(), ("", time.perf_counter())

    def _next(self, name):
        now = time.perf_counter()
        self.spent[self.task[0]] += now - self.task[1]
        self.task = (name, now)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._next(task.get_name())

    def v2_runner_on_ok(self, result):
        action = str(result._task.action).rpartition(".")[2]
        self.counts["controller" if action in HERE else "modules"] += 1

    def v2_runner_on_skipped(self, result):
        self.counts["controller"] += 1

    def v2_playbook_on_stats(self, stats):
        self._next("")
        peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")][0]
        worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        bad = sorted(set(stats.failures) | set(stats.dark))
        with open(os.environ["COST"], "w") as file:
            json.dump({**self.counts, "memory": int(peak) // 1024, "worker": worker // 1024, "bad": bad, "spent": self.spent.most_common(6)}, file)
'''


class Cost(t.NamedTuple):
    """wall, processor: seconds. memory, worker: MiB at the peak, of ansible-playbook itself and of its largest child.

    modules, controller: how many ran. spent: the tasks that took longest for all hosts together, with their seconds.
    """

    wall: float
    processor: float
    memory: int
    worker: int
    modules: int
    controller: int
    spent: t.Tuple[t.Tuple[str, float], ...]


class Bed:
    """A copy of the collection with stand-ins, and an inventory of this machine under many names."""

    def __init__(self, top: pathlib.Path, program: str, hosts: int, packages: int) -> None:
        self.top, self._program, self.hosts = top, program, [f"host{number:05}.example.org" for number in range(hosts)]
        collection = top / "ansible_collections/egi/cmd"
        for name in ("plugins", "roles", "playbooks", "meta"):
            shutil.copytree(TOP / name, collection / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(TOP / "galaxy.yml", collection)
        for name, (options, answer) in STAND_INS.items():
            (collection / f"plugins/modules/{name}.py").write_text(MODULE.format(options=options, answer=answer, packages=packages))
        (top / "callback").mkdir()
        (top / "callback/cost.py").write_text(CALLBACK)
        key = json.dumps([{"fingerprint": "0" * 40, "url": "http://repo.example.org/key.asc"}])
        (top / "release.yml").write_text(f"{(TOP / 'demo/release.yml').read_text()}\nkeys: {key}\n")
        self.inventory = top / "hosts.json"
        first = max(1, int(hosts * CANARIES))
        groups = {"early_adopters": self.hosts[:first], "production": self.hosts[first:]}
        self.inventory.write_text(json.dumps({"all": {
            "vars": {
                "ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3", "rollout_release": str(top / "release.yml"),
                "rollout_platform": "debian12", "rollout_health_checks": [HEALTH_CHECK], "rollout_packages": "cloud-api",
            },
            "children": {name: {"hosts": dict.fromkeys(members)} for name, members in groups.items()},
        }}))

    def rollout(self, forks: int) -> Cost:
        """A whole rollout with a record of its own; every host must have passed in it."""
        records = pathlib.Path(tempfile.mkdtemp(dir=self.top))
        cost = self._play("egi.cmd.rollout", forks, "-e", f"rollout_record_dir={records}")
        (record,) = records.glob("*.jsonl")
        events = [json.loads(line) for line in record.read_text().splitlines()]
        passed = {event["host"] for event in events if event["event"] == "host" and event["status"] == "passed"}
        assert passed == set(self.hosts), f"{len(passed)} of {len(self.hosts)} hosts passed"
        return cost

    def floor(self, forks: int, like: Cost) -> Cost:
        """As many modules on hosts and tasks on the controller as a rollout had."""
        number = len(self.hosts)
        tasks: t.List[t.Dict[str, t.Any]] = [{"ansible.builtin.ping": {}}] * round(like.modules / number)
        tasks += [{"ansible.builtin.debug": {"msg": "nothing"}}] * round(like.controller / number)
        play = self.top / "floor.yml"
        play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        return self._play(str(play), forks)

    def _play(self, playbook: str, forks: int, *options: str) -> Cost:
        answer = self.top / "cost.json"
        env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(self.top), "ANSIBLE_HOME": str(self.top / "home"), "ANSIBLE_NOCOLOR": "1", "COST": str(answer),
               "ANSIBLE_CALLBACK_PLUGINS": str(self.top / "callback"), "ANSIBLE_CALLBACKS_ENABLED": "cost", "ANSIBLE_PIPELINING": "1",
               "ANSIBLE_INJECT_FACT_VARS": "false"}
        before, began = os.times(), time.perf_counter()
        with (self.top / "log").open("wb") as log:
            done = subprocess.run([self._program, "-i", str(self.inventory), "-f", str(forks), playbook, *options], env=env, cwd=self.top,
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        wall, after = time.perf_counter() - began, os.times()
        assert done.returncode == 0, (self.top / "log").read_text()[-6000:]
        found = json.loads(answer.read_text())
        assert not found["bad"], found["bad"]
        processor = after.children_user + after.children_system - before.children_user - before.children_system
        return Cost(wall, processor, found["memory"], found["worker"], found["modules"], found["controller"],
                    tuple((name, seconds) for name, seconds in found["spent"]))


def main() -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description="time a rollout over many hosts")
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--forks", type=int, nargs="+", default=[5, 20, 50])
    parser.add_argument("--packages", type=int, default=20, help="packages that the rollout changes on each host")
    parser.add_argument("--python", type=pathlib.Path, help="directory with the ansible-playbook to use; the one in PATH if left out")
    given = parser.parse_args()
    program = shutil.which("ansible-playbook", path=str(given.python.resolve()) if given.python else None)
    if program is None:
        parser.error("there is no ansible-playbook")
    print(f"Load of the machine: {os.getloadavg()[0]:.1f} before; {os.cpu_count()} cores; {given.hosts} hosts, {given.packages} packages each.\n")
    columns = ("forks", "what", "elapsed, s", "a host, s", "of a processor, a host, s", "ansible-playbook, MiB", "largest worker, MiB", "modules a host",
               "other tasks a host")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    with tempfile.TemporaryDirectory() as directory:
        slowest: t.List[t.Tuple[int, str, float]] = []
        bed = Bed(pathlib.Path(directory), program, given.hosts, given.packages)
        for forks in given.forks:
            rollout = bed.rollout(forks)
            slowest += [(forks, *one) for one in rollout.spent]
            for what, cost in (("rollout", rollout), ("floor", bed.floor(forks, rollout))):
                print(f"| {forks} | {what} | {cost.wall:.0f} | {cost.wall / given.hosts:.2f} | {cost.processor / given.hosts:.2f} | {cost.memory} | "
                      f"{cost.worker} | {cost.modules / given.hosts:.1f} | {cost.controller / given.hosts:.1f} |", flush=True)
    print("\n| forks | the rollout's longest tasks, all hosts together | s |\n| --- | --- | --- |")
    for forks, name, seconds in slowest:
        print(f"| {forks} | {name} | {seconds:.0f} |")
    print(f"\nLoad of the machine: {os.getloadavg()[0]:.1f} after.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
