# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts for trials of a rollout: two early adopters, two in production, each as new again in a moment.

Runs inside a lab session with hosts and repo. A trial's host is an overlay on the lab's own host:
what the trial wrote is one directory, which tells what was touched without asking anybody, and is thrown away after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import time
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
STATE = Path(os.environ["LAB_STATE"])
EARLY, PRODUCTION = ("apt1", "dnf1"), ("apt2", "dnf2")
ALL = EARLY + PRODUCTION
CONFIGURATION = ("etc/apt", "etc/yum.repos.d", "etc/pki/rpm-gpg", "etc/dnf")
LIVE = "var/lib/egi-cmd/repository_set/*/current.json"
NOTES = "var/lib/egi-cmd/rollout"
_PATIENCE = 900.0

# What dnf itself made of its configuration, a version lock's included, and of its history.
_DNF_HOLDS = """
import dnf
with dnf.Base() as base:
    base.conf.read()
    base.fill_sack(load_available_repos=False)
    wanted = {one.name for one in base.iter_userinstalled()}
    print(*(f'hold {pattern}' for pattern in base.conf.excludepkgs), *sorted(f'wanted {name}' for name in wanted), sep='\\n')
"""

Manifest = t.Dict[str, t.List[str]]
Variables = t.Dict[str, t.Any]
Event = t.Dict[str, t.Any]


def publish(stage: str = "proposed") -> None:
    """Publish the standard site; its hosts already run the base distribution's cloud."""
    command = ["/usr/bin/python3", "-m", "lab.site", "--stage", stage, "--install", "cloud-client"]
    done = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout)


class Host:
    """A host of a trial. root: its files; written: what the trial wrote, in the form overlayfs keeps it."""

    def __init__(self, name: str, work: Path) -> None:
        self.name, self.apt = name, name.startswith("apt")
        self.base = STATE / "hosts" / name / "root"
        self._directory = work / "hosts" / name
        self.root, self.written = self._directory / "root", self._directory / "written"

    def renew(self) -> None:
        """Make the host what it was before the first trial."""
        if self.root.is_mount():
            self._leave()
        shutil.rmtree(self._directory, ignore_errors=True)
        for part in ("root", "written", "work"):
            (self._directory / part).mkdir(parents=True)
        layers = f"lowerdir={self.base},upperdir={self.written},workdir={self._directory}/work,volatile"
        _run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        _run("mount", "-t", "proc", "proc", str(self.root / "proc"))

    def _leave(self) -> None:
        """End what still runs on the host, such as the agent of dnf's gpg, and unmount it."""
        deadline = time.monotonic() + 60
        while True:
            for process in self._processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            try:
                _run("umount", "--recursive", str(self.root))
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def _processes(self) -> t.List[int]:
        """Return every process whose root is the host's."""
        found = []
        for path in Path("/proc").glob("[0-9]*/root"):
            with contextlib.suppress(OSError):
                if Path(os.readlink(path)) == self.root:
                    found.append(int(path.parent.name))
        return found

    def run(self, *command: str) -> str:
        """Run a program on the host, which must end well; return what it said."""
        return _run("chroot", str(self.root), "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", *command)

    def touched(self) -> t.List[str]:
        """Return every file that was written or removed on the host since it was new."""
        return sorted(str(path.relative_to(self.written)) for path in self.written.rglob("*") if not path.is_dir() or path.is_symlink())

    def first_touched(self) -> t.Optional[float]:
        """Return the time at which the oldest of the files that were written got there; None if nothing was."""
        return min((path.lstat().st_ctime for path in self.written.rglob("*")), default=None)

    def manifest(self) -> Manifest:
        """Return what a release is made of on the host, as its own tools and its files say it."""
        return {"packages": self.packages(), "files": self.files(), "holds": self.holds(), "generations": self.generations()}

    def packages(self) -> t.List[str]:
        """Return every package with its version and state; rpm shows the keys it trusts as packages too."""
        query = (("dpkg-query", "-W", "-f", "${Package}:${Architecture} ${Version} ${Status}\n") if self.apt
                 else ("rpm", "-qa", "--qf", "%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n"))
        return sorted(self.run(*query).splitlines())

    def files(self) -> t.List[str]:
        """Return every file that tells the host about repositories, keys, preferences, logins and excludes: path, mode, owner, digest."""
        return [_fingerprint(self.root, path) for top in CONFIGURATION for path in sorted((self.root / top).rglob("*")) if not path.is_dir()]

    def generations(self) -> t.List[str]:
        """Return which generation of our repository sets is live."""
        return [f"{path.parent.name} {json.loads(path.read_text())['generation']}" for path in sorted(self.root.glob(LIVE))]

    def holds(self) -> t.List[str]:
        """Return the packages that somebody keeps back, and those that count as somebody's wish and not as a dependency."""
        if self.apt:
            return [f"{word} {name}" for word, verb in (("hold", "showhold"), ("wanted", "showmanual")) for name in self.run("apt-mark", verb).split()]
        return self.run("python3", "-c", _DNF_HOLDS).splitlines()

    def says(self) -> t.Optional[Event]:
        """Return what the host itself knows of the newest rollout; None if it has not heard of any."""
        files = sorted((self.root / NOTES).glob("*.json"))
        return t.cast(Event, json.loads(files[-1].read_text())) if files else None


