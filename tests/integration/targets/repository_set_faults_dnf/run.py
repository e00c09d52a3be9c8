#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can go wrong when a dnf host is given repositories: it says what and why, and the host stays as it was.

Runs inside a lab session with the hosts dnf1 and repo and the standard site. A working set is live all the time; every
fault tries to change it. What is the same on apt hosts (keys, limits of priorities) is tried there: repository_set_faults.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "repository_set_faults"))

import archive  # noqa: E402
import run as faults  # noqa: E402
from fingerprint import DNF  # noqa: E402
from host import Host  # noqa: E402

sys.path.insert(0, str(HERE))

from rpm_repositories import URL, RpmRepositories  # noqa: E402

SET = "faulty"


class Signer(archive.Signer):
    """The same keys, for the detached signatures of repomd.xml."""

    def detach_sign(self, path: str, fingerprint: str) -> None:
        """Write path.asc beside path, both on the repository host."""
        command = ["chroot", str(self.root), "gpg", "--homedir", "/root/keyring", "--batch", "--quiet", "--no-tty", "--local-user", fingerprint,
                   "--armor", "--detach-sign", path]
        subprocess.run(command, check=True)


class Repositories:
    """The repositories of the test and the keys that signed them."""

    def __init__(self, root: Path) -> None:
        signer = Signer(root)
        self.fingerprint, self.key = signer.key("faults")
        self.stranger, self.stranger_key = signer.key("stranger")
        RpmRepositories(root, signer, self.fingerprint, self.stranger)
        signer.end()

    def repository(self, name: str = "good", **changes: t.Any) -> t.Dict[str, t.Any]:
        """Return one repository as repository_set takes it."""
        wish = {"name": f"faults-{name}", "kind": "updates", "baseurl": [f"{URL}/{name}"],
                "keys": [{"fingerprint": self.fingerprint, "content": self.key}]}
        return {**wish, **changes}

    def wish(self, *repositories: t.Mapping[str, t.Any], **more: t.Any) -> t.Dict[str, t.Any]:
        """Return arguments of the module: the live repository and more."""
        return {"name": SET, "repositories": [self.repository(), *repositories], "timeout": 30, **more}

    def plus(self, name: str, **changes: t.Any) -> t.Dict[str, t.Any]:
        """Return arguments of the module: the live repository and one more."""
        return self.wish(self.repository(name, **changes))


def repository_faults(have: Repositories) -> t.Iterator[faults.Fault]:
    plus = have.plus
    other = "'faults-more'"
    yield faults.Fault("metadata signed by another key", plus("strange"), ["'faults-strange'", "signature", "compare the fingerprints"])
    yield faults.Fault("metadata that changed after it was signed", plus("changed"), ["'faults-changed'", "signature", "compare the fingerprints"])
    yield faults.Fault("metadata without a signature", plus("unsigned"), ["'faults-unsigned'", "repomd.xml.asc", "signed_metadata"])
    yield faults.Fault("a key for another repository", plus("more", keys=[{"content": have.stranger_key}]), [other, "signature", "compare the fingerprints"])
    yield faults.Fault("nothing is there", plus("nothing"), ["'faults-nothing'", "404", f"{URL}/nothing/repodata/repomd.xml", "baseurl"])
    yield faults.Fault("a page instead of metadata", plus("page", signed_metadata=False), ["'faults-page'", "parse", "publish it again"])
    yield faults.Fault("metadata of two publications", plus("mixed", signed_metadata=False), ["'faults-mixed'", "checksum", "publish it again"])
    yield faults.Fault("malformed metadata", plus("malformed", signed_metadata=False), ["'faults-malformed'", "malformed", "publish it again"])
    yield faults.Fault("a server that is not there", plus("more", baseurl=["http://127.0.0.1:9/el9"]), [other, "127.0.0.1:9", "server runs"])
    yield faults.Fault("a server nobody knows", plus("more", baseurl=["http://nowhere.demo.example/el9"]), [other, "nowhere.demo.example", "name service"])
    yield faults.Fault("a server that never answers", have.wish(have.repository("more", baseurl=["http://127.0.0.1:8999/el9"]), timeout=5),
                       [other, "127.0.0.1:8999", "raise timeout"], faults._silent_server)
    yield faults.Fault("a login that must stay secret", plus("more", baseurl=["http://robot:s3cret@127.0.0.1:9/el9"]), [other, "127.0.0.1:9"], never=["s3cret"])
    yield faults.Fault("a password with a variable in it", plus("more", baseurl=["http://robot:s3cret$arch@repo.demo.example/faults/more"]),
                       [other, "password", "variable"], never=["s3cret"])
    yield faults.Fault("a proxy that is not there", plus("more", proxy="http://127.0.0.1:9"), [other, "127.0.0.1", "proxy"])
    yield faults.Fault("a variable nobody set", plus("more", baseurl=[f"{URL}/$stream/more"]), [other, "$stream", "404"])
    yield faults.Fault("fields of the other family", plus("more", suite="cmd-os-1"), ["repositories[1] (faults-more)", "suite", "dnf host"])
    yield faults.Fault("a baseurl that dnf could read as two lines", plus("more", baseurl=[f"{URL}/more\npriority=1"]),
                       ["repositories[1] (faults-more)", "baseurl"])


