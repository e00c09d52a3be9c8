#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role awx sets up, and the jobs AWX would make of it, on real hosts; runs inside a lab session.

There is no AWX here. What the role sends goes through the modules of awx.awx up to the connection; the job templates that come out
of that are run by ansible-runner with what AWX would give it (payload.py). apt1 is the early adopter, dnf1 is production.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
import typing as t
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
import payload  # noqa: E402
import sent  # noqa: E402

TOP = Path(__file__).resolve().parents[4]
STATE = Path(os.environ["LAB_STATE"])
ROOTS = {name: STATE / "hosts" / name / "root" for name in ("apt1", "dnf1", "repo")}
WORK = STATE / "awx"
PROJECT = WORK / "project"
# On a volume that stays, where the folder of a job does not.
RECORDS, REPORTS = WORK / "records", WORK / "reports"
TOKEN = "a-token-nobody-may-see"
MODULES = {"organization": 1, "execution_environment": 1, "project": 1, "inventory": 1, "credential_type": 1, "workflow_job_template": 1, "schedule": 4}
GROUPS = {"early_adopters": ["apt1"], "production": ["dnf1"], "mirrors": ["repo"], "repositories": ["repo"], "testers": ["tester"],
          "image_builders": ["tester"]}
REQUIRED = {"rollout_release": "release.yml", "schedule_releases": "release.yml, umd-5", "system_test_hosts": "testers", "image_promote_label": "alpha-1"}
Template = t.Dict[str, t.Any]

CALLS: list[sent.Sent] = []
NUMBER = iter(range(100, 1000))


def run(*command: str, good: t.Collection[int] = (0,)) -> str:
    """Run a program of this machine; return what it writes."""
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300)
    assert done.returncode in good, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
    return done.stdout


def templates() -> dict[str, Template]:
    """Playbook without .yml -> the job template as AWX gets it."""
    return {call.arguments["playbook"][:-4]: call.arguments for call in CALLS if call.module == "awx.awx.job_template"}


def listing(**everywhere: t.Any) -> str:
    """The inventory. everywhere: more of its variables."""
    lab = {"ansible_connection": "community.general.chroot", "ansible_chroot_exe": str(TOP / "lab/enter"), "ansible_python_interpreter": "/usr/bin/python3",
           "ansible_become": False}
    hosts: dict[str, dict[str, t.Any]] = {name: {**lab, "ansible_host": str(root)} for name, root in ROOTS.items()}
    hosts["tester"] = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3", "ansible_become": False}
    site = {"rollout_health_checks": ["cloud-api --check"], "holdback_release": "release.yml", "holdback_by": "A. Packager", "holdback_desk": "/srv/desk",
            "holdback_mirror_root": "/srv/held", "holdback_signing_keys": [fingerprint()],
            "system_test_channels": [channel()], "system_test_report_dir": str(REPORTS / "system-test")}
    return payload.inventory(GROUPS, {**site, **everywhere}, hosts)


def fingerprint() -> str:
    return str(yaml.safe_load((STATE / "site/release.yml").read_text())["keys"][0]["fingerprint"])


def gpg(*words: str) -> str:
    """What the repository host's own key ring says."""
    return run("chroot", str(ROOTS["repo"]), "gpg", "--homedir", "/var/lib/repository-keys", "--batch", *words)


def channel() -> dict[str, t.Any]:
    """A system test with nothing pending: as much as is needed to see that the playbook got its variables."""
    served = ROOTS["repo"] / "srv/repository/base"
    key = next(line.split(":")[9] for line in gpg("--with-colons", "--list-keys", "release@os.demo.example").splitlines() if line.startswith("fpr:"))
    # Elsewhere, because apt wants one key ring for one place.
    if not (WORK / "pending").exists():
        shutil.copytree(served, WORK / "pending", symlinks=True)
    base = {"name": "os", "uris": [f"file://{served}/apt"], "suite": "base", "components": ["main"], "origin": "Example OS",
            "keys": [{"fingerprint": key, "content": gpg("--armor", "--export", key)}]}
    pending = {**base, "name": "pending", "uris": [f"file://{WORK}/pending/apt"]}
    return {"name": "updates", "root": str(ROOTS["apt1"]), "platform": "debian12", "directories": [str(served), str(WORK / "pending")],
            "repositories": [base], "pending": [pending], "test": ["true"], "work_path": str(WORK)}


