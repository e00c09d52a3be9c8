#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a hold on real hosts of both families; runs inside a lab session.

The base distribution ships a broken library. Hosts that took it come back, the others stay, all other updates keep flowing,
with plain apt-get and dnf; the base ships a fix, the review passes, and hosts are on the base again by their own upgrades.
apt1 and dnf1 never take the broken update, apt2 and dnf2 do.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import traceback
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(TOP))
packages = importlib.import_module("lab.packages")

ROOTS = {name: Path(os.environ["LAB_STATE"]) / "hosts" / name / "root" for name in ("apt1", "apt2", "dnf1", "dnf2", "repo")}
HOSTS = ("apt1", "apt2", "dnf1", "dnf2")
SRV = ROOTS["repo"] / "srv"
DESK, KEYS, SERVED = SRV / "desk", SRV / "keys", SRV / "repository"
MIRROR, BASES, UPSTREAM, BUILT = SERVED / "mirror", SERVED / "bases", SRV / "upstream", SRV / "built"
URL = "http://repo.demo.example"
PLATFORMS = {"debian12": "deb", "el9": "rpm"}
DAY = datetime.date(2026, 11, 19)
Answer = t.Dict[str, t.Any]


def run(command: t.Sequence[str], good: t.Collection[int] = (0,), **environment: str) -> str:
    """Run a program of this machine; return its standard output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300,
                          env={**os.environ, **environment})
    assert done.returncode in good, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def on(host: str, script: str, good: t.Collection[int] = (0,)) -> str:
    """Run a shell script on a host; return its standard output."""
    return run(["chroot", str(ROOTS[host]), "env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-euc", script], good)


def module(name: str, good: bool = True, flags: t.Sequence[str] = (), **arguments: t.Any) -> Answer:
    """Call a module on this machine, in an environment that has no libsolv; return what it returns."""
    text = run(["ansible", "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", *flags,
                "-m", f"egi.cmd.{name}", "-a", json.dumps(arguments)], good=(0,) if good else (2,), ANSIBLE_NOCOLOR="1")
    assert "Traceback" not in text, text
    answer: Answer = json.loads(text[text.index("=> {") + 3:])
    return answer


def desk(name: str, good: bool = True, flags: t.Sequence[str] = (), **arguments: t.Any) -> Answer:
    """Call egi.cmd.holdback or its info module for the desk."""
    common: Answer = {"path": str(DESK), "release": manifest(), "mirror_root": str(MIRROR), "day": str(DAY)}
    if name == "holdback":
        common.update(key_home=str(KEYS), signing_keys=[key("CMD-OS")[0]], by="A. Packager",
                      base=[{"platform": platform, "root": str(BASES), "set": f"os-{platform}"} for platform in PLATFORMS])
    return module(name, good, flags, **{**common, **arguments})


def key(owner: str) -> t.Tuple[str, str]:
    """The fingerprint and the armoured public part of somebody's key, which is made on first use."""
    gpg = ["gpg", "--homedir", str(KEYS), "--batch", "--quiet"]
    KEYS.mkdir(mode=0o700, exist_ok=True)
    user = f"{owner} <release@{owner.lower()}.example.org>"
    if user not in run([*gpg, "--list-keys"]):
        run([*gpg, "--passphrase", "", "--quick-generate-key", user, "rsa3072", "sign", "never"])
    listed = run([*gpg, "--with-colons", "--list-keys", f"={user}"])
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")), run([*gpg, "--armor", "--export", f"={user}"])


def manifest() -> Answer:
    """The release."""
    fingerprint, armoured = key("CMD-OS")
    return {
        "schema": 1, "name": "cmd-os-1", "distribution": "CMD-OS", "version": "1", "kinds": ["base", "updates", "holdback"],
        "platforms": {"debian12": {"os": ["Debian"], "version": "12", "format": "deb"}, "el9": {"os": ["AlmaLinux"], "version": "9", "format": "rpm"}},
        "deb": {"uri": URL + "/mirror/{release}/deb", "suite": "{release}{suffix}", "components": ["main"], "origin": "EGI", "label": "CMD-OS"},
        "rpm": {"baseurl": URL + "/mirror/{release}/{platform}-{kind}-$basearch", "signed_metadata": True},
        "keys": [{"fingerprint": fingerprint, "content": armoured}], "dates": {"ga": "2026-01-15"},
    }


