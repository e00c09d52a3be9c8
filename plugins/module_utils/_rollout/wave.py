# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One wave of a plan: its hosts, what opens the gate behind it, and when it may start."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout import selection
from ansible_collections.egi.cmd.plugins.module_utils._rollout.window import Opening, openings

_ACTION = "plan the rollout"
_KEYS = ("name", "hosts", "percent", "unit", "min_passed", "max_failed", "max_failed_percent", "required_checks", "opt_in",
         "soak", "recheck", "windows", "slots", "approval")
_RECHECK = 300
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:[0-9]+[smhd])+|[0-9]+")


@dataclass(frozen=True)
class Wave:
    """Hosts that get the release together, and the gate behind them.

    min_passed: how many hosts must pass. max_failed: how many may fail. Both count hosts of the whole wave, not of
    what --limit left of it. opt_in: repository kinds this wave takes part in, such as proposed. soak, recheck:
    seconds. slots: how many hosts of a cluster are changed at once, 0 for no limit; turns: the hosts in that order.
    approval: who may approve, () for anybody; None if the wave starts without.
    """

    name: str
    hosts: t.Tuple[str, ...]
    min_passed: int
    max_failed: int
    opt_in: t.Tuple[str, ...] = ()
    soak: int = 0
    recheck: int = 0
    windows: t.Tuple[Opening, ...] = ()
    slots: int = 0
    required_checks: t.Tuple[str, ...] = ()
    approval: t.Optional[t.Tuple[str, ...]] = None
    turns: t.Tuple[t.Tuple[str, ...], ...] = ()

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the wave in the form of the record's ``opened`` event."""
        return {
            "name": self.name, "hosts": list(self.hosts), "min_passed": self.min_passed, "max_failed": self.max_failed,
            "opt_in": list(self.opt_in), "soak": self.soak, "recheck": self.recheck,
            "windows": [opening.as_dict() for opening in self.windows], "slots": self.slots,
            "required_checks": list(self.required_checks),
            "approval": None if self.approval is None else {"by": list(self.approval)},
            "turns": [list(turn) for turn in self.turns],
        }

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Wave:
        """Return the wave that as_dict gave."""
        return cls(
            data["name"], tuple(data["hosts"]), int(data["min_passed"]), int(data["max_failed"]), tuple(data["opt_in"]),
            int(data["soak"]), int(data["recheck"]), openings(data["name"], data["windows"]), int(data["slots"]),
            tuple(data["required_checks"]), None if not data["approval"] else tuple(data["approval"]["by"]),
            tuple(tuple(turn) for turn in data["turns"]),
        )


def names(given: t.Any) -> t.Tuple[str, ...]:
    """Return a list, or names in one text separated by commas or white space, as a tuple; nothing given as ()."""
    if given is None:
        return ()
    if isinstance(given, str):
        return tuple(given.replace(",", " ").split())
    if isinstance(given, t.Sequence) and all(isinstance(one, str) for one in given):
        return tuple(one.strip() for one in given if one.strip())
    raise Failure(_ACTION, f"expected a list of names, got {json.dumps(given, default=str)}")


def wave_of(
    number: int, given: t.Any, groups: t.Mapping[str, t.Sequence[str]], everywhere: t.Tuple[str, ...], taken: t.Container[str],
    key: str, cluster_of: selection.ClusterOf,
) -> Wave:
    """Return one wave as planned, without the hosts that an earlier wave has taken; a text is a wave of that name."""
    given = _mapping(number, given)
    name = given["name"]
    hosts = _hosts(name, given, groups, taken, key, cluster_of)
    slots = _count(name, "slots", given, 0, 100000, 0)
    soak = duration(name, "soak", given.get("soak"), 0)
    max_failed = _max_failed(name, given, len(hosts))
    return Wave(
        name, tuple(hosts), _count(name, "min_passed", given, min(1, len(hosts)), len(hosts), max(min(1, len(hosts)), len(hosts) - max_failed)),
        max_failed, names(given.get("opt_in")) or everywhere, soak, min(soak, duration(name, "recheck", given.get("recheck"), _RECHECK)),
        openings(name, given.get("windows")), slots, _check_names(name, given.get("required_checks")), _approval(name, given.get("approval")),
        tuple(tuple(turn) for turn in selection.turns(hosts, slots, cluster_of)),
    )