def job(name: str, answers: t.Optional[payload.Answers] = None, template: t.Optional[Template] = None, **how: t.Any) -> payload.Job:
    """Run a job of a template by its playbook's name; required questions are answered. how: see payload.launch."""
    template = template or templates()[name]
    needed = {one["variable"]: REQUIRED[one["variable"]] for one in template["survey_spec"]["spec"] if one["required"]}
    number = next(NUMBER)
    how.setdefault("listing", listing())
    done = payload.launch(WORK / f"awx_{number}", PROJECT, template, {**needed, **(answers or {})}, number=number, **how)
    assert "Traceback" not in done.text, done.text
    return done


def the_modules_take_what_the_role_sends() -> None:
    CALLS[:] = sent.sent(WORK / "sent", awx_token=TOKEN, awx_project_url="https://git.example.org/operations.git", awx_record_dir=str(RECORDS),
                         awx_report_dir=str(REPORTS), awx_image="registry.example.org/cmd-ee:1", awx_execution_environment="CMD")
    for call in CALLS:
        assert f"trying to connect to {sent.NOWHERE}/api/v2/" in call.message, f"{call.module}: {call.message}"
    counted = {name: sum(call.module == f"awx.awx.{name}" for call in CALLS) for name in MODULES}
    assert counted == MODULES, counted
    assert set(templates()) == {path.stem for path in PROJECT.glob("*.yml") if path.name != "release.yml"}, set(templates())
    options = sent.documented({call.module for call in CALLS})
    # What Ansible hands over as text is the module's to convert, but nothing converts what is inside of an argument.
    for call in CALLS:
        nested = {name: value for name, value in call.arguments.items() if options[call.module].get(name, {}).get("suboptions")}
        wrong = sent.problems(nested, {name: options[call.module][name] for name in nested}, call.module)
        assert not wrong, "\n".join(wrong)
    workflow = next(call.arguments for call in CALLS if call.module == "awx.awx.workflow_job_template")
    assert [node["unified_job_template"]["type"] for node in workflow["workflow_nodes"]] == ["job_template", "workflow_approval", "job_template"]
    assert sent.problems({"workflow_nodes": [{"identifier": "a", "unified_job_template": {"typ": "job_template"}}]}, options["awx.awx.workflow_job_template"],
                         "x") != [], "a mistake inside would not be seen"


def a_missing_awx_is_named() -> None:
    for flags in ([], ["--check"]):
        said = run("ansible-playbook", "-i", "localhost,", "egi.cmd.awx", "-e", f"awx_url={sent.NOWHERE}", "-e", f"awx_token={TOKEN}", *flags, good=(2,))
        assert f"trying to connect to {sent.NOWHERE}/api/v2/organizations/" in said and TOKEN not in said, said
    said = run("ansible-playbook", "-i", "localhost,", "egi.cmd.awx", good=(2,))
    assert "awx_url is empty. Name the AWX" in said, said
    run("ansible-playbook", "-i", "localhost,", "--syntax-check", "egi.cmd.awx")


def production_waits_for_early_adopters() -> None:
    """The workflow's two jobs, with a person's approval between them that AWX waits for. The first fails: production refuses."""
    nodes = next(call.arguments["workflow_nodes"] for call in CALLS if call.module == "awx.awx.workflow_job_template")
    early, production = (node["limit"] for node in nodes if "limit" in node)
    before = version("dnf1")
    ill = listing(rollout_health_checks=["test -e /nowhere"])
    first = job("rollout", listing=ill, limit=early)
    assert first.status == "failed", first.text
    assert "early_adopters: 0 of 1 healthy" in first.text, first.text
    second = job("rollout", listing=ill, limit=production)
    assert second.status == "failed" and "early_adopters: 0 of 1 healthy" in second.text, second.text
    assert "dnf1" not in {data["host"] for data in second.results("runner_on_ok") if data["task_action"] == "egi.cmd.package_sync"}
    assert version("dnf1") == before


