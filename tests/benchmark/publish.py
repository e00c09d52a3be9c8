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
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_repository, declaration, rpm_repository, signing

_SPEC = """Name: bench{number}
Version: 1
Release: 1
Summary: benchmark
License: none
BuildArch: noarch
%description
x
{subpackages}
"""


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
        make_debs(debs, wanted.debs)
        rows = time_debs(work, debs, home, key)
        if shutil.which("rpmbuild") and shutil.which("createrepo_c"):
            make_rpms(work, rpms, wanted.rpms)
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


def make_debs(directory: str, count: int) -> None:
    """Packages of the size distribution of a real archive: three files and exp(N(11, 1.3)) bytes each, seed 7."""
    chance = random.Random(7)
    os.makedirs(directory)
    for number in range(count):
        _make_deb(directory, f"bench{number:05}", chance.randbytes(min(5 << 20, int(chance.lognormvariate(11, 1.3)))))


def _make_deb(directory: str, name: str, payload: bytes) -> None:
    control = f"Package: {name}\nVersion: 1.0-1\nArchitecture: all\nMaintainer: Example <team@example.org>\nDescription: benchmark\n"
    archives = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", _tar({"./control": control.encode()})),
        ("data.tar.gz", _tar({f"./usr/share/{name}/{part}": payload if part == "data" else b"" for part in ("data", "a", "b")})),
    ]
    with open(os.path.join(directory, f"{name}_1.0-1_all.deb"), "wb") as file:
        file.write(b"!<arch>\n")
        for member, data in archives:
            file.write(f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2))


def _tar(files: t.Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", format=tarfile.GNU_FORMAT, compresslevel=1) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return raw.getvalue()


def make_rpms(work: str, directory: str, count: int) -> None:
    """noarch packages, a hundred from each spec file."""
    os.makedirs(directory)
    for number in range(0, count, 100):
        parts = "".join(
            f"%package p{part}\nSummary: part\n%description p{part}\nx\n%files p{part}\n" for part in range(min(100, count - number))
        )
        spec = os.path.join(work, "bench.spec")
        with open(spec, "w", encoding="utf-8") as file:
            file.write(_SPEC.format(number=number, subpackages=parts))
        subprocess.run(["rpmbuild", "--quiet", "-bb", "--define", f"_topdir {work}/build", "--define", f"_rpmdir {directory}",
                        "--define", "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", spec], check=True, stderr=subprocess.DEVNULL)


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
    _make_deb(debs, f"more{len(os.listdir(debs))}", b"")


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
