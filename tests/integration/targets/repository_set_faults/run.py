#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can go wrong when an apt host is given repositories: it says what and why, and the host stays as it was.

Runs inside a lab session with the hosts apt1 and repo. A working set is live all the time; every fault tries to change it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import private_server
from archive import PACKAGES, Signer, publish
from host import Host

URI = "http://repo.demo.example/faults"
SET = "faulty"


@dataclass
class Fault:
    """One way to fail: what is asked for, what the message must name, and what is wrong on the host meanwhile."""

    name: str
    arguments: t.Dict[str, t.Any]
    names: t.Sequence[str]
    meanwhile: t.Callable[[], t.ContextManager[t.Any]] = contextlib.nullcontext
    never: t.Sequence[str] = field(default_factory=tuple)


class Archives:
    """The archives of the test, good and bad, and the keys that signed them."""

    def __init__(self, root: Path) -> None:
        signer = Signer(root)
        site = root / "srv/repository/faults"
        self.fingerprint, self.key = signer.key("faults")
        self.other_fingerprint, self.other_key = signer.key("stranger")
        self.secret = signer.secret(self.fingerprint)
        dists = site / "dists"
        for suite in ("good", "good-updates"):
            publish(dists, suite, signer, self.fingerprint)
        publish(dists, "good-proposed", signer, self.fingerprint, packages="")
        publish(dists, "expired", signer, self.fingerprint, valid_for=-3600)
        publish(dists, "unsigned", signer, self.fingerprint, signed=False)
        publish(dists, "strange-key", signer, self.other_fingerprint)
        publish(dists, "swapped", signer, self.fingerprint, says="good")
        publish(dists, "someone-else", signer, self.fingerprint, origin="Example")
        publish(dists, "tampered", signer, self.fingerprint)
        (dists / "tampered/main/binary-amd64/Packages").write_text(PACKAGES.replace("2.2-1", "6.6-6"))
        (site / "key.asc").write_text(self.key)
        signer.end()

    def repository(self, _suite: str = "good", **changes: t.Any) -> t.Dict[str, t.Any]:
        """Return one repository as repository_set takes it."""
        wish = {"name": f"faults-{_suite}", "kind": "updates", "uris": [URI], "suite": _suite, "components": ["main"], "origin": "EGI",
                "label": "CMD-OS", "keys": [{"fingerprint": self.fingerprint, "content": self.key}]}
        return {**wish, **changes}

    def wish(self, *repositories: t.Mapping[str, t.Any], **more: t.Any) -> t.Dict[str, t.Any]:
        """Return arguments of the module: the live repository and more."""
        return {"name": SET, "repositories": [self.repository(), *repositories], "timeout": 30, **more}


def key_faults(have: Archives) -> t.Iterator[Fault]:
    def with_key(**key: str) -> t.Dict[str, t.Any]:
        return have.wish(have.repository("good-updates", keys=[key]))

    who = "faults-good-updates"
    yield Fault("garbage instead of a key", with_key(content="no key at all"), [who, "not an OpenPGP certificate", "public key"])
    yield Fault("a key cut off", with_key(content=have.key[:200]), [who, "cut off"])
    yield Fault("a secret key", with_key(content=have.secret), [who, "secret key"], never=[have.secret.splitlines()[3]])
    yield Fault("another key than the fingerprint says", with_key(content=have.other_key, fingerprint=have.fingerprint),
                [who, have.fingerprint, have.other_fingerprint, "Compare"])
    yield Fault("a key nobody named", with_key(content=have.key + have.other_key, fingerprint=have.fingerprint), [who, have.other_fingerprint, "List every"])
    yield Fault("a key's URL that is not there", with_key(url=f"{URI}/nothing.asc", fingerprint=have.other_fingerprint), [who, "/nothing.asc", "404"])
    yield Fault("a key's URL without a fingerprint", with_key(url=f"{URI}/key.asc"), [f"repositories[1] ({who})", "fingerprint"])
    yield Fault("a key's server that is not there", with_key(url="http://127.0.0.1:9/key.asc", fingerprint=have.other_fingerprint),
                [who, "127.0.0.1:9", "refused"])
    yield Fault("a key file that is not there", with_key(file="/root/nothing.asc"), [who, "/root/nothing.asc", "No such file"])
    yield Fault("no key at all", have.wish(have.repository("good-updates", keys=[])), [f"repositories[1] ({who})", "nothing unsigned"])


