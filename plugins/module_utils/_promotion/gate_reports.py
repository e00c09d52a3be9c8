# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Gates of reports: what people found about exactly these bytes. The last word of each person counts."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._promotion.conditions import excuse, person
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Report
from ansible_collections.egi.cmd.plugins.module_utils._promotion.evidence import Evidence
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse
from ansible_collections.egi.cmd.plugins.module_utils._promotion.flow import PUBLISHED

_ACCEPTS = ("pass", "warn")


def excuses(evidence: Evidence) -> t.Iterator[Excuse]:
    """What is missing among the reports before a batch reaches all hosts."""
    if evidence.target not in PUBLISHED:
        return
    said = _last_words(evidence.batch)
    other = sum(report.digest != evidence.batch.digest for report in evidence.batch.reports)
    aside = f"; {other} reports are about other bytes" if other else ""
    for report in said:
        if report.verdict == "fail":
            yield excuse("report.rejected", person(report.by), f"{report.by} refused it ({report.kind})",
                         f"{report.day}: {report.text or report.link or 'no words'}")
    accepted = {kind: [report for report in said if report.kind == kind and report.verdict in _ACCEPTS] for kind in ("verification", "adopter")}
    if evidence.terms.verification and not accepted["verification"]:
        yield excuse("report.verification", "", "no verification of these bytes passed", f"digest {evidence.batch.digest}{aside}")
    count = len(accepted["adopter"])
    if count < evidence.terms.adopters:
        yield excuse("report.adopters", "", f"{count} of {evidence.terms.adopters} early adopters accepted these bytes",
                     f"digest {evidence.batch.digest}{aside}")


def _last_words(batch: Batch) -> t.List[Report]:
    """The last report of each kind and person on these bytes, in the order in which they came; inconclusive says nothing."""
    last: t.Dict[t.Tuple[str, str], Report] = {}
    for report in batch.reports:
        if report.digest == batch.digest and report.verdict != "inconclusive":
            last[report.kind, person(report.by)] = report
    return list(last.values())
