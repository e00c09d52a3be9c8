# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One change of a stream: read, decide, publish. What is decided is pure (drop), and so are the documents it gives."""

from __future__ import annotations

import os
import stat
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import drop as drops
from ansible_collections.egi.cmd.plugins.module_utils._image import (
    drop_boots,
    drop_difference,
    drop_documents,
    drop_input,
    drop_record,
    drop_signing,
    drop_site,
)
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Event, Json, Stream
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import Boot, Excuse
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_documents import Documents
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_signing import Signers
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import Site
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_store import Content, Entry, Plan, StreamDirectory


class Wish(t.NamedTuple):
    """What is asked for. label, source: empty for none. images, verdicts: paths of image.json files and reports. against:
    the label to compare with, empty for the drop before. verify: read every published byte."""

    state: str
    label: str
    source: str
    images: t.Tuple[str, ...]
    verdicts: t.Tuple[str, ...]
    boots: t.Tuple[Boot, ...]
    by: str
    text: str
    against: str = ""
    verify: bool = False


class Outcome(t.NamedTuple):
    """excuses: what keeps the drop from being blessed; with state blessed nothing was done then. before, after: listings."""

    changed: bool
    drop: Drop
    excuses: t.List[Excuse]
    before: t.List[str]
    after: t.List[str]
    difference: t.Optional[Json]
    pointers: t.Dict[str, str]


def run(directory: str, site: Site, signers: Signers, wish: Wish, dry: bool) -> Outcome:
    """Bring a stream to what is wished for; dry: refuse and answer as ever, and change nothing. Raises Failure."""
    store = StreamDirectory(directory, site.stream)
    if dry:
        return _change(store, site, signers, wish, True)
    with store.locked():
        return _change(store, site, signers, wish, False)


def _change(store: StreamDirectory, site: Site, signers: Signers, wish: Wish, dry: bool) -> Outcome:
    entries = store.checked(store.entries(), lambda path: wish.verify or (not dry and path.split("/")[0] == wish.source))
    before = store.drops()
    images = {path: drop_input.image(path) for path in wish.images}
    after, label, excuses = _decided(before, wish, list(images.values()))
    pointers = drop_documents.pointers(after)
    drop = after[label]
    if not (wish.state == "blessed" and excuses):
        plan, documents = _plan(site, signers, before, after, images, entries)
        changed = bool(plan.copies or documents or set(plan.links) != set(entries) or pointers != store.pointers())
        if changed and not dry:
            with drop_signing.opened(signers) as made:
                contents = {path: Content(made(document), drop_signing.mark(document, signers), _lasting(after, path))
                            for path, document in documents.items()}
            store.publish(plan._replace(contents=contents), entries)
    else:
        changed = False
    other = drops.known(after, wish.against) if wish.against else drops.predecessor(after, label)
    difference = drop_difference.between(other, drop) if other and other.label != label else None
    return Outcome(changed, drop, excuses, _listing(before), _listing(after) + (drop_difference.lines(difference) if difference and after != before else []),
                   difference, pointers)


def _decided(before: Stream, wish: Wish, images: t.Sequence[Json]) -> t.Tuple[Stream, str, t.List[Excuse]]:
    """The stream as it is to be, the label it is about, and what keeps that from being blessed."""
    now = max([int(time.time()), *([drop_site.changed(before) + 1] if before else [])])  # so that indexes' versions only grow
    verdicts = [drop_input.verdict(path) for path in wish.verdicts]
    if wish.state == "present" and not images and not wish.label:
        raise Failure("drop images", "none are named", "Name the image.json of each, or the label that reports are for")
    if wish.state == "present" and images:
        after, label = drops.dropped(before, wish.label, images, drop_site.day(now), Event(now, "dropped", wish.by, wish.text))
    elif wish.state == "promoted":
        after, label = drops.promoted(before, wish.label, wish.source, Event(now, "promoted", wish.by, wish.text)), wish.label
    else:
        after, label = before, wish.label
    if wish.state != "blessed":
        after = drops.reported(after, label, verdicts)
        return after, label, [] if after[label].blessing else drop_boots.excuses(after[label].images, after[label].verdicts, wish.boots)
    if label == "final" and label not in before and not wish.source:
        raise Failure("bless final", "no drop is named that becomes it", "Name an rc as the source")
    judged = label if label in before or label != "final" else wish.source
    after, excuses = drops.blessed(drops.reported(before, judged, verdicts), label, wish.source, wish.boots, Event(now, "blessed", wish.by, wish.text))
    return after, label if label in after else judged, excuses


def _plan(site: Site, signers: Signers, before: Stream, after: Stream, images: t.Mapping[str, Json],
          entries: t.Mapping[str, Entry]) -> t.Tuple[Plan, Documents]:
    """What to copy and to link, and the documents that have to be made."""
    copies: t.Dict[str, t.Tuple[str, Json]] = {}
    links: t.Dict[str, str] = {}
    documents: Documents = {}
    for drop in after.values():
        lasting = [*(file["name"] for image in drop.images for file in image["files"]), *drop_documents.lasting_names(drop)]
        if drop.label in before or drop.copied_from:
            source = drop.label if drop.label in before else drop.copied_from
            links.update({f"{drop.label}/{name}": f"{source}/{name}" for name in lasting})
        else:
            copies.update(_arriving(drop, images))
            documents.update({f"{drop.label}/{name}": document for name, document in drop_documents.lasting(drop).items()})
    for path, document in drop_documents.whole(site, after).items():
        known = entries.get(path)
        if known and known.mark == drop_signing.mark(document, signers):
            links[path] = path
        else:
            documents[path] = document
    return Plan(copies, links, {}, drop_documents.pointers(after)), documents


def _arriving(drop: Drop, images: t.Mapping[str, Json]) -> t.Dict[str, t.Tuple[str, Json]]:
    """The files of a new drop: path -> where it is now, what image.json says of it. Raises Failure for one that cannot be."""
    clashes = drop_documents.clashes(drop)
    if clashes:
        raise Failure(f"drop images as {drop.label}", f"the name {clashes[0]} is taken", "Give each image a name of its own; its files begin with it")
    found = {}
    for path, image in images.items():
        for file in image["files"]:
            source = os.path.join(os.path.dirname(path), file["name"])
            told = os.stat(source)
            if not stat.S_ISREG(told.st_mode) or told.st_size != file["size"]:
                raise Failure(f"drop {source}", f"it is no file of {file['size']} bytes, as {path} says", "Build the image again")
            found[f"{drop.label}/{file['name']}"] = (source, file)
    return found


def _lasting(stream: Stream, path: str) -> bool:
    """Whether a document cannot be made again: what is made once for a label, and the record itself."""
    label, _slash, name = path.partition("/")
    return label in stream and (name == drop_record.NAME or name in drop_documents.lasting_names(stream[label]))


def _listing(stream: Stream) -> t.List[str]:
    lines = [f"{name} -> {label}" for name, label in sorted(drop_documents.pointers(stream).items())]
    return lines + [line for drop in drops.ordered(stream) for line in drop_record.listing(drop)]
