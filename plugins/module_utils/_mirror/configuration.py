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
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.address import parse
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration_fields import (
    KEEP,
    ONLY_DEB,
    ONLY_RPM,
    OPTIONAL_NULL,
    SELECTION,
    SET,
    SIGNING,
    SOURCE,
    TOP,
    Field,
)
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Selection, Source
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

_SHOWN = 8  # problems named in one message

Path = t.Tuple[t.Any, ...]


class Signing(t.NamedTuple):
    """Who signs what is rebuilt. home: GnuPG home; keys: fingerprints of those in it that sign. keyring: the public keys,
    where they are not to be taken from the home: at a site that only imports bundles there is no other."""

    home: str = ""
    keys: t.Tuple[str, ...] = ()
    keyring: str = ""


class Set(t.NamedTuple):
    """Sources that are switched together. publish: whether a sync moves the set's own pointer. Of rebuilt sources:
    valid_days: until when clients may believe them, 0 for ever; recommends: whether what packages recommend is taken as
    well; prove: whether a solver has to be able to install every selected package."""

    name: str
    sources: t.Tuple[Source, ...]
    publish: bool
    policy: Policy
    signing: Signing = Signing()
    valid_days: float = 30
    recommends: bool = False
    prove: bool = False


class Configuration(t.NamedTuple):
    """root: what the web server serves. limit: bytes per second of one source, or None. margin: bytes of the file
    system a sync leaves free. metrics: a Prometheus text file to write, or None. report: the last run as JSON, or None.
    host: the name readers know this mirror by, None for the machine's own."""

    root: str
    sets: t.Dict[str, Set]
    connections: int = 8
    limit: t.Optional[int] = None
    timeout: float = 30.0
    retries: int = 4
    margin: int = 64 << 20
    metrics: t.Optional[str] = None
    report: t.Optional[str] = None
    host: t.Optional[str] = None


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
    found = list(_check(data, (), TOP, ("root", "sets")))
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
    yield from _check(entry, path, SET, ("sources",))
    if isinstance(entry.get("keep"), dict):
        yield from _check(entry["keep"], (*path, "keep"), KEEP, ())
    if isinstance(entry.get("signing"), dict):
        needed = ("home", "keys") if "home" in entry["signing"] or "keys" in entry["signing"] else ("keyring",)
        yield from _check(entry["signing"], (*path, "signing"), SIGNING, needed)
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
        if isinstance(source, dict) and source.get("mode") == "rebuilt" and "signing" not in entry:
            yield missing_problem(dotted((*path, "signing")), "who signs what is rebuilt")


def _source_problems(source: t.Any, path: Path) -> t.Iterator[Problem]:
    if not isinstance(source, dict):
        yield value_problem(dotted(path), "a map", shown(source))
        return
    lists = [name for name in ("mirrorlist", "metalink") if name in source]
    needed = ["name", "format"] if lists else ["name", "format", "urls"]
    if source.get("format") == "deb":
        needed += ["suites", "keyring"]
    elif source.get("signed_metadata", True):
        needed.append("keyring")
    yield from _check(source, path, SOURCE, needed)
    for name in ONLY_RPM if source.get("format") == "deb" else ONLY_DEB:
        if name in source:
            yield value_problem(dotted((*path, name)), f"no {name} of a source of format {source.get('format')}", shown(source[name]))
    given = [(("urls", index), url, False) for index, url in enumerate(source["urls"] if SOURCE["urls"].good(source.get("urls")) else ())]
    for place, url, document in [*given, *(((name,), source[name], True) for name in lists if SOURCE[name].good(source[name]))]:
        try:
            parse(url, document)
        except Failure as failure:
            yield value_problem(dotted((*path, *place)), f"the URL of a {'list of mirrors' if document else 'mirror'}", failure.why)
    if len(lists) == 2:
        yield value_problem(dotted((*path, "metalink")), "mirrorlist or metalink, not both", shown(source["metalink"]))
    if ("client_key" in source) and not source.get("client_certificate"):
        yield missing_problem(dotted((*path, "client_certificate")), "the certificate that belongs to client_key")
    if "select" in source and source.get("mode") != "rebuilt":
        yield value_problem(dotted((*path, "select")), "no select but where mode is rebuilt", shown(source["select"]))
    if source.get("installer") and source.get("mode", "verbatim") != "verbatim":
        yield value_problem(dotted((*path, "installer")), "no installer but where mode is verbatim", shown(source["installer"]))
    if source.get("installer") and source.get("mode", "verbatim") != "verbatim":
        yield value_problem(dotted((*path, "installer")), "an installer only where mode is verbatim", shown(source["installer"]))
    for index, selection in enumerate(source["select"] if SOURCE["select"].good(source.get("select")) else ()):
        yield from _check(selection, (*path, "select", index), SELECTION, ())


def _check(entry: t.Dict[str, t.Any], path: Path, fields: t.Dict[str, Field], needed: t.Sequence[str]) -> t.Iterator[Problem]:
    for name, value in entry.items():
        if name not in fields:
            yield unknown_key(path, name, list(fields))
        elif not (fields[name].good(value) or (value is None and name in OPTIONAL_NULL)):
            yield value_problem(dotted((*path, name)), fields[name].expected, shown(value))
    for name in needed:
        if name not in entry:
            yield missing_problem(dotted((*path, name)), fields[name].expected)


def _source(entry: t.Dict[str, t.Any]) -> Source:
    selections = tuple(Selection(**{**_values(one), "fields": tuple(sorted(one.get("fields", {}).items()))}) for one in entry.get("select", []))
    return Source(**{**_values(entry), "select": selections})


def _values(entry: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    return {field: tuple(value) if isinstance(value, list) else value for field, value in entry.items()}


def _configuration(data: t.Dict[str, t.Any]) -> Configuration:
    sets = {}
    for name, entry in data["sets"].items():
        sources = tuple(_source(source) for source in entry["sources"])
        keep = entry.get("keep", {})
        default = Policy()
        policy = Policy(keep.get("count", default.keep), keep.get("days", default.days), keep.get("grace_hours", default.grace), keep.get("most", default.most))
        chosen = {field: entry[field] for field in ("publish", "valid_days", "recommends", "prove") if field in entry}
        sets[name] = Set(name, sources, policy=policy, signing=Signing(**_values(entry.get("signing", {}))), **{"publish": True, **chosen})
    return Configuration(**{**{name: value for name, value in data.items() if name in TOP}, "root": os.path.normpath(data["root"]), "sets": sets})
