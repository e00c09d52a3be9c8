# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Relations of binary packages: Depends, Recommends, Conflicts, Provides (Debian Policy 7.1, deb-control(5))."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.relation import Clause, Term

_RELATION = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9+._-]*)(?::(?P<architecture>[a-z0-9-]+))?"
    r"\s*(?:\(\s*(?P<relation><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s()]+)\s*\))?"
)
# Policy 7.1: the old < and > mean <= and >=; dpkg still reads them so.
_RELATIONS = {"<<": "<", "<": "<=", "<=": "<=", "=": "=", ">=": ">=", ">": ">=", ">>": ">"}
_REMEDY = "The upstream's index is wrong or hostile; nothing was used"


def demands(text: str, what: str) -> t.List[Clause]:
    """A Depends, Pre-Depends or Recommends as clauses, their alternatives in the order written.

    what: names the package in the Failure, raised for a relation that cannot be read.
    """
    return [
        Clause(tuple(_term(alternative, what) for alternative in group.split("|")), (), " ".join(group.split()))
        for group in _groups(text)
    ]


def conflicts(text: str, what: str) -> t.List[Clause]:
    """A Conflicts or Breaks as clauses; raises Failure as demands does."""
    return [Clause((), (_term(group, what),), f"not {' '.join(group.split())}", True) for group in _groups(text)]


def provides(text: str, what: str) -> t.List[Term]:
    """The names of a Provides, each with ``=`` and its version where one is given; raises Failure as demands does."""
    found = [_term(group, what) for group in _groups(text)]
    for term in found:
        if term.relation not in ("", "="):
            raise Failure(f"read {what}", f"it provides {str(term)[:80]!r}, which is no single version", _REMEDY)
    return found


def _groups(text: str) -> t.Iterator[str]:
    return (group for group in text.split(",") if group.strip())  # dpkg forgives a comma too many


def _term(text: str, what: str) -> Term:
    match = _RELATION.fullmatch(text.strip())
    if not match:
        raise Failure(f"read {what}", f"{text.strip()[:80]!r} is no relation of a binary package", _REMEDY)
    name, architecture, relation, version = match.groups()
    return Term(name, _RELATIONS[relation] if relation else "", version or "", architecture or "")
