# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebuild the metadata of a real rpm repository for some of its packages, again and again, and let dnf say what is in it.

    python3 tests/exact/rpm_rebuild.py --rounds 40

rpmbuild makes the packages, createrepo_c and modifyrepo_c the upstream's metadata with groups, advisories and modules; dnf
(librepo, libsolv, libcomps, libmodulemd) reads what we made of it. What it has to find is worked out from the upstream as
dnf reads that, so nothing here knows how we cut. --seed repeats a run.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from checkout import load  # noqa: E402  # pylint: disable=wrong-import-position

rpm_primary, rpm_rebuild, rpm_repomd, unpack = load(
    *(f"plugins.module_utils._mirror.{name}" for name in ("rpm_primary", "rpm_rebuild", "rpm_repomd", "unpack"))
)

SYSTEM_PYTHON = "/usr/bin/python3"  # python3-dnf is built for this one only
NAMES = ("alpha", "beta", "gamma", "delta")
VERSIONS = ("1.0", "2.0")
SPEC = """Name: example
Version: {version}
Release: 1
Summary: Example
License: MIT
BuildArch: noarch
{epoch}
%description
Example & more.
{parts}
%install
mkdir -p %{{buildroot}}/opt/example
for name in {names}; do echo {version} > %{{buildroot}}/opt/example/$name; done
%changelog
* Thu Jan 01 2026 Example Team <team@example.org> - {version}
- A <change> & more
"""
# What else real streams say; some of it looks like what decides.
MORE = """  static_context: true
  servicelevels:
    rawhide:
      eol: 2030-01-01
  xmd:
    name: other
    artifacts:
      rpms: [gamma-0:1.0-1.noarch]
  references:
    community: https://example.org/#fragment
  api:
    rpms:
    - alpha
  filter:
    rpms:
    - beta
  demodularized:
    rpms:
    - old
  buildopts:
    rpms:
      macros: |
        %name value
        --- no document
  components:
    rpms:
      alpha:
        rationale: >-
          Because: it is needed.
        ref: main
        buildorder: 1
        arches: [x86_64]
  profiles:
    common:
      rpms:
      - alpha
      - delta
      - nowhere
"""
ABOUT = """---
document: modulemd-obsoletes
version: 1
data:
  modified: 2026-01-01T00:00Z
  module: tool
  stream: "1"
  message: "Go on: with 2"
  obsoleted_by:
    module: tool
    stream: "2"
...
---
document: modulemd-translations
version: 1
data:
  module: tool
  stream: "2"
  modified: 202601010000
  translations:
    de:
      summary: Beispiel
...
"""
PART = "%package -n {name}\nSummary: Example <{name}>\n%description -n {name}\nExample & more.\n%files -n {name}\n/opt/example/{name}\n"

# Says what dnf finds in repositories: a line of JSON for each, in the order of the lines it is given.
JUDGE = """
import dnf, hawkey, json, sys, tempfile
for line in sys.stdin:
    with tempfile.TemporaryDirectory() as top:
        base = dnf.Base()
        for name, value in {"installroot": top + "/root", "cachedir": top + "/cache", "logdir": top, "persistdir": top + "/persist", "reposdir": [],
                            "varsdir": [], "module_platform_id": "platform:el9", "plugins": False}.items():
            setattr(base.conf, name, value)
        base.conf.substitutions["releasever"] = "9"
        repository = base.repos.add_new_repo("judged", base.conf, baseurl=["file://" + line.strip()], skip_if_unavailable=False)
        repository.load_metadata_other = True
        base.fill_sack(load_system_repo=False, load_available_repos=True)
        base.read_comps()
        modules = base._moduleContainer
        found = base.sack.query(flags=hawkey.IGNORE_EXCLUDES).filter()
        nevra = lambda package: f"{package.name}-{package.epoch}:{package.version}-{package.release}.{package.arch}"
        advisories = {}
        for package in found.get_advisory_pkgs(hawkey.EQ):
            advisory = package.get_advisory(base.sack)
            advisories[advisory.id] = sorted(f"{one.name} {one.evr} {one.arch}" for one in advisory.packages)
        print(json.dumps({
            "packages": sorted([nevra(one), one.files, [entry["text"] for entry in one.changelogs]] for one in found),
            "available": sorted(nevra(one) for one in base.sack.query()),
            "groups": {group.id: sorted(one.name for one in group.packages_iter()) for group in base.comps.groups},
            "environments": {one.id: [sorted(group.name for group in one.group_ids), sorted(group.name for group in one.option_ids)]
                             for one in base.comps.environments},
            "categories": {one.id: sorted(group.name for group in one.group_ids) for one in base.comps.categories},
            "advisories": advisories,
            "modules": sorted([one.getName(), one.getStream(), sorted(one.getArtifacts())] for one in modules.getModulePackages()),
            "profiles": {f"{one.getName()}:{one.getStream()}": {each.getName(): sorted(each.getContent()) for each in one.getProfiles()}
                         for one in modules.getModulePackages()},
            "defaults": {name: modules.getDefaultStream(name) for name in {one.getName() for one in modules.getModulePackages()}},
        }), flush=True)
        base.close()
"""


