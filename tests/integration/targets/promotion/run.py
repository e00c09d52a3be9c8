#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A desk on a real repository host, its batches of real packages read by real apt and dnf; runs inside a lab session.

Uses egi.cmd.promotion and egi.cmd.promotion_info. ``run.py change BATCH STATE KIND`` is what the case of the kills kills.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import os
import random
import re
import subprocess
import sys
import time
import traceback
import typing as t
from pathlib import Path

TOP = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(TOP))

ROOTS = {name: Path(os.environ["LAB_STATE"]) / "hosts" / name / "root" for name in ("apt1", "dnf1", "repo")}
SERVED = ROOTS["repo"] / "srv/repository"
DESK, MIRROR, KEYS, BASE = ROOTS["repo"] / "srv/desk", SERVED / "mirror", ROOTS["repo"] / "srv/keys", SERVED / "os"
URL = "http://repo.demo.example"
KILLS = 24
MANIFEST = {
    "schema": 1, "name": "cmd-os-1", "distribution": "CMD-OS", "version": "1", "kinds": ["base", "updates", "security", "proposed", "untested"],
    "platforms": {"debian12": {"os": ["Debian"], "version": "12", "format": "deb"}, "el9": {"os": ["AlmaLinux"], "version": "9", "format": "rpm"}},
    "deb": {"uri": URL, "suite": "{release}{suffix}", "components": ["main"], "origin": "EGI", "label": "CMD-OS"},
    "rpm": {"baseurl": URL + "/{platform}/{kind}/$basearch", "signed_metadata": True},
    "dates": {"ga": "2026-01-15"}, "no_release": [{"days": ["friday"], "reason": "nobody is there on Saturday"}],
}
DAY = "2026-11-19"  # a Thursday
Answer = t.Dict[str, t.Any]


def run(command: t.Sequence[str], good: t.Collection[int] = (0,), **environment: str) -> str:
    """Run a program of this machine; return its standard output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=300,
                          env={**os.environ, **environment})
    assert done.returncode in good, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def on(host: str, script: str) -> str:
    """Run a shell script on a host; return its standard output."""
    return run(["chroot", str(ROOTS[host]), "env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-euc", script])


def module(name: str, good: bool = True, flags: t.Sequence[str] = (), **arguments: t.Any) -> Answer:
    """Call a module as Ansible does, in the environment that has no libsolv; return what it returns."""
    common = {"path": str(DESK), "release": MANIFEST, "mirror_root": str(MIRROR), "day": DAY, "base": base(),
              "gates": {"version_scheme": "none", "adopters": 1}}
    signing = {"key_home": str(KEYS), "signing_keys": [fingerprint()], "by": "A. Packager"} if name == "promotion" else {}
    text = run(["ansible", "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", *flags,
                "-m", f"egi.cmd.{name}", "-a", json.dumps({**common, **signing, **arguments})], good=(0,) if good else (2,), ANSIBLE_NOCOLOR="1")
    assert "Traceback" not in text, text
    answer: Answer = json.loads(text[text.index("=> {") + 3:])
    return answer


def promotion(batch: str, state: str, good: bool = True, **arguments: t.Any) -> Answer:
    """Call egi.cmd.promotion."""
    return module("promotion", good, batch=batch, state=state, **arguments)


def refused(pattern: str, batch: str, state: str, **arguments: t.Any) -> None:
    """What has to be refused with these words, and leave the desk and what readers see as they were, to the byte."""
    before = tree(DESK), readers()
    message = promotion(batch, state, good=False, **arguments)["msg"]
    assert re.search(pattern, message), f"{pattern!r} is not in: {message}"
    assert (tree(DESK), readers()) == before, f"{pattern}: something was changed"


def fingerprint() -> str:
    """The fingerprint of the desk's key, which is made on first use."""
    options = ["gpg", "--homedir", str(KEYS), "--batch", "--quiet"]
    if not KEYS.exists():
        KEYS.mkdir(mode=0o700)
        run([*options, "--passphrase", "", "--quick-generate-key", "CMD-OS <release@cmd.demo.example>", "rsa3072", "sign", "never"])
    return next(line.split(":")[9] for line in run([*options, "--with-colons", "--list-keys"]).splitlines() if line.startswith("fpr:"))


