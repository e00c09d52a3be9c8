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
from ansible_collections.egi.cmd.plugins.module_utils._rollout.wave import Wave, names, wave_of

DEFAULT_WAVES = "early_adopters,production"
_ACTION = "plan the rollout"
_GROUP = "rollout_wave_"
# The host variable that says which cluster a host is of; a host without it is a cluster of its own.
_CLUSTER = "rollout_cluster"


@dataclass(frozen=True)
class Plan:
    """What is rolled out to whom.

    release: its name. content: identity of what the hosts get. digest: identity of everything that makes two plans
    differ. no_release: the days without a release, as the manifest writes them.
    """

    release: str
    packages: t.Tuple[str, ...]
    waves: t.Tuple[Wave, ...]
    content: str
    digest: str
    no_release: t.Tuple[t.Mapping[str, t.Any], ...] = ()

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
        return {"release": self.release, "packages": list(self.packages), "content": self.content, "digest": self.digest,
                "no_release": [dict(one) for one in self.no_release], "waves": [wave.as_dict() for wave in self.waves]}

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Plan:
        """Return the plan that as_dict gave."""
        return cls(data["release"], tuple(data["packages"]), tuple(Wave.from_dict(one) for one in data["waves"]), data["content"],
                   data["digest"], tuple(data["no_release"]))


def plan_of(
    waves: t.Any, groups: t.Mapping[str, t.Sequence[str]], release: t.Any, packages: t.Any = None, opt_in: t.Any = None,
    hostvars: t.Optional[t.Mapping[str, t.Mapping[str, t.Any]]] = None, key: t.Any = None,
) -> Plan:
    """Return the plan; the same arguments give the same plan, in the same order.

    waves: list of mappings with the keys of docs/waves.md, or names of inventory groups in one comma-separated text.
    groups: inventory group -> hosts, in inventory order. release: name, path or manifest. packages, opt_in: list or
    comma-separated text. hostvars: host -> its variables, read only for rollout_cluster and only where a wave asks for
    clusters. key: of the hash that chooses a percentage; the release's name if not given. Empty text and None mean "not
    given" everywhere: that is how a survey hands over a field left blank. Raise Failure naming wave and key.
    """
    name = release_name(release)
    wanted = names(packages) or ("*",)
    everywhere = names(opt_in)
    taken: t.Set[str] = set()
    planned: t.List[Wave] = []
    for number, given in enumerate(_wave_list(waves), 1):
        wave = wave_of(number, given, groups, everywhere, taken, str(key or name), lambda host: _cluster(hostvars or {}, host))
        if wave.name in {earlier.name for earlier in planned}:
            raise Failure(_ACTION, f"two waves are called '{wave.name}'", "Give each wave a name of its own")
        taken.update(wave.hosts)
        planned.append(wave)
    content = {"release": release, "packages": wanted, "opt_in": sorted({wave.opt_in for wave in planned if wave.opt_in})}
    whole = {"content": content, "waves": [wave.as_dict() for wave in planned]}
    no_release = release.get("no_release") or () if isinstance(release, t.Mapping) else ()
    return Plan(name, wanted, tuple(planned), _digest(content), _digest(whole), tuple(no_release))


def _digest(data: t.Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()


def _cluster(hostvars: t.Mapping[str, t.Mapping[str, t.Any]], host: str) -> str:
    """Return the cluster of a host. The two kinds of name are kept apart: a cluster may be called like a host."""
    named = (hostvars.get(host) or {}).get(_CLUSTER)
    return f"cluster {named}" if named else f"host {host}"


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


def _wave_list(waves: t.Any) -> t.Sequence[t.Any]:
    waves = from_json(waves)
    if isinstance(waves, str) and "{" in waves:
        raise Failure(_ACTION, "rollout_waves is a text that is neither names of groups nor JSON", "Write a list, as YAML or as JSON")
    if waves is None or isinstance(waves, str):
        return names(waves) or names(DEFAULT_WAVES)
    if isinstance(waves, t.Sequence):
        return waves or names(DEFAULT_WAVES)
    raise Failure(_ACTION, "rollout_waves is neither a list nor a text", "Write a list of waves, each with name and hosts")


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
