#!/usr/bin/env python
# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audits of a real apt host and a real dnf host that have a package of every category; runs inside a lab session."""

from __future__ import annotations

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
from xml.etree import ElementTree

TOP = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(TOP))

STATE = Path(os.environ["LAB_STATE"])
INVENTORY = os.environ["LAB_INVENTORY"]
ROOTS = {name: STATE / "hosts" / name / "root" for name in ("apt1", "dnf1", "repo")}
URL = "http://repo.demo.example"
KEYS = "/srv/keys"
# What follows the revision in versions of the operating system and of the release; the latter is lower.
SUFFIXES = {"deb": ("", "~e1+cmd1"), "rpm": (".el9", ".el9~cmd1")}
# package, version, revision; 0 stands for a package that the release makes of revision 1
CONTENT = {
    "os": [("site-tools", "1.0", 1), ("site-tools", "1.1", 1), ("libcloud", "1.0", 1), ("cloud-api", "2.5", 1), ("cloud-client", "3.0", 1),
           ("libcrypto", "1.0", 1)],
    "os-security": [("libcrypto", "1.0", 2)],
    "updates": [("cloud-api", "2.2", 0), ("cloud-client", "3.1", 0), ("cloud-only", "1.0", 0), ("libcrypto", "1.0", 0)],
    "holdback": [("libcloud", "0.9", 0)],
    "nowhere": [("leftover", "1.0", 1)],
}
OURS = {name for content in CONTENT.values() for name, _version, _revision in content}
FORMATS = {"apt1": "deb", "dnf1": "rpm"}
UNREACHABLE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
ADVISORY = """<updates><update type="security" from="x" status="final" version="1"><id>EX-2026-1</id><title>fix</title>
<issued date="2026-02-03 00:00:00"/><updated date="2026-02-03 00:00:00"/><pkglist><collection><name>x</name>
<package name="libcrypto" version="1.0" release="2.el9" epoch="0" arch="noarch"><filename>libcrypto-1.0-2.el9.noarch.rpm</filename></package>
</collection></pkglist></update></updates>
"""
Answer = t.Dict[str, t.Any]


