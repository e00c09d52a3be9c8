# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The host's own dnf, opened as ``dnf`` itself would open it, and the one rule of which version it would take."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

# Nothing of dnf is imported while this file is loaded: apt hosts load it as well, and they have no dnf.


def configured() -> t.Any:
    """Return a ``dnf.Base`` with the host's dnf.conf and variables, silent, without repositories, plugins and sack. Raises Failure."""
    import dnf

    conf = dnf.conf.Conf()
    try:
        conf.read()
    except dnf.exceptions.ConfigError as error:
        raise Failure("read the host's dnf configuration", str(error), f"Correct {conf.config_file_path}") from error
    conf.substitutions.update_from_etc(conf.installroot, varsdir=conf.varsdir)
    # dnf.Base() would store None for a host whose rpm database names no release, and fail with a TypeError later.
    release = conf.substitutions.get("releasever") or dnf.rpm.detect_releasever(conf.installroot)
    if release:
        conf.substitutions["releasever"] = release
    conf.debuglevel, conf.errorlevel = 0, 0
    conf.assumeyes = True
    # dnf would wait for another process for ever; callers wait for as long as they were told.
    conf.exit_on_lock = True
    return dnf.Base(conf)


def opened(plugins: bool = True) -> t.Any:
    """Return configured() with the host's repositories and, like ``dnf``, its plugins. Raises Failure."""
    import dnf

    base = configured()
    try:
        if plugins:
            base.init_plugins()
            base.pre_configure_plugins()
        base.read_all_repos()
        if plugins:
            base.configure_plugins()
    except dnf.exceptions.Error as error:
        base.close()
        raise Failure("read the host's dnf repositories", str(error), "Correct the file it names in /etc/yum.repos.d") from error
    return base


def native(base: t.Any, arch: str) -> bool:
    """Return whether packages of an rpm architecture belong to the host's own (noarch included)."""
    import dnf

    return arch == "noarch" or dnf.rpm.basearch(arch) == base.conf.basearch


def key_of(base: t.Any, package: t.Any) -> str:
    """Return how records and results call a package: its name, or ``name.arch`` for a foreign architecture."""
    return package.name if native(base, package.arch) else f"{package.name}.{package.arch}"


def best(base: t.Any, packages: t.Iterable[t.Any]) -> t.Optional[t.Any]:
    """Return the package that ``dnf distro-sync`` would choose: the strongest repository's newest. None for none.

    Measured on dnf 4.14: priority (lower wins) is applied before the version among the candidates of one name.
    """

    def compare(one: t.Any, other: t.Any) -> int:
        ranks = rank(base, one), rank(base, other)
        return ranks[1] - ranks[0] if ranks[0] != ranks[1] else one.evr_cmp(other)

    return max(packages, key=functools.cmp_to_key(compare), default=None)


def rank(base: t.Any, package: t.Any) -> int:
    """Return the priority of the repository an available package comes from; lower wins."""
    return base.repos[package.reponame].priority
