# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a mirror host is told: one JSON file.

    {"root": "/srv/mirror",
     "sets": {"cmd-os-1": {"sources": [
         {"name": "deb", "format": "deb", "urls": ["http://repo.example.org/apt"], "keyring": "/etc/cmd-mirror/keys/cmd-os.gpg",
          "suites": ["cmd-os-1", "cmd-os-1-updates"], "architectures": ["amd64"]},
         {"name": "el9-updates", "format": "rpm", "urls": ["http://repo.example.org/el9/updates/x86_64"],
          "keyring": "/etc/cmd-mirror/keys/cmd-os.gpg"}]}}}
"""

from __future__ import annotations

import json
import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.address import parse
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source, inside
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import checked_name
from ansible_collections.egi.cmd.plugins.module_utils._mirror.retention import Policy
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import (
    Problem,
    dotted,
    missing_problem,
    shown,
    unknown_key,
    value_problem,
)

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~-]*")
_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHOWN = 8  # problems named in one message

Path = t.Tuple[t.Any, ...]


class Set(t.NamedTuple):
    """Sources that are switched together. publish: whether a sync moves the set's own pointer."""

    name: str
    sources: t.Tuple[Source, ...]
    publish: bool
    policy: Policy


class Configuration(t.NamedTuple):
    """root: what the web server serves. limit: bytes per second of one source, or None. margin: bytes of the file
    system a sync leaves free. metrics: a Prometheus text file to write, or None. report: the last run as JSON, or None."""

    root: str
    sets: t.Dict[str, Set]
    connections: int = 8
    limit: t.Optional[int] = None
    timeout: float = 30.0
    retries: int = 4
    margin: int = 64 << 20
    metrics: t.Optional[str] = None
    report: t.Optional[str] = None


class _Field(t.NamedTuple):
    """What a field has to be, in words and as a test."""

    expected: str
    good: t.Callable[[t.Any], bool]


def _text(value: t.Any) -> bool:
    return isinstance(value, str) and value != ""


def _absolute(value: t.Any) -> bool:
    return isinstance(value, str) and os.path.isabs(value)