def base() -> t.List[Answer]:
    """The base distribution's repositories, as the modules take them."""
    return [{"platform": platform, "paths": [str(BASE / platform)]} for platform in ("debian12", "el9")]


def built(*wanted: t.Tuple[str, str, str, t.Sequence[str]]) -> t.Dict[t.Tuple[str, str], Path]:
    """Packages by format and name_version, built by the real tools. wanted: name, version, release for both, dependencies."""
    packages = importlib.import_module("lab.packages")
    specs = {}
    for name, version, release, depends in wanted:
        files = ((f"/usr/share/{name}/version", packages.File(f"{version}\n")),)
        for form in ("deb", "rpm"):
            specs[form, f"{name}_{version}"] = packages.Package(form, name, version, release, files, tuple(depends))
    places = packages.build(list(specs.values()), ROOTS["repo"], TOP / ".cache/lab/packages")
    return {key: places[spec] for key, spec in specs.items()}


def files(names: t.Iterable[str], **changes: t.Any) -> t.List[Answer]:
    """Packages of the overlay as a batch declares them, for both platforms."""
    return [{"path": str(PACKAGES[form, name]), "sha256": hashlib.sha256(PACKAGES[form, name].read_bytes()).hexdigest(), "platform": platform, **changes}
            for name in names for form, platform in (("deb", "debian12"), ("rpm", "el9"))]


