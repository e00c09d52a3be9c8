# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The host's own dnf, opened as ``dnf`` itself would open it, and the one rule of which version it would take."""

from __future__ import annotations

import functools
import logging
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

# Nothing of dnf is imported while this file is loaded: apt hosts load it as well, and they have no dnf.


class _Heard(logging.Handler):
    """Keeps what dnf only logs: its exceptions say "all mirrors were tried", its log says why each of them failed."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: t.List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self.lines += [line.strip()[2:] for line in text.splitlines() if line.startswith("  - ")]
        elif text.startswith("loading repo ") and " failure: " in text:
            self.lines.append(text.split(" failure: ", 1)[1])


def _listen() -> _Heard:
    logger = logging.getLogger("dnf")
    for handler in logger.handlers:
        if isinstance(handler, _Heard):
            return handler
    heard = _Heard()
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return heard


def reason(error: t.Any) -> str:
    """Return what dnf says of an error in one line; of a repository that cannot be read, with the causes dnf only logged."""
    import dnf

    text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if not isinstance(error, dnf.exceptions.RepoError):
        return text
    causes = [cause for cause in dict.fromkeys(_listen().lines) if cause not in text]
    return f"{text}: {'; '.join(causes)}" if causes else text


def configured() -> t.Any:
    """Return a ``dnf.Base`` with the host's dnf.conf and variables, silent, without repositories, plugins and sack. Raises Failure."""
    import dnf

    _listen()
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


def opened() -> t.Any:
    """Return configured() with the host's repositories and, like ``dnf``, its plugins. Once per process. Raises Failure."""
    import dnf

    base = configured()
    try:
        base.init_plugins()
        base.pre_configure_plugins()
        base.read_all_repos()
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


def ranked(base: t.Any, packages: t.Iterable[t.Any]) -> t.List[t.Any]:
    """Return available packages of one name, the one that ``dnf distro-sync`` would choose first.

    Measured on dnf 4.14: priority (lower wins) is applied before the version among the candidates of one name.
    """

    def compare(one: t.Any, other: t.Any) -> int:
        return rank(base, one) - rank(base, other) or other.evr_cmp(one)

    return sorted(packages, key=functools.cmp_to_key(compare))


def rank(base: t.Any, package: t.Any) -> int:
    """Return the priority of the repository an available package comes from; lower wins."""
    return base.repos[package.reponame].priority
