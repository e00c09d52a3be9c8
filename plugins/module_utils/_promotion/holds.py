# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The life of holds on a desk: opened with a proof, reviewed against what the base offers, lifted; each one pointer switch."""

from __future__ import annotations

import contextlib
import datetime
import functools
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.solver import Build
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import flow, hold_choice, hold_record, hold_review, intake
from ansible_collections.egi.cmd.plugins.module_utils._promotion import hold as holds
from ansible_collections.egi.cmd.plugins.module_utils._promotion.base_history import History
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import WITHDRAWN, Batch, Desk, Item, Move
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk_directory import DeskDirectory
from ansible_collections.egi.cmd.plugins.module_utils._promotion.flow import Actor
from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold import Hold, Problem
from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold_proof import Held, Proof, World, nevra
from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold_record import Record
from ansible_collections.egi.cmd.plugins.module_utils._promotion.intake import Declared
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import EVERYWHERE, Manifest, architectures_of
from ansible_collections.egi.cmd.plugins.module_utils._promotion.publication import Publication
from ansible_collections.egi.cmd.plugins.module_utils._release import publishing
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import EFFECTIVE

_INSTEAD = "Lift it and open one of another name, in one call"


class Base(t.NamedTuple):
    """A set of a mirror on this host that is the base, or part of the base, of a platform."""

    platform: str
    root: str
    set: str


class Setting(t.NamedTuple):
    """What holds are judged by. actor: who asks. tester: runs a product's test; None if it must not run."""

    manifest: Manifest
    day: datetime.date
    base: t.Tuple[Base, ...]
    actor: Actor
    tester: t.Optional[hold_review.Tester] = None

    @property
    def formats(self) -> t.Dict[str, str]:
        """Platform -> deb or rpm."""
        return {name: platform["format"] for name, platform in self.manifest["platforms"].items()}


class Request(t.NamedTuple):
    """What shall be. opened: declarations, each with ``files``; lifted, reviewed: names; verdicts: name -> verdict, words."""

    opened: t.Sequence[t.Mapping[str, t.Any]] = ()
    lifted: t.Sequence[str] = ()
    reviewed: t.Optional[t.Sequence[str]] = None
    verdicts: t.Mapping[str, t.Tuple[str, str]] = {}


class Outcome(t.NamedTuple):
    """before and after; proofs of what was proved; reviews: what was found of each hold that was reviewed."""

    before: Desk
    after: Desk
    proofs: t.Tuple[Proof, ...]
    reviews: t.Tuple[hold_review.Review, ...]


