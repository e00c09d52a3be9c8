# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The census of one host: which release and snapshot it is on, what was changed by hand, what is held, what was done last.

It reads files and two programs and asks no resolver, unless the drift of packages is wanted. The shape of the answer is published
in census.schema.json beside this file.
"""

from __future__ import annotations

import datetime
import functools
import json
import os
import platform
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._host import audit, change, generations, holds, rollout_state, snapshots, sync_record
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Family, Inventory, Run, os_release
from ansible_collections.egi.cmd.plugins.module_utils._host.kernels import kernel
from ansible_collections.egi.cmd.plugins.module_utils._host.policy import stronger
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_listing import utc
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import KINDS

SCHEMA = 1
_ROLLOUT_KEYS = ("rollout", "release", "wave", "status", "time", "reason")
_BY = {"hold": "apt-mark hold", "exclude": "excludepkgs", "versionlock": "versionlock"}

Document = t.Dict[str, t.Any]
Found = t.TypeVar("Found")


@dataclass(frozen=True)
class Wishes:
    """packages: whose versions are wanted. resolver: also ask apt or dnf which packages are not the release's. mirror: ask mirrors."""

    packages: t.Sequence[str] = ()
    resolver: bool = False
    mirror: bool = False


class _Problems(t.List[str]):
    """What could not be found out, in words; a host with one broken record is still counted."""

    def note(self, failure: Failure) -> None:
        """Keep a failure's words, on one line."""
        text = " ".join(str(failure).split())
        if text not in self:
            self.append(text)

    def unless(self, find_out: t.Callable[[], Found], otherwise: Found) -> Found:
        """Return what find_out() finds; if it fails, note why and return otherwise."""
        try:
            return find_out()
        except Failure as failure:
            self.note(failure)
            return otherwise


def taken(family: Family, run: Run, wishes: Wishes, now: str, fetch: snapshots.Fetch = snapshots.fetch) -> Document:
    """Return the census of this host. now: UTC, 2026-01-31T12:00:00Z. What is broken is one of its problems, and no reason to know nothing."""
    problems = _Problems()
    nothing = Inventory([], [], dict.fromkeys(wishes.packages))
    inventory = problems.unless(lambda: family.inventory(run, wishes.packages), nothing)
    mirror = _Mirror(fetch, problems) if wishes.mirror else None
    names = generations.set_names()
    syncs = _syncs(names, problems)
    places = {name: [(one, where) for owner, one, where in inventory.repositories if owner == name] for name in names}
    return {
        "schema": SCHEMA,
        "time": now,
        "system": _system(family),
        "kernel": kernel(),
        "sets": [_set(name, places[name], syncs.get(name), mirror, problems) for name in names],
        "drift": {
            "files": [entry for name in names for entry in _files(family, name, problems)],
            "packages": problems.unless(lambda: _packages(family, run), None) if wishes.resolver else None,
        },
        "holds": _holds(problems.unless(lambda: holds.holds(family.name, run), []), inventory),
        "rollout": _rollout(rollout_state.DIRECTORY, problems),
        "packages": inventory.versions,
        "problems": list(problems),
    }


def _system(family: Family) -> Document:
    with open("/etc/os-release", encoding="utf-8", errors="replace") as handle:
        said = os_release(handle.read())
    return {"family": family.name, "distribution": said.get("ID", ""), "version": said.get("VERSION_ID", ""),
            "codename": said.get("VERSION_CODENAME", ""), "architecture": platform.machine()}


class _Mirror:
    """Asks mirrors, each question once; one that does not answer is not asked again."""

    def __init__(self, fetch: snapshots.Fetch, problems: _Problems) -> None:
        self._fetch, self._problems = fetch, problems
        self._silent: t.Set[str] = set()
        self._known: t.Dict[str, t.Union[str, Exception]] = {}

    def snapshot(self, location: str) -> str:
        server = snapshots.server(location)
        if server in self._silent:
            return ""
        try:
            return snapshots.asked(location, self._remembering)
        except (OSError, ValueError) as error:
            self._silent.add(server)
            self._problems.note(Failure(f"ask {server} for its snapshots", str(error), "Check name, proxy and network"))
            return ""

    def _remembering(self, url: str) -> str:
        if url not in self._known:
            try:
                self._known[url] = self._fetch(url)
            except (OSError, ValueError) as error:
                self._known[url] = error
        answer = self._known[url]
        if isinstance(answer, Exception):
            raise answer
        return answer