def _fingerprint(root: Path, path: Path) -> str:
    status = path.lstat()
    content = os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{path.relative_to(root)} {stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid} {content}"


def differences(before: Manifest, now: Manifest) -> t.List[str]:
    """Return what is not the same any more, ``-`` before what was and ``+`` before what is."""
    return [f"{sign} {line}" for part in before for sign, here, there in (("-", before, now), ("+", now, before))
            for line in here[part] if line not in there[part]]


class Fleet:
    """The hosts, a site's inventory and the records of its rollouts."""

    def __init__(self, work: Path, names: t.Sequence[str] = ALL) -> None:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        self.work, self.records = work, work / "records"
        self.hosts = {name: Host(name, work) for name in names}

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def renew(self) -> None:
        """Make the hosts as new, and forget every rollout."""
        for host in self.hosts.values():
            host.renew()
        shutil.rmtree(self.records, ignore_errors=True)

    def site(self, hosts: t.Optional[t.Dict[str, Variables]] = None, groups: t.Optional[t.Dict[str, t.Sequence[str]]] = None, **variables: t.Any) -> None:
        """Write the inventory. hosts: variables of hosts; groups: instead of early_adopters and production; variables: for all."""
        def reach(name: str) -> Variables:
            return {"ansible_host": str(self.hosts[name].root), **(hosts or {}).get(name, {})}

        everywhere = {
            "ansible_connection": "community.general.chroot", "ansible_chroot_exe": str(TOP / "lab/enter"), "ansible_python_interpreter": "/usr/bin/python3",
            "rollout_release": str(STATE / "site/release.yml"), "rollout_record_dir": str(self.records), "rollout_health_checks": ["cloud-api --check"],
            **variables,
        }
        children = {group: {"hosts": {name: reach(name) for name in names}}
                    for group, names in (groups or {"early_adopters": EARLY, "production": PRODUCTION}).items()}
        (self.work / "sites.yml").write_text(json.dumps({"all": {"vars": everywhere, "children": children}}))

    def start(self, *arguments: str, output: t.Any = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start the playbook."""
        environment = {**os.environ, "ANSIBLE_PIPELINING": "1", "ANSIBLE_INJECT_FACT_VARS": "false", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_RETRIES": "0"}
        return subprocess.Popen(["ansible-playbook", "-i", str(self.work / "sites.yml"), "egi.cmd.rollout", *arguments], cwd=self.work, env=environment,
                                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True)

    def rollout(self, *arguments: str) -> t.Tuple[int, str]:
        """Run the playbook; return its exit status and what it said."""
        process = self.start(*arguments, output=subprocess.PIPE)
        said, _nothing = process.communicate(timeout=_PATIENCE)
        return process.returncode, said

    def record_files(self) -> t.List[Path]:
        """Return the files of the records, the oldest first."""
        return sorted(self.records.glob("*.jsonl"), key=lambda path: (path.stat().st_ctime, path.name))

    def events(self) -> t.List[Event]:
        """Return every event that was recorded; a last line without its end does not count."""
        return [json.loads(line) for path in self.record_files() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def status(self, name: str) -> str:
        """Return the last word of the records about a host."""
        return next((event["status"] for event in reversed(self.events()) if event["event"] == "host" and event["host"] == name), "not_attempted")


def _run(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout
