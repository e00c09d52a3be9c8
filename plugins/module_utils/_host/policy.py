# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Bands of precedence become numbers here, and nowhere else; the order between bands is checked here."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Repository
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS


class _Range(t.NamedTuple):
    """The number a band has by rule, and the weakest and strongest explicit number it may have."""

    number: int
    weakest: int
    strongest: int


# apt: higher wins. 1000 and more may downgrade (measured threshold), so the overlay and what outranks it start at 1001;
# 990 is APT::Default-Release and overrides general pins, so the distribution stays below; 0 stops apt altogether.
# dnf: lower wins, 99 is the default of every repository that names none.
_RANGES: t.Dict[str, t.Dict[str, _Range]] = {
    "apt": {
        "developer": _Range(1400, 1301, 32767),
        "holdback": _Range(1300, 1201, 1399),
        "overlay": _Range(1200, 1001, 1299),
        "distribution": _Range(500, 101, 989),
        "proposed": _Range(100, 1, 499),
    },
    "dnf": {
        "developer": _Range(10, 19, 1),
        "holdback": _Range(20, 29, 11),
        "overlay": _Range(30, 98, 21),
        "distribution": _Range(99, 109, 31),
        "proposed": _Range(110, 999, 100),
    },
}


def by_rule(family: str, band: str) -> int:
    """Return the priority that a band has, for a host that is not there."""
    return _RANGES[family][band].number


def number(family: str, repository: Repository) -> int:
    """Return the priority a repository is written with: its own if it gives one, its band's otherwise."""
    return repository.priority if repository.priority is not None else by_rule(family, repository.band)


def is_enabled(family: str, repository: Repository) -> bool:
    """Return whether the repository takes part in resolution.

    dnf takes the best version a job asks for from any enabled repository, so there what nobody opted into is disabled.
    """
    return repository.enabled and not (family == "dnf" and repository.band == "proposed")


def stronger(family: str, one: int, other: int) -> bool:
    """Return whether priority one beats priority other."""
    return one > other if family == "apt" else one < other


def band(family: str, priority: int) -> str:
    """Return the band a resolver's number belongs to: the reverse of number(), for repositories of anybody.

    What may outrank the operating system is told from the rest by the weakest number an overlay may have. Above that line
    an explicit number counts to the band with the nearest number by rule.
    """
    ranges = _RANGES[family]
    if stronger(family, ranges["distribution"].weakest, priority):
        return "proposed"
    if stronger(family, ranges["overlay"].weakest, priority):
        return "distribution"
    above = BANDS[:BANDS.index("overlay") + 1]
    return min(reversed(above), key=lambda name: abs(ranges[name].number - priority))


def check_order(family: str, set_name: str, repositories: t.Sequence[Repository]) -> None:
    """Refuse explicit priorities outside their band's range, or that put a weaker band level with a stronger one. Raises Failure."""
    action = f"order repository set '{set_name}'"
    for repository in repositories:
        allowed = _RANGES[family][repository.band]
        low, high = sorted((allowed.weakest, allowed.strongest))
        if not low <= number(family, repository) <= high:
            raise Failure(action, f"priority {repository.priority} of '{repository.name}' is outside band {repository.band} ({low} to {high} for {family})",
                          f"Leave priority out ({allowed.number} by rule) or name the band that is meant")
    for repository in repositories:
        for other in repositories:
            above = BANDS.index(repository.band) < BANDS.index(other.band)
            if above and not stronger(family, number(family, repository), number(family, other)):
                raise Failure(
                    action,
                    f"'{repository.name}' (band {repository.band}, {number(family, repository)}) does not outrank '{other.name}' "
                    f"(band {other.band}, {number(family, other)})",
                    f"Leave their priorities out, or keep {repository.band} stronger than {other.band}",
                )
