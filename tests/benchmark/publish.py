# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long publishing takes: this collection against apt-ftparchive and createrepo_c, on the same packages.

    PYTHONPATH=<directory above ansible_collections> python tests/benchmark/publish.py [--debs 2000] [--rpms 500]

Every number is the best of three. Ours includes what the other tools leave to you: checking each package, copying it
into the pool, by-hash, xz, Contents and the signature. The other tools index packages that are in place already.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

import packages

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_repository, declaration, rpm_repository, signing


def main() -> None:
    """Make packages, time every tool, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--debs", type=int, default=2000)
    parser.add_argument("--rpms", type=int, default=500)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="egi-publish-") as work:
        home = os.path.join(work, "keys")
        signing.create_home(home)
        with signing.open_home(home) as keyring:
            key = keyring.create("Benchmark", "rsa3072", 0)
        debs, rpms = os.path.join(work, "debs"), os.path.join(work, "rpms")
        packages.make_debs(debs, wanted.debs)
        rows = time_debs(work, debs, home, key)
        if shutil.which("rpmbuild") and shutil.which("createrepo_c"):
            packages.make_rpms(work, rpms, wanted.rpms)
            rows += time_rpms(work, rpms, home, key)
    for what, seconds in rows:
        sys.stdout.write(f"{what:<66} {seconds:7.3f} s\n")


def time_debs(work: str, debs: str, home: str, key: str) -> t.List[t.Tuple[str, float]]:
    """Rows for deb packages."""
    count = len(os.listdir(debs))
    root = os.path.join(work, "apt")
    plain, full = _declared(root, debs, home, key, "deb", False), _declared(root, debs, home, key, "deb", True)
    rows = []
    for label, wanted in (("without Contents", plain), ("with Contents", full)):
        rows.append((f"egi.cmd, {count} debs, first time, {label}", _best(lambda: _publish(wanted), lambda: _clear(root))))
        rows.append((f"egi.cmd, packages known, published again, {label}", _best(lambda: _publish(wanted), lambda: _forget(root))))
        rows.append((f"egi.cmd, one package more, {label}", _best(lambda: _publish(wanted), lambda: _one_more(debs))))
        rows.append((f"egi.cmd, nothing changed, {label}", _best(lambda: _publish(wanted))))
    database = os.path.join(work, "apt-ftparchive.db")
    command = ["apt-ftparchive", "--md5=no", "--sha1=no", "--sha512=no", "packages", debs]
    rows.append(("apt-ftparchive packages, no cache", _best(lambda: _quiet(command))))
    cached = [*command[:1], "--db", database, *command[1:]]
    _quiet(cached)
    rows.append(("apt-ftparchive packages --db, warm", _best(lambda: _quiet(cached))))
    rows.append(("apt-ftparchive contents, no cache", _best(lambda: _quiet(["apt-ftparchive", "contents", debs]))))
    return rows


def time_rpms(work: str, rpms: str, home: str, key: str) -> t.List[t.Tuple[str, float]]:
    """Rows for rpm packages."""
    count = len(os.listdir(rpms))
    root, alone = os.path.join(work, "rpm"), os.path.join(work, "alone")
    wanted = _declared(root, rpms, home, key, "rpm", False)
    shutil.copytree(rpms, alone)
    rows = [
        (f"egi.cmd, {count} rpms, first time", _best(lambda: _publish(wanted), lambda: _clear(root))),
        ("egi.cmd, nothing changed", _best(lambda: _publish(wanted))),
    ]
    command = ["createrepo_c", "--quiet", "--no-database", "--general-compress-type", "gz", alone]
    rows.append(("createrepo_c, first time", _best(lambda: _quiet(command), lambda: _clear(os.path.join(alone, "repodata")))))
    rows.append(("createrepo_c --update, nothing changed", _best(lambda: _quiet([*command, "--update"]))))
    return rows


def _declared(root: str, packages: str, home: str, key: str, kind: str, contents: bool) -> declaration.Declaration:
    deb = kind == "deb"
    part = {"name": "bench", "path": "bench", "state": "present", "kind": "base", "components": {"main": [packages]}, "packages": [packages],
            "architectures": None, "label": None, "codename": None, "version": "", "description": "", "valid_for": None, "not_automatic": None}
    return declaration.from_parameters({
        "path": root, "format": kind, "origin": "Bench", "label": None, "codename": None, "architectures": ["amd64" if deb else "x86_64"],
        "suites": [part] if deb else [], "repositories": [] if deb else [part], "key_home": home, "signing_keys": [key],
        "key_name": "bench", "contents": contents, "purge": False,
    })


def _publish(wanted: declaration.Declaration) -> None:
    (deb_repository if wanted.parts[0].codename else rpm_repository).publish(wanted, int(time.time()), False)


def _clear(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _forget(root: str) -> None:
    """The state after a new suite was declared: everything known about the packages, no suite published."""
    shutil.rmtree(os.path.join(root, "dists"))


def _one_more(debs: str) -> None:
    packages.make_deb(debs, f"more{len(os.listdir(debs))}", b"")


def _quiet(command: t.List[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _best(action: t.Callable[[], None], before: t.Callable[[], None] = lambda: None) -> float:
    seconds = []
    for _round in range(3):
        before()
        start = time.monotonic()
        action()
        seconds.append(time.monotonic() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