class Disagreement(Exception):
    """What dnf finds is not what was kept."""


def run(*command: t.Union[str, pathlib.Path], **options: t.Any) -> str:
    """Run a tool and return what it says."""
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False, **options)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stdout}\n0 passed, 1 failed, 0 skipped")
    return str(done.stdout)


def nevra(name: str, version: str, architecture: str = "noarch") -> str:
    """As libmodulemd writes it; version 2.0 has an epoch."""
    return f"{name}-{int(version == '2.0')}:{version}-1.{architecture}"


def groups() -> str:
    """comps.xml, with the document type real ones have, and what is about packages that are nowhere."""
    def group(name: str, *packages: str) -> str:
        listed = "".join(f'<packagereq type="{kind}">{one}</packagereq>' for one, kind in zip(packages, ("mandatory", "default", "optional")))
        return f"<group><id>{name}</id><name>{name}</name><uservisible>true</uservisible><packagelist>{listed}</packagelist></group>\n"

    def ids(*names: str) -> str:
        return "".join(f"<groupid>{name}</groupid>" for name in names)

    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE comps PUBLIC "-//Example//DTD Comps info//EN" "comps.dtd">\n<comps>\n'
        + group("one", "alpha", "beta") + group("two", "beta", "gamma", "nowhere") + group("three", "delta") + group("none", "nowhere")
        + f"<environment><id>all</id><name>all</name><grouplist>{ids('one', 'two', 'elsewhere')}</grouplist>"
        f"<optionlist>{ids('three', 'none')}</optionlist></environment>\n"
        f"<environment><id>small</id><name>small</name><grouplist>{ids('three')}</grouplist></environment>\n"
        f"<category><id>some</id><name>some</name><grouplist>{ids('two', 'none')}</grouplist></category>\n"
        '<langpacks><match install="alpha-%s" name="alpha"/></langpacks>\n</comps>\n'
    )


def advisories() -> str:
    """updateinfo.xml: E-0 about every package, then one for each."""
    def package(name: str, version: str) -> str:
        return (f'<package name="{name}" version="{version}" release="1" epoch="{int(version == "2.0")}" arch="noarch" src="example-{version}-1.src.rpm">'
                f"<filename>{name}-{version}-1.noarch.rpm</filename></package>\n")

    def update(number: int, *packages: str) -> str:
        return (f'<update from="team@example.org" status="stable" type="security" version="1"><id>E-{number}</id><title>&lt;{number}&gt;</title>'
                f'<issued date="2026-01-01 00:00:00"/><severity>Low</severity><description>A &amp; B</description><pkglist>\n<collection short="c">'
                f"<name>c</name>\n{''.join(packages)}</collection>\n</pkglist></update>\n")

    every = [package(name, version) for version in VERSIONS for name in NAMES]
    each = "".join(update(number + 1, one) for number, one in enumerate(every))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n{update(0, *every)}{each}</updates>\n'


