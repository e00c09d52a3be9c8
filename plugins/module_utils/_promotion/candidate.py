# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which version of a package a host would choose, worked out from priorities alone: for hosts that are not there to be asked.

A host that can be asked is asked (``_host``). What is said here was compared with real apt and dnf on
thousands of generated situations (tests/exact/candidate.py), not taken from their manuals.
"""

from __future__ import annotations

import fnmatch
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._version import deb, rpm

# apt's priorities of a source nobody pinned, by what its Release file says (apt_preferences(5)); of dpkg's status file.
_ORDINARY, _BY_HAND_THEN_UPGRADED, _BY_HAND = 500, 100, 1
_STATUS_FILE = 100
_MAY_DOWNGRADE = 1000  # and more
_DEFAULT_RELEASE = 990


@dataclass(frozen=True)
class Suite:
    """One index of apt by its Release file. fields: apt's letters (a suite, n codename, o origin, l label, c component, v version)."""

    fields: t.Mapping[str, str]
    site: str = ""
    not_automatic: bool = False
    automatic_upgrades: bool = False


@dataclass(frozen=True)
class Pin:
    """One record of apt_preferences(5). packages: names and globs, ``*`` alone for the general form. kind: release, version or origin.

    value: what follows the kind: ``a=x,o=y``, or a word that is a suite's name or codename; a glob of versions; a host's name.
    """

    packages: t.Tuple[str, ...]
    kind: str
    value: str
    priority: int

    @property
    def general(self) -> bool:
        """Whether the record ranks sources, not packages."""
        return self.packages == ("*",)


class AptPolicy:
    """apt's ranking of some suites under some records, in the order apt reads them."""

    def __init__(self, suites: t.Mapping[str, Suite], pins: t.Sequence[Pin], default_release: str = "") -> None:
        self._suites = suites
        self._pins = [pin for pin in pins if not pin.general]
        general = [pin for pin in pins if pin.general]
        if default_release:  # it stands before every record, so it overrides the general ones and not the specific
            general.insert(0, Pin(("*",), "release", default_release, _DEFAULT_RELEASE))
        self.priorities = {name: _of_suite(suite, general) for name, suite in suites.items()}

    def priority(self, package: str, version: str, sources: t.Collection[str], installed: bool) -> int:
        """The priority of one version. sources: the suites that have it; installed: it is the one dpkg has."""
        for pin in self._pins:
            if any(fnmatch.fnmatchcase(package, pattern) for pattern in pin.packages) and self._pinned(pin, version, sources):
                return pin.priority
        return max([*(self.priorities[source] for source in sources), *([_STATUS_FILE] if installed else [])], default=0)

    def candidate(self, package: str, versions: t.Mapping[str, t.Collection[str]], installed: t.Optional[str] = None) -> t.Optional[str]:
        """What apt would install. versions: version -> the suites that have it."""
        known = {**versions, **({installed: versions.get(installed, ())} if installed else {})}
        best: t.Tuple[t.Optional[str], int] = (None, 0)
        for version in sorted(known, key=deb.key, reverse=True):
            priority = self.priority(package, version, known[version], version == installed)
            lower = installed is not None and deb.key(version) < deb.key(installed)
            if priority > best[1] and not (lower and priority < _MAY_DOWNGRADE):
                best = (version, priority)
        return best[0]

    def _pinned(self, pin: Pin, version: str, sources: t.Collection[str]) -> bool:
        if pin.kind == "version":
            return _fits_version(version, pin.value)
        return any(_matches(pin, self._suites[source]) for source in sources)


def _fits_version(version: str, wanted: str) -> bool:
    """apt takes a star at the end for "begins with", letters of any case, and looks at the rest as a glob only after that:
    ``2.0*`` is a prefix, and ``*mos*`` fits only what ends in "mos"."""
    prefix = wanted[:-1] if wanted.endswith("*") else wanted
    same = version[:len(prefix)].lower() == prefix.lower() and (prefix != wanted or len(version) == len(prefix))
    return same or fnmatch.fnmatchcase(version, prefix)


def _of_suite(suite: Suite, general: t.Sequence[Pin]) -> int:
    """The first general record that fits decides; the manual's "maximum of all" is not what apt does."""
    for pin in general:
        if _matches(pin, suite):
            return pin.priority
    if not suite.not_automatic:
        return _ORDINARY
    return _BY_HAND_THEN_UPGRADED if suite.automatic_upgrades else _BY_HAND


def _matches(pin: Pin, suite: Suite) -> bool:
    if pin.kind == "origin":
        return fnmatch.fnmatchcase(suite.site, pin.value.strip('"'))
    if pin.kind != "release":
        return False
    if "=" not in pin.value:
        return any(fnmatch.fnmatchcase(suite.fields.get(letter, ""), pin.value) for letter in "an")
    wanted = [part.strip().partition("=") for part in pin.value.split(",")]
    return all(fnmatch.fnmatchcase(suite.fields.get(name, ""), glob) for name, _equals, glob in wanted)


@dataclass(frozen=True)
class Offer:
    """One build of one package in an enabled repository of dnf, not excluded. priority: the repository's, lower wins."""

    evr: str
    priority: int


def dnf_sync(offers: t.Sequence[Offer]) -> t.Optional[str]:
    """What ``dnf distro-sync PACKAGE`` and ``dnf install PACKAGE`` choose: of the strongest repository the highest version."""
    return _strongest(offers)


def dnf_upgrade(offers: t.Sequence[Offer], installed: str) -> str:
    """What ``dnf upgrade PACKAGE`` leaves on a host: it looks only at what is not lower, and only then at the priority.

    So a lower build at a better priority holds nothing, and the very build the host has, offered at a better priority,
    holds it (measured on dnf 4.14).
    """
    return _strongest([one for one in offers if rpm.key(one.evr) >= rpm.key(installed)]) or installed


def _strongest(offers: t.Sequence[Offer]) -> t.Optional[str]:
    best = min((one.priority for one in offers), default=0)
    return max((one.evr for one in offers if one.priority == best), key=rpm.key, default=None)
