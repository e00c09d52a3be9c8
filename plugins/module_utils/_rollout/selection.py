# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which hosts a wave means: groups, hosts, patterns, a share of them that stays the same, and who goes beside whom."""

from __future__ import annotations

import fnmatch
import hashlib
import hmac
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

ClusterOf = t.Callable[[str], str]
UNITS = ("host", "together", "apart")
_ACTION = "plan the rollout"
_PATTERN = re.compile(r"[*?\[]")


def members(wave: str, entries: t.Sequence[str], groups: t.Mapping[str, t.Sequence[str]]) -> t.List[str]:
    """Return the hosts of a wave's entries, each once, in the order written and, inside an entry, of the inventory.

    entries: groups, hosts, shell patterns (``web*``) or regular expressions (``~web[0-9]+``) over both, as Ansible's
    own host patterns read them. Raise Failure naming an entry that means nothing.
    """
    known = {str(host): None for host in groups.get("all", ())}
    found: t.Dict[str, None] = {}
    for entry in entries:
        hosts = _hosts(wave, entry, groups, known)
        if hosts is None:
            raise Failure(_ACTION, f"wave '{wave}' names '{entry}', which is neither a group nor a host of the inventory",
                          "Correct rollout_waves or add the group to the inventory")
        found.update(dict.fromkeys(hosts))
    return list(found)


def _hosts(
    wave: str, entry: str, groups: t.Mapping[str, t.Sequence[str]], known: t.Mapping[str, None]
) -> t.Optional[t.List[str]]:
    """Return the hosts one entry means; None if it means nothing."""
    if entry in groups:
        return [str(host) for host in groups[entry]]
    if entry in known:
        return [entry]
    fits = _fits(wave, entry)
    if fits is None:
        return None
    grouped = {str(host) for name, hosts in groups.items() if name != "all" and fits(name) for host in hosts}
    return [host for host in known if host in grouped or fits(host)] or None


def _fits(wave: str, entry: str) -> t.Optional[t.Callable[[str], bool]]:
    """Return whether a name fits a pattern; None if the entry is not one."""
    if entry.startswith("~"):
        try:
            wanted = re.compile(entry[1:])
        except re.error as error:
            raise Failure(_ACTION, f"'{entry}' of wave '{wave}' is not a regular expression: {error}") from None
        return lambda name: wanted.match(name) is not None
    if _PATTERN.search(entry):
        return lambda name: fnmatch.fnmatchcase(name, entry)
    return None


def share(hosts: t.Sequence[str], percent: float, unit: str, key: str, cluster_of: ClusterOf) -> t.List[str]:
    """Return about percent of hosts: none at 0, all at 100, else at least one; more percent never takes a host out.

    A host's place depends on the key and on itself alone (unit ``host``), on its cluster (``together``), or on its
    rank in its cluster (``apart``: each cluster gives its share, rounded up or down). Adding a host therefore never
    moves a host that has nothing to do with it.
    """
    if percent <= 0:
        return []
    places = _places(hosts, unit, key, cluster_of)
    # The first to come in at any percentage comes in at once: 5 % of four hosts is one host, not a gate without one.
    first = min(places.values())
    return [host for host in hosts if places[host] * 100 < percent or places[host] == first]


def _places(hosts: t.Sequence[str], unit: str, key: str, cluster_of: ClusterOf) -> t.Dict[str, float]:
    """Return a place in [0, 1) for each host."""
    if unit == "host":
        return {host: _hashed(key, "host", host) for host in hosts}
    if unit == "together":
        return {host: _hashed(key, "cluster", cluster_of(host)) for host in hosts}
    places = {}
    for cluster, found in _clusters(hosts, cluster_of).items():
        start = _hashed(key, "cluster", cluster)
        ranked = sorted(found, key=lambda host: (_hashed(key, "host", host), host))
        places.update({host: (rank + start) / len(ranked) for rank, host in enumerate(ranked)})
    return places


def _hashed(key: str, what: str, name: str) -> float:
    digest = hmac.new(key.encode(), f"{what}\0{name}".encode(), hashlib.sha256).digest()
    # 53 bits are what a float holds exactly: the result stays below 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / float(1 << 53)


def turns(hosts: t.Sequence[str], slots: int, cluster_of: ClusterOf) -> t.List[t.List[str]]:
    """Return hosts in turns, at most slots of one cluster in each; one turn with all hosts if slots is 0."""
    if not slots or not hosts:
        return [list(hosts)] if hosts else []
    turn_of = {host: rank // slots for found in _clusters(hosts, cluster_of).values() for rank, host in enumerate(found)}
    return [[host for host in hosts if turn_of[host] == turn] for turn in range(max(turn_of.values()) + 1)]


def _clusters(hosts: t.Sequence[str], cluster_of: ClusterOf) -> t.Dict[str, t.List[str]]:
    found: t.Dict[str, t.List[str]] = {}
    for host in hosts:
        found.setdefault(cluster_of(host), []).append(host)
    return found
