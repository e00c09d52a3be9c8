# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Relations of rpm packages: entries of primary.xml, and rich dependencies (rpm's manual, "Boolean Dependencies").

A rich dependency becomes clauses: a conjunction of disjunctions, in which "not installed" may stand.
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import RANGES, Clause, Expression, Joined, Term
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_stream import REMEDY

FLAGS = {"LT": "<", "LE": "<=", "EQ": "=", "GE": ">=", "GT": ">"}
_CHAINS = ("and", "or", "with")  # (a or b or c); the other operators stand between two only
_CONDITIONS = ("if", "unless")
_MOST_CLAUSES = 256  # of one dependency; a hostile one could ask for 2^n
_DEEPEST = 20

_Literals = t.Tuple[t.Tuple[Expression, ...], t.Tuple[Expression, ...]]


class _Unreadable(Exception):
    """Why a rich dependency cannot be read."""


class _Rich(t.NamedTuple):
    operator: str
    left: _Tree  # type: ignore[misc]  # NamedTuples cannot be recursive for mypy
    right: _Tree  # type: ignore[misc]
    otherwise: t.Optional[_Tree] = None  # type: ignore[misc]


_Tree = t.Union[Term, _Rich]  # type: ignore[misc]


def term(attributes: t.Mapping[str, str]) -> Term:
    """The attributes name, flags, epoch, ver and rel of an rpm:entry as a term."""
    relation = FLAGS.get(attributes.get("flags", ""), "")
    version = attributes.get("ver", "")
    if not relation or not version:
        return Term(attributes.get("name", ""))
    epoch, release = attributes.get("epoch") or "0", attributes.get("rel", "")
    return Term(attributes["name"], relation, f"{'' if epoch == '0' else epoch + ':'}{version}{'-' + release if release else ''}")


def clauses(attributes: t.Mapping[str, str], what: str, conflict: bool = False) -> t.List[Clause]:
    """What an rpm:entry demands, or, of rpm:conflicts, forbids.

    what: names the package in the Failure, raised for a rich dependency that cannot be read or is out of all proportion.
    """
    name = attributes.get("name", "")
    if not name.startswith("("):
        one = term(attributes)
        return [Clause((), (one,), f"not {one}", True)] if conflict else [Clause((one,), (), str(one))]
    text = f"not {name}" if conflict else name
    try:
        return [Clause(wanted, unwanted, text, conflict) for wanted, unwanted in _normal(_Parser(name).whole(), not conflict)]
    except _Unreadable as error:
        raise Failure(f"read {what}", f"its rich dependency {name[:120]!r} cannot be read: {error}", REMEDY) from error


class _Parser:
    """Reads one rich dependency; names may hold balanced parentheses: libfoo.so.1()(64bit), perl(Foo::Bar)."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def whole(self) -> _Tree:
        tree = self._group(0)
        if self._at != len(self._text):
            raise _Unreadable("something follows its end")
        return tree

    def _group(self, depth: int) -> _Tree:
        if depth > _DEEPEST:
            raise _Unreadable(f"it is nested deeper than {_DEEPEST}")
        self._at += 1
        operands, operator = [self._operand(depth)], ""
        while not self._closes():
            word = self._word()
            if word == "else" and operator in _CONDITIONS and len(operands) == 2:
                operands.append(self._operand(depth))
                if not self._closes():
                    raise _Unreadable("something follows its else")
                return _Rich(operator, *operands)
            if word not in (*_CHAINS, *_CONDITIONS, "without") or (operator and not (word == operator and word in _CHAINS)):
                raise _Unreadable(f"{word[:20]!r} is no operator here")
            operator = word
            operands.append(self._operand(depth))
        tree = operands.pop()
        while operands:
            tree = _Rich(operator, operands.pop(), tree)
        return tree

    def _operand(self, depth: int) -> _Tree:
        self._blanks()
        if self._text[self._at:self._at + 1] == "(":
            return self._group(depth + 1)
        name = self._word()
        self._blanks()
        start = self._at
        while self._text[self._at:self._at + 1] in ("<", "=", ">"):
            self._at += 1
        relation = self._text[start:self._at]
        if not relation:
            return Term(name)
        if relation not in RANGES:
            raise _Unreadable(f"{relation!r} compares nothing")
        version = self._word()
        return Term(name, relation, version[2:] if version.startswith("0:") else version)

    def _word(self) -> str:
        self._blanks()
        start, level = self._at, 0
        while self._at < len(self._text):
            sign = self._text[self._at]
            if sign.isspace() or (sign == ")" and level == 0):
                break
            level += (sign == "(") - (sign == ")")
            self._at += 1
        if start == self._at:
            raise _Unreadable("a name, version or operator is missing")
        return self._text[start:self._at]

    def _closes(self) -> bool:
        self._blanks()
        closes = self._text[self._at:self._at + 1] == ")"
        self._at += closes
        return closes

    def _blanks(self) -> None:
        while self._text[self._at:self._at + 1].isspace():
            self._at += 1


def _normal(tree: _Tree, holds: bool) -> t.List[_Literals]:
    """The clauses that together say that tree holds, or that it does not."""
    if isinstance(tree, Term):
        return [((tree,), ())] if holds else [((), (tree,))]
    operator, left, right, otherwise = tree
    if operator in ("with", "without"):
        one = _joined(tree)
        return [((one,), ())] if holds else [((), (one,))]
    if operator in ("and", "or"):
        both = (operator == "and") == holds
        return (_and if both else _or)(_normal(left, holds), _normal(right, holds))
    # (a if b) is a or not b, (a unless b) is a and not b; with an else, b decides which of two is meant.
    chosen = _normal(left, holds)
    if otherwise is not None:
        applies = operator == "if"
        return _and(_or(chosen, _normal(right, not applies)), _or(_normal(otherwise, holds), _normal(right, applies)))
    return (_or if (operator == "if") == holds else _and)(chosen, _normal(right, not holds))


def _and(left: t.List[_Literals], right: t.List[_Literals]) -> t.List[_Literals]:
    return left + right


def _or(left: t.List[_Literals], right: t.List[_Literals]) -> t.List[_Literals]:
    if len(left) * len(right) > _MOST_CLAUSES:
        raise _Unreadable(f"it makes more than {_MOST_CLAUSES} conditions")
    return [(one[0] + other[0], one[1] + other[1]) for one in left for other in right]


def _joined(tree: _Tree) -> Expression:
    """The operands of with and without are about one package, so only what can be said of one may stand there."""
    if isinstance(tree, Term):
        return tree
    if tree.operator not in ("with", "without", "or"):
        raise _Unreadable(f"{tree.operator} says nothing about a single package")
    return Joined(tree.operator, _joined(tree.left), _joined(tree.right))
