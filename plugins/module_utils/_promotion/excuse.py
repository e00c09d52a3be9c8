# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""An excuse: one condition that keeps a batch from being promoted. No excuses and promotable mean the same."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Waiver


class Excuse(t.NamedTuple):
    """rule: stable id, the gate's name first: ``lifecycle.base-frozen``. subject: the package or platform it is about,
    empty for the whole batch. what: the condition that is not met, evidence: what shows it. who: has to act.
    waivable: whether two people may decide to go on all the same.
    """

    rule: str
    subject: str
    what: str
    evidence: str
    who: str
    waivable: bool = True

    @property
    def name(self) -> str:
        """What a waiver names: the rule, and the subject where it has one."""
        return f"{self.rule}:{self.subject}" if self.subject else self.rule

    def __str__(self) -> str:
        return f"[{self.name}] {self.what} ({self.evidence}); to act: {self.who}"


def unmet(excuses: t.Sequence[Excuse], waivers: t.Sequence[Waiver]) -> t.List[Excuse]:
    """The excuses nobody waived. A waiver of an excuse that is not waivable counts for nothing."""
    waived = {waiver.excuse for waiver in waivers}
    return [excuse for excuse in excuses if not (excuse.waivable and excuse.name in waived)]
