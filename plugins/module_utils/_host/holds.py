# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a host's administrator told the package manager to leave alone, as the files that say it have it."""

from __future__ import annotations

import configparser
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Run

_DNF_CONF = "/etc/dnf/dnf.conf"
_VERSIONLOCK = "/etc/dnf/plugins/versionlock.list"


def holds(family: str, run: Run) -> t.List[str]:
    """Return every hold as a line a person can read, sorted: ``hold cloud-api``, ``exclude kernel*``, ``versionlock ...``. Raises Failure."""
    return sorted(_apt(run) if family == "apt" else [*_excluded(_text(_DNF_CONF)), *_locked(_text(_VERSIONLOCK))])


def _apt(run: Run) -> t.List[str]:
    status, out, err = run(["apt-mark", "showhold"], {"LC_ALL": "C"})
    if status:
        raise Failure("list the packages on hold", (err or out).strip() or f"apt-mark ended with {status}", "Repair the host's apt first")
    return [f"hold {name}" for name in out.split()]


def _excluded(text: str) -> t.List[str]:
    """Return what dnf.conf excludes; dnf(5) has two names for the option and takes blanks, commas and line ends between globs."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise Failure(f"read {_DNF_CONF}", str(error).splitlines()[0], "Correct the file") from None
    values = [parser.get("main", key, fallback=None) or "" for key in ("excludepkgs", "exclude")]
    return [f"exclude {glob}" for value in values for glob in value.replace(",", " ").split()]


def _locked(text: str) -> t.List[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [f"versionlock {line}" for line in lines if line]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""
