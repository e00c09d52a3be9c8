# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes at a desk for tests: a batch that may go on, and what spoils that."""

from __future__ import annotations

import datetime
import hashlib
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Item, Report
from ansible_collections.egi.cmd.plugins.module_utils._promotion.evidence import Evidence, Terms
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import living

DAY = datetime.date(2026, 11, 19)  # a Thursday, after GA


def item(version: str = "2.2-1~d12+mos1", package: str = "cloud-api", platform: str = "bookworm", **changes: t.Any) -> Item:
    form, end = ("deb", "all.deb") if platform == "bookworm" else ("rpm", "noarch.rpm")
    architecture = "all" if form == "deb" else "noarch"
    sha256 = hashlib.sha256(f"{version} {package} {platform}".encode()).hexdigest()
    return Item(f"{package}_{version}_{end}", form, platform, package, version, architecture, package, 1000, sha256)._replace(**changes)


def accepted(batch: Batch) -> Batch:
    """The batch with all reports the usual terms ask for."""
    said = [Report("verification", "pass", "V. Verifier", str(DAY), batch.digest)]
    said += [Report("adopter", "pass", f"{name}. Adopter", str(DAY), batch.digest) for name in "AB"]
    return batch._replace(reports=tuple(said))


def wish(*others: Batch, target: str = "updates", batch: t.Optional[Batch] = None, **changes: t.Any) -> Evidence:
    """A wish that nothing stands in the way of, but for changes. others: further batches on the desk."""
    batch = batch or accepted(Batch("wanted", "untested" if target == "proposed" else "proposed", (item(), item("2.2-1.el9~mos1", platform="el9"))))
    desk = Desk("example-1", {one.name: one for one in (batch, *others)})
    platforms = frozenset(one.platform for one in batch.items)
    return Evidence(living(), DAY, desk, batch, target, Terms(), platforms)._replace(**changes)
