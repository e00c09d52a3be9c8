# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels, promotion and blessing: what a stream may become, and what it never does."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import drop, drop_site
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Event, Stream
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import Boot
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._image import drop_cells

DAY = "20261120"
BIOS = (Boot("bios", "nocloud"),)


def event(time: int, action: str = "dropped") -> Event:
    return Event(time, action, "R. Manager", "")


def scratch(*seeds: str) -> Stream:
    stream: Stream = {}
    for time, seed in enumerate(seeds, start=1):
        stream, _label = drop.dropped(stream, "", [drop_cells.image(seed=seed)], DAY, event(time))
    return stream


def candidate(verdicts: bool = True) -> Stream:
    """A stream with rc-1, booted."""
    stream = drop.promoted(scratch("one"), "rc-1", f"{DAY}.1", event(10, "promoted"))
    return drop.reported(stream, "rc-1", [drop_cells.verdict(drop_cells.image())]) if verdicts else stream


def test_builds_are_numbered_within_their_day() -> None:
    assert list(scratch("one", "two", "three")) == [f"{DAY}.1", f"{DAY}.2", f"{DAY}.3"]


def test_the_same_images_again_are_no_new_drop() -> None:
    stream = scratch("one", "two")
    again, label = drop.dropped(stream, "", [drop_cells.image(seed="two")], "20261127", event(20))
    assert again is stream and label == f"{DAY}.2"


def test_images_are_the_same_in_any_order() -> None:
    images = [drop_cells.image("generic"), drop_cells.image("ec2")]
    stream, label = drop.dropped({}, "", images, DAY, event(1))
    assert drop.dropped(stream, label, images[::-1], DAY, event(2)) == (stream, label)


@pytest.mark.parametrize("label", ["", "latest", "rc-0", "rc-01", "rc", "2026112.1", f"{DAY}.0", "../rc-1", "final-1", "RC-1", "rc-1\n"])
def test_what_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(Failure, match="a label is"):
        drop.rank(label)


@pytest.mark.parametrize(("label", "source", "why"), [
    ("rc-2", f"{DAY}.1", "the next rc is rc-1"), ("rc-1", f"{DAY}.9", "no such drop"), ("final", f"{DAY}.1", "promotion is to"),
    (f"{DAY}.3", f"{DAY}.1", "promotion is to"), ("alpha-2", "beta-1", "no earlier stage"), ("alpha-1", f"{DAY}.1", "past alpha"),
])
def test_a_promotion_that_makes_no_sense_is_refused(label: str, source: str, why: str) -> None:
    stream = drop.promoted(scratch("one"), "beta-1", f"{DAY}.1", event(10, "promoted"))
    with pytest.raises(Failure, match=why):
        drop.promoted(stream, label, source, event(11, "promoted"))


def test_a_label_is_never_given_other_images() -> None:
    stream = drop.promoted(scratch("one", "two"), "alpha-1", f"{DAY}.1", event(10, "promoted"))
    with pytest.raises(Failure, match="never replaced"):
        drop.promoted(stream, "alpha-1", f"{DAY}.2", event(11, "promoted"))
    with pytest.raises(Failure, match="never replaced"):
        drop.dropped(stream, f"{DAY}.1", [drop_cells.image(seed="two")], DAY, event(11))


def test_a_promotion_takes_images_and_reports_along() -> None:
    source = drop.reported(scratch("one"), f"{DAY}.1", [drop_cells.verdict(drop_cells.image())])
    promoted = drop.promoted(source, "beta-1", f"{DAY}.1", event(10, "promoted"))["beta-1"]
    assert (promoted.images, promoted.verdicts, promoted.copied_from) == (source[f"{DAY}.1"].images, source[f"{DAY}.1"].verdicts, f"{DAY}.1")
    assert promoted.blessing is None


def test_a_blessing_needs_reports() -> None:
    stream, excuses = drop.blessed(candidate(verdicts=False), "rc-1", "", BIOS, event(11, "blessed"))
    assert [excuse.why for excuse in excuses] == ["there is no report"] and stream["rc-1"].blessing is None
    stream, excuses = drop.blessed(candidate(), "rc-1", "", BIOS, event(11, "blessed"))
    assert not excuses and stream["rc-1"].blessing == event(11, "blessed")


