# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What apt says of every installed package, for an audit: three or four short programs, however many packages there are.

Measured (docs/benchmarks.md): one ``apt-cache policy`` for all installed names costs a fifth of one for all names of a
large distribution. python3-apt, which not every host has, is no faster: what costs is opening apt's cache.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import apt_policy, apt_view, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.audit import Known, Offer, Since, Version
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Run, Survey

_STATUS_FORMAT = "${binary:Package}\t${Architecture}\t${db:Status-Want}\t${db:Status-Status}\n"
_ABSENT = ("not-installed", "config-files")
_TARGETS_FORMAT = "$(REPO_URI)\t$(RELEASE)\t$(METAKEY)\t$(FILENAME)"
# Debian calls its suite stable-security and its label Debian-Security, Ubuntu its suite jammy-security.
_SECURITY = re.compile(r"security", re.IGNORECASE)
_DATE = re.compile(r"^Date: (.+)$", re.MULTILINE)


def survey(run: Run, packages: t.Sequence[str]) -> Survey:
    """Return what apt says of every installed package and of packages, without a network. Raises Failure."""
    text = apt_view.ask(run, [])
    held = _installed(run)
    names = sorted({*held, *packages})
    answer = apt_policy.packages(apt_view.ask(run, names)) if names else {}
    sources = _sources(text)
    known = {name: _known(answer[name], held.get(name, ""), sources) for name in names if name in answer}
    return Survey(apt_view.view_of(text, answer, packages), known, _Dates(run, sources))


class _Source(t.NamedTuple):
    """An index, and what it makes of the versions that it lists."""

    place: apt_view.Place
    offer: Offer


class _Dates:
    """Answers audit.Dated with the date of the Release file that vouches for an offer: it was published then, or before."""

    def __init__(self, run: Run, sources: t.Mapping[str, _Source]) -> None:
        self._run = run
        self._places = {source.offer.repository: source.place for source in sources.values()}
        self._days: t.Optional[t.Dict[apt_view.Place, datetime.date]] = None

    def __call__(self, package: str, version: str, offer: Offer) -> t.Optional[Since]:  # noqa: ARG002
        if self._days is None:
            self._days = _release_days(self._run)
        day = self._days.get(self._places[offer.repository])
        return Since(day, "release_file") if day else None


def _installed(run: Run) -> t.Dict[str, str]:
    """Return package -> why it is held; a foreign architecture is part of the name, as in apt's own answer."""
    native = _output(run, ["dpkg", "--print-architecture"]).strip()
    found = {}
    for line in _output(run, ["dpkg-query", "-W", "-f", _STATUS_FORMAT]).splitlines():
        name, architecture, want, status = line.split("\t")
        if status not in _ABSENT:
            found[name.partition(":")[0] if architecture in (native, "all") else name] = "apt-mark hold" if want == "hold" else ""
    return found


def _sources(text: str) -> t.Dict[str, _Source]:
    """Return the words of each index in the answer of ``apt-cache policy`` -> source."""
    ours = apt_view.our_places()
    found = {}
    for words, (priority, release) in apt_policy.sources(text).items():
        if words != apt_policy.STATUS_FILE:
            place = _place(words)
            name, set_name = ours.get(place, (apt_view.foreign_name(place, release), ""))
            suite = release.get("a", "")
            security = bool(_SECURITY.search(f"{suite} {place[1]} {release.get('l', '')}"))
            found[words] = _Source(place, Offer(name, set_name, priority, policy.band("apt", priority), release.get("o", ""), suite, security))
    return found


def _place(words: str) -> apt_view.Place:
    """Return the place of an index; what comes from a flat repository is no orphan either."""
    source = apt_policy.Source.read(words)
    uri, _blank, rest = words.partition(" ")
    return (source.uri, source.suite) if source else (uri.rstrip("/"), rest.partition(" ")[0])


def _known(package: apt_policy.Policy, held: str, sources: t.Mapping[str, _Source]) -> Known:
    return Known(package.installed, package.candidate, tuple(_version(one, sources) for one in package.versions), held)


def _version(version: apt_policy.Version, sources: t.Mapping[str, _Source]) -> Version:
    # Several components, architectures or mirrors of a suite are one repository.
    offers = {sources[words].offer.repository: sources[words].offer for _number, words in version.sources if words in sources}
    return Version(version.version, tuple(sorted(offers.values(), key=lambda one: -one.priority)))


def _release_days(run: Run) -> t.Dict[apt_view.Place, datetime.date]:
    """Return place -> day of its Release file; apt itself says where its files are."""
    found: t.Dict[apt_view.Place, datetime.date] = {}
    for line in _output(run, ["apt-get", "indextargets", "--format", _TARGETS_FORMAT, "Created-By: Packages"]).splitlines():
        uri, suite, key, path = line.split("\t")
        # An index may be kept compressed; its name before that ends with the key.
        stem, _key, _ending = path.rpartition(key.replace("/", "_"))
        day = _day(f"{stem}InRelease") or _day(f"{stem}Release")
        if stem and day:
            found[apt_view.place_of(uri, suite)] = day
    return found


def _output(run: Run, argv: t.Sequence[str]) -> str:
    status, out, err = run(argv, apt_view.ENVIRONMENT)
    if status:
        raise Failure(f"run {' '.join(argv[:2])}", apt_view.complaint(err), "Repair the host's apt first: run the same command by hand")
    return out


def _day(path: str) -> t.Optional[datetime.date]:
    """Return the day in a Release file; None when it is not there or says none."""
    with contextlib.suppress(OSError):
        with open(path, encoding="utf-8", errors="replace") as handle:
            match = _DATE.search(handle.read(65536))
        fields = email.utils.parsedate(match.group(1)) if match else None
        if fields:
            return datetime.date(*fields[:3])
    return None
