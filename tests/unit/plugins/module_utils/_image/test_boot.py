# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of consoles and reports. The words are those that machines printed in the target image_boot."""

from __future__ import annotations

import json
import subprocess
import tempfile
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files
from ansible_collections.egi.cmd.plugins.module_utils._image import boot_console, boot_judge, boot_probe
from ansible_collections.egi.cmd.plugins.module_utils._image.boot_request import Boot, Expectation

KERNEL = "[    0.000000] Linux version 6.1.0-50-cloud-amd64 (gcc-12)\n"
SEABIOS = "SeaBIOS (version 1.16.2-debian-1.16.2-1)\n"
DISK = 6 << 30
NONCE = "egi0123456789ab"


@pytest.mark.parametrize("firmware, console, stage, end", [
    ("", "", "nothing", ""),
    (SEABIOS, "", "firmware", ""),
    (SEABIOS + "Boot failed: not a bootable disk\n\nNo bootable device.\n", "", "firmware", "no-bootloader"),
    ("", "BdsDxe: failed to load Boot0001 \"UEFI Misc Device\": Not Found\nBdsDxe: No bootable option or device was found.\n", "firmware", "no-bootloader"),
    (SEABIOS, "error: invalid magic number.\nerror: you need to load the kernel first.\n\nPress any key to continue...", "firmware", "no-kernel"),
    (SEABIOS, KERNEL, "kernel", ""),
    (SEABIOS, KERNEL + "Begin: Mounting root file system ... ALERT!  LABEL=nowhere does not exist.  Dropping to a shell!\n", "userspace", "no-root"),
    (SEABIOS, KERNEL + "[    1.5] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n", "kernel", "no-root"),
    (SEABIOS, KERNEL + "[    4.9] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n", "kernel", "panic"),
    # What a running system prints is not taken for what firmware prints.
    (SEABIOS, KERNEL + "Shell> is a word\ngrub> is a prompt\n", "kernel", ""),
])
def test_a_console_says_how_far_it_got(firmware: str, console: str, stage: str, end: str) -> None:
    sight = boot_console.seen(firmware, console)
    assert (sight.stage, sight.end) == (stage, end) and bool(sight.line) is bool(end)


def test_a_root_that_is_missing_is_named() -> None:
    console = KERNEL + ("Gave up waiting for root file system device.  Common problems:\n - Boot args (cat /proc/cmdline)\n"
                        "ALERT!  LABEL=nowhere does not exist.  Dropping to a shell!\n")
    assert boot_console.seen(SEABIOS, console).line == "ALERT! LABEL=nowhere does not exist"
    assert boot_console.seen(SEABIOS, console[:150]).line == "Gave up waiting for root file system device"


def test_the_first_error_is_told_too() -> None:
    console = "  Booting `linux'\n\nerror: something wrong with extent.\nerror: you need to load the kernel first.\n\nPress any key to continue..."
    assert boot_console.seen(SEABIOS, console).line == "error: something wrong with extent. error: you need to load the kernel first."


def test_cloud_inits_last_line_names_the_data_source() -> None:
    line = "[   47.1] cloud-init[700]: Cloud-init v. 22.4.2 finished at Fri, 20 Nov 2026 20:14:27 +0000. Datasource DataSourceNoCloud [seed=/dev/sr0].  Up 47\n"
    assert boot_console.seen("", KERNEL + line).datasource == "DataSourceNoCloud"


@pytest.mark.parametrize("line", ["\nlocalhost login: ", "[  OK  ] Reached target multi-user.target - Multi-User System.\n"])
def test_a_machine_that_is_up_without_cloud_init_is_seen(line: str) -> None:
    sight = boot_console.seen("", KERNEL + line)
    assert sight.up and not sight.cloud_init


def test_escapes_are_not_text() -> None:
    assert boot_console.plain("\x1b[2J\x1b[01;01H\x1b=3h[\x1b[0;32m  OK  \x1b[0m] Started\r\n") == "3h[  OK  ] Started\n"


