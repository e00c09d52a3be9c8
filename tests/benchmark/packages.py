# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages to measure with: debs and rpms of the sizes a real archive has, always the same ones."""

from __future__ import annotations

import hashlib
import io
import os
import pathlib
import random
import subprocess
import tarfile
import typing as t

_SPEC = """Name: bench{number}
Version: 1
Release: 1
Summary: benchmark
License: none
BuildArch: noarch
%global _binary_payload w0.gzdio
%description
x
%install
{install}
{subpackages}
"""


def size(chance: random.Random) -> int:
    """The size of one package in bytes: most are small, a few large; the median is 60 kB."""
    return min(5_000_000, int(chance.lognormvariate(11.0, 1.3)))


def make_debs(directory: str, count: int) -> None:
    """Packages of three files each, seed 7, that depend on up to three earlier ones."""
    chance = random.Random(7)
    os.makedirs(directory)
    for number in range(count):
        needs = chance.sample(range(number), min(number, chance.randrange(4)))
        depends = ", ".join(f"bench{other:05}" for other in needs)
        make_deb(directory, f"bench{number:05}", chance.randbytes(size(chance)), depends=depends)


def make_deb(directory: str, name: str, payload: bytes, version: str = "1.0-1", depends: str = "") -> pathlib.Path:
    """One package."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Example <team@example.org>\n"
    control += f"Depends: {depends}\n" if depends else ""
    archives = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", _tar({"./control": f"{control}Description: benchmark\n".encode()})),
        ("data.tar.gz", _tar({f"./usr/share/{name}/{part}": payload if part == "data" else b"" for part in ("data", "a", "b")})),
    ]
    path = pathlib.Path(directory, f"{name}_{version}_all.deb")
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for member, data in archives:
            file.write(f"{member:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2))
    return path


def _tar(files: t.Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", format=tarfile.GNU_FORMAT, compresslevel=1) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return raw.getvalue()


def make_rpms(work: str, directory: str, count: int, filled: bool = False) -> None:
    """noarch packages, a hundred from each spec file; empty ones, or filled to the sizes of an archive."""
    chance = random.Random(7)
    payload = pathlib.Path(work, "payload")
    os.makedirs(directory)
    for number in range(0, count, 100):
        parts = range(min(100, count - number))
        payload.mkdir(exist_ok=True)
        for part in parts if filled else ():
            (payload / str(part)).write_bytes(chance.randbytes(size(chance)))
        install = f"mkdir -p %{{buildroot}}/usr/share/bench{number}; cp {payload}/* %{{buildroot}}/usr/share/bench{number}/" if filled else ""
        files = [f"/usr/share/bench{number}/{part}\n" if filled else "" for part in parts]
        subpackages = [f"%package p{part}\nSummary: part\n%description p{part}\nx\n%files p{part}\n{files[part]}" for part in parts]
        spec = os.path.join(work, "bench.spec")
        with open(spec, "w", encoding="utf-8") as file:
            file.write(_SPEC.format(number=number, install=install, subpackages="".join(subpackages)))
        subprocess.run(["rpmbuild", "--quiet", "-bb", "--define", f"_topdir {work}/build", "--define", f"_rpmdir {directory}",
                        "--define", "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", spec], check=True, stderr=subprocess.DEVNULL)


def write_index(path: pathlib.Path, count: int) -> None:
    """An index as large as Debian's: about 790 bytes a stanza. A package's content is its name."""
    rng = random.Random(7)
    words = ["library", "for", "reading", "and", "writing", "example", "data", "files", "in", "the", "format", "of", "development", "server", "client"]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            name = f"{rng.choice(words)}-{rng.choice(words)}{number}"
            depends = ", ".join(f"lib{rng.choice(words)}{rng.randrange(99)} (>= {rng.randrange(9)}.{rng.randrange(20)})" for _unused in range(rng.randrange(9)))
            file.write(
                f"Package: {name}\nVersion: {rng.randrange(9)}.{rng.randrange(30)}-{rng.randrange(1, 9)}+deb12u1\nInstalled-Size: {rng.randrange(9999)}\n"
                f"Maintainer: Example Team <team@example.org>\nArchitecture: {rng.choice(('all', 'amd64'))}\nDepends: {depends}\n"
                f"Description: {' '.join(rng.choices(words, k=7))}\nMulti-Arch: foreign\nHomepage: https://www.example.org/{name}\n"
                f"Description-md5: {number:032x}\nTag: {', '.join(f'{rng.choice(words)}::{rng.choice(words)}' for _unused in range(9))}\n"
                f"Section: net\nPriority: optional\nFilename: pool/main/{name[0]}/{name}/{name}_1.0-1_amd64.deb\nSize: {len(name)}\n"
                f"MD5sum: {hashlib.md5(name.encode()).hexdigest()}\nSHA256: {hashlib.sha256(name.encode()).hexdigest()}\n\n"
            )
