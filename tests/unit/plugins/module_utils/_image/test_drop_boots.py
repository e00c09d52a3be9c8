# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a drop from being blessed: every image, every boot that is asked for, the newest clear answer."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._image import drop_boots
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import Boot
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._image.drop_cells import image, verdict

BOTH = (Boot("bios", "nocloud"), Boot("uefi", "nocloud"))
IMAGE = image()
NOON, LATER = "2026-11-20T12:00:00Z", "2026-11-20T13:00:00Z"


def why(*verdicts: t.Dict[str, t.Any], boots: t.Sequence[Boot] = BOTH[:1], told: t.Optional[t.Dict[str, t.Any]] = None) -> t.List[str]:
    return [excuse.why for excuse in drop_boots.excuses([told or IMAGE], verdicts, boots)]


def test_every_boot_that_is_asked_for_is_needed() -> None:
    excuses = drop_boots.excuses([IMAGE], [verdict(IMAGE)], BOTH)
    assert [excuse.what for excuse in excuses] == ["cmd-cloud-generic-x86_64 boots with uefi and nocloud"]
    assert not drop_boots.excuses([IMAGE], [verdict(IMAGE), verdict(IMAGE, "uefi")], BOTH)


def test_every_image_is_needed() -> None:
    excuses = drop_boots.excuses([IMAGE, image("ec2")], [verdict(IMAGE)], BOTH[:1])
    assert [excuse.what for excuse in excuses] == ["cmd-cloud-ec2-x86_64 boots with bios and nocloud"]


@pytest.mark.parametrize(("verdicts", "expected"), [
    ([], ["there is no report"]),
    ([verdict(IMAGE)], []),
    ([verdict(IMAGE, said="fail", reason="no-kernel")], ["failed, no-kernel: it said no-kernel"]),
    ([verdict(IMAGE, said="fail", reason="panic", time=NOON), verdict(IMAGE, time=LATER)], []),
    ([verdict(IMAGE, said="fail", reason="panic", time=LATER), verdict(IMAGE, time=NOON)], ["failed, panic: it said panic"]),
    ([verdict(IMAGE, said="fail", reason="panic"), verdict(IMAGE)], ["failed, panic: it said panic"]),
    ([verdict(IMAGE), verdict(IMAGE, said="inconclusive", reason="tester-error", time=LATER)], []),
    ([verdict(IMAGE, said="inconclusive", reason="timeout")], ["no clear answer, timeout: it said timeout"]),
    ([verdict(IMAGE, transport="ovf")], ["there is no report"]),
    ([verdict(image(seed="two"))], ["there is no report"]),
])
def test_the_newest_clear_answer_counts(verdicts: t.List[t.Dict[str, t.Any]], expected: t.List[str]) -> None:
    assert why(*verdicts) == expected


@pytest.mark.parametrize(("reason", "who"), [("no-kernel", "the image builders"), ("no-datasource", "the testers"), ("check-failed", "the image builders")])
def test_an_excuse_says_who_has_to_act(reason: str, who: str) -> None:
    assert [excuse.who for excuse in drop_boots.excuses([IMAGE], [verdict(IMAGE, said="fail", reason=reason)], BOTH[:1])] == [who]


def test_a_report_about_another_file_of_the_same_disk_counts() -> None:
    told = verdict(IMAGE)
    told["image"] = {"name": "converted.vmdk", "sha256": "0" * 64}
    assert why(told) == []
    told["disk_sha256"] = None
    assert why(told) == ["there is no report"]


def test_a_container_root_boots_with_nothing() -> None:
    assert why(told=image("container", formats=["tar.xz"])) == []


def test_a_disk_nothing_is_asked_of_is_not_blessed() -> None:
    assert why(boots=()) == ["no required boot applies to it"]
    assert why(boots=[Boot("bios", "ec2", ("ec2",))]) == ["no required boot applies to it"]


def test_a_boot_can_be_asked_of_one_variant() -> None:
    boots = [*BOTH[:1], Boot("bios", "ec2", ("ec2",))]
    assert why(verdict(IMAGE), boots=boots) == []
    assert why(verdict(image("ec2")), boots=boots, told=image("ec2")) == ["there is no report"]