def host_faults(have: Repositories, host: Host) -> t.Iterator[faults.Fault]:
    wish = have.plus("more")
    other = {**wish, "name": "other", "repositories": [have.repository("more")]}
    site = "/etc/yum.repos.d/site.repo"
    section = "[{name}]\nname=x\nbaseurl=http://repo.demo.example/base/el9/$basearch\ngpgcheck=1\npriority={priority}\n".format

    def there(path: str, text: str) -> t.Callable[[], t.ContextManager[t.Any]]:
        return lambda: host.file(path, text)

    yield faults.Fault("a repository of that id in a file of the site's", wish, ["'faults-more'", site, "rename"],
                       there(site, section(name="faults-more", priority=99)))
    yield faults.Fault("a repository of that id in another set", {**other, "repositories": [have.repository()]},
                       ["'faults-good'", f"/etc/yum.repos.d/egi-cmd-{SET}.repo", "rename"])
    yield faults.Fault("a repository of the site's above ours", wish, ["'faults-good'", "'site'", site, "priority 7", "30", "lower wins"],
                       there(site, section(name="site", priority=7)))
    yield faults.Fault("a repository of the site's level with ours", wish, ["'faults-good'", "'site'", site, "priority 30"],
                       there(site, section(name="site", priority=30)))
    yield faults.Fault("a dnf.conf that is broken already", wish, ["dnf.conf", "Correct"], lambda: _replaced(host, "/etc/dnf/dnf.conf", "[main\n"))
    yield faults.Fault("a file that somebody else wrote", other, ["/etc/yum.repos.d/egi-cmd-other.repo", "not written by this module"],
                       there("/etc/yum.repos.d/egi-cmd-other.repo", "# by hand\n"))
    yield faults.Fault("a file of another set", other, ["/etc/yum.repos.d/egi-cmd-other.repo", "belongs to set 'third'"],
                       there("/etc/yum.repos.d/egi-cmd-other.repo", "# Managed by egi.cmd repository_set third\n"))
    key = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-egi-cmd-other-{have.fingerprint}"
    yield faults.Fault("a key place that is taken", other, [key, "not written by this module"], there(key, "nothing\n"))
    for path in ("/etc/yum.repos.d", "/var/lib/egi-cmd", "/var/cache/dnf"):
        yield faults.Fault(f"no room in {path}", wish, ["o space left"], lambda path=path: host.full(path))


@contextlib.contextmanager
def _replaced(host: Host, path: str, text: str) -> t.Iterator[None]:
    place = host.root / path.lstrip("/")
    before = place.read_bytes()
    place.write_text(text)
    try:
        yield
    finally:
        place.write_bytes(before)


def stranger_to_itself(have: Repositories, host: Host) -> faults.Fault:
    """Make the host forget its release, for good, and ask for a repository by it."""
    host.run("rpm", "-e", "--nodeps", "example-release")
    arguments = {"name": SET, "repositories": [have.repository("more", baseurl=[f"{URL}/$releasever/more"])]}
    return faults.Fault("a host that does not know its release", arguments, ["'faults-more'", "$releasever", "release package"])


def _without_rpm(found: t.Mapping[str, str]) -> t.Dict[str, str]:
    """Leave out rpm's database: reading it moves marks in it."""
    return {path: text for path, text in found.items() if "/var/lib/rpm/" not in path}


def main() -> int:
    state, inventory = Path(os.environ["LAB_STATE"]), os.environ["LAB_INVENTORY"]
    have = Repositories(state / "hosts/repo/root")
    host = Host("dnf1", state / "hosts/dnf1/root", inventory, (*DNF, "var/lib/rpm"))
    for socket in host.root.glob("var/cache/dnf/*/pubring/S.*"):
        socket.unlink()  # left by gpg's agent when the site's packages were installed; full() cannot copy sockets
    verdicts = faults.Verdicts()
    at_first = _without_rpm(host.fingerprint())
    live = have.wish()
    result, _output = host.call(live)
    verdicts.of("a good set goes live", [] if result.get("proved") else [str(result)])
    for group in (repository_faults(have), host_faults(have, host)):
        for fault in group:
            verdicts.of(fault.name, faults.try_fault(host, fault))
    result, _output = host.call(live)
    verdicts.of("after all of them nothing has to change", [str(result)] if result.get("changed") else [])
    faults.try_kills(host, verdicts, have.plus("more"), live)
    host.call({"name": SET, "state": "absent"})
    verdicts.of("the set goes without a trace", faults.differences(at_first, _without_rpm(host.fingerprint())))
    host.looked_at = DNF
    fault = stranger_to_itself(have, host)
    verdicts.of(fault.name, faults.try_fault(host, fault))
    print(f"{verdicts.passed} passed, {verdicts.failed} failed, 0 skipped")
    return 1 if verdicts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
