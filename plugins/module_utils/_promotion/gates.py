# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The gates: pure functions from what is known about a wish to the excuses that keep it from coming true."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._promotion import gate_reports, gate_versions
from ansible_collections.egi.cmd.plugins.module_utils._promotion.conditions import excuse
from ansible_collections.egi.cmd.plugins.module_utils._promotion.evidence import Evidence
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse
from ansible_collections.egi.cmd.plugins.module_utils._promotion.flow import BEFORE, PUBLISHED, RANKS, circle_of
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import Manifest, kinds
from ansible_collections.egi.cmd.plugins.module_utils._release import publishing, routing, windows
from ansible_collections.egi.cmd.plugins.module_utils._release.lifecycle import BEFORE_GA, stage_on

# What a kind takes when it does not take everything that is meant for it: somebody has to say that the batch is one.
_RESTRICTED = ("security fixes", "critical fixes", "fixes of high and critical importance")

_UNSOLVED = {
    "installable.broken": "cannot be installed", "upgrade.broken": "does not reach hosts by an upgrade",
    "upgrade.removes": "is removed by the upgrade",
}

Gate = t.Callable[[Evidence], t.Iterable[Excuse]]


def excuses(evidence: Evidence) -> t.List[Excuse]:
    """Every condition that is not met, each once. An empty list and promotable mean the same; waivers are not looked at."""
    if evidence.batch.kind == evidence.target:
        return []
    found = [one for gate in _GATES for one in gate(evidence)]
    return list({one.name: one for one in found}.values())


def base_frozen(manifest: Manifest, day: datetime.date) -> bool:
    """Whether base does not change any more: the release is, or was, generally available."""
    stage = stage_on(manifest, day).name
    return stage not in BEFORE_GA and stage != "unknown"


def _order(evidence: Evidence) -> t.Iterator[Excuse]:
    needed = BEFORE[evidence.target]
    if evidence.batch.kind != needed:
        yield excuse("flow.order", "", f"to get to {evidence.target} a batch has to stand in {needed}",
                     f"it stands in {evidence.batch.kind or 'no repository, it was withdrawn'}")
    for platform in sorted({item.platform for item in evidence.batch.items}) if evidence.target in PUBLISHED else ():
        if evidence.target not in kinds(evidence.manifest, platform):
            yield excuse("flow.nowhere", platform, f"{platform} has no repository of kind {evidence.target}", "the release manifest")


def _lifecycle(evidence: Evidence) -> t.Iterator[Excuse]:
    manifest, target, day = evidence.manifest, evidence.target, evidence.day
    if target not in publishing.kinds_of(manifest):
        return  # flow.nowhere says it; a release without a proposed repository has batches in proposed that no reader sees
    answer = publishing.publishable(manifest, day, [target])[0]
    if answer.allowed:
        if target in ("base", "updates") and answer.accepts in _RESTRICTED:
            yield excuse("lifecycle.restricted", str(day), f"{target} takes {answer.accepts} only", answer.reason)
        return
    closed = windows.closed_by(windows.windows(manifest), target, day)
    open_otherwise = publishing.publishable({**manifest, "no_release": []}, day, [target])[0].allowed
    rule = "base-frozen" if target == "base" and base_frozen(manifest, day) else "window" if closed and open_otherwise else "closed"
    yield excuse(f"lifecycle.{rule}", str(day), f"{target} is closed: {answer.reason}", f"{day}; {answer.remedy}")


def _prerequisites(evidence: Evidence) -> t.Iterator[Excuse]:
    circle = circle_of(evidence.desk, evidence.batch.name)
    if circle:
        yield excuse("prerequisite.circle", "", "batches wait for each other", " -> ".join(circle))
    for name in evidence.batch.after:
        other = evidence.desk.batches.get(name)
        if other is None or RANKS.get(other.kind, 0) < RANKS[evidence.target]:
            where = "it is not on the desk" if other is None else f"it stands in {other.kind or 'no repository'}"
            yield excuse("prerequisite.unmet", name, f"batch {name} has to be there first", where)


def _solved(evidence: Evidence) -> t.Iterator[Excuse]:
    for platform in sorted({item.platform for item in evidence.batch.items} - evidence.proven):
        yield excuse("installable.unproven", platform, f"nobody showed the base distribution of {platform}", "option base names none of its indices")
    for one in evidence.unsolved:
        yield excuse(one.rule, f"{one.platform}/{one.package}", f"{one.package} {_UNSOLVED[one.rule]} on {one.platform}", one.reasons)


def _metadata(evidence: Evidence) -> t.Iterator[Excuse]:
    for finding in evidence.findings:
        if finding.severity == "error":
            yield excuse(f"metadata.{finding.rule}", finding.file, f"{finding.file}: {finding.why}", finding.remedy)


def _completeness(evidence: Evidence) -> t.Iterator[Excuse]:
    if evidence.terms.products and evidence.target in PUBLISHED:
        for gap in routing.gaps(evidence.terms.products, evidence.manifest, evidence.terms.product_waivers, evidence.day):
            yield excuse(f"complete.{gap.id}", gap.product, gap.text, f"platforms_required of {evidence.manifest['name']}")


_GATES: t.Tuple[Gate, ...] = (
    _order, _lifecycle, _prerequisites, gate_versions.excuses, _metadata, _solved, gate_versions.masking, gate_reports.excuses, _completeness,
)
