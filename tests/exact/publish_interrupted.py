# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a publisher again and again while real clients update from what it publishes; count what goes wrong.

    python3 tests/exact/publish_interrupted.py --seconds 60 [--format deb] [--format rpm]

A publisher process publishes ever new versions of a package and is killed (SIGKILL) at a random moment of most runs.
Meanwhile apt-get or dnf, with signatures demanded, updates and downloads the package over HTTP, again and again. Every
update must succeed, or the run fails. --seed repeats the moments.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

declaration, deb_repository, rpm_repository, signing = load(
    "plugins.module_utils._archive.declaration", "plugins.module_utils._archive.deb_repository",
    "plugins.module_utils._archive.rpm_repository", "plugins.module_utils._archive.signing",
)


class Server(http.server.SimpleHTTPRequestHandler):
    """A plain file server that keeps quiet."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: t.Any) -> None:  # pylint: disable=redefined-builtin
        """Say nothing."""


NEEDED = {"deb": ("apt-get", "dpkg-deb", "gpg"), "rpm": ("dnf", "rpmbuild", "createrepo_c", "gpg")}


def main() -> int:
    """Run publisher and client side by side for each format; 1 if a client ever failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=sorted(NEEDED), action="append")
    wanted = parser.parse_args()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for kind in wanted.format or sorted(NEEDED):
        missing = [tool for tool in NEEDED[kind] if not shutil.which(tool)]
        if missing:
            sys.stdout.write(f"{kind}: skipped, {', '.join(missing)} not installed\n")
            counts["skipped"] += 1
        else:
            counts["failed" if interrupted(kind, wanted.seconds, wanted.seed) else "passed"] += 1
    sys.stdout.write(", ".join(f"{count} {what}" for what, count in counts.items()) + "\n")
    return 1 if counts["failed"] else 0


def interrupted(kind: str, seconds: float, seed: int) -> int:
    """One format in a directory of its own; returns how much went wrong."""
    with tempfile.TemporaryDirectory(prefix="egi-int-") as work:
        os.chmod(work, 0o755)
        site = Site(work, kind)
        site.new_version(0)
        site.publish()
        handler = functools.partial(Server, directory=site.root)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            client = Client(work, kind, server.server_address[1], site.public_key())
            failures = race(site, client, random.Random(seed), time.monotonic() + seconds)
            server.shutdown()
    return failures


def race(site: Site, client: Client, chance: random.Random, end: float) -> int:
    """Publish and kill in this thread, update in another, until end; returns the number of failed updates."""
    failed: t.List[str] = []
    updates = 0
    done = threading.Event()

    def update() -> None:
        nonlocal updates
        while not done.is_set():
            answer = client.update()
            updates += 1
            if answer:
                failed.append(answer)

    reader = threading.Thread(target=update)
    reader.start()
    killed = version = 0
    while time.monotonic() < end:
        version += 1
        site.new_version(version)
        started = time.monotonic()
        killed += site.publish_and_kill(chance.random() * 0.6)
        time.sleep(max(0.0, 1 - (time.monotonic() - started)))  # a Date may not run ahead of the clock
    site.publish()
    done.set()
    reader.join()
    last = client.update()
    sys.stdout.write(f"{site.kind}: {version} publications, {killed} of them killed; {updates} updates by a real client, {len(failed)} failed\n")
    for answer in failed[:3] + ([last] if last else []):
        sys.stdout.write(f"{answer}\n")
    return len(failed) + bool(last) + (f"1.{version}" not in client.seen)


