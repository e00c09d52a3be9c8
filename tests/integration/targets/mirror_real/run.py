#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slice of the distribution this machine runs, mirrored from where its own apt gets it; hosts are made from that mirror.

The updates suite is mirrored whole with its own signature; of the main suite the packages of a minimal system and one
more, closed over dependencies and signed by the site. debootstrap, mmdebstrap and apt read nothing but the mirror, on loopback.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

for _path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
    sys.path.append(_path)

from ansible_collections.egi.cmd.plugins.module_utils._mirror import program  # noqa: E402
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import keys  # noqa: E402

TOP = Path(__file__).resolve().parents[4]
WORK = Path(os.environ["LAB_STATE"])
KEYRINGS = {"debian": "/usr/share/keyrings/debian-archive-keyring.gpg", "ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg"}
MOST = 100 << 20  # bytes fetched of one suite
SECONDS = 240  # for everything
Answer = t.Dict[str, t.Any]


class Skipped(Exception):
    """Something this machine cannot show; the text says why."""


class Slice(t.NamedTuple):
    """What is mirrored: suite of the main index, URLs of the archives that hold it and its updates, architecture, proxy."""

    suite: str
    urls: t.Dict[str, str]
    keyring: str
    architecture: str
    proxy: t.Optional[str]


def run(*command: str, good: int = 0) -> str:
    """Run a program; return its standard output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=SECONDS)
    assert done.returncode == good, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def mirror(*arguments: str) -> Answer:
    """Run cmd-mirror; return its result."""
    answer: Answer = json.loads(run("/usr/bin/python3", str(WORK / "cmd-mirror"), "--config", str(WORK / "config.json"), "--json", *arguments))
    return answer


def in_root(root: Path, *command: str, good: int = 0) -> str:
    """Run a program inside a root; no process of it outlives the call."""
    return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive",
               "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command, good=good)


def of_this_machine() -> Slice:
    """Ask apt where the machine's own release comes from."""
    told = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    system, suite = (told.get(name, "").strip('"') for name in ("ID", "VERSION_CODENAME"))
    keyring = KEYRINGS.get(system, "")
    if not Path(keyring).is_file():
        raise Skipped(f"there is no archive keyring of {system or 'this system'}")
    targets = run("apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages")
    urls = {release: url for url, release, component in map(str.split, targets.splitlines()) if component == "main"}
    found = {release: urls[release] for release in (suite, f"{suite}-updates") if urls.get(release, "").startswith(("http://", "https://"))}
    if len(found) < 2:
        raise Skipped(f"apt knows no web server with main of {suite} and {suite}-updates")
    scheme = found[suite].partition(":")[0]
    proxy = run("apt-config", "dump", "--format", "%v", f"Acquire::{scheme}::Proxy").strip()
    return Slice(suite, found, keyring, run("dpkg", "--print-architecture").strip(), proxy if proxy not in ("", "DIRECT") else None)


def reachable(slice_: Slice) -> None:
    """Raise Skipped when there is no network."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": slice_.proxy, "https": slice_.proxy} if slice_.proxy else None))
    url = f"{slice_.urls[slice_.suite]}dists/{slice_.suite}-updates/InRelease"
    try:
        opener.open(url, timeout=15).close()
    except (urllib.error.URLError, OSError) as error:
        raise Skipped(f"the mirror this machine uses cannot be reached: {error}") from error


class Site:
    """The mirror, its web server and its signing key."""

    def __init__(self, slice_: Slice, key: keys.Keys, url: str) -> None:
        self.slice, self.url = slice_, url
        fingerprint = key.make("site")
        self.keyring = Path(key.keyring(WORK / "site.gpg", fingerprint))
        updates = self._source("updates", f"{slice_.suite}-updates")
        # usr-is-merged: debootstrap asks for it by name; not every release has it.
        wanted = [{"priorities": ["required"]}, {"fields": {"Essential": "^yes$"}}, {"names": ["apt", "hello"]}, {"patterns": ["usr-is-merged"]}]
        base = {**self._source("base", slice_.suite), "mode": "rebuilt", "select": wanted}
        sets = {"updates": {"sources": [updates]},
                "slice": {"sources": [base, updates], "signing": {"home": key.home, "keys": [fingerprint]}, "prove": True}}
        (WORK / "config.json").write_text(json.dumps({"root": str(WORK / "mirror"), "margin": 0, "sets": sets}))

    def _source(self, name: str, suite: str) -> Answer:
        return {"name": name, "format": "deb", "urls": [self.slice.urls[suite]], "suites": [suite], "components": ["main"],
                "architectures": [self.slice.architecture], "keyring": self.slice.keyring, "proxy": self.slice.proxy}

    def fits(self, name: str) -> None:
        """Raise Skipped when a set would be too much for a test."""
        plan = mirror("plan", name)[name]
        print(f"    {name}: {plan['fetch_files']} files, {plan['fetch_bytes'] / 1e6:.1f} MB", flush=True)
        if plan["fetch_bytes"] > MOST:
            raise Skipped(f"{plan['fetch_bytes'] >> 20} MiB are too much for a test")


def verbatim(site: Site) -> None:
    """The updates suite, whole: the archive's own signature is passed on, every byte is right, nothing new costs nothing."""
    site.fits("updates")
    assert mirror("sync", "updates")["sets"]["updates"]["changed"]
    suite = f"{site.slice.suite}-updates"
    theirs = WORK / "mirror/updates/updates/dists" / suite / "InRelease"
    run("gpgv", "--keyring", site.slice.keyring, str(theirs))
    again = mirror("sync", "updates")["sets"]["updates"]
    assert not again["changed"] and again["fetched_files"] == 0, again
    assert mirror("verify", "updates")["findings"] == []


