# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wave waits for, and what a person decides about it."""

from __future__ import annotations

import json
import re
import subprocess
import time

from controller import (
    PATIENCE,
    ROOTS,
    TOP,
    UNREACHABLE,
    WORK,
    command,
    environment,
    events,
    of_host,
    records,
    rollout,
    same,
    sites,
    state,
    statuses,
    wait_until,
)


def a_sick_host_in_the_soak_takes_the_wave_back() -> None:
    """One of a cluster at a time; both are watched together; dnf1 falls ill meanwhile, and both go back, verified."""
    waves = [{"name": "both", "hosts": ["apt1", "dnf1"], "slots": 1, "soak": "4m", "recheck": "4s", "opt_in": "proposed"}]
    sites(rollout_waves=waves, rollout_cluster="galera", rollout_health_checks=["cloud-api --check", "test ! -e /sick"])
    before, known = (state("apt1"), state("dnf1")), set(records())
    run = subprocess.Popen(command(), cwd=WORK, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_until(lambda: any("soaking" in statuses(path, "dnf1") for path in set(records()) - known), "dnf1 is watched")
        (ROOTS["dnf1"] / "sick").touch()
        said, _nothing = run.communicate(timeout=PATIENCE)
    finally:
        run.kill()
        run.wait()
    (ROOTS["dnf1"] / "sick").unlink()
    assert run.returncode != 0, said
    assert "both: 0 of 2 healthy, 1 failed: dnf1 (health check 'test ! -e /sick' exited 1), 1 still watched: apt1; needs 2 of 2" in said, said
    told = [(event["host"], event["status"]) for event in events(records()[-1]) if event["event"] == "host"]
    assert told == [("apt1", "started"), ("apt1", "soaking"), ("dnf1", "started"), ("dnf1", "soaking"), ("dnf1", "failed"),
                    ("apt1", "rolled_back"), ("dnf1", "rolled_back")], told
    same("apt1", before[0])
    same("dnf1", before[1])
    assert of_host("dnf1", records()[-1].stem)["status"] == "rolled_back"


def a_wave_waits_for_its_window_and_an_emergency_does_not() -> None:
    """The window opens in three days; the record is on another host than the controller."""
    day = time.strftime("%A", time.gmtime(time.time() + 3 * 86400)).lower()
    sites(rollout_waves=[{"name": "early_adopters", "windows": [{"days": [day], "from": "09:00"}], "soak": "1h"}],
          rollout_record_host="dnf1", rollout_record_dir="/var/lib/rollouts")
    before = state("apt1")
    code, said = rollout()
    assert code != 0, said
    assert re.search(r"start wave 'early_adopters': it is outside the wave's windows; it opens at \d{4}-\d\d-\d\dT09:00:00Z", said), said
    same("apt1", before)
    code, said = rollout("-e", "rollout_emergency='CVE-2026-1234 is used'")
    assert code == 0, said
    (path,) = (ROOTS["dnf1"] / "var/lib/rollouts").glob("*.jsonl")
    assert [event.get("emergency") for event in events(path) if event["event"] == "run_started"] == ["CVE-2026-1234 is used"]
    assert statuses(path, "apt1") == ["started", "passed"]
    assert of_host("apt1", path.stem)["status"] == "passed"


def production_waits_for_a_person() -> None:
    sites(rollout_waves=[{"name": "early_adopters"}, {"name": "production", "approval": {"by": ["carol"]}}], rollout_packages="cloud-api,cloud-client")
    before = state("dnf1")
    code, said = rollout()
    assert code != 0, said
    assert "it waits for the approval of carol. To approve it, run the same command with -e rollout_approve=production" in said, said
    code, said = rollout("-e", "rollout_approve=production", "-e", "rollout_user=alice")
    assert code != 0, said
    assert "alice is not one of those who may: carol" in said, said
    code, said = rollout("-e", "rollout_refuse=production", "-e", "rollout_user=bob", "-e", "rollout_reason='not before the weekend'")
    assert code != 0, said
    assert "bob refused it (not before the weekend)" in said, said
    same("dnf1", before)
    code, said = rollout("--limit", "production", "-e", "rollout_approve=production", "-e", "rollout_user=carol")
    assert code == 0, said
    answers = [(event["by"], event["verdict"]) for event in events(records()[-1]) if event["event"] == "approval"]
    assert answers == [("bob", "refused"), ("carol", "approved")]


def a_person_goes_on_without_a_host() -> None:
    both = [{"name": "both", "hosts": ["apt1", "dnf1"]}]
    sites(apt1=UNREACHABLE, rollout_waves=both, rollout_packages="cloud-client")
    code, said = rollout()
    assert code != 0, said
    assert "both: 1 of 2 healthy, 1 unreachable: apt1" in said, said
    paused = records()[-1]
    sites(apt1=UNREACHABLE, rollout_waves=[{"name": "both", "hosts": ["dnf1"]}], rollout_packages="cloud-client")
    code, said = rollout()
    assert code != 0, said
    assert "have changed since it was opened: apt1 is no longer in wave 'both'" in said, said
    sites(apt1=UNREACHABLE, rollout_waves=both, rollout_packages="cloud-client")
    code, said = rollout("-e", "rollout_set_aside=apt1")
    assert code == 0, said
    assert "both: 1 of 1 healthy, 1 set aside: apt1; needs 1 of 1" in said, said
    assert records()[-1] == paused


def a_changed_inventory_is_adopted_on_request() -> None:
    waves = [{"name": "early_adopters", "hosts": ["dnf1"]}, {"name": "production", "hosts": ["apt1"], "approval": True}]
    sites(rollout_waves=waves, rollout_packages="cloud-api", rollout_key="adopted")
    code, said = rollout()
    assert code != 0, said
    opened = records()[-1]
    sites(rollout_waves=waves[:1], rollout_packages="cloud-api")
    code, said = rollout("-e", "rollout_replan=true")
    assert code == 0, said
    assert records()[-1] == opened
    assert statuses(opened, "dnf1") == ["started", "passed"]


def checks_know_the_time_before_and_run_a_sites_own_tasks() -> None:
    tasks = WORK / "check.yml"
    tasks.write_text(json.dumps([{"name": "Ask the database", "ansible.builtin.command": "test ! -e /sick", "changed_when": False}]))
    for root in ROOTS.values():
        (root / "count").write_text("100 rows\n")
    checks = ["cloud-api --check", {"command": "test -e /nowhere", "compare": "result"}, {"name": "rows", "command": "cat /count", "compare": "number"},
              {"name": "database", "tasks": str(tasks)}]
    waves = [{"name": "production", "required_checks": ["rows", "database"], "soak": "3s"}]
    sites(rollout_health_checks=checks, rollout_waves=waves, rollout_packages="cloud-client")
    code, said = rollout()
    assert code == 0, said
    assert statuses(records()[-1], "dnf1") == ["started", "soaking", "passed"]
    (passed,) = (event for event in events(records()[-1]) if event.get("status") == "passed")
    assert {one["name"]: one["verdict"] for one in passed["checks"]} == {
        "database": "passed", "cloud-api --check": "passed", "test -e /nowhere": "failed_before", "rows": "passed"}
    before = state("dnf1")
    (ROOTS["dnf1"] / "sick").touch()
    code, said = rollout()
    (ROOTS["dnf1"] / "sick").unlink()
    assert code != 0, said
    assert "1 failed: dnf1 (health check 'database' failed: Ask the database: non-zero return code)" in said, said
    same("dnf1", before)


def a_host_that_is_not_fit_is_left_alone() -> None:
    sites(rollout_free_mib="999999999", rollout_packages="cloud-api,cloud-client", rollout_key="unfit")
    before = state("apt1")
    code, said = rollout()
    assert code != 0, said
    assert re.search(r"1 failed: apt1 \(not fit to be changed: /usr has \d+ MiB free, 999999999 are needed\)", said), said
    assert "No host had been changed" in said, said
    same("apt1", before)


def every_line_keeps_the_published_schema() -> None:
    """Lines of all rollouts of this program, and what the hosts wrote."""
    code = "import json, sys, jsonschema\nschema = json.load(open(sys.argv[1]))\n" \
           "for line in sys.stdin: jsonschema.validate(json.loads(line), schema)"
    lines = "".join(path.read_text() for path in [*records(), *(ROOTS["dnf1"] / "var/lib/rollouts").glob("*.jsonl")])
    hosts = "".join(json.dumps(json.loads(path.read_text())) + "\n" for root in ROOTS.values() for path in (root / "var/lib/egi-cmd/rollout").glob("*.json"))
    assert lines, "no rollout was recorded"
    for schema, text in (("_rollout/record.schema.json", lines), ("_host/host-rollout.schema.json", hosts)):
        done = subprocess.run(["python3", "-c", code, str(TOP / "plugins/module_utils" / schema)], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout


CASES = (
    a_sick_host_in_the_soak_takes_the_wave_back, a_wave_waits_for_its_window_and_an_emergency_does_not,
    production_waits_for_a_person, a_person_goes_on_without_a_host, a_changed_inventory_is_adopted_on_request,
    checks_know_the_time_before_and_run_a_sites_own_tasks, a_host_that_is_not_fit_is_left_alone,
)
