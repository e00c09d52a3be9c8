#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""egi.cmd.image_boot on a real disk, whole and broken in the ways images break: every verdict comes from a machine that ran.

All boots are emulated but one, one at a time; broken disks end early. Two calls do them all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
import typing as t
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parent))

import disk as disks  # noqa: E402

TOP = Path(__file__).resolve().parents[4]
WORK = Path(os.environ["LAB_STATE"])
REPORTS = WORK / "reports"
SCHEMA = TOP / "plugins/module_utils/_image/boot_verdict.schema.json"
URI = "http://repo.example.org/apt"
Answer = t.Dict[str, t.Any]
verdicts: t.Dict[str, Answer] = {}
state: t.Dict[str, t.Any] = {}


class Skipped(Exception):
    """Something this machine cannot show; the text says why."""


def module(boots: t.Sequence[Answer], flags: t.Sequence[str] = (), good: bool = True, **more: t.Any) -> Answer:
    """Run the module here; return its result."""
    arguments = {"boots": list(boots), "reports": str(REPORTS), "accelerator": "tcg", "require_pass": False, **more}
    command = ["ansible", "-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3", "localhost", "-m", "egi.cmd.image_boot",
               "-a", json.dumps(arguments), *flags]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=3000, cwd=WORK)
    assert (done.returncode == 0) is good, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr and "WARNING" not in done.stderr, done.stdout + done.stderr
    shown, _name, result = done.stdout.partition("localhost | ")
    return {**json.loads(result[result.index("{"):]), "shown": shown}


def read(path: Path) -> t.Any:
    """A JSON file."""
    return json.loads(path.read_text())


def prepare() -> None:
    """The disks, and what is to be done with each."""
    mirror, overlay = disks.repository(WORK)
    good = disks.build(WORK, overlay)
    state["digest"] = disks.run("sha256sum", str(good))
    state["good"] = {"image": str(good), "mirror": [{"host": "repo.example.org", "path": str(mirror)}], "expect": {
        "packages": disks.packages(good), "repositories": [{"name": "cmd-os-1-updates", "kind": "updates", "uri": URI}],
        "priorities": {"egi-hello": 1200}, "install": ["egi-hello"]}}
    empty = WORK / "empty.raw"
    disks.run("truncate", "-s", "64M", str(empty))
    elsewhere = {"etc/cloud/cloud.cfg.d/95-elsewhere.cfg": b"datasource_list: [ConfigDrive, OpenNebula]\n"}
    own = {"var/lib/cloud/seed/nocloud/meta-data": b"instance-id: own\nlocal-hostname: own\n", "var/lib/cloud/seed/nocloud/user-data": b"#cloud-config\n{}\n",
           "etc/cloud/cloud.cfg.d/95-own.cfg": b"datasource_list: [NoCloud, None]\n"}
    state["boots"] = {
        "mirror": state["good"],
        "ovf": {"image": str(good), "firmware": "uefi", "transport": "ovf", "user_data": {"runcmd": [["false"]]},
                "expect": {"packages": [], "repositories": [{"name": "cmd-os-1-base", "uri": URI}]}},
        "ec2": {"image": str(good), "transport": "ec2"},
        "configdrive": {"image": str(good), "transport": "configdrive"},
        "opennebula": {"image": str(good), "transport": "opennebula"},
        "zeroed kernel": {"image": str(disks.with_zeroed_kernel(good, "kernel.raw"))},
        "wrong root": {"image": str(disks.with_arguments(good, "root=LABEL=nowhere ro rootdelay=5", "root.raw"))},
        "no data source": {"image": str(disks.with_files(good, elsewhere, "elsewhere.raw"))},
        "wrong data source": {"image": str(disks.with_files(good, own, "own.raw")), "transport": "configdrive"},
        "empty, BIOS": {"image": str(empty)},
        "empty, UEFI": {"image": str(empty), "firmware": "uefi"},
    }
    state["panic"] = {"image": str(disks.with_arguments(good, "root=LABEL=cloudroot ro init=/bin/false", "panic.raw")), "cpu": "EPYC"}


