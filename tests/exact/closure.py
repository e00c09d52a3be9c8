# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Close generated repositories and let libsolv judge: it reads the same Packages and primary.xml and knows nothing of us.

    python3 tests/exact/closure.py --worlds 3000

For every selected package libsolv says whether it can be installed from all repositories, and whether it can be installed
from what the closure took. Both have to be the same; what it can install must have nothing unresolved; and what the
closure calls closed it must be able to install. Which versions of rpm fit is asked of rpm as well. --seed repeats a run.
"""

from __future__ import annotations

import argparse
import collections
import functools
import itertools
import json
import pathlib
import random
import subprocess
import sys
import time
import typing as t
from xml.sax.saxutils import quoteattr

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

closure, deb_packages, relation, rpm_packages = load(
    *(f"plugins.module_utils._mirror.{name}" for name in ("closure", "deb_packages", "relation", "rpm_packages"))
)

SYSTEM_PYTHON = "/usr/bin/python3"  # python3-solv is built for this one only
BATCH = 250  # worlds for one run of the judge
NAMES = [f"p{number}" for number in range(9)]
ALLOWED = NAMES[:3]  # libsolv ignores :any, which dpkg honours; here it is written where both mean the same
VIRTUAL = ["v0", "v1", "v2"]
DEB_VERSIONS = ["1-1", "1-1~bpo1", "1.5-1", "2-1", "1:0.5-1"]
RPM_VERSIONS = ["1-1", "1-2", "1~rc1-1", "1.5-1", "2-1", "1:0.5-1"]
RPM_BOUNDS = [*RPM_VERSIONS, "1", "1.5", "2", "1:0.5"]
FILES = ["/usr/bin/f0", "/usr/bin/f1"]

Spec = t.Dict[str, t.Any]

JUDGE = """
import json, os, solv, sys, tempfile
def read(pool, form, text):
    repo = pool.add_repo("r")
    with tempfile.NamedTemporaryFile("w", suffix="") as file:
        file.write(text); file.flush()
        handle = solv.xfopen(file.name)
        assert repo.add_debpackages(handle) if form == "deb" else repo.add_rpmmd(handle, None)
        handle.close()
def verdicts(case, text):
    pool = solv.Pool()
    pool.setdisttype(solv.Pool.DISTTYPE_DEB if case["form"] == "deb" else solv.Pool.DISTTYPE_RPM)
    pool.setarch("amd64" if case["form"] == "deb" else "x86_64")
    read(pool, case["form"], text)
    pool.addfileprovides()
    pool.createwhatprovides()
    found = {}
    for one in pool.solvables_iter():
        if [one.name, one.evr] in case["roots"]:
            solver = pool.Solver()
            solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
            found[one.name + " " + one.evr] = not solver.solve([pool.Job(solv.Job.SOLVER_SOLVABLE | solv.Job.SOLVER_INSTALL, one.id)])
    return [found[" ".join(root)] for root in case["roots"]]
for line in sys.stdin:
    case = json.loads(line)
    print(json.dumps(list(zip(verdicts(case, case["whole"]), verdicts(case, case["taken"])))))
"""


RANGES = """
import json, rpm, sys
sense = {"<": rpm.RPMSENSE_LESS, ">": rpm.RPMSENSE_GREATER, "=": rpm.RPMSENSE_EQUAL}
def ds(flags, version, tag):
    return rpm.ds(("n", sum(sense[one] for one in flags), version), tag)
