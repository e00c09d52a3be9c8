# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MOS versions, read and made: every example of the scheme, in parts, in words and as a class."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import mos_scheme
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import MosVersion, Step

DEB, RPM = mos_scheme.scheme("deb"), mos_scheme.scheme("rpm")

READ: t.List[t.Tuple[str, MosVersion]] = [
    ("2.1.0-1~u14.04+mos1", MosVersion("deb", 0, "2.1.0", "1", "u14.04", 1)),
    ("6.14.0-2.3~u14.04+mos3", MosVersion("deb", 0, "6.14.0", "2.3", "u14.04", 3)),
    ("6.1-1~d8+mos1", MosVersion("deb", 0, "6.1", "1", "d8", 1)),
    ("1:2014.1.3-0u~u14.04+mos1", MosVersion("deb", 1, "2014.1.3", "0u", "u14.04", 1)),
    ("2.1.0-1~u14.04+mos1+mos6.1+1", MosVersion("deb", 0, "2.1.0", "1", "u14.04", 1, (Step("+", "6.1", 1),))),
    ("2.1.0-1~u14.04+mos2~mos6.1+1", MosVersion("deb", 0, "2.1.0", "1", "u14.04", 2, (Step("~", "6.1", 1),))),
    ("2.2+dfsg-5exp~u14.04+mos3~mos7.0+1", MosVersion("deb", 0, "2.2+dfsg", "5exp", "u14.04", 3, (Step("~", "7.0", 1),))),
    ("2.2-1~bpo8+1~u14.04+mos1", MosVersion("deb", 0, "2.2", "1~bpo8+1", "u14.04", 1)),
    ("2.2-1+deb8u2~u14.04+mos1", MosVersion("deb", 0, "2.2", "1+deb8u2", "u14.04", 1)),
    ("0.1.10-1.el7~mos2", MosVersion("rpm", 0, "0.1.10", "1", "el7", 2)),
    ("0.1.10-1.el7~mos201.1", MosVersion("rpm", 0, "0.1.10", "1", "el7", 201, (), 1)),
    ("2:2015.3-0.1.rc1.el7~mos0", MosVersion("rpm", 2, "2015.3", "0.1.rc1", "el7", 0)),
    ("0.1.10-1~mos2", MosVersion("rpm", 0, "0.1.10", "1", "", 2)),
]

# Version of the base package -> build 1 of the overlay's.
MADE = {
    "deb": [
        ("2.1.0-1", "2.1.0-1~u14.04+mos1"), ("6.14.0-2.3ubuntu4", "6.14.0-2.3~u14.04+mos1"), ("6.14.0-3ubuntu1", "6.14.0-3~u14.04+mos1"),
        ("1.2-0ubuntu1", "1.2-0u~u14.04+mos1"), ("1.2-0ubuntu0.14.04.1", "1.2-0u~u14.04+mos1"),
        ("1:2014.1.3-0ubuntu1", "1:2014.1.3-0u~u14.04+mos1"), ("2.2+dfsg-5exp", "2.2+dfsg-5exp~u14.04+mos1"),
        ("2.2-1~bpo8+1", "2.2-1~bpo8+1~u14.04+mos1"), ("2.2-1+deb8u2", "2.2-1+deb8u2~u14.04+mos1"),
        ("2.2-1ubuntu2~14.04.1", "2.2-1~u14.04+mos1"), ("2.2-1~ubuntu14.04.1", "2.2-1~u14.04+mos1"), ("2.2-1build1", "2.2-1~u14.04+mos1"),
        ("2.2-1+b2", "2.2-1~u14.04+mos1"), ("1.9ubuntu3", "1.9-1~u14.04+mos1"),
    ],
    "rpm": [
        ("0.1.10-1.el7", "0.1.10-1.el7~mos1"), ("1:2.0-3.el7.centos.2", "1:2.0-3.el7~mos1"), ("2.0-3.el7_9.1", "2.0-3.el7~mos1"),
        ("2.0-0.2.rc1.fc21", "2.0-0.2.rc1.el7~mos1"),
        ("2.0-3el7", "2.0-3.el7~mos1"), ("2.0-3.rel2.el7", "2.0-3.rel2.el7~mos1"),
    ],
}

CLASSES = [
    ("deb", "6.1-1~u14.04+mos1", "", "", "specific"), ("deb", "2.1.0-1~u14.04+mos1", "2.1.0-1", "", "divergent"),
    ("deb", "2.1.0-1~u14.04+mos1", None, "", "specific_or_divergent"), ("deb", "6.14.0-2.3~u14.04+mos1", None, "", "divergent"),
    ("deb", "2.1.0-1~u14.04+mos1+mos6.1+1", "2.1.0-1", "6.1", "subset_update"),
    ("deb", "2.1.0-1~u14.04+mos2~mos6.1+1", "2.1.0-1", "", "whole_backport"),
    ("deb", "2.1.0-1~u14.04+mos1+mos6.1+1+mos7.0+1", None, "", "port"), ("deb", "2.1.0-1~u14.04+mos1+mos6.1+1", None, "7.0", "port"),
    ("deb", "2.1.0-1~u14.04+mos1+mos7.0+1~mos6.1+1", None, "6.1", "whole_backport"),
    ("rpm", "0.1.10-1.el7~mos201.1", "0.1.10-1.el7", "8.0", "security"), ("rpm", "0.1.10-2.el7~mos1", None, "", "divergent"),
]

