# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time an audit and a census on apt and on dnf: 63,440 packages of the base, a 500-package overlay, 2,000 packages installed.

    python3 tests/benchmark/audit.py [--rounds 7]

Both package managers work in roots of their own below a temporary directory. Needs apt, dnf, python3-dnf and rpmbuild.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gzip
import hashlib
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from benchmark.packages import make_rpms, write_index  # noqa: E402
from checkout import load  # noqa: E402

_PARTS = ("apt_files", "audit", "audit_apt", "audit_dnf", "census_apt", "census_dnf", "dnf_base", "dnf_view", "holds", "policy")
(apt_files, audit, audit_apt, audit_dnf, census_apt, census_dnf, dnf_base, dnf_view, holds, policy) = load(
    *(f"plugins.module_utils._host.{name}" for name in _PARTS))

BASE, OVERLAY, INSTALLED = 63_440, 500, 2_000
TODAY = datetime.date(2026, 11, 20)
Way = t.Callable[[], t.Any]


class AptRoot:
    """An apt with a base, an overlay that diverges in its packages, and a status file; nothing is really installed."""

    def __init__(self, top: pathlib.Path) -> None:
        self.top = top
        for name in ("etc/sources", "etc/preferences", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial", "dpkg"):
            (top / name).mkdir(parents=True)
        write_index(top / "Packages", BASE)
        stanzas = (top / "Packages").read_text().strip().split("\n\n")
        overlay = [re.sub(r"(?m)^Version: .*", "Version: 99.0-1~e1+cmd1", stanza) for stanza in stanzas[::len(stanzas) // OVERLAY][:OVERLAY]]
        plain = stanzas[1::len(stanzas) // (INSTALLED - OVERLAY)][:INSTALLED - OVERLAY]
        for name, content in (("base", stanzas), ("updates", overlay)):
            _publish_deb(top / "repository", name, "\n\n".join(content) + "\n\n")
        here = [re.sub(r"(?m)^(Depends|Filename|Size|MD5sum|SHA256|Tag|Description-md5): .*\n?", "", stanza).strip() for stanza in [*overlay, *plain]]
        (top / "dpkg/status").write_text("\n\n".join(f"{stanza}\nStatus: install ok installed" for stanza in here) + "\n\n")
        self.sources = top / "etc/sources"
        (self.sources / "base.sources").write_text(self._source("base"))
        ours = f"# Managed by egi.cmd repository_set bench\n\n# Repository: bench-updates\n{self._source('updates')}"
        (self.sources / "egi-cmd-bench.sources").write_text(ours)
        (top / "etc/preferences/egi-cmd-bench.pref").write_text("Package: *\nPin: release a=updates,o=Example\nPin-Priority: 1200\n")
        (top / "apt.conf").write_text(
            f'Dir::Etc "{top}/etc";\nDir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "sources";\nDir::Etc::preferencesparts "preferences";\n'
            f'Dir::State "{top}/state";\nDir::State::status "{top}/dpkg/status";\nDir::Cache "{top}/cache";\nDir::Cache::pkgcache "pkgcache.bin";\n'
            f'Dir::Cache::srcpkgcache "srcpkgcache.bin";\nAPT::Sandbox::User "root";\nAPT::Architecture "amd64";\n')
        self.environment = {**os.environ, "APT_CONFIG": str(top / "apt.conf"), "DPKG_ADMINDIR": str(top / "dpkg")}
        subprocess.run(["apt-get", "-q", "update"], env=self.environment, stdout=subprocess.DEVNULL, check=True)
        self.installed = sorted(re.findall(r"(?m)^Package: (.*)$", (top / "dpkg/status").read_text()))
        self.all = sorted({*self.installed, *re.findall(r"(?m)^Package: (.*)$", (top / "Packages").read_text())})

    def _source(self, name: str) -> str:
        return f"Types: deb\nURIs: file:{self.top}/repository\nSuites: {name}\nComponents: main\nTrusted: yes\n"

    def run(self, argv: t.Sequence[str], environment: t.Mapping[str, str]) -> t.Tuple[int, str, str]:
        """Run a program as the module does."""
        done = subprocess.run(argv, env={**self.environment, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def policy(self, *names: str) -> None:
        """apt-cache policy, and nothing done with what it prints."""
        subprocess.run(["apt-cache", "policy", *names], env=self.environment, stdout=subprocess.DEVNULL, check=True)

    def audit(self) -> t.Any:
        """The audit, all of it."""
        return _judged(audit_apt.survey(self.run, []), "apt")

    def census(self) -> None:
        """What a census asks programs; the rest of it is reading a few small files."""
        census_apt.inventory(self.run, self.installed[:10])
        holds.holds("apt", self.run)


def _publish_deb(root: pathlib.Path, suite: str, packages: str) -> None:
    index = root / f"dists/{suite}/main/binary-amd64/Packages"
    index.parent.mkdir(parents=True)
    index.write_text(packages)
    digest = hashlib.sha256(packages.encode()).hexdigest()
    index.parents[2].joinpath("Release").write_text(
        f"Origin: Example\nSuite: {suite}\nCodename: {suite}\nDate: Fri, 06 Nov 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\n"
        f"SHA256:\n {digest} {len(packages.encode())} main/binary-amd64/Packages\n")


class DnfRoot:
    """A dnf with the same numbers; its installed packages are entries in a real rpm database without their files."""

    def __init__(self, top: pathlib.Path) -> None:
        self.top = top
        (top / "build").mkdir(parents=True)
        make_rpms(str(top / "build"), str(top / "rpms"), INSTALLED)
        names = sorted(path.name.rsplit("-", 2)[0] for path in (top / "rpms").iterdir())
        for start in range(0, len(names), 500):
            files = [str(top / f"rpms/{name}-1-1.noarch.rpm") for name in names[start:start + 500]]
            subprocess.run(["rpm", "--root", str(top / "root"), "-i", "--justdb", "--nodeps", "--noscripts", "--nosignature", *files],
                           stderr=subprocess.DEVNULL, check=True)
        others = [f"other{number}" for number in range(BASE - len(names))]
        _publish_rpm(top / "base", [(name, "1", "1", "noarch") for name in names] + [(name, "1", "1", "x86_64") for name in others])
        _publish_rpm(top / "updates", [(name, "1", "0.el9~cmd1", "noarch") for name in names[:OVERLAY]])
        self.audit()

    def base(self) -> t.Any:
        """A dnf of this root, as dnf_base.opened() gives the host's."""
        import dnf
        conf = dnf.conf.Conf()
        conf.installroot, conf.cachedir, conf.logdir = str(self.top / "root"), str(self.top / "cache"), str(self.top)
        conf.substitutions.update({"releasever": "9", "arch": "x86_64", "basearch": "x86_64"})
        conf.debuglevel = conf.errorlevel = 0
        base = dnf.Base(conf)
        for name, priority in (("base", 99), ("updates", 30)):
            base.repos.add_new_repo(name, conf, baseurl=[f"file://{self.top / name}"], priority=priority)
        return base

    def audit(self) -> t.Any:
        """The audit, all of it."""
        dnf_base.opened, dnf_view.set_of = self.base, lambda repository: "bench" if repository.id == "updates" else ""
        return _judged(audit_dnf.survey([]), "dnf")

    def census(self) -> None:
        """What a census asks dnf's configuration; versions of packages are rpm's to say."""
        dnf_base.configured = self.base
        census_dnf.inventory(_never, [])

    def distro_sync(self) -> None:
        """dnf's own answer to what it would change, from the same root and through the same interface."""
        with contextlib.closing(self.base()) as base:
            base.fill_sack()
            base.distro_sync()
            base.resolve()


def _never(_argv: t.Sequence[str], _environment: t.Mapping[str, str]) -> t.Tuple[int, str, str]:
    raise AssertionError("no program is run")


def _publish_rpm(directory: pathlib.Path, packages: t.Sequence[t.Tuple[str, str, str, str]]) -> None:
    entries = []
    for name, version, release, architecture in packages:
        requires = "".join(f'<rpm:entry name="lib{name}{index}.so"/>' for index in range(8))
        entries.append(
            f'<package type="rpm"><name>{name}</name><arch>{architecture}</arch><version epoch="0" ver="{version}" rel="{release}"/>'
            f'<checksum type="sha256" pkgid="YES">{hashlib.sha256(f"{name}{release}".encode()).hexdigest()}</checksum><summary>x</summary>'
            f'<time file="1" build="1"/><size package="1" installed="1" archive="1"/><location href="{name}.rpm"/><format><rpm:license>none</rpm:license>'
            f'<rpm:sourcerpm>{name}.src.rpm</rpm:sourcerpm><rpm:provides><rpm:entry name="{name}" flags="EQ" epoch="0" ver="{version}" rel="{release}"/>'
            f'</rpm:provides>{f"<rpm:requires>{requires}</rpm:requires>" if architecture == "x86_64" else ""}</format></package>')
    text = ('<?xml version="1.0" encoding="UTF-8"?><metadata xmlns="http://linux.duke.edu/metadata/common" '
            f'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{len(entries)}">{"".join(entries)}</metadata>')
    (directory / "repodata").mkdir(parents=True)
    data = gzip.compress(text.encode())
    (directory / "repodata/primary.xml.gz").write_bytes(data)
    (directory / "repodata/repomd.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary">'
        f'<checksum type="sha256">{hashlib.sha256(data).hexdigest()}</checksum><location href="repodata/primary.xml.gz"/><timestamp>1</timestamp>'
        f"<size>{len(data)}</size></data></repomd>")


def _judged(survey: t.Any, family: str) -> t.Any:
    return audit.summary(audit.audit(survey.packages, lambda one, other: policy.stronger(family, one, other), survey.dated, TODAY))


def _seconds(way: Way) -> t.Tuple[float, float]:
    """Elapsed seconds, and processor seconds of this process and its children."""
    before, started = os.times(), time.perf_counter()
    way()
    elapsed, after = time.perf_counter() - started, os.times()
    return elapsed, sum(after[:4]) - sum(before[:4])


def main() -> int:
    """Print one table; return 1 if an audit did not find what was made."""
    parser = argparse.ArgumentParser(description="time an audit")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        apt, dnf = AptRoot(pathlib.Path(directory, "apt")), DnfRoot(pathlib.Path(directory, "dnf"))
        apt_files.SOURCES = str(apt.sources)
        ways: t.Dict[str, Way] = {
            "apt: the audit": apt.audit,
            "apt-cache policy, no package named": apt.policy,
            f"apt-cache policy, all {INSTALLED:,} installed packages": lambda: apt.policy(*apt.installed),
            f"apt-cache policy, all {BASE:,} packages": lambda: apt.policy(*apt.all),
            "apt: what a census asks": apt.census,
            "dnf: the audit": dnf.audit,
            "dnf: what a census asks": dnf.census,
            "dnf distro-sync through the same interface, solved only": dnf.distro_sync,
        }
        measured: t.Dict[str, t.List[t.Tuple[float, float]]] = {name: [] for name in ways}
        for _unused in range(rounds):
            for name, way in ways.items():
                measured[name].append(_seconds(way))
        print("| way | elapsed, s | of a processor, s |\n|---|---|---|")
        for name, times in measured.items():
            print(f"| {name} | {statistics.median(one for one, _other in times):.2f} | {statistics.median(other for _one, other in times):.2f} |")
        right = [root.audit()["divergent"] == OVERLAY and root.audit()["installed"] >= INSTALLED for root in (apt, dnf)]
        print("" if all(right) else f"an audit did not find what was made: {apt.audit()} {dnf.audit()}")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
