# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Reads apt's own answer: which repositories it sees, with which priority, and what it would install."""

from __future__ import annotations

import glob
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files, apt_policy
from ansible_collections.egi.cmd.plugins.module_utils._host.family import HEADER, PackageView, Run, SourceView, VersionView, View

ENVIRONMENT = {"LC_ALL": "C", "LANGUAGE": "C", "LANG": "C"}

Place = t.Tuple[str, str]
"""(URI as apt prints it, suite): what identifies a source."""


@dataclass(frozen=True)
class Row:
    """One package file of ``apt-cache policy``: where it is from, what apt ranks it, and what its Release file says."""

    place: Place
    priority: int
    release: t.Dict[str, str]


def place_of(uri: str, suite: str) -> Place:
    """Return how apt prints a source: no slash at the end, file: with one slash."""
    if uri.startswith("file://"):
        uri = "file:" + uri[len("file://"):]
    return uri.rstrip("/"), suite


def rows_of(text: str) -> t.List[Row]:
    """Return the package files of ``apt-cache policy``, without dpkg's status file and flat repositories."""
    found = ((apt_policy.Source.read(words), priority, release) for words, (priority, release) in apt_policy.sources(text).items())
    return [Row((source.uri, source.suite), priority, release) for source, priority, release in found if source]


def pinned_of(text: str) -> t.List[str]:
    """Return the packages with a pin of their own, from ``apt-cache policy``."""
    lines = text.partition("Pinned packages:")[2].splitlines()
    return sorted({line.split()[0].partition(":")[0] for line in lines if " -> " in line})


def places_of(version: apt_policy.Version) -> t.List[Place]:
    """Return the sources that list a version, without dpkg's status file."""
    sources = (apt_policy.Source.read(words) for _priority, words in version.sources)
    return [(source.uri, source.suite) for source in sources if source]


def view(run: Run, packages: t.Sequence[str]) -> View:
    """Return what apt says now, without a network. Raises Failure."""
    return view_of(ask(run, []), apt_policy.packages(ask(run, packages)) if packages else {}, packages)


def view_of(text: str, found: t.Mapping[str, apt_policy.Policy], packages: t.Sequence[str]) -> View:
    """Return the view that ``apt-cache policy`` (text) and its answer about packages (found) make."""
    ours = our_places()
    sources: t.Dict[Place, SourceView] = {}
    for row in rows_of(text):
        name, set_name = ours.get(row.place, (foreign_name(row.place, row.release), ""))
        release = row.release
        sources[row.place] = SourceView(name, set_name, row.priority, row.place[0], release.get("o", ""), release.get("l", ""), release.get("a", ""))
    return View(
        sorted(sources.values(), key=lambda one: (-one.priority, one.name)),
        {name: _package(found.get(name), sources) for name in packages},
    )


def ask(run: Run, packages: t.Sequence[str], options: t.Sequence[str] = (), environment: t.Optional[t.Mapping[str, str]] = None) -> str:
    """Return what ``apt-cache policy`` prints. Raises Failure with apt's own complaint."""
    status, out, err = run(["apt-cache", *options, "policy", "--", *packages], {**ENVIRONMENT, **(environment or {})})
    if status:
        raise Failure("ask apt for its priorities", complaint(err),
                      "Repair it, in /etc/apt/preferences or /etc/apt/preferences.d if it is about a pin; 'apt-cache policy' shows it too")
    return out


def complaint(err: str) -> str:
    """Return apt's errors in one line; its warnings when it gave no error."""
    lines = [line for line in err.splitlines() if line.startswith("E: ")] or [line for line in err.splitlines() if line.startswith("W: ")]
    return "; ".join(line[3:].rstrip(".") for line in lines) or err.strip().replace("\n", "; ") or "apt gave no reason"


def our_places() -> t.Dict[Place, t.Tuple[str, str]]:
    """Return place -> (repository, set) of every live sources file that is ours."""
    places = {}
    for path in glob.glob(f"{apt_files.SOURCES}/egi-cmd-*.sources"):
        with open(path, encoding="utf-8", errors="replace") as handle:
            text = handle.read()
        if text.startswith(HEADER):
            set_name = text[len(HEADER):].split("\n", 1)[0]
            for name, uris, suite in apt_files.repository_names(text):
                places.update({place_of(uri, suite): (name, set_name) for uri in uris})
    return places


def foreign_name(place: Place, release: t.Mapping[str, str]) -> str:
    """Return what a repository of others is called: ``origin/suite`` of its Release file, else its place."""
    return f"{release.get('o') or place[0]}/{release.get('a') or place[1]}"


def _package(found: t.Optional[apt_policy.Policy], sources: t.Mapping[Place, SourceView]) -> PackageView:
    if found is None:
        return PackageView(None, None, [])
    seen = [
        VersionView(version.version, sources[place].origin, sources[place].name, version.priority)
        for version in found.versions for place in places_of(version) if place in sources
    ]
    return PackageView(found.installed, found.candidate, seen)
