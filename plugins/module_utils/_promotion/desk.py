# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The release team's desk as data: batches of packages, which kind of repository each stands in, and what was said of it.

A repository holds the items of all batches that stand in its kind. So promoting a batch, taking it back and lifting a
hold change one word, and the bytes that were tested are the bytes that move.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

SCHEMA = 1
WITHDRAWN = ""  # the kind of a batch that stands in no repository any more


class Item(t.NamedTuple):
    """One package file. file: its name in the pool. platform: of the manifest. source: its source package. size: bytes."""

    file: str
    format: str  # deb | rpm
    platform: str
    package: str
    version: str
    architecture: str
    source: str
    size: int
    sha256: str


class Report(t.NamedTuple):
    """What somebody found about a batch. digest: of the batch they looked at; a report on other bytes counts for nothing.

    kind: verification | adopter | system-test. verdict: pass | warn | fail | inconclusive. day: YYYY-MM-DD.
    """

    kind: str
    verdict: str
    by: str
    day: str
    digest: str
    text: str = ""
    link: str = ""


class Waiver(t.NamedTuple):
    """Two people's decision to go on although a condition is unmet. excuse: its id; by, second: two different names."""

    excuse: str
    by: str
    second: str
    text: str
    day: str


class Move(t.NamedTuple):
    """One change of place. time: UTC, ISO 8601; waived: ids of the excuses that were waived for it."""

    origin: str
    target: str
    time: str
    by: str
    digest: str
    waived: t.Tuple[str, ...] = ()


class Batch(t.NamedTuple):
    """Packages that move together. kind: where they stand, WITHDRAWN for nowhere. after: batches that have to be there first."""

    name: str
    kind: str
    items: t.Tuple[Item, ...]
    after: t.Tuple[str, ...] = ()
    reports: t.Tuple[Report, ...] = ()
    waivers: t.Tuple[Waiver, ...] = ()
    history: t.Tuple[Move, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over its files, in any order: what was tested is what is promoted if and only if these agree."""
        return hashlib.sha256("\n".join(sorted(f"{item.platform} {item.file} {item.sha256}" for item in self.items)).encode()).hexdigest()


class Desk(t.NamedTuple):
    """A whole desk. generation: the mirror generation that shows this state to readers, empty before the first.
    holds: by name, as ``hold_record`` writes them."""

    release: str
    batches: t.Mapping[str, Batch]
    generation: str = ""
    holds: t.Mapping[str, t.Mapping[str, t.Any]] = {}

    def items(self, kind: str, platform: t.Optional[str] = None) -> t.List[Item]:
        """What stands in a kind, of one platform or of all, each file once."""
        found = {(item.platform, item.file): item for batch in self.batches.values() if batch.kind == kind for item in batch.items}
        return [item for _place, item in sorted(found.items()) if platform in (None, item.platform)]

    def every_item(self) -> t.List[Item]:
        """Everything the desk knows, also of batches that were withdrawn: hosts may have it."""
        return [item for batch in self.batches.values() for item in batch.items]

    def with_batch(self, batch: Batch) -> Desk:
        """The desk with a batch added or replaced."""
        return self._replace(batches={**self.batches, batch.name: batch})

    def moved(self, name: str, kind: str, move: Move) -> Desk:
        """The desk with a batch in another kind, and that written down."""
        batch = self.batches[name]
        return self.with_batch(batch._replace(kind=kind, history=(*batch.history, move)))


def to_text(desk: Desk) -> str:
    """The desk as JSON, the same for the same desk (schema: desk.schema.json)."""
    batches = {name: {**batch._asdict(), **{field: [one._asdict() for one in getattr(batch, field)] for field in _RECORDS}}
               for name, batch in desk.batches.items()}
    data = {"schema": SCHEMA, "release": desk.release, "generation": desk.generation, "batches": batches, "holds": desk.holds}
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def from_text(text: str, path: str) -> Desk:
    """The desk in a file's text. Raises Failure when it is none, or one of another schema."""
    remedy = "Restore the file from a backup; the repositories that are published do not need it"
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise Failure(f"read {path}", f"it has schema {data['schema']!r}, this collection knows {SCHEMA}", "Use the collection that wrote it")
        batches = {name: _batch(batch) for name, batch in data["batches"].items()}
        return Desk(data["release"], batches, data["generation"], dict(data["holds"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"read {path}", f"it is damaged ({type(error).__name__}: {error})", remedy) from error


_RECORDS: t.Dict[str, t.Callable[..., t.Any]] = {"items": Item, "reports": Report, "waivers": Waiver, "history": Move}


def _batch(data: t.Mapping[str, t.Any]) -> Batch:
    records: t.Dict[str, t.Any] = {field: tuple(record(**_tuples(one)) for one in data[field]) for field, record in _RECORDS.items()}
    return Batch(data["name"], data["kind"], after=tuple(data["after"]), **records)


def _tuples(record: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
