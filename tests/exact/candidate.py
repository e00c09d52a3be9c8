# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate situations of priorities and versions, work out the candidate, and ask real apt and dnf: no difference is allowed.

    python3 tests/exact/candidate.py --apt 10000 --dnf 1000

A situation is one package: who offers which version of it, what is installed, and how everything is ranked. Situations
share a world (sources, preferences), so that one run of apt or dnf answers a hundred of them. --seed repeats a run.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import textwrap
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

candidate, apt_policy = load("plugins.module_utils._promotion.candidate", "plugins.module_utils._host.apt_policy")

PACKAGES = [f"cloud-{number:02}" for number in range(100)]
DEB_VERSIONS = ["1.0-1", "1.0-1~mos1", "1.0-1+mos6.1+1", "1.5-1", "2.0-1", "2.0-1~u22.04+mos1", "1:0.9-1"]
PRIORITIES = [-1, 1, 50, 100, 101, 300, 499, 500, 501, 700, 989, 990, 991, 999, 1000, 1001, 1200, 1300, 1400]
SUITE_NAMES = ["base", "base-updates", "cmd-os-1", "cmd-os-1-updates", "cmd-os-1-holdback", "cmd-os-1-proposed"]
ORIGINS, LABELS, CODENAMES, COMPONENTS = ["EGI", "Example OS"], ["CMD-OS", "Example OS"], ["cmd-os-1", "base"], ["main", "universe"]

RPM_NAMES = PACKAGES[:25]
RPM_VERSIONS = ["1.0-1", "1.0-1~mos1", "1.5-1", "2.0-1", "2.0-1~mos1", "1:0.9-1"]
RPM_PRIORITIES = [10, 20, 30, 99, 99, 110]


class Disagreement(Exception):
    """Our rules and the real tool differ."""