def tree(top: Path) -> t.Dict[str, str]:
    """Path -> digest of every file below a directory, without the lock."""
    found = [path for path in top.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def readers() -> t.Dict[str, t.Set[str]]:
    """Kind -> package_version, as a reader finds it; both platforms have to say the same, or a switch was no single one."""
    found: t.Dict[str, t.Set[str]] = {}
    for kind, suffix in (("base", ""), ("updates", "-updates"), ("proposed", "-proposed"), ("untested", "-untested")):
        top = MIRROR.joinpath("cmd-os-1").resolve()
        index = top / f"deb/dists/cmd-os-1{suffix}/main/binary-amd64/Packages.gz"
        if not index.exists():
            return {}
        text = gzip.decompress(index.read_bytes()).decode()
        debs = {f"{name}_{version.partition('-')[0]}" for name, version in re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)$", text, re.MULTILINE)}
        (primary,) = re.findall(r'href="(repodata/[^"]*primary\.xml\.gz)"', (top / f"el9-{kind}-x86_64/repodata/repomd.xml").read_text())
        xml = gzip.decompress((top / f"el9-{kind}-x86_64" / primary).read_bytes()).decode()
        rpms = {f"{name}_{version}" for name, version in re.findall(r'<name>([^<]+)</name>.*?<version [^>]*ver="([^"]+)"', xml, re.DOTALL)}
        alone = {name for name in debs if name.startswith(("alpha", "beta"))}  # built for one platform only
        assert debs - alone == rpms, (kind, debs, rpms)
        found[kind] = debs
    return found


def offered(package: str) -> t.Tuple[str, str]:
    """The version that real apt and real dnf would install of a package, - for none."""
    policy = on("apt1", f"apt-get -q -o APT::Update::Error-Mode=any update >&2; apt-cache policy {package}")
    candidate = re.search(r"Candidate: ([^\s-]+)", policy)
    listed = on("dnf1", f"dnf -q -y --refresh --releasever=9 repoquery --latest-limit=1 --qf '%{{version}}' {package}").split()
    return candidate[1] if candidate and candidate[1] != "(none)" else "-", listed[-1] if listed else "-"


def prepare() -> None:
    """A base distribution, and hosts that use it and the desk's updates."""
    for form, platform in (("deb", "debian12"), ("rpm", "el9")):
        (BASE / platform / "dists/base/main/binary-amd64").mkdir(parents=True, exist_ok=True)
        place = BASE / platform / PACKAGES[form, "libcloud_1.0"].name
        place.write_bytes(PACKAGES[form, "libcloud_1.0"].read_bytes())
    on("repo", "cd /srv/repository/os/debian12 && dpkg-scanpackages . 2>/dev/null >Packages && cp Packages dists/base/main/binary-amd64/")
    on("repo", "rm -r /srv/repository/os/el9/dists && createrepo_c -q /srv/repository/os/el9")
    fingerprint()
    public = run(["gpg", "--homedir", str(KEYS), "--batch", "--armor", "--export"])
    (ROOTS["apt1"] / "etc/apt/keyrings").mkdir(exist_ok=True)
    (ROOTS["apt1"] / "etc/apt/keyrings/desk.asc").write_text(public)
    (ROOTS["apt1"] / "etc/apt/sources.list.d/desk.sources").write_text(
        f"Types: deb\nURIs: {URL}/os/debian12\nSuites: ./\nTrusted: yes\n\n"
        f"Types: deb\nURIs: {URL}/mirror/cmd-os-1/deb\nSuites: cmd-os-1 cmd-os-1-updates\nComponents: main\nSigned-By: /etc/apt/keyrings/desk.asc\n")
    (ROOTS["dnf1"] / "etc/pki/rpm-gpg/desk").write_text(public)
    (ROOTS["dnf1"] / "etc/yum.repos.d/desk.repo").write_text(f"[os]\nname=os\nbaseurl={URL}/os/el9\ngpgcheck=0\n" + "".join(
        f"[{kind}]\nname={kind}\nbaseurl={URL}/mirror/cmd-os-1/el9-{kind}-x86_64\ngpgcheck=0\nrepo_gpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/desk\n"
        for kind in ("base", "updates")))


def from_intake_to_hosts() -> None:
    """A batch goes its way in check mode and for real; hosts see nothing before the switch and the new after it."""
    declared = files(["cloud-api_2.2"])
    for flags, changed in ((["-C"], True), ([], True), (["-C"], False), ([], False)):
        answer = module("promotion", batch="b1", state="taken", files=declared, flags=flags)
        assert answer["changed"] is changed and answer["kind"] == "untested", answer
    assert readers()["untested"] == {"cloud-api_2.2"} and offered("cloud-api") == ("-", "-")
    for flags, changed in ((["-C"], True), ([], True), (["-C"], False), ([], False)):
        assert module("promotion", batch="b1", state="promoted", to="proposed", flags=flags)["changed"] is changed
    refused(r"report\.verification.*report\.adopters", "b1", "promoted", to="updates")
    info = module("promotion_info", batch="b1", to="updates")
    assert [one["rule"] for one in info["excuses"]] == ["report.verification", "report.adopters"] and info["promotable"] is False, info
    reports = [{"kind": kind, "verdict": "pass", "by": "C. Tester"} for kind in ("verification", "adopter")]
    assert promotion("b1", "taken", reports=reports)["changed"] and not promotion("b1", "taken", reports=reports)["changed"]
    assert module("promotion_info", batch="b1", to="updates")["promotable"] is True
    assert offered("cloud-api") == ("-", "-")
    assert promotion("b1", "promoted", to="updates")["previous"] == "proposed"
    assert offered("cloud-api") == ("2.2", "2.2")
    on("apt1", "apt-get -qy install cloud-api")
    on("dnf1", "dnf -qy --releasever=9 install cloud-api")


def the_tested_bytes() -> None:
    """What readers get is what was handed in, byte for byte, and the record says so."""
    (batch,) = module("promotion_info", batch="b1")["batches"].values()
    assert len({move["digest"] for move in batch["history"]}) == 1 and [move["target"] for move in batch["history"]] == ["untested", "proposed", "updates"]
    served = {hashlib.sha256(Path(directory, name).read_bytes()).hexdigest()
              for directory, _directories, names in os.walk(MIRROR / "cmd-os-1", followlinks=True) for name in names if name.endswith((".deb", ".rpm"))}
    assert {one["sha256"] for one in files(["cloud-api_2.2"])} == served == {item["sha256"] for item in batch["items"]}


def refusals_of_intake() -> None:
    """What may not come in does not, and takes nothing with it."""
    good = files(["cloud-api_2.3"])
    refused(r"intake\.checksum", "b2", "taken", files=[*good[:1], {**good[1], "sha256": "0" * 64}])
    refused(r"intake\.unreadable", "b2", "taken", files=[*good, {**good[0], "path": "/etc/hostname.deb"}])
    refused(r"intake\.platform", "b2", "taken", files=files(["cloud-api_2.3"], platform="debian13"))
    refused(r"intake\.format", "b2", "taken", files=files(["cloud-api_2.3"], platform="el9"))
    refused(r"version\.form", "b2", "taken", files=good, gates={"version_scheme": "mos"})
    refused(r"intake\.batch-differs", "b1", "taken", files=good)
    refused(r"intake\.empty", "b2", "taken")
    arm = other_deb(Path("arm"), "cloud-api", "2.3-1~cmd1", "arm64")
    refused(r"intake\.architecture", "b2", "taken", files=[arm])
    other = other_deb(Path("other"), "cloud-api", "2.2-1~cmd1", "all")
    refused(r"intake\.other-bytes", "b2", "taken", files=[other])
    damaged = ROOTS["repo"] / "srv/damaged" / PACKAGES["deb", "cloud-api_2.3"].name
    damaged.parent.mkdir()
    damaged.write_bytes(PACKAGES["deb", "cloud-api_2.3"].read_bytes()[:-40])
    refused(r"intake\.unreadable", "b2", "taken", files=[{**good[0], "path": str(damaged), "sha256": hashlib.sha256(damaged.read_bytes()).hexdigest()}])


def upgrades_are_solved() -> None:
    """Packages that can be installed, but not both by an upgrade of a host that has both, are held back."""
    easy = {"gates": {"version_scheme": "none", "adopters": 0, "verification": False}}
    for batch, version, more in (("c1", "1.0-1~cmd1", ""), ("c2", "2.0-1~cmd1", "Conflicts: alpha (>= 2)\n")):
        made = [other_deb(Path(f"{batch}-{name}"), name, version, "all", more if name == "beta" else "") for name in ("alpha", "beta")]
        promotion(batch, "taken", files=made)
    promotion("c1", "promoted", to="proposed")
    promotion("c1", "promoted", to="updates", **easy)
    refused(r"upgrade\.broken:debian12/(alpha|beta)", "c2", "promoted", to="proposed")
    info = module("promotion_info", batch="c2", to="proposed")
    assert {one["rule"] for one in info["excuses"]} == {"upgrade.broken"} and info["promotable"] is False, info
    promotion("c2", "withdrawn")
    promotion("c1", "withdrawn")


def other_deb(folder: Path, name: str, version: str, architecture: str, more: str = "") -> Answer:
    """A deb built here and now, declared for debian12. more: further control fields."""
    top = ROOTS["repo"] / "srv" / folder
    (top / "tree/DEBIAN").mkdir(parents=True)
    (top / "tree/DEBIAN/control").write_text(f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: T <t@example.org>\n"
                                             f"{more}Description: other bytes\n")
    path = top / f"{name}_{version}_{architecture}.deb"
    run(["dpkg-deb", "--root-owner-group", "--build", str(top / "tree"), str(path)])
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "platform": "debian12"}


