# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This plugin util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the censuses of many hosts make together: one fleet, and what a person reads of it. Pure.

The shape of a fleet is published in fleet.schema.json beside this file.
"""

from __future__ import annotations

import collections
import collections.abc as c
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._rollout.table import lines as table

Fleet = t.Dict[str, t.Any]
Census = t.Mapping[str, t.Any]

MOVING = "moving"
"""Stands for the snapshot of a set that is not frozen and whose mirror was not asked, or did not say."""

_HOST_COLUMNS = ("host", "release", "snapshot", "frozen", "last sync", "drift", "holds", "reboot", "last rollout")
_RELEASE_COLUMNS = ("release", "snapshot", "hosts")
_UNFINISHED = {"planned": "was interrupted", "failed": "failed"}


def fleet(results: t.Any, time: str) -> Fleet:
    """Return the fleet of host -> result of census_info. A result without a census is of a host that was not seen. Raises Failure."""
    if not isinstance(results, c.Mapping):
        raise Failure("count the fleet", "the results are no dictionary", "Pass host -> registered result of egi.cmd.census_info")
    hosts = {str(host): _host(results[host]) for host in sorted(results)}
    seen = {host: one["census"] for host, one in hosts.items() if one["seen"]}
    counted = collections.Counter(place for census in seen.values() for place in _places(census))
    return {
        "schema": 1,
        "time": time,
        "hosts": hosts,
        "summary": {
            "hosts": len(hosts), "seen": len(seen), "not_seen": [host for host in hosts if host not in seen],
            "releases": [{"release": release, "snapshot": snapshot, "hosts": count} for (release, snapshot), count in sorted(counted.items())],
            "without_release": [host for host, census in seen.items() if not census["sets"]],
            "drifted": [host for host, census in seen.items() if census["drift"]["files"] or census["drift"]["packages"]],
            "held": [host for host, census in seen.items() if census["holds"]],
            "reboot": [host for host, census in seen.items() if census["kernel"]["reboot"]],
        },
        "problems": [f"{host}: {text}" for host, one in hosts.items() for text in _problems(one)],
    }


def checked(value: t.Any) -> Fleet:
    """Return a value that has the form of fleet(). Raises Failure."""
    if not isinstance(value, c.Mapping) or value.get("schema") != 1 or not {"hosts", "summary", "problems"} <= set(value):
        raise Failure("read a census of a fleet", "this is none", "Pass what egi.cmd.census_summary returned")
    return dict(value)


def lines(counted: Fleet) -> t.List[str]:
    """Return two tables, hosts and releases, then one line for each host that was not seen and for everything else that is wrong."""
    rows = [row for host, one in counted["hosts"].items() for row in _rows(host, one)]
    releases = [{**one, "hosts": str(one["hosts"])} for one in counted["summary"]["releases"]]
    said = counted["summary"]
    return [*table(rows, _HOST_COLUMNS), "", *(table(releases, _RELEASE_COLUMNS) + [""] if releases else []),
            f"{said['seen']} of {said['hosts']} hosts seen, {len(said['drifted'])} drifted, {len(said['held'])} with holds, "
            f"{len(said['reboot'])} wait for a reboot.", *counted["problems"]]


def _host(result: t.Any) -> t.Dict[str, t.Any]:
    census = result.get("census") if isinstance(result, c.Mapping) else None
    if census:
        return {"seen": True, "census": census}
    why = (result.get("msg") if isinstance(result, c.Mapping) else None) or "it gave no result"
    return {"seen": False, "why": " ".join(str(why).split())}


def _places(census: Census) -> t.List[t.Tuple[str, str]]:
    return [(one["release"], _snapshot(one)) for one in census["sets"]]


def _snapshot(one: t.Mapping[str, t.Any]) -> str:
    return ", ".join(one["snapshots"]) or MOVING


def _rows(host: str, one: t.Mapping[str, t.Any]) -> t.Iterator[t.Dict[str, t.Any]]:
    """Yield a row for each repository set of a host, one without a set for a host that has none."""
    if not one["seen"]:
        yield {"host": host, "release": "not seen"}
        return
    census = one["census"]
    rollout = census["rollout"]
    shared = {
        "host": host, "drift": _drift(census), "holds": str(len(census["holds"]) or ""), "reboot": "yes" if census["kernel"]["reboot"] else "",
        "last rollout": rollout and f"{rollout['rollout']}: {rollout['status']}",
    }
    for placed in census["sets"] or [None]:
        if placed is None:
            yield shared
        else:
            sync = placed["sync"]
            yield {**shared, "release": placed["release"], "snapshot": _snapshot(placed), "frozen": "yes" if placed["frozen"] else "",
                   "last sync": sync and f"{sync['time']} {sync['state']}"}


def _drift(census: Census) -> str:
    packages = collections.Counter(one["drift"] for one in census["drift"]["packages"] or ())
    said = [f"{count} {word}" for word, count in sorted(packages.items())]
    files = len(census["drift"]["files"])
    return ", ".join([*([f"{files} file{'s' if files > 1 else ''}"] if files else []), *said])


def _problems(one: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    if not one["seen"]:
        yield f"not seen: {one['why']}"
        return
    census = one["census"]
    for file in census["drift"]["files"]:
        yield f"{file['path']} was {file['state']} by hand" if file["state"] != "missing" else f"{file['path']} is missing"
    for package in census["drift"]["packages"] or ():
        yield f"{package['package']} {package['installed']} is {package['drift']} than the release, which has {package['release']}"
    for placed in census["sets"]:
        sync = placed["sync"]
        if sync and sync["state"] in _UNFINISHED:
            yield f"the last sync, {sync['record']}, {_UNFINISHED[sync['state']]}" + (f": {sync['error']}" if sync["error"] else "")
    yield from census["problems"]
