# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Ranges of versions as people write them: ``>= 2.2-1, << 2.4-1``. All conditions have to hold."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import deb, rpm

_KEYS: t.Dict[str, t.Callable[[str], t.Any]] = {"deb": deb.key, "rpm": rpm.key}
_CONDITION = re.compile(r"(<<|>>|<=|>=|=|<|>)\s*(\S+)")
_SIGNS = {"<<": (-1,), "<": (-1,), "<=": (-1, 0), "=": (0,), ">=": (0, 1), ">": (1,), ">>": (1,)}


def key(form: str, version: str) -> t.Any:
    """A sort key of a version in the order of its format, deb or rpm; raises Failure for what is none."""
    return _KEYS[form](version)


class Range(t.NamedTuple):
    """form: deb or rpm. conditions: (relation, version), never none."""

    form: str
    conditions: t.Tuple[t.Tuple[str, str], ...]

    def __contains__(self, version: object) -> bool:
        return isinstance(version, str) and all(_sign(self.form, version, bound) in _SIGNS[relation] for relation, bound in self.conditions)

    def __str__(self) -> str:
        return ", ".join(f"{relation} {bound}" for relation, bound in self.conditions)


def parse(form: str, text: str) -> Range:
    """The range a text means; raises Failure for what is none, or for one no version can be in."""
    conditions = []
    for part in text.split(","):
        match = _CONDITION.fullmatch(part.strip())
        if match is None:
            raise _refusal(text, f"{part.strip()!r} is no condition")
        key(form, match.group(2))
        conditions.append((match.group(1), match.group(2)))
    found = Range(form, tuple(conditions))
    if _empty(found):
        raise _refusal(text, "no version can be in it")
    return found


def _empty(given: Range) -> bool:
    """Whether the highest lower bound lies above the lowest upper one, or at it and one of them excludes it."""
    lower = [(key(given.form, bound), 0 in _SIGNS[relation]) for relation, bound in given.conditions if 1 in _SIGNS[relation] or relation == "="]
    upper = [(key(given.form, bound), 0 in _SIGNS[relation]) for relation, bound in given.conditions if -1 in _SIGNS[relation] or relation == "="]
    return any(low > high or (low == high and not (with_low and with_high)) for low, with_low in lower for high, with_high in upper)


def _sign(form: str, one: str, other: str) -> int:
    left, right = key(form, one), key(form, other)
    return int(left > right) - int(left < right)


def _refusal(text: str, why: str) -> Failure:
    return Failure(f"read version range {text!r}", why, "Write for example: >= 2.2-1, << 2.4-1")
