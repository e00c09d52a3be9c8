# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian versions: the known orders, the refusals, and a total order over anything generated."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import deb
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._version.known_orders import (
    DEB_ASCENDING,
    DEB_EQUAL,
)

REFUSED = [
    ("", "empty"), (" \t", "empty"), ("1:", "nothing follows"), (":1", "epoch before the colon is empty"),
    ("a:1", "'a' before the colon is not a number"), ("-1:1", "not a number"), ("1.0-1:2", "not a number"),
    ("0x1:1", "not a number"), ("2147483648:1", "above 2147483647"), ("9" * 5000 + ":1", "above 2147483647"),
    ("1.0-", "revision after the last hyphen is empty"), ("-1", "upstream version is empty"),
    ("1:-1", "upstream version is empty"), ("a1", "does not start with a digit"), ("~1", "does not start with a digit"),
    ("\u0661", "does not start with a digit"), ("1.0_1", "upstream version may not contain '_'"),
    ("1.0-1_2", "revision may not contain '_'"), ("1 0", "may not contain ' '"), ("1.0\n", "may not contain"),
    ("1.0\u00e9", "may not contain"), ("1 :1", "not a number"), ("1: 1", "does not start with a digit"),
]

PART = st.text(alphabet="0019azZ.+~", max_size=8)
VERSIONS = st.builds(
    lambda epoch, lead, upstream, revision: f"{epoch}{lead}{upstream}{'-' if revision else ''}{revision}",
    st.sampled_from(["", "", "", "0:", "1:", "01:"]), st.sampled_from("012"), PART, PART,
)


def by_the_letter(left: str, right: str) -> int:
    """Order two parts as policy words it, run by run, a character at a time: slow and plain, to judge the key."""
    def weight(text: str, place: int) -> int:
        if place >= len(text) or text[place].isdigit():
            return 0
        return -1 if text[place] == "~" else ord(text[place]) + (0 if text[place].isalpha() else 256)

    while left or right:
        place = 0
        while weight(left, place) or weight(right, place):
            if weight(left, place) != weight(right, place):
                return 1 if weight(left, place) > weight(right, place) else -1
            place += 1
        numbers = []
        for text in (left, right):
            rest = text[place:]
            numbers.append("".join(itertools.takewhile(str.isdigit, rest)))
        left, right = left[place + len(numbers[0]):], right[place + len(numbers[1]):]
        first, second = (int(number or "0") for number in numbers)
        if first != second:
            return 1 if first > second else -1
    return 0


@pytest.mark.parametrize("row", DEB_ASCENDING, ids=lambda row: row[0])
def test_known_orders_ascend(row: list[str]) -> None:
    for (low, left), (high, right) in itertools.product(enumerate(row), repeat=2):
        assert deb.compare(left, right) == (low > high) - (low < high), (left, right)
    assert sorted(reversed(row), key=deb.key) == row
    assert max(row, key=deb.key) == row[-1]


@pytest.mark.parametrize(("left", "right"), DEB_EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    assert deb.compare(left, right) == 0
    assert deb.key(left) == deb.key(right)


@pytest.mark.parametrize(("text", "why"), REFUSED, ids=lambda value: repr(value)[:30])
def test_what_dpkg_refuses_is_refused_by_name_and_rule(text: str, why: str) -> None:
    for read in (deb.parse, deb.key, lambda version: deb.compare("1", version)):
        with pytest.raises(Failure) as caught:
            read(text)
        assert why in str(caught.value)
        assert repr(text) in str(caught.value)


@pytest.mark.parametrize("value", [1.1, 2, None, ["1.0"], b"1.0"])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(Failure, match="not text. Write it in quotes"):
        deb.parse(value)


def test_parts_are_split_at_the_first_colon_and_the_last_hyphen() -> None:
    assert deb.parse("3:1:2-3-4+b1") == deb.Version(3, "1:2-3", "4+b1")
    assert deb.parse("1.0") == deb.Version(0, "1.0", "")
    assert deb.parse(" 1.0\t") == deb.Version(0, "1.0", "")


def test_text_keeps_the_epoch_a_colon_needs() -> None:
    assert str(deb.parse("00:1.0-1")) == "1.0-1"
    assert str(deb.parse("0:1:2")) == "0:1:2"


@given(VERSIONS)
def test_text_of_a_version_reads_back_as_itself(text: str) -> None:
    version = deb.parse(text)
    assert deb.parse(str(version)) == version
    assert deb.compare(str(version), text) == 0


@given(VERSIONS, VERSIONS)
def test_order_is_policy_to_the_letter(one: str, other: str) -> None:
    first, second = deb.parse(one), deb.parse(other)
    expected = (
        (first.epoch > second.epoch) - (first.epoch < second.epoch)
        or by_the_letter(first.upstream, second.upstream)
        or by_the_letter(first.revision, second.revision)
    )
    assert deb.compare(one, other) == expected
    assert deb.compare(other, one) == -expected


@given(VERSIONS, VERSIONS, VERSIONS)
def test_order_is_transitive(first: str, second: str, third: str) -> None:
    low, middle, high = sorted((first, second, third), key=deb.key)
    assert deb.compare(low, middle) <= 0
    assert deb.compare(middle, high) <= 0
    assert deb.compare(low, high) == min(deb.compare(low, middle), deb.compare(middle, high))


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        deb.key(text)
    except Failure:
        pass
