# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that make trouble, built as deb and rpm on the repository host and published in two signed repositories.

os       what stands for the operating system: library 1.0 and 1.1, tools 1.0 and 1.1, fragile 1.0
release  what stands for the release; each of its packages has one peculiarity, see RELEASE
"""

from __future__ import annotations

import shutil
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

import archive

URL = "http://repo.demo.example/trouble"
_SITE = "srv/repository/trouble"
_BUILD = "root/trouble"


@dataclass(frozen=True)
class Package:
    """One package, the same for both formats, architecture all or noarch.

    script: run while it is installed; shell for deb (at its moment), Lua for rpm (%pre), since the throw-away rpm hosts have
    no package that provides a shell. signed: whether the rpm itself carries a signature.
    """

    name: str
    version: str
    depends: str = ""
    conflicts: str = ""
    script: t.Tuple[str, str] = ("", "")
    signed: bool = True
    moment: str = "postinst"


_FAILS = ("echo 'cannot migrate the database' >&2; exit 3", "print('cannot migrate the database') error('it failed')")
# Takes a minute the first time, so that there is a moment to kill it in.
_SLOW = ("[ -e /tmp/slow ] || { touch /tmp/slow; sleep 60; }",
         "if not posix.stat('/tmp/slow') then io.open('/tmp/slow', 'w'):close() posix.sleep(60) end")
OS = (Package("library", "1.0"), Package("library", "1.1"), Package("tools", "1.0"), Package("tools", "1.1"), Package("fragile", "1.0"), Package("slow", "1.0"))
RELEASE = (
    Package("service", "2.0", depends="library (>= 1.1)"),
    Package("clash", "2.0", conflicts="tools"),
    Package("backward", "2.0", depends="library (= 1.0)"),
    Package("fragile", "2.0", script=_FAILS),
    Package("slow", "2.0", script=_SLOW),
    Package("early", "2.0", script=_SLOW, moment="preinst"),
    Package("unsigned", "2.0", signed=False),
)


class Site:
    """The two repositories on the repository host; fingerprint and key of the one key that signed everything."""

    def __init__(self, root: Path) -> None:
        self.root, self.signer = root, archive.Signer(root)
        self.fingerprint, self.key = self.signer.key("trouble")
        for name, packages in (("os", OS), ("release", RELEASE)):
            for package in packages:
                self._build_deb(package, name)
                self._build_rpm(package, name)
            self.publish(name)

    def publish(self, name: str, without: str = "") -> None:
        """Write and sign the index of a repository; without: a package file name's start to leave out, as if it had been removed."""
        listing = self._run(f"cd /{_SITE} && dpkg-scanpackages --multiversion pool/{name} 2>/dev/null")
        stanzas = [stanza for stanza in listing.split("\n\n") if not without or f"/{without}" not in stanza]
        archive.publish(self.root / _SITE / "dists", name, self.signer, self.fingerprint, packages="\n\n".join(stanzas) + "\n")
        exclude = f"--excludes '{without.replace('_', '-')}*'" if without else ""
        self._run(f"cd /{_SITE}/rpm/{name} && createrepo_c --quiet {exclude} . && rm -f repodata/repomd.xml.asc && "
                  f"gpg --homedir /root/keyring --batch --quiet --local-user {self.fingerprint} --armor --detach-sign repodata/repomd.xml")

    def end(self) -> None:
        """End the agent gpg started."""
        self.signer.end()

    def _run(self, script: str) -> str:
        done = subprocess.run(["chroot", str(self.root), "sh", "-ec", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{script}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def _build_deb(self, package: Package, name: str) -> None:
        tree = self.root / _BUILD / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        (tree / "DEBIAN").mkdir(parents=True)
        relations = [f"{field}: {value}\n" for field, value in (("Depends", package.depends), ("Conflicts", package.conflicts)) if value]
        (tree / "DEBIAN/control").write_text(
            f"Package: {package.name}\nVersion: {package.version}-1\nArchitecture: all\n"
            f"Maintainer: Example Maintainers <maintainers@example.org>\n{''.join(relations)}Description: invented package of a test\n")
        if package.script[0]:
            (tree / "DEBIAN" / package.moment).write_text(f"#!/bin/sh\n{package.script[0]}\n")
            (tree / "DEBIAN" / package.moment).chmod(0o755)
        self._run(f"mkdir -p /{_SITE}/pool/{name}; dpkg-deb --root-owner-group --build /{_BUILD}/tree /{_SITE}/pool/{name}")

    def _build_rpm(self, package: Package, name: str) -> None:
        def plain(relation: str) -> str:
            return relation.replace("(", "").replace(")", "")

        lines = [f"Name: {package.name}", f"Version: {package.version}", "Release: 1", "Summary: x", "License: x", "BuildArch: noarch", "AutoReqProv: no"]
        lines += [f"Requires: {plain(package.depends)}-1" if "=" in package.depends else f"Requires: {package.depends}"] if package.depends else []
        lines += [f"Conflicts: {package.conflicts}"] if package.conflicts else []
        lines += ["%description", "Invented package of a test.", "%files"]
        lines += ["%pre -p <lua>", package.script[1]] if package.script[1] else []
        (self.root / _BUILD / "package.spec").write_text("\n".join(lines) + "\n")
        place = f"/{_SITE}/rpm/{name}"
        file = f"{place}/noarch/{package.name}-{package.version}-1.noarch.rpm"
        sign = f"rpmsign --define '__gpg /usr/bin/gpg' --define '_gpg_path /root/keyring' --define '_gpg_name {self.fingerprint}' --addsign {file}"
        self._run(f"mkdir -p {place}; rpmbuild --quiet -bb --define '_topdir /{_BUILD}/rpm' --define '_rpmdir {place}' /{_BUILD}/package.spec"
                  + (f"; {sign} >/dev/null 2>&1" if package.signed else ""))