class Site:
    """A repository, its keys and its incoming directory."""

    def __init__(self, work: str, kind: str) -> None:
        self.root, self._incoming, self._home, self.kind = f"{work}/site", f"{work}/incoming", f"{work}/keys", kind
        self._work = work
        os.mkdir(self._incoming)
        signing.create_home(self._home)
        with signing.open_home(self._home) as keyring:
            self._key = keyring.create("Interrupted", "rsa3072", 0)

    def public_key(self) -> str:
        """Where a client finds the key, as published by the first run."""
        return f"{self.root}/project/race-archive-keyring.gpg" if self.kind == "deb" else f"{self.root}/race/RPM-GPG-KEY-race"

    def new_version(self, number: int) -> None:
        """Add version 1.<number> of the package."""
        (self._new_deb if self.kind == "deb" else self._new_rpm)(number)

    def publish(self) -> None:
        """Publish what is incoming."""
        part = {"name": "race", "path": "race", "state": "present", "kind": "base", "components": {"main": [self._incoming]},
                "packages": [self._incoming], "architectures": None, "label": None, "codename": None, "version": "", "description": "",
                "valid_for": None, "not_automatic": None}
        deb = self.kind == "deb"
        wanted = declaration.from_parameters({
            "path": self.root, "format": self.kind, "origin": "Race", "label": None, "codename": None,
            "architectures": ["amd64" if deb else "x86_64"], "suites": [part] if deb else [], "repositories": [] if deb else [part],
            "key_home": self._home, "signing_keys": [self._key], "key_name": "race", "contents": True, "purge": True,
        })
        (deb_repository if deb else rpm_repository).publish(wanted, int(time.time()), False)

    def publish_and_kill(self, after: float) -> bool:
        """Publish in a process that is killed after so many seconds; returns whether that was in time."""
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            try:
                self.publish()
            finally:
                os._exit(0)
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])

    def _new_deb(self, number: int) -> None:
        tree = f"{self._work}/build"
        os.makedirs(f"{tree}/DEBIAN", mode=0o755, exist_ok=True)
        with open(f"{tree}/DEBIAN/control", "w", encoding="ascii") as file:
            file.write(f"Package: example\nVersion: 1.{number}\nArchitecture: all\nMaintainer: Example <team@example.org>\nDescription: race\n")
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, self._incoming], check=True, stdout=subprocess.DEVNULL)

    def _new_rpm(self, number: int) -> None:
        spec = f"{self._work}/example.spec"
        with open(spec, "w", encoding="ascii") as file:
            file.write(f"Name: example\nVersion: 1.{number}\nRelease: 1\nSummary: race\nLicense: none\nBuildArch: noarch\n%description\nrace\n%files\n")
        subprocess.run(["rpmbuild", "--quiet", "-bb", "--define", f"_topdir {self._work}/build", "--define", f"_rpmdir {self._incoming}",
                        "--define", "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm", spec], check=True, stderr=subprocess.DEVNULL)


class Client:
    """A real package manager with everything it writes below a directory of its own. seen: versions it was offered."""

    def __init__(self, work: str, kind: str, port: int, key: str) -> None:
        self._kind, self._root, self.seen = kind, f"{work}/client", set()
        url = f"http://127.0.0.1:{port}"
        for path in ("etc/apt/preferences.d", "etc/apt/trusted.gpg.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "repos"):
            os.makedirs(f"{self._root}/{path}")
        if kind == "deb":
            self._write("etc/apt/sources.list", f"deb [arch=amd64 signed-by={key}] {url} race main\n")
            self._write("status", "")
            self._command = ["apt-get", "-o", f"Dir={self._root}", "-o", f"Dir::State::status={self._root}/status", "-o", "APT::Sandbox::User=root",
                             "-o", "APT::Architecture=amd64", "-o", "APT::Update::Error-Mode=any", "-o", "Dir::Etc::main=/dev/null",
                             "-o", "Dir::Etc::parts=/dev/null"]
        else:
            self._write("repos/race.repo", f"[race]\nname=race\nbaseurl={url}/race\nrepo_gpgcheck=1\ngpgcheck=0\ngpgkey=file://{key}\n")
            self._command = ["dnf", "-y", "--quiet", "--noplugins", "--releasever=9", "--refresh", f"--installroot={self._root}/host",
                             f"--setopt=reposdir={self._root}/repos", f"--setopt=cachedir={self._root}/cache", "--setopt=retries=1"]

    def update(self) -> str:
        """Update and download the package; returns "" or what went wrong."""
        if self._kind == "deb":
            steps = [["update"], ["download", "example"]]
        else:
            steps = [["install", "--downloadonly", "example"]]
        for step in steps:
            done = subprocess.run([*self._command, *step], cwd=self._root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode != 0:
                return done.stdout
        for path in pathlib.Path(self._root).rglob("example[_-]1.*"):
            self.seen.add(path.name[len("example_"):].replace("-1.noarch.rpm", "").replace("_all.deb", ""))
            path.unlink()
        return ""

    def _write(self, path: str, text: str) -> None:
        with open(f"{self._root}/{path}", "w", encoding="ascii") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