def run(command: t.Sequence[str], good: t.Collection[int] = (0,)) -> str:
    """Run a program of this machine; return its standard output and error."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300,
                          cwd=STATE, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
    assert done.returncode in good, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
    assert "Traceback" not in done.stdout and "WARNING]" not in done.stdout, done.stdout
    return done.stdout


def on(host: str, script: str) -> str:
    """Run a shell script on a host; return its output."""
    return run(["chroot", str(ROOTS[host]), "env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-euc", script])


def module(host: str, called: str, /, **arguments: t.Any) -> Answer:
    """Call a module on a host; return what it returns."""
    text = run(["ansible", host, "-i", INVENTORY, "-m", f"egi.cmd.{called}", "-a", json.dumps(arguments)])
    answer: Answer = json.loads(text[text.index("=> {") + 3:])
    return answer


def audit(host: str, shown: str = "findings", **arguments: t.Any) -> t.Tuple[Answer, t.Dict[str, Answer]]:
    """Audit a host; return its summary, and its packages by name."""
    answer = module(host, "repository_set_info", audit=shown, **arguments)
    assert answer["changed"] is False, answer
    return answer["audit"]["summary"], {one["name"]: one for one in answer["audit"]["packages"]}


def publish() -> None:
    """Build every package, and publish two repositories of an operating system and two of a release, for both families."""
    packages = importlib.import_module("lab.packages")
    specs = {}
    for where, content in CONTENT.items():
        for name, version, revision in content:
            files = ((f"/usr/share/{name}/version", packages.File(f"{version}\n")),)
            for form in ("deb", "rpm"):
                specs[where, form, name, version] = packages.Package(form, name, version, f"{revision or 1}{SUFFIXES[form][not revision]}", files)
    specs["os", "rpm", "example-release", "9"] = packages.Package(
        "rpm", "example-release", "9", "1", (("/etc/example-release", packages.File("Example OS 9\n")),),
        provides=("system-release = 9", "system-release(releasever) = 9"))
    places = packages.build(list(specs.values()), ROOTS["repo"], TOP / ".cache/lab/packages")
    for (where, form, _name, _version), spec in specs.items():
        folder = ROOTS["repo"] / "srv/incoming" / form / where
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(places[spec], folder)
    on("repo", f"mkdir -m 700 {KEYS}; gpg --homedir {KEYS} --batch -q --passphrase '' --quick-generate-key 'T <t@example.org>' rsa3072 sign never")
    on("repo", f"GNUPGHOME={KEYS} rpmsign --define '__gpg /usr/bin/gpg' --define '_gpg_name {fingerprint()}' --addsign /srv/incoming/rpm/*/*.rpm >/dev/null")
    common = {"key_home": KEYS, "signing_keys": [fingerprint()], "key_name": "os"}
    for origin, suites in (("Example OS", ("os", "os-security")), ("EGI", ("updates", "holdback"))):
        module("repo", "repository", path=f"/srv/repository/{suites[0]}", format="deb", origin=origin, architectures=["amd64"], **common,
               suites=[{"name": suite, "components": {"main": [f"/srv/incoming/deb/{suite}"]}} for suite in suites])
    module("repo", "repository", path="/srv/repository/rpm", format="rpm", architectures=["x86_64"], **common,
           repositories=[{"path": name, "packages": [f"/srv/incoming/rpm/{name}"]} for name in ("updates", "holdback")])
    (ROOTS["repo"] / "srv/updateinfo.xml").write_text(ADVISORY)
    for name in ("os", "os-security"):
        on("repo", f"cp -r /srv/incoming/rpm/{name} /srv/repository/rpm/{name}; createrepo_c -q /srv/repository/rpm/{name}")
    on("repo", "modifyrepo_c /srv/updateinfo.xml /srv/repository/rpm/os-security/repodata")


def fingerprint() -> str:
    """The fingerprint of the one key."""
    return next(line.split(":")[9] for line in on("repo", f"gpg --homedir {KEYS} --batch --with-colons --list-keys").splitlines() if line.startswith("fpr:"))


def prepare() -> None:
    """Hosts of the operating system, with packages that nobody offers and that are held; then the release's set."""
    public = on("repo", f"gpg --homedir {KEYS} --batch --armor --export")
    apt, dnf = ROOTS["apt1"], ROOTS["dnf1"]
    (apt / "etc/apt/keyrings").mkdir(exist_ok=True)
    (apt / "etc/apt/keyrings/os.asc").write_text(public)
    (apt / "etc/apt/sources.list.d/os.sources").write_text(
        f"Types: deb\nURIs: {URL}/os\nSuites: os os-security\nComponents: main\nSigned-By: /etc/apt/keyrings/os.asc\n")
    (dnf / "etc/yum.repos.d/os.repo").write_text("".join(f"[{name}]\nname={name}\nbaseurl={URL}/rpm/{name}\ngpgcheck=0\n" for name in ("os", "os-security")))
    for host, form in FORMATS.items():
        (leftover,) = (ROOTS["repo"] / f"srv/incoming/{form}/nowhere").iterdir()
        shutil.copy(leftover, ROOTS[host] / "root")
    cloud = "libcloud cloud-api cloud-client"
    on("apt1", f"apt-get -q update; apt-get -qy install site-tools=1.0-1 libcrypto=1.0-1 {cloud}; dpkg -i /root/leftover*; apt-mark hold site-tools")
    on("dnf1", f"dnf -qy --releasever=9 install example-release site-tools-1.0 libcrypto-1.0-1.el9 {cloud}; rpm -i --nosignature /root/leftover*")
    on("dnf1", "echo excludepkgs=site-tools >>/etc/dnf/dnf.conf")
    for host in FORMATS:
        place = {name: {"uris": [f"{URL}/updates"], "suite": name, "components": ["main"], "origin": "EGI"} if host == "apt1" else
                 {"baseurl": [f"{URL}/rpm/{name}"]} for name in ("updates", "holdback")}
        module(host, "repository_set", name="cmd-os-1", repositories=[
            {"name": f"cmd-os-1-{kind}", "kind": kind, "keys": [{"content": public}], **where} for kind, where in place.items()])


