# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate small worlds with a base, an overlay and held packages, and ask our solver, real dnf and real apt what hosts do.

    python3 tests/exact/solver.py --dnf 40 --apt 100

dnf answers for ``upgrade`` of everything and ``install`` of one build, with priorities and best=False; to install something it may
lower something else, and so may our solver then. apt-get -s answers for ``upgrade --with-new-pkgs`` and ``install``, with pins.
Dependencies only have lower bounds: there the largest set of updates is one set. Where updates exclude each other, a solver keeps
back what it meets last; all such answers are right, and they are not compared. --seed repeats a run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

solvers, candidate, policy = load(
    "plugins.module_utils._archive.solver", "plugins.module_utils._promotion.candidate", "plugins.module_utils._host.policy"
)

NAMES = [f"p{number}" for number in range(6)]
VERSIONS = ["1-1", "1.5-1", "2-1", "3-1"]
BANDS = {"base": "distribution", "overlay": "overlay", "holdback": "holdback"}
WEIGHTS = {"base": 1, "overlay": 2, "holdback": 3}
Answer = t.Optional[t.Dict[str, str]]  # package -> version; None: it cannot be done
Needs = t.Dict[t.Tuple[str, str], t.List[str]]


class Disagreement(Exception):
    """Our solver and the real tool differ."""


class World:
    """Who offers which version, what a host has, and what it is asked to install. needs: of each build, as rpm writes it."""

    def __init__(self, rng: random.Random, needs: Needs) -> None:
        self.needs = needs
        self.offers = {role: {(name, version) for name in names for version in rng.sample(VERSIONS, rng.choice(share))}
                       for role, names, share in (("base", NAMES, (1, 1, 2)), ("overlay", NAMES, (0, 0, 1)), ("holdback", NAMES[:2], (0, 1)))}
        self.installed = self._consistent(rng)
        self.build = ""  # of wanted: what our solver was asked to install
        self.wanted = rng.choice([name for name in NAMES if name not in self.installed] or NAMES)

    def _consistent(self, rng: random.Random) -> t.Dict[str, str]:
        """Versions that go together: what is not satisfied is left out until nothing is."""
        found = {name: rng.choice(VERSIONS) for name in rng.sample(NAMES, rng.randint(2, 5))}
        while True:
            good = {name: version for name, version in found.items() if all(satisfied(need, found) for need in self.needs[name, version])}
            if good == found:
                return found
            found = good

    def about(self) -> str:
        """The world, for people."""
        needs = {" ".join(build): needs for build, needs in self.needs.items() if needs}
        return f"installed {self.installed}, wanted {self.wanted}, offers {self.offers}\nneeds {needs}"


def needs_of(rng: random.Random) -> Needs:
    """A dependency here and there, never on itself and never with an upper bound."""
    found: Needs = {}
    for name, version in itertools.product(NAMES, VERSIONS):
        others = rng.sample([other for other in NAMES if other != name], rng.choice([0, 0, 1, 1, 2]))
        found[name, version] = [f"{other} >= {rng.choice(VERSIONS[1:])}" if rng.random() < 0.6 else other for other in others]
    return found


def satisfied(need: str, installed: t.Mapping[str, str]) -> bool:
    """Whether what is installed satisfies a dependency; all versions here sort as they stand in VERSIONS."""
    name, _space, rest = need.partition(" ")
    if name not in installed:
        return False
    bound = rest.partition(" ")[2]
    return not bound or VERSIONS.index(installed[name]) >= VERSIONS.index(bound)


def ours(form: str, world: World, indices: t.Mapping[str, str]) -> t.List[Answer]:
    """What our solver says: after an upgrade, and after the installation. indices: role -> its index; state: what was installed."""
    solver = solvers.Solver(form, "amd64" if form == "deb" else "x86_64")
    for role, path in indices.items():
        solver.read(role, path, WEIGHTS.get(role, 0))
    host = [build for build in (build for name in world.installed for build in solver.builds(name))
            if build.repository == "state" and build.version == world.installed[build.package]]
    chosen = {name: apt_candidate(world, name) for name in NAMES} if form == "deb" else {}

    def leave_out(build: t.Any) -> bool:
        return build.repository == "state" or (form == "deb" and build.version != chosen[build.package])

    solver.consider(leave_out, NAMES)
    after = [solver.upgrade(host)]
    wanted = solver.builds(world.wanted)
    best = [build for build in wanted if not leave_out(build)]
    strongest = max((WEIGHTS[build.repository] for build in best), default=0)
    best = [build for build in best if WEIGHTS[build.repository] == strongest]
    best = [max(best, key=lambda build: VERSIONS.index(build.version))] if best else []
    after.append(solver.install(best, host, going_down=form == "rpm") if best else solvers.Verdict([], ["nobody offers it"]))
    world.build = f"{world.wanted}-{best[0].version}" if best else world.wanted
    return [None if verdict.problems else moved(world.installed, verdict) for verdict in after]


