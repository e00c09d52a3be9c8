# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a host's packages are to its release: category, drift, orphans, and what of the base they hide. Pure.

The resolver has sorted the versions and chosen the candidate; nothing is compared here.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

OVERLAY_BANDS = ("developer", "holdback", "overlay")
"""Bands of a set that stand above the operating system."""

DIVERGENT = ("upgraded", "holdback", "forbidden_downgrade")
"""Categories of packages that a release has instead of the base's own."""

CATEGORIES = ("upstream", "specific", *DIVERGENT, "orphan")
FINDINGS = ("forbidden_downgrade", "orphan", "drift", "masked", "masked_security")


@dataclass(frozen=True)
class Offer:
    """One repository that has a version: its name, set ('' for a foreign one), origin, suite, priority, band (policy.band()).

    security: whether it is a security repository, or on dnf whether an advisory calls this version a security fix.
    """

    repository: str
    set: str
    priority: int
    band: str
    origin: str = ""
    suite: str = ""
    security: bool = False

    @property
    def is_overlay(self) -> bool:
        """Whether it is a release's own, and meant to replace what the base has."""
        return bool(self.set) and self.band in OVERLAY_BANDS

    @property
    def is_base(self) -> bool:
        """Whether hosts take it unasked and it is not a release's own."""
        return not self.is_overlay and self.band != "proposed"


@dataclass(frozen=True)
class Version:
    """A version and who offers it, the strongest first; the installed one may be offered by nobody."""

    version: str
    offers: t.Tuple[Offer, ...] = ()

    @property
    def software(self) -> str:
        """The version without its revision or release: what upstream's authors call it, with the epoch."""
        return self.version.rpartition("-")[0] or self.version


@dataclass(frozen=True)
class Known:
    """All the resolver says of a package: versions are the installed one and all offered ones, the newest first.

    held: why the host must keep what it has, '' when it is free.
    """

    installed: t.Optional[str]
    candidate: t.Optional[str]
    versions: t.Tuple[Version, ...]
    held: str = ""


@dataclass(frozen=True)
class Since:
    """Since when something is offered, as a date of evidence; it may be older than that."""

    day: datetime.date
    evidence: str


Dated = t.Callable[[str, str, Offer], t.Optional[Since]]
"""(package, version, offer) -> since when; None when nothing says it."""


@dataclass(frozen=True)
class Masked:
    """A version of the base that is newer than what the host keeps. by: the repository or the hold that hides it."""

    version: str
    repository: str
    suite: str
    security: bool
    by: str
    since: t.Optional[str] = None
    evidence: str = ""
    age_days: t.Optional[int] = None


@dataclass(frozen=True)
class Audited:
    """One package, judged. repository, origin and priority are those of the candidate, or of nothing for an orphan.

    release: the version the overlay has, None for a package it does not have. drift: older, newer or '', against release.
    """

    name: str
    installed: t.Optional[str]
    candidate: t.Optional[str]
    category: str
    repository: str = ""
    origin: str = ""
    priority: t.Optional[int] = None
    held: str = ""
    release: t.Optional[str] = None
    drift: str = ""
    masked: t.List[Masked] = field(default_factory=list)
    findings: t.List[str] = field(default_factory=list)


def audit(packages: t.Mapping[str, Known], stronger: t.Callable[[int, int], bool], dated: Dated, today: datetime.date) -> t.List[Audited]:
    """Return every package, judged, by name; of a masked version also since when it is there."""
    return [_judge(name, known, stronger, dated, today) for name, known in sorted(packages.items())]


def summary(packages: t.Sequence[Audited]) -> t.Dict[str, t.Any]:
    """Return what is counted: packages, categories and divergence of what is installed, findings, and the oldest masked fix."""
    here = [one for one in packages if one.installed is not None]
    ages = [masked.age_days for one in packages for masked in one.masked if masked.security and masked.age_days is not None]
    return {
        "installed": len(here),
        "categories": {category: sum(one.category == category for one in here) for category in CATEGORIES},
        "divergent": sum(one.category in DIVERGENT for one in here),
        "findings": {finding: sum(finding in one.findings for one in packages) for finding in FINDINGS},
        "oldest_masked_security_days": max(ages, default=None),
    }