class _Work:
    """One call: the desk as it becomes, and the files it needs that are not on it yet."""

    def __init__(self, directory: DeskDirectory, setting: Setting, desk: Desk) -> None:
        self._directory, self._setting = directory, setting
        self.desk = desk
        self.sources: t.Dict[str, str] = {}
        self.proofs: t.List[Proof] = []
        self.reviews: t.List[hold_review.Review] = []

    def open(self, declarations: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        """Open holds together: a package that depends on another is proved with it."""
        wanted = [(holds.read(data, self._setting.formats, self._setting.day), data.get("files") or ()) for data in declarations]
        known = hold_record.active(self.desk)
        changed = [(hold, files) for hold, files in wanted if hold.name not in known or not _same(known[hold.name].hold, hold)]
        histories = self._histories([hold for hold, _files in changed])
        for hold, files in changed:
            if hold.name in known:
                self._change(known[hold.name], hold)
            else:
                self._require_open(hold)
                self._open(hold, [Declared(one["path"], one["sha256"], one["platform"]) for one in files], histories)
        self._prove(dict.fromkeys(platform for hold, _files in changed for platform in hold.platforms))

    def _require_open(self, hold: Hold) -> None:
        answer = publishing.publishable(self._setting.manifest, self._setting.day, ["holdback"])[0]
        if not answer.allowed:
            raise _refusal(hold, Problem("hold.closed", f"holdback takes nothing on {self._setting.day}: {answer.reason}"), answer.remedy)

    def lift(self, names: t.Iterable[str]) -> None:
        """Take holds out of the repositories; those that are lifted stay so."""
        for name in names:
            record = self._record(name)
            if not record.lifted:
                batch = self.desk.batches[record.hold.batch]
                self.desk = self.desk.moved(batch.name, WITHDRAWN, Move(batch.kind, WITHDRAWN, self._setting.actor.time, self._setting.actor.by, batch.digest))
                self.desk = hold_record.with_record(self.desk, record._replace(lifted=str(self._setting.day), excludes={}))

    def review(self, names: t.Optional[t.Sequence[str]], verdicts: t.Mapping[str, t.Tuple[str, str]]) -> None:
        """Look at what the base offers by now, lift what is good again, and prove anew what stays."""
        known = hold_record.active(self.desk)
        chosen = [self._record(name) for name in dict.fromkeys([*(known if names is None else names), *verdicts])]
        for record in (record for record in chosen if not record.lifted):
            histories = self._histories([record.hold])
            offered = {platform: {package: hold_choice.offered(package, histories.get(platform, ()), self._setting.formats[platform])
                                  for package in record.hold.packages} for platform in record.hold.platforms}
            review, record = hold_review.review(record, offered, self._setting.formats, self._setting.day, verdicts.get(record.hold.name), self._setting.tester)
            self.desk = hold_record.with_record(self.desk, record)
            self.reviews.append(review)
        self.lift(review.hold for review in self.reviews if review.lifts)
        for record in hold_record.active(self.desk).values():
            try:
                self._prove([platform for platform in record.hold.platforms if not any(one.platform == platform for one in self.proofs)])
            except Failure as failure:
                self.reviews.append(hold_review.Review(record.hold.name, False, f"it does not hold any more: {failure.why}", True))

    def _change(self, old: Record, hold: Hold) -> None:
        """Give an open hold other words, another end or another range; what hosts stay on is the same."""
        if (set(old.hold.packages), set(old.hold.platforms)) != (set(hold.packages), set(hold.platforms)):
            raise _refusal(hold, Problem("hold.differs", "it is open with other packages or platforms"), _INSTEAD)
        formats = self._setting.formats
        worse = [version for platform, packages in old.proven.items() for version in packages.values() if hold.is_bad(formats[platform], version)]
        if worse:
            raise _refusal(hold, Problem("hold.differs", f"hosts stay on {worse[0]}, which is in its new range"), _INSTEAD)
        self.desk = hold_record.with_record(self.desk, old._replace(hold=hold._replace(opened=old.hold.opened)))

    def _open(self, hold: Hold, files: t.Sequence[Declared], histories: t.Mapping[str, t.Sequence[History]]) -> None:
        for other in hold_record.active(self.desk).values():
            shared = set(other.hold.packages) & set(hold.packages)
            if shared and set(other.hold.platforms) & set(hold.platforms):
                raise _refusal(hold, Problem("hold.overlap", f"hold '{other.hold.name}' has {', '.join(sorted(shared))}"),
                               "Lift that one in the same call, or widen its range")
        given = self._items(hold, files)
        declared = [*files, *hold_choice.chosen(hold, self._setting.formats, histories, given)]
        batch = Batch(hold.batch, "holdback", self._items(hold, declared))
        old = self.desk.batches.get(batch.name)
        if old and old.digest != batch.digest:
            raise _refusal(hold, Problem("hold.differs", "a hold of that name, which was lifted, had other packages"), "Give it another name")
        self.sources.update({one.sha256: one.path for one in declared})
        self.desk = flow.take(self.desk, batch, self._setting.actor)
        proven: t.Dict[str, t.Dict[str, str]] = {}
        for item in batch.items:
            proven.setdefault(item.platform, {})[item.package] = item.version
        self.desk = hold_record.with_record(self.desk, Record(hold, proven, {}))

    def _items(self, hold: Hold, files: t.Sequence[Declared]) -> t.Tuple[Item, ...]:
        return intake.items(f"open hold '{hold.name}'", files, self._setting.manifest, self.desk, False)

    def _prove(self, platforms: t.Iterable[str]) -> None:
        """Prove all active holds of some platforms, and write down what their hosts have to hide."""
        for platform in platforms:
            active = [record for record in hold_record.active(self.desk).values() if platform in record.hold.platforms]
            histories = self._histories([record.hold for record in active]).get(platform, ())
            hidden: t.Set[Build] = set()
            for architecture in architectures_of(self._setting.manifest, platform):
                held = self._held(platform, architecture, active)
                if held:
                    proof = self._world(platform, architecture, held, histories).prove()
                    self.proofs.append(proof)
                    hidden.update(proof.excludes)
            for record in active:
                builds = sorted({nevra(build) for build in hidden if build.package in record.hold.packages})
                others = {name: value for name, value in record.excludes.items() if name != platform}
                self.desk = hold_record.with_record(self.desk, record._replace(excludes={**others, platform: builds} if builds else others))

    def _held(self, platform: str, architecture: str, records: t.Sequence[Record]) -> t.Dict[str, Held]:
        form = self._setting.formats[platform]
        return {package: Held(package, version, functools.partial(record.hold.is_bad, form)) for record in records
                for package, version in record.proven[platform].items() if self._has(platform, package, architecture)}

    def _world(self, platform: str, architecture: str, held: t.Mapping[str, Held], histories: t.Sequence[History]) -> World:
        world = World(self._setting.formats[platform], platform, architecture, list(held.values()))
        for history in histories:
            before = history.last_without(lambda offer: offer.package in held and held[offer.package].is_bad(offer.version))
            world.read("base", [history.repository(history.current)])
            world.read("previous", [history.repository(before)])
        overlay = [item for kind in EFFECTIVE for item in self.desk.items(kind, platform)]
        for role, items in (("overlay", overlay), ("holdback", self.desk.items("holdback", platform))):
            world.add(role, [self._file(item) for item in items if item.architecture in (architecture, *EVERYWHERE)])
        return world

    def _has(self, platform: str, package: str, architecture: str) -> bool:
        return any(item.package == package and item.architecture in (architecture, *EVERYWHERE) for item in self.desk.items("holdback", platform))

    def _file(self, item: Item) -> str:
        return self.sources.get(item.sha256) or self._directory.file(item)

    def _histories(self, chosen: t.Sequence[Hold]) -> t.Dict[str, t.List[History]]:
        packages = {package for hold in chosen for package in hold.packages}
        platforms = {platform for hold in chosen for platform in hold.platforms}
        found: t.Dict[str, t.List[History]] = {}
        for one in self._setting.base:
            if one.platform in platforms:
                architectures = architectures_of(self._setting.manifest, one.platform)
                found.setdefault(one.platform, []).append(
                    History(one.platform, self._setting.formats[one.platform], architectures, one.root, one.set, packages))
        return found

    def _record(self, name: str) -> Record:
        known = hold_record.records(self.desk)
        if name not in known:
            raise Failure(f"find hold '{name}'", f"[hold.unknown] the desk of {self.desk.release} has no such hold",
                          f"There are: {', '.join(sorted(known)) or 'none'}")
        return known[name]


def run(directory: DeskDirectory, publication: Publication, setting: Setting, request: Request, dry: bool) -> Outcome:
    """Bring about what is asked for; dry: only find out what that would be. Raises Failure with nothing changed."""
    with contextlib.nullcontext() if dry else directory.locked():
        if not dry:
            publication.heal()
            directory.forget_files(directory.load())  # what a run that was killed had brought in
        before = publication.seen()
        work = _Work(directory, setting, before)
        work.lift(request.lifted)  # first: what takes its place may have its packages
        work.open(request.opened)
        if request.reviewed is not None or request.verdicts:
            work.review(request.reviewed or None, request.verdicts)
        after = work.desk if dry else _publish(directory, publication, before, work)
        return Outcome(before, after, tuple(work.proofs), tuple(work.reviews))


def now() -> str:
    """The time a change is written down with."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _publish(directory: DeskDirectory, publication: Publication, before: Desk, work: _Work) -> Desk:
    try:
        for item in work.desk.items("holdback"):
            if item.sha256 in work.sources:
                directory.take(item, work.sources[item.sha256])
        return publication.commit(before, work.desk)
    except (Failure, OSError):
        if directory.pending() is None:
            directory.forget_files(before)
        raise


def _same(one: Hold, other: Hold) -> bool:
    return one == other._replace(opened=one.opened)


def _refusal(hold: Hold, problem: Problem, remedy: str) -> Failure:
    return Failure(f"open hold '{hold.name}'", str(problem), remedy)
