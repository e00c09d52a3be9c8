#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A partial mirror of the standard site, read by real apt and dnf; runs inside a lab session with apt1, dnf1 and repo.

The configuration is the one docs/partial-mirrors.md shows, with the standard site's names. Of the overlay cloud-client is
selected, of the base distribution nothing: readers get cloud-client, cloud-api and libcloud, and no site-tools. The mirror
and its key belong to a user of their own, with whose rights root's cmd-mirror works.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
STATE = Path(os.environ["LAB_STATE"])
ROOTS = {name: STATE / "hosts" / name / "root" for name in ("apt1", "dnf1", "repo")}
REPO = ROOTS["repo"]
URL = "http://repo.demo.example"
MIRROR, SITE, KEYS, HOME = "/srv/repository/mirror", "/srv/repository", "/etc/cmd-mirror/keys.gpg", "/var/lib/cmd-mirror/gnupg"
EXPIRED = "/var/lib/cmd-mirror/expired"
SUITES = ["cmd-os-1", "cmd-os-1-updates", "cmd-os-1-proposed"]
RPM = {"base-rpm": "base/el9/x86_64", "updates-rpm": "cmd-os-1/el9/updates/x86_64", "proposed-rpm": "cmd-os-1/el9/proposed/x86_64"}
Answer = t.Dict[str, t.Any]


