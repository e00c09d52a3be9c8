# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The plan of a staged rollout: which hosts, in which order, and what lets the next wave start."""

from __future__ import annotations

import hashlib
import json
import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

DEFAULT_WAVES = "early_adopters,production"
_ACTION = "plan the rollout"
_GROUP = "rollout_wave_"
_KEYS = ("name", "hosts", "min_passed", "max_failed", "opt_in")


@dataclass(frozen=True)
class Wave:
    """Hosts that get the release together, and the gate behind them.

    min_passed: how many hosts must pass. max_failed: how many may fail. Both count hosts of the whole wave, not of
    what --limit left of it. opt_in: repository kinds this wave takes part in, such as proposed.
    """

    name: str
    hosts: t.Tuple[str, ...]
    min_passed: int
    max_failed: int
    opt_in: t.Tuple[str, ...] = ()

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the wave in the form of the record's ``opened`` event."""
        return {"name": self.name, "hosts": list(self.hosts), "min_passed": self.min_passed,
                "max_failed": self.max_failed, "opt_in": list(self.opt_in)}


@dataclass(frozen=True)
class Plan:
    """What is rolled out to whom. release: its name. digest: identity of everything that makes two plans differ."""

    release: str
    packages: t.Tuple[str, ...]
    waves: t.Tuple[Wave, ...]
    digest: str

    def wave(self, name: str) -> Wave:
        """Return the wave called name."""
        for wave in self.waves:
            if wave.name == name:
                return wave
        raise Failure(f"find wave '{name}'", f"the plan has {', '.join(wave.name for wave in self.waves)}")

    def before(self, name: str) -> t.Tuple[Wave, ...]:
        """Return the waves whose gates must be open before the wave called name may start."""
        return self.waves[:self.waves.index(self.wave(name))]

    def after(self, name: str) -> t.Tuple[Wave, ...]:
        """Return the waves that wait for the wave called name."""
        return self.waves[self.waves.index(self.wave(name)) + 1:]

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return the plan in the form of the record's ``opened`` event."""
        return {"release": self.release, "packages": list(self.packages), "digest": self.digest,
                "waves": [wave.as_dict() for wave in self.waves]}

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Plan:
        """Return the plan that as_dict gave."""
        waves = tuple(
            Wave(one["name"], tuple(one["hosts"]), int(one["min_passed"]), int(one["max_failed"]), tuple(one["opt_in"]))
            for one in data["waves"]
        )
        return cls(data["release"], tuple(data["packages"]), waves, data["digest"])


def plan_of(
    waves: t.Any, groups: t.Mapping[str, t.Sequence[str]], release: t.Any, packages: t.Any = None, opt_in: t.Any = None
) -> Plan:
    """Return the plan; the same arguments give the same plan, in the same order.

    waves: list of mappings (name, hosts, min_passed, max_failed, opt_in), or names of inventory groups in one
    comma-separated text. groups: inventory group -> hosts, in inventory order. release: name, path or manifest.
    packages, opt_in: list or comma-separated text. Empty text and None mean "not given" everywhere: that is how a
    survey hands over a field left blank. Raise Failure naming the wave and the key that is wrong.
    """
    name = release_name(release)
    wanted = names(packages) or ("*",)
    everywhere = names(opt_in)
    taken: t.Set[str] = set()
    planned: t.List[Wave] = []
    for number, given in enumerate(_wave_list(waves), 1):
        wave = _wave(number, given, groups, everywhere, taken)
        if wave.name in {earlier.name for earlier in planned}:
            raise Failure(_ACTION, f"two waves are called '{wave.name}'", "Give each wave a name of its own")
        taken.update(wave.hosts)
        planned.append(wave)
    whole = {"release": release, "packages": wanted, "waves": [wave.as_dict() for wave in planned]}
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()
    return Plan(name, wanted, tuple(planned), digest)


def release_name(release: t.Any) -> str:
    """Return the name of a release given as name, path of a manifest, or manifest."""
    if isinstance(release, t.Mapping):
        release = release.get("name")
    if not isinstance(release, str) or not release.strip():
        raise Failure(_ACTION, "no release is given", "Set rollout_release to the name or the path of a release manifest")
    return re.sub(r"\.ya?ml$", "", os.path.basename(release.strip()))


def from_json(given: t.Any) -> t.Any:
    """Return the list that a text holds as JSON, anything else as it is: a survey has no other way to give a list."""
    if isinstance(given, str) and given.lstrip().startswith("["):
        try:
            return json.loads(given)
        except ValueError:
            return given
    return given