print(json.dumps([bool(ds(*case[:2], rpm.RPMTAG_PROVIDENAME).Compare(ds(*case[2:], rpm.RPMTAG_REQUIRENAME))) for case in json.load(sys.stdin)]))
"""


class Disagreement(Exception):
    """The closure and libsolv differ."""


def builds(rng: random.Random, versions: t.List[str]) -> t.List[t.Tuple[str, str]]:
    """Names and versions, every pair once; some names in several versions, some missing."""
    found = [(name, version) for name in NAMES for version in rng.sample(versions, rng.choice((0, 1, 1, 1, 2)))]
    rng.shuffle(found)
    return found or [(NAMES[0], versions[0])]


def some(rng: random.Random, make: t.Callable[[], t.Any], chances: t.Sequence[int]) -> t.List[t.Any]:
    """As many of what make returns as one of chances says."""
    return [make() for _unused in range(rng.choice(chances))]


def deb_world(rng: random.Random) -> t.List[Spec]:
    """Stanzas with every kind of relation."""
    def term() -> str:
        name = rng.choice(NAMES + NAMES + VIRTUAL)
        name += ":any" if name in ALLOWED and rng.random() < 0.3 else ""
        return name if rng.random() < 0.7 else f"{name} ({rng.choice(('<<', '<=', '=', '>=', '>>'))} {rng.choice(DEB_VERSIONS)})"

    def provided() -> str:
        return rng.choice([name for name in VIRTUAL + NAMES if name not in ALLOWED]) + rng.choice(("", "", f" (= {rng.choice(DEB_VERSIONS)})"))

    worst = rng.choice(((0,), (0, 0, 0, 1), (0, 1, 2)))
    found = []
    for name, version in builds(rng, DEB_VERSIONS):
        fields = {
            "Package": name, "Version": version, "Architecture": rng.choice(("all", "amd64")),
            "Multi-Arch": "allowed" if name in ALLOWED else rng.choice(("", "foreign")),
            "Pre-Depends": ", ".join(some(rng, term, (0, 0, 0, 1))),
            "Depends": ", ".join(some(rng, lambda: " | ".join(some(rng, term, (1, 1, 2, 3))), (0, 1, 1, 2))),
            "Conflicts": ", ".join(some(rng, lambda: term().replace(":any", ""), worst)),
            "Breaks": ", ".join(some(rng, lambda: term().replace(":any", ""), worst)),
            "Provides": ", ".join(some(rng, provided, (0, 0, 1, 2))),
        }
        found.append({"name": name, "version": version, "text": "".join(f"{field}: {value}\n" for field, value in fields.items() if value) + "\n"})
    return found


def rich(rng: random.Random, depth: int, inside: str = "") -> str:
    """A rich dependency, or at the end of a branch a name with or without a version."""
    if depth == 0 or rng.random() < 0.3:
        name = rng.choice(NAMES + VIRTUAL)
        return name if rng.random() < 0.7 else f"{name} {rng.choice(('<', '<=', '=', '>=', '>'))} {rng.choice(RPM_BOUNDS)}"
    if inside in ("with", "without"):
        operator = rng.choice(("with", "or"))
    else:  # rpm allows no if within or, and no unless within and: they would not mean what they seem to
        operator = rng.choice(["and", "or", "with", "without"] + ["if"] * (inside != "or") + ["unless"] * (inside != "and"))
    parts = [rich(rng, depth - 1, operator) for _unused in range(3 if operator in ("and", "or", "with") and rng.random() < 0.2 else 2)]
    text = f" {operator} ".join(parts)
    if operator in ("if", "unless") and rng.random() < 0.3:
        text += f" else {rich(rng, depth - 1, operator)}"
    return f"({text})"


def rpm_world(rng: random.Random) -> t.List[Spec]:
    """Packages of a primary.xml with every kind of relation."""
    def ranged(name: str, flags: t.Sequence[str], versions: t.Sequence[str]) -> str:
        epoch, _colon, rest = rng.choice(versions).rpartition(":")
        version, _hyphen, release = rest.partition("-")
        ending = f' rel="{release}"/>' if release else "/>"
        return f'<rpm:entry name={quoteattr(name)} flags="{rng.choice(flags)}" epoch="{epoch or 0}" ver="{version}"{ending}'

    def entry(names: t.Sequence[str]) -> str:
        name = rng.choice(names)
        return f"<rpm:entry name={quoteattr(name)}/>" if rng.random() < 0.6 else ranged(name, ("LT", "LE", "EQ", "GE", "GT"), RPM_BOUNDS)

    def required() -> str:
        chance = rng.random()
        return f"<rpm:entry name={quoteattr(rng.choice(FILES) if chance < 0.15 else rich(rng, 2))}/>" if chance < 0.45 else entry(NAMES + VIRTUAL)

    def forbidden() -> str:
        return entry(NAMES + VIRTUAL) if rng.random() < 0.8 else f"<rpm:entry name={quoteattr(rich(rng, 1))}/>"

    worst = rng.choice(((0,), (0, 0, 0, 1), (0, 1, 2)))
    found = []
    for name, version in builds(rng, RPM_VERSIONS):
        lists = {
            "provides": [ranged(name, ("EQ",), (version,)), *some(rng, lambda: entry(VIRTUAL + NAMES), (0, 0, 1))],
            "requires": some(rng, required, (0, 1, 1, 2)), "conflicts": some(rng, forbidden, worst),
            "obsoletes": some(rng, lambda: entry(NAMES), worst),
        }
        epoch, _colon, rest = version.rpartition(":")
        upstream, _hyphen, release = rest.partition("-")
        text = "".join(f"<rpm:{kind}>{''.join(entries)}</rpm:{kind}>" for kind, entries in lists.items())
        files = "".join(f"<file>{path}</file>" for path in FILES if rng.random() < 0.15)
        found.append({"name": name, "version": version, "text": (
            f'<package type="rpm"><name>{name}</name><arch>{rng.choice(("noarch", "x86_64"))}</arch><version epoch="{epoch or 0}" ver="{upstream}" '
            f'rel="{release}"/><checksum type="sha256" pkgid="YES">{len(found):064x}</checksum><format>{text}{files}</format></package>\n'
        )})
    return found


def whole_text(form: str, specs: t.Sequence[Spec]) -> str:
    """The index of some packages."""
    text = "".join(spec["text"] for spec in specs)
    return text if form == "deb" else (
        f'<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="{len(specs)}">{text}</metadata>'
    )


def closed(form: str, rng: random.Random) -> t.Tuple[Spec, t.Any, t.List[t.Any]]:
    """A case for the judge, our closure of it, and what was selected."""
    specs = deb_world(rng) if form == "deb" else rpm_world(rng)
    world = deb_packages.DebWorld("amd64") if form == "deb" else rpm_packages.RpmWorld()
    cut = rng.randrange(len(specs) + 1)
    for order, part in enumerate((specs[:cut], specs[cut:])):
        repository = relation.Repository(f"r{order}", order, elsewhere=order == 1 and rng.random() < 0.3)
        slices = [whole_text(form, part).encode()]
        world.add(repository, "main", slices, "Packages") if form == "deb" else world.add(repository, slices, "primary.xml")
    selected = rng.sample(world.packages, min(rng.choice((1, 1, 2, 4)), len(world.packages)))
    result = closure.close(world, selected)
    held = {(one.name, one.version) for one in (*result.packages, *result.elsewhere)}
    case = {
        "form": form, "roots": [[one.name, one.version] for one in selected], "whole": whole_text(form, specs),
        "taken": whole_text(form, [spec for spec in specs if (spec["name"], spec["version"]) in held]),
    }
    return case, result, selected


def check(case: Spec, result: t.Any, selected: t.List[t.Any], verdict: t.List[t.List[bool]]) -> str:
    """Raise Disagreement, or return what kind of case this was."""
    def fail(why: str) -> t.NoReturn:
        found = [str(one) for one in (*result.packages, "elsewhere:", *result.elsewhere, "unresolved:", *result.unresolved, "unproven:", *result.unproven)]
        raise Disagreement(f"{why}\nselected: {case['roots']}\ntaken: {found}\n{case['whole']}")

    for package, (whole, taken) in zip(selected, verdict):
        if whole and not taken:
            fail(f"{package} can be installed from all repositories, not from what was taken")
        if not result.unresolved and package not in result.unproven and not taken:
            fail(f"{package} is closed, and cannot be installed")
        if whole and any(one.chain[0] is package for one in result.unresolved) and len(selected) == 1:
            fail(f"{package} can be installed, and something is unresolved")
    if all(whole for whole, _taken in verdict) and result.unresolved:
        fail("everything can be installed, and something is unresolved")
    return "unresolved" if result.unresolved else "unproven" if result.unproven else "closed"


def judged(form: str, count: int, rng: random.Random) -> None:
    """Judge count worlds; raise Disagreement at the first difference."""
    started = time.monotonic()
    kinds: t.Counter[str] = collections.Counter()
    for start in range(0, count, BATCH):
        cases = [closed(form, rng) for _unused in range(min(BATCH, count - start))]
        run = subprocess.run(
            [SYSTEM_PYTHON, "-c", JUDGE], input="".join(f"{json.dumps(case)}\n" for case, _result, _selected in cases),
            stdout=subprocess.PIPE, encoding="utf-8", check=True,
        )
        verdicts = [json.loads(line) for line in run.stdout.splitlines()]
        if len(verdicts) != len(cases):
            raise Disagreement(f"{len(cases)} worlds, {len(verdicts)} verdicts")
        for case, verdict in zip(cases, verdicts):
            kinds[check(*case, verdict)] += 1
    shown = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
    print(f"{form} closures, libsolv: {count} worlds agree ({shown}) in {time.monotonic() - started:.0f} s", flush=True)


def ranges() -> None:
    """Compare with rpm whether what is provided fits what is demanded; raise Disagreement at the first difference."""
    cases = list(itertools.product(relation.RANGES, RPM_BOUNDS, relation.RANGES, RPM_BOUNDS))
    run = subprocess.run([SYSTEM_PYTHON, "-c", RANGES], input=json.dumps(cases), stdout=subprocess.PIPE, encoding="utf-8", check=True)
    world = rpm_packages.RpmWorld()
    for (offered, version, asked, bound), theirs in zip(cases, json.loads(run.stdout)):
        if world._fits_version(relation.Term("n", asked, bound), offered, version) != theirs:
            raise Disagreement(f"provided {offered} {version}, demanded {asked} {bound}: rpm says {theirs}")
    print(f"rpm ranges, rpm: {len(cases)} pairs agree", flush=True)


def main() -> int:
    """Judge both formats; return the exit status."""
    parser = argparse.ArgumentParser(description="compare dependency closures with libsolv")
    parser.add_argument("--worlds", type=int, default=3000, help="generated repositories of each format")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="repeat a run")
    options = parser.parse_args()
    if subprocess.run([SYSTEM_PYTHON, "-c", "import rpm, solv"], stderr=subprocess.DEVNULL, check=False).returncode:
        print("not installed: python3-rpm or python3-solv\n0 passed, 1 failed, 0 skipped")
        return 2
    print(f"seed {options.seed}", flush=True)
    checks: t.List[t.Callable[[], None]] = [
        ranges, *(functools.partial(judged, form, options.worlds, random.Random(f"{options.seed} {form}")) for form in ("deb", "rpm")),
    ]
    for passed, check_one in enumerate(checks):
        try:
            check_one()
        except Disagreement as error:
            print(f"DISAGREEMENT: {error}")
            print(f"{passed} passed, 1 failed, 0 skipped")
            return 1
    print("3 passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
