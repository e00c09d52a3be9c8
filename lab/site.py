# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard site: a small base distribution and the overlay CMD-OS 1, for apt and dnf, on a throw-away host.

Inside a lab session with a repository host, and with ansible-playbook and the collection to be found:

    python3 -m lab.site                     publish, and give every apt and dnf host the base distribution
    python3 -m lab.site --stage broken      the same with a broken update in cmd-os-1-updates
    python3 -m lab.site --install cloud-client     hosts that already run the base distribution's cloud

What a site's own people would write lies in demo/: release.yml (the release manifest) and site.yml (the playbook that
publishes). The manifest with the keys of this session is written to $LAB_STATE/site/release.yml.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from lab.content import FORMATS, REPOSITORIES, STAGES, Placed, content
from lab.packages import build, run_inside
from lab.roots import LabError

TOP = Path(__file__).resolve().parent.parent
URL = "http://repo.demo.example"
KEY_NAMES = {"base": "Example OS <release@os.demo.example>", "cmd-os-1": "CMD-OS <release@cmd.demo.example>"}
_KEY_HOME = "/var/lib/repository-keys"
_INCOMING = "srv/incoming"


@dataclass(frozen=True)
class Key:
    """A throw-away signing key. armoured: the public part."""

    fingerprint: str
    armoured: str


def publish(repository: Path, state: Path, inventory: Path, stage: str) -> dict[str, Key]:
    """Build, sign and publish everything of a stage on the repository host whose root is repository."""
    keys = {name: _key(repository, user) for name, user in KEY_NAMES.items()}
    _bring_in(repository, content(stage), keys)
    _write_manifest(state / "site" / "release.yml", keys["cmd-os-1"])
    _run_playbook(inventory, keys)
    return keys


def _key(repository: Path, user: str) -> Key:
    """The repository host's key for a user id, made on first use."""
    home = f"mkdir -p -m 700 {_KEY_HOME}; export GNUPGHOME={_KEY_HOME}"
    make = f"gpg --batch --quiet --list-secret-keys '={user}' >/dev/null 2>&1 || " \
           f"gpg --batch --quiet --passphrase '' --quick-generate-key '{user}' rsa3072 sign never 2>/dev/null"
    show = f"gpg --batch --with-colons --list-keys '={user}' | sed -n 's/^fpr:*\\([^:]*\\):$/\\1/p'; gpg --batch --armor --export '={user}'"
    fingerprint, _newline, armoured = run_inside(repository, f"{home}\n{make}\n{show}", "make a signing key").partition("\n")
    return Key(fingerprint, armoured)


def _bring_in(repository: Path, placed: t.Sequence[Placed], keys: t.Mapping[str, Key]) -> None:
    """Put the packages where site.yml publishes from; rpms carry their distribution's signature, as dnf demands."""
    files = build([item.package for item in placed], repository, TOP / ".cache/lab/packages")
    for distribution, repositories in REPOSITORIES.items():
        for name in repositories:
            for format_ in FORMATS:
                (repository / _INCOMING / distribution / format_ / name).mkdir(parents=True, exist_ok=True)
    targets = {item: repository / _INCOMING / item.distribution / item.package.format / item.repository / item.package.file_name
               for item in placed}
    for old in set((repository / _INCOMING).rglob("*.*")) - set(targets.values()):
        old.unlink()
    unsigned: dict[str, list[str]] = {}
    for item, target in targets.items():
        if target.exists():
            continue
        shutil.copyfile(files[item.package], target)
        if item.package.format == "rpm":
            unsigned.setdefault(item.distribution, []).append(f"/{target.relative_to(repository)}")
    for distribution, names in unsigned.items():
        sign = f"rpmsign --define '__gpg /usr/bin/gpg' --define '_gpg_name {keys[distribution].fingerprint}' --addsign {' '.join(names)}"
        run_inside(repository, sign, "sign the rpm packages", GNUPGHOME=_KEY_HOME)


