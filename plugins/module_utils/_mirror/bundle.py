# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a bundle says it carries, and what an isolated site says it has: two JSON documents.

    bundle.json        the set, the snapshot's name, its sources, and every file of the bundle by SHA-256
    bundle.json.asc    detached signature of it
    files/ab/ab12…     the files

A bundle is whole (``base`` empty) or a delta: then it leaves out what the named snapshots of the site hold.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Part
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import inside
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import checked_name

MANIFEST = "bundle.json"
SIGNATURE = "bundle.json.asc"
LARGEST_MANIFEST = 1 << 28  # bytes: a file takes 80, a whole distribution with its sources has a million
LARGEST_SIGNATURE = 1 << 16
_BUNDLE = "egi.cmd mirror bundle 1"
_INVENTORY = "egi.cmd mirror inventory 1"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d-\d{6}")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_REMEDY = "Export it again with cmd-mirror bundle export"

Files = t.Dict[str, int]  # SHA-256 -> size in bytes


class Carried(t.NamedTuple):
    """One source. part: as in the generation, without its tree, which every mirror names itself; manifest: SHA-256 of
    the file that says what it holds; moments: unix time of last change of each metadata document, by path."""

    part: Part
    manifest: str
    moments: t.Dict[str, int]


class Bundle(t.NamedTuple):
    """A generation on its way. base: the generations a delta builds on. metadata: manifests and documents, always
    carried; files: packages and large metadata, those of the base left out."""

    set: str
    generation: str
    created: int
    base: t.Tuple[str, ...]
    sources: t.Dict[str, Carried]
    metadata: Files
    files: Files

    def contents(self) -> Files:
        """Every file of the bundle."""
        return {**self.metadata, **self.files}

    def size_of(self, sha256: str) -> int:
        """Size of one of its files."""
        return self.metadata[sha256] if sha256 in self.metadata else self.files[sha256]


class Inventory(t.NamedTuple):
    """What a site has: names of generations, and the SHA-256 of every file they hold."""

    generations: t.Tuple[str, ...]
    files: t.FrozenSet[str]


def path_of(sha256: str) -> str:
    """Where a file is in a bundle."""
    return f"files/{sha256[:2]}/{sha256}"


def encode(bundle: Bundle) -> bytes:
    """The document to sign: the same bundle gives the same bytes."""
    sources = {name: {**carried.part._asdict(), "manifest": carried.manifest, "moments": carried.moments} for name, carried in bundle.sources.items()}
    for source in sources.values():
        del source["tree"]
    return _json({"format": _BUNDLE, **bundle._asdict(), "sources": sources})


def parse(data: bytes) -> Bundle:
    """Read a document whose signature is good; it is still checked as if a stranger had written it."""
    action = f"read {MANIFEST}"
    top = _document(data, _BUNDLE, ("format", *Bundle._fields), action)
    with _Reading(action):
        of_set = checked_name(_text(top["set"]))
        generation = _text(top["generation"])
        if not generation.startswith(f"{of_set}-") or not _MOMENT.fullmatch(generation[len(of_set) + 1:]):
            raise ValueError(f"{generation[:200]!r} is no name of a snapshot of {of_set}")
        sources = {_source(name): _carried(source) for name, source in _map(top["sources"]).items()}
        bundle = Bundle(of_set, generation, _count(top["created"]), tuple(_text(name) for name in _list(top["base"])), sources,
                        _files(top["metadata"]), _files(top["files"]))
        for carried in sources.values():
            if carried.manifest not in bundle.metadata:
                raise ValueError("it names a manifest it does not carry")
        return bundle


def encode_inventory(inventory: Inventory) -> bytes:
    """The file a site hands out."""
    return _json({"format": _INVENTORY, "generations": list(inventory.generations), "files": sorted(inventory.files)})


def parse_inventory(data: bytes, where: str) -> Inventory:
    """Read what a site handed out; where: names the file."""
    action = f"read inventory {where}"
    top = _document(data, _INVENTORY, ("format", *Inventory._fields), action)
    with _Reading(action):
        return Inventory(tuple(_text(name) for name in _list(top["generations"])), frozenset(_digest(sha256) for sha256 in _list(top["files"])))


def _json(data: t.Dict[str, t.Any]) -> bytes:
    return (json.dumps(data, indent=0, sort_keys=True, separators=(",", ":")) + "\n").encode()


class _Reading:
    """Turns what a check finds into the one error."""

    def __init__(self, action: str) -> None:
        self._action = action

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: t.Any, error: t.Optional[BaseException], _trace: t.Any) -> None:
        if isinstance(error, ValueError):
            raise Failure(self._action, str(error), _REMEDY) from error


def _document(data: bytes, form: str, keys: t.Sequence[str], action: str) -> t.Dict[str, t.Any]:
    try:
        top = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Failure(action, f"it is not JSON: {error}", _REMEDY) from error
    if not isinstance(top, dict) or top.get("format") != form:
        raise Failure(action, f"it is not of the form {form!r}", _REMEDY)
    if set(top) != set(keys):
        raise Failure(action, f"it has not exactly the keys {', '.join(keys)}", _REMEDY)
    return top


def _carried(source: t.Any) -> Carried:
    data = _map(source)
    if set(data) != {*Part._fields, "manifest", "moments"} - {"tree"}:
        raise ValueError("a source has other keys than a bundle's source has")
    part = Part(_text(data["format"]), _text(data["url"]), _text(data["selection"]), _text(data["identity"]), _count(data["dated"]), "",
                _count(data["packages"]), _count(data["size"]))
    return Carried(part, _digest(data["manifest"]), {inside(path): _count(moment) for path, moment in _map(data["moments"]).items()})


def _files(value: t.Any) -> Files:
    return {_digest(sha256): _count(size) for sha256, size in _map(value).items()}


def _map(value: t.Any) -> t.Dict[str, t.Any]:
    if not isinstance(value, dict):
        raise ValueError("a map is something else")
    return value


def _list(value: t.Any) -> t.List[t.Any]:
    if not isinstance(value, list):
        raise ValueError("a list is something else")
    return value


def _text(value: t.Any) -> str:
    if not isinstance(value, str) or len(value) > 4096:
        raise ValueError("a text is something else, or too long")
    return value


def _count(value: t.Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise ValueError("a number is something else, or out of range")
    return value


def _digest(value: t.Any) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError("a SHA-256 is something else")
    return value


def _source(value: str) -> str:
    if not _SOURCE.fullmatch(value):
        raise ValueError(f"{value[:200]!r} is no name of a source")
    return value
