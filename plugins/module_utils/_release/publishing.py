# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What may be published where on a day, and if not, why not and who could change that."""

from __future__ import annotations

import datetime
import itertools
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import Milestone, milestones
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import KINDS
from ansible_collections.egi.cmd.plugins.module_utils._release.lifecycle import (
    BEFORE_GA,
    SUPPORTED,
    explained,
    stage_on,
    stages,
)
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import near_miss
from ansible_collections.egi.cmd.plugins.module_utils._release.windows import Window, closed_by, same_until, windows

_FIXES = "security fixes"
_UNTIL_GA: t.Dict[str, str] = {
    "development": "everything",
    "feature_freeze": "everything but new features",
    "soft_code_freeze": "fixes of high and critical importance",
    "hard_code_freeze": "critical fixes",
}
_ON_THE_WAY = {**_UNTIL_GA, "full": "updates and security fixes", "security": _FIXES}
_UNSUPPORTED = dict.fromkeys((*BEFORE_GA, *SUPPORTED, "retiring"), "what its owners put there")
_STAND_INS = dict.fromkeys(SUPPORTED, "packages that stand in for broken ones of the base operating system")
_ACCEPTS: t.Dict[str, t.Dict[str, str]] = {
    "developer": _UNSUPPORTED,
    "holdback": _STAND_INS,
    "base": _UNTIL_GA,
    "updates": {"full": "updates"},
    "security": dict.fromkeys(SUPPORTED, _FIXES),
    "proposed": _ON_THE_WAY,
    "candidate": _ON_THE_WAY,
    "untested": _ON_THE_WAY,
    "contrib": _UNSUPPORTED,
}
"""Kind -> stage -> what it accepts; nothing in a stage that is not there."""

# Windows protect production from releases that can wait. Base before GA and what is on its way are not production yet.
_WINDOW_KINDS = ("updates", "holdback")

Manifest = t.Mapping[str, t.Any]
_DAY = datetime.timedelta(1)


class Answer(t.NamedTuple):
    """Whether a kind of repository accepts packages on a day.

    accepts: what it takes, empty when nothing. since, until: first and last day of this answer, None without end.
    remedy: who or what would allow it, or where to publish instead; empty when it is allowed.
    """

    kind: str
    allowed: bool
    accepts: str
    reason: str
    remedy: str
    since: t.Optional[datetime.date]
    until: t.Optional[datetime.date]


def kinds_of(manifest: Manifest) -> t.List[str]:
    """Return every kind of repository the release has on any platform, in the order of KINDS."""
    blocks = [block[family] for block in (manifest, *manifest["platforms"].values()) for family in ("deb", "rpm") if family in block]
    have = set(manifest["kinds"]).union(*(block.get("kinds", []) for block in blocks))
    return [kind for kind in KINDS if kind in have]


def publishable(manifest: Manifest, day: datetime.date, kinds: t.Optional[t.Sequence[str]] = None) -> t.List[Answer]:
    """Return an answer for each kind of repository of a checked manifest, or for the given ones only. Raises Failure."""
    have = kinds_of(manifest)
    for kind in kinds or ():
        if kind not in have:
            raise Failure(f"say what may be published in {manifest['name']}",
                          f"it has no repositories of kind '{kind}'{near_miss(kind, have)}", f"Name some of {', '.join(have)}")
    return [_answer(manifest, kind, have, day) for kind in kinds or have]


def _answer(manifest: Manifest, kind: str, have: t.Sequence[str], day: datetime.date) -> Answer:
    stage, known = stage_on(manifest, day), milestones(manifest)
    alike = (list(group) for _accepts, group in itertools.groupby(stages(manifest), lambda other: _accepted(kind, have, other.name)))
    same = next(group for group in alike if stage in group)
    accepts, since, until = _accepted(kind, have, stage.name), same[0].since, same[-1].until
    if not accepts:
        reason, remedy = _refusal(kind, have, stage.name, known)
        return Answer(kind, False, "", reason or explained(stage, known), remedy, since, until)
    answer = Answer(kind, True, accepts, explained(stage, known), "", since, until)
    if kind in _WINDOW_KINDS and accepts != _FIXES:
        return _seen_through(windows(manifest), answer, have, day)
    return answer


def _accepted(kind: str, have: t.Sequence[str], stage: str) -> str:
    if _carries_fixes(kind, have):
        return {"full": "updates and security fixes", "security": _FIXES}.get(stage, "")
    return _ACCEPTS[kind].get(stage, "")


def _carries_fixes(kind: str, have: t.Sequence[str]) -> bool:
    """EGI's releases have no security repository: there, security fixes go through updates until their own end."""
    return kind == "updates" and "security" not in have


def _refusal(kind: str, have: t.Sequence[str], stage: str, known: t.Mapping[str, Milestone]) -> t.Tuple[str, str]:
    """Return why a kind accepts nothing in a stage (empty: the stage itself is the reason), and the remedy."""
    if stage == "unknown":
        return "", "State dates.ga in the manifest"
    if stage in BEFORE_GA:
        when = f"on {known['ga'].day}" if "ga" in known else "which has no date yet"
        return (f"it opens with general availability, {when}", "Publish to base until then" if "base" in have else "Wait until then")
    if kind == "base":
        instead = {"full": "updates", "security": "security" if "security" in have else "updates"}.get(stage, "a release that is supported")
        when = f" on {known['ga'].day}" if "ga" in known else ""
        return f"frozen since general availability{when}", f"Publish to {instead}"
    if stage not in SUPPORTED:
        field = "retire_by" if kind in ("contrib", "developer") else "security_until"
        return "", f"Publish to a release that is supported; the release manager could state a later dates.{field}"
    return (f"updates ended on {known['updates_until'].day}",
            "Publish security fixes to security; for anything else the release manager states a later dates.updates_until")


def _seen_through(found: t.Sequence[Window], answer: Answer, have: t.Sequence[str], day: datetime.date) -> Answer:
    """Return an answer that allows, as the no-release windows leave it: shorter, or refused for as long as they last."""
    back, ahead = (same_until(found, answer.kind, day, step) for step in (-1, 1))
    since = max([edge for edge in (answer.since, back) if edge], default=None)
    until = min([edge for edge in (answer.until, ahead) if edge], default=None)
    window = closed_by(found, answer.kind, day)
    if window is None:
        return answer._replace(since=since, until=until)
    reason = f"no releases{f' until {until}' if until else ''}: {window.reason}"
    if _carries_fixes(answer.kind, have):
        return answer._replace(accepts=_FIXES, reason=reason, since=since, until=until)
    wait = f"Wait until {until + _DAY}; the" if until and until != answer.until else "The"
    remedy = f"{wait} release manager could allow {answer.kind} in this window (no_release in the manifest)"
    return Answer(answer.kind, False, "", reason, remedy, since, until)