UNREADABLE = [
    ("deb", "2.1.0-1ubuntu1"), ("deb", "2.1.0"), ("deb", "2.1.0-1~u14.04+mos"), ("deb", "2.1.0-1~u14.04+mos01"), ("deb", "2.1.0-~u14.04+mos1"),
    ("deb", "2.1.0-1~u14.04+mos1+mos6.1"), ("deb", "2.1.0-1~u14.04+mos1+mos6.1+0"), ("deb", "2.1.0-1~u14.04+mos1~u16.04+mos1"),
    ("deb", "2.1.0-0mos1+mos6.1+1"), ("deb", "2.1.0-1~mos6.1+mos1"), ("deb", "2.1.0-1~u14.04+mos" + "9" * 20), ("deb", "2.1.0_1"),
    ("rpm", "0.1.10-1.el7"), ("rpm", "0.1.10"), ("rpm", "0.1.10-1.el7~mos201.sec.1"), ("rpm", "0.1.10-1.el7~mos1.0"), ("rpm", "0.1.10-1.el7~mos01"),
]


@pytest.mark.parametrize(("text", "version"), READ)
def test_a_version_is_read_and_written_back(text: str, version: MosVersion) -> None:
    assert mos_scheme.scheme(version.family).parse(text) == version
    assert str(version) == text


@pytest.mark.parametrize(("family", "upstream", "expected"), [(family, *pair) for family in MADE for pair in MADE[family]])
def test_the_first_build_keeps_what_it_can_of_the_base_package_and_stays_below(family: str, upstream: str, expected: str) -> None:
    used = mos_scheme.scheme(family)
    made = used.divergent(upstream)._replace(base={"deb": "u14.04", "rpm": "el7"}[family], build=1)
    assert str(made) == expected
    assert used.key(expected) < used.key(upstream)


def test_a_specific_package_has_revision_one() -> None:
    assert str(DEB.specific("6.1")._replace(base="u14.04", build=1)) == "6.1-1~u14.04+mos1"
    assert str(RPM.specific("2015.2")._replace(base="el7", build=123)) == "2015.2-1.el7~mos123"


@pytest.mark.parametrize(("family", "text", "upstream", "release", "expected"), CLASSES)
def test_a_version_is_of_one_class(family: str, text: str, upstream: t.Optional[str], release: str, expected: str) -> None:
    version = mos_scheme.scheme(family).parse(text)
    assert mos_scheme.classify(version, upstream, release) == expected
    assert expected in mos_scheme.CLASSES


def test_a_version_is_explained_part_by_part() -> None:
    assert mos_scheme.explain(DEB.parse("1:2.1.0-1~u14.04+mos2~mos6.1+3")) == (
        "software 1:2.1.0, revision 1 for u14.04, build 2, brought back whole to release 6.1, update 3: whole backport"
    )
    assert mos_scheme.explain(RPM.parse("0.1.10-1.el7~mos201.1")) == "software 0.1.10, revision 1 for el7, build 201, security bundle 1: security"


@pytest.mark.parametrize(("family", "text"), UNREADABLE)
def test_what_is_not_in_the_form_is_refused(family: str, text: str) -> None:
    with pytest.raises(Failure):
        mos_scheme.scheme(family).parse(text)


@pytest.mark.parametrize(("used", "make", "text"), [
    (DEB, "specific", "6.1-1"), (RPM, "specific", "6.1-1"), (DEB, "base_tag", "14.04"), (DEB, "base_tag", "mos6.1"), (RPM, "base_tag", "u14.04"),
    (RPM, "base_tag", ""), (DEB, "divergent", "a"), (RPM, "divergent", "a-b-c"),
])
def test_parts_that_cannot_make_a_version_are_refused(used: mos_scheme.Scheme, make: str, text: str) -> None:
    with pytest.raises(Failure):
        getattr(used, make)(text)


def test_other_families_are_refused() -> None:
    with pytest.raises(Failure, match="only deb and rpm"):
        mos_scheme.scheme("apk")


@given(st.text(alphabet="0123.:-~+^mosu_el7", max_size=24))
def test_any_text_is_read_back_as_itself_or_refused(text: str) -> None:
    for used in (DEB, RPM):
        try:
            version = used.parse(text)
        except Failure:
            continue
        assert used.key(str(version)) == used.key(text)
        assert used.parse(str(version)) == version
        assert mos_scheme.explain(version)
