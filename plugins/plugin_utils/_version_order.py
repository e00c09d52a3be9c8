# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This plugin util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the version filters and tests of both families do around their engine: fetch attributes, report errors."""

from __future__ import annotations

import collections.abc as c
import operator as o
import typing as t

from ansible.errors import AnsibleFilterError
from jinja2 import Undefined
from jinja2.filters import make_attrgetter

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

if t.TYPE_CHECKING:
    from jinja2 import Environment

Key = t.Callable[[str], t.Any]

# The names ansible.builtin.version takes.
_OPERATORS = {
    "==": o.eq, "=": o.eq, "eq": o.eq,
    "!=": o.ne, "<>": o.ne, "ne": o.ne,
    "<": o.lt, "lt": o.lt,
    "<=": o.le, "le": o.le,
    ">": o.gt, "gt": o.gt,
    ">=": o.ge, "ge": o.ge,
}


def by_version(
    environment: Environment, key: Key, items: t.Any, attribute: str | int | None, reverse: bool
) -> list[t.Any]:
    """Return items from the oldest to the newest version; equal versions keep their order.

    key: sort key of one version. attribute: where an item keeps its version, a name or a dotted path; None if the
    item is the version. Raise AnsibleFilterError naming the item that has no version.
    """
    found = _listed(items)
    keys = _keys(environment, key, found, attribute)
    return [found[index] for index in sorted(range(len(found)), key=keys.__getitem__, reverse=reverse)]


def newest(environment: Environment, key: Key, items: t.Any, attribute: str | int | None) -> t.Any:
    """Return the item with the newest version, the first of equals; undefined if there is none, as Jinja's own max."""
    found = _listed(items)
    if not found:
        return environment.undefined("the list of versions is empty")
    keys = _keys(environment, key, found, attribute)
    return found[max(range(len(found)), key=keys.__getitem__)]


def satisfies(key: Key, left: str, right: str, operator: str) -> bool:
    """Return whether ``left operator right`` is true; raise AnsibleFilterError for a bad version or operator."""
    relation = _OPERATORS.get(operator)
    if relation is None:
        raise AnsibleFilterError(f"unknown operator {operator!r}. Use one of {', '.join(_OPERATORS)}.")
    try:
        return bool(relation(key(left), key(right)))
    except Failure as failure:
        raise AnsibleFilterError(str(failure)) from failure


def _listed(items: t.Any) -> list[t.Any]:
    """Return items as a list; a text or a dictionary would be taken apart without a word, so it is refused."""
    if isinstance(items, (str, bytes, c.Mapping)) or not isinstance(items, c.Iterable):
        raise AnsibleFilterError(f"needs a list of versions, got {type(items).__name__}.")
    return list(items)


def _keys(environment: Environment, key: Key, items: list[t.Any], attribute: str | int | None) -> list[t.Any]:
    """Return the sort key of every item."""
    get = make_attrgetter(environment, attribute)
    keys = []
    for index, item in enumerate(items):
        try:
            version = get(item)
            if isinstance(version, Undefined):
                lack = "is undefined" if attribute is None else f"has no attribute {attribute!r}"
                raise AnsibleFilterError(f"item {index} {lack}.")
            keys.append(key(version))
        except Failure as failure:
            raise AnsibleFilterError(f"item {index}: {failure}") from failure
    return keys
