#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's tools read a mirror, signatures on: aptly, dnf reposync, mmdebstrap, debootstrap, apt by hash alone.

The mirror is the one of the target cmd_mirror: the standard site on the host repo. The tools are this machine's own.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cmd_mirror"))

import run as standard  # noqa: E402  the program of cmd_mirror: it prepares the mirror

SERVED = standard.ROOTS["repo"] / "srv/repository/mirror/standard"
URL = "http://127.0.0.1/mirror/standard"
KEYRING = standard.ROOTS["repo"] / standard.KEYS[1:]


def run(*command: str, good: int = 0, **environment: str) -> str:
    """Run a program of this machine; return what it wrote."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300,
                          env={**os.environ, **environment})
    assert done.returncode == good, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
    return done.stdout


def digests(top: Path, pattern: str) -> t.Dict[str, str]:
    """File name -> SHA-256 of the files below a directory, links followed."""
    found = [Path(directory, name) for directory, _directories, names in os.walk(top, followlinks=True) for name in names]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.match(pattern)}


def by_aptly(work: Path) -> None:
    """aptly mirrors our mirror, and again after an update: every package, verified by it."""
    (work / "aptly.conf").write_text(json.dumps({"rootDir": str(work / "aptly"), "gpgProvider": "gpg", "architectures": ["amd64"]}))

    def aptly(*arguments: str) -> str:
        return run("aptly", f"-config={work}/aptly.conf", *arguments, HOME=str(work))

    for suite in standard.SUITES:
        aptly("mirror", "create", f"-keyring={KEYRING}", suite, f"{URL}/overlay-deb", suite, "main")
    for stage in ("proposed", "broken"):
        standard.publish(stage)
        standard.sync()
        for suite in standard.SUITES:
            aptly("mirror", "update", f"-keyring={KEYRING}", suite)
        packages = {name for suite in standard.SUITES for name in aptly("mirror", "search", suite, "Name").split()}
        named = {name.replace("%3a", ":").rpartition(".deb")[0] for name in current_packages()}
        assert packages == named, (packages, named)
    unknown = work / "unknown.gpg"
    unknown.touch()
    run("aptly", f"-config={work}/aptly.conf", "mirror", "create", f"-keyring={unknown}", "no", f"{URL}/overlay-deb", "cmd-os-1", "main", good=1,
        HOME=str(work))


def current_packages() -> t.Set[str]:
    """Names of the package files that the suites name now."""
    found = set()
    for suite in standard.SUITES:
        with gzip.open(SERVED / f"overlay-deb/dists/{suite}/main/binary-amd64/Packages.gz", "rt") as index:
            found |= {line.strip().rpartition("/")[2] for line in index if line.startswith("Filename: ")}
    return found


def by_reposync(work: Path) -> None:
    """dnf reposync copies a repository of ours, packages and signed metadata, to the byte."""
    public = work / "public.asc"
    public.write_text(run("gpg", "--homedir", str(work), "--no-default-keyring", "--keyring", str(KEYRING), "--armor", "--export"))
    names = ("base-rpm", "updates-rpm")
    (work / "repos").mkdir()
    (work / "repos/mirror.repo").write_text("".join(
        f"[{name}]\nname={name}\nbaseurl={URL}/{name}\nrepo_gpgcheck=1\ngpgcheck=1\ngpgkey=file://{public}\n" for name in names))
    places = "".join(f"{name}={work}/{name}\n" for name in ("cachedir", "persistdir", "logdir"))
    (work / "dnf.conf").write_text(f"[main]\nreposdir={work}/repos\n{places}")
    run("dnf", "-q", "-y", f"--config={work}/dnf.conf", f"--installroot={work}/root", "--releasever=9",
        "reposync", "--download-metadata", "--download-path", str(work / "copy"))
    for name in names:
        copied = digests(work / "copy" / name, "*.rpm")
        assert copied and copied.items() <= digests(SERVED / name, "*.rpm").items(), (name, copied)
        for file in ("repomd.xml", "repomd.xml.asc"):
            assert (work / "copy" / name / "repodata" / file).read_bytes() == (SERVED / name / "repodata" / file).read_bytes(), (name, file)


def by_mmdebstrap(work: Path) -> None:
    """mmdebstrap makes a tree of a base distribution's packages from our mirror, its signature checked."""
    source = f"deb [signed-by={KEYRING}] {URL}/base-deb base main"
    run("mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--architectures=amd64", "--include=cloud-client", "base", str(work / "tree"), source)
    for name in ("cloud-client", "libcloud"):
        assert (work / "tree/usr/share" / name / "version").exists(), name


def by_debootstrap(work: Path) -> None:
    """debootstrap reads the suite and resolves from it; with another key it refuses."""
    def debootstrap(keyring: Path, good: int) -> str:
        return run("debootstrap", "--print-debs", "--variant=minbase", "--arch=amd64", "--include=cloud-client", f"--keyring={keyring}", "base",
                   str(work / "bootstrap"), f"{URL}/base-deb", "/usr/share/debootstrap/scripts/sid", good=good)

    assert {"cloud-client", "cloud-api", "libcloud"} <= set(debootstrap(KEYRING, 0).split())
    stranger = work / "stranger.gpg"
    run("gpg", "--homedir", str(work), "--batch", "--passphrase", "", "--quick-generate-key", "stranger@example.org", "ed25519", "sign", "never")
    run("gpg", "--homedir", str(work), "--batch", "--output", str(stranger), "--export", "stranger@example.org")
    run("gpgconf", "--homedir", str(work), "--kill", "all")
    assert "unknown key" in debootstrap(stranger, 1)


def by_hash_alone(_work: Path) -> None:
    """apt that takes indices by their hash and in no other way gets them all."""
    log = next(path for path in (standard.ROOTS["repo"] / "var/log/nginx").glob("*access*") if path.stat().st_size)
    before = log.stat().st_size
    standard.run("apt1", "find", "/var/lib/apt/lists", "-type", "f", "-delete")
    standard.run("apt1", "apt-get", "-q", "-o", "Acquire::By-Hash=force", "-o", "APT::Update::Error-Mode=any", "update")
    asked = [line.split('"')[1].split()[1] for line in log.read_text()[before:].splitlines() if "Packages" in line or "by-hash" in line]
    assert asked and all("/by-hash/SHA256/" in path for path in asked), asked
    assert standard.apt_versions("cloud-client")


CASES = (by_hash_alone, by_mmdebstrap, by_debootstrap, by_reposync, by_aptly)


def main() -> int:
    standard.prepare()
    standard.sync()
    failed = 0
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="egi-clients-") as work:
            try:
                case(Path(work))
                print(f"ok: {case.__doc__}", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED: {case.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