def test_a_blessing_stays_as_it_was_given() -> None:
    stream, _none = drop.blessed(candidate(), "rc-1", "", BIOS, event(11, "blessed"))
    assert drop.blessed(stream, "rc-1", "", (Boot("uefi", "ovf"),), event(12, "blessed")) == (stream, [])


@pytest.mark.parametrize("source", [f"{DAY}.1", "beta-1", "final"])
def test_only_a_candidate_becomes_final(source: str) -> None:
    with pytest.raises(Failure, match="only an rc becomes final"):
        drop.blessed(candidate(), "final", source, BIOS, event(11, "blessed"))


def test_after_the_final_drop_there_is_no_other_milestone() -> None:
    stream, excuses = drop.blessed(candidate(), "final", "rc-1", BIOS, event(11, "blessed"))
    assert not excuses and drop.latest(stream) == stream["final"] and stream["final"].history == (event(11, "blessed"),)
    with pytest.raises(Failure, match="has its final drop"):
        drop.promoted(stream, "rc-2", f"{DAY}.1", event(12, "promoted"))


def test_a_build_is_not_blessed() -> None:
    with pytest.raises(Failure, match="a build is not blessed"):
        drop.blessed(scratch("one"), f"{DAY}.1", "", BIOS, event(11, "blessed"))


def test_a_report_about_other_bytes_is_refused() -> None:
    with pytest.raises(Failure, match="other bytes"):
        drop.reported(scratch("one"), f"{DAY}.1", [drop_cells.verdict(drop_cells.image(seed="two"))])


def test_a_report_given_twice_is_there_once() -> None:
    verdict = drop_cells.verdict(drop_cells.image())
    once = drop.reported(scratch("one"), f"{DAY}.1", [verdict])
    assert drop.reported(once, f"{DAY}.1", [verdict]) is once


STEPS = st.lists(st.tuples(st.sampled_from(["drop", "promote", "bless", "report"]), st.sampled_from(["alpha", "beta", "rc", "final", "scratch"]),
                           st.integers(1, 3), st.integers(0, 5)), max_size=25)


@given(STEPS)
def test_whatever_is_done_labels_keep_their_bytes_and_only_the_blessed_is_latest(steps: t.List[t.Tuple[str, str, int, int]]) -> None:
    stream: Stream = {}
    for time, (action, stage, number, choice) in enumerate(steps, start=1):
        before, source = stream, sorted(stream)[choice % len(stream)] if stream else f"{DAY}.1"
        label = {"final": "final", "scratch": f"{DAY}.{number}"}.get(stage, f"{stage}-{number}")
        try:
            if action == "drop":
                stream, _label = drop.dropped(stream, "", [drop_cells.image(seed=str(choice))], DAY, event(time))
            elif action == "promote":
                stream = drop.promoted(stream, label, source, event(time, "promoted"))
            elif action == "bless":
                stream, _excuses = drop.blessed(stream, label, source, BIOS, event(time, "blessed"))
            else:
                stream = drop.reported(stream, source, [drop_cells.verdict(image) for image in stream[source].images] if stream else [])
        except Failure:
            assert stream is before
        for name, one in before.items():
            assert stream[name].images == one.images
            assert stream[name].published == one.published
            assert not one.blessing or stream[name].blessing == one.blessing
            assert drop_site.revision(stream, stream[name]) == drop_site.revision(before, one)
        latest = drop.latest(stream)
        assert all(drop.rank(one.label) <= drop.rank(latest.label) for one in stream.values() if one.blessing and latest)
        milestones = [one for one in drop.ordered(stream) if one.stage != "scratch"]
        assert [one.published for one in milestones] == sorted(one.published for one in milestones)
        for one in milestones:
            assert one.images == stream[one.copied_from].images
            assert one.stage != "final" or (one.blessing and stream[one.copied_from].stage == "rc")