def refusals_of_promotion() -> None:
    """What may not be promoted is refused with the excuse; two people waive some of them, nobody the others."""
    promotion("b2", "taken", files=files(["cloud-api_2.3"]), after=["b1"])
    refused(r"flow\.order", "b2", "promoted", to="updates")
    promotion("b2", "promoted", to="proposed")
    accepted = {"reports": [{"kind": kind, "verdict": "pass", "by": "C. Tester"} for kind in ("verification", "adopter")]}
    refused(r"report\.verification", "b2", "promoted", to="updates", reports=[{**accepted["reports"][0], "digest": "0" * 64}])
    refused(r"lifecycle\.base-frozen", "b2", "promoted", to="base", **accepted)
    refused(r"lifecycle\.window:2026-11-20", "b2", "promoted", to="updates", day="2026-11-20", **accepted)
    waiver = {"excuse": "lifecycle.window:2026-11-20", "second": "a. packager ", "text": "All sites are down."}
    refused(r"waiver\.second", "b2", "promoted", to="updates", day="2026-11-20", waivers=[waiver], **accepted)
    refused(r"waiver\.impossible", "b2", "promoted", to="base", waivers=[{**waiver, "excuse": "lifecycle.base-frozen", "second": "S. Second"}])
    refused(r"waiver\.unknown", "b2", "promoted", to="base", waivers=[{**waiver, "excuse": "lifecycle.moon", "second": "S. Second"}])
    refused(r"prerequisite\.circle", "b3", "taken", files=files(["needy_1.0"]), after=["b3"])
    fixed = other_deb(Path("security"), "cloud-api", "2.3-1+s1", "all")["path"]
    on("repo", "cd /srv/security && dpkg-scanpackages . >Packages 2>/dev/null")
    repository = {"platform": "debian12", "paths": [str(Path(fixed).parent / "Packages")]}
    refused(r"masking\.security:debian12/cloud-api.*2\.3-1\+s1", "b2", "promoted", to="updates", base=[*base(), {**repository, "security": True}], **accepted)
    refused(r"version\.no-downgrade:debian12/cloud-api", "b2", "promoted", to="updates", previous=[repository], **accepted)
    answer = promotion("b2", "promoted", to="updates", day="2026-11-20", waivers=[{**waiver, "second": "S. Second"}], **accepted)
    assert [one["waived_by"] for one in answer["excuses"]] == [["A. Packager", "S. Second"]], answer
    assert offered("cloud-api") == ("2.3", "2.3")
    promotion("b3", "taken", files=files(["needy_1.0"]))
    refused(r"installable\.broken:debian12/needy.*installable\.broken:el9/needy", "b3", "promoted", to="proposed")
    promotion("b4", "taken", files=files(["cloud-api_2.1"]))
    refused(r"version\.outranked", "b4", "promoted", to="proposed")
    words = {"second": "S. Second", "text": "For a site that stays on 2.1."}
    promotion("b4", "promoted", to="proposed", waivers=[{"excuse": f"version.outranked:{platform}/cloud-api", **words} for platform in ("debian12", "el9")])
    refused(r"version\.increasing", "b4", "promoted", to="updates", **accepted)


