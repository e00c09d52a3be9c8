# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Gates of versions: they only go up, keep to the grammar, and hide no newer security fix of the base distribution."""

from __future__ import annotations

import contextlib
import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion.closure import Offer, overlay_kinds
from ansible_collections.egi.cmd.plugins.module_utils._promotion.conditions import excuse
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Item
from ansible_collections.egi.cmd.plugins.module_utils._promotion.evidence import Evidence
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import EVERYWHERE, SOURCES
from ansible_collections.egi.cmd.plugins.module_utils._version import mos, mos_rules
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import scheme


def excuses(evidence: Evidence) -> t.Iterator[Excuse]:
    """Versions that would not reach hosts, or that break a rule of the grammar."""
    for item in evidence.batch.items:
        subject = f"{item.platform}/{item.package}"
        yield from _increasing(evidence, item, subject)
        yield from _above(evidence, item, subject)
        if evidence.terms.mos_versions:
            yield from _grammar(evidence, item, subject)


def masking(evidence: Evidence) -> t.Iterator[Excuse]:
    """Packages of the batch that hide a newer one of the base's security repository."""
    for item in evidence.batch.items:
        found = masked(item, evidence.offers.get((item.platform, item.package), ()), evidence.terms.mos_versions)
        if found:
            age = (evidence.day - datetime.date.fromisoformat(found.day)).days
            yield excuse("masking.security", f"{item.platform}/{item.package}",
                         f"{item.package} {item.version} hides {found.version} of the base's security repository",
                         f"seen in an index of {found.day}, {age} days old")


def masked_of_overlay(evidence: Evidence) -> t.List[t.Dict[str, str]]:
    """Every package that hosts of the target have, or would have, and that hides a newer one; of each the highest version."""
    highest: t.Dict[t.Tuple[str, str], Item] = {}
    for item in (*(item for kind in overlay_kinds(evidence.target) for item in evidence.desk.items(kind)), *evidence.batch.items):
        known = highest.get((item.platform, item.package))
        if item.architecture not in SOURCES and (known is None or scheme(item.format).key(item.version) > scheme(item.format).key(known.version)):
            highest[item.platform, item.package] = item
    found = [(item, masked(item, evidence.offers.get(place, ()), evidence.terms.mos_versions)) for place, item in sorted(highest.items())]
    return [{"platform": item.platform, "package": item.package, "version": item.version, "hidden": offer.version, "day": offer.day}
            for item, offer in found if offer]


def masked(item: Item, offers: t.Sequence[Offer], mos_versions: bool) -> t.Optional[Offer]:
    """The newest security fix of the base that a package was not built from and keeps from hosts, None if there is none.

    What a vendor counts after its own name (``3ubuntu4.2``) is not part of the grammar's versions. When the base's
    ordinary repositories have another build of the same revision, nobody can tell which of the two it was built from: it
    counts as hidden.
    """
    if item.architecture in SOURCES:
        return None
    key = scheme(item.format).key
    ours = _built_from(item, mos_versions)
    for offer in sorted((one for one in offers if one.security), key=lambda one: key(one.version), reverse=True):
        theirs = _stem(item.format, offer.version, mos_versions)
        older_plain = any(not one.security and key(one.version) < key(offer.version) for one in offers)
        if key(theirs) > key(ours) or (key(theirs) == key(ours) and theirs != offer.version and older_plain):
            return offer
    return None


def _built_from(item: Item, mos_versions: bool) -> str:
    if mos_versions:
        with contextlib.suppress(Failure):  # what was taken in before the grammar was asked for may not keep to it
            version = scheme(item.format).parse(item.version)
            return f"{version.versioned_software}-{version.revision}"
    return item.version.rpartition("~")[0] or item.version


def _stem(form: str, version: str, mos_versions: bool) -> str:
    if mos_versions:
        source = scheme(form).divergent(version)
        return f"{source.versioned_software}-{source.revision}"
    return version


def _increasing(evidence: Evidence, item: Item, subject: str) -> t.Iterator[Excuse]:
    key = scheme(item.format).key
    for other in evidence.desk.items(evidence.target, item.platform):
        if _rivals(item, other) and other.sha256 != item.sha256 and key(item.version) <= key(other.version):
            yield excuse("version.increasing", subject, f"{item.package} {item.version} is not above {other.version}", f"{evidence.target} has {other.file}")


def _above(evidence: Evidence, item: Item, subject: str) -> t.Iterator[Excuse]:
    key = scheme(item.format).key
    for kind in overlay_kinds(evidence.target):
        rule = "version.above-base" if kind == "base" else "version.outranked"
        for other in evidence.desk.items(kind, item.platform) if kind != evidence.target else ():
            if _rivals(item, other) and key(item.version) < key(other.version):
                yield excuse(rule, subject, f"{item.package} {item.version} is below {other.version}, so hosts would not take it", f"{kind} has {other.file}")
    earlier = [offer.version for offer in evidence.previous.get((item.platform, item.package), ())]
    if earlier and item.architecture not in SOURCES and key(item.version) < key(max(earlier, key=key)):
        yield excuse("version.no-downgrade", subject, f"{item.package} {item.version} is below {max(earlier, key=key)}", "the release before has that")


def _rivals(item: Item, other: Item) -> bool:
    """Whether a host that could have one could have the other in its place."""
    architectures = {item.architecture, other.architecture}
    meet = len(architectures) == 1 or not architectures.isdisjoint(EVERYWHERE) and architectures.isdisjoint(SOURCES)
    return item.package == other.package and meet


def _grammar(evidence: Evidence, item: Item, subject: str) -> t.Iterator[Excuse]:
    number = str(evidence.manifest["version"])
    context = mos_rules.Context(_upstream(evidence, item), number if mos.RELEASE_NAME.fullmatch(number) else "", evidence.target)
    for problem in mos_rules.problems(item.format, item.version, context):
        yield excuse(f"version.{problem.rule}", subject, f"{item.package} {item.version}: {problem.why}", "docs/mos-versions.md has the rule")


def _upstream(evidence: Evidence, item: Item) -> t.Optional[str]:
    """The base's newest version, empty if it has no such package, None where that is not known."""
    if item.platform not in evidence.proven or item.architecture in SOURCES:
        return None
    offers = evidence.offers.get((item.platform, item.package), ())
    return max((offer.version for offer in offers), key=scheme(item.format).key, default="")
