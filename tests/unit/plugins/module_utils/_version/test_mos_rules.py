# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the MOS scheme: each is broken by something, and the examples of the scheme break none."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import mos_history, mos_rules, mos_scheme
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_rules import Context

BROKEN: t.List[t.Tuple[str, str, Context, str]] = [
    ("deb", "2.1.0-1ubuntu1", Context(), "form"),
    ("rpm", "0.1.10-1.el7~mos201.sec.1", Context(), "form"),
    ("deb", "6.14.0-2.3ubuntu4~u14.04+mos1", Context(), "trademark"),
    ("rpm", "2.0-1.el7.centos~mos1", Context(), "trademark"),
    ("deb", "1.2.4~mos6.1-1~u14.04+mos1", Context(), "software-version"),
    ("deb", "2014.2.3-1~u14.04+mos1", Context(upstream="1:2014.1.3-0ubuntu1"), "epoch"),
    ("deb", "1:6.1-1~u14.04+mos1", Context(upstream=""), "epoch"),
    ("deb", "6.14.0-2~u14.04+mos1", Context(upstream="6.14.0-2.3ubuntu4"), "revision"),
    ("deb", "6.1-2~u14.04+mos1", Context(upstream=""), "revision"),
    ("deb", "2.1.0-0~u14.04+mos1", Context(), "zero-tilde"),
    ("deb", "2.1.0-1~u14.04+mos0", Context(), "counter"),
    ("rpm", "0.1.10-1~mos2", Context(), "dist-tag"),
    ("rpm", "0.1.10-1.el7~mos2.1", Context(kind="updates"), "security-bundle"),
    ("rpm", "2015.2-2.el7~mos123", Context(upstream="2015.2-1.el7"), "below-upstream"),
    ("deb", "1.2-1~u14.04+mos1", Context(upstream="1.2"), "below-upstream"),
    ("deb", "2.0-1~u14.04+mos1", Context(upstream="2.1-1"), "no-upstream-downgrade"),
    ("deb", "2.1.0-1~u14.04+mos1+mos7.0+1", Context(release="6.1"), "target-release"),
]

KEPT: t.List[t.Tuple[str, str, Context]] = [
    ("deb", "2.1.0-1~u14.04+mos1", Context(upstream="2.1.0-1", release="6.1", kind="base")),
    ("deb", "6.14.0-2.3~u14.04+mos3", Context(upstream="6.14.0-2.3ubuntu4")),
    ("deb", "6.1-1~u14.04+mos1", Context(upstream="")),
    ("deb", "1:2014.1.3-0u~u14.04+mos1", Context(upstream="1:2014.1.3-0ubuntu1")),
    ("deb", "2.1.0-1~u14.04+mos2~mos6.1+1", Context(upstream="2.1.0-1", release="6.1", kind="updates")),
    ("deb", "2.1.0-1~u14.04+mos1+mos6.1+1", Context(release="7.0")),
    ("deb", "2.0-1~u14.04+mos1", Context(upstream="2.1-1", kind="holdback")),
    ("deb", "2.2+dfsg-5exp~u14.04+mos3", Context(upstream="2.1.0-1ubuntu1")),  # upgraded: newer software than the base's
    ("rpm", "0.1.10-1.el7~mos2.1", Context(upstream="0.1.10-1.el7", kind="security")),
    ("rpm", "2015.3-1.el7~mos0", Context(upstream="")),
    ("rpm", "0.1.10-1.el7~mos2.1", Context()),
]


@pytest.mark.parametrize(("family", "text", "context", "rule"), BROKEN)
def test_a_broken_rule_is_named(family: str, text: str, context: Context, rule: str) -> None:
    found = {problem.rule: problem.why for problem in mos_rules.problems(family, text, context)}
    assert rule in found
    assert found[rule]


@pytest.mark.parametrize(("family", "text", "context"), KEPT)
def test_the_examples_of_the_scheme_keep_every_rule(family: str, text: str, context: Context) -> None:
    assert mos_rules.problems(family, text, context) == []


@pytest.mark.parametrize("text", [1.0, None, "", "0_1", ["1.0"]])
def test_what_is_no_version_breaks_the_form(text: t.Any) -> None:
    assert [problem.rule for problem in mos_rules.problems("deb", text)] == ["form"]


def test_a_bad_version_of_the_base_is_an_error_not_a_broken_rule() -> None:
    with pytest.raises(Failure, match="read Debian version"):
        mos_rules.problems("deb", "2.1.0-1~u14.04+mos1", Context(upstream="a"))


@pytest.mark.parametrize("release", ["juno", "6.x", "6.1 "])
def test_a_release_is_a_number(release: str) -> None:
    with pytest.raises(Failure, match="read release"):
        mos_rules.problems("deb", "2.1.0-1~u14.04+mos1+mos6.1+1", Context(release=release))


def test_every_rule_is_broken_by_some_example() -> None:
    deb = mos_scheme.scheme("deb")
    sick = mos_history.read(deb, [
        {"release": "6.1", "base": ["1-2"], "updates": ["1-1", "1-0"]}, {"release": "7.0", "base": "1-1"},
    ])
    broken = {rule for *_context, rule in BROKEN} | {problem.rule for problem in mos_history.problems(deb, sick)}
    assert broken == {rule.id for rule in mos_rules.RULES}
