# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mirrored: an apt archive of real packages, one with a large index, and an rpm repository."""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import lzma
import os
import pathlib
import random
import re
import subprocess
import time
import typing as t

import packages

SUITE = "bench"
_RELEASE = """Origin: Example
Label: Example
Suite: bench
Codename: bench
Date: {date}
Architectures: amd64
Components: main
Acquire-By-Hash: yes
Description: benchmark
"""


class Keys:
    """A throw-away key. file: the public half, binary; name: its fingerprint; home: gpg's directory."""

    def __init__(self, work: pathlib.Path) -> None:
        self.home = work / "gnupg"
        self.home.mkdir(mode=0o700)
        self.file = work / "key.gpg"
        self._gpg("--quick-gen-key", "Benchmark <bench@example.org>", "rsa3072", "sign", "0")
        self.file.write_bytes(self._gpg("--export"))
        self.name = self._gpg("--with-colons", "--list-keys").decode().split("fpr:::::::::")[1].split(":")[0]

    def sign(self, file: pathlib.Path, how: t.Sequence[str], output: pathlib.Path) -> None:
        """how: --clearsign, or --detach-sign --armor."""
        self._gpg("--yes", *how, "--output", str(output), str(file))

    def _gpg(self, *words: str) -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def close(self) -> None:
        """End gpg's agent."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "gpg-agent"], check=False)


class Upstream:
    """A repository that is served. name: its directory; head: the signed file at its head, below that; kind: deb or rpm."""

    kind: str
    head: str

    def __init__(self, root: pathlib.Path, keys: Keys) -> None:
        self.root, self.name, self.keys = root, root.name, keys

    def files(self) -> t.List[str]:
        """Every package, by its path below root."""
        raise NotImplementedError

    def size(self) -> int:
        """Bytes of all packages."""
        return sum((self.root / path).stat().st_size for path in self.files())


class Archive(Upstream):
    """An apt archive of one suite."""

    kind, head = "deb", f"dists/{SUITE}/InRelease"

    def __init__(self, root: pathlib.Path, keys: Keys, stanzas: t.List[str]) -> None:
        super().__init__(root, keys)
        self._stanzas = stanzas
        self._chance = random.Random(11)
        self._round = 0
        # A tool may ask with If-Modified-Since: every state of the archive needs a second of its own.
        self._date = int(time.time()) - 86400
        self.publish()

    def files(self) -> t.List[str]:
        return [_field(stanza, "Filename") for stanza in self._stanzas]

    def renew(self, share: float) -> None:
        """Publish a new version of some packages, as large as the old one."""
        self._round += 1
        for number in self._chance.sample(range(len(self._stanzas)), max(1, int(len(self._stanzas) * share))):
            stanza = self._stanzas[number]
            old = _field(stanza, "Filename")
            content = self._chance.randbytes(int(_field(stanza, "Size")))
            new = {"Filename": f"{old[:-4]}+{self._round}.deb", "Version": f"{_field(stanza, 'Version')}+{self._round}"}
            for field, digest in (("MD5sum", "md5"), ("SHA1", "sha1"), ("SHA256", "sha256"), ("SHA512", "sha512")):
                new[field] = hashlib.new(digest, content).hexdigest()
            for field, value in new.items():
                stanza = re.sub(rf"(?m)^{field}: .*", f"{field}: {value}", stanza)
            self._stanzas[number] = stanza
            (self.root / new["Filename"]).write_bytes(content)
            (self.root / old).unlink()
        self.publish()

    def publish(self) -> None:
        """Write the indices and sign them with a new date."""
        self._date += 1
        text = "".join(f"{stanza}\n\n" for stanza in self._stanzas).encode()
        suite = self.root / "dists" / SUITE
        directory = suite / "main/binary-amd64"
        by_hash = directory / "by-hash/SHA256"
        by_hash.mkdir(parents=True, exist_ok=True)
        found = {"Packages": text, "Packages.gz": gzip.compress(text, 6, mtime=0), "Packages.xz": lzma.compress(text, preset=1)}
        release = _RELEASE.format(date=email.utils.formatdate(self._date, usegmt=True))
        for field, digest in (("MD5Sum", "md5"), ("SHA256", "sha256")):
            release += f"{field}:\n"
            for name, content in found.items():
                release += f" {hashlib.new(digest, content).hexdigest()} {len(content)} main/binary-amd64/{name}\n"
        for name, content in found.items():
            if name != "Packages":  # listed, as Debian's own archive lists it, and not kept
                for path in (directory / name, by_hash / hashlib.sha256(content).hexdigest()):
                    self._place(path, content)
        self._place(suite / "Release", release.encode())
        for name, how in (("InRelease", ["--clearsign"]), ("Release.gpg", ["--detach-sign", "--armor"])):
            self.keys.sign(suite / "Release", how, self.root / "signed")
            self._place(suite / name, (self.root / "signed").read_bytes())

    def _place(self, path: pathlib.Path, content: bytes) -> None:
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
            os.utime(path, (self._date, self._date))


class Repository(Upstream):
    """An rpm repository."""

    kind, head = "rpm", "repodata/repomd.xml"

    def __init__(self, root: pathlib.Path, keys: Keys) -> None:
        super().__init__(root, keys)
        subprocess.run(["createrepo_c", "--quiet", "--no-database", str(root)], check=True, stdout=subprocess.DEVNULL)
        keys.sign(root / "repodata/repomd.xml", ["--detach-sign", "--armor"], root / "repodata/repomd.xml.asc")

    def files(self) -> t.List[str]:
        return sorted(path.name for path in self.root.glob("*.rpm"))


def debs(work: pathlib.Path, keys: Keys, count: int) -> Archive:
    """Real packages of an archive's sizes."""
    root = work / "files/deb"
    packages.make_debs(str(root / "pool/main/b/bench"), count)
    index = subprocess.run(["apt-ftparchive", "packages", "pool"], cwd=root, check=True, stdout=subprocess.PIPE).stdout.decode()
    return Archive(root, keys, index.strip().split("\n\n"))


def large(work: pathlib.Path, keys: Keys, count: int) -> Archive:
    """An index as large as Debian's, over packages of a few bytes."""
    root = work / "files/large"
    root.mkdir(parents=True)
    packages.write_index(root / "index", count)
    stanzas = (root / "index").read_text(encoding="utf-8").strip().split("\n\n")
    for stanza in stanzas:
        path = root / _field(stanza, "Filename")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_field(stanza, "Package"))
    return Archive(root, keys, stanzas)


def rpms(work: pathlib.Path, keys: Keys, count: int) -> Repository:
    """Real packages of an archive's sizes."""
    root = work / "files/rpm"
    packages.make_rpms(str(work), str(root), count, filled=True)
    return Repository(root, keys)


def _field(stanza: str, name: str) -> str:
    match = re.search(rf"(?m)^{name}: (.*)$", stanza)
    if not match:
        raise ValueError(f"no {name} in: {stanza[:80]}")
    return match.group(1)