def modules() -> str:
    """modules.yaml: modules in several streams that require each other, with defaults before what they are about."""
    def stream(module: str, name: str, *artifacts: str, requires: str = "") -> str:
        listed = "".join(f"    - {one}\n" for one in artifacts)
        return (f'---\ndocument: modulemd\nversion: 2\ndata:\n  name: {module}\n  stream: "{name}"\n  version: 20260101\n  context: c0ffee\n  arch: x86_64\n'
                "  summary: Example\n  description: >-\n    Text with a line\n      name: that looks like a key\n  license:\n    module:\n    - MIT\n"
                "  dependencies:\n  - requires:\n      platform: [el9]\n" + requires + MORE
                + f"  artifacts:\n    rpms:\n{listed}...\n")

    return (
        '---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: tool\n  stream: "2"\n  profiles:\n    1: [common]\n    2: [common]\n...\n'
        + stream("tool", "1", nevra("alpha", "1.0"), nevra("beta", "1.0"), nevra("alpha", "1.0", "src"))
        + stream("tool", "2", nevra("alpha", "2.0"), nevra("beta", "2.0"), requires="      other: []\n")
        + stream("other", "rolling", nevra("gamma", "1.0"), requires="      base-1: [\"1.0\"]\n")
        + stream("base-1", "1.0", nevra("delta", "1.0"))
        + stream("base-1", "2.0", nevra("delta", "2.0"))
        + "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: other\n  stream: rolling\n...\n"
        + "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: base-1\n  stream: \"1.0\"\n...\n"
        + ABOUT
    )


def upstream(top: pathlib.Path) -> pathlib.Path:
    """A repository as its upstream would make it."""
    site = top / "upstream"
    (site / "Packages").mkdir(parents=True)
    for version in VERSIONS:
        parts = "".join(PART.format(name=name) for name in NAMES)
        (top / "example.spec").write_text(SPEC.format(version=version, epoch="Epoch: 1" if version == "2.0" else "", parts=parts, names=" ".join(NAMES)))
        run("rpmbuild", "-bb", "--define", f"_topdir {top}/build", top / "example.spec")
    for package in (top / "build/RPMS").rglob("*.rpm"):
        shutil.copy(package, site / "Packages")
    (top / "comps.xml").write_text(groups())
    (top / "updateinfo.xml").write_text(advisories())
    (site / "modules.yaml").write_text(modules())  # which createrepo_c has libmodulemd write anew
    run("createrepo_c", "--quiet", "--zck", "--general-compress-type", "gz", "--groupfile", top / "comps.xml", site)
    run("modifyrepo_c", "--mdtype=updateinfo", top / "updateinfo.xml", site / "repodata")
    return site


def rebuilt(site: pathlib.Path, place: pathlib.Path, kept: t.Sequence[t.Any], chunked: bool) -> None:
    """Lay out what we make of it; no package is needed to read metadata. chunked: read what there is as zchunk."""
    repomd = rpm_repomd.parse((site / "repodata/repomd.xml").read_bytes(), "repomd.xml")
    (place / "repodata").mkdir(parents=True)

    def slices(data: t.Any) -> t.Iterable[bytes]:
        return t.cast("t.Iterable[bytes]", unpack.slices(str(site / data.wanted.path), unpack.UNDECLARED, data.type))

    if chunked:
        twins = {data.type[:-4] for data in repomd.data if data.type.endswith("_zck")}
        if not {"primary", "filelists", "other"} <= twins:
            raise Disagreement(f"createrepo_c made zchunk of {sorted(twins)} only")
        repomd = repomd._replace(data=tuple(data for data in repomd.data if data.type not in twins))
    metadata = [rpm_rebuild.Metadata(data.type, data.type, lambda data=data: slices(data)) for data in repomd.readable(rpm_rebuild.KINDS)]
    result = rpm_rebuild.rebuild(metadata, kept, 1_800_000_000, str(place))
    for file in result.files:
        pathlib.Path(file.local).rename(place / file.wanted.path)
    (place / "repodata/repomd.xml").write_bytes(result.repomd)


