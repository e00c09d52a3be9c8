# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What ``apt-cache policy`` says, read: the resolver's own answer about sources, versions and candidates. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

# apt-cache(8), "policy", in the C locale. A source line is "<priority> <uri> <suite>/<component> <arch> Packages"; the
# same words name the same index in the answer for all sources and in a package's version table.
_NAME = re.compile(r"(\S+):$")
_INSTALLED = re.compile(r"  Installed: (.+)$")
_CANDIDATE = re.compile(r"  Candidate: (.+)$")
_VERSION = re.compile(r" (?:\*\*\*|   ) (\S+) (-?\d+)(?: \(phased \d+%\))?$")
_SOURCE = re.compile(r" *(-?\d+) (\S.*)$")
_RELEASE = re.compile(r"     release (.*)$")
_NONE = "(none)"

STATUS_FILE = "/var/lib/dpkg/status"
"""The source that every installed version has; nothing can be fetched from it."""


@dataclass(frozen=True)
class Source:
    """One index file apt knows: uri without trailing slash, suite as in sources (its directory below dists/)."""

    uri: str
    suite: str
    component: str
    architecture: str

    @classmethod
    def read(cls, words: str) -> t.Optional[Source]:
        """Return the source that a policy line names; None for dpkg's status file and for flat repositories."""
        parts = words.split()
        if len(parts) != 4 or "/" not in parts[1]:
            return None
        suite, component = parts[1].rsplit("/", 1)
        return cls(parts[0].rstrip("/"), suite, component, parts[2])


@dataclass(frozen=True)
class Version:
    """One version of a package: its priority, and the (priority, source words) of each index that lists it."""

    version: str
    priority: int
    sources: t.Tuple[t.Tuple[int, str], ...]


@dataclass(frozen=True)
class Policy:
    """What apt would do with one package; installed and candidate are None for ``(none)``."""

    installed: t.Optional[str]
    candidate: t.Optional[str]
    versions: t.Tuple[Version, ...]


def packages(text: str) -> t.Dict[str, Policy]:
    """Return the answer of ``apt-cache policy <package>...``: package -> policy; a package apt never heard of is missing."""
    found: t.Dict[str, Policy] = {}
    for block in re.split(r"(?m)^(?=\S)", text):
        lines = block.splitlines()
        name = _NAME.match(lines[0]) if lines else None
        if name:
            found[name.group(1)] = _policy(lines[1:])
    return found


def _policy(lines: t.Sequence[str]) -> Policy:
    installed = candidate = None
    versions: t.List[Version] = []
    for line in lines:
        if _INSTALLED.match(line):
            installed = _value(line)
        elif _CANDIDATE.match(line):
            candidate = _value(line)
        elif _VERSION.match(line):
            version, priority = t.cast("t.Match[str]", _VERSION.match(line)).groups()
            versions.append(Version(version, int(priority), ()))
        elif versions and _SOURCE.match(line):
            number, words = t.cast("t.Match[str]", _SOURCE.match(line)).groups()
            last = versions[-1]
            versions[-1] = Version(last.version, last.priority, (*last.sources, (int(number), words)))
    return Policy(installed, candidate, tuple(versions))


def _value(line: str) -> t.Optional[str]:
    value = line.split(": ", 1)[1]
    return None if value == _NONE else value


def sources(text: str) -> t.Dict[str, t.Tuple[int, t.Dict[str, str]]]:
    """Return the answer of ``apt-cache policy`` alone: source words -> priority and release fields.

    Fields by apt's own letters (apt_preferences(5)): o origin, l label, a suite ("archive"), n codename, c component, b architecture.
    """
    found: t.Dict[str, t.Tuple[int, t.Dict[str, str]]] = {}
    words = ""
    for line in text.splitlines():
        release = _RELEASE.match(line)
        source = _SOURCE.match(line)
        if release and words:
            pairs = (field.split("=", 1) for field in re.split(r",(?=[a-z]=)", release.group(1)) if "=" in field)
            found[words] = (found[words][0], dict(pairs))
        elif source:  # four digits leave no blank before them
            words = source.group(2)
            found[words] = (int(source.group(1)), {})
        elif not line.startswith(" "):
            words = ""
    return found