def hosts_get_back() -> None:
    """After a demotion hosts are offered the version before, and a batch that others come after is not taken away."""
    refused(r"prerequisite\.needed", "b1", "withdrawn")
    assert promotion("b2", "demoted")["kind"] == "proposed" and not promotion("b2", "demoted")["changed"]
    assert offered("cloud-api") == ("2.2", "2.2")
    assert readers()["proposed"] >= {"cloud-api_2.3"}
    promotion("b2", "withdrawn")
    assert "cloud-api_2.3" not in readers()["proposed"] and not promotion("b2", "withdrawn")["changed"]


def what_changed() -> None:
    """The difference of two kinds and of two snapshots, as text and as data."""
    assert len({one["history"][-1]["target"] for one in module("promotion_info")["batches"].values()}) > 1
    info = module("promotion_info", compare={"before": "updates", "after": "proposed"})
    versions = {(one["place"], tuple(one["before"]), tuple(one["after"])) for one in info["difference"] if one["package"] == "cloud-api"}
    assert versions == {("debian12", ("2.2-1~cmd1",), ("2.1-1~cmd1",)), ("el9", ("2.2-1~cmd1",), ("2.1-1~cmd1",))}, versions
    assert {one["maintainer"] for one in info["difference"]} == {"Demo Release Team <release@demo.example>"}
    assert "changed cloud-api 2.2-1~cmd1 -> 2.1-1~cmd1" in info["notes"]
    before = min(path.name for path in (MIRROR / "snapshots").iterdir())
    info = module("promotion_info", compare={"before": before, "after": "cmd-os-1"})
    assert {one["kind"] for one in info["difference"]} >= {"added", "removed"}, info


