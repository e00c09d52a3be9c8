# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One change of a desk: heal, decide, publish. All that is refused is refused before anything is written."""

from __future__ import annotations

import contextlib
import datetime
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import evidence as evidences
from ansible_collections.egi.cmd.plugins.module_utils._promotion import flow, gates, intake
from ansible_collections.egi.cmd.plugins.module_utils._promotion.conditions import require_waiver
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import WITHDRAWN, Desk, Report, Waiver
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk_directory import DeskDirectory
from ansible_collections.egi.cmd.plugins.module_utils._promotion.evidence import Evidence, Terms
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse
from ansible_collections.egi.cmd.plugins.module_utils._promotion.flow import Actor
from ansible_collections.egi.cmd.plugins.module_utils._promotion.indices import Repository
from ansible_collections.egi.cmd.plugins.module_utils._promotion.intake import Declared
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import Manifest
from ansible_collections.egi.cmd.plugins.module_utils._promotion.publication import Publication


class Setting(t.NamedTuple):
    """What a batch is judged by. base, previous: repositories of the base distribution and of the release before."""

    manifest: Manifest
    day: datetime.date
    terms: Terms
    base: t.Tuple[Repository, ...] = ()
    previous: t.Tuple[Repository, ...] = ()


class Request(t.NamedTuple):
    """What shall be. state: taken, promoted, demoted or withdrawn; target: of the last but one and of promoted."""

    batch: str
    state: str
    target: str
    by: str
    files: t.Tuple[Declared, ...] = ()
    after: t.Tuple[str, ...] = ()
    reports: t.Tuple[Report, ...] = ()
    waivers: t.Tuple[Waiver, ...] = ()


class Outcome(t.NamedTuple):
    """before and after; excuses: of a promotion, waived ones too."""

    before: Desk
    after: Desk
    excuses: t.List[Excuse]


def run(directory: DeskDirectory, publication: Publication, setting: Setting, request: Request, dry: bool) -> Outcome:
    """Bring about what is asked for; dry: only find out what that would be. Raises Failure with nothing changed."""
    with contextlib.nullcontext() if dry else directory.locked():
        if not dry:
            publication.heal()
            directory.forget_files(directory.load())  # what a run that was killed had brought in
        before = publication.seen()
        after, excuses = _decided(before, setting, request, directory)
        if not dry:
            after = _done(directory, publication, before, after, request)
        return Outcome(before, after, excuses)


def judge(directory: DeskDirectory, desk: Desk, setting: Setting, batch: str, target: str) -> t.Tuple[Evidence, t.List[Excuse]]:
    """What is known about a batch that is to go to a kind, and the excuses, waived ones too."""
    known = Evidence(setting.manifest, setting.day, desk, flow.batch_of(desk, batch), target, setting.terms)
    if known.batch.kind != target:
        known = evidences.gather(known, setting.base, setting.previous, directory.file)
    return known, gates.excuses(known)


def _decided(desk: Desk, setting: Setting, request: Request, directory: DeskDirectory) -> t.Tuple[Desk, t.List[Excuse]]:
    actor = Actor(request.by, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    name = request.batch
    for waiver in request.waivers:
        require_waiver(waiver)
    if request.state == "taken" and (request.files or name not in desk.batches):
        desk = flow.take(desk, intake.batch(name, request.files, request.after, setting.manifest, desk, setting.terms.mos_versions), actor)
    desk = flow.with_words(desk, name, request.reports, request.waivers)
    excuses: t.List[Excuse] = []
    if request.state == "promoted":
        excuses = judge(directory, desk, setting, name, request.target)[1]
        desk = flow.promote(desk, name, request.target, excuses, actor)
    elif request.state in ("demoted", "withdrawn"):
        target = request.target if request.state == "demoted" else WITHDRAWN
        desk = flow.demote(desk, name, target, gates.base_frozen(setting.manifest, setting.day), actor)
    return desk, excuses


def _done(directory: DeskDirectory, publication: Publication, before: Desk, after: Desk, request: Request) -> Desk:
    places = {declared.sha256: declared.path for declared in request.files}
    try:
        for item in after.batches[request.batch].items:
            if item.sha256 in places:
                directory.take(item, places[item.sha256])
        return publication.commit(before, after)
    except (Failure, OSError):
        if directory.pending() is None:
            directory.forget_files(before)
        raise