def _set(name: str, places: t.Sequence[t.Tuple[str, str]], sync: t.Optional[Document], mirror: t.Optional[_Mirror], problems: _Problems) -> Document:
    release = _release(name, [one for one, _where in places])
    repositories = []
    for one, where in places:
        frozen = snapshots.frozen(where)
        repositories.append({"name": one, "location": masked(where), "frozen": bool(frozen),
                             "snapshot": frozen or (mirror.snapshot(where) if mirror else "")})
    own = [one for one in repositories if _is_of(release, str(one["name"]))]
    return {
        "name": name, "release": release, "generation": _generation(name, problems), "repositories": repositories,
        "frozen": bool(own) and all(one["frozen"] for one in own),
        "snapshots": sorted({str(one["snapshot"]) for one in own if one["snapshot"]}),
        "sync": sync,
    }


def _release(set_name: str, repositories: t.Sequence[str]) -> str:
    """Return the release that a set is of: the set is called like it, or its repositories are, <release>-<kind> (dots as hyphens)."""
    if any(_is_of(set_name, one) for one in repositories):
        return set_name
    found = [one[:-len(kind) - 1] for one in repositories for kind in KINDS if one.endswith(f"-{kind}")]
    return found[0] if found else set_name


def _is_of(release: str, repository: str) -> bool:
    return any(repository == f"{release}-{kind}".replace(".", "-") for kind in KINDS)


def _holds(lines: t.Sequence[str], inventory: Inventory) -> t.List[Document]:
    """Return {package, by} for every line of holds.holds(), and for what is hidden in one repository alone."""
    found = [(package, _BY[word]) for word, _blank, package in (line.partition(" ") for line in lines)]
    found += [(pattern, f"excludepkgs of {repository}") for repository, pattern in inventory.excludes]
    return [{"package": package, "by": by} for package, by in sorted(found)]


def _generation(name: str, problems: _Problems) -> t.Optional[str]:
    return problems.unless(lambda: generations.remember(name).generation, None)


def _files(family: Family, name: str, problems: _Problems) -> t.List[Document]:
    """Return the files of a set that are not as its live generation has them: {set, path, state: changed, missing or added}."""
    live = _generation(name, problems)
    now = problems.unless(lambda: change.reverted(family, name, live), None) if live else None
    if now is None:
        return []
    found = [(path, "changed" if path in now.live else "missing") for path in now.differing] + [(path, "added") for path in now.stale]
    return [{"set": name, "path": path, "state": state} for path, state in sorted(found)]


def _packages(family: Family, run: Run) -> t.List[Document]:
    """Return the installed packages whose version is not the release's."""
    # Dates of what the base has instead are an audit's, and no census reads them.
    judged = audit.audit(family.survey(run, []).packages, lambda one, other: stronger(family.name, one, other),
                         lambda package, version, offer: None, datetime.date.min)
    return [{"package": one.name, "installed": one.installed, "release": one.release, "drift": one.drift} for one in judged if one.drift]


def _syncs(names: t.Sequence[str], problems: _Problems) -> t.Dict[str, Document]:
    """Return set -> what package_sync did last for it; older records are not even opened."""
    found: t.Dict[str, Document] = {}
    for written, path in _newest_first(sync_record.DIRECTORY):
        if set(found) >= set(names):
            break
        record = problems.unless(functools.partial(sync_record.load, path), None)
        if record is not None and record.set in names:
            found.setdefault(record.set, {"record": record.record, "state": record.state, "time": utc(written),
                                          "touched": len(record.touched), "error": record.error})
    return found


def _rollout(directory: str, problems: _Problems) -> t.Optional[Document]:
    """Return what the last rollout left on the host: {rollout, release, wave, status, time, reason}; None when none did."""
    for _written, path in _newest_first(directory):
        try:
            with open(path, encoding="utf-8") as handle:
                said = json.load(handle)
            return {key: str(said.get(key) or "") for key in _ROLLOUT_KEYS}
        except FileNotFoundError:
            continue
        except (ValueError, AttributeError):
            problems.note(Failure(f"read {path}", "it is not what a rollout writes", "Move the file away"))
    return None


def _newest_first(directory: str) -> t.List[t.Tuple[float, str]]:
    """Return (time written, path) of the records in a directory, the newest first."""
    try:
        with os.scandir(directory) as entries:
            found = [(entry.stat().st_mtime, entry.path) for entry in entries if entry.name.endswith(".json")]
    except FileNotFoundError:
        return []
    return sorted(found, reverse=True)