def _whole(least: int) -> t.Callable[[t.Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _boolean(value: t.Any) -> bool:
    return isinstance(value, bool)


def _list_of(good: t.Callable[[t.Any], bool]) -> t.Callable[[t.Any], bool]:
    return lambda value: isinstance(value, list) and all(map(good, value))


def _word(value: t.Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _relative(value: t.Any) -> bool:
    """A suite or component may have several parts: stable/updates, main/debian-installer."""
    if not isinstance(value, str):
        return False
    try:
        inside(value)
    except Failure:
        return False
    return all(map(_word, value.split("/")))


def _suite(value: t.Any) -> bool:
    """A suite, or a flat repository's directory, which ends in '/' (sources.list(5))."""
    return value == "/" or _relative(value) or (isinstance(value, str) and value.endswith("/") and _relative(value[:-1]))


def _url(value: t.Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://", "file://"))


_ABSOLUTE = _Field("an absolute path", _absolute)
_WORDS = _Field("a list of words", _list_of(_word))
_BOOLEAN = _Field("true or false", _boolean)

_TOP = {
    "root": _Field("an absolute path: the directory a web server serves", _absolute),
    "sets": _Field("a map from the name of a set to its sources", lambda value: isinstance(value, dict) and value != {}),
    "connections": _Field("a number of connections, 1 to 64", lambda value: _whole(1)(value) and value <= 64),
    "limit": _Field("bytes per second, at least 1024", _whole(1024)),
    "timeout": _Field("seconds", lambda value: _number(value) and value > 0),
    "retries": _Field("a number of attempts, 0 or more", _whole(0)),
    "margin": _Field("bytes to leave free", _whole(0)),
    "metrics": _ABSOLUTE,
    "report": _ABSOLUTE,
}
_SET = {
    "sources": _Field("a list of sources, at least one", lambda value: isinstance(value, list) and value != []),
    "publish": _BOOLEAN,
    "keep": _Field("a map of count, days, grace_hours and most", lambda value: isinstance(value, dict)),
}
_KEEP = {
    "count": _Field("a number of snapshots, 1 or more", _whole(1)),
    "days": _Field("a number of days", _number),
    "grace_hours": _Field("a number of hours", _number),
    "most": _Field("a share between 0 and 1", lambda value: _number(value) and value <= 1),
}
_SOURCE = {
    "name": _Field("a name of [a-z0-9._-], a directory below the set", lambda value: isinstance(value, str) and _SOURCE_NAME.fullmatch(value) is not None),
    "format": _Field("deb or rpm", lambda value: value in ("deb", "rpm")),
    "urls": _Field("a list of http, https or file URLs, at least one", lambda value: _list_of(_url)(value) and value != []),
    "keyring": _Field("an absolute path to a binary OpenPGP keyring", _absolute),
    "suites": _Field("a list of suites, at least one", lambda value: _list_of(_suite)(value) and value != []),
    "components": _Field("a list of components", _list_of(_relative)),
    "architectures": _WORDS,
    "sources": _BOOLEAN,
    "contents": _BOOLEAN,
    "languages": _WORDS,
    "proxy": _Field("a URL", lambda value: isinstance(value, str) and value.startswith(("http://", "https://"))),
    "client_certificate": _ABSOLUTE,
    "client_key": _ABSOLUTE,
    "ca_certificate": _ABSOLUTE,
    "freshness": _Field("fail or warn", lambda value: value in ("fail", "warn")),
    "signed_metadata": _BOOLEAN,
}
_ONLY_DEB = ("suites", "components", "sources", "contents", "languages")
_ONLY_RPM = ("signed_metadata",)
_OPTIONAL_NULL = ("limit", "metrics", "report", "proxy", "client_certificate", "client_key", "ca_certificate")


def load(path: str) -> Configuration:
    """Read and check the file; every problem is named with its place."""
    remedy = "Correct the file and run again"
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        raise Failure(f"read {path}", error.strerror or str(error), "Name the right file with --config") from error
    except ValueError as error:
        raise Failure(f"read {path}", f"it is not JSON: {error}", remedy) from error
    found = problems(data)
    if found:
        texts = [str(problem) for problem in found[:_SHOWN]]
        if len(found) > _SHOWN:
            texts.append(f"and {len(found) - _SHOWN} more")
        raise Failure(f"read {path}", "; ".join(texts), remedy)
    return _configuration(data)


def problems(data: t.Any) -> t.List[Problem]:
    """What is wrong with the content of a configuration file, most telling first."""
    if not isinstance(data, dict):
        return [value_problem("", "a map", shown(data))]
    found = list(_check(data, (), _TOP, ("root", "sets")))
    sets = data.get("sets")
    for name, entry in sets.items() if isinstance(sets, dict) else ():
        found += _set_problems(name, entry)
    return sorted(found)


def _set_problems(name: str, entry: t.Any) -> t.Iterator[Problem]:
    path: Path = ("sets", name)
    try:
        checked_name(name)
    except Failure as failure:
        yield value_problem(dotted(path), "a name for a set", f"{shown(name)} ({failure.why})")
    if not isinstance(entry, dict):
        yield value_problem(dotted(path), "a map", shown(entry))
        return
    yield from _check(entry, path, _SET, ("sources",))
    if isinstance(entry.get("keep"), dict):
        yield from _check(entry["keep"], (*path, "keep"), _KEEP, ())
    sources = entry.get("sources")
    names: t.Set[str] = set()
    for index, source in enumerate(sources if isinstance(sources, list) else ()):
        place = (*path, "sources", index)
        yield from _source_problems(source, place)
        given = source.get("name") if isinstance(source, dict) else None
        if isinstance(given, str):
            if given in names:
                yield value_problem(dotted((*place, "name")), "every name once", f"{shown(given)} twice")
            names.add(given)


def _source_problems(source: t.Any, path: Path) -> t.Iterator[Problem]:
    if not isinstance(source, dict):
        yield value_problem(dotted(path), "a map", shown(source))
        return
    needed = ["name", "format", "urls"]
    if source.get("format") == "deb":
        needed += ["suites", "keyring"]
    elif source.get("signed_metadata", True):
        needed.append("keyring")
    yield from _check(source, path, _SOURCE, needed)
    for name in _ONLY_RPM if source.get("format") == "deb" else _ONLY_DEB:
        if name in source:
            yield value_problem(dotted((*path, name)), f"no {name} of a source of format {source.get('format')}", shown(source[name]))
    for index, url in enumerate(source["urls"] if _list_of(_url)(source.get("urls")) else ()):
        try:
            parse(url)
        except Failure as failure:
            yield value_problem(dotted((*path, "urls", index)), "the URL of a mirror", failure.why)
    if ("client_key" in source) and not source.get("client_certificate"):
        yield missing_problem(dotted((*path, "client_certificate")), "the certificate that belongs to client_key")


def _check(entry: t.Dict[str, t.Any], path: Path, fields: t.Dict[str, _Field], needed: t.Sequence[str]) -> t.Iterator[Problem]:
    for name, value in entry.items():
        if name not in fields:
            yield unknown_key(path, name, list(fields))
        elif not (fields[name].good(value) or (value is None and name in _OPTIONAL_NULL)):
            yield value_problem(dotted((*path, name)), fields[name].expected, shown(value))
    for name in needed:
        if name not in entry:
            yield missing_problem(dotted((*path, name)), fields[name].expected)


def _source(entry: t.Dict[str, t.Any]) -> Source:
    fields: t.Dict[str, t.Any] = {field: tuple(value) if isinstance(value, list) else value for field, value in entry.items()}
    return Source(**fields)


def _configuration(data: t.Dict[str, t.Any]) -> Configuration:
    sets = {}
    for name, entry in data["sets"].items():
        sources = tuple(_source(source) for source in entry["sources"])
        keep = entry.get("keep", {})
        default = Policy()
        policy = Policy(keep.get("count", default.keep), keep.get("days", default.days), keep.get("grace_hours", default.grace), keep.get("most", default.most))
        sets[name] = Set(name, sources, entry.get("publish", True), policy)
    return Configuration(**{**{name: value for name, value in data.items() if name in _TOP}, "root": os.path.normpath(data["root"]), "sets": sets})