def killed() -> None:
    """Killed at any moment, a change is seen wholly or not at all, and the next run agrees with what readers saw."""
    rng = random.Random(4)
    seen = []
    words = [("b1", "demoted", "proposed"), ("b1", "promoted", "updates")]
    started = time.monotonic()
    change(*words[0])
    change(*words[1])
    length = (time.monotonic() - started) / 2
    for number in range(KILLS):
        standing = module_free_kind("b1")
        batch, state, kind = words[0] if standing == "updates" else words[1]
        child = subprocess.Popen(["/usr/bin/python3", __file__, "change", batch, state, kind], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, 1.05) * length)
        child.kill()
        child.wait()
        found = readers()  # both platforms agree
        where = [kind for kind, packages in found.items() if "cloud-api_2.2" in packages]
        assert len(where) == 1, (number, found)
        change("b1", "taken", "")
        assert module_free_kind("b1") == where[0], (number, where, module_free_kind("b1"))
        assert readers() == found, number
        seen.append(where[0] != standing)
    assert {True, False} == set(seen), f"all kills fell on the same side: {seen}"
    assert not (DESK / "desk.json.next").exists()


def module_free_kind(batch: str) -> str:
    """Where a batch stands, by the desk's file."""
    return str(json.loads((DESK / "desk.json").read_text())["batches"][batch]["kind"])


def change(batch: str, state: str, kind: str) -> None:
    """Run a change in a process of its own."""
    run(["/usr/bin/python3", __file__, "change", batch, state, kind])


def change_here(batch: str, state: str, kind: str) -> None:
    """What the modules do, without Ansible around it: for kills that have to hit the change, not Ansible's start."""
    for path in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":"):
        sys.path.append(path)
    utils = "ansible_collections.egi.cmd.plugins.module_utils."
    parameters, changes, directories, publications, configurations = (importlib.import_module(f"{utils}{name}") for name in (
        "_promotion.parameters", "_promotion.change", "_promotion.desk_directory", "_promotion.publication", "_mirror.configuration"))
    gates = {"adopters": 1, "verification": True, "version_scheme": "none", "metadata": None, "products": [], "product_waivers": []}
    setting = parameters.setting({"release": MANIFEST, "day": DAY, "base": base(), "previous": [], "gates": gates}, True)
    directory = directories.DeskDirectory(str(DESK), "cmd-os-1")
    publication = publications.Publication(directory, MANIFEST, str(MIRROR), configurations.Signing(str(KEYS), (fingerprint(),)))
    changes.run(directory, publication, setting, changes.Request(batch, state, kind, "A. Packager"), False)


CASES = (from_intake_to_hosts, the_tested_bytes, refusals_of_intake, refusals_of_promotion, upgrades_are_solved, hosts_get_back, what_changed, killed)
PACKAGES: t.Dict[t.Tuple[str, str], Path] = {}


def main() -> int:
    PACKAGES.update(built(("libcloud", "1.0", "1", ()), ("needy", "1.0", "1~cmd1", ("nobody-has-this",)),
                          *(("cloud-api", version, "1~cmd1", ("libcloud",)) for version in ("2.1", "2.2", "2.3"))))
    prepare()
    failed = 0
    for case in CASES:
        try:
            case()
            print(f"ok: {case.__doc__}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED: {case.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["change"]:
        change_here(*sys.argv[2:5])
    else:
        sys.exit(main())
