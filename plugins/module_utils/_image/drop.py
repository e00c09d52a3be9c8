# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Drops of one stream: labels, promotion, blessing. Pure: a stream in, a stream out.

    YYYYMMDD.N   scratch: a build, weekly or so
    alpha-N, beta-N, rc-N   a milestone: the same bytes under another name
    final        the release: the bytes of an rc, blessed

A drop is blessed once somebody signs it off and every image booted in every way that is asked for. What a label has is
never replaced: only reports, the sign-off and history are added to it.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import drop_boots
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import Boot, Excuse

Json = t.Dict[str, t.Any]
STAGES = ("scratch", "alpha", "beta", "rc", "final")
_LABEL = re.compile(r"(?P<day>[0-9]{8})\.(?P<count>[1-9][0-9]{0,3})|(?P<stage>alpha|beta|rc)-(?P<number>[1-9][0-9]{0,3})|final")


class Event(t.NamedTuple):
    """What was done to a drop. time: unix time."""

    time: int
    action: str
    by: str
    text: str


class Drop(t.NamedTuple):
    """One drop. images: what image.json says of each cell. copied_from: another label, empty for a scratch drop.
    boots: what the sign-off asked for. blessing: None until there is one."""

    label: str
    copied_from: str
    images: t.Tuple[Json, ...]
    history: t.Tuple[Event, ...]
    verdicts: t.Tuple[Json, ...] = ()
    boots: t.Tuple[Boot, ...] = ()
    blessing: t.Optional[Event] = None

    @property
    def stage(self) -> str:
        """One of STAGES."""
        return stage(self.label)

    @property
    def published(self) -> int:
        """When readers first saw it; unix time."""
        return self.history[0].time


Stream = t.Mapping[str, Drop]


def rank(label: str) -> t.Tuple[int, int, int]:
    """Sort key of a label: stages in their order, then numbers. Raises Failure for what is no label."""
    match = _LABEL.fullmatch(label)
    if match is None:
        raise Failure(f"use the label {label!r}", "a label is YYYYMMDD.N, alpha-N, beta-N, rc-N or final", "Choose one of these")
    if match["day"]:
        return 0, int(match["day"]), int(match["count"])
    return STAGES.index(match["stage"] or "final"), int(match["number"] or 0), 0


def stage(label: str) -> str:
    """The stage of a label."""
    return STAGES[rank(label)[0]]


def ordered(stream: Stream) -> t.List[Drop]:
    """All drops, scratch drops first, each stage in the order of its numbers."""
    return [stream[label] for label in sorted(stream, key=rank)]


def latest(stream: Stream) -> t.Optional[Drop]:
    """The blessed drop of the highest rank: what people should use."""
    blessed = [drop for drop in ordered(stream) if drop.blessing]
    return blessed[-1] if blessed else None


def latest_scratch(stream: Stream) -> t.Optional[Drop]:
    """The newest build."""
    scratch = [drop for drop in ordered(stream) if drop.stage == "scratch"]
    return scratch[-1] if scratch else None


def predecessor(stream: Stream, label: str) -> t.Optional[Drop]:
    """What a drop is compared with: the build before a build, the milestone before a milestone."""
    scratch = stage(label) == "scratch"
    before = [drop for drop in ordered(stream) if rank(drop.label) < rank(label) and (drop.stage == "scratch") == scratch]
    return before[-1] if before else None


def known(stream: Stream, label: str) -> Drop:
    """The drop with a label. Raises Failure."""
    rank(label)
    if label not in stream:
        raise Failure(f"find drop {label}", "the stream has no such drop", f"It has {', '.join(drop.label for drop in ordered(stream)) or 'none'}")
    return stream[label]