def moved(installed: t.Mapping[str, str], verdict: t.Any) -> t.Dict[str, str]:
    """What a host has afterwards."""
    after = {**installed, **{step.package: step.after for step in verdict.steps}}
    return {name: version for name, version in after.items() if version}


def apt_candidate(world: World, package: str) -> t.Optional[str]:
    """The only version apt looks at."""
    pins = [candidate.Pin(("*",), "release", f"a={role}", policy.by_rule("apt", band)) for role, band in BANDS.items()]
    versions: t.Dict[str, t.List[str]] = {}
    for role, offers in world.offers.items():
        for _name, version in (offer for offer in offers if offer[0] == package):
            versions.setdefault(version, []).append(role)
    found: t.Optional[str] = candidate.AptPolicy({role: candidate.Suite({"a": role}) for role in BANDS}, pins).candidate(package, versions)
    return found


DNF_JUDGE = """
import dnf, json, sys
world = json.load(sys.stdin)
conf = dnf.conf.Conf()
conf.installroot, conf.cachedir, conf.reposdir, conf.pluginpath = world["root"], world["root"] + "/cache", [], []
conf.persistdir, conf.logdir, conf.best, conf.install_weak_deps = world["root"] + "/persist", world["root"] + "/log", False, False
conf.substitutions["releasever"] = "9"
base = dnf.Base(conf)
for name, priority in world["repositories"].items():
    base.repos.add_new_repo(name, conf, baseurl=["file://" + world["top"] + "/" + name], priority=priority, gpgcheck=False)
base.fill_sack()
answers = []
for job in ("upgrade", "install"):
    base.reset(goal=True)
    try:
        if job == "upgrade":
            base.upgrade_all()
        else:
            base.install(world["build"])
        base.resolve()
        after = {package.name: package.evr for package in base.sack.query().installed()}
        for package in base.transaction.remove_set:
            after.pop(package.name, None)
        after.update({package.name: package.evr for package in base.transaction.install_set})
    except (dnf.exceptions.DepsolveError, dnf.exceptions.MarkingError):
        after = None
    answers.append(after)
json.dump(answers, sys.stdout)
"""


def ask_dnf(world: World, top: pathlib.Path, built: t.Mapping[t.Tuple[str, str], pathlib.Path]) -> t.Tuple[t.List[Answer], t.List[Answer]]:
    """Our answers and dnf's."""
    root = top / "root"
    (root / "log").mkdir(parents=True)
    subprocess.run(["rpm", "--root", str(root), "--initdb"], check=True, capture_output=True)
    present = [str(built[build]) for build in world.installed.items()]
    if present:
        subprocess.run(["rpm", "--root", str(root), "--install", "--justdb", "--nosignature", *present], check=True, capture_output=True)
    indices = {}
    for role, offers in {**world.offers, "state": set(world.installed.items())}.items():
        (top / role).mkdir()
        for build in offers:
            (top / role / built[build].name).symlink_to(built[build])
        subprocess.run(["createrepo_c", "--quiet", str(top / role)], check=True, capture_output=True)
        indices[role] = str(next((top / role / "repodata").glob("*-primary.xml.gz")))
    mine = ours("rpm", world, indices)
    told = {"root": str(root), "top": str(top), "build": world.build, "repositories": {role: policy.by_rule("dnf", band) for role, band in BANDS.items()}}
    done = subprocess.run(["/usr/bin/python3", "-c", DNF_JUDGE], input=json.dumps(told), check=True, stdout=subprocess.PIPE, text=True)
    return mine, json.loads(done.stdout)


def build_rpms(top: pathlib.Path, needs: Needs) -> t.Dict[t.Tuple[str, str], pathlib.Path]:
    """An empty package of every name and version: one spec file makes all names of a version."""
    built = {}
    for evr in VERSIONS:
        version, _hyphen, release = evr.partition("-")
        parts = "".join(f"%package -n {name}\nSummary: nothing\n{''.join(f'Requires: {need}{chr(10)}' for need in needs[name, evr])}"
                        f"%description -n {name}\nnothing\n%files -n {name}\n" for name in NAMES)
        spec = top / f"{version}.spec"
        spec.write_text(f"Name: nothing{version}\nVersion: {version}\nRelease: {release}\nSummary: nothing\nLicense: none\nBuildArch: noarch\n"
                        f"%description\nnothing\n{parts}")
        out = top / version
        command = ["rpmbuild", "-bb", "--quiet", "--define", f"_rpmdir {out}", "--define", f"_topdir {top}/build", str(spec)]
        subprocess.run(command, check=True, capture_output=True)
        built.update({(name, evr): out / "noarch" / f"{name}-{evr}.noarch.rpm" for name in NAMES})
    return built


