#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""egi.cmd.image with the distribution this machine runs and a signed release on loopback: what is in an image, what is refused.

Roots of containers and a disk without a kernel show all but the boot; bin/test images boots.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import traceback
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parent))
from image_site import EPOCH, SITE, WORK, Answer, called, codename, module, publish, release, rpm, run, serve  # noqa: E402

TOP = Path(__file__).resolve().parents[4]
for _path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
    sys.path.append(_path)

sys.path.insert(0, str(TOP))

from ansible_collections.egi.cmd.plugins.module_utils._host import openpgp  # noqa: E402
from tests.run.machine import prepare  # noqa: E402

SECONDS = 2400  # for everything, on a busy machine
KEYRINGS = {"debian": "/usr/share/keyrings/debian-archive-keyring.gpg", "ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg"}
OUT, CACHE = WORK / "out", WORK / "cache"


class Skipped(Exception):
    """Something this machine cannot show; the text says why."""


def base() -> Answer:
    """The distribution this machine runs, from where its own apt gets it."""
    system = next(line.partition("=")[2].strip('"') for line in Path("/etc/os-release").read_text().splitlines() if line.startswith("ID="))
    # What it would fetch, and not what it has: its lists may be empty.
    places = re.findall(r"^'(http\S+/)dists/(\S+)/InRelease' ", run(["apt-get", "--print-uris", "update"]), re.MULTILINE)
    urls = {suite: url for url, suite in places if url.rstrip("/").endswith((f"/{system}", f"/{system}-security"))}
    suites = [codename(), f"{codename()}-updates", f"{codename()}-security"]
    keyring = KEYRINGS.get(system, "")
    if not Path(keyring).exists() or not all(urls.get(suite, "").startswith("http") for suite in suites):
        raise Skipped(f"apt knows no web server with {', '.join(suites)}")
    for suite in suites:
        try:
            urllib.request.urlopen(f"{urls[suite]}dists/{suite}/InRelease", timeout=15).close()
        except (urllib.error.URLError, OSError) as error:
            raise Skipped(f"the mirror this machine uses cannot be reached: {error}") from error
    keys = [fingerprint for fingerprint, _packets in openpgp.certificates(Path(keyring).read_bytes())]
    return {"name": system, "repositories": [
        {"name": f"{system}-{suite}", "uris": [urls[suite]], "suite": suite, "components": ["main"], "origin": system.capitalize(),
         "keys": [{"fingerprint": fingerprint, "file": keyring} for fingerprint in keys]} for suite in suites
    ]}


class Bench:
    """Calls the module for definitions that differ in what is given."""

    def __init__(self, port: int) -> None:
        self.base, self.mirror = base(), f"http://127.0.0.1:{port}/"

    def definition(self, **changes: t.Any) -> Answer:
        """The root of a container with site-tool 1.0."""
        return {"name": "site-cloud", "platform": codename(), "release": release(), "snapshot": "site-1-1.0", "variants": ["container"],
                "release_packages": ["site-tool"], "base": self.base, "mirrors": {"http://repo.example.org/": self.mirror}, "epoch": EPOCH, **changes}

    def options(self, **changes: t.Any) -> Answer:
        """Options of the module."""
        return {"directory": str(OUT), "cache": str(CACHE), "definition": self.definition(), "timeout": 60, **changes}

    def build(self, good: bool = True, check: bool = False, **changes: t.Any) -> Answer:
        """Call the module."""
        return module("image", good, check, self.options(**changes))


def image(directory: Path = OUT, cell: str = "site-cloud-container-x86_64") -> Answer:
    """What image.json says; every file is what it says."""
    told: Answer = json.loads((directory / cell / "image.json").read_text())
    jsonschema.validate(told, json.loads((TOP / "plugins/module_utils/_image/image.schema.json").read_text()))
    for one in told["files"]:
        content = (directory / cell / one["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["size"], one["sha256"])
    assert sorted(os.listdir(directory / cell)) == sorted(["image.json", *(one["name"] for one in told["files"])])
    return told


def state(directory: Path) -> t.Dict[str, t.Tuple[int, int]]:
    """Every file below a directory with its size and time."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(directory.rglob("*")) if path.is_file()}


def version_of(told: Answer, name: str) -> t.Tuple[str, str]:
    """Version and origin of a package."""
    return next((one["version"], one["origin"]) for one in told["packages"] if one["name"] == name)


def builds(bench: Bench) -> None:
    """A root has the snapshot's package, the release's own addresses, and nothing of the build."""
    answer = bench.build()
    assert answer["changed"] and [step["stage"] for step in answer["images"][0]["stages"]] == ["root file system", "tar.xz"], answer["images"][0]["stages"]
    told = image()
    assert version_of(told, "site-tool") == ("1.0", "site-1-base") and all(one["origin"] for one in told["packages"])
    with tarfile.open(OUT / "site-cloud-container-x86_64/site-cloud-container-x86_64.tar.xz") as tar:
        members = {member.name: member for member in tar}
        files = {name: tar.extractfile(member) for name, member in members.items() if name.startswith("./etc/") and member.isreg()}
        etc = {name: file.read() for name, file in files.items() if file}
    assert b"http://repo.example.org/deb\n" in etc["./etc/apt/sources.list.d/egi-cmd-site-1.sources"]
    assert not [name for name, content in etc.items() if b"127.0.0.1:" in content or str(WORK).encode() in content]
    assert b"Pin-Priority: 1200" in etc["./etc/apt/preferences.d/egi-cmd-site-1.pref"]
    assert etc["./etc/machine-id"] == b"" and b'SNAPSHOT="site-1-1.0"' in etc["./etc/egi-cmd-image-release"]
    left = [name for name in members if name.startswith(("./etc/ssh/ssh_host", "./var/lib/apt/lists/", "./tmp/", "./var/cache/apt/archives/"))
            or name in ("./etc/resolv.conf", "./etc/hostname", "./etc/apt/sources.list")]
    assert [name for name in left if members[name].isreg()] == []
    assert {member.mtime for member in members.values() if member.mtime > EPOCH} == set()


def stays(bench: Bench) -> None:
    """The second run changes nothing, makes nothing, and is quick."""
    before, started = state(OUT), time.monotonic()
    answer = bench.build()
    assert not answer["changed"] and answer["images"][0]["stages"] == [], answer
    assert state(OUT) == before
    print(f"    {time.monotonic() - started:.1f} s with Ansible's own start", flush=True)


def again(bench: Bench) -> None:
    """Built again from nothing, in another directory, time zone and umask, it has the same bytes."""
    command = ["sh", "-c", 'umask 077; exec "$@"', "sh", *called("image", bench.options(directory=str(WORK / "a/b"), cache=str(WORK / "other-cache")))]
    run(command, TZ="Asia/Tokyo", ANSIBLE_NOCOLOR="1")
    assert image(WORK / "a/b") == image()
    verified = bench.build(state="verified")
    assert verified["identical"] and not verified["changed"], verified


def differs(bench: Bench) -> None:
    """With one package changed, check mode says what would be built, the digest changes, and the diff names the package."""
    newer = bench.definition(snapshot="site-1-1.1")
    before, old = state(OUT), image()
    planned = bench.build(check=True, definition=newer)
    assert planned["changed"] and planned["images"][0]["why"] == "root file system: the definition changed", planned["images"]
    assert state(OUT) == before
    answer = bench.build(definition=newer)
    new = image()
    assert answer["changed"] and new["files"][0]["sha256"] != old["files"][0]["sha256"]
    assert "\n-package site-tool:all 1.0 from site-1-base\n+package site-tool:all 1.1 from site-1-base\n" in answer["said"], answer["said"][:3000]
    answer = bench.build(state="verified")
    assert not answer["identical"] and "+ package site-tool:all 1.0 from site-1-base" in answer["images"][0]["differences"], answer
    assert "/usr/share/site-tool/version: content" in answer["images"][0]["differences"], answer["images"][0]["differences"]
    assert not any(step["stage"] == "root file system" for step in bench.build()["images"][0]["stages"]), "the stage before was still in the cache"


def refuses(bench: Bench) -> None:
    """A package that is missing, or comes from elsewhere, or a file that is not verified: refused, and nothing is written."""
    before = state(OUT)
    for changes, words in (
        ({"packages": ["site-nothing"]}, "Unable to locate package site-nothing"),
        ({"release_packages": ["sed"]}, "package sed comes from"),
        ({"snapshot": "site-1-9.9"}, "the server says 404"),
        ({"base": {**bench.base, "repositories": bench.base["repositories"][:1]}}, "base-security"),
        ({"post": "echo deb http://127.0.0.1/ x main >/etc/apt/sources.list.d/stray.list; exit 3\n"}, "Failed to build"),
    ):
        answer = bench.build(good=False, definition=bench.definition(**changes))
        assert words in answer["msg"], answer["msg"]
    assert state(OUT) == before


def killed(bench: Bench) -> None:
    """Killed in the middle, nothing half is left where images are, no process lives on, and the next run completes."""
    directory = WORK / "killed"
    definition = bench.definition(name="site-killed")
    process = subprocess.Popen(called("image", bench.options(directory=str(directory), definition=definition)), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    work = f"{CACHE}/work/site-killed-container-x86_64-rootfs"
    deadline = time.monotonic() + 300
    while not glob.glob(f"{work}/mmdebstrap.*/usr/bin") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert glob.glob(f"{work}/mmdebstrap.*/usr/bin"), "the build never came so far"
    for builder in holders(f"{CACHE}/lock"):
        os.kill(builder, signal.SIGKILL)
    process.wait()
    for _second in range(20):
        if not alive(work):
            break
        time.sleep(0.5)
    assert not alive(work), "a program of the build outlived it"
    assert not directory.exists() or not state(directory)
    bench.build(directory=str(directory), definition=definition)
    image(directory, "site-killed-container-x86_64")
    assert os.listdir(f"{CACHE}/work") == []


def holders(path: str) -> t.Set[int]:
    """Processes that have a file open: of the lock, the module itself."""
    found = set()
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) == path:
                found.add(int(link.split("/")[2]))
        except OSError:
            continue
    return found


def alive(work: str) -> bool:
    """Whether a process names the work directory."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            if work.encode() in Path(path).read_bytes():
                return True
        except OSError:
            continue
    return False


def disk(bench: Bench) -> None:
    """A disk in every format: the tables of both firmwares, a root without a mount, and a package that can be deployed."""
    definition = bench.definition(variants=["generic"], kernel={"x86_64": "e2fsprogs"}, system_packages=[], size="1GiB", root_label="site-root")
    formats = ["qcow2", "raw.tar.xz", "vmdk", "vhd", "ova", "ovf"]
    bench.build(definition=definition, formats=formats)
    cell = "site-cloud-generic-x86_64"
    told = image(cell=cell)
    assert [one["name"].rpartition("x86_64.")[2] for one in told["files"]] == ["qcow2", "raw.tar.xz", "vmdk", "vhd", "ova", "ovf", "mf"]
    assert told["disk"]["boot"] == ["bios", "uefi"] and told["disk"]["virtual_size"] == 1 << 30
    run(["qemu-img", "check", str(OUT / cell / f"{cell}.qcow2")])
    (raw,) = glob.glob(f"{CACHE}/disk/{cell}/*/disk.raw")
    assert "sectors" in run(["sfdisk", "--verify", raw])
    start = int(run(["sfdisk", "--list", "--output", "Start", "--quiet", raw]).split()[-1]) * 512
    grub = run(["debugfs", "-R", "cat /boot/grub/grub.cfg", f"{raw}?offset={start}"])
    assert "root=LABEL=site-root" in grub
    assert "BOOTX64" in run(["mdir", "-i", f"{raw}@@{2 << 20}", "::/EFI/BOOT"])
    with tarfile.open(OUT / cell / f"{cell}.ova") as tar:
        assert tar.getnames() == [f"{cell}.ovf", f"{cell}.mf", f"{cell}.vmdk"]


def external(bench: Bench) -> None:
    """A disk that was built elsewhere is converted, if it is the one that was meant."""
    (raw,) = glob.glob(f"{CACHE}/disk/site-cloud-generic-x86_64/*/disk.raw")
    digest = hashlib.sha256(Path(raw).read_bytes()).hexdigest()
    given = {"name": "site-elsewhere", "platform": "el9", "epoch": EPOCH, "external": {"path": raw, "sha256": digest, "boot": ["bios", "uefi"]}}
    bench.build(definition=given)
    assert image(cell="site-elsewhere-generic-x86_64")["disk"]["sha256"] == digest
    wrong = {**given, "external": {**given["external"], "sha256": "0" * 64}}
    assert "and not 0000" in bench.build(good=False, definition=wrong)["msg"]


def rpm_root(bench: Bench) -> None:
    """A container's root of the RPM family: packages of the snapshot, the release's own addresses, the same bytes again."""
    entry = {"name": "site-os", "baseurl": ["http://repo.example.org/snapshots/site-1-1.0/rpm/base"], "keys": release()["keys"]}
    definition = bench.definition(platform="el9", packages=["site-release"], base={"name": "site-os", "repositories": [entry]})
    bench.build(definition=definition, directory=str(WORK / "rpm"))
    told = image(WORK / "rpm")
    assert {one["name"]: one["version"] for one in told["packages"]} == {"site-release": "1.0-1", "site-tool": "1.0-1"}
    assert version_of(told, "site-tool")[1] == "site-1-base"
    with tarfile.open(WORK / "rpm/site-cloud-container-x86_64/site-cloud-container-x86_64.tar.xz") as tar:
        handle = tar.extractfile("./etc/yum.repos.d/egi-cmd-site-1.repo")
        text = handle.read().decode() if handle else ""
    assert "baseurl=http://repo.example.org/rpm/updates\n" in text and "priority=30\n" in text and "127.0.0.1" not in text
    verified = bench.build(state="verified", definition=definition, directory=str(WORK / "rpm"))
    assert verified["identical"], verified["images"][0]["differences"]
    missing = bench.definition(platform="el9", packages=["site-nothing"], base=definition["base"])
    assert "site-nothing" in bench.build(good=False, definition=missing, directory=str(WORK / "rpm"))["msg"]


KICKSTART = """\
text
repo --name=site --baseurl=http://repo.example.org/snapshots/site-1-1.1/rpm/base
%packages
site-release
%end
"""


def kickstart(bench: Bench) -> None:
    """A kickstart file adds packages and a repository; a directive that means nothing here is refused by name."""
    python = prepare("need_venv", "kickstart", "pykickstart>=3.50,<4") + "/bin/python"
    path, definition = WORK / "site.ks", bench.definition(platform="el9", base={"name": "site-os", "repositories": []})
    options = bench.options(definition=definition, kickstart=str(path), repository_keys={"site": release()["keys"]}, directory=str(WORK / "kickstart"))
    path.write_text(KICKSTART)
    command = [*called("image", options, check=True), "-e", f"ansible_python_interpreter={python}"]
    assert "root file system: there is no image of this cell yet" in run(command)
    path.write_text(f"{KICKSTART}bootloader --location=mbr\n")
    assert "bootloader means nothing for an image" in run(command, good=(2,))


CASES: t.Sequence[t.Callable[[Bench], None]] = (builds, stays, again, differs, refuses, killed, disk, external, rpm_root, kickstart)


def judged(bench: Bench, chosen: t.Collection[str]) -> t.List[int]:
    """Run the cases; how many passed and failed."""
    counts = [0, 0]
    for case in CASES:
        if chosen and case.__name__ not in chosen:
            continue
        started = time.monotonic()
        try:
            case(bench)
            counts[0] += 1
            print(f"ok: {case.__doc__} ({time.monotonic() - started:.0f} s)", flush=True)
        except Exception:
            counts[1] += 1
            print(f"FAILED: {case.__doc__}\n{traceback.format_exc()}", flush=True)
    return counts


def _too_late(_number: int, _frame: t.Any) -> t.NoReturn:
    raise TimeoutError(f"not done after {SECONDS} s")


def main() -> int:
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(SECONDS)
    try:
        base()
    except Skipped as reason:
        print(f"skipped: {reason}\n0 passed, 0 failed, {len(CASES)} skipped", flush=True)
        return 0
    SITE.mkdir()
    server = serve()
    try:
        rpm(WORK / "incoming/rpm", "site-release", "1.0")
        publish("1.0")
        publish("1.1")
        passed, failed = judged(Bench(server.server_port), sys.argv[1:])
    finally:
        server.shutdown()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
