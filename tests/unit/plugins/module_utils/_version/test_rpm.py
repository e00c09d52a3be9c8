# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RPM versions: the known orders, the refusals, and a total order over anything generated."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import rpm
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._version.known_orders import (
    RPM_ASCENDING,
    RPM_EQUAL,
)

REFUSED = [
    ("", "empty"), (" 1", "space"), ("1 0", "space"), ("1\n", "control character"), ("1\x00", "control character"),
    ("1:", "version is empty"), (":", "version is empty"), ("-1", "version is empty"), ("1:-1", "version is empty"),
    ("1.0-", "release after the last hyphen is empty"), ("a:1", "the only colon"), ("1.0-1:2", "the only colon"),
    ("1:2:3", "the only colon"), ("tools-1.0-1", "may not contain a hyphen. Leave out the package name"),
    ("4294967296:1", "above 4294967295"), ("9" * 5000 + ":1", "above 4294967295"),
]

PART = st.text(alphabet="0019abZ._~^+", min_size=1, max_size=8)
VERSIONS = st.builds(
    lambda epoch, version, release: f"{epoch}{version}{'-' if release else ''}{release}",
    st.sampled_from(["", "", "", "0:", "1:", "01:"]), PART, st.one_of(st.just(""), PART),
)


def by_the_letter(left: str, right: str) -> int:
    """Order two parts by walking both at once, segment against segment: slow and plain, to judge the key."""
    while True:
        left, right = (re.sub(r"^[^A-Za-z0-9~^]+", "", text) for text in (left, right))
        for sign, loser in (("~", -1), ("^", 1)):
            if left.startswith(sign) and right.startswith(sign):
                left, right = left[1:], right[1:]
                break
            if left.startswith(sign) or right.startswith(sign):
                marked, other = (left, right) if left.startswith(sign) else (right, left)
                # A tilde loses to all; a caret beats the end only.
                order = loser if sign == "~" or not other else -1
                return order if marked is left else -order
        else:
            if not left or not right:
                return bool(left) - bool(right)
            numeric = left[0].isdigit()
            pattern = r"[0-9]*" if numeric else r"[A-Za-z]*"
            first, second = (re.match(pattern, text).group() for text in (left, right))
            if not second:
                return 1 if numeric else -1
            left, right = left[len(first):], right[len(second):]
            ours, theirs = (int(first), int(second)) if numeric else (first, second)
            if ours != theirs:
                return 1 if ours > theirs else -1


@pytest.mark.parametrize("row", RPM_ASCENDING, ids=lambda row: row[0])
def test_known_orders_ascend(row: list[str]) -> None:
    for (low, left), (high, right) in itertools.product(enumerate(row), repeat=2):
        assert rpm.compare(left, right) == (low > high) - (low < high), (left, right)
    assert sorted(reversed(row), key=rpm.key) == row
    assert max(row, key=rpm.key) == row[-1]


@pytest.mark.parametrize(("left", "right"), RPM_EQUAL)
def test_equal_versions_have_equal_keys(left: str, right: str) -> None:
    assert rpm.compare(left, right) == 0
    assert rpm.key(left) == rpm.key(right)


@pytest.mark.parametrize(("text", "why"), REFUSED, ids=lambda value: repr(value)[:30])
def test_what_no_package_can_carry_is_refused_by_name_and_rule(text: str, why: str) -> None:
    for read in (rpm.parse, rpm.key, lambda version: rpm.compare("1", version)):
        with pytest.raises(Failure) as caught:
            read(text)
        assert why in str(caught.value)
        assert repr(text) in str(caught.value)


@pytest.mark.parametrize("value", [1.1, 2, None, ["1.0"], b"1.0"])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(Failure, match="not text. Write it in quotes"):
        rpm.parse(value)


def test_parts_are_split_at_the_colon_and_the_hyphen() -> None:
    assert rpm.parse("3:1.0~rc1-4.el9") == rpm.Version(3, "1.0~rc1", "4.el9")
    assert rpm.parse("1.0") == rpm.Version(0, "1.0", "")
    assert str(rpm.parse("00:1.0-1")) == "1.0-1"


@given(VERSIONS)
def test_text_of_a_version_reads_back_as_itself(text: str) -> None:
    version = rpm.parse(text)
    assert rpm.parse(str(version)) == version
    assert rpm.compare(str(version), text) == 0


@given(VERSIONS, VERSIONS)
def test_order_is_a_walk_over_both_texts(one: str, other: str) -> None:
    first, second = rpm.parse(one), rpm.parse(other)
    expected = (
        (first.epoch > second.epoch) - (first.epoch < second.epoch)
        or by_the_letter(first.version, second.version)
        or bool(first.release) - bool(second.release)
        or by_the_letter(first.release, second.release)
    )
    assert rpm.compare(one, other) == expected
    assert rpm.compare(other, one) == -expected


@given(VERSIONS, VERSIONS, VERSIONS)
def test_order_is_transitive(first: str, second: str, third: str) -> None:
    low, middle, high = sorted((first, second, third), key=rpm.key)
    assert rpm.compare(low, middle) <= 0
    assert rpm.compare(middle, high) <= 0
    assert rpm.compare(low, high) == min(rpm.compare(low, middle), rpm.compare(middle, high))


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rpm.key(text)
    except Failure:
        pass