def boot_them_all() -> None:
    boots = state["boots"]
    result = module(boots.values())
    assert result["changed"] and len(result["booted"]) == len(boots)
    verdicts.update(zip(boots, result["verdicts"]))
    for name, verdict in verdicts.items():
        print(f"    {name}: {verdict['verdict']}, {verdict['reason']}, {verdict['seconds']} s: {verdict['why']}", flush=True)


def an_image_boots_and_installs_from_its_mirror() -> None:
    _judged("mirror", "pass", "booted", "")
    checks = {check["name"]: check["detail"] for check in verdicts["mirror"]["checks"]}
    assert {"datasource", "cloud-init", "hostname", "root-grown", "packages", "repository cmd-os-1-updates", "update", "priority egi-hello",
            "install egi-hello", "power-off"} == set(checks), checks
    assert checks["install egi-hello"] == "1.0-1"


def a_metadata_service_with_tokens_configures_a_guest() -> None:
    _judged("ec2", "pass", "booted", "")


def a_configuration_drive_configures_a_guest() -> None:
    _judged("configdrive", "pass", "booted", "")


def an_opennebula_context_configures_a_guest() -> None:
    _judged("opennebula", "pass", "booted", "")


def a_failed_module_is_seen_though_the_console_says_finished() -> None:
    _judged("ovf", "fail", "config-error", "runcmd")
    console = (REPORTS / verdicts["ovf"]["console"]).read_text()
    assert " finished at " in console and "DataSourceOVF" in console
    failed = {check["name"] for check in verdicts["ovf"]["checks"] if not check["ok"]}
    assert failed == {"cloud-init", "packages", "repository cmd-os-1-base"}, failed


def a_zeroed_kernel_is_none() -> None:
    _judged("zeroed kernel", "fail", "no-kernel", "error: invalid magic number. error: you need to load the kernel first.")


def a_wrong_root_is_named() -> None:
    _judged("wrong root", "fail", "no-root", "LABEL=nowhere does not exist")


def an_image_that_looks_elsewhere_has_no_data_source() -> None:
    _judged("no data source", "fail", "no-datasource", "cloud-init did not run")


def an_image_that_brings_its_own_answers_has_the_wrong_data_source() -> None:
    _judged("wrong data source", "fail", "wrong-datasource", "DataSourceNoCloud")


def an_empty_disk_has_no_boot_loader() -> None:
    _judged("empty, BIOS", "fail", "no-bootloader", "")
    _judged("empty, UEFI", "fail", "no-bootloader", "")


def _judged(name: str, verdict: str, reason: str, why: str) -> None:
    told = verdicts[name]
    assert (told["verdict"], told["reason"]) == (verdict, reason) and why in told["why"], told