def run(host: str, *command: str, good: int = 0) -> str:
    """Run a program on a host; return its standard output, or standard error if it is to fail."""
    done = subprocess.run(["chroot", str(ROOTS[host]), "env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
    assert done.returncode == good, f"{' '.join(command)} on {host}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout if good == 0 else done.stdout + done.stderr


def mirror(*arguments: str) -> Answer:
    """Run cmd-mirror on the mirror host; return its result."""
    answer: Answer = json.loads(run("repo", "cmd-mirror", "--json", *arguments))
    return answer


def sync() -> Answer:
    """Run cmd-mirror sync; return what it says about the set."""
    answer: Answer = mirror("sync")["sets"]["partial"]
    return answer


def publish(stage: str) -> None:
    """Publish the standard site."""
    done = subprocess.run(["/usr/bin/python3", "-m", "lab.site", "--stage", stage, "--no-hosts"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout


def make_key(home: str) -> str:
    """Make a signing key on the mirror host; return its fingerprint."""
    arguments = {"home": home, "user_id": "Mirror <mirror@example.org>", "algorithm": "ed25519"}
    done = subprocess.run(["ansible", "-i", os.environ["LAB_INVENTORY"], "repo", "-m", "egi.cmd.repository_key", "-a", json.dumps(arguments)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout[done.stdout.index("{"):])["fingerprint"])


def configuration() -> Answer:
    """What the mirror host is told now."""
    answer: Answer = json.loads((REPO / "etc/cmd-mirror/config.json").read_text())
    return answer


def tell(told: Answer) -> None:
    """Tell the mirror host something else."""
    (REPO / "etc/cmd-mirror/config.json").write_text(json.dumps(told))


def example(url: str, root: str, key: str) -> Answer:
    """The configuration docs/partial-mirrors.md shows, for another site. root: of the host that it names files of."""
    text = (TOP / "docs/partial-mirrors.md").read_text()
    text = text.partition("```json\n")[2].partition("```")[0]
    for shown, meant in (("http://repo.example.org", url), ("0123456789ABCDEF0123456789ABCDEF01234567", key), ("/var/lib/cmd-mirror/gnupg", f"{root}{HOME}"),
                         ("/etc/cmd-mirror/keys.gpg", f"{root}{KEYS}"), ("/srv/mirror", f"{root}{MIRROR}")):
        assert shown in text, shown
        text = text.replace(shown, meant)
    told: Answer = json.loads(text)
    return {**told, "margin": 0}


def prepare() -> None:
    """Install cmd-mirror on the mirror host, and let the others use nothing but the mirror, and trust nothing but its key."""
    publish("proposed")
    for path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
        sys.path.append(path)
    program = importlib.import_module("ansible_collections.egi.cmd.plugins.module_utils._mirror.program")
    target = REPO / "usr/local/bin/cmd-mirror"
    target.write_bytes(program.build(str(TOP / "plugins/module_utils")))
    target.chmod(0o755)
    (REPO / "etc/cmd-mirror").mkdir(exist_ok=True)
    run("repo", "useradd", "--system", "cmd-mirror")
    run("repo", "install", "-d", "-o", "cmd-mirror", MIRROR)
    run("repo", "install", "-d", "-o", "cmd-mirror", "-m", "700", HOME, EXPIRED)
    run("repo", "gpg", "--homedir", "/var/lib/repository-keys", "--batch", "--yes", "--output", KEYS, "--export")
    key = make_key(HOME)
    tell(example(URL, "", key))
    public = run("repo", "gpg", "--homedir", HOME, "--batch", "--armor", "--export", key)
    packages = run("repo", "gpg", "--homedir", "/var/lib/repository-keys", "--batch", "--armor", "--export")
    apt, dnf = ROOTS["apt1"], ROOTS["dnf1"]
    (apt / "etc/apt/keyrings").mkdir(exist_ok=True)
    (apt / "etc/apt/keyrings/mirror.asc").write_text(public)
    (dnf / "etc/pki/rpm-gpg/mirror").write_text(public)
    (dnf / "etc/pki/rpm-gpg/upstream").write_text(packages)  # rpms carry their own signatures, still the upstream's
    (apt / "etc/apt/sources.list.d/mirror.sources").write_text("\n".join(
        f"Types: deb\nURIs: {URL}/mirror/partial/{name}\nSuites: {suites}\nComponents: main\nSigned-By: /etc/apt/keyrings/mirror.asc\n"
        for name, suites in (("base-deb", "base"), ("overlay-deb", " ".join(SUITES)))))
    (dnf / "etc/yum.repos.d/mirror.repo").write_text("".join(
        f"[{name}]\nname={name}\nbaseurl={URL}/mirror/partial/{name}\ngpgcheck=1\nrepo_gpgcheck=1\n"
        "gpgkey=file:///etc/pki/rpm-gpg/mirror file:///etc/pki/rpm-gpg/upstream\n" for name in RPM))


def apt_versions(package: str) -> t.Set[str]:
    """The versions apt1 may install, after an update that tolerates no error."""
    run("apt1", "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    rows = [line.split("|") for line in run("apt1", "apt-cache", "madison", package).splitlines()]
    return {row[1].strip().split("-")[0] for row in rows}


def dnf_versions(package: str) -> t.Set[str]:
    """The versions dnf1 may install."""
    return set(run("dnf1", "dnf", "-q", "-y", "--refresh", "--releasever=9", "repoquery", "--qf", "%{version}", package).split())


def installs() -> None:
    """apt and dnf install what was selected and what it needs, signatures on; nothing else is to be had."""
    plan = mirror("plan")["partial"]
    names = {change["package"] for change in plan["changes"]}
    assert names == {"cloud-client", "cloud-api", "libcloud"} and plan["fetch_bytes"] > 0, plan
    done = sync()
    assert done["changed"] and done["published"] == done["snapshot"] and not done["warnings"], done
    for versions in (apt_versions, dnf_versions):
        found = [versions(name) for name in ("cloud-client", "cloud-api", "libcloud", "site-tools")]
        assert found == [{"3.1"}, {"2.2"}, {"1.0"}, set()], found
    run("apt1", "apt-get", "-q", "-y", "install", "cloud-client")
    run("dnf1", "dnf", "-q", "-y", "--releasever=9", "install", "cloud-client")
    assert "cloud-api 2.2: healthy" in run("apt1", "cloud-api", "--check") and "cloud-api 2.2: healthy" in run("dnf1", "cloud-api", "--check")
    assert "Unable to locate package site-tools" in run("apt1", "apt-get", "-q", "-y", "install", "site-tools", good=100)
    assert mirror("verify")["findings"] == []
    assert run("repo", "find", f"{MIRROR}/snapshots", HOME, "!", "-user", "cmd-mirror") == ""


def nothing_new() -> None:
    """A second sync makes no snapshot and asks one question for each suite and repository."""
    log = next(path for path in (REPO / "var/log/nginx").glob("*access*") if path.stat().st_size)
    before, signed = log.stat().st_size, (REPO / MIRROR[1:] / "partial/base-deb/dists/base/InRelease").read_bytes()
    done = sync()
    assert not done["changed"] and len(mirror("snapshot", "list")) == 1, done
    asked = log.read_text()[before:].splitlines()
    assert len(asked) == len(RPM) + len(SUITES) + 1 and all(" 304 " in line for line in asked), asked
    assert (REPO / MIRROR[1:] / "partial/base-deb/dists/base/InRelease").read_bytes() == signed
    assert done["seconds"] < 1, done


def pins_decide() -> None:
    """Origin, label and suite are the upstream's: a pin prefers the overlay's lower version as it does at the upstream."""
    told = configuration()
    told["sets"]["partial"]["sources"][1]["select"] = [{"names": ["cloud-api"]}]
    tell(told)
    assert sync()["packages"]["added"] == 1
    # Two versions of a package exclude each other, so all that fit the demand of cloud-client are taken as well.
    assert apt_versions("cloud-api") == {"2.1", "2.2", "2.5"}, apt_versions("cloud-api")
    assert "Candidate: 2.5" in run("apt1", "apt-cache", "policy", "cloud-api")
    (ROOTS["apt1"] / "etc/apt/preferences.d/overlay.pref").write_text(
        "Package: *\nPin: release o=EGI, l=CMD-OS, a=cmd-os-1-updates\nPin-Priority: 1200\n")
    assert "Candidate: 2.2" in run("apt1", "apt-cache", "policy", "cloud-api")
    ours, theirs = ((REPO / path / "dists/cmd-os-1-proposed/Release").read_text().splitlines()
                    for path in (f"{MIRROR[1:]}/partial/overlay-deb", f"{SITE[1:]}/cmd-os-1/apt"))
    for name in ("Origin", "Label", "Suite", "Codename", "NotAutomatic", "ButAutomaticUpgrades"):
        assert [line for line in ours if line.startswith(f"{name}:")] == [line for line in theirs if line.startswith(f"{name}:")], name


def updates_arrive() -> None:
    """What changes upstream and belongs to the selection arrives in a new snapshot, and goes back in one step."""
    before = sync()["snapshot"]
    publish("broken")
    done = sync()
    assert done["changed"] and done["snapshot"] != before, done
    found = [apt_versions("cloud-api"), dnf_versions("cloud-api")]
    assert found == [{"2.1", "2.2", "2.3", "2.5"}, {"2.3"}], found
    changes = mirror("snapshot", "diff", before, "partial")["changes"]
    assert {(change["source"], change["package"]) for change in changes} == {("overlay-deb", "cloud-api"), ("updates-rpm", "cloud-api")}, changes
    mirror("snapshot", "rollback", "partial")
    assert dnf_versions("cloud-api") == {"2.2"}
    mirror("snapshot", "publish", done["snapshot"])


def refusals() -> None:
    """A wrong name, a wrongly signed upstream and an expired site key leave everything as it is."""
    def refused(why: str) -> None:
        assert why in run("repo", "cmd-mirror", "sync", good=1)
        assert (os.readlink(REPO / MIRROR[1:] / "partial"), len(mirror("snapshot", "list"))) == before

    before = (os.readlink(REPO / MIRROR[1:] / "partial"), len(mirror("snapshot", "list")))
    told = configuration()
    tell(json.loads(json.dumps(told).replace("cloud-client", "cloud-cleint")))
    refused("no repository has a package named cloud-cleint")
    gpg = ("setpriv", "--reuid=cmd-mirror", "--regid=cmd-mirror", "--clear-groups", "gpg", "--homedir", EXPIRED, "--batch", "--quiet")
    run("repo", *gpg, "--passphrase", "", "--faked-system-time", "20200101T000000", "--quick-generate-key", "old@example.org", "ed25519", "sign", "1d")
    listing = run("repo", *gpg, "--with-colons", "--list-keys")
    expired = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
    signing = {"home": EXPIRED, "keys": [expired]}
    tell({**told, "sets": {"partial": {**told["sets"]["partial"], "signing": signing}}})
    refused("it is expired or revoked")
    tell(told)
    repomd = REPO / SITE[1:] / RPM["base-rpm"] / "repodata/repomd.xml"
    text = repomd.read_text()
    repomd.write_text(text.replace("<revision>", "<revision>1"))
    refused("does not match")
    repomd.write_text(text)
    assert not sync()["changed"]


def proof() -> None:
    """libsolv has to be able to install what is selected, deb and rpm; what it cannot is not published, and it says why."""
    told = example(f"file://{REPO}{SITE}", str(REPO), configuration()["sets"]["partial"]["signing"]["keys"][0])
    (partial,) = told["sets"].values()
    root = STATE / "proved"

    def judged(*chosen: str) -> subprocess.CompletedProcess[str]:
        file = STATE / "proof.json"
        taken = [one for one in partial["sources"] if one["name"] in chosen]
        file.write_text(json.dumps({**told, "root": str(root), "sets": {"proved": {**partial, "prove": True, "sources": taken}}}))
        return subprocess.run(["/usr/bin/python3", str(REPO / "usr/local/bin/cmd-mirror"), "--config", str(file), "--quiet", "sync"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300)

    done = judged("overlay-deb", "base-deb", *RPM)
    assert done.returncode == 0, done.stderr
    before = os.readlink(root / "proved")
    for chosen, package in ((("overlay-deb",), "cloud-client 3.1"), (("proposed-rpm", "updates-rpm"), "cloud-client 3.1")):
        done = judged(*chosen)
        assert done.returncode == 1 and f"a solver cannot install {package}" in done.stderr and "libcloud" in done.stderr, done.stderr
        assert os.readlink(root / "proved") == before


CASES = (installs, nothing_new, pins_decide, updates_arrive, refusals, proof)


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
