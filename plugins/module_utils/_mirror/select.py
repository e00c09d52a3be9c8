# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which packages a partial mirror is asked to hold, before anything they depend on."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Selection
from ansible_collections.egi.cmd.plugins.module_utils._mirror.world import P, Package, World

_ACTION = "select packages"


def _offers(package: Package) -> bool:
    return not package.repository.elsewhere


def excluded(selections: t.Iterable[Selection]) -> t.Callable[[Package], bool]:
    """Whether a package is one of those that some selection excludes; raises Failure for a bad regular expression."""
    patterns = [_compiled(pattern) for selection in selections for pattern in selection.exclude]
    return lambda package: any(pattern.fullmatch(package.name) for pattern in patterns)


def select(selections: t.Sequence[Selection], world: World[P], offers: t.Callable[[P], bool] = _offers) -> t.List[P]:
    """The packages that fit at least one selection and are not excluded, in the order of the world. offers: whether a
    package may be selected; all may that clients do not have elsewhere. Raises Failure for a bad regular expression.
    """
    refused = excluded(selections)
    offered = [package for package in world.packages if offers(package) and not refused(package)]
    chosen: t.Set[P] = set()
    for selection in selections:
        chosen.update(_selected(selection, offered, world))
    return [package for package in offered if package in chosen]


def require_names(selections: t.Sequence[Selection], offered: t.Iterable[Package]) -> None:
    """Raise Failure for a name nobody has: written wrongly, it would leave clients without the package."""
    refused = excluded(selections)
    unknown = {name for selection in selections for name in selection.names} - {package.name for package in offered if not refused(package)}
    if unknown:
        raise Failure(_ACTION, f"no repository has a package named {', '.join(sorted(unknown)[:8])}", "Correct the names, or do not exclude them")


def _selected(selection: Selection, offered: t.Sequence[P], world: World[P]) -> t.List[P]:
    if selection.newest is not None and selection.newest < 1:
        raise Failure(_ACTION, f"newest is {selection.newest}", "Ask for 1 or more versions, or leave newest out")
    names = set(selection.names)
    patterns = [_compiled(pattern) for pattern in selection.patterns]
    fields = [(name, _compiled(pattern)) for name, pattern in selection.fields]
    found = [
        package for package in offered
        if (not (names or patterns) or package.name in names or any(pattern.fullmatch(package.name) for pattern in patterns))
        and _of(package.component, selection.components) and _of(package.architecture, selection.architectures)
        and (not selection.priorities or package.field("Priority") in selection.priorities)
        and (not selection.sections or _section(package) in selection.sections)
        and all(pattern.search(package.field(name)) for name, pattern in fields)
    ]
    return found if selection.newest is None else _newest(found, selection.newest, world)


def _newest(packages: t.Sequence[P], count: int, world: World[P]) -> t.List[P]:
    groups: t.Dict[t.Tuple[str, str, str], t.List[P]] = {}
    for package in packages:
        groups.setdefault((package.repository.name, package.name, package.architecture), []).append(package)
    return [one for group in groups.values() for one in sorted(group, key=lambda package: world.key(package.version), reverse=True)[:count]]


def _section(package: Package) -> str:
    """Its section, or its group of rpm. Debian writes the component in front where that is not main: contrib/net."""
    return package.field("Section").rpartition("/")[2] or package.field("Group")


def _of(value: str, allowed: t.Sequence[str]) -> bool:
    return not allowed or value in allowed


def _compiled(pattern: str) -> t.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise Failure(_ACTION, f"{pattern!r} is no regular expression ({error})", "Correct it") from error