def repository_faults(have: Archives) -> t.Iterator[Fault]:
    def plus(_suite: str, **changes: t.Any) -> t.Dict[str, t.Any]:
        return have.wish(have.repository(_suite, **changes))

    yield Fault("signed by another key", plus("strange-key"), ["'faults-strange-key'", "NO_PUBKEY", "another key"])
    yield Fault("a suite that is not there", plus("nothing"), ["'faults-nothing'", "404", "suite"])
    yield Fault("a component that is not there", plus("good-updates", components=["main", "nothing"]),
                ["'faults-good-updates'", "'nothing'", "Correct components"])
    yield Fault("an expired Release file", plus("expired"), ["'faults-expired'", "expired", "Valid-Until"])
    yield Fault("an unsigned repository", plus("unsigned"), ["'faults-unsigned'", "not signed", "nothing unsigned"])
    yield Fault("an index that was tampered with", plus("tampered"), ["'faults-tampered'", "sync it again"])
    yield Fault("the Release file of another suite", plus("swapped"), ["'faults-swapped'", "Conflicting distribution", "Suite"])
    yield Fault("a suite by its codename", plus("good-updates", suite="cmd-os-1"), ["'faults-good-updates'", "Suite: good-updates", "cmd-os-1 was declared"])
    yield Fault("another origin", plus("someone-else"), ["'faults-someone-else'", "Origin: Example", "EGI"])
    yield Fault("a server that is not there", plus("good-updates", uris=["http://127.0.0.1:9/apt"]), ["'faults-good-updates'", "127.0.0.1:9", "network"])
    yield Fault("a login that must stay secret", plus("good-updates", uris=["http://robot:s3cret@127.0.0.1:9/apt"]),
                ["'faults-good-updates'", "127.0.0.1:9"], never=["s3cret"])
    yield Fault("a name that would end the line", plus("good-updates", suite="x\nTrusted: yes"), ["repositories[1]", "suite"])
    yield Fault("a file that apt would not fetch", plus("good-updates", uris=["ftp://repo.demo.example/faults"]), ["repositories[1]", "ftp"])


def order_faults(have: Archives) -> t.Iterator[Fault]:
    def ranked(**changes: t.Any) -> t.Dict[str, t.Any]:
        return have.wish(have.repository("good-updates", **changes))

    extra = {field: value for field, value in have.repository("good-updates").items() if field != "kind"}

    yield Fault("priority zero", ranked(priority=0), ["'faults-good-updates'", "0", "outside band overlay"])
    yield Fault("a holdback level with the overlay", {**ranked(kind="holdback", priority=1250), "repositories": [
        have.repository(priority=1250), have.repository("good-updates", kind="holdback", priority=1250)]},
        ["'faults-good-updates'", "does not outrank", "'faults-good'"])
    yield Fault("the distribution above the overlay", have.wish({**extra, "band": "distribution", "priority": 1300}),
                ["'faults-good-updates'", "outside band distribution"])


