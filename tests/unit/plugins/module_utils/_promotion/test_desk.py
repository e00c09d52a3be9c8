# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import desk as desks
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Desk, Item, Move, Report, Waiver, from_text, to_text
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import Excuse, unmet


def item(package="cloud-api", version="2.2-1", platform="jammy"):
    return Item(f"{package}_{version}_all.deb", "deb", platform, package, version, "all", package, 1000, "ab" * 32)


WORDS = st.text("abc-.:é\n\"", max_size=6)
NAMES = st.text("abc", min_size=1, max_size=4)
ITEMS = st.builds(Item, NAMES, st.sampled_from(["deb", "rpm"]), NAMES, NAMES, NAMES, NAMES, NAMES, st.integers(0), NAMES)
BATCHES = st.builds(
    Batch, NAMES, st.sampled_from(["untested", "proposed", "updates", ""]), st.lists(ITEMS).map(tuple), st.lists(NAMES).map(tuple),
    st.lists(st.builds(Report, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS)).map(tuple),
    st.lists(st.builds(Waiver, WORDS, WORDS, WORDS, WORDS, WORDS)).map(tuple),
    st.lists(st.builds(Move, WORDS, WORDS, WORDS, WORDS, WORDS, st.lists(WORDS).map(tuple))).map(tuple),
)


@given(st.lists(BATCHES, max_size=4))
def test_a_desk_is_read_back_as_it_was_written(batches):
    desk = Desk("cmd-os-1", {batch.name: batch for batch in batches}, "cmd-os-1-2026-11-20-120000")
    assert from_text(to_text(desk), "desk.json") == desk


@given(st.lists(BATCHES, min_size=1, max_size=3))
def test_every_written_desk_keeps_the_published_schema(batches):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(pathlib.Path(desks.__file__).with_name("desk.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(to_text(Desk("cmd-os-1", {batch.name: batch for batch in batches}))), schema)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "release": "r", "generation": "", "batches": {"b": {"name": 1}}}'])
def test_a_damaged_desk_is_refused_by_name(text):
    with pytest.raises(Failure, match=r"desk\.json"):
        from_text(text, "desk.json")


def test_a_repository_holds_the_items_of_the_batches_in_its_kind():
    desk = Desk("cmd-os-1", {"a": Batch("a", "updates", (item(),)), "b": Batch("b", "proposed", (item("libcloud"),))})
    assert [one.package for one in desk.items("updates")] == ["cloud-api"]
    desk = desk.moved("b", "updates", Move("proposed", "updates", "2026-11-20T12:00:00Z", "release team", desk.batches["b"].digest))
    assert [one.package for one in desk.items("updates", "jammy")] == ["cloud-api", "libcloud"]
    assert desk.items("proposed") == [] and desk.items("updates", "el9") == []


@given(st.permutations([item(), item("libcloud"), item(platform="noble")]))
def test_the_digest_does_not_depend_on_the_order_of_files(items):
    assert Batch("a", "untested", tuple(items)).digest == Batch("b", "proposed", (item(), item("libcloud"), item(platform="noble"))).digest


def test_other_bytes_are_another_digest():
    assert Batch("a", "", (item(),)).digest != Batch("a", "", (item()._replace(sha256="cd" * 32),)).digest


def test_a_waiver_lifts_its_own_excuse_and_none_that_cannot_be_waived():
    late = Excuse("window.friday", "", "it is Friday", "2026-11-20", "the release manager")
    old = Excuse("version.not-higher", "cloud-api", "2.1-1 is published", "updates", "the packager", waivable=False)
    waivers = [Waiver("window.friday", "A", "B", "an emergency", "2026-11-20"), Waiver(old.name, "A", "B", "please", "2026-11-20")]
    assert unmet([late, old], waivers) == [old]
    assert unmet([late, old._replace(subject="libcloud", waivable=True)], waivers) == [old._replace(subject="libcloud", waivable=True)]
