# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What one package demands of others, deb or rpm: clauses over the names packages have and provide."""

from __future__ import annotations

import typing as t

RANGES: t.Dict[str, t.FrozenSet[int]] = {
    "<": frozenset({-1}), "<=": frozenset({-1, 0}), "=": frozenset({0}), ">=": frozenset({0, 1}), ">": frozenset({1}),
}


class Term(t.NamedTuple):
    """A name, and which of its versions will do.

    relation: one of RANGES, empty for every version. architecture: of a deb name:architecture, or ``any``.
    own: only packages of this name are meant, not what provides it (Obsoletes of rpm).
    """

    name: str
    relation: str = ""
    version: str = ""
    architecture: str = ""
    own: bool = False

    def __str__(self) -> str:
        name = f"{self.name}:{self.architecture}" if self.architecture else self.name
        return f"{name} {self.relation} {self.version}" if self.relation else name


class Joined(t.NamedTuple):
    """One package that fits both sides (with), the left but not the right (without), or either (or)."""

    operator: str
    left: Expression  # type: ignore[misc]  # NamedTuples cannot be recursive for mypy
    right: Expression  # type: ignore[misc]


Expression = t.Union[Term, Joined]  # type: ignore[misc]


class Clause(t.NamedTuple):
    """Holds if a package that fits one of wanted is installed, or none that fits one of unwanted is.

    The preferred of wanted comes first. Without unwanted it is a plain demand, without wanted a conflict.
    conflict: if it is about one thing only, that is never the package itself. text: the relation as its package writes it, for people.
    """

    wanted: t.Tuple[Expression, ...]
    unwanted: t.Tuple[Expression, ...]
    text: str
    conflict: bool = False


class Repository(t.NamedTuple):
    """order: the lower, the more its packages are preferred. elsewhere: clients have it anyway, nothing of it is taken."""

    name: str
    order: int = 0
    elsewhere: bool = False


def terms(expression: Expression) -> t.Iterator[Term]:
    """Every term of an expression, from the left."""
    if isinstance(expression, Term):
        yield expression
    else:
        yield from terms(expression.left)
        yield from terms(expression.right)