def host_faults(have: Archives, host: Host) -> t.Iterator[Fault]:
    wish = have.wish(have.repository("good-updates"))

    def there(path: str, text: str) -> t.Callable[[], t.ContextManager[t.Any]]:
        return lambda: host.file(path, text)

    pin = "Package: {package}\nPin: release {release}\nPin-Priority: {priority}\n".format
    pins = "/etc/apt/preferences.d/00-site"
    source = f"deb [signed-by=/etc/apt/keyrings/site.gpg] {URI} {{}} main\n".format
    yield Fault("a pin of somebody else's before ours", wish, ["'faults-good-updates'", "700 and not 1200", "preferences.d"],
                there(pins, pin(package="*", release="a=good-updates", priority=700)))
    yield Fault("a pin for one package against ours", wish, ["'faults-good", "cloud-api", "grep"],
                there(pins, pin(package="cloud-api", release="o=EGI", priority=-1)))
    yield Fault("a default release of ours", wish, ["'faults-good-updates'", "990 and not 1200", "Default-Release"],
                there("/etc/apt/apt.conf.d/00site", 'APT::Default-Release "good-updates";\n'))
    yield Fault("a repository of somebody else's above ours", wish, ["someone-else", "2000", "'faults-good"], lambda: _foreign(host, have, source, pin))
    yield Fault("a repository that is configured already", wish, ["'faults-good-updates'", "/etc/apt/sources.list.d/site.list", "already configured"],
                there("/etc/apt/sources.list.d/site.list", source("good-updates")))
    yield Fault("preferences that are broken already", wish, ["/etc/apt/preferences.d", "Repair", "pin"],
                there(pins, pin(package="*", release="a=x", priority=0)))
    yield Fault("sources that are broken already", wish, ["/etc/apt/sources.list.d/site.list", "already broken"],
                there("/etc/apt/sources.list.d/site.list", "deb nonsense\n"))
    other = {**have.wish(have.repository("good-updates")), "name": "other"}
    other["repositories"] = other["repositories"][1:]
    yield Fault("a file that somebody else wrote", other, ["/etc/apt/sources.list.d/egi-cmd-other.sources", "not written by this module"],
                there("/etc/apt/sources.list.d/egi-cmd-other.sources", "# by hand\n"))
    yield Fault("a file of another set", other, ["/etc/apt/preferences.d/egi-cmd-other.pref", "belongs to set 'third'"],
                there("/etc/apt/preferences.d/egi-cmd-other.pref", "# Managed by egi.cmd repository_set third\n"))
    yield Fault("a key place that is taken", other, [f"egi-cmd-other-{have.fingerprint}.gpg", "not written by this module"],
                there(f"/etc/apt/keyrings/egi-cmd-other-{have.fingerprint}.gpg", "nothing\n"))
    yield Fault("a memory that is damaged", wish, ["current.json", "damaged", "state=absent"], lambda: _damaged_memory(host))
    yield Fault("no room for the configuration", wish, ["No space left", "free space"], lambda: host.full("/etc/apt/sources.list.d"))
    yield Fault("no room for the state", wish, ["o space left", "/var/lib/egi-cmd"], lambda: host.full("/var/lib/egi-cmd"))
    yield Fault("an apt-get update at work", {**wish, "timeout": 5}, ["/var/lib/apt/lists/lock is locked", "Wait"], lambda: _busy_apt(host))
    yield Fault("a server that never answers", have.wish(have.repository("good-updates", uris=["http://127.0.0.1:8999/apt"]), timeout=5),
                ["'faults-good-updates'", "timeout"], _silent_server)


@contextlib.contextmanager
def _foreign(host: Host, have: Archives, source: t.Callable[[str], str], pin: t.Callable[..., str]) -> t.Iterator[None]:
    """A repository of the site's own with a pin above everything: what a set must notice about a host."""
    with host.file("/etc/apt/keyrings/site.asc", have.key), \
            host.file("/etc/apt/sources.list.d/site.list", source("someone-else").replace("site.gpg", "site.asc")), \
            host.file("/etc/apt/preferences.d/00-site", pin(package="*", release="o=Example", priority=2000)):
        host.run("apt-get", "-q", "update")
        yield
    host.run("apt-get", "-q", "update")