def an_accelerator_that_opens_and_hangs_is_left() -> None:
    """The rule is judged by a real one: where KVM works or is absent, there is nothing to see."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skipped("there is no /dev/kvm")
    told = module([state["panic"]], accelerator="auto")["verdicts"][0]
    known = next(iter(read(REPORTS / "accelerators.json").values()), {}) if (REPORTS / "accelerators.json").exists() else {}
    assert (told["verdict"], told["reason"]) == ("fail", "panic"), told
    if known.get("kvm") != "unusable":
        raise Skipped("KVM works here")
    assert told["accelerator"] == "tcg"
    verdicts["panic"] = told


def a_kernel_that_panics_is_judged_so() -> None:
    told = module([state["panic"]])["verdicts"][0]
    assert (told["verdict"], told["reason"]) == ("fail", "panic") and "Attempted to kill init" in told["why"], told


def reports_are_whole() -> None:
    schema = read(SCHEMA)
    for verdict in verdicts.values():
        jsonschema.validate(verdict, schema)
        assert (REPORTS / verdict["console"]).read_text().startswith("--- firmware ---")
        assert (REPORTS / verdict["screenshot"]).read_bytes().startswith(b"\x89PNG"), verdict
    assert not [path for path in REPORTS.iterdir() if path.name.startswith(".boot-")]


def a_verdict_stands() -> None:
    again = module(state["boots"].values(), flags=("--diff",))
    assert not again["changed"] and again["booted"] == [] and again["verdicts"] == list(verdicts.values())[:len(state["boots"])]
    assert [read(Path(path)) for path in again["files"]] == again["verdicts"]
    failed = module([state["boots"]["zeroed kernel"]], good=False, require_pass=True)
    assert "no-kernel" in failed["msg"] and failed["verdicts"][0]["reason"] == "no-kernel", failed


def check_mode_says_what_would_be_booted() -> None:
    other = {**state["good"], "memory": 768}
    before = sorted(REPORTS.iterdir())
    dry = module([other, state["good"]], flags=("--check", "--diff"))
    assert dry["changed"] and dry["booted"] == ["good.raw with bios and nocloud"] and "nocloud: to be booted" in dry["shown"]
    assert sorted(REPORTS.iterdir()) == before


def the_image_was_not_written() -> None:
    assert disks.run("sha256sum", state["good"]["image"]) == state["digest"]


def what_is_wrong_is_said() -> None:
    text = WORK / "letter.qcow2"
    text.write_text("not an image")
    difference = WORK / "difference.qcow2"
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", state["good"]["image"], "-F", "raw", str(difference))
    for given, why in (
        ({"image": str(WORK / "nowhere.qcow2")}, "there is no such file"),
        ({"image": str(text)}, "Image is not in qcow2 format"),
        ({"image": str(difference)}, "it is only the difference to another file"),
        ({"image": str(WORK / "early.cfg")}, "its name does not say its format"),
        ({"image": state["good"]["image"], "expect": {"install": ["egi-hello"]}}, "the guest has no network"),
        ({"image": state["good"]["image"], "transport": "none", "expect": {"grows": True}}, "nothing can be asked of the guest"),
        ({"image": state["good"]["image"], "expect": {"packages": [{"nome": "x"}]}}, "expect cannot be read"),
    ):
        failed = module([given], good=False)
        assert why in failed["msg"], failed


def what_the_tester_is_to_blame_for_is_no_verdict() -> None:
    told = module([{"image": state["good"]["image"], "cpu": "no-such-processor"}])["verdicts"][0]
    assert (told["verdict"], told["reason"]) == ("inconclusive", "tester-error") and "no-such-processor" in told["why"], told
    assert module([{"image": state["good"]["image"], "cpu": "no-such-processor"}])["changed"]


TESTS = [
    boot_them_all, an_image_boots_and_installs_from_its_mirror, a_metadata_service_with_tokens_configures_a_guest, a_configuration_drive_configures_a_guest,
    an_opennebula_context_configures_a_guest, a_failed_module_is_seen_though_the_console_says_finished, a_zeroed_kernel_is_none, a_wrong_root_is_named,
    an_image_that_looks_elsewhere_has_no_data_source, an_image_that_brings_its_own_answers_has_the_wrong_data_source, an_empty_disk_has_no_boot_loader,
    an_accelerator_that_opens_and_hangs_is_left, a_kernel_that_panics_is_judged_so, reports_are_whole, a_verdict_stands,
    check_mode_says_what_would_be_booted, the_image_was_not_written, what_is_wrong_is_said, what_the_tester_is_to_blame_for_is_no_verdict,
]


def main() -> int:
    if "bookworm" not in Path("/etc/os-release").read_text() or os.uname().machine != "x86_64":
        print("SKIPPED all: this target's disk is made of Debian 12 for x86_64\n0 passed, 0 failed, 1 skipped")
        return 0
    prepare()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for test in TESTS:
        try:
            test()
            counts["passed"] += 1
        except Skipped as why:
            counts["skipped"] += 1
            print(f"SKIPPED {test.__name__}: {why}")
        except Exception:
            counts["failed"] += 1
            print(f"FAILED {test.__name__}\n{traceback.format_exc()}")
    print(", ".join(f"{number} {name}" for name, number in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