def partial(site: Site) -> None:
    """A minimal system and what it needs out of the main suite: proved installable, signed by the site, complete."""
    site.fits("slice")
    done = mirror("sync", "slice")["sets"]["slice"]
    assert done["changed"], done
    packages = done["sources"]["base"]["packages"]
    assert 50 < packages < 1000, packages
    run("gpgv", "--keyring", str(site.keyring), str(WORK / "mirror/slice/base/dists" / site.slice.suite / "InRelease"))
    assert not mirror("sync", "slice")["sets"]["slice"]["changed"]
    assert mirror("verify", "slice")["findings"] == []
    print(f"    {packages} packages of {site.slice.suite}", flush=True)


def bootstraps(site: Site) -> None:
    """debootstrap resolves, checks and downloads a minimal system, by the site's key."""
    run("debootstrap", "--download-only", "--variant=minbase", f"--arch={site.slice.architecture}", f"--keyring={site.keyring}", site.slice.suite,
        str(WORK / "bootstrap"), f"{site.url}/slice/base")
    assert list((WORK / "bootstrap/var/cache/apt/archives").glob("apt_*.deb"))


def installs(site: Site) -> None:
    """mmdebstrap makes a system from the mirror alone; apt in it updates without a word, and installs, and finds nothing else."""
    suite, root = site.slice.suite, WORK / "root"
    places = {"base": (site.keyring, suite), "updates": (Path(site.slice.keyring), f"{suite}-updates")}
    sources = [f"deb [signed-by={keyring}] {site.url}/slice/{name} {release} main" for name, (keyring, release) in places.items()]
    run("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
        f"--architectures={site.slice.architecture}", suite, str(root), *sources)
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    (root / "etc/apt/keyrings").mkdir(exist_ok=True)
    for name, (keyring, release) in places.items():
        (root / f"etc/apt/keyrings/{name}.gpg").write_bytes(keyring.read_bytes())
        (root / f"etc/apt/sources.list.d/{name}.list").write_text(
            f"deb [signed-by=/etc/apt/keyrings/{name}.gpg] {site.url}/slice/{name} {release} main\n")
    said = in_root(root, "sh", "-c", "apt-get -q -o APT::Update::Error-Mode=any update 2>&1")
    assert not any(line.startswith(("W:", "E:", "Err:")) for line in said.splitlines()), said
    in_root(root, "apt-get", "-q", "-y", "install", "hello")
    assert in_root(root, "hello").strip()
    assert f"{site.url}/slice/base" in in_root(root, "apt-cache", "policy", "hello")
    in_root(root, "apt-get", "-q", "-y", "install", "emacs", good=100)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves without a line for each request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


def nobody_answers() -> None:
    """An upstream that cannot be reached is told of by its URL. This shows that skipping the rest is no error of ours."""
    url = "http://127.0.0.1:9/"
    source = {"name": "deb", "format": "deb", "urls": [url], "suites": ["suite"], "keyring": str(WORK / "config.json")}
    configuration = {"root": str(WORK / "nobody"), "retries": 0, "sets": {"set": {"sources": [source]}}}
    (WORK / "config.json").write_text(json.dumps(configuration))
    (WORK / "cmd-mirror").write_bytes(program.build(str(TOP / "plugins/module_utils")))
    done = subprocess.run(["/usr/bin/python3", str(WORK / "cmd-mirror"), "--config", str(WORK / "config.json"), "plan"],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert done.returncode == 1 and f"{url}dists/suite/InRelease: " in done.stderr and "Traceback" not in done.stderr, done


CASES: t.Sequence[t.Callable[[Site], None]] = (verbatim, partial, bootstraps, installs)


def judged(cases: t.Sequence[t.Callable[[], None]]) -> t.List[int]:
    """Run the cases; how many passed, failed and were skipped."""
    counts = [0, 0, 0]
    for case in cases:
        started = time.monotonic()
        try:
            case()
            counts[0] += 1
            print(f"ok: {_told(case)} ({time.monotonic() - started:.0f} s)", flush=True)
        except Skipped as reason:
            counts[2] += 1
            print(f"skipped: {_told(case)}: {reason}", flush=True)
        except Exception:
            counts[1] += 1
            print(f"FAILED: {_told(case)}\n{traceback.format_exc()}", flush=True)
    return counts


def _told(case: t.Any) -> str:
    return str(getattr(case, "func", case).__doc__)


def judged_on_the_network() -> t.List[int]:
    """Run the cases that need a network."""
    try:
        slice_ = of_this_machine()
        reachable(slice_)
    except Skipped as reason:
        print(f"skipped: {reason}", flush=True)
        return [0, 0, len(CASES)]
    (WORK / "mirror").mkdir()
    handler = functools.partial(Handler, directory=str(WORK / "mirror"))
    with keys.throw_away() as key, http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            site = Site(slice_, key, f"http://127.0.0.1:{server.server_port}")
            return judged([functools.partial(case, site) for case in CASES])
        finally:
            server.shutdown()


def _too_late(_number: int, _frame: t.Any) -> t.NoReturn:
    raise TimeoutError(f"not done after {SECONDS} s")


def main() -> int:
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(SECONDS)
    passed, failed, skipped = (sum(counts) for counts in zip(judged([nobody_answers]), judged_on_the_network()))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