def package(form: str, name: str, version: str, *needs: t.Tuple[str, str]) -> t.Any:
    """A package of the base. needs: names, each with its lowest version or nothing."""
    word = "{0} (>= {1})" if form == "deb" else "{0} >= {1}"
    depends = tuple(word.format(other, least) if least else other for other, least in needs)
    return packages.Package(form, name, version, "1", ((f"/usr/share/{name}/version", packages.File(f"{version}\n")),), depends)


def ship(**versions: t.Tuple[str, ...]) -> None:
    """Let the base distribution offer exactly these, and mirror it. versions: name with _ for - -> version, and needs as name>=version."""
    for platform, form in PLATFORMS.items():
        wanted = [package(form, name.replace("_", "-"), told[0], *[(need.partition(">=")[0], need.partition(">=")[2]) for need in told[1:]])
                  for name, told in versions.items()]
        if form == "rpm":
            provided = ("system-release = 9", "system-release(releasever) = 9")
            wanted.append(packages.Package("rpm", "example-release", "9", "1", (("/etc/example-release", packages.File("9\n")),), provides=provided))
        publish(platform, form, wanted)


def publish(platform: str, form: str, wanted: t.Sequence[t.Any]) -> None:
    """Build, sign and publish what a base offers, and bring it into its mirror."""
    built, incoming = BUILT / f"{platform}-built", BUILT / platform
    built.mkdir(parents=True, exist_ok=True)
    new = {one: place for one, place in packages.build(wanted, ROOTS["repo"], TOP / ".cache/lab/packages").items() if not (built / one.file_name).exists()}
    for one, place in new.items():
        shutil.copyfile(place, built / one.file_name)
    if form == "rpm" and new:
        names = " ".join(f"/srv/built/{built.name}/{one.file_name}" for one in new)
        on("repo", f"export GNUPGHOME=/srv/keys; rpmsign --define '__gpg /usr/bin/gpg' --define '_gpg_name {key('Base')[0]}' --addsign {names} >&2")
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir()
    for one in wanted:
        shutil.copyfile(built / one.file_name, incoming / one.file_name)
    content = {"suites": [{"name": "os", "components": {"main": [str(incoming)]}}]} if form == "deb" \
        else {"repositories": [{"path": "os", "packages": [str(incoming)]}]}
    module("repository", path=str(UPSTREAM / platform), format=form, origin="Example OS", architectures=["amd64" if form == "deb" else "x86_64"],
           key_home=str(KEYS), signing_keys=[key("Base")[0]], key_name="base", contents=False, **content)
    module("mirror", config=str(mirror_configuration()), sets=[f"os-{platform}"])


def mirror_configuration() -> Path:
    """How the bases are mirrored."""
    keyring = SRV / "base.gpg"
    if not keyring.exists():
        run(["gpg", "--homedir", str(KEYS), "--batch", "--output", str(keyring), "--export", key("Base")[0]])
    sources = {
        "debian12": {"format": "deb", "urls": [f"file://{UPSTREAM}/debian12"], "suites": ["os"]},
        "el9": {"format": "rpm", "urls": [f"file://{UPSTREAM}/el9/os"]},
    }
    sets = {f"os-{platform}": {"sources": [{"name": "os", "keyring": str(keyring), **source}]} for platform, source in sources.items()}
    path = SRV / "mirror.json"
    path.write_text(json.dumps({"root": str(BASES), "margin": 0, "sets": sets}))
    return path


def configure(holds: t.Sequence[Answer] = ()) -> None:
    """Point the hosts at the release and the base, with the role a site uses."""
    fingerprint, armoured = key("Base")
    base = {"name": "os", "band": "distribution", "description": "Example OS", "keys": [{"fingerprint": fingerprint, "content": armoured}]}
    extra = {"apt": {**base, "uris": [f"{URL}/bases/os-debian12/os"], "suite": "os", "components": ["main"], "origin": "Example OS"},
             "dnf": {**base, "baseurl": [f"{URL}/bases/os-el9/os"], "signed_metadata": True}}
    plays = [{"hosts": f"{family}1:{family}2", "gather_facts": False, "tasks": [{"ansible.builtin.import_role": {"name": "egi.cmd.cmd_repo"}}],
              "vars": {"cmd_repo_release": manifest(), "cmd_repo_extra": [extra[family]], "cmd_repo_holds": list(holds)}} for family in ("apt", "dnf")]
    path = SRV / "configure.yml"
    path.write_text(json.dumps(plays))
    run(["ansible-playbook", "-i", os.environ["LAB_INVENTORY"], str(path)])


