#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd-mirror on a real mirror host, read by real apt and dnf; runs inside a lab session with apt1, dnf1 and repo.

The host repo mirrors the standard site it publishes itself, through HTTP, and serves the mirror beside it.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import subprocess
import sys
import traceback
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
ROOTS = {name: Path(os.environ["LAB_STATE"]) / "hosts" / name / "root" for name in ("apt1", "dnf1", "repo")}
URL = "http://repo.demo.example"
MIRROR = "/srv/repository/mirror"
RPM = {"base-rpm": "base/el9/x86_64", **{f"{name}-rpm": f"cmd-os-1/el9/{name}/x86_64" for name in ("base-overlay", "updates", "proposed", "holdback")}}
RPM["base-overlay-rpm"] = "cmd-os-1/el9/base/x86_64"
SUITES = ["cmd-os-1", "cmd-os-1-updates", "cmd-os-1-proposed", "cmd-os-1-holdback"]
KEYS = "/etc/cmd-mirror/keys.gpg"
Answer = t.Dict[str, t.Any]


def run(host: str, *command: str, good: t.Sequence[int] = (0,)) -> str:
    """Run a program on a host; return its standard output."""
    done = subprocess.run(["chroot", str(ROOTS[host]), "env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
    assert done.returncode in good, f"{' '.join(command)} on {host}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def mirror(*arguments: str, good: t.Sequence[int] = (0,)) -> Answer:
    """Run cmd-mirror on the mirror host; return its result."""
    answer: Answer = json.loads(run("repo", "cmd-mirror", "--json", *arguments, good=good))
    return answer


def sync(**changes: t.Any) -> Answer:
    """Run cmd-mirror sync; return what it says about the set."""
    answer: Answer = mirror("sync", **changes)["sets"]["standard"]
    return answer


def publish(stage: str) -> None:
    """Publish the standard site."""
    done = subprocess.run(["/usr/bin/python3", "-m", "lab.site", "--stage", stage, "--no-hosts"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


def prepare() -> None:
    """Install cmd-mirror on the mirror host, and let the others use nothing but the mirror."""
    publish("proposed")
    repo = ROOTS["repo"]
    for path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
        sys.path.append(path)
    program = importlib.import_module("ansible_collections.egi.cmd.plugins.module_utils._mirror.program")
    target = repo / "usr/local/bin/cmd-mirror"
    target.write_bytes(program.build(str(TOP / "plugins/module_utils")))
    target.chmod(0o755)
    (repo / "etc/cmd-mirror").mkdir(exist_ok=True)
    run("repo", "gpg", "--homedir", "/var/lib/repository-keys", "--batch", "--yes", "--output", KEYS, "--export")
    sources: t.List[Answer] = [
        {"name": "base-deb", "format": "deb", "urls": [f"{URL}/base/apt"], "keyring": KEYS, "suites": ["base"]},
        {"name": "overlay-deb", "format": "deb", "urls": [f"{URL}/cmd-os-1/apt"], "keyring": KEYS, "suites": SUITES},
        *({"name": name, "format": "rpm", "urls": [f"{URL}/{path}"], "keyring": KEYS} for name, path in RPM.items()),
    ]
    configuration = {"root": MIRROR, "sets": {"standard": {"sources": sources}}, "metrics": "/var/lib/cmd-mirror.prom", "margin": 0}
    (repo / "etc/cmd-mirror/config.json").write_text(json.dumps(configuration))
    key = run("repo", "gpg", "--homedir", "/var/lib/repository-keys", "--batch", "--armor", "--export")
    point_at("standard", key)


def point_at(pointer: str, key: t.Optional[str] = None) -> None:
    """Let apt1 and dnf1 read one pointer of the mirror, and nothing else; key: armoured keys to give them."""
    apt, dnf = ROOTS["apt1"], ROOTS["dnf1"]
    if key:
        (apt / "etc/apt/keyrings").mkdir(exist_ok=True)
        (apt / "etc/apt/keyrings/mirror.asc").write_text(key)
        (dnf / "etc/pki/rpm-gpg/mirror").write_text(key)
    stanzas = [("base-deb", "base"), ("overlay-deb", " ".join(SUITES))]
    (apt / "etc/apt/sources.list.d/mirror.sources").write_text("\n".join(
        f"Types: deb\nURIs: {URL}/mirror/{pointer}/{name}\nSuites: {suites}\nComponents: main\nSigned-By: /etc/apt/keyrings/mirror.asc\n"
        for name, suites in stanzas))
    (dnf / "etc/yum.repos.d/mirror.repo").write_text("".join(
        f"[{name}]\nname={name}\nbaseurl={URL}/mirror/{pointer}/{name}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/mirror\n"
        for name in RPM))


def apt_versions(package: str) -> t.Set[str]:
    """The versions apt1 may install, after an update that tolerates no error."""
    run("apt1", "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    rows = [line.split("|") for line in run("apt1", "apt-cache", "madison", package).splitlines()]
    return {row[1].strip() for row in rows}


def dnf_versions(package: str) -> t.Set[str]:
    """The versions dnf1 may install, by metadata asked for anew: it counts the age of its cache in whole seconds."""
    return set(run("dnf1", "dnf", "-q", "-y", "--refresh", "--releasever=9", "repoquery", "--qf", "%{version}", package).split())


def first_sync() -> None:
    """Everything is mirrored, signatures are the upstream's, apt and dnf install from it."""
    plan = mirror("plan")["standard"]
    assert plan["changed"] and plan["fetch_files"] > 10, plan
    assert not (ROOTS["repo"] / MIRROR[1:] / "standard").exists()
    done = sync()
    assert done["changed"] and done["published"] == done["snapshot"], done
    target = (ROOTS["repo"] / MIRROR[1:] / "standard.target.txt").read_text()
    assert target == f"snapshots/{done['snapshot']}\n", target
    for upstream, here in (("cmd-os-1/apt/dists/cmd-os-1/InRelease", "overlay-deb/dists/cmd-os-1/InRelease"),
                           ("base/el9/x86_64/repodata/repomd.xml", "base-rpm/repodata/repomd.xml")):
        ours = (ROOTS["repo"] / MIRROR[1:] / "standard" / here).read_bytes()
        assert ours == (ROOTS["repo"] / "srv/repository" / upstream).read_bytes(), here
    assert {version.split("-")[0] for version in apt_versions("cloud-api")} == {"2.1", "2.2", "2.5"}
    assert dnf_versions("cloud-api") == {"2.1", "2.2", "2.5"}
    run("apt1", "apt-get", "-q", "-y", "install", "cloud-client")
    run("dnf1", "dnf", "-q", "-y", "--releasever=9", "install", "cloud-client")
    assert "egi_cmd_mirror_last_run_success{set=\"standard\"} 1" in (ROOTS["repo"] / "var/lib/cmd-mirror.prom").read_text()


def nothing_new() -> None:
    """A second sync makes no snapshot and asks one question for each suite and repository."""
    log = next(path for path in (ROOTS["repo"] / "var/log/nginx").glob("*access*") if path.stat().st_size)
    before = log.stat().st_size
    count = len(mirror("snapshot", "list"))
    done = sync()
    assert not done["changed"] and len(mirror("snapshot", "list")) == count, done
    asked = log.read_text()[before:].splitlines()
    assert len(asked) == len(RPM) + len(SUITES) + 1, asked
    assert all(" 304 " in line for line in asked), asked
    assert done["seconds"] < 1, done


def switch_and_back() -> None:
    """An update arrives in one step; the pointer goes back in one step, stays there, and goes on when told."""
    before = sync()["snapshot"]
    publish("broken")
    done = sync()
    assert done["changed"] and done["snapshot"] != before, done
    assert "2.3" in {version.split("-")[0] for version in apt_versions("cloud-api")}
    assert "2.3" in dnf_versions("cloud-api")
    changes = mirror("snapshot", "diff", before, "standard")["changes"]
    assert {(change["kind"], change["package"], version["version"].split("-")[0]) for change in changes for version in change["after"]} \
        == {("changed", "cloud-api", "2.3")}, changes
    point_at(f"snapshots/{before}")
    assert "2.3" not in dnf_versions("cloud-api")
    point_at("standard")
    assert mirror("snapshot", "rollback", "standard")["snapshot"] == before
    # apt, unlike dnf, keeps an index that is newer than the one it is offered until its lists are removed.
    assert "2.3" in {version.split("-")[0] for version in apt_versions("cloud-api")}
    run("apt1", "find", "/var/lib/apt/lists", "-type", "f", "-delete")
    assert "2.3" not in {version.split("-")[0] for version in apt_versions("cloud-api")}
    assert "2.3" not in dnf_versions("cloud-api")
    held = sync()
    assert held["published"] == before and "held" in held["warnings"][0], held
    mirror("snapshot", "publish", done["snapshot"])
    assert "2.3" in dnf_versions("cloud-api")
    assert sync()["warnings"] == []


def freeze_promote_delete() -> None:
    """A frozen name never moves, a stage takes over what another has, what something leads to cannot be deleted."""
    oldest, newest = (mirror("snapshot", "list")[index]["name"] for index in (0, -1))
    mirror("snapshot", "freeze", oldest, "ga")
    run("repo", "cmd-mirror", "snapshot", "publish", newest, "--as", "ga", good=(1,))
    run("repo", "cmd-mirror", "snapshot", "delete", oldest, good=(1,))
    assert mirror("snapshot", "publish", "standard", "--as", "production")["snapshot"] == newest
    point_at("ga")
    assert "2.3" not in {version.split("-")[0] for version in apt_versions("cloud-api")}
    point_at("standard")
    mirror("snapshot", "delete", "production")


def damage() -> None:
    """A rotten and a lost file are found, and fetched again; a wrong signature is found."""
    root = ROOTS["repo"] / MIRROR[1:]
    assert mirror("verify")["findings"] == []
    files = sorted(path for path in (root / "store/sha256").rglob("*") if path.is_file())
    content = files[0].read_bytes()
    files[0].chmod(0o644)
    files[0].write_bytes(bytes([content[0] ^ 1]) + content[1:])
    files[-1].unlink()
    found = mirror("verify", good=(4,))["findings"]
    assert len(found) >= 2 and not any(finding["repaired"] for finding in found), found
    found = mirror("verify", "--repair")["findings"]
    assert len(found) >= 2 and all(finding["repaired"] for finding in found), found
    assert mirror("verify")["findings"] == []
    assert files[0].read_bytes() == content


def refusals() -> None:
    """Unsigned or wrongly signed upstreams, a missing package and a busy mirror leave everything as it is."""
    repo = ROOTS["repo"]
    before = (os.readlink(repo / MIRROR[1:] / "standard"), len(mirror("snapshot", "list")))
    release = repo / "srv/repository/cmd-os-1/apt/dists/cmd-os-1-updates/InRelease"
    text = release.read_text()
    release.write_text(text.replace("Label: CMD-OS", "Label: CMD-0S"))
    run("repo", "cmd-mirror", "sync", good=(1,))
    release.write_text(text)
    with open(repo / MIRROR[1:] / ".cmd-mirror/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("repo", "cmd-mirror", "sync", good=(3,))
    run("repo", "cmd-mirror", "--config", "/etc/hostname", "sync", good=(2,))
    assert (os.readlink(repo / MIRROR[1:] / "standard"), len(mirror("snapshot", "list"))) == before


def prune() -> None:
    """By policy old snapshots go, and what only they had; what is published or frozen stays and is whole."""
    path = ROOTS["repo"] / "etc/cmd-mirror/config.json"
    told = json.loads(path.read_text())
    told["sets"]["standard"]["keep"] = {"count": 1, "grace_hours": 0}
    path.write_text(json.dumps(told))
    mirror("snapshot", "prune")
    left = mirror("snapshot", "list")
    assert all(one["pointers"] for one in left), left
    assert mirror("verify")["findings"] == []
    mirror("snapshot", "delete", "ga")
    assert mirror("snapshot", "prune")["generations"]
    assert mirror("verify")["findings"] == []
    apt_versions("cloud-api")
    dnf_versions("cloud-api")


CASES = (first_sync, nothing_new, switch_and_back, freeze_promote_delete, damage, refusals, prune)


def main() -> int:
    prepare()
    failed = 0
    for case in CASES:
        try:
            case()
            print(f"ok: {case.__doc__.splitlines()[0]}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED: {case.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