@contextlib.contextmanager
def _damaged_memory(host: Host) -> t.Iterator[None]:
    memory = host.root / f"var/lib/egi-cmd/repository_set/{SET}/current.json"
    good = memory.read_bytes()
    memory.write_bytes(good[:20])
    try:
        yield
    finally:
        memory.write_bytes(good)


@contextlib.contextmanager
def _busy_apt(host: Host) -> t.Iterator[None]:
    """Another process holds apt's lock; this one would lose it as soon as it reads the file for a fingerprint."""
    hold = "import fcntl, sys; lock = open(sys.argv[1], 'rb+'); fcntl.lockf(lock, fcntl.LOCK_EX); print('locked', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(host.root / "var/lib/apt/lists/lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield
        holder.communicate()


@contextlib.contextmanager
def _silent_server() -> t.Iterator[None]:
    with socket.create_server(("127.0.0.1", 8999)):
        yield


def try_private(host: Host, have: Archives, verdicts: Verdicts, repository_root: Path) -> None:
    """A repository for members only works before and after it is live, and refuses those who are none."""
    certificates = private_server.make_certificates(repository_root)
    for name in ("ca.pem", "member.pem", "member.key"):
        shutil.copyfile(certificates / name, host.root / "etc" / name)
        (host.root / "etc" / name).chmod(0o644)
    member = {"ca_certificate": "/etc/ca.pem", "client_certificate": "/etc/member.pem", "client_key": "/etc/member.key"}
    key = {"fingerprint": have.fingerprint, "url": f"https://{private_server.LOGIN}@localhost:{private_server.PORT}/key.asc"}

    def wish(login: str, **more: str) -> t.Dict[str, t.Any]:
        uris = [f"https://{login}@localhost:{private_server.PORT}"]
        return {**have.wish(), "repositories": [have.repository("good-updates", uris=uris, keys=[key], **more)], "name": "members"}

    secret = private_server.LOGIN.split(":")[1]
    with private_server.serving(repository_root / "srv/repository/faults", certificates):
        good = wish(private_server.LOGIN, **member)
        for fault in (Fault("a wrong password", wish("robot:wrong", **member), ["'faults-good-updates'", "401", "password"], never=["wrong"]),
                      Fault("no client certificate", wish(private_server.LOGIN, ca_certificate="/etc/ca.pem"), ["'faults-good-updates'"], never=[secret]),
                      Fault("an authority nobody knows", wish(private_server.LOGIN), ["'faults-good-updates'", "ertificate"], never=[secret])):
            verdicts.of(fault.name, try_fault(host, fault))
        result, output = host.call(good, "-vvv", "--diff")
        verdicts.of("a member's repository goes live", [] if result.get("proved") and secret not in output else [output])
        update = host.run("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
        verdicts.of("apt itself uses login and certificates", [update.stdout] if update.returncode or "Hit" not in update.stdout else [])
    world = [str(path) for path in host.root.glob("etc/apt/**/*") if path.is_file() and path.stat().st_mode & 0o004 and secret in path.read_text("latin-1")]
    verdicts.of("the password is for root alone", world)
    result, _output = host.call({"name": "members", "state": "absent"})
    left = [path for path in host.fingerprint() if "members" in path or "localhost" in path]
    verdicts.of("a member's repository goes without a trace", left)


class Verdicts:
    def __init__(self) -> None:
        self.passed, self.failed = 0, 0

    def of(self, name: str, complaints: t.Sequence[str]) -> None:
        self.failed += bool(complaints)
        self.passed += not complaints
        print(f"{'FAIL' if complaints else 'ok  '} {name}", *complaints, sep="\n       ", flush=True)


def try_fault(host: Host, fault: Fault) -> t.List[str]:
    """Return what is not as it should be."""
    with fault.meanwhile():
        before = host.fingerprint()
        result, output = host.call(fault.arguments, "-vvv")
        after = host.fingerprint()
    message = str(result.get("msg", ""))
    complaints = [] if result.get("failed") else ["it did not fail"]
    complaints += [f"the message does not name {word!r}: {message}" for word in fault.names if word not in message]
    complaints += [f"the output shows {word!r}" for word in fault.never if word in output]
    complaints += [f"a traceback: {output}"] if "Traceback" in output else []
    return complaints + differences(before, after)


def differences(before: t.Mapping[str, str], after: t.Mapping[str, str]) -> t.List[str]:
    """Return at most five paths that differ, with what they were and are."""
    changed = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    return [f"{path}: {before.get(path)} -> {after.get(path)}" for path in changed[:5]]


def try_kills(host: Host, verdicts: Verdicts, wish: t.Mapping[str, t.Any], live: t.Mapping[str, t.Any]) -> None:
    """Kill a change and a removal before each of their steps, on the host; then let the module itself heal one."""
    here = Path(__file__).resolve()
    target = host.root / "tmp/collection/ansible_collections/egi/cmd/plugins"
    shutil.copytree(here.parents[4] / "plugins/module_utils", target / "module_utils", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    for name in ("kill.py", "fingerprint.py"):
        shutil.copyfile(here.parent / name, host.root / "tmp" / name)
    (host.root / "tmp/live.json").write_text(json.dumps(live))
    for title, arguments in (("a change", wish), ("a removal", {"name": SET})):
        (host.root / "tmp/wish.json").write_text(json.dumps(arguments))
        done = host.run("env", "PYTHONPATH=/tmp/collection", "/usr/bin/python3", "/tmp/kill.py", "/tmp/live.json", "/tmp/wish.json")
        lines = done.stdout.splitlines()
        steps = [line for line in lines if line.startswith("step ")]
        wrong = [*(line for line in lines if line not in steps), f"exit status {done.returncode}"] if done.returncode else []
        verdicts.of(f"{title} killed before each of {len(steps)} steps", wrong)
        verdicts.of(f"{title} is long enough to be killed", [] if len(steps) > 20 else lines)
    host.run("env", "PYTHONPATH=/tmp/collection", "/usr/bin/python3", "/tmp/kill.py", "/tmp/live.json", "/tmp/wish.json", "30")
    before = host.fingerprint()
    result, _output = host.call(live, "--check")
    checked = differences(before, host.fingerprint())
    verdicts.of("check mode sees what was cut short, and leaves it", checked if result.get("healed") else [str(result)])
    result, _output = host.call(live)
    verdicts.of("the next run heals it", [] if result.get("healed") and not result["failed"] else [str(result)])


def main() -> int:
    state, inventory = Path(os.environ["LAB_STATE"]), os.environ["LAB_INVENTORY"]
    have = Archives(state / "hosts/repo/root")
    (state / "hosts/repo/root/srv/repository/faults/dists/cmd-os-1").symlink_to("good-updates")
    host = Host("apt1", state / "hosts/apt1/root", inventory)
    verdicts = Verdicts()
    live = have.wish()
    result, _output = host.call(live)
    verdicts.of("a good set goes live", [] if result.get("proved") else [str(result)])
    for faults in (key_faults(have), repository_faults(have), order_faults(have), host_faults(have, host)):
        for fault in faults:
            verdicts.of(fault.name, try_fault(host, fault))
    try_private(host, have, verdicts, state / "hosts/repo/root")
    result, _output = host.call(live)
    verdicts.of("after all of them nothing has to change", [str(result)] if result.get("changed") else [])

    try_kills(host, verdicts, have.wish(have.repository("good-updates"), have.repository("good-proposed")), live)

    (host.root / f"var/lib/egi-cmd/repository_set/{SET}/current.json").write_text("damaged")
    host.call({"name": SET, "state": "absent"})
    left = [path for path in host.fingerprint() if "egi-cmd" in path or "faults" in path[len(str(host.root)):]]
    verdicts.of("the set goes, even with a damaged memory", left)
    print(f"{verdicts.passed} passed, {verdicts.failed} failed, 0 skipped")
    return 1 if verdicts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