def family(host: str) -> str:
    """The package manager of a host."""
    return host[:3]


def install(host: str, *names: str) -> None:
    """Install packages by hand."""
    tool = "apt-get -q update && apt-get -qy" if family(host) == "apt" else "dnf -qy --refresh --releasever=9"
    on(host, f"{tool} install {' '.join(names)}")


def upgrade(*hosts: str) -> None:
    """What hosts do by themselves, and nothing of ours."""
    for host in hosts:
        on(host, "apt-get -q update && apt-get -q -y upgrade" if family(host) == "apt" else "dnf -q -y --refresh upgrade")


def has(host: str) -> t.Dict[str, str]:
    """Package -> version, without the release that is always 1."""
    query = "dpkg-query -W -f '${Package} ${Version}\\n' 'cloud-*' 'lib*cloud*' 'site-*'" if family(host) == "apt" \
        else "rpm -q -a --qf '%{NAME} %{VERSION}-%{RELEASE}\\n' 'cloud-*' 'libcloud*' 'site-*'"
    lines = [line.split() for line in on(host, query).splitlines()]
    return {line[0]: line[1].rpartition("-")[0] for line in lines if len(line) == 2}


def each_has(hosts: t.Sequence[str], **versions: str) -> None:
    """Make sure of the versions on hosts."""
    for host in hosts:
        found = has(host)
        wanted = {name.replace("_", "-"): version for name, version in versions.items()}
        assert {name: found.get(name) for name in wanted} == wanted, (host, found)


def synchronise(host: str, *names: str) -> t.List[Answer]:
    """Bring packages of a host to what it is offered; return what was changed."""
    text = run(["ansible", host, "-i", os.environ["LAB_INVENTORY"], "-m", "egi.cmd.package_sync",
                "-a", json.dumps({"set": "cmd-os-1", "packages": list(names), "record": "holds"})], ANSIBLE_NOCOLOR="1")
    plan: t.List[Answer] = json.loads(text[text.index("=> {") + 3:])["plan"]
    return plan


def declaration(**changes: t.Any) -> Answer:
    """The hold of the story."""
    bad = {"deb": ">= 1.1-1, << 1.2-1", "rpm": ">= 1.1-1, << 1.2-1"}
    return {"name": "libcloud-1.1", "packages": ["libcloud"], "platforms": list(PLATFORMS), "bad": bad, "reason": "loses connections",
            "link": "https://bugs.example.org/1", "expires": "2026-12-20", "test": [str(SRV / "test-cloud")], **changes}


def product_test(works: bool) -> None:
    """The product's own test, which writes down what it was asked about."""
    path = SRV / "test-cloud"
    path.write_text(f"#!/bin/sh\necho \"$CMD_PLATFORM $CMD_PACKAGES\" | tee -a {SRV}/tested\nexit {0 if works else 1}\n")
    path.chmod(0o755)


def tree() -> t.Dict[str, str]:
    """Every file of the desk and every link of the mirror's readers, by digest and target."""
    files = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in DESK.rglob("*") if path.is_file() and path.name != ".lock"}
    return {**files, **{str(path): os.readlink(path) for path in MIRROR.iterdir() if path.is_symlink()}}


def files(top: Path) -> t.Dict[str, bytes]:
    """Name -> content of every package below a directory, as a web server finds them."""
    return {name: Path(directory, name).read_bytes() for directory, _directories, names in os.walk(top, followlinks=True)
            for name in names if name.endswith((".deb", ".rpm"))}


def held_back() -> t.Set[str]:
    """Files in the holdback repositories that readers see."""
    top = MIRROR / "cmd-os-1"
    index = gzip.decompress((top / "deb/dists/cmd-os-1-holdback/main/binary-amd64/Packages.gz").read_bytes()).decode()
    return {*re.findall(r"Filename: .*/(\S+)", index), *files(top / "el9-holdback-x86_64")}


def the_release_before() -> None:
    """Hosts of the release, on the base's good library."""
    ship(libcloud=("1.0",), cloud_client=("3.0", "libcloud"), site_tools=("1.0",))
    assert desk("holdback", state="reviewed")["changed"] and held_back() == set()
    configure()
    for host in HOSTS:
        install(host, *(["example-release"] if family(host) == "dnf" else []), "cloud-client", "site-tools")
    each_has(HOSTS, libcloud="1.0", cloud_client="3.0", site_tools="1.0")