class AptWorld:
    """Some suites, one preferences file, and who offers what of each package."""

    def __init__(self, rng: random.Random) -> None:
        self.suites = {name: self._suite(rng, name) for name in rng.sample(SUITE_NAMES, rng.randint(2, len(SUITE_NAMES)))}
        self.pins = [self._pin(rng) for _unused in range(rng.randint(0, 6))]
        self.default = rng.choice([*self.suites, "", "", "", ""])
        self.offers = {package: self._offers(rng) for package in PACKAGES}
        self.installed = {package: rng.choice([*DEB_VERSIONS, *[None] * 5]) for package in PACKAGES}

    @staticmethod
    def _suite(rng: random.Random, name: str) -> t.Any:
        fields = {"a": name, "o": rng.choice(ORIGINS), "l": rng.choice(LABELS), "n": rng.choice(CODENAMES), "c": rng.choice(COMPONENTS), "v": rng.choice("123")}
        by_hand = rng.random() < 0.3
        return candidate.Suite(fields, "", by_hand, by_hand and rng.random() < 0.6)

    def _pin(self, rng: random.Random) -> t.Any:
        patterns = rng.choice([("*",), ("*",), tuple(rng.sample(PACKAGES, 12)), ("cloud-1*",), ("cloud-?3", "cloud-7*")])
        kind = rng.choice(["release", "release", "release", "origin", *(["version"] if patterns != ("*",) else [])])
        if kind == "version":
            value = rng.choice([*DEB_VERSIONS, "1.0*", "2.*", "*mos*"])
        elif kind == "origin":
            value = rng.choice(['""', '"repo.example.org"'])  # what lies on the host itself has no site
        else:
            suite = self.suites[rng.choice(list(self.suites))]
            letters = sorted(rng.sample("aolncv", rng.randint(1, 3)))
            value = ",".join(f"{letter}={suite.fields[letter]}" for letter in letters)
            value = "a=cmd-os-1*" if rng.random() < 0.1 else value
        return candidate.Pin(patterns, kind, value, rng.choice(PRIORITIES))

    def _offers(self, rng: random.Random) -> dict[str, list[str]]:
        offers: dict[str, list[str]] = {}
        for suite in self.suites:
            for version in rng.sample(DEB_VERSIONS, rng.randint(0, 2)):
                offers.setdefault(version, []).append(suite)
        return offers

    def expected(self) -> dict[str, t.Optional[str]]:
        """What our rules say of every package."""
        policy = candidate.AptPolicy(self.suites, self.pins, self.default)
        return {package: policy.candidate(package, self.offers[package], self.installed[package]) for package in PACKAGES}

    def judged(self, top: pathlib.Path) -> dict[str, t.Optional[str]]:
        """What apt says of every package."""
        for place in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d", "etc/trusted.gpg.d"):
            (top / place).mkdir(parents=True)
        sources = []
        for name, suite in self.suites.items():
            component = suite.fields["c"]
            index = top / "repository" / "dists" / name / component / "binary-amd64"
            index.mkdir(parents=True)
            stanzas = [_stanza(package, version) for package in PACKAGES for version, suites in self.offers[package].items() if name in suites]
            (index / "Packages").write_text("".join(stanzas))
            (top / "repository" / "dists" / name / "Release").write_text(_release(suite))
            sources.append(f"deb [trusted=yes arch=amd64] file:{top}/repository {name} {component}\n")
        (top / "sources.list").write_text("".join(sources))
        (top / "preferences").write_text("\n".join(_record(pin) for pin in self.pins))
        installed = [_stanza(package, version, "Status: install ok installed\n") for package, version in self.installed.items() if version]
        (top / "status").write_text("".join(installed))
        (top / "apt.conf").write_text(_apt_conf(top, self.default))
        environment = {"APT_CONFIG": str(top / "apt.conf"), "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        subprocess.run(["apt-get", "-qq", "update"], env=environment, check=True, capture_output=True)
        answer = subprocess.run(["apt-cache", "policy", *PACKAGES], env=environment, check=True, capture_output=True, text=True).stdout
        found = apt_policy.packages(answer)
        return {package: found[package].candidate if package in found else None for package in PACKAGES}

    def about(self, package: str) -> str:
        """The situation of one package, for people."""
        suites = "\n".join(f"  {name}: {suite}" for name, suite in self.suites.items())
        pins = "\n".join(f"  {pin}" for pin in self.pins)
        return f"installed {self.installed[package]}, offered {self.offers[package]}, default release {self.default!r}\n{suites}\n{pins}"


def _stanza(package: str, version: str, more: str = "") -> str:
    return f"Package: {package}\n{more}Version: {version}\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\nDescription: nothing\n\n"


def _release(suite: t.Any) -> str:
    names = {"a": "Suite", "o": "Origin", "l": "Label", "n": "Codename", "c": "Components", "v": "Version"}
    lines = [f"{names[letter]}: {value}" for letter, value in suite.fields.items()]
    lines += ["NotAutomatic: yes"] if suite.not_automatic else []
    lines += ["ButAutomaticUpgrades: yes"] if suite.automatic_upgrades else []
    return "\n".join([*lines, "Architectures: amd64", "Date: Fri, 20 Nov 2026 12:00:00 UTC", "SHA256:", ""])


def _record(pin: t.Any) -> str:
    return f"Package: {' '.join(pin.packages)}\nPin: {pin.kind} {pin.value}\nPin-Priority: {pin.priority}\n"


def _apt_conf(top: pathlib.Path, default_release: str) -> str:
    return textwrap.dedent(f"""\
        Dir "{top}";
        Dir::State "{top}/state"; Dir::State::status "{top}/status"; Dir::Cache "{top}/cache";
        Dir::Etc "{top}/etc"; Dir::Etc::sourcelist "{top}/sources.list"; Dir::Etc::sourceparts "/dev/null";
        Dir::Etc::preferences "{top}/preferences"; Dir::Etc::trustedparts "{top}/etc/trusted.gpg.d";
        APT::Architecture "amd64"; APT::Architectures {{ "amd64"; }}; APT::Sandbox::User "root"; Acquire::Languages "none";
        APT::Default-Release "{default_release}";
        """)


DNF_JUDGE = """
import dnf, json, sys
world = json.load(sys.stdin)
conf = dnf.conf.Conf()
conf.installroot, conf.cachedir, conf.reposdir, conf.pluginpath = world["root"], world["root"] + "/cache", [], []
conf.persistdir, conf.logdir, conf.best = world["root"] + "/persist", world["root"] + "/log", False
conf.substitutions["releasever"] = "9"
base = dnf.Base(conf)
for name, priority in world["repositories"].items():
    base.repos.add_new_repo(name, conf, baseurl=["file://" + world["top"] + "/" + name], priority=priority, gpgcheck=False)
base.fill_sack()
answers = {}
for name in world["packages"]:
    installed = {package.name: package.evr for package in base.sack.query().installed()}.get(name)
    found = []
    for job in ("upgrade", "distro_sync") if installed else ("install",):
        base.reset(goal=True)
        try:
            getattr(base, job)(name)
            base.resolve()
            after = [package.evr for package in base.transaction.install_set if package.name == name]
        except dnf.exceptions.MarkingError:
            after = []
        found.append(after[0] if after else installed)
    answers[name] = found
json.dump(answers, sys.stdout)
"""


class DnfWorld:
    """Some repositories with priorities, and what is installed."""

    def __init__(self, rng: random.Random) -> None:
        self.repositories = {f"repo{number}": rng.choice(RPM_PRIORITIES) for number in range(rng.randint(2, 5))}
        self.offers = {name: [(repository, evr) for repository in self.repositories for evr in rng.sample(RPM_VERSIONS, rng.randint(0, 2))]
                       for name in RPM_NAMES}
        self.installed = {name: rng.choice([*RPM_VERSIONS, None]) for name in RPM_NAMES}

    def expected(self) -> dict[str, list[t.Optional[str]]]:
        """For each package what an upgrade and a distro-sync leave on the host, or what an installation brings."""
        found: dict[str, list[t.Optional[str]]] = {}
        for name, offers in self.offers.items():
            builds = [candidate.Offer(evr, self.repositories[repository]) for repository, evr in offers]
            installed = self.installed[name]
            sync = candidate.dnf_sync(builds)
            found[name] = [candidate.dnf_upgrade(builds, installed), sync or installed] if installed else [sync]
        return found

    def judged(self, top: pathlib.Path, built: t.Mapping[tuple[str, str], pathlib.Path]) -> dict[str, list[t.Optional[str]]]:
        """The same, by dnf."""
        root = top / "root"
        (root / "log").mkdir(parents=True)
        present = [str(built[name, evr]) for name, evr in self.installed.items() if evr]
        subprocess.run(["rpm", "--root", str(root), "--initdb"], check=True, capture_output=True)
        subprocess.run(["rpm", "--root", str(root), "--install", "--justdb", "--nodeps", "--nosignature", *present], check=True, capture_output=True)
        for repository in self.repositories:
            (top / repository).mkdir()
            for name, offers in self.offers.items():
                for _repository, evr in (offer for offer in offers if offer[0] == repository):
                    (top / repository / built[name, evr].name).symlink_to(built[name, evr])
            subprocess.run(["createrepo_c", "--quiet", str(top / repository)], check=True, capture_output=True)
        world = {"root": str(root), "top": str(top), "repositories": self.repositories, "packages": RPM_NAMES}
        done = subprocess.run(["/usr/bin/python3", "-c", DNF_JUDGE], input=json.dumps(world), check=True, stdout=subprocess.PIPE, text=True)
        return dict(json.loads(done.stdout))

    def about(self, package: str) -> str:
        """The situation of one package, for people."""
        return f"installed {self.installed[package]}, offered {self.offers[package]}, priorities {self.repositories}"


def build_rpms(top: pathlib.Path) -> dict[tuple[str, str], pathlib.Path]:
    """An empty package of every name and version: one spec file makes all names of a version."""
    built = {}
    for number, evr in enumerate(RPM_VERSIONS):
        epoch, _colon, rest = evr.rpartition(":")
        version, _hyphen, release = rest.rpartition("-")
        head = f"Version: {version}\nRelease: {release}\n{f'Epoch: {epoch}' if epoch else ''}\nSummary: nothing\nLicense: none\nBuildArch: noarch\n"
        parts = "".join(f"%package -n {name}\nSummary: nothing\n%description -n {name}\nnothing\n%files -n {name}\n" for name in RPM_NAMES)
        spec = top / f"{number}.spec"
        spec.write_text(f"Name: nothing{number}\n{head}%description\nnothing\n{parts}")
        out = top / str(number)
        command = ["rpmbuild", "-bb", "--quiet", "--define", f"_rpmdir {out}", "--define", f"_topdir {top}/build", str(spec)]
        subprocess.run(command, check=True, capture_output=True)
        for name in RPM_NAMES:
            built[name, evr] = out / "noarch" / f"{name}-{version}-{release}.noarch.rpm"
    return built


def compare(world: t.Any, expected: dict[str, t.Any], judged: dict[str, t.Any], tool: str) -> int:
    """The number of situations; raises Disagreement at the first that differs."""
    for package, answer in expected.items():
        if judged[package] != answer:
            raise Disagreement(f"{package}: we say {answer}, {tool} says {judged[package]}\n{world.about(package)}")
    return len(expected)


def main() -> int:
    """Run; 1 at the first disagreement."""
    parser = argparse.ArgumentParser(description="Compare candidates with real apt and dnf.")
    parser.add_argument("--apt", type=int, default=10000, help="situations for apt")
    parser.add_argument("--dnf", type=int, default=1000, help="situations for dnf")
    parser.add_argument("--seed", type=int, default=20261120)
    options = parser.parse_args()
    rng, counts, started = random.Random(options.seed), {"apt": 0, "dnf": 0}, time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        try:
            while counts["apt"] < options.apt:
                world = AptWorld(rng)
                with tempfile.TemporaryDirectory(dir=directory) as top:
                    counts["apt"] += compare(world, world.expected(), world.judged(pathlib.Path(top)), "apt")
            built = build_rpms(pathlib.Path(directory))
            while counts["dnf"] < options.dnf:
                hosts = DnfWorld(rng)
                with tempfile.TemporaryDirectory(dir=directory) as top:
                    counts["dnf"] += compare(hosts, hosts.expected(), hosts.judged(pathlib.Path(top), built), "dnf")
        except Disagreement as error:
            print(f"after {counts}, seed {options.seed}: {error}", file=sys.stderr)
            return 1
    seconds = time.monotonic() - started
    print(f"{counts['apt']} situations as apt decides them and {counts['dnf']} as dnf does, in {seconds:.0f} s")
    print(f"{sum(counts.values())} passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
