# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import hold, hold_choice, version_range
from ansible_collections.egi.cmd.plugins.module_utils._promotion.base_history import Offer
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Item

DAY = datetime.date(2026, 11, 20)
FORMATS = {"jammy": "deb", "el9": "rpm"}
VERSIONS = ["1-1~mos1", "1-1", "1.5-1", "2-1~rc1", "2-1", "2.5-1", "3-1", "1:0.1-1"]


@dataclass
class Snapshots:
    """What snapshots of a base offered of lib, the newest first."""

    versions: list[list[str]]
    platform: str = "jammy"
    architectures: tuple[str, ...] = ("amd64",)

    def ever(self):
        return [Offer(self.platform, "lib", version, architecture, str(number), f"/{number}/lib_{version}_{architecture}", f"{number:064}")
                for number, versions in enumerate(self.versions) for version in versions for architecture in self.architectures]

    def now(self):
        return [offer for offer in self.ever() if offer.generation == "0"]


def declared(bad, **changes):
    return hold.read({"name": "lib", "packages": ["lib"], "platforms": ["jammy"], "bad": bad, "reason": "it breaks", "link": "https://bugs.example.org/1",
                      "expires": "2026-12-20", "by": "release team", **changes}, FORMATS, DAY)


def chosen(bad, *versions, given=(), **changes):
    return hold_choice.chosen(declared(bad), FORMATS, {"jammy": [Snapshots(list(versions), **changes)]}, given)


@pytest.mark.parametrize("form", ["deb", "rpm"])
@given(snapshots=st.lists(st.lists(st.sampled_from(VERSIONS), max_size=3), min_size=1, max_size=4), lowest=st.sampled_from(VERSIONS))
def test_it_is_the_highest_version_below_everything_bad(form, snapshots, lowest):
    platform = next(name for name, other in FORMATS.items() if other == form)
    bad = version_range.parse(form, f">= {lowest}")
    try:
        files = hold_choice.chosen(declared(f">= {lowest}", platforms=[platform]), FORMATS, {platform: [Snapshots(snapshots, platform)]}, [])
    except Failure:
        return
    known = {version for versions in snapshots for version in versions}
    assert [file.path.split("_")[1] for file in files] == [max(known - {one for one in known if one in bad}, key=lambda one: version_range.key(form, one))]


def test_of_several_snapshots_the_newest_gives_the_file_and_each_architecture_has_one():
    found = chosen(">= 2-1", ["2-1"], ["1-1"], ["1-1"], architectures=("amd64", "arm64"))
    assert [file.path for file in found] == ["/1/lib_1-1_amd64", "/1/lib_1-1_arm64"]


@pytest.mark.parametrize(("bad", "versions", "rule"), [
    (">= 2-1", [[], []], "unknown-package"), (">= 3-1", [["2-1"], ["1-1"]], "matches-nothing"), (">= 1-1", [["2-1"], ["1-1"]], "no-proven"),
    (">= 2-1, << 3-1", [["3-1"], ["2-1"], ["1-1"]], "not-needed"), (">= 2-1", [["1-1"], ["2-1"], ["1-1"]], "not-needed"),
])
def test_what_cannot_be_held_is_refused_by_rule(bad, versions, rule):
    with pytest.raises(Failure, match=rf"\[hold\.{rule}\]"):
        chosen(bad, *versions)


def test_a_base_nobody_named_is_refused():
    with pytest.raises(Failure, match=r"\[hold\.no-base\]"):
        hold_choice.chosen(declared(">= 2-1"), FORMATS, {}, [])


def item(**changes):
    return Item("lib_1.5-1_amd64.deb", "deb", "jammy", "lib", "1.5-1", "amd64", "lib", 1, "0" * 64)._replace(**changes)


def test_a_file_that_is_handed_in_is_taken_instead():
    assert chosen(">= 2-1", ["2-1"], ["1-1"], given=[item()]) == []


@pytest.mark.parametrize("strange", [item(package="other"), item(platform="el9"), item(version="2.5-1"), item(version="2-1")])
def test_a_file_that_does_not_fit_is_refused(strange):
    with pytest.raises(Failure, match=r"\[hold\.file\]"):
        chosen(">= 2-1", ["2-1"], ["1-1"], given=[strange])
