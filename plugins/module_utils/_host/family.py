# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a package manager's family must be able to do for a repository set, and which family a host has."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.audit import Dated, Known
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, Repository

Run = t.Callable[[t.Sequence[str], t.Mapping[str, str]], t.Tuple[int, str, str]]
"""Run a program with additions to the environment; return exit status, stdout, stderr. Given by the module."""

HEADER = "# Managed by egi.cmd repository_set "
"""First line of every text file that is wholly ours, followed by the set's name and a line feed."""


@dataclass(frozen=True)
class File:
    """A file as it must be: bytes and permission bits.

    shown: what a diff prints instead of content, when content is binary or holds a secret.
    """

    content: bytes
    mode: int = 0o644
    shown: t.Optional[str] = None


@dataclass(frozen=True)
class Proof:
    """What an isolated run of the package manager established about a set that is not live yet.

    priorities: repository name -> number its resolver really gives it; disabled repositories are absent.
    prefetched: (staged, live) pairs of verified metadata, files or directories, that go live with the configuration.
    caches: prefixes of live paths that hold metadata of this set's repositories and of nothing else; whatever starts
    with one of them goes when the repository goes.
    locks: files the package manager itself locks (fcntl(2)) while it changes what is to go live.
    """

    priorities: t.Dict[str, int]
    prefetched: t.List[t.Tuple[str, str]] = field(default_factory=list)
    caches: t.List[str] = field(default_factory=list)
    locks: t.List[str] = field(default_factory=list)


@dataclass(frozen=True)
class SourceView:
    """A repository as the host's resolver sees it.

    name: our repository name, or for a foreign one the name its family gives it (dnf: id; apt: origin/suite).
    set: the set it belongs to, '' for a foreign one. priority: the number the resolver uses.
    """

    name: str
    set: str
    priority: int
    location: str
    origin: str = ""
    label: str = ""
    suite: str = ""


@dataclass(frozen=True)
class VersionView:
    """One version of a package that the host could have: version, origin, repository (SourceView.name), priority."""

    version: str
    origin: str
    repository: str
    priority: int


@dataclass(frozen=True)
class PackageView:
    """What the resolver says of one package; installed and candidate are None when there is none."""

    installed: t.Optional[str]
    candidate: t.Optional[str]
    versions: t.List[VersionView]


@dataclass(frozen=True)
class View:
    """The resolver's own answer: its repositories, strongest first, and the packages asked for."""

    repositories: t.List[SourceView]
    packages: t.Dict[str, PackageView]


@dataclass(frozen=True)
class Survey:
    """The resolver's answer about every installed package, for audit.audit(); the view is the one of the packages asked for."""

    view: View
    packages: t.Dict[str, Known]
    dated: Dated


@dataclass(frozen=True)
class Inventory:
    """What a host is told, read without asking the resolver: it takes as long with one available package as with all of a distribution.

    repositories: those of our sets, as (set, repository, location). excludes: (repository, pattern) that hides packages of one
    repository alone. versions: the packages asked for, None where one is not installed.
    """

    repositories: t.List[t.Tuple[str, str, str]]
    excludes: t.List[t.Tuple[str, str]]
    versions: t.Dict[str, t.Optional[str]]


class Family(t.Protocol):
    """One package manager's way to write, prove and read a repository set."""

    name: str
    """apt or dnf."""

    def paths(self, set_name: str) -> t.List[str]:
        """Return the live configuration files that carry this set's names, whether or not they are really ours."""

    def render(self, set_name: str, repositories: t.Sequence[Repository], keys: t.Mapping[str, t.Sequence[Key]]) -> t.Dict[str, File]:
        """Return every file the set consists of, by absolute path. Pure; all other files of paths() are to go.

        keys: repository name -> the certificates that may sign it. Text files start with HEADER.
        """

    def key_path(self, set_name: str, fingerprint: str) -> str:
        """Return where the certificate with this fingerprint lives; render() uses the same place."""

    def prove(self, set_name: str, repositories: t.Sequence[Repository], files: t.Mapping[str, File],
              scratch: str, run: Run, timeout: int) -> Proof:
        """Fetch and verify the set in an isolated root below scratch, as the host would see it once files are live.

        The view includes the host's other repositories and settings; files replace whatever paths() finds.
        timeout: seconds for everything. Raises Failure naming the repository, and leaves the host as it is.
        """

    def distrust(self, leaving: t.Sequence[str], run: Run) -> None:
        """Make the package manager's own database forget the certificates among files that are about to leave. Raises Failure."""

    def view(self, run: Run, packages: t.Sequence[str]) -> View:
        """Return what the host's resolver says now. Raises Failure."""

    def survey(self, run: Run, packages: t.Sequence[str]) -> Survey:
        """Return what the host's resolver says now of packages and of everything that is installed. Raises Failure."""

    def inventory(self, run: Run, packages: t.Sequence[str]) -> Inventory:
        """Return what the host is told, and the installed versions of packages. Raises Failure."""


_DEBIAN, _REDHAT = ("debian", "ubuntu"), ("rhel", "fedora", "centos", "almalinux", "rocky")


def os_release(text: str) -> t.Dict[str, str]:
    """Return the fields of the text of /etc/os-release (os-release(5))."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def family_name(text: str) -> str:
    """Return apt or dnf for the text of /etc/os-release; the distribution decides, since a host may carry both tools.

    Raises Failure for a distribution of neither family.
    """
    values = os_release(text)
    words = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    for word in words:
        if word in _DEBIAN:
            return "apt"
        if word in _REDHAT:
            return "dnf"
    raise Failure("find the host's package manager", f"/etc/os-release says ID={values.get('ID', '?')}, which is neither of Debian's nor of Red Hat's family",
                  "Use a host of one of these families")
