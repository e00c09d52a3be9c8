# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Reads dnf's own answer: which repositories it uses, with which priority, and what it would install."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import dnf_base, dnf_files
from ansible_collections.egi.cmd.plugins.module_utils._host.family import HEADER, PackageView, SourceView, VersionView, View


def view(packages: t.Sequence[str]) -> View:
    """Return what dnf says now; like dnf, it fetches metadata that is out of date. Raises Failure.

    A candidate is what ``dnf distro-sync <package>`` chooses: of the strongest repository that has the package, the
    newest version. ``dnf upgrade`` chooses the same, unless that would be a downgrade: then it looks at weaker
    repositories, so a priority alone does not hold a package back.
    """
    with asked() as base:
        if packages:
            base.fill_sack()
        return view_of(base, packages)


@contextlib.contextmanager
def asked() -> t.Iterator[t.Any]:
    """Give the host's dnf, see dnf_base.opened(), to be asked; what it complains of is raised as Failure."""
    import dnf

    base = dnf_base.opened()
    try:
        yield base
    except dnf.exceptions.Error as error:
        raise Failure("ask dnf for its packages", dnf_base.reason(error), "Repair what dnf names; 'dnf makecache' shows it too") from error
    finally:
        base.close()


def view_of(base: t.Any, packages: t.Sequence[str]) -> View:
    """Return the view of a dnf whose packages are loaded; without packages they need not be."""
    sources = [_source(one) for one in base.repos.iter_enabled()]
    return View(sorted(sources, key=lambda one: (one.priority, one.name)), {name: _package(base, name) for name in packages})


def set_of(repository: t.Any) -> str:
    """Return the set a repository belongs to: the one its file says it is managed for; '' for a foreign one."""
    try:
        with open(repository.repofile, encoding="utf-8", errors="replace") as handle:
            first = handle.readline().rstrip("\n")
    except OSError:
        return ""
    set_name = first[len(HEADER):] if first.startswith(HEADER) else ""
    return set_name if repository.repofile == dnf_files.repo_path(set_name) else ""


def _source(repository: t.Any) -> SourceView:
    location = next(iter(repository.baseurl), "") or repository.metalink or repository.mirrorlist or ""
    return SourceView(repository.id, set_of(repository), repository.priority, location)


def _package(base: t.Any, name: str) -> PackageView:
    query = base.sack.query().filter(name=name)
    available = [package for package in query.available() if dnf_base.key_of(base, package) == name and package.arch not in ("src", "nosrc")]
    # Of a kernel several versions may be installed; packages sort by version.
    installed = sorted(query.installed())
    ranked = dnf_base.ranked(base, available)
    return PackageView(
        installed[-1].evr if installed else None,
        ranked[0].evr if ranked else None,
        [VersionView(package.evr, package.reponame, package.reponame, dnf_base.rank(base, package)) for package in ranked],
    )
