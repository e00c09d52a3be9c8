#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""egi.cmd.image_seed, judged by cloud-init's own parsers, unpacked from the distribution's packages and never installed.

Discs are read by xorriso, which knows nothing of us, into the directories that cloud-init would have mounted.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import traceback
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = Path(os.environ["LAB_STATE"])
CLOUD_INIT = WORK / "cloud-init"
DISCS = ("nocloud", "configdrive", "opennebula", "ovf")
KEYS = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA one@example.org", "ssh-rsa AAAAB3NzaC1yc2E two@example.org"]
# Everything that a quoting could stumble over
AWKWARD = "it's \"$HOME\" `id` $(id) \\ \\n 'x' & < > ]]> %s !! \u00e9\u6f22\U0001f600\u2028 end\n\ttab"
ETHERNET = {"match": {"macaddress": "52:54:00:00:00:02"}, "addresses": ["192.0.2.2/24"], "gateway4": "192.0.2.1",
            "nameservers": {"addresses": ["192.0.2.53"], "search": ["example.org"]}}
NETWORK = {"version": 2, "ethernets": {"eth0": ETHERNET}}
Answer = t.Dict[str, t.Any]


def run(*command: str) -> str:
    """Run a program; return its standard output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300, cwd=WORK)
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def module(*seeds: Answer, flags: t.Sequence[str] = (), good: bool = True, **more: t.Any) -> Answer:
    """Run the module here; return its result, with all that was printed as ``said``."""
    command = ["ansible", "-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3", "localhost", "-m", "egi.cmd.image_seed",
               "-a", json.dumps({"seeds": seeds, "published": [str(WORK / "public")], **more}), *flags]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300, cwd=WORK)
    assert (done.returncode == 0) is good, done.stdout + done.stderr
    _before, _name, result = done.stdout.partition("localhost | ")
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return {**json.loads(result[result.index("{"):]), "said": done.stdout + done.stderr}


def seed(transport: str, form: str = "iso", **more: t.Any) -> Answer:
    """Arguments of a seed."""
    suffix = ".iso" if form == "iso" else ""
    return {"path": str(WORK / f"{transport}{suffix}"), "transport": transport, "format": form, "hostname": "wn1.example.org", **more}


def judged(transport: str, path: Path) -> Answer:
    """What cloud-init reads from a directory."""
    answer: Answer = json.loads(run("/usr/bin/python3", str(HERE / "judge.py"), str(CLOUD_INIT / "usr/lib/python3/dist-packages"), transport, str(path)))
    return answer


def read(given: Answer) -> Answer:
    """What cloud-init reads from a seed."""
    path = Path(given["path"])
    if given["format"] == "iso":
        path = WORK / f"read-{given['transport']}"
        run("rm", "-rf", str(path))
        run("xorriso", "-osirrox", "on", "-indev", given["path"], "-extract", "/", str(path))
    return judged(given["transport"], path)


def unpack() -> None:
    """Cloud-init and what of its Python this machine lacks; nothing is installed."""
    (CLOUD_INIT / "archives/partial").mkdir(parents=True)
    run("apt-get", "-q", "update")
    run("apt-get", "-qy", "install", "--no-install-recommends", "--download-only", "-o", f"Dir::Cache::archives={CLOUD_INIT}/archives",
        "-o", "Debug::NoLocking=1", "cloud-init")
    for package in (CLOUD_INIT / "archives").glob("*.deb"):
        run("dpkg", "-x", str(package), str(CLOUD_INIT))


def discs(*transports: str, **more: t.Any) -> t.Iterator[t.Tuple[str, Answer, Answer]]:
    """Write seeds in one call; transport, what the module says and what cloud-init reads of each."""
    given = [seed(transport, **more) for transport in transports]
    result = module(*given)
    for one, row in zip(given, result["seeds"]):
        assert row["changed"], row
        yield one["transport"], row, read(one)
        os.unlink(one["path"])


def cloud_init_reads_what_was_written() -> None:
    for transport, row, told in discs(*DISCS, user_data=AWKWARD, ssh_keys=KEYS[:1], network=NETWORK):
        assert told["hostname"] == "wn1.example.org", (transport, told)
        assert told["user_data"] == AWKWARD, (transport, told)
        assert told["keys"] == KEYS[:1], (transport, told)
        assert transport in ("opennebula", "configdrive") or told["instance_id"] == row["instance_id"], (transport, told)
        network = json.dumps(told["network"])
        for word in ("52:54:00:00:00:02", "192.0.2.2", "192.0.2.1", "192.0.2.53", "example.org"):
            assert word in network, (transport, word, network)


def parts_reach_cloud_inits_handlers() -> None:
    parts = [{"packages": ["b\u00e4r", AWKWARD]}, "#!/bin/sh\necho one\n", "#cloud-config\nruncmd: [two]\n"]
    for transport, _row, told in discs(*DISCS, user_data=parts, password="correct horse", ssh_keys=KEYS):
        assert [one["type"] for one in told["parts"]][:3] == ["text/cloud-config", "text/x-shellscript", "text/cloud-config"], (transport, told["parts"])
        assert told["config"]["packages"] == ["b\u00e4r", AWKWARD], (transport, told["config"])
        assert told["config"]["password"] == "correct horse" and told["config"]["runcmd"] == ["two"], (transport, told["config"])
        assert (told["keys"] or told["config"].get("ssh_authorized_keys")) == KEYS, (transport, told)


def vendor_data_reaches_cloud_init() -> None:
    for transport, _row, told in discs("nocloud", "configdrive", vendor_data={"runcmd": ["vendor"]}):
        assert "vendor" in told["vendor_data"], transport


def a_directory_has_the_same_files() -> None:
    disc, directory = seed("nocloud", user_data=AWKWARD), seed("nocloud", form="directory", user_data=AWKWARD)
    module(disc, directory)
    assert read(disc) == read(directory)
    tree = seed("ec2", form="directory", user_data="x", ssh_keys=KEYS)
    module(tree)
    assert (WORK / "ec2/latest/meta-data/public-keys/1/openssh-key").read_text() == KEYS[1]
    module(*({**one, "state": "absent"} for one in (disc, directory, tree)))
    assert not any(Path(one["path"]).exists() for one in (disc, directory, tree))


def the_same_seed_is_the_same_bytes_and_changes_nothing() -> None:
    given = seed("nocloud", user_data={"a": 1})
    other = {**given, "path": str(WORK / "other.iso")}
    first, second, copy = module(given), module(given), module(other)
    assert first["changed"] and not second["changed"] and first["seeds"][0]["sha256"] == copy["seeds"][0]["sha256"]
    assert Path(given["path"]).read_bytes() == Path(other["path"]).read_bytes()
    assert stat.S_IMODE(os.stat(given["path"]).st_mode) == 0o600
    os.chmod(given["path"], 0o644)
    assert module(given)["changed"] and stat.S_IMODE(os.stat(given["path"]).st_mode) == 0o600
    run("rm", given["path"], other["path"])


def check_mode_writes_nothing_and_a_difference_tells_no_secret() -> None:
    given = seed("nocloud", user_data="#!/bin/sh\n# FirstSecret\n", password="OpenSesame")
    dry = module(given, flags=("--check", "--diff", "-vvv"))
    assert dry["changed"] and not Path(given["path"]).exists()
    wet = module({**given, "user_data": "#!/bin/sh\n# SecondSecret\n"}, flags=("--diff", "-vvv"))
    for word in ("FirstSecret", "SecondSecret", "OpenSesame"):
        assert word not in dry["said"] + wet["said"], word
    again = module({**given, "user_data": "#!/bin/sh\n# ThirdSecret!\n"}, flags=("--diff", "-vvv"))
    assert "user-data" in again["said"] and ", changed" in again["said"] and "ThirdSecret" not in again["said"]
    run("rm", given["path"])


def secrets_that_would_be_served_give_a_warning() -> None:
    (WORK / "public").mkdir()
    quiet = {**seed("nocloud"), "path": str(WORK / "public/seed.iso")}
    assert "WARNING" not in module(quiet)["said"]
    loud = module({**quiet, "password": "OpenSesame"})
    assert "has a password, and" in loud["said"] and loud["seeds"][0]["secrets"] == ["a password"]
    assert "WARNING" not in module(seed("nocloud", password="OpenSesame"))["said"]
    run("rm", str(WORK / "nocloud.iso"))


def what_is_wrong_is_said_and_nothing_is_written() -> None:
    (WORK / "letter").write_text("not a seed")
    for given, why in (
        (seed("opennebula", vendor_data="x"), "carries no vendor_data"),
        (seed("ec2"), "EC2 has a service and no disc"),
        ({**seed("nocloud"), "path": str(WORK / "letter")}, "it is no seed"),
        ({**seed("nocloud"), "path": str(WORK / "nowhere/seed.iso")}, "is no directory"),
        ({**seed("nocloud"), "hostname": "not a name"}, "is not a host name"),
    ):
        before = sorted(WORK.iterdir())
        # The good seed before the bad one is not written either.
        failed = module({**seed("nocloud"), "path": str(WORK / "good.iso")}, given, good=False)
        assert why in failed["msg"], failed
        assert sorted(WORK.iterdir()) == before
    assert (WORK / "letter").read_text() == "not a seed"


def user_data_survives_base64_and_ovf() -> None:
    given = seed("ovf", user_data=AWKWARD)
    module(given)
    run("xorriso", "-osirrox", "on", "-indev", given["path"], "-extract", "/ovf-env.xml", str(WORK / "ovf-env.xml"))
    assert base64.b64encode(AWKWARD.encode()).decode() in (WORK / "ovf-env.xml").read_text()
    run("rm", given["path"])


TESTS = [
    cloud_init_reads_what_was_written, parts_reach_cloud_inits_handlers, vendor_data_reaches_cloud_init,
    a_directory_has_the_same_files, the_same_seed_is_the_same_bytes_and_changes_nothing, check_mode_writes_nothing_and_a_difference_tells_no_secret,
    secrets_that_would_be_served_give_a_warning, what_is_wrong_is_said_and_nothing_is_written, user_data_survives_base64_and_ovf,
]


def main() -> int:
    unpack()
    failed = 0
    for test in TESTS:
        try:
            test()
        except Exception:
            failed += 1
            print(f"FAILED {test.__name__}\n{traceback.format_exc()}")
    print(f"{len(TESTS) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
