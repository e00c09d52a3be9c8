# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which packages a hold goes back to: of the versions below the bad range the highest that the base ever offered."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import version_range
from ansible_collections.egi.cmd.plugins.module_utils._promotion.base_history import History, Offer
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Item
from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold import Hold, Problem
from ansible_collections.egi.cmd.plugins.module_utils._promotion.intake import Declared

Histories = t.Mapping[str, t.Sequence[History]]
"""Platform -> the sets of mirrors that are its base."""


def chosen(hold: Hold, formats: t.Mapping[str, str], histories: Histories, given: t.Sequence[Item]) -> t.List[Declared]:
    """The files of the base that a hold needs besides those given. Raises one Failure with every rule that is broken."""
    found: t.List[Declared] = []
    wrong = [Problem("hold.file", f"{item.file} is not of a held package of a platform of the hold") for item in given
             if item.package not in hold.packages or item.platform not in hold.platforms]
    for platform in hold.platforms:
        for package in hold.packages if histories.get(platform) else ():
            here = [item for item in given if (item.platform, item.package) == (platform, package)]
            answer = _of_package(hold, formats[platform], platform, package, histories[platform], here)
            if isinstance(answer, Problem):
                wrong.append(answer)
            else:
                found += answer
        if not histories.get(platform):
            wrong.append(Problem("hold.no-base", f"nobody says where the base of {platform} is"))
    if wrong:
        raise Failure(f"open hold '{hold.name}'", "; ".join(map(str, wrong)), "Correct it and run again; nothing was changed")
    return found


def offered(package: str, histories: t.Sequence[History], form: str) -> t.Optional[str]:
    """The newest version of a package that the base offers now."""
    versions = [offer.version for history in histories for offer in history.now() if offer.package == package]
    return max(versions, key=lambda version: version_range.key(form, version), default=None)


def _of_package(hold: Hold, form: str, platform: str, package: str, histories: t.Sequence[History],
                given: t.Sequence[Item]) -> t.Union[Problem, t.List[Declared]]:
    ever = [offer for history in histories for offer in history.ever() if offer.package == package]
    bad = {offer.version for offer in ever if hold.is_bad(form, offer.version)}
    now = offered(package, histories, form)
    if not ever:
        return Problem("hold.unknown-package", f"no snapshot of the base of {platform} has {package}")
    if not bad:
        return Problem("hold.matches-nothing", f"{hold.bad[form]} matches no {package} that the base of {platform} offers or offered")
    if now is not None and now not in bad:
        return Problem("hold.not-needed", f"the base of {platform} offers {package} {now}, which is not bad")
    lowest = min(version_range.key(form, version) for version in bad)
    if any(version_range.key(form, item.version) >= lowest for item in given):
        return Problem("hold.file", f"{given[0].file} is not below the bad versions of {package} on {platform}")
    if given:
        return []
    below = [offer for offer in ever if version_range.key(form, offer.version) < lowest]
    if not below:
        return Problem("hold.no-proven", f"no snapshot of the base of {platform} has a {package} below {hold.bad[form]}; hand in a file")
    best = max(version_range.key(form, offer.version) for offer in below)
    return _one_of_each([offer for offer in below if version_range.key(form, offer.version) == best])


def _one_of_each(offers: t.Sequence[Offer]) -> t.List[Declared]:
    """Of each architecture the newest snapshot's file."""
    first: t.Dict[str, Offer] = {}
    for offer in offers:
        first.setdefault(offer.architecture, offer)
    return [Declared(offer.path, offer.sha256, offer.platform) for offer in first.values()]