def before_the_sync(host: str) -> None:
    """A host of the operating system drifts from the release that it was pointed to, both ways."""
    summary, found = audit(host, packages=["cloud-only"])
    assert {name: one["drift"] for name, one in found.items() if one["drift"]} == {
        "cloud-api": "newer", "cloud-client": "older", "libcloud": "newer", "libcrypto": "newer"}, found
    assert summary["findings"]["drift"] == 4, summary
    assert found["cloud-only"]["installed"] is None and found["cloud-only"]["category"] == "specific", found
    assert "specific" not in [category for category, count in summary["categories"].items() if count], summary


def every_category(host: str) -> None:
    """After the sync a package of every category is there, and what it is, is said."""
    module(host, "package_sync", set="cmd-os-1", packages=["*"], record="audit")
    module(host, "package_sync", set="cmd-os-1", packages=["cloud-only"], record="audit-only")
    summary, found = audit(host)
    # The packages of the apt host's own root come from nowhere in this laboratory.
    found = {name: one for name, one in found.items() if name in OURS}
    assert {name: one["category"] for name, one in found.items()} == {
        "cloud-api": "forbidden_downgrade", "cloud-client": "upgraded", "cloud-only": "specific", "leftover": "orphan", "libcloud": "holdback",
        "libcrypto": "upgraded", "site-tools": "upstream"}, found
    assert {name: one["findings"] for name, one in found.items() if one["findings"]} == {
        "cloud-api": ["forbidden_downgrade", "masked"], "leftover": ["orphan"], "libcloud": ["masked"], "libcrypto": ["masked", "masked_security"],
        "site-tools": ["masked"]}, found
    assert summary["divergent"] == 4 and summary["categories"]["specific"] == 1 and summary["findings"]["drift"] == 0, summary
    origin, priority = ("EGI", 1300) if host == "apt1" else ("", 20)
    held = found["libcloud"]
    assert (held["repository"], held["origin"], held["priority"], held["release"]) == ("cmd-os-1-holdback", origin, priority, held["installed"]), held


def masked(host: str) -> None:
    """What the release hides of the operating system is listed with its repository, and with a day that is evidence."""
    summary, found = audit(host)
    fix = found["libcrypto"]["masked"]
    (security,) = [one for one in fix if one["security"]]
    assert security["version"].startswith("1.0-2") and security["by"] == "cmd-os-1-updates", fix
    if host == "apt1":
        release = on("apt1", "grep -h ^Date: /var/lib/apt/lists/*_dists_os-security_InRelease")
        day = run(["date", "-u", "-d", release[6:].strip(), "+%F"]).strip()
        assert (security["repository"], security["suite"], security["evidence"], security["since"]) == (
            "Example OS/os-security", "os-security", "release_file", day), (security, release)
    else:
        assert (security["repository"], security["evidence"], security["since"]) == ("os-security", "advisory", "2026-02-03"), security
        assert {one["evidence"] for one in found["cloud-api"]["masked"]} == {"repository"}, found
    assert summary["oldest_masked_security_days"] == security["age_days"], summary
    (tools,) = found["site-tools"]["masked"]
    held = "apt-mark hold" if host == "apt1" else "excluded by the host's dnf"
    assert tools["version"].startswith("1.1-1") and tools["by"] == found["site-tools"]["held"] == held, tools