def _judge(name: str, known: Known, stronger: t.Callable[[int, int], bool], dated: Dated, today: datetime.date) -> Audited:
    release = _release(known, stronger)
    chosen = known.candidate or known.installed
    offer = _offer(known, chosen)
    category = _category(known, chosen, offer, release)
    drift = "" if release is None else _drift(known, release)
    masked = list(_masked(name, known, chosen, offer, dated, today))
    findings = [category] if category in ("forbidden_downgrade", "orphan") else []
    findings += ["drift"] if drift else []
    findings += ["masked"] if masked else []
    findings += ["masked_security"] if any(one.security for one in masked) else []
    shown = offer or Offer("", "", 0, "")
    return Audited(name, known.installed, known.candidate, category, shown.repository, shown.origin, offer.priority if offer else None, known.held,
                   release, drift, masked, findings)


def _release(known: Known, stronger: t.Callable[[int, int], bool]) -> t.Optional[str]:
    """Return the version of the strongest overlay repository that has the package; the newest of equals."""
    best: t.Optional[t.Tuple[int, str]] = None
    for version in known.versions:
        for offer in version.offers:
            if offer.is_overlay and (best is None or stronger(offer.priority, best[0])):
                best = (offer.priority, version.version)
    return best[1] if best else None


def _offer(known: Known, chosen: t.Optional[str]) -> t.Optional[Offer]:
    return next((offer for version in known.versions if version.version == chosen for offer in version.offers), None)


def _position(known: Known, wanted: t.Optional[str]) -> int:
    """Return where a version stands among all, 0 for the newest; behind all others when it is not there."""
    return next((place for place, version in enumerate(known.versions) if version.version == wanted), len(known.versions))


def _category(known: Known, chosen: t.Optional[str], offer: t.Optional[Offer], release: t.Optional[str]) -> str:
    if _is_orphan(known, release):
        return "orphan"
    if offer is None or not offer.is_overlay:
        return "upstream"
    if offer.band == "holdback":
        return "holdback"
    base = [version for version in known.versions if any(one.is_base for one in version.offers)]
    if not base:
        return "specific"
    # The same software is no downgrade: a divergent package is below upstream's revision of it by its scheme.
    mine = known.versions[_position(known, chosen)]
    newer = [version for version in known.versions[:_position(known, chosen)] if version in base and version.software != mine.software]
    return "forbidden_downgrade" if newer else "upgraded"


def _is_orphan(known: Known, release: t.Optional[str]) -> bool:
    """Return whether nobody offers what is installed and nobody is going to replace it."""
    if known.installed is None or release is not None:
        return False
    place = _position(known, known.installed)
    return not any(version.offers for version in known.versions[:place + 1])


def _drift(known: Known, release: str) -> str:
    if known.installed in (None, release):
        return ""
    return "newer" if _position(known, known.installed) < _position(known, release) else "older"


def _masked(name: str, known: Known, chosen: t.Optional[str], offer: t.Optional[Offer], dated: Dated, today: datetime.date) -> t.Iterator[Masked]:
    """Yield every version of the base that is newer than what the host keeps.

    A held package keeps the installed version, any other comes to its candidate.
    """
    held = known.held if known.installed else ""
    kept = known.installed if held else chosen
    if kept is None:
        return
    by = held or (offer.repository if offer and offer.is_overlay else "a setting of the host")
    for version in known.versions[:_position(known, kept)]:
        for one in version.offers:
            if one.is_base:
                since = dated(name, version.version, one)
                age = max(0, (today - since.day).days) if since else None
                yield Masked(version.version, one.repository, one.suite, one.security, by, since.day.isoformat() if since else None,
                             since.evidence if since else "", age)