def said(sections: t.Mapping[str, str]) -> str:
    """A report on a console, as the guest's own script says it."""
    script, _last = boot_probe.script(NONCE, "", [], [], [], 1).rsplit("\ntell ", 1)
    text = "".join(f"#{NONCE} {name}\n{body}\n" for name, body in sections.items())
    with tempfile.NamedTemporaryFile("w") as report:
        report.write(text)
        report.flush()
        done = subprocess.run(["sh", "-eu"], input=f"{script}\nsay\n".replace("/run/egi-cmd-report", report.name).encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


SECTIONS = {"hostname": NONCE, "packages": "\n".join(f"package-{number}|1:{number}-1|amd64" for number in range(200)), "end": ""}
SAID = said(SECTIONS)
FIRST = SAID[:SAID.index(f"{NONCE}.2:")]
SECOND = SAID[len(FIRST):]


def test_a_report_comes_out_of_the_console() -> None:
    assert boot_probe.extracted(KERNEL + FIRST, NONCE) == SECTIONS
    assert boot_probe.copies(FIRST + SECOND, NONCE) == 2
    assert boot_probe.extracted(KERNEL, NONCE) is None
    assert len(boot_probe.packages(SECTIONS["packages"])) == 200


@given(st.data())
def test_no_damage_changes_a_report(data: st.DataObject) -> None:
    """A message of the kernel, or lost characters, in the first copy: the second is taken, or nothing is believed."""
    position = data.draw(st.integers(0, len(FIRST) - 1))
    noise = data.draw(st.sampled_from(["[  99.0] noise", "\r\n[  99.0] noise\r\n", "A", ""]))
    damaged = FIRST[:position] + noise + FIRST[position + data.draw(st.integers(0, 3)):]
    assert boot_probe.extracted(damaged + SECOND, NONCE) == SECTIONS
    assert boot_probe.extracted(damaged, NONCE) in (None, SECTIONS)


def test_apt_says_what_it_would_install() -> None:
    policy = ("egi-hello:\n  Installed: (none)\n  Candidate: 1.0-1\n  Version table:\n     2.0-1 100\n        100 http://base.example.org main\n"
              " *** 1.0-1 1200\n       1200 http://repo.example.org/apt cmd-os-1-updates/main amd64 Packages\nother:\n  Candidate: 7\n")
    assert boot_probe.candidate(policy, "egi-hello") == ("1.0-1", {"2.0-1": 100, "1.0-1": 1200})
    assert boot_probe.candidate(policy, "nothing") == ("", {})


def test_the_script_is_a_script() -> None:
    script = boot_probe.script(NONCE, "10.0.2.100", ["repo.example.org"], ["egi-hello"], ["egi-hello"], 600)
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    assert "%" not in script.replace("%s", "").replace("%{NAME}|%{EVR}|%{ARCH}", "")


def boot(transport: str = "nocloud", mirror: bool = False, **expect: t.Any) -> Boot:
    mirrors = (("repo.example.org", "/srv/repository"),) if mirror else ()
    return Boot("/srv/a.qcow2", "qcow2", "0" * 64, "x86_64", "bios", transport, 1024, "max", 300, mirrors, (), Expectation(**{"grows": False, **expect}))


def report(source: str = "DataSourceNoCloud [seed=/dev/sr0][dsmode=net]", errors: t.Sequence[str] = (), status: t.Any = None, **more: str) -> t.Dict[str, str]:
    return {"result": json.dumps({"v1": {"datasource": source, "errors": list(errors)}}), "status": json.dumps({"v1": status or {}}), "hostname": NONCE, **more}


def verdict(of_boot: Boot, told: t.Mapping[str, str], off: bool = True) -> t.Tuple[str, str]:
    return boot_judge.verdict(boot_judge.checks(of_boot, told, NONCE, DISK, off))[:2]


@pytest.mark.parametrize("transport, source", [
    ("nocloud", "DataSourceNoCloud [seed=/dev/sr0][dsmode=net]"), ("nocloud", "DataSourceNoCloudNet [seed=http]"),
    ("configdrive", "DataSourceConfigDrive [net,ver=2][source=/dev/sr0]"), ("opennebula", "DataSourceOpenNebula [seed=/dev/sr0][dsmode=net]"),
    ("ovf", "DataSourceOVF [seed=iso]"), ("ec2", "DataSourceEc2Local"), ("ec2", "DataSourceEc2"),
])
def test_data_sources_are_known_by_their_names(transport: str, source: str) -> None:
    assert verdict(boot(transport), report(source)) == ("pass", "booted")


@pytest.mark.parametrize("told, reason", [
    (report("DataSourceNone"), "no-datasource"),
    (report("DataSourceNoCloudy"), "wrong-datasource"),
    (report("DataSourceOVF [seed=iso]"), "wrong-datasource"),
    (report(errors=["('scripts_user', RuntimeError('Runparts: 1 failures'))"]), "config-error"),
    (report(status={"modules-config": {"errors": ["('locale', ProcessExecutionError)"]}}), "config-error"),
    (report(status={"init": {"recoverable_errors": {"ERROR": ["cannot"]}}}), "config-error"),
    ({**report(), "result": "cat: /run/cloud-init/result.json: No such file or directory"}, "no-datasource"),
    (report(hostname="localhost"), "check-failed"),
])
def test_what_cloud_init_says_of_itself_is_the_verdict(told: t.Dict[str, str], reason: str) -> None:
    assert verdict(boot(), told) == ("fail", reason)


def test_a_warning_is_no_error() -> None:
    assert verdict(boot(), report(status={"init": {"recoverable_errors": {"DEPRECATED": ["old key"]}}})) == ("pass", "booted")


def test_a_guest_that_stays_on_fails() -> None:
    assert verdict(boot(), report(), off=False) == ("fail", "check-failed")


@pytest.mark.parametrize("kibibytes, passes", [("5667840", True), ("1400000", False), ("", False)])
def test_a_root_file_system_has_to_grow(kibibytes: str, passes: bool) -> None:
    assert (verdict(boot(grows=True), report(root=kibibytes))[0] == "pass") is passes


def test_packages_are_exactly_those() -> None:
    one, two = boot_probe.Package("a", "1-1", "amd64"), boot_probe.Package("b", "2:1", "all")
    told = report(packages="a|1-1|amd64\nb|2:1|all")
    assert verdict(boot(packages=(one, two)), told)[0] == "pass"
    check = next(check for check in boot_judge.checks(boot(packages=(one, two._replace(version="2:2"))), told, NONCE, DISK, True) if check.name == "packages")
    assert not check.ok and check.detail == "1 missing, 1 not expected: missing b 2:2 all; not expected b 2:1 all"


STANZAS = ("# Repository: cmd-os-1-base\nTypes: deb\nURIs: http://repo.example.org/apt/\nSuites: cmd-os-1\n\n"
           "# Repository: cmd-os-1-proposed\nTypes: deb\nURIs: http://repo.example.org/apt\nSuites: cmd-os-1-proposed\nEnabled: no\n")
SECTION = ("# updates, band overlay\n[cmd-os-1-updates]\nname=updates\nbaseurl=http://repo.example.org/el9/\nenabled=1\n\n"
           "[off]\nbaseurl=http://repo.example.org/off\nenabled=0\n")


@pytest.mark.parametrize("name, uri, there", [
    ("cmd-os-1-base", "http://repo.example.org/apt", True), ("cmd-os-1-proposed", "http://repo.example.org/apt", False),
    ("cmd-os-1-base", "http://repo.example.org", False), ("", "http://repo.example.org/apt", True),
    ("cmd-os-1-updates", "http://repo.example.org/el9", True), ("off", "http://repo.example.org/off", False),
])
def test_repositories_are_those_that_are_enabled(name: str, uri: str, there: bool) -> None:
    assert (verdict(boot(repositories=((name, uri),)), report(sources=STANZAS + "\n" + SECTION))[0] == "pass") is there


def test_the_stanzas_are_as_repository_set_writes_them() -> None:
    assert [name for name, _uris, _suite in apt_files.repository_names(STANZAS)] == ["cmd-os-1-base", "cmd-os-1-proposed"]


def test_an_installation_is_one_that_was_made() -> None:
    wanted = boot(mirror=True, install=("egi-hello",), priorities=(("egi-hello", 1200),))
    policy = "egi-hello:\n  Candidate: 1.0-1\n  Version table:\n     1.0-1 1200\n"
    good = report(update="Get:1\n\nexit 0", policy=policy, install="\nexit 0", installed="egi-hello|1.0-1|all")
    assert verdict(wanted, good)[0] == "pass"
    for worse in ({"update": "E: no\n\nexit 100"}, {"install": "E: Unable to locate package\n\nexit 100"}, {"installed": ""}, {"policy": ""}):
        assert verdict(wanted, {**good, **worse}) == ("fail", "check-failed"), worse