def names(given: t.Any) -> t.Tuple[str, ...]:
    """Return a list, or names in one text separated by commas or white space, as a tuple; nothing given as ()."""
    if given is None:
        return ()
    if isinstance(given, str):
        return tuple(given.replace(",", " ").split())
    if isinstance(given, t.Sequence) and all(isinstance(one, str) for one in given):
        return tuple(one.strip() for one in given if one.strip())
    raise Failure(_ACTION, f"expected a list of names, got {json.dumps(given, default=str)}")


def _wave_list(waves: t.Any) -> t.Sequence[t.Any]:
    waves = from_json(waves)
    if isinstance(waves, str) and "{" in waves:
        raise Failure(_ACTION, "rollout_waves is a text that is neither names of groups nor JSON", "Write a list, as YAML or as JSON")
    if waves is None or isinstance(waves, str):
        return names(waves) or names(DEFAULT_WAVES)
    if isinstance(waves, t.Sequence):
        return waves or names(DEFAULT_WAVES)
    raise Failure(_ACTION, "rollout_waves is neither a list nor a text", "Write a list of waves, each with name and hosts")


def _wave(
    number: int, given: t.Any, groups: t.Mapping[str, t.Sequence[str]], everywhere: t.Tuple[str, ...], taken: t.Set[str]
) -> Wave:
    """Return one wave without the hosts that an earlier wave has taken."""
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, t.Mapping) or not isinstance(given.get("name"), str) or not given["name"]:
        raise Failure(_ACTION, f"wave {number} has no name", "Write each wave as {name: ..., hosts: [...]}")
    name = given["name"]
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        raise Failure(_ACTION, f"wave '{name}' has an unknown key '{unknown[0]}'", f"Known are {', '.join(_KEYS)}")
    hosts = [host for host in _members(name, names(given.get("hosts")) or (name,), groups) if host not in taken]
    if not hosts:
        # A wave nobody is in would be a gate nobody has to pass.
        raise Failure(_ACTION, f"wave '{name}' has no host of its own", "Put a host in it that no earlier wave has")
    max_failed = _number(name, "max_failed", given, 0, len(hosts), 0)
    min_passed = _number(name, "min_passed", given, 1, len(hosts), max(1, len(hosts) - max_failed))
    return Wave(name, tuple(hosts), min_passed, max_failed, names(given.get("opt_in")) or everywhere)


def _members(wave: str, entries: t.Sequence[str], groups: t.Mapping[str, t.Sequence[str]]) -> t.List[str]:
    """Return the hosts of a wave's entries, each once, in the order written and, inside a group, of the inventory."""
    known = set(groups.get("all", ()))
    found: t.Dict[str, None] = {}
    for entry in entries:
        if entry in groups:
            found.update(dict.fromkeys(str(host) for host in groups[entry]))
        elif entry in known:
            found[entry] = None
        else:
            raise Failure(_ACTION, f"wave '{wave}' names '{entry}', which is neither a group nor a host of the inventory",
                          "Correct rollout_waves or add the group to the inventory")
    return list(found)


def _number(wave: str, key: str, given: t.Mapping[str, t.Any], least: int, most: int, default: int) -> int:
    """Return a count of hosts; a survey gives it as text."""
    value = given.get(key)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]+", str(value)) or not least <= int(value) <= most:
        raise Failure(_ACTION, f"{key} of wave '{wave}' is '{value}'",
                      f"Write a number from {least} to {most}, the number of its hosts")
    return int(value)


def members(plan: Plan, hosts: t.Iterable[str]) -> t.List[t.Dict[str, str]]:
    """Return host, wave and group of the plan's hosts that are among hosts, in the order of the plan.

    The group's name keeps the waves in order, which is all that a play's ``hosts`` can see of the plan.
    """
    here = {str(host) for host in hosts}
    return [{"host": host, "wave": wave.name, "group": f"{_GROUP}{number:03d}"}
            for number, wave in enumerate(plan.waves, 1) for host in wave.hosts if host in here]


def wave_groups(groups: t.Mapping[str, t.Sequence[str]]) -> t.List[t.Tuple[str, t.Sequence[str]]]:
    """Return the groups that members named, with their hosts, in the order of the waves."""
    found = [(name, hosts) for name, hosts in groups.items() if re.fullmatch(_GROUP + "[0-9]{3,}", name) and hosts]
    return sorted(found, key=lambda pair: (len(pair[0]), pair[0]))
