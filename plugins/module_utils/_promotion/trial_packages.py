# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a throw-away root's package manager is told: the commands of apt and dnf, and what they say is installed. Pure text."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files, dnf_files
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File, family_name
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, Repository

Installed = t.Dict[str, str]
"""Package as its manager names it, with the architecture where that matters -> version."""


class Manager(t.Protocol):
    """A package manager in a root. Commands are argument lists."""

    family: str
    """apt or dnf."""
    form: str
    """deb or rpm."""
    sources: t.Tuple[str, ...]
    """Shell patterns of files that name repositories."""
    refresh: t.Sequence[str]
    query: t.Sequence[str]
    """Prints what installed() reads."""

    def render(self, name: str, repositories: t.Sequence[Repository], keys: t.Mapping[str, t.Sequence[Key]]) -> t.Dict[str, File]:
        """The files of a repository set, by path."""

    def key_path(self, name: str, fingerprint: str) -> str:
        """Where render() puts a certificate."""

    def install(self, names: t.Sequence[str]) -> t.List[str]:
        """Install packages by name."""

    def upgrade(self) -> t.List[str]:
        """Do what hosts do to stay current."""

    def pending(self, names: t.Sequence[str]) -> t.List[str]:
        """Bring packages to the versions hosts would take; all without names. For looking only: scripts need not run."""

    def exactly(self, versions: t.Mapping[str, str]) -> t.List[str]:
        """Bring installed packages to these versions, whatever else has to move for it."""

    def without(self, names: t.Sequence[str], held: t.Sequence[str], installed: t.Iterable[str]) -> t.List[str]:
        """Upgrade packages as far as that is possible while the held ones stay as they are. installed: all there are."""

    def can(self, command: t.Sequence[str]) -> t.List[str]:
        """A command that succeeds if the dependencies of what another one asks for can be met, and installs nothing."""

    def installed(self, output: str) -> Installed:
        """What the query printed."""

    def package(self, name: str) -> str:
        """The bare name of an installed package."""


class _Apt(Manager):
    family, form = "apt", "deb"
    sources = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*", "/etc/apt/preferences.d/*")
    refresh = ("apt-get", "-q", "update")
    query = ("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${binary:Package} ${Version}\\n")
    _GET = ("apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-confold")

    def render(self, name: str, repositories: t.Sequence[Repository], keys: t.Mapping[str, t.Sequence[Key]]) -> t.Dict[str, File]:
        return apt_files.render(name, repositories, keys)

    def key_path(self, name: str, fingerprint: str) -> str:
        return apt_files.key_path(name, fingerprint)

    def install(self, names: t.Sequence[str]) -> t.List[str]:
        return [*self._GET, "install", "--", *names]

    def upgrade(self) -> t.List[str]:
        return [*self._GET, "upgrade", "--with-new-pkgs"]

    def pending(self, names: t.Sequence[str]) -> t.List[str]:
        return [*self._GET, "install", "--only-upgrade", "--", *names] if names else self.upgrade()

    def exactly(self, versions: t.Mapping[str, str]) -> t.List[str]:
        # An update that is only possible without another package is none that hosts would take by themselves.
        return [*self._GET, "install", "--no-remove", "--", *(f"{name}={version}" for name, version in versions.items())]

    def without(self, names: t.Sequence[str], held: t.Sequence[str], installed: t.Iterable[str]) -> t.List[str]:  # noqa: ARG002
        # apt-get install fails for a package that needs a held one; upgrade keeps it back, and knows no names.
        kept = [name for name in installed if name not in names]
        return ["/bin/sh", "-c", 'apt-mark -q hold "$@" && exec ' + " ".join(self.upgrade()), "sh", *kept]

    def can(self, command: t.Sequence[str]) -> t.List[str]:
        return [*command[:2], "--download-only", *command[2:]]

    def installed(self, output: str) -> Installed:
        rows = [line.split(" ") for line in output.splitlines()]
        return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] not in ("config-files", "not-installed")}

    def package(self, name: str) -> str:
        return name.partition(":")[0]


class _Dnf(Manager):
    family, form = "dnf", "rpm"
    sources = ("/etc/yum.repos.d/*",)
    refresh = ("dnf", "-q", "-y", "makecache", "--refresh")
    query = ("rpm", "--query", "--all", "--queryformat", "%{NAME}.%{ARCH} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\\n")

    def render(self, name: str, repositories: t.Sequence[Repository], keys: t.Mapping[str, t.Sequence[Key]]) -> t.Dict[str, File]:
        return dnf_files.render(name, repositories, keys)

    def key_path(self, name: str, fingerprint: str) -> str:
        return dnf_files.key_path(name, fingerprint)

    def install(self, names: t.Sequence[str]) -> t.List[str]:
        return ["dnf", "-y", "install", *names]

    def upgrade(self) -> t.List[str]:
        return ["dnf", "-y", "upgrade"]

    def pending(self, names: t.Sequence[str]) -> t.List[str]:
        # A package whose script fails stays as it was, and would not be seen.
        return ["dnf", "-y", "--setopt=tsflags=noscripts", "upgrade", *names]

    def exactly(self, versions: t.Mapping[str, str]) -> t.List[str]:
        # install, not upgrade: that one says nothing and does nothing when dependencies cannot be met.
        return ["dnf", "-y", "install", *(f"{self.package(name)}-{version}.{name.rpartition('.')[2]}" for name, version in versions.items())]

    def without(self, names: t.Sequence[str], held: t.Sequence[str], installed: t.Iterable[str]) -> t.List[str]:  # noqa: ARG002
        excluded = ",".join(map(self.package, held))
        return ["dnf", "-y", "--nobest", f"--exclude={excluded}", "upgrade", *map(self.package, names)]

    def can(self, command: t.Sequence[str]) -> t.List[str]:
        return [*command[:2], "--downloadonly", *command[2:]]

    def installed(self, output: str) -> Installed:
        rows = [line.split(" ") for line in output.splitlines()]
        # rpm keeps the keys it trusts among the packages; of packages that may be there several times the last one is the newest.
        return {row[0]: row[1][2:] if row[1].startswith("0:") else row[1] for row in rows if len(row) == 2 and not row[0].startswith("gpg-pubkey.")}

    def package(self, name: str) -> str:
        return name.rpartition(".")[0]


def manager_of(os_release: str) -> Manager:
    """The package manager of a root with this /etc/os-release. Raises Failure."""
    return _Apt() if family_name(os_release) == "apt" else _Dnf()