def dropped(stream: Stream, label: str, images: t.Sequence[Json], day: str, event: Event) -> t.Tuple[Stream, str]:
    """The stream with these images as a scratch drop, and its label. label: empty for the next one of the day (YYYYMMDD),
    unless the newest build has the very same images."""
    wanted = _arranged(images)
    if not label:
        newest = latest_scratch(stream)
        if newest and newest.images == wanted:
            return stream, newest.label
        label = f"{day}.{1 + max([rank(one)[2] for one in stream if one.startswith(day + '.')], default=0)}"
    if stage(label) != "scratch":
        raise Failure(f"drop images as {label}", "a build is dropped as YYYYMMDD.N; other labels are given by promotion", "Drop it, then promote that")
    if label in stream:
        _same(stream[label], wanted, "Leave the label out for the next one")
        return stream, label
    return {**stream, label: Drop(label, "", wanted, (event,))}, label


def promoted(stream: Stream, label: str, source: str, event: Event) -> Stream:
    """The stream with the images of one drop under a milestone's label too."""
    origin, target = known(stream, source), stage(label)
    if label in stream:
        _same(stream[label], origin.images, "Take the next number")
        return stream
    action = f"promote {source} to {label}"
    if target in ("scratch", "final"):
        raise Failure(action, "promotion is to alpha-N, beta-N or rc-N", "Use state=blessed for final" if target == "final" else "Choose another label")
    if rank(label)[0] <= rank(source)[0]:
        raise Failure(action, f"{source} is no earlier stage than {target}", "Promote a build, or an earlier milestone")
    if "final" in stream:
        raise Failure(action, "the stream has its final drop", "Begin another stream")
    past = max([rank(one)[0] for one in stream], default=0)
    if past > rank(label)[0]:  # so that the order of publication is the order of ranks, which indexes rely on
        raise Failure(action, f"the stream is past {target}: it has {STAGES[past]} drops", f"Promote it to the next {STAGES[past]}")
    number = 1 + max([rank(one)[1] for one in stream if stage(one) == target], default=0)
    if rank(label)[1] != number:
        raise Failure(action, f"the next {target} is {target}-{number}", "Numbers have no gaps, so that nobody looks for a drop that never was")
    return {**stream, label: _copied(origin, label, event)}


def blessed(stream: Stream, label: str, source: str, boots: t.Sequence[Boot], event: Event) -> t.Tuple[Stream, t.List[Excuse]]:
    """The stream with a drop signed off, or what keeps it from that. source: the rc that becomes final."""
    if label == "final" and "final" not in stream:
        if stage(source) != "rc":
            raise Failure(f"bless {source} as final", "only an rc becomes final", "Promote it to rc-N first, and let it be tested as that")
        drop = _copied(known(stream, source), label, event)
    else:
        drop = known(stream, label)
    if drop.blessing:
        return stream, []
    if drop.stage == "scratch":
        raise Failure(f"bless {label}", "a build is not blessed", "Promote it to alpha-N, beta-N or rc-N first")
    excuses = drop_boots.excuses(drop.images, drop.verdicts, boots)
    if excuses:
        return stream, excuses
    history = drop.history if drop.history[-1] == event else (*drop.history, event)
    return {**stream, label: drop._replace(blessing=event, boots=tuple(boots), history=history)}, []


def reported(stream: Stream, label: str, verdicts: t.Sequence[Json]) -> Stream:
    """The stream with boot verdicts added to a drop. Raises Failure for one that is about other bytes."""
    drop = known(stream, label)
    for verdict in verdicts:
        if not any(drop_boots.is_about(verdict, image) for image in drop.images):
            told = verdict["image"]
            raise Failure(f"add a boot report to {label}", f"it is about {told['name']} with other bytes ({told['sha256'][:12]})",
                          "Boot the file that was dropped")
    new = [verdict for verdict in verdicts if verdict not in drop.verdicts]
    return {**stream, label: drop._replace(verdicts=drop_boots.arranged([*drop.verdicts, *new]))} if new else stream


def _copied(origin: Drop, label: str, event: Event) -> Drop:
    return Drop(label, origin.label, origin.images, (event,), origin.verdicts)


def _same(drop: Drop, images: t.Tuple[Json, ...], remedy: str) -> None:
    if drop.images != images:
        raise Failure(f"publish other images as {drop.label}", "what a label has is never replaced", remedy)


def _arranged(images: t.Sequence[Json]) -> t.Tuple[Json, ...]:
    return tuple(sorted(images, key=lambda image: (image["name"], image["variant"], image["architecture"])))
