#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong when packages are brought to a release, on a real apt host and a real dnf host.

Runs inside a lab session with the hosts apt1, dnf1 and repo. Each trial ends with the host as it was before. Arguments name
the trials; all if there are none.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "repository_set_faults"))
sys.path.insert(0, str(HERE))

from kills import adopt_orphans, appeared, kill_all, kills, torn  # noqa: E402
from packages import URL, Site  # noqa: E402

SET = "trouble"
RECORDS = "var/lib/egi-cmd/package_sync"
Result = t.Dict[str, t.Any]


class Host:
    """One host of the lab, and how it is asked and prepared."""

    def __init__(self, name: str, root: Path, site: Site) -> None:
        self.name, self.root, self.site = name, root, site

    def module(self, name: str, arguments: t.Mapping[str, t.Any]) -> Result:
        """Run a module of the collection; return its result."""
        done = subprocess.run(self._command(name, arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        result: Result = {"failed": "| FAILED! =>" in done.stdout, **json.loads(done.stdout[done.stdout.index("=> {") + 3:])}
        if "Traceback" in done.stdout + done.stderr:
            result["msg"] = f"a traceback: {done.stdout}{done.stderr}"
        return result

    def sync(self, *packages: str, record: str, **more: t.Any) -> Result:
        """Run package_sync with state latest."""
        return self.module("package_sync", {"set": SET, "record": record, "packages": packages or ["*"], **more})

    def back(self, record: str, **more: t.Any) -> Result:
        """Run package_sync with state restored."""
        return self.module("package_sync", {"set": SET, "record": record, "state": "restored", **more})

    def foresee(self, *packages: str, record: str) -> t.List[Result]:
        """Return the plan of package_sync in check mode."""
        arguments = {"set": SET, "record": record, "packages": packages}
        done = subprocess.run([*self._command("package_sync", arguments), "--check"], stdout=subprocess.PIPE, text=True, check=True)
        plan: t.List[Result] = json.loads(done.stdout[done.stdout.index("=> {") + 3:])["plan"]
        return plan

    def start(self, *packages: str, record: str, state: str = "latest") -> subprocess.Popen[bytes]:
        """Start package_sync and do not wait."""
        command = self._command("package_sync", {"set": SET, "record": record, "packages": packages, "state": state})
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _command(self, name: str, arguments: t.Mapping[str, t.Any]) -> t.List[str]:
        return ["ansible", self.name, "-i", os.environ["LAB_INVENTORY"], "-m", f"egi.cmd.{name}", "-a", json.dumps(arguments)]

    def run(self, *command: str) -> str:
        """Run a program on the host, which must end well."""
        done = subprocess.run(["chroot", str(self.root), "env", "DEBIAN_FRONTEND=noninteractive", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} on {self.name}: {done.stdout}")
        return done.stdout

    def state_of(self, record: str) -> str:
        """Return the state in a record, and where it is not JSON what it is."""
        return str(json.loads((self.root / RECORDS / f"{record}.json").read_text())["state"])

    def processes(self) -> t.List[int]:
        """Return every process that runs inside the host's root."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.readlink(entry / "root") == str(self.root):
                    found.append(int(entry.name))
        return found


class AptHost(Host):
    """apt: a version is exact, a lock is a POSIX lock on dpkg's frontend."""

    def prepare(self) -> None:
        """Give the host the repository os and the first versions of its packages."""
        (self.root / "etc/apt/keyrings").mkdir(exist_ok=True)
        (self.root / "etc/apt/keyrings/trouble.asc").write_text(self.site.key)
        (self.root / "etc/apt/sources.list.d/os.sources").write_text(
            f"Types: deb\nURIs: {URL}\nSuites: os\nComponents: main\nSigned-By: /etc/apt/keyrings/trouble.asc\n")
        self.run("apt-get", "-q", "update")
        self.install_first()
        repository = {"name": "trouble", "kind": "updates", "uris": [URL], "suite": "release", "components": ["main"], "origin": "EGI", "label": "CMD-OS",
                      "keys": [{"content": self.site.key}]}
        _must(self.module("repository_set", {"name": SET, "repositories": [repository]}))

    def install_first(self) -> None:
        """Install the first version of every package."""
        self.run("apt-get", "-q", "-y", "install", *(f"{name}=1.0-1" for name in FIRST))

    def remove(self, package: str) -> None:
        """Remove a package by hand."""
        self.run("apt-get", "-q", "-y", "remove", package)

    def is_automatic(self, package: str) -> bool:
        """Return whether apt would remove it when nothing needs it any more."""
        return package in self.run("apt-mark", "showauto", package).split()

    def versions(self) -> t.Dict[str, str]:
        """Return what is installed of the test's packages, with dpkg's word for how."""
        lines = self.run("dpkg-query", "-W", "-f", "${Maintainer}\t${Package}\t${Version} ${db:Status-Status}\n").splitlines()
        rows = [line.split("\t") for line in lines if line.startswith("Example Maintainers")]
        return {name: version for _maintainer, name, version in rows if not version.endswith((" config-files", " not-installed"))}

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Hold dpkg's lock like another apt-get."""
        code = "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
        with _helper(self, code):
            yield

    def refetch(self) -> None:
        """Read the index of os again."""
        self.run("apt-get", "-q", "update")


class DnfHost(Host):
    """dnf: the same with an rpm database and a pid in a lock file."""

    def prepare(self) -> None:
        """Give the host the repository os and the first versions of its packages."""
        (self.root / "etc/pki/rpm-gpg/trouble").write_text(self.site.key)
        (self.root / "etc/yum.repos.d/os.repo").write_text(
            f"[os]\nname=os\nbaseurl={URL}/rpm/os\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/trouble\nmetadata_expire=1\n")
        self.install_first()
        repository = {"name": "trouble", "kind": "updates", "baseurl": [f"{URL}/rpm/release"], "keys": [{"content": self.site.key}]}
        _must(self.module("repository_set", {"name": SET, "repositories": [repository]}))

    def install_first(self) -> None:
        """Install the first version of every package."""
        self.run("dnf", "-q", "-y", "install", *(f"{name}-1.0" for name in FIRST))

    def remove(self, package: str) -> None:
        """Remove a package by hand."""
        self.run("dnf", "-q", "-y", "remove", package)

    def is_automatic(self, package: str) -> bool:
        """Return whether dnf would remove it when nothing needs it any more."""
        return package not in self.run("dnf", "-q", "repoquery", "--userinstalled", "--qf", "%{name}").split()

    def versions(self) -> t.Dict[str, str]:
        """Return what is installed of the test's packages; a package that is there twice has both versions."""
        found: t.Dict[str, str] = {}
        for line in sorted(self.run("rpm", "-qa", "--qf", "%{SUMMARY}\t%{NAME}\t%{VERSION}-%{RELEASE} installed\n").splitlines()):
            summary, name, version = line.split("\t")
            if summary == "x":
                found[name] = f"{found[name]} and {version}" if name in found else version
        return found

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Hold dnf's lock like another dnf."""
        code = "import os, time; open('/var/cache/dnf/metadata_lock.pid', 'w').write(str(os.getpid())); print('held', flush=True); time.sleep(60)"
        with _helper(self, code):
            yield

    def refetch(self) -> None:
        """dnf sees by itself that the index of os is old."""
        time.sleep(1.1)


def _must(result: Result) -> None:
    if result["failed"]:
        raise RuntimeError(str(result.get("msg")))


@contextlib.contextmanager
def _helper(host: Host, code: str) -> t.Iterator[None]:
    helper = subprocess.Popen(["chroot", str(host.root), "python3", "-c", code], stdout=subprocess.PIPE)
    try:
        assert helper.stdout is not None
        helper.stdout.readline()
        yield
    finally:
        helper.kill()
        helper.wait()


def dependency(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """A dependency is upgraded because it has to be; tools could be, and stays."""
    result = host.sync("service", record="dependency")
    changes = [(step["package"], step["action"]) for step in result["plan"]]
    yield "it and its dependency, and nothing else", changes == [("library", "upgrade"), ("service", "install")]
    yield "they are there", host.versions() == {**FIRST, "library": "1.1-1 installed", "service": "2.0-1 installed"}
    back = host.back("dependency")
    yield "and go back", [step["action"] for step in back["plan"]] == ["downgrade", "remove"]


def conflict(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    result = host.sync("clash", record="conflict")
    yield from refused(host, result, "conflict", "tools 1.0-1 would be removed")


def backward(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """A dependency that would have to go down is nobody's wish."""
    _must(host.sync("library", record="raise"))
    before = host.versions()
    result = host.sync("backward", record="backward")
    yield "refused, naming the dependency", result["failed"] and "library" in result["msg"] and "nothing was changed" in result["msg"]
    yield "nothing changed", host.versions() == before
    _must(host.back("raise"))


def script(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    result = host.sync("fragile", "library", record="script")
    words = ("fragile", "it failed" if host.name == "dnf1" else "cannot migrate the database")
    yield f"the package and its last words are named | {result.get('msg')}", result["failed"] and all(word in result["msg"] for word in words)
    yield "the record says so", host.state_of("script") == "failed"
    yield "the host is not as it was", host.versions() != FIRST
    back = host.back("script")
    yield "back all the same", not back["failed"] and host.state_of("script") == "restored"


def gone(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """A version that nobody offers any more is named before anything is touched."""
    _must(host.sync("service", record="gone"))
    before = host.versions()
    host.site.publish("os", without="library_1.0")
    host.refetch()
    result = host.back("gone")
    yield "the version is named", result["failed"] and "offers library 1.0-1 any more" in result["msg"]
    known = host.module("package_sync_info", {"set": SET, "record": "gone"})["records"]
    yield "the list of records says so beforehand", [(one["restorable"], one["missing"]) for one in known] == [(False, ["library 1.0-1"])]
    yield "nothing changed", host.versions() == before
    host.site.publish("os")
    host.refetch()
    yield "once it is back, so is the host", bool(host.back("gone").get("changed"))


def lock(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    with host.locked():
        result = host.sync("library", record="lock", timeout=1)
    words = ("another package manager is running", "raise timeout")
    yield f"refused | {result.get('msg')}", result["failed"] and all(word in result["msg"] for word in words)


def outage(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """Without its repositories a host cannot come to a release; going back needs only whoever has the old versions."""
    _must(host.sync("service", record="outage"))
    published = host.site.root / "srv/repository/trouble"
    moved = [(published / "dists/release", published / "dists/away"), (published / "rpm/release", published / "rpm/away")]
    for here, away in moved:
        here.rename(away)
    try:
        result = host.sync("tools", record="outage-2")
        yield "forward is refused", result["failed"] and "index" in result["msg"]
        yield "back works", bool(host.back("outage").get("changed"))
    finally:
        for here, away in moved:
            away.rename(here)


def killed(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """Killed in the middle of a script, with everything it started."""
    for record, repair in (("killed-1", lambda: host.back("killed-1")), ("killed-2", lambda: host.sync("slow", "library", record="killed-2"))):
        started = host.start("slow", "library", record=record)
        flag = host.root / "tmp/slow"
        yield f"{record}: it is in the middle of it", appeared(flag)
        kill_all(host.processes())
        started.wait()
        yield f"{record}: the record says that it was cut short", host.state_of(record) == "planned"
        result = repair()
        yield f"{record}: the next run comes to an end | {result.get('msg', '')}", not result["failed"]
        whole = [version for version in host.versions().values() if version.endswith("-1 installed") and " and " not in version]
        yield f"{record}: nothing is there twice, or in part", len(whole) == len(FIRST)
        flag.unlink(missing_ok=True)
    yield "what was asked for is there", {"slow": "2.0-1 installed", "library": "1.1-1 installed"}.items() <= host.versions().items()
    flag.touch()
    _must(host.back("killed-2"))
    flag.unlink()


def damaged(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    path = host.root / RECORDS / "damaged.json"
    path.write_text('{"schema": 1, "record": "dam')
    for result in (host.back("damaged"), host.sync("library", record="damaged")):
        yield "the file is named", result["failed"] and "package_sync/damaged.json" in result["msg"] and "not JSON" in result["msg"]
    path.unlink()


def held(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    host.run("apt-mark", "hold", "slow", "fragile")
    everything = host.sync(record="held")
    yield "left alone and listed", not everything["changed"] and everything["held"] == {"fragile": "apt-mark hold", "slow": "apt-mark hold"}
    named = host.sync("slow", record="held")
    yield from refused(host, named, "held", "slow is held (apt-mark hold)")
    host.run("apt-mark", "unhold", "slow", "fragile")


def halved(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """What dpkg leaves when a removal is killed: half-installed, and nothing says that it has to be reinstalled."""
    _must(host.sync("library", record="halved"))
    _must(host.back("halved"))
    status = host.root / "var/lib/dpkg/status"
    whole, half = "Package: library\nStatus: install ok installed\n", "Package: library\nStatus: install ok half-installed\n"
    text = status.read_text()
    yield "the package is there", whole in text
    status.write_text(text.replace(whole, half))
    result = host.back("halved")
    yield f"installed once more | {result.get('msg')}", not result["failed"] and whole in status.read_text()


def automatic(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    host.run("apt-mark", "auto", "library")
    _must(host.sync("library", record="automatic"))
    yield "what came as a dependency still counts as one", "library" in host.run("apt-mark", "showauto", "library")
    host.back("automatic")
    host.run("apt-mark", "manual", "library")


def planned(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    """A plan brings a new package with the one it needs: that one is no wish of its own, also when the plan is given back."""
    host.remove("library")
    plan = host.foresee("service", record="planned")
    yield "the dependency is marked", [(step["package"], step["action"], step["dependency"]) for step in plan] == [
        ("library", "install", True), ("service", "install", False)]
    stale = [{**step, "to": "1.0-1"} if step["package"] == "library" else step for step in plan]
    result = host.sync(record="planned", plan=stale)
    yield "another version is refused by name", result["failed"] and "library" in result["msg"] and "nothing was changed" in result["msg"]
    result = host.sync(record="planned", plan=plan)
    yield f"made as planned | {result.get('msg')}", not result["failed"] and result["plan"] == plan
    yield "the dependency counts as one, the package does not", host.is_automatic("library") and not host.is_automatic("service")
    again = host.sync(record="planned", plan=plan)
    yield "given again it changes nothing", not again["failed"] and not again["changed"]
    _must(host.back("planned"))
    host.install_first()


def unsigned(host: t.Any) -> t.Iterator[t.Tuple[str, bool]]:
    result = host.sync("unsigned", record="unsigned")
    yield "refused by name", result["failed"] and "unsigned-2.0-1" in result["msg"] and "signature" in result["msg"]


def refused(host: Host, result: Result, record: str, *words: str) -> t.Iterator[t.Tuple[str, bool]]:
    """The message says why, and nothing is left of the attempt."""
    yield f"refused | {result.get('msg')}", result["failed"] and all(word in result["msg"] for word in words)
    yield "no record of it", not (host.root / RECORDS / f"{record}.json").exists()


TRIALS: t.Dict[t.Type[Host], t.Sequence[t.Callable[[t.Any], t.Iterator[t.Tuple[str, bool]]]]] = {
    AptHost: (dependency, conflict, backward, script, gone, lock, outage, damaged, held, halved, automatic, planned, killed, torn, kills),
    DnfHost: (dependency, conflict, backward, script, gone, lock, outage, damaged, unsigned, planned, killed, kills),
}
FIRST = dict.fromkeys(("fragile", "library", "slow", "tools"), "1.0-1 installed")


def main() -> int:
    adopt_orphans()
    hosts = Path(os.environ["LAB_STATE"]) / "hosts"
    site = Site(hosts / "repo/root")
    passed = failed = 0
    for host in (AptHost("apt1", hosts / "apt1/root", site), DnfHost("dnf1", hosts / "dnf1/root", site)):
        host.prepare()
        for trial in [trial for trial in TRIALS[type(host)] if trial.__name__ in sys.argv[1:] or not sys.argv[1:]]:
            for claim, holds in [*trial(host), ("afterwards the host is as it was", host.versions() == FIRST)]:
                passed, failed = passed + holds, failed + (not holds)
                print(f"{'ok  ' if holds else 'FAIL'} {host.name} {trial.__name__}: {claim.partition(' | ')[0] if holds else claim}", flush=True)
    site.end()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
