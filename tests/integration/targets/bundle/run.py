#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles carried from a mirror to an isolated site, whose real apt and dnf install; runs inside a lab session.

The host repo is both: its mirror of the standard site, and beside it the isolated site's root, into which nothing gets but
through bundles. apt1 and dnf1 know the isolated site only. One part of the way is cmd-mirror's, the other egi.cmd.bundle's.
"""

from __future__ import annotations

import filecmp
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
ROOTS = {name: Path(os.environ["LAB_STATE"]) / "hosts" / name / "root" for name in ("apt1", "dnf1", "repo")}
REPO = ROOTS["repo"]
URL = "http://repo.demo.example"
MIRROR, ISOLATED, MEDIUM = "/srv/mirror", "/srv/repository/isolated", "/media/carrier"
RPM = {"base-rpm": "base/el9/x86_64", "updates-rpm": "cmd-os-1/el9/updates/x86_64", "overlay-rpm": "cmd-os-1/el9/base/x86_64",
       "proposed-rpm": "cmd-os-1/el9/proposed/x86_64"}
SUITES = ["cmd-os-1", "cmd-os-1-updates", "cmd-os-1-proposed"]
SITE_KEYS, KEYS, TRUSTED = "/var/lib/repository-keys", "/etc/cmd-mirror/keys.gpg", "/etc/cmd-mirror/bundles.gpg"
Answer = t.Dict[str, t.Any]


def run(host: str, *command: str, good: int = 0) -> str:
    """Run a program on a host; return what it printed."""
    done = subprocess.run(["chroot", str(ROOTS[host]), "env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
    assert done.returncode == good, f"{' '.join(command)} on {host}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout if good == 0 else done.stderr


def mirror(site: str, *arguments: str) -> Answer:
    """Run cmd-mirror for one of the two sites; return its result."""
    answer: Answer = json.loads(run("repo", "cmd-mirror", "--config", f"/etc/cmd-mirror/{site}.json", "--json", *arguments))
    return answer


def ansible(name: str, *flags: str, good: bool = True, **arguments: t.Any) -> Answer:
    """Run a module on the host; return its result, with the difference Ansible prints as ``shown``."""
    done = subprocess.run(["ansible", "-i", os.environ["LAB_INVENTORY"], "repo", "-m", name, "-a", json.dumps(arguments), *flags],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
    assert "WARNING" not in done.stderr, done.stderr
    shown, _name, result = done.stdout.partition("repo | ")
    answer: Answer = {**json.loads(result[result.index("{"):]), "shown": shown}
    assert (done.returncode == 0) is good, done.stdout + done.stderr
    return answer


def module(site: str, *flags: str, good: bool = True, **arguments: t.Any) -> Answer:
    """Run the module for one of the two sites."""
    return ansible("egi.cmd.bundle", *flags, good=good, config=f"/etc/cmd-mirror/{site}.json", **arguments)


def publish(stage: str) -> str:
    """Publish a stage of the standard site, and let the mirror take it over; return the snapshot."""
    publish_site(stage)
    return str(mirror("online", "sync")["sets"]["standard"]["snapshot"])


def publish_site(stage: str) -> None:
    """Publish a stage of the standard site."""
    done = subprocess.run(["/usr/bin/python3", "-m", "lab.site", "--stage", stage, "--no-hosts"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


def prepare() -> Answer:
    """Install cmd-mirror and configure both sites; return the keys that sign bundles."""
    publish_site("proposed")
    for path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
        sys.path.append(path)
    program = importlib.import_module("ansible_collections.egi.cmd.plugins.module_utils._mirror.program")
    target = REPO / "usr/local/bin/cmd-mirror"
    target.write_bytes(program.build(str(TOP / "plugins/module_utils")))
    target.chmod(0o755)
    for path in ("etc/cmd-mirror", MEDIUM[1:]):
        (REPO / path).mkdir(parents=True, exist_ok=True)
    keys: Answer = {"home": "/etc/cmd-mirror/signing"}
    for name in ("signing", "stranger"):
        made = ansible("egi.cmd.repository_key", home=f"/etc/cmd-mirror/{name}", user_id="Bundles <bundles@example.org>", algorithm="ed25519")
        keys[name] = made["fingerprint"]
    for home, keyring in ((keys["home"], TRUSTED), (SITE_KEYS, KEYS)):
        run("repo", "gpg", "--homedir", home, "--batch", "--yes", "--output", keyring, "--export")
    sources: t.List[Answer] = [
        {"name": "base-deb", "format": "deb", "urls": [f"{URL}/base/apt"], "keyring": KEYS, "suites": ["base"]},
        {"name": "overlay-deb", "format": "deb", "urls": [f"{URL}/cmd-os-1/apt"], "keyring": KEYS, "suites": SUITES},
        *({"name": name, "format": "rpm", "urls": [f"{URL}/{path}"], "keyring": KEYS} for name, path in RPM.items()),
    ]
    for site, root in (("online", MIRROR), ("isolated", ISOLATED)):
        if site == "isolated":  # whoever asked an upstream from here would get no answer
            sources = [{**source, "urls": ["http://127.0.0.1:9/"]} for source in sources]
        (REPO / f"etc/cmd-mirror/{site}.json").write_text(json.dumps({"root": root, "margin": 0, "sets": {"standard": {"sources": sources}}}))
    return keys


def point_clients() -> None:
    """Let apt1 and dnf1 read the isolated site, signatures on, and nothing else."""
    key = run("repo", "gpg", "--homedir", SITE_KEYS, "--batch", "--armor", "--export")
    apt, dnf = ROOTS["apt1"], ROOTS["dnf1"]
    (apt / "etc/apt/keyrings").mkdir(exist_ok=True)
    (apt / "etc/apt/keyrings/isolated.asc").write_text(key)
    (dnf / "etc/pki/rpm-gpg/isolated").write_text(key)
    (apt / "etc/apt/sources.list.d/isolated.sources").write_text("\n".join(
        f"Types: deb\nURIs: {URL}/isolated/standard/{name}\nSuites: {suites}\nComponents: main\nSigned-By: /etc/apt/keyrings/isolated.asc\n"
        for name, suites in (("base-deb", "base"), ("overlay-deb", " ".join(SUITES)))))
    (dnf / "etc/yum.repos.d/isolated.repo").write_text("".join(
        f"[{name}]\nname={name}\nbaseurl={URL}/isolated/standard/{name}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/isolated\n"
        "metadata_expire=1\n" for name in RPM))


def same(snapshot: str) -> None:
    """Both sites show the same files with the same dates under the same name."""
    here, there = (REPO / root[1:] / "snapshots" / snapshot for root in (MIRROR, ISOLATED))
    names = [{str((Path(folder) / name).relative_to(top)) for folder, _folders, files in os.walk(top, followlinks=True) if ".cmd-mirror" not in folder
              for name in files} for top in (here, there)]
    assert names[0] == names[1] and len(names[0]) > 20, names[0] ^ names[1]
    for name in names[0]:
        assert filecmp.cmp(here / name, there / name, shallow=False), name
        if not (here / name).resolve().is_relative_to(REPO / MIRROR[1:] / "store"):
            assert int((here / name).stat().st_mtime) == int((there / name).stat().st_mtime), name


def full_bundle(keys: Answer) -> None:
    """A whole bundle, by the module: exported, imported into an empty root, and apt and dnf install from that."""
    snapshot = publish("proposed")
    told = {"state": "exported", "path": f"{MEDIUM}/full", "snapshot": "standard", "key_home": keys["home"], "signing_keys": [keys["signing"]]}
    assert module("online", "--check", **told)["changed"] and not (REPO / MEDIUM[1:] / "full").exists()
    done = module("online", **told)
    assert done["changed"] and done["snapshot"] == snapshot and done["base"] == [], done
    for flags in ((), ("--check",)):
        assert not module("online", *flags, **told)["changed"]
    taking = {"state": "imported", "path": f"{MEDIUM}/full", "keyring": TRUSTED}
    plan = module("isolated", "--check", "--diff", **taking)
    assert plan["changed"] and "cloud-api 2.2" in plan["shown"] and not (REPO / ISOLATED[1:] / "standard").exists(), plan
    done = module("isolated", "--diff", **taking)
    assert done["changed"] and done["published"] == snapshot and done["shown"] == plan["shown"], done
    for flags in ((), ("--check",)):
        assert not module("isolated", *flags, **taking)["changed"]
    same(snapshot)
    assert mirror("isolated", "verify")["findings"] == []
    point_clients()
    run("apt1", "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    run("apt1", "apt-get", "-q", "-y", "install", "cloud-client")
    run("dnf1", "dnf", "-q", "-y", "--releasever=9", "install", "cloud-client")


def refusals(keys: Answer) -> None:
    """A tampered, foreign or incomplete bundle is refused by name, and readers keep what they had."""
    isolated, medium = REPO / ISOLATED[1:], REPO / MEDIUM[1:]
    shown = os.readlink(isolated / "standard"), sorted(os.listdir(isolated / "snapshots"))
    publish("broken")
    export = ("bundle", "export", "standard", "--to", f"{MEDIUM}/next")
    sign = ("--key-home", keys["home"], "--key", keys["signing"])
    mirror("online", *export, *sign)
    had = {path.name for path in (isolated / "store/sha256").rglob("*")}
    package = max((path for path in (medium / "next/files").rglob("*") if path.is_file() and path.name not in had), key=lambda path: path.stat().st_size)
    content = package.read_bytes()

    def refused(why: str, path: str = "next") -> None:
        message = module("isolated", good=False, state="imported", path=f"{MEDIUM}/{path}", keyring=TRUSTED)["msg"]
        assert why in message and message.startswith("Failed to "), message
        command = ("cmd-mirror", "--config", "/etc/cmd-mirror/isolated.json", "bundle", "import", f"{MEDIUM}/{path}", "--keyring", TRUSTED)
        assert why in run("repo", *command, good=1)
        now = [name for name in os.listdir(isolated / "snapshots") if not name.startswith(".")]
        assert (os.readlink(isolated / "standard"), sorted(now)) == shown

    package.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    refused("is damaged or was changed")
    package.unlink()
    package.symlink_to("/etc/hostname")
    refused("is no plain file")
    package.unlink()
    refused("files are missing")
    package.write_bytes(content)
    (medium / "next/more").write_text("x")
    refused("more is not of this bundle")
    (medium / "next/more").unlink()
    mirror("online", "bundle", "export", "standard", "--since", shown[0].rpartition("/")[2], "--tar", f"{MEDIUM}/since.tar", *sign)
    whole = (medium / "since.tar").read_bytes()
    (medium / "cut.tar").write_bytes(whole[:len(whole) // 2])
    empty = json.loads((REPO / "etc/cmd-mirror/isolated.json").read_text())
    (REPO / "etc/cmd-mirror/empty.json").write_text(json.dumps({**empty, "root": "/srv/empty"}))
    for path, why in (("cut.tar", "it was cut off"), ("since.tar", "it builds on standard-")):
        assert why in module("empty", good=False, state="imported", path=f"{MEDIUM}/{path}", keyring=TRUSTED)["msg"]
        assert not (REPO / "srv/empty/standard").exists()
    shutil.rmtree(medium / "next")
    mirror("online", *export, "--key-home", "/etc/cmd-mirror/stranger", "--key", keys["stranger"])
    refused("which the keyring does not have")


def delta_bundle(keys: Answer) -> None:
    """An update travels as a delta against the site's inventory, in a tar file, by cmd-mirror."""
    whole = sum(path.stat().st_size for path in (REPO / MEDIUM[1:] / "full").rglob("*") if path.is_file())
    told = {"state": "inventoried", "path": f"{MEDIUM}/inventory.json"}
    assert module("isolated", **told)["changed"] and not module("isolated", **told)["changed"]
    before = os.readlink(REPO / ISOLATED[1:] / "standard").rpartition("/")[2]
    snapshot = publish("broken")
    done = mirror("online", "bundle", "export", "standard", "--tar", f"{MEDIUM}/delta.tar", "--inventory", f"{MEDIUM}/inventory.json", "--key-home",
                  keys["home"], "--key", keys["signing"])
    assert done["base"] == [before] and done["snapshot"] == snapshot, done
    assert (REPO / MEDIUM[1:] / "delta.tar").stat().st_size < whole, done
    done = mirror("isolated", "bundle", "import", f"{MEDIUM}/delta.tar", "--keyring", TRUSTED)
    assert done["changed"] and done["published"] == snapshot, done
    assert not module("isolated", state="imported", path=f"{MEDIUM}/delta.tar", keyring=TRUSTED)["changed"]
    same(snapshot)
    assert mirror("isolated", "verify")["findings"] == []
    run("apt1", "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    assert " 2.3-" in run("apt1", "apt-cache", "madison", "cloud-api")
    time.sleep(1.1)  # past metadata_expire
    assert "2.3" in run("dnf1", "dnf", "-q", "-y", "--releasever=9", "repoquery", "--qf", "%{version}", "cloud-api").split()


def disc(keys: Answer) -> None:
    """A bundle as an image: by the module, imported as it is; cut off or with a bit flipped it is refused, and readers keep what they had."""
    snapshot = publish("broken")
    image = REPO / MEDIUM[1:] / "disc.iso"
    told = {"state": "exported", "path": f"{MEDIUM}/disc.iso", "form": "iso", "snapshot": "standard",
            "key_home": keys["home"], "signing_keys": [keys["signing"]]}
    assert module("online", "--check", **told)["changed"] and not image.exists()
    assert module("online", **told)["changed"] and not module("online", **told)["changed"]
    configuration = json.loads((REPO / "etc/cmd-mirror/isolated.json").read_text())
    (REPO / "etc/cmd-mirror/disc.json").write_text(json.dumps({**configuration, "root": "/srv/repository/disc"}))
    good = image.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) - 2048] ^= 1  # the first byte of the last file's last sector
    for data, why in ((good[:len(good) // 2], "it was cut off"), (bytes(flipped), "is damaged or was changed")):
        image.write_bytes(data)
        assert why in module("disc", good=False, state="imported", path=f"{MEDIUM}/disc.iso", keyring=TRUSTED)["msg"]
        assert not (REPO / "srv/repository/disc/standard").exists()
    image.write_bytes(good)
    assert mirror("disc", "bundle", "import", f"{MEDIUM}/disc.iso", "--keyring", TRUSTED)["published"] == snapshot
    assert not module("disc", state="imported", path=f"{MEDIUM}/disc.iso", keyring=TRUSTED)["changed"]
    assert mirror("disc", "verify")["findings"] == []
    apt = ROOTS["apt1"] / "etc/apt/sources.list.d/isolated.sources"
    apt.write_text(apt.read_text().replace("/isolated/", "/disc/"))
    run("apt1", "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    assert " 2.3-" in run("apt1", "apt-cache", "madison", "cloud-api")


CASES = (full_bundle, refusals, delta_bundle, disc)


def main() -> int:
    keys = prepare()
    failed = 0
    for case in CASES:
        try:
            case(keys)
            print(f"ok: {case.__doc__.splitlines()[0]}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED: {case.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