def expected(whole: t.Dict[str, t.Any], kept: t.Collection[str]) -> t.Dict[str, t.Any]:
    """What dnf has to find, from what it finds upstream. kept: packages as libmodulemd names them."""
    names = {one.rsplit("-", 2)[0] for one in kept}

    # What the upstream does not have itself belongs to another repository, and is none of our business.
    gone = {one[0].rsplit("-", 2)[0] for one in whole["packages"]} - names
    found = {key: [one for one in listed if one not in gone] for key, listed in whole["groups"].items() if names.intersection(listed)}

    def led(part: t.Sequence[str]) -> t.List[str]:
        return [one for one in part if one in found or one not in whole["groups"]]

    environments = {key: [led(part) for part in parts] for key, parts in whole["environments"].items() if set(found) & {*parts[0], *parts[1]}}
    own = {f"{name}:{stream}": {one.rsplit("-", 2)[0] for one in artifacts} for name, stream, artifacts in whole["modules"]}
    here = {f"{name}:{stream}": {one.rsplit("-", 2)[0] for one in artifacts if one in kept} for name, stream, artifacts in whole["modules"]}
    shown = {f"{one.rsplit('-', 2)[0]} {one.rsplit('-', 2)[1].replace('0:', '', 1)}-1 noarch" for one in kept}
    streams = [[name, stream, [one for one in artifacts if one in kept]] for name, stream, artifacts in whole["modules"]]
    # A required stream is there without packages where none of its own was kept.
    required = {("tool", "2"): ("other", "rolling"), ("other", "rolling"): ("base-1", "1.0")}
    needed = {(name, stream) for name, stream, artifacts in streams if artifacts}
    for _depth in required:
        needed |= {required[one] for one in needed if one in required}
    streams = [one for one in streams if (one[0], one[1]) in needed]
    return {
        "packages": [one for one in whole["packages"] if one[0] in kept],
        "groups": found,
        "environments": environments,
        "categories": {key: led(part) for key, part in whole["categories"].items() if set(found).intersection(part)},
        "advisories": {key: [one for one in listed if one in shown] for key, listed in whole["advisories"].items() if shown.intersection(listed)},
        "profiles": {stream: {profile: [one for one in listed if one not in gone and one not in own[stream] - here[stream]]
                              for profile, listed in profiles.items()}
                     for stream, profiles in whole["profiles"].items() if tuple(stream.split(":")) in needed},
        "modules": streams,
        "defaults": {name: stream if any(one[:2] == [name, stream] for one in streams) else "" for name, stream in whole["defaults"].items()
                     if any(one[0] == name for one in streams)},
    }


def judged(top: pathlib.Path, rounds: int, rng: random.Random) -> None:
    """Rebuild and compare; raise Disagreement at the first difference."""
    site = upstream(top)
    repomd = rpm_repomd.parse((site / "repodata/repomd.xml").read_bytes(), "repomd.xml")
    primary = str(site / repomd.one("primary").wanted.path)
    entries = list(rpm_primary.packages(unpack.slices(primary, unpack.UNDECLARED, "primary"), "primary"))
    chosen = [entries, *([entry for entry in entries if rng.random() < share] for share in [rng.random() for _round in range(rounds - 1)])]
    places = [top / str(number) for number in range(len(chosen))]
    for number, (place, kept) in enumerate(zip(places, chosen)):
        rebuilt(site, place, kept, chunked=number % 4 == 3)
    answers = [json.loads(line) for line in run(SYSTEM_PYTHON, "-c", JUDGE, input="".join(f"{place}\n" for place in (site, *places))).splitlines()]
    whole = answers[0]
    complete = [files and changes for _name, files, changes in whole["packages"]]
    if len(complete) != len(entries) or not all(complete) or not all(whole[key] for key in ("groups", "environments", "advisories", "modules", "defaults")):
        raise Disagreement(f"dnf does not even read the upstream: {whole}")
    for kept, answer in zip(chosen, answers[1:], strict=True):
        names = {f"{entry.package}-{entry.version if ':' in entry.version else '0:' + entry.version}.{entry.architecture}" for entry in kept}
        wanted = expected(whole, names)
        for key, value in wanted.items():
            if answer[key] != value:
                raise Disagreement(f"kept {sorted(names)}: dnf finds the {key} {answer[key]}, not {value}")
        hidden = names & set(whole["available"]) - set(answer["available"])
        if hidden:
            raise Disagreement(f"kept {sorted(names)}: dnf does not offer {sorted(hidden)}, which it does upstream")


def main() -> int:
    """Judge; return the exit status."""
    parser = argparse.ArgumentParser(description="compare rebuilt rpm metadata with what dnf reads")
    parser.add_argument("--rounds", type=int, default=40, help="how many choices of packages")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="repeat a run")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as top:
        try:
            judged(pathlib.Path(top), options.rounds, random.Random(options.seed))
        except Disagreement as error:
            print(f"DISAGREEMENT: {error}\n0 passed, 1 failed, 0 skipped")
            return 1
    print(f"rebuilt rpm metadata, dnf: {options.rounds} choices agree in {time.monotonic() - started:.0f} s\n1 passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