def _write_manifest(path: Path, key: Key) -> None:
    """The site's manifest with this session's key: a key made a moment ago cannot stand in a file under version control."""
    keys = {"keys": [{"fingerprint": key.fingerprint, "url": f"{URL}/cmd-os-1/apt/project/cmd-os-archive-keyring.asc"}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{(TOP / 'demo/release.yml').read_text()}\n{json.dumps(keys)[1:-1]}\n")


def _run_playbook(inventory: Path, keys: t.Mapping[str, Key]) -> None:
    variables = {"site_keys": {name: key.fingerprint for name, key in keys.items()}, "site_key_home": _KEY_HOME}
    program = shutil.which("ansible-playbook")
    if program is None:
        raise LabError("ansible-playbook is not in PATH: activate the environment that bin/prepare.sh makes")
    command = [program, "-i", str(inventory), str(TOP / "demo/site.yml"), "-e", json.dumps(variables)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise LabError(f"cannot publish the standard site:\n{done.stdout[-4000:]}")


def equip(root: Path, key: Key, install: t.Sequence[str]) -> None:
    """Make an apt or dnf host one of the base distribution: its sources, its key, site-tools 1.0 and install."""
    if (root / "etc/redhat-release").exists():
        _equip_dnf(root, key, install)
    else:
        _equip_apt(root, key, install)


def _equip_apt(root: Path, key: Key, install: t.Sequence[str]) -> None:
    keyring = root / "etc/apt/keyrings/example-os.asc"
    keyring.parent.mkdir(parents=True, exist_ok=True)
    keyring.write_text(key.armoured)
    fields = {"Types": "deb", "URIs": f"{URL}/base/apt", "Suites": "base", "Components": "main", "Signed-By": "/etc/apt/keyrings/example-os.asc"}
    sources = "".join(f"{name}: {value}\n" for name, value in fields.items())
    if not _write_once(root / "etc/apt/sources.list.d/base.sources", sources):
        return
    names = " ".join(["site-tools=1.0-1", *install])
    run_inside(root, f"apt-get -q update && apt-get -qy --allow-downgrades install {names}", "install from the base distribution")


def _equip_dnf(root: Path, key: Key, install: t.Sequence[str]) -> None:
    (root / "etc/pki/rpm-gpg/RPM-GPG-KEY-example-os").write_text(key.armoured)
    options = {"name": "Example OS 9", "baseurl": f"{URL}/base/el$releasever/$basearch", "gpgcheck": 1, "repo_gpgcheck": 1,
               "gpgkey": "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-example-os"}
    text = "[base]\n" + "".join(f"{name}={value}\n" for name, value in options.items())
    if not _write_once(root / "etc/yum.repos.d/base.repo", text):
        return
    names = " ".join(["example-release", "site-tools-1.0-1", *install])
    run_inside(root, f"dnf -qy --releasever=9 install {names}", "install from the base distribution")


def _write_once(path: Path, text: str) -> bool:
    """Write a file that is not there yet; return whether it was written. A host is equipped once, then it is its owner's."""
    if path.exists():
        return False
    path.write_text(text)
    return True


def _roots(inventory: Path, group: str) -> list[Path]:
    groups = json.loads(inventory.read_text())["all"]["children"]
    return [Path(host["ansible_host"]) for host in groups.get(group, {"hosts": {}})["hosts"].values()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab.site", description="Publish the standard site inside a lab session.")
    parser.add_argument("--stage", choices=STAGES, default="proposed", help="how much is published (default: the whole, without the broken update)")
    parser.add_argument("--install", nargs="*", default=[], metavar="PACKAGE", help="packages of the base distribution every host already has")
    parser.add_argument("--no-hosts", action="store_true", help="publish only")
    parser.add_argument("--inventory", type=Path, default=os.environ.get("LAB_INVENTORY"), help="the session's inventory (default: $LAB_INVENTORY)")
    arguments = parser.parse_args()
    if arguments.inventory is None:
        parser.error("no --inventory, and LAB_INVENTORY is not set: run it inside a lab session")
    try:
        (repository,) = _roots(arguments.inventory, "repository_host")
        keys = publish(repository, arguments.inventory.parent.parent, arguments.inventory, arguments.stage)
        if not arguments.no_hosts:
            hosts = _roots(arguments.inventory, "apt_hosts") + _roots(arguments.inventory, "dnf_hosts")
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda root: equip(root, keys["base"], arguments.install), hosts))
    except LabError as error:
        print(f"lab.site: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