def everything_installed(host: str) -> None:
    """The audit of all has exactly what dpkg and rpm have, and the candidates that apt and dnf have."""
    summary, found = audit(host, "all")
    if host == "apt1":
        listed = dict(line.split() for line in on(host, "dpkg-query -W -f '${Package} ${Version}\\n'").splitlines())
        policy = on(host, f"apt-cache policy {' '.join(listed)}")
        candidates = dict(re.findall(r"^(\S+):\n.*\n  Candidate: (.+)$", policy, re.MULTILINE))
        assert {name: one["candidate"] for name, one in found.items()} == candidates
    else:
        listed = dict(line.split() for line in on(host, "rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\\n'").splitlines())
        listed.pop("gpg-pubkey", None)
        assert "Nothing to do" in on(host, "dnf -y --releasever=9 distro-sync --exclude=leftover 2>&1")
        assert all(one["candidate"] == one["installed"] for one in found.values()), found
    assert {name: one["installed"] for name, one in found.items()} == listed
    assert summary["installed"] == len(listed)


def playbook() -> None:
    """The playbook reports all hosts, fails on what it is asked to fail on alone, and knows earlier reports."""
    extra = STATE / "hosts.json"
    extra.write_text(json.dumps({"all": {"hosts": {"gone1": UNREACHABLE}}}))
    folder = STATE / "audit"

    def play(status: int, *options: str, **variables: t.Any) -> str:
        return run(["ansible-playbook", "-i", INVENTORY, "-i", str(extra), "egi.cmd.audit", *options, "-e", json.dumps(variables)], good=(status,))

    shown = play(0, "--limit", "apt1:dnf1")
    assert re.search(r"dnf1 +libcloud +0\.9-\S+ +0\.9-\S+ +holdback", shown), shown
    play(0, "--limit", "apt1:dnf1", audit_report_dir=str(folder), audit_fail_on=["drift"], audit_divergent_max=4)
    report = json.loads((folder / "audit.json").read_text())
    assert sorted(report["hosts"]) == ["apt1", "dnf1"] and all(one["audited"] for one in report["hosts"].values()), report
    assert not list(ElementTree.parse(folder / "audit.xml").iter("failure"))
    assert "libcrypto" in (folder / "audit.txt").read_text()

    fix = next(one for one in report["hosts"]["apt1"]["packages"] if one["name"] == "libcrypto")
    fix["masked"][0]["since"] = "2026-01-01"
    (folder / "audit.json").write_text(json.dumps(report))
    said = play(2, "--limit", "apt1:dnf1:gone1", audit_report_dir="audit", audit_fail_on=["orphan"], audit_divergent_max=3)
    for words in ("apt1: orphan: leftover 1.0-1: no repository offers it", "dnf1: divergence_budget: 4 divergent packages, at most 3", "gone1: not_audited"):
        assert words in said, said
    report = json.loads((folder / "audit.json").read_text())
    fix = next(one for one in report["hosts"]["apt1"]["packages"] if one["name"] == "libcrypto")
    assert (fix["masked"][0]["since"], fix["masked"][0]["evidence"]) == ("2026-01-01", "earlier_report"), fix
    failures = [case.get("name") for case in ElementTree.parse(folder / "audit.xml").iter("testcase") if case.find("failure") is not None]
    assert sorted(failures) == ["divergence_budget", "divergence_budget", "not_audited", "orphan", "orphan"], failures
    assert "use some of" in play(2, "--limit", "apt1", audit_fail_on=["nonsense"]).lower()


def main() -> int:
    """Run every case; print what is wrong and a tally."""
    publish()
    prepare()
    cases: t.List[t.Tuple[str, t.Callable[[], None]]] = []
    for case in (before_the_sync, every_category, masked, everything_installed):
        cases += [(f"{case.__name__} on {host}", lambda case=case, host=host: case(host)) for host in FORMATS]
    cases.append(("playbook", playbook))
    failed = 0
    for name, case in cases:
        try:
            case()
        except Exception:  # noqa: BLE001
            failed += 1
            print(f"FAILED: {name}\n{traceback.format_exc()}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