def a_workflow_rolls_out() -> None:
    """Another folder for each job, and the record is found again; who started it is in the record. The plan itself asks for an approval, too."""
    asks = listing(rollout_waves=["early_adopters", {"name": "production", "approval": True}])
    first = job("rollout", listing=asks, limit="early_adopters", user="alice")
    assert first.status == "successful", first.text
    assert version("apt1").startswith("2.2-") and not version("dnf1").startswith("2.2-")
    unasked = job("rollout", listing=asks, limit="production", user=None)
    assert unasked.status == "failed" and not version("dnf1").startswith("2.2-"), unasked.text
    second = job("rollout", {"rollout_approve": "production"}, listing=asks, limit="production", user=None)
    assert second.status == "successful", second.text
    assert version("dnf1").startswith("2.2-")
    newest = max(RECORDS.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    started = [json.loads(line)["run"] for line in newest.read_text().splitlines() if '"run_started"' in line]
    assert {"alice", f"{templates()['rollout']['name']}, daily"} <= {run["user"] for run in started}, started


def version(host: str) -> str:
    query = ["dpkg-query", "-W", "-f", "${Version}", "cloud-api"] if host == "apt1" else ["rpm", "-q", "--qf", "%{VERSION}-%{RELEASE}", "cloud-api"]
    return run("chroot", str(ROOTS[host]), *query)


def blank_answers_are_alike(name: str, **how: t.Any) -> None:
    """Blank, null and not sent at all give the same job; defaults give a good one, too."""
    template = templates()[name]
    optional = [one["variable"] for one in template["survey_spec"]["spec"] if not one["required"]]
    done: dict[str, payload.Job] = {}
    for kind, answers in {"defaults": {}, "blank": dict.fromkeys(optional, ""), "null": dict.fromkeys(optional)}.items():
        if answers or any(one.get("default") for one in template["survey_spec"]["spec"] if not one["required"]):
            done[kind] = job(name, answers, **how)
    questions = [{field: value for field, value in one.items() if field != "default"} for one in template["survey_spec"]["spec"]]
    done["missing"] = job(name, template={**template, "survey_spec": {"spec": questions}}, **how)
    for kind, one in done.items():
        assert one.status == "successful" and "[WARNING]" not in one.text, f"{name}, {kind}: {one.text}"
    assert trace(done["blank"]) == trace(done["null"]) == trace(done["missing"]) != [], name


def trace(done: payload.Job) -> list[tuple[str, str, str]]:
    """What happened on which host."""
    kinds = ("runner_on_ok", "runner_on_failed", "runner_on_skipped", "runner_on_unreachable")
    return sorted((kind, data["host"], data["task"]) for kind in kinds for data in done.results(kind))


def a_rollout_without_answers() -> None:
    blank_answers_are_alike("rollout", check=True, limit="early_adopters")


def a_status_without_answers() -> None:
    blank_answers_are_alike("rollout_status")
    done = job("rollout_status", {"rollout_status_format": "json", "rollout_status_file": str(WORK / "rollout.json")})
    assert done.status == "successful" and json.loads((WORK / "rollout.json").read_text())["waves"], done.text


def a_census_without_answers() -> None:
    blank_answers_are_alike("census", limit="early_adopters")
    assert (REPORTS / "census/fleet.json").exists()


def an_audit_without_answers() -> None:
    blank_answers_are_alike("audit", limit="production")
    assert (REPORTS / "audit/audit.json").exists()
    done = job("audit", {"audit_divergent_max": 0, "audit_fail_on": "divergent"}, limit="production")
    assert done.played() == {"dnf1"}, done.text


def a_schedule_without_answers() -> None:
    blank_answers_are_alike("schedule")


def a_mirror_sync_without_answers() -> None:
    mirror = [{"hosts": "mirrors", "gather_facts": False, "roles": [{
        "role": "egi.cmd.mirror", "mirror_releases": [{"release": str(STATE / "site/release.yml"), "platforms": ["debian12", "el9"]}],
        "mirror_settings": {"margin": 0}, "mirror_install": False, "mirror_timer": "none", "mirror_web": False}]}]
    (WORK / "mirror.yml").write_text(json.dumps(mirror))
    (WORK / "hosts").write_text(listing())
    (WORK / "hosts").chmod(0o700)
    run("ansible-playbook", "-i", str(WORK / "hosts"), str(WORK / "mirror.yml"))
    first = job("mirror_sync")
    assert first.status == "successful" and any(data["res"]["changed"] for data in first.results("runner_on_ok") if data["task"] == "Sync"), first.text
    blank_answers_are_alike("mirror_sync")
    wrong = job("mirror_sync", {"mirror_sync_hosts": "nobody"})
    assert wrong.status == "failed" and "None of the hosts of this run is in 'nobody'" in wrong.text, wrong.text
    assert job("mirror_sync", limit="production").status == "failed"


def a_signing_key_goes_with_its_job() -> None:
    """The repository host has no key of its own; the first review publishes what is held, signed with the key that came along."""
    key = gpg("--armor", "--export-secret-keys", fingerprint())
    refused = job("holdback_review", listing=listing(holdback_key_home="/var/lib/none"))
    assert refused.status == "failed", refused.text
    done = job("holdback_review", listing=listing(holdback_key_home="/var/lib/none"), secret=key)
    assert done.status == "successful", done.text
    assert list((ROOTS["repo"] / "srv/held/cmd-os-1/deb/dists").glob("*/Release.gpg")), done.text
    assert key.splitlines()[5] not in done.text + json.dumps(done.events)
    assert not list((ROOTS["repo"] / "tmp").glob("*.egi-cmd")), "the key stayed"


def a_review_without_answers() -> None:
    blank_answers_are_alike("holdback_review")


def a_system_test_without_answers() -> None:
    blank_answers_are_alike("system_test")


def images_are_built_and_promoted() -> None:
    """With a disk from elsewhere: what a job is told is as much as is needed to see here."""
    disk = WORK / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    made = run("ansible", "localhost", "-m", "egi.cmd.repository_key", "-a", f"home={WORK}/image-keys user_id=Images algorithm=ed25519")
    definition = {"name": "site-cloud", "platform": "debian12", "epoch": 1763596800,
                  "external": {"path": str(disk), "sha256": hashlib.sha256(disk.read_bytes()).hexdigest(), "boot": ["bios"]}}
    site = listing(image_definition=definition, image_install=False, image_boots=[], image_directory=str(WORK / "built"), image_cache=str(WORK / "cache"),
                   image_reports=str(WORK / "boots"), image_drop_directory=str(WORK / "images"), image_stream="site-1",
                   image_base_url="http://images.example.org", image_key_home=str(WORK / "image-keys"),
                   image_signing_keys=[json.loads(made.partition("=> ")[2])["fingerprint"]])
    first = job("image_build", listing=site, user=None)
    assert first.status == "successful", first.text
    blank_answers_are_alike("image_build", listing=site)
    label = (WORK / "images/site-1/latest-scratch").resolve().name
    for blank in ({}, {"image_promote_text": "", "image_hosts": "", "image_promote_state": ""}, {"image_promote_text": None, "image_promote_state": None}):
        done = job("image_promote", {"image_promote_source": label, **blank}, listing=site)
        assert done.status == "successful" and "[WARNING]" not in done.text, done.text
    assert json.loads((WORK / "images/site-1/alpha-1/drop.json").read_text())["history"][-1]["by"] == "alice"


def the_execution_environment_is_what_it_says() -> None:
    """A site's definition is one that ansible-builder takes; the collection asks for exactly what its files say."""
    context = WORK / "context"
    run("ansible-builder", "create", "--output-filename", "Containerfile", "-f", str(TOP / "docs/examples/execution-environment.yml"), "-c", str(context))
    assert "egi.cmd" in (context / "_build/requirements.yml").read_text() and (context / "Containerfile").exists()
    only = WORK / "collections/ansible_collections/egi"
    only.mkdir(parents=True)
    (only / "cmd").symlink_to(TOP)
    run("ansible-builder", "introspect", "--write-pip", str(WORK / "pip.txt"), "--write-bindep", str(WORK / "bindep.txt"), str(only.parents[1]))
    assert lines(WORK / "pip.txt") == lines(TOP / "meta/ee-requirements.txt") != [], lines(WORK / "pip.txt")
    assert lines(WORK / "bindep.txt") == lines(TOP / "meta/ee-bindep.txt"), lines(WORK / "bindep.txt")


def lines(path: Path) -> list[str]:
    """Requirements without comments; an empty list writes no file."""
    return [line.split("#")[0].strip() for line in path.read_text().splitlines() if line.split("#")[0].strip()] if path.exists() else []


CASES = (
    the_modules_take_what_the_role_sends, a_missing_awx_is_named, production_waits_for_early_adopters, a_workflow_rolls_out,
    a_rollout_without_answers, a_status_without_answers, a_census_without_answers, an_audit_without_answers, a_schedule_without_answers,
    a_mirror_sync_without_answers, a_signing_key_goes_with_its_job, a_review_without_answers, a_system_test_without_answers,
    images_are_built_and_promoted, the_execution_environment_is_what_it_says,
)


def main() -> int:
    """Names on the command line choose cases; the first is always run, the others need what it finds."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    run("/usr/bin/python3", "-m", "lab.site", "--install", "cloud-client")
    shutil.copytree(TOP / "docs/examples/awx-project", PROJECT)
    shutil.copy(STATE / "site/release.yml", PROJECT)
    failed = 0
    cases = [case for case in CASES if case is CASES[0] or case.__name__ in sys.argv[1:] or not sys.argv[1:]]
    for case in cases:
        start = time.monotonic()
        try:
            case()
            print(f"ok      {case.__name__} ({time.monotonic() - start:.0f} s)", flush=True)
        except Exception:  # whatever goes wrong is a failure of this case
            failed += 1
            print(f"FAILED  {case.__name__}: {traceback.format_exc()}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
