# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The conditions of a promotion: their ids, who has to act when one is unmet, and whether two people may waive it."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Waiver
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import near_miss
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_rules import RULES as VERSION_RULES

_PACKAGER, _PROVIDER, _MANAGER, _TEAM = "the packager", "the product's provider", "the release manager", "the release team"


class Condition(t.NamedTuple):
    """text: what has to hold; who: has to act when it does not; waivable: by two people."""

    text: str
    who: str
    waivable: bool = True


CONDITIONS: t.Dict[str, Condition] = {
    "flow.order": Condition("A batch goes one step at a time: untested, proposed, then updates, security or base.", _TEAM, False),
    "flow.nowhere": Condition("The release publishes repositories of that kind for every platform of the batch.", _MANAGER, False),
    "lifecycle.base-frozen": Condition("Base does not change any more once the release is generally available.", _TEAM, False),
    "lifecycle.closed": Condition("The release takes that kind of package on that day.", _MANAGER),
    "lifecycle.window": Condition("The day is in no window without releases.", _MANAGER),
    "lifecycle.restricted": Condition("When only fixes of some kind are taken, somebody says that the batch is one.", _MANAGER),
    "version.increasing": Condition("In one repository a package's version only goes up.", _PACKAGER, False),
    "version.above-base": Condition("Updates and security are not below the release's own base.", _PACKAGER),
    "version.outranked": Condition("No other repository that the same hosts use has a higher version.", _PACKAGER),
    "version.no-downgrade": Condition("A version is not below that of the release before.", _PACKAGER),
    "installable.unproven": Condition("The base distribution's indices are there to prove it with.", _TEAM),
    "installable.broken": Condition("Every package can be installed from the base, the overlay and the batch.", _PACKAGER),
    "upgrade.broken": Condition("A host with the version before gets this one by a plain upgrade.", _PACKAGER),
    "upgrade.removes": Condition("That upgrade removes nothing.", _PACKAGER),
    "masking.security": Condition("No package hides a newer one of the base's security repository.", _PACKAGER),
    "report.verification": Condition("The verification passed on these very bytes.", "the verifier"),
    "report.adopters": Condition("Enough early adopters accepted these very bytes.", "the early adopters"),
    "report.rejected": Condition("Nobody's last word on these bytes is a refusal.", _PROVIDER),
    "prerequisite.unmet": Condition("The batches it comes after are there already.", _TEAM),
    "prerequisite.circle": Condition("Batches do not wait for each other in a circle.", _TEAM, False),
}
"""Besides these: ``version.<rule>`` of the version grammar, ``metadata.<rule>`` of package_check, ``complete.<gap>`` of the
completeness of products; a packager or a product's provider has to act on them, and two people may waive them."""

_FAMILIES = {
    "version": Condition("The version keeps to the grammar.", _PACKAGER),
    "metadata": Condition("The package says who made it and from what.", _PACKAGER),
    "complete": Condition("Products are there on all required platforms.", _PROVIDER),
}
_VERSION_IDS = {rule.id for rule in VERSION_RULES}


def condition(rule: str) -> t.Optional[Condition]:
    """The condition with that id, None if there is none."""
    family, _dot, name = rule.partition(".")
    known = bool(name) and (family != "version" or name in _VERSION_IDS)
    return CONDITIONS.get(rule) or (_FAMILIES.get(family) if known else None)


def excuse(rule: str, subject: str, what: str, evidence: str) -> Excuse:
    """An excuse under one of the conditions."""
    found = condition(rule)
    if found is None:
        raise KeyError(rule)
    return Excuse(rule, subject, what, evidence, found.who, found.waivable)


def require_waiver(waiver: Waiver) -> None:
    """Raise Failure unless the waiver is two people's, says why, and is of something that can be waived."""
    action = f"take the waiver of {waiver.excuse!r}"
    found = condition(waiver.excuse.partition(":")[0])
    if found is None:
        raise Failure(action, f"[waiver.unknown] there is no such condition{near_miss(waiver.excuse.partition(':')[0], list(CONDITIONS))}",
                      "Copy the name that egi.cmd.promotion_info shows")
    if not found.waivable:
        raise Failure(action, f"[waiver.impossible] nobody can waive it: {found.text}", f"{found.who[0].upper()}{found.who[1:]} has to act")
    if not person(waiver.by) or not person(waiver.second) or person(waiver.by) == person(waiver.second):
        raise Failure(action, f"[waiver.second] it needs two people, it names {waiver.by!r} and {waiver.second!r}", "Ask somebody else to be the second")
    if not waiver.text.strip():
        raise Failure(action, "[waiver.text] it does not say why", "Write a sentence that will still make sense in a year")


def person(name: str) -> str:
    """A name as it is compared: `` A. Editor`` and ``a. editor`` are one person."""
    return " ".join(name.split()).casefold()
