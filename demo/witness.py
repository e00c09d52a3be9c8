# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true on a host, asked from its own dpkg, apt, rpm and dnf: never from the collection that is demonstrated."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.hosts import ENTER
from lab.roots import LabError

_CONFIGURATION = ("etc/apt", "etc/dnf", "etc/yum.repos.d", "etc/pki/rpm-gpg")


@dataclass(frozen=True)
class Witness:
    """A throw-away host that can be asked. family: apt or dnf."""

    name: str
    family: str
    root: Path

    @classmethod
    def of(cls, name: str) -> Witness:
        """The host of that name in this lab session."""
        root = Path(os.environ["LAB_STATE"]) / "hosts" / name / "root"
        return cls(name, "dnf" if (root / "etc/redhat-release").exists() else "apt", root)

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command on the host; return its exit status and output."""
        done = subprocess.run([ENTER, self.root, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def packages(self) -> dict[str, str]:
        """Every installed package and its version."""
        query = ("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n") if self.family == "apt" \
            else ("rpm", "-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE} installed\n")
        rows = (line.split() for line in self.run(*query)[1].splitlines())
        return {row[0]: row[1] for row in rows if row[2:] == ["installed"]}

    def version(self, package: str) -> str:
        """The installed version of a package; empty when it is not installed."""
        return self.packages().get(package, "")

    def installed_from(self, package: str) -> tuple[str, str]:
        """The installed version, and the repository that offers it: suite or repository id."""
        if self.family == "apt":
            version = self.version(package)
            rows = (line.split() for line in self.run("apt-cache", "madison", package)[1].splitlines())
            return version, next((row[5].partition("/")[0] for row in rows if row[2] == version), "nowhere")
        query = ("dnf", "-q", "repoquery", "--installed", "--qf", "%{version}-%{release} %{from_repo}", package)
        version, _blank, origin = self.run(*query)[1].strip().partition(" ")
        return version, origin

    def configuration(self) -> str:
        """Digest of every file that tells apt or dnf where packages come from."""
        digest = hashlib.sha256()
        for top in _CONFIGURATION:
            for path in sorted((self.root / top).rglob("*")):
                if path.is_file() and not path.is_symlink():
                    digest.update(f"{path.relative_to(self.root)} {path.stat().st_mode:o} ".encode() + path.read_bytes())
        return digest.hexdigest()

    def state(self) -> tuple[dict[str, str], str]:
        """Packages and configuration: what a roll-back has to bring back."""
        return self.packages(), self.configuration()

    def healthy(self, program: str = "cloud-api") -> bool:
        """Whether a program of the cloud says that it works."""
        return self.run(program, "--check")[0] == 0

    def install(self, package: str) -> None:
        """Install a package as a person would."""
        self._do(f"apt-get -q update && apt-get -q -y install {package}" if self.family == "apt" else f"dnf -q -y --refresh install {package}")

    def upgrade(self) -> None:
        """What a host does by itself every night, and nothing of ours."""
        self._do("apt-get -q update && apt-get -q -y upgrade" if self.family == "apt" else "dnf -q -y --refresh upgrade")

    def _do(self, line: str) -> None:
        status, said = self.run("env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", line)
        if status:
            raise LabError(f"{self.name}: {line} ended with {status}:\n{said}")

    def offered(self, package: str) -> set[str]:
        """Every version the configured repositories offer."""
        if self.family == "apt":
            return {line.split("|")[1].strip() for line in self.run("apt-cache", "madison", package)[1].splitlines()}
        return set(self.run("dnf", "-q", "repoquery", "--qf", "%{version}-%{release}", package)[1].split())

    def in_repository(self, name: str) -> set[str]:
        """The packages one repository has, as the host sees it. name: suite or repository id."""
        if self.family == "dnf":
            return set(self.run("dnf", "-q", "repoquery", "--repoid", name, "--qf", "%{name}")[1].split())
        files = self.run("apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages", f"Suite: {name}")[1].split()
        texts = [self.run("/usr/lib/apt/apt-helper", "cat-file", file)[1] for file in files]
        return {name for text in texts for name in re.findall(r"^Package: (\S+)$", text, re.MULTILINE)}

    def is_higher(self, version: str, other: str) -> bool:
        """Whether dpkg or rpm takes version for higher than other."""
        if self.family == "apt":
            return self.run("dpkg", "--compare-versions", version, "gt", other)[0] == 0
        return self.run("rpm", "--eval", f'%{{lua:print(rpm.vercmp("{version}", "{other}"))}}')[1].strip() == "1"

    def upgrade_would_take(self) -> set[str]:
        """The packages a plain, unattended upgrade would change now."""
        if self.family == "apt":
            return set(re.findall(r"^Inst (\S+)", self.run("apt-get", "-s", "dist-upgrade")[1], re.MULTILINE))
        text = self.run("dnf", "--assumeno", "upgrade")[1]
        return {word[0] for line in text.splitlines() if len(word := line.split()) == 6 and word[1] in ("noarch", "x86_64")}

    def opinion(self, package: str) -> tuple[str, str]:
        """The command a person asks with, and what apt or dnf answers, without the tail nobody reads."""
        command = ["apt-cache", "policy"] if self.family == "apt" else ["dnf", "-q", "list", "--showduplicates"]
        return " ".join([*command, package]), self.run(*command, package)[1]

    def had(self, package: str, version: str) -> bool:
        """Whether the host's own package log says that this version was once brought in."""
        if self.family == "apt":
            log = (self.root / "var/log/dpkg.log").read_text()
            return f"status installed {package}:all {version}\n" in log
        return f"{package}-{version}.noarch" in self.run("dnf", "history", "info", "last")[1]