def the_broken_update() -> None:
    """The base ships it; one host of each family takes it before anybody knows."""
    ship(libcloud=("1.1",), cloud_client=("3.0", "libcloud"), site_tools=("1.1",))
    upgrade("apt2", "dnf2")
    each_has(("apt2", "dnf2"), libcloud="1.1", site_tools="1.1")


def what_is_refused() -> None:
    """Holds that must not be, and leave everything as it was, to the byte."""
    before = tree()
    for change, rule in (
        ({"reason": ""}, "no-reason"), ({"link": None}, "no-link"), ({"expires": None}, "no-expiry"), ({"expires": "2026-11-01"}, "expiry"),
        ({"bad": {"deb": ">= 7", "rpm": ">= 7"}}, "matches-nothing"), ({"packages": ["no-such-package"]}, "unknown-package"),
        ({"bad": {"deb": "<= 1.1-1", "rpm": "<= 1.1-1"}}, "no-proven"), ({"bad": {"deb": "= 1.0-1", "rpm": "= 1.0-1"}}, "not-needed"),
        ({"platforms": ["el10"]}, "no-platform"), ({"bad": {"deb": "1.1"}}, "no-range"),
    ):
        message = desk("holdback", good=False, state="opened", holds=[declaration(**change)])["msg"]
        assert f"[hold.{rule}]" in message, message
    assert "[hold.no-base]" in desk("holdback", good=False, state="opened", holds=[declaration()], base=[])["msg"]
    assert "[hold.closed]" in desk("holdback", good=False, state="opened", holds=[declaration()], day="2026-01-01")["msg"]
    assert "[hold.unknown]" in desk("holdback", good=False, state="lifted", names=["other"])["msg"]
    assert "[hold.unknown]" in desk("holdback", good=False, state="reviewed", verdicts=[{"name": "other", "verdict": "pass"}])["msg"]
    stranger = BUILT / "debian12/site-tools_1.1-1_all.deb"
    handed = {"path": str(stranger), "sha256": hashlib.sha256(stranger.read_bytes()).hexdigest(), "platform": "debian12"}
    message = desk("holdback", good=False, state="opened", holds=[declaration(files=[handed])])["msg"]
    assert "[hold.file]" in message, message
    assert tree() == before


def the_hold_is_opened() -> None:
    """Proved and published; once."""
    product_test(False)
    for flags, changed in ((["-C", "-D"], True), ([], True), (["-C"], False), ([], False)):
        before = tree()
        answer = desk("holdback", flags=flags, state="opened", holds=[declaration()])
        assert answer["changed"] is changed and (changed and "-C" not in flags or tree() == before), answer
        assert answer["repository_holds"] == [] and [row["state"] for row in answer["holds"]] == ["active"]
    assert held_back() == {"libcloud_1.0-1_all.deb", "libcloud-1.0-1.noarch.rpm"}
    originals = files(BASES / "snapshots")
    assert {name: originals[name] for name in held_back()} == files(MIRROR / "cmd-os-1")
    assert "[hold.overlap]" in desk("holdback", good=False, state="opened", holds=[declaration(name="again")])["msg"]
    for change in ({"platforms": ["el9"]}, {"bad": {"deb": ">= 1.0-1", "rpm": ">= 1.0-1"}}):
        assert "[hold.differs]" in desk("holdback", good=False, state="opened", holds=[declaration(**change)])["msg"]


def hosts_are_held() -> None:
    """Who did not have it never gets it, who had it goes back, and all else keeps flowing."""
    upgrade("apt1", "dnf1")
    each_has(("apt1", "dnf1"), libcloud="1.0", site_tools="1.1")
    for host in ("apt2", "dnf2"):
        steps = [(step["package"], step["action"], step["to"]) for step in synchronise(host, "libcloud")]
        assert steps == [("libcloud", "downgrade", "1.0-1")], steps
    ship(libcloud=("1.1",), cloud_client=("3.1", "libcloud"), site_tools=("1.2",))
    upgrade(*HOSTS)
    each_has(HOSTS, libcloud="1.0", cloud_client="3.1", site_tools="1.2")


