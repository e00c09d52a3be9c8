# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dependencies as closures read them: what they mean, and that nothing in an index is believed blindly."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_depends, rpm_depends
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Clause, Joined, Term

A, B, C = Term("a"), Term("b"), Term("c")


def _rich(text: str, conflict: bool = False) -> t.List[t.Tuple[t.Any, t.Any]]:
    return [(clause.wanted, clause.unwanted) for clause in rpm_depends.clauses({"name": text}, "x", conflict)]


def test_alternatives_versions_and_architectures() -> None:
    assert deb_depends.demands("libc6 (>= 2.36), exim4|postfix:any  (<<3), g++:native, x (> 1),", "p") == [
        Clause((Term("libc6", ">=", "2.36"),), (), "libc6 (>= 2.36)"),
        Clause((Term("exim4"), Term("postfix", "<", "3", "any")), (), "exim4|postfix:any (<<3)"),
        Clause((Term("g++", "", "", "native"),), (), "g++:native"),
        Clause((Term("x", ">=", "1"),), (), "x (> 1)"),
    ]


def test_conflicts_are_never_about_the_package_itself() -> None:
    assert deb_depends.conflicts("mta, old (<= 2)", "p") == [
        Clause((), (Term("mta"),), "not mta", True), Clause((), (Term("old", "<=", "2"),), "not old (<= 2)", True),
    ]


def test_provides_with_and_without_version() -> None:
    assert deb_depends.provides("mta, libfoo (= 2:1.0-1)", "p") == [Term("mta"), Term("libfoo", "=", "2:1.0-1")]


@pytest.mark.parametrize("text", ["a b", "a (1)", "a (== 1)", "a (>= 1", "a |", "(>= 1)", "a [amd64]", "a (>= 1) (<< 2)", "-a"])
def test_a_relation_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="Failed to read p 1: .* is no relation"):
        deb_depends.demands(text, "p 1")


def test_a_provided_range_is_refused() -> None:
    with pytest.raises(Failure, match="no single version"):
        deb_depends.provides("a (>= 1)", "p 1")


@pytest.mark.parametrize("attributes,term", [
    ({"name": "a"}, A),
    ({"name": "a", "flags": "GE", "epoch": "0", "ver": "1", "rel": "2"}, Term("a", ">=", "1-2")),
    ({"name": "a", "flags": "LT", "epoch": "3", "ver": "1"}, Term("a", "<", "3:1")),
    ({"name": "a", "flags": "EQ", "epoch": "0", "ver": ""}, A),
])
def test_entries_of_primary(attributes: t.Dict[str, str], term: Term) -> None:
    assert rpm_depends.clauses(attributes, "x") == [Clause((term,), (), str(term))]


@pytest.mark.parametrize("text,expected", [
    ("(a and b and c)", [((A,), ()), ((B,), ()), ((C,), ())]),
    ("(a or b >= 1-2)", [((A, Term("b", ">=", "1-2")), ())]),
    ("(a if b)", [((A,), (B,))]),
    ("(a if b else c)", [((A,), (B,)), ((C, B), ())]),
    ("(a unless b)", [((A,), ()), ((), (B,))]),
    ("(a unless b else c)", [((A, B), ()), ((C,), (B,))]),
    ("(a with b)", [((Joined("with", A, B),), ())]),
    ("(a without (b or c))", [((Joined("without", A, Joined("or", B, C)),), ())]),
    ("(libx.so.1()(64bit) or perl(X::Y) = 0:2)", [((Term("libx.so.1()(64bit)"), Term("perl(X::Y)", "=", "2")), ())]),
    ("((a and b) or c)", [((A, C), ()), ((B, C), ())]),
])
def test_rich_dependencies(text: str, expected: t.List[t.Any]) -> None:
    assert _rich(text) == expected


@pytest.mark.parametrize("text,expected", [
    ("(a and b)", [((), (A, B))]), ("(a or b)", [((), (A,)), ((), (B,))]), ("(a if b)", [((), (A,)), ((B,), ())]), ("(a unless b)", [((B,), (A,))]),
])
def test_a_rich_conflict_is_the_opposite(text: str, expected: t.List[t.Any]) -> None:
    assert _rich(text, conflict=True) == expected


@pytest.mark.parametrize("text", [
    "(", "()", "(a", "(a and)", "(a and b or c)", "(a without b without c)", "(a if b else c else d)", "(a nor b)", "(a else b)", "(a and b) c", "(a => 1)",
    "(a with (b and c))", "(a >= )", "(" * 60 + "a" + ")" * 60, "(" + " or ".join("(a and b)" for _number in range(40)) + ")",
])
def test_a_rich_dependency_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="Failed to read x: its rich dependency"):
        _rich(text)


_TREES = st.recursive(
    st.sampled_from("abcd"),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["and", "or", "if", "unless"]), inner, inner), st.tuples(st.sampled_from(["if", "unless"]), inner, inner, inner),
    ), max_leaves=5,
)


def _written(tree: t.Any) -> str:
    if isinstance(tree, str):
        return tree
    text = f"({_written(tree[1])} {tree[0]} {_written(tree[2])}"
    return f"{text} else {_written(tree[3])})" if len(tree) == 4 else f"{text})"


def _true(tree: t.Any, installed: t.AbstractSet[str]) -> bool:
    """What rpm's manual says the operators mean."""
    if isinstance(tree, str):
        return tree in installed
    left, right = _true(tree[1], installed), _true(tree[2], installed)
    if tree[0] == "and":
        return left and right
    if tree[0] == "or":
        return left or right
    other = _true(tree[3], installed) if len(tree) == 4 else tree[0] == "if"
    return (left if right else other) if tree[0] == "if" else (other and right if right else left) if len(tree) == 4 else left and not right


@given(_TREES, st.frozensets(st.sampled_from("abcd")), st.booleans())
def test_clauses_mean_what_the_rich_dependency_means(tree: t.Any, installed: t.FrozenSet[str], conflict: bool) -> None:
    clauses = rpm_depends.clauses({"name": _written(tree)}, "x", conflict)
    holds = all(
        any(term.name in installed for term in clause.wanted) or not all(term.name in installed for term in clause.unwanted) for clause in clauses
    )
    assert holds == (_true(tree, installed) != conflict)