def ask_apt(world: World, top: pathlib.Path) -> t.Tuple[t.List[Answer], t.List[Answer]]:
    """Our answers and apt's."""
    for place in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d", "etc/trusted.gpg.d"):
        (top / place).mkdir(parents=True)
    indices = {}
    for role, offers in {**world.offers, "state": set(world.installed.items())}.items():
        index = top / "repository/dists" / role / "main/binary-amd64"
        index.mkdir(parents=True)
        (index / "Packages").write_text("".join(_stanza(world, *build) for build in sorted(offers)))
        (top / "repository/dists" / role / "Release").write_text(
            f"Suite: {role}\nComponents: main\nArchitectures: amd64\nDate: Fri, 20 Nov 2026 12:00:00 UTC\nSHA256:\n")
        indices[role] = str(index / "Packages")
    (top / "sources.list").write_text("".join(f"deb [trusted=yes arch=amd64] file:{top}/repository {role} main\n" for role in BANDS))
    records = (f"Package: *\nPin: release a={role}\nPin-Priority: {policy.by_rule('apt', band)}\n" for role, band in BANDS.items())
    (top / "preferences").write_text("\n".join(records))
    (top / "status").write_text("".join(_stanza(world, *build, "Status: install ok installed\n") for build in world.installed.items()))
    (top / "apt.conf").write_text(
        f'Dir "{top}"; Dir::State "{top}/state"; Dir::State::status "{top}/status"; Dir::Cache "{top}/cache"; Dir::Etc "{top}/etc";\n'
        f'Dir::Etc::sourcelist "{top}/sources.list"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferences "{top}/preferences";\n'
        f'Dir::Etc::trustedparts "{top}/etc/trusted.gpg.d"; APT::Architecture "amd64"; APT::Architectures {{ "amd64"; }};\n'
        'APT::Sandbox::User "root"; APT::Install-Recommends "false"; Acquire::Languages "none";\n')
    apt = {"APT_CONFIG": str(top / "apt.conf"), "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    subprocess.run(["apt-get", "-qq", "update"], env=apt, check=True, capture_output=True)
    answers = [_simulated(world, apt, *command) for command in (("upgrade", "--with-new-pkgs"), ("install", world.wanted))]
    return ours("deb", world, indices), answers


def _simulated(world: World, apt: t.Mapping[str, str], *command: str) -> Answer:
    done = subprocess.run(["apt-get", "-s", "-qq", "-y", *command], env=dict(apt), check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return None
    after = {**world.installed, **dict(re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", done.stdout, re.MULTILINE))}
    for name in re.findall(r"^Remv (\S+)", done.stdout, re.MULTILINE):
        after.pop(name)
    return after


def _stanza(world: World, package: str, version: str, more: str = "") -> str:
    needs = ", ".join(re.sub(r" (\S+) (\S+)", r" (\1 \2)", need) for need in world.needs[package, version])
    depends = f"Depends: {needs}\n" if needs else ""
    return f"Package: {package}\n{more}Version: {version}\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.org>\n{depends}Filename: {package}.deb\n" \
        "Size: 1\nDescription: nothing\n\n"


def goes_down(world: World) -> bool:
    """Whether apt's candidate of a package is lower than what is installed: then apt-get upgrade refuses to do anything."""
    chosen = ((version, apt_candidate(world, name)) for name, version in world.installed.items())
    return any(other is not None and VERSIONS.index(other) < VERSIONS.index(version) for version, other in chosen)


def compare(world: World, answers: t.Tuple[t.List[Answer], t.List[Answer]], tool: str) -> int:
    """The number of answers; raises Disagreement at the first that differs."""
    for job, mine, theirs in zip(("upgrade", "install"), *answers):
        if mine != theirs:
            raise Disagreement(f"{job}: we say {mine}, {tool} says {theirs}\n{world.about()}")
    return len(answers[0])


def main() -> int:
    """Run; 1 at the first disagreement."""
    parser = argparse.ArgumentParser(description="Compare our solver with real dnf and apt.")
    parser.add_argument("--dnf", type=int, default=40, help="worlds for dnf")
    parser.add_argument("--apt", type=int, default=100, help="worlds for apt")
    parser.add_argument("--seed", type=int, default=20261120)
    options = parser.parse_args()
    rng, answers, started = random.Random(options.seed), 0, time.monotonic()
    try:
        for _number in range(options.apt):
            world = World(rng, needs_of(rng))
            while goes_down(world):
                world = World(rng, needs_of(rng))
            with tempfile.TemporaryDirectory() as top:
                answers += compare(world, ask_apt(world, pathlib.Path(top)), "apt")
        with tempfile.TemporaryDirectory() as place:
            for number in range(options.dnf):
                if number % 20 == 0:
                    top = pathlib.Path(place, str(number))
                    top.mkdir()
                    needs = needs_of(rng)
                    built = build_rpms(top, needs)
                world = World(rng, needs)
                with tempfile.TemporaryDirectory() as directory:
                    answers += compare(world, ask_dnf(world, pathlib.Path(directory), built), "dnf")
    except Disagreement as error:
        print(f"after {answers} answers, seed {options.seed}: {error}", file=sys.stderr)
        return 1
    print(f"{answers} answers for {options.apt} worlds as apt sees them and {options.dnf} as dnf does, in {time.monotonic() - started:.0f} s")
    print(f"{answers} passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
