# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the gates look at, read once: the desk, the base distribution, what the solver says, what the packages say of themselves."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import metadata_check
from ansible_collections.egi.cmd.plugins.module_utils._archive.metadata_check import Finding, Policy
from ansible_collections.egi.cmd.plugins.module_utils._promotion import closure
from ansible_collections.egi.cmd.plugins.module_utils._promotion.closure import Offer, Unsolved
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Item
from ansible_collections.egi.cmd.plugins.module_utils._promotion.indices import Repository
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import Manifest, architectures_of
from ansible_collections.egi.cmd.plugins.module_utils._release.routing import Product
from ansible_collections.egi.cmd.plugins.module_utils._release.routing import Waiver as ProductWaiver

Offers = t.Mapping[t.Tuple[str, str], t.Sequence[Offer]]


class Terms(t.NamedTuple):
    """What a release team asks for. adopters: how many have to accept; verification: whether one has to have passed.

    mos_versions: versions keep to the grammar; metadata: what packages say of themselves, None if nobody asks;
    products: with their versions on each platform, empty if nobody asks for completeness.
    """

    adopters: int = 2
    verification: bool = True
    mos_versions: bool = True
    metadata: t.Optional[Policy] = None
    products: t.Tuple[Product, ...] = ()
    product_waivers: t.Tuple[ProductWaiver, ...] = ()


class Evidence(t.NamedTuple):
    """One wish - a batch goes to a kind - and all that is known about it.

    proven: platforms whose base was there to be solved with; offers, previous: by platform and package.
    """

    manifest: Manifest
    day: datetime.date
    desk: Desk
    batch: Batch
    target: str
    terms: Terms
    proven: t.FrozenSet[str] = frozenset()
    offers: Offers = {}
    previous: Offers = {}
    unsolved: t.Tuple[Unsolved, ...] = ()
    findings: t.Tuple[Finding, ...] = ()


def gather(evidence: Evidence, base: t.Sequence[Repository], previous: t.Sequence[Repository], file: t.Callable[[Item], str]) -> Evidence:
    """Evidence with what has to be read and solved for it. base, previous: repositories of the base distribution, and of
    the release before; file: says where an item's bytes are."""
    known = {repository.platform for repository in base}
    proven = frozenset(item.platform for item in evidence.batch.items) & known
    offers: t.Dict[t.Tuple[str, str], t.List[Offer]] = {}
    earlier: t.Dict[t.Tuple[str, str], t.List[Offer]] = {}
    unsolved: t.Dict[Unsolved, None] = {}
    for platform in sorted(proven):
        form = evidence.manifest["platforms"][platform]["format"]
        for architecture in architectures_of(evidence.manifest, platform):
            world = closure.World(form, platform, architecture)
            world.read("base", base)
            world.read("previous", previous)
            world.lay_over(evidence.desk, evidence.batch, evidence.target, file)
            offers.update(world.offers("base"))
            earlier.update(world.offers("previous"))
            unsolved.update(dict.fromkeys(world.judge()))
    return evidence._replace(proven=proven, offers=offers, previous=earlier, unsolved=tuple(unsolved), findings=tuple(_findings(evidence, file)))


def _findings(evidence: Evidence, file: t.Callable[[Item], str]) -> t.Iterator[Finding]:
    policy = evidence.terms.metadata
    for item in evidence.batch.items if policy else ():
        for finding in metadata_check.check_file(file(item), t.cast(Policy, policy))[1]:
            yield finding._replace(file=item.file)