def a_hold_that_leaks() -> None:
    """A new package of the base brings the bad library in on dnf: the review tells hosts to hide exactly that build."""
    ship(libcloud=("1.1",), cloud_client=("3.1", "libcloud"), site_tools=("1.2",), cloud_extra=("1.0", "libcloud>=1.1"))
    answer = desk("holdback", state="reviewed")
    assert answer["repository_holds"] == [{"platform": "el9", "excludes": ["libcloud-1.1-1.noarch"]}], answer
    assert [review["lifts"] for review in answer["reviews"]] == [False] and "which is bad" in answer["reviews"][0]["why"]
    assert desk("holdback_info")["repository_holds"] == answer["repository_holds"]
    on("dnf1", "dnf --refresh --assumeno install cloud-extra | grep -q 'libcloud .*1\\.1-1'")
    configure(answer["repository_holds"])
    on("dnf1", "! dnf -q -y --refresh install cloud-extra")
    on("apt1", "apt-get -q update; ! apt-get -q -y install cloud-extra")
    upgrade(*HOSTS)
    each_has(HOSTS, libcloud="1.0", cloud_client="3.1", site_tools="1.2")


def a_hold_that_would_block() -> None:
    """An update of another package that needs the bad version: the review raises the alarm, and names it."""
    ship(libcloud=("1.1",), cloud_client=("3.2", "libcloud>=1.1"), site_tools=("1.2",))
    answer = desk("holdback", state="reviewed", flags=["-C"])
    (alarm,) = [review for review in answer["reviews"] if review["alarm"]]
    assert "[hold.blocks]" in alarm["why"] and "cloud-client 3.2-1" in alarm["why"], alarm
    assert "[hold.blocks]" in desk("holdback", good=False, state="reviewed", fail_on_expired=True, flags=["-C"])["msg"]


def an_expired_hold_shouts() -> None:
    """It goes on to hold, and the play fails that asks."""
    ship(libcloud=("1.1",), cloud_client=("3.1", "libcloud"), site_tools=("1.2",))
    late = desk("holdback", good=False, state="reviewed", fail_on_expired=True, day="2026-12-22")
    assert "libcloud-1.1 EXPIRED 2 days ago" in late["msg"] and late["expired"] == ["libcloud-1.1"], late
    told = desk("holdback_info", day="2026-12-22")
    assert told["table"].startswith("libcloud-1.1: EXPIRED 2 days ago") and told["expired"] == ["libcloud-1.1"]
    longer = desk("holdback", state="opened", holds=[declaration(expires="2027-01-20")], day="2026-12-22")
    assert longer["changed"] and longer["expired"] == [] and longer["holds"][0]["days_left"] == 29 and held_back()


def the_fix() -> None:
    """The base ships it; the product's test decides; hosts are on the base again by plain upgrades."""
    ship(libcloud=("1.2",), cloud_client=("3.1", "libcloud"), site_tools=("1.3",))
    assert not desk("holdback", state="reviewed", flags=["-C"])["changed"] and not (SRV / "tested").exists()
    answer = desk("holdback", state="reviewed")
    assert "the test failed" in answer["reviews"][0]["why"] and held_back(), answer
    assert (SRV / "tested").read_text() == "debian12 libcloud=1.2-1\n"
    upgrade(*HOSTS)
    each_has(HOSTS, libcloud="1.0", site_tools="1.3")
    ship(libcloud=("1.3",), cloud_client=("3.1", "libcloud"), site_tools=("1.3",))
    product_test(True)
    answer = desk("holdback", state="reviewed")
    assert [row["state"] for row in answer["holds"]] == ["lifted"] and answer["repository_holds"] == [] and held_back() == set(), answer
    assert (SRV / "tested").read_text().splitlines()[1:] == ["debian12 libcloud=1.3-1", "el9 libcloud=1.3-1"]
    assert not desk("holdback", state="reviewed")["changed"]
    upgrade(*HOSTS)
    each_has(HOSTS, libcloud="1.3", cloud_client="3.1", site_tools="1.3")


STORY = (the_release_before, the_broken_update, what_is_refused, the_hold_is_opened, hosts_are_held, a_hold_that_leaks, a_hold_that_would_block,
         an_expired_hold_shouts, the_fix)


def main() -> int:
    """Tell the story; each part stands on the one before."""
    for number, part in enumerate(STORY):
        print(f"{part.__name__.replace('_', ' ')} ...", flush=True)
        try:
            part()
        except Exception:  # pylint: disable=broad-exception-caught
            traceback.print_exc()
            print(f"{number} passed, 1 failed, {len(STORY) - number - 1} skipped")
            return 1
    print(f"{len(STORY)} passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