def _mapping(number: int, given: t.Any) -> t.Mapping[str, t.Any]:
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, t.Mapping) or not isinstance(given.get("name"), str) or not given["name"]:
        raise Failure(_ACTION, f"wave {number} has no name", "Write each wave as {name: ..., hosts: [...]}")
    unknown = sorted(str(key) for key in set(given) - set(_KEYS))
    if unknown:
        raise Failure(_ACTION, f"wave '{given['name']}' has an unknown key '{unknown[0]}'", f"Known are {', '.join(_KEYS)}")
    return given


def _hosts(
    name: str, given: t.Mapping[str, t.Any], groups: t.Mapping[str, t.Sequence[str]], taken: t.Container[str], key: str,
    cluster_of: selection.ClusterOf,
) -> t.List[str]:
    percent = _percent(name, "percent", given)
    unit = given.get("unit") or "host"
    if unit not in selection.UNITS:
        raise Failure(_ACTION, f"unit of wave '{name}' is '{unit}'", f"Known are {', '.join(selection.UNITS)}")
    members = selection.members(name, names(given.get("hosts")) or (name,), groups)
    if percent is not None:
        members = selection.share(members, percent, unit, key, cluster_of)
    hosts = [host for host in members if host not in taken]
    if not hosts and percent != 0:
        # A wave nobody is in would be a gate nobody has to pass. Only 0 says that this is meant.
        raise Failure(_ACTION, f"wave '{name}' has no host of its own", "Put a host in it that no earlier wave has")
    return hosts


def _max_failed(name: str, given: t.Mapping[str, t.Any], hosts: int) -> int:
    """Return how many hosts may fail: the stricter of a count and of a percentage, rounded down."""
    percent = _percent(name, "max_failed_percent", given)
    if percent is None:
        return _count(name, "max_failed", given, 0, hosts, 0)
    return min(_count(name, "max_failed", given, 0, hosts, hosts), int(hosts * percent / 100 + 1e-9))


def _count(wave: str, key: str, given: t.Mapping[str, t.Any], least: int, most: int, default: int) -> int:
    """Return a count of hosts; a survey gives it as text."""
    value = given.get(key)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]+", str(value)) or not least <= int(value) <= most:
        raise Failure(_ACTION, f"{key} of wave '{wave}' is '{value}'",
                      f"Write a number from {least} to {most}" + (", the number of its hosts" if key != "slots" else ""))
    return int(value)


def _percent(wave: str, key: str, given: t.Mapping[str, t.Any]) -> t.Optional[float]:
    value = given.get(key)
    if value is None or value == "":
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%?", str(value))
    if isinstance(value, bool) or found is None or float(found.group(1)) > 100:
        raise Failure(_ACTION, f"{key} of wave '{wave}' is '{value}'", "Write a number from 0 to 100")
    return float(found.group(1))


def duration(wave: str, key: str, given: t.Any, default: int) -> int:
    """Return seconds of ``90``, ``30m`` or ``1h30m``; nothing given is the default."""
    if given is None or given == "":
        return default
    text = str(given).replace(" ", "")
    if isinstance(given, bool) or not _DURATION.fullmatch(text):
        raise Failure(_ACTION, f"{key} of wave '{wave}' is '{given}'", "Write a time such as 45s, 30m, 1h30m or 2d")
    return sum(int(number) * _SECONDS[unit or "s"] for number, unit in re.findall(r"([0-9]+)([smhd]?)", text))


def _check_names(wave: str, given: t.Any) -> t.Tuple[str, ...]:
    """Return names of health checks. They may hold blanks, so a text is split at commas and line ends only."""
    if isinstance(given, str):
        given = re.split(r"[,\n]", given)
    if given is not None and not (isinstance(given, t.Sequence) and all(isinstance(one, str) for one in given)):
        raise Failure(_ACTION, f"required_checks of wave '{wave}' is {json.dumps(given, default=str)}", "Write a list of names of health checks")
    return tuple(one.strip() for one in given or () if one.strip())


def _approval(wave: str, given: t.Any) -> t.Optional[t.Tuple[str, ...]]:
    if isinstance(given, str) and given.lower() in ("", "false", "no", "true", "yes"):
        given = given.lower() in ("true", "yes")
    if given is None or given is False:
        return None
    if given is True:
        return ()
    by = given.get("by") if isinstance(given, t.Mapping) and set(given) <= {"by"} else None
    if by is None or not names(by):
        raise Failure(_ACTION, f"approval of wave '{wave}' is {json.dumps(given, default=str)}", "Write true, or {by: [names]}")
    return names(by)
