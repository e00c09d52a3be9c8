# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a repository shall be: the declaration both formats share, and the answer both give."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_package, signing
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure

# A name becomes a directory below the root and a word in a sources file: no slash, no blank, no leading dot.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*")
_SPAN = re.compile(r"([1-9][0-9]*)([hdwy])")
_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
# The kinds nobody gets by default: apt's NotAutomatic (process rule: opt in package by package).
NOT_AUTOMATIC_KINDS = ("proposed", "candidate", "untested")
KINDS = ("base", "updates", "security", "proposed", "holdback", "developer", "contrib", "untested", "candidate")
GENERATIONS = 2  # earlier indices that stay for readers in the middle of an update


class Part(t.NamedTuple):
    """A suite (deb) or a repository (rpm). name: the suite, or the path below the root.

    components: component -> sources, for rpm one component named ""; present: False removes it.
    """

    name: str
    present: bool
    components: t.Dict[str, t.List[str]]
    architectures: t.Tuple[str, ...]
    codename: str = ""
    label: str = ""
    version: str = ""
    description: str = ""
    not_automatic: bool = False
    valid_for: int = 0


class Declaration(t.NamedTuple):
    """One call. root: directory; keys: fingerprints that sign; key_name: what the public key's file is called after."""

    root: str
    origin: str
    key_home: str
    keys: t.Tuple[str, ...]
    key_name: str
    purge: bool
    contents: bool
    parts: t.Tuple[Part, ...]


class Change(t.NamedTuple):
    """One part after a run. packages: lines for people and diffs, sorted; date, valid_until: seconds, 0 for none."""

    name: str
    changed: bool
    packages: t.List[str]
    date: int
    valid_until: int


class Outcome(t.NamedTuple):
    """What a run did or, in check mode, would do. before: packages of each part before it; removed: parts."""

    changed: bool
    parts: t.List[Change]
    before: t.Dict[str, t.List[str]]
    removed: t.List[str]


def seconds(text: str, what: str) -> int:
    """``12h``, ``30d``, ``2w``, ``1y`` in seconds; what: the option's name for the Failure."""
    match = _SPAN.fullmatch(text)
    if not match:
        raise Failure(f"read {what} {text!r}", "it is no span of time", "Write a number and h, d, w or y, for example 30d")
    return int(match.group(1)) * _SECONDS[match.group(2)]


def check_name(text: str, what: str) -> str:
    """text, if it can be the name of a directory of its own; else Failure naming what it is."""
    if not _NAME.fullmatch(text):
        raise Failure(f"use {what} {text!r}", "it is no plain name", "Use letters, digits and . + ~ _ - and begin with a letter or digit")
    return text


def check_line(text: str, what: str) -> str:
    """text, if it is one line, as a Release field must be; else Failure."""
    if "\n" in text or "\r" in text or text != text.strip():
        raise Failure(f"use {what} {text!r}", "it is not one line without blanks around it", "Write it on one line")
    return text


def check_path(text: str, what: str) -> str:
    """text, if it is a path of plain names that stays below the root; else Failure."""
    for name in text.split("/"):
        check_name(name, what)
    return text


def from_parameters(parameters: t.Mapping[str, t.Any]) -> Declaration:
    """The module's parameters, checked. Raises Failure for a name, key or span that cannot be."""
    is_deb = parameters["format"] == "deb"
    other = "repositories" if is_deb else "suites"
    if parameters[other]:
        raise Failure(f"publish to {parameters['path']}", f"{other} do not belong to format {parameters['format']}", f"Remove {other}")
    keys = tuple(dict.fromkeys(key.replace(" ", "").upper() for key in parameters["signing_keys"]))
    for key in keys:
        if not signing.FINGERPRINT.fullmatch(key):
            raise Failure(f"sign with key {key!r}", "it is no full fingerprint", "Write all 40 hexadecimal digits")
    if not keys:
        raise Failure(f"publish to {parameters['path']}", "signing_keys is empty", "Name a key; egi.cmd.repository_key makes one")
    if (os.path.realpath(parameters["key_home"]) + os.sep).startswith(os.path.realpath(parameters["path"]) + os.sep):
        raise Failure(f"use the keys in {parameters['key_home']}", "that is inside the repository, which the world may read",
                      "Keep secret keys outside of what a web server shows")
    parts = [_suite(parameters, suite) for suite in parameters["suites"]] + [_repository(parameters, item) for item in parameters["repositories"]]
    names = [part.name for part in parts]
    for name in names:
        if names.count(name) > 1:
            raise Failure(f"publish {name}", "it is declared twice", "Declare it once, with all its packages")
    return Declaration(
        parameters["path"], check_line(parameters["origin"] or "", "origin"), parameters["key_home"], keys,
        check_name(parameters["key_name"], "key_name"), parameters["purge"], parameters["contents"] and is_deb, tuple(parts),
    )


def _suite(parameters: t.Mapping[str, t.Any], suite: t.Mapping[str, t.Any]) -> Part:
    name = check_name(suite["name"], "suite")
    components = {check_name(str(component), "component"): _sources(name, sources) for component, sources in suite["components"].items()}
    present = suite["state"] == "present"
    if present and not components:
        raise Failure(f"publish suite {name}", "it has no components", "Name at least one, for example main")
    automatic = suite["kind"] not in NOT_AUTOMATIC_KINDS
    return Part(
        name, present, components, _architectures(parameters, suite, f"suite {name}"),
        codename=check_line(suite["codename"] or parameters["codename"] or name, "codename"),
        label=check_line(suite["label"] or parameters["label"] or parameters["origin"], "label"),
        version=check_line(suite["version"], "version"),
        description=check_line(suite["description"], "description"),
        not_automatic=not automatic if suite["not_automatic"] is None else suite["not_automatic"],
        valid_for=seconds(suite["valid_for"], "valid_for") if suite["valid_for"] else 0,
    )


def _repository(parameters: t.Mapping[str, t.Any], repository: t.Mapping[str, t.Any]) -> Part:
    path = check_path(repository["path"], "repository path")
    return Part(path, repository["state"] == "present", {"": list(repository["packages"])}, _architectures(parameters, repository, path))


def _architectures(parameters: t.Mapping[str, t.Any], part: t.Mapping[str, t.Any], name: str) -> t.Tuple[str, ...]:
    words = tuple(part["architectures"] or parameters["architectures"])
    for word in words:
        if not deb_package.ARCHITECTURE.fullmatch(word.replace("_", "-")) or word in ("all", "noarch"):
            raise Failure(f"publish {name}", f"{word!r} is no architecture of a host", "Name those of the hosts; all and noarch are always taken")
    if part["state"] == "present" and not words:
        raise Failure(f"publish {name}", "it has no architectures", "Name them for it or for the whole repository")
    return words


def _sources(suite: str, sources: t.Any) -> t.List[str]:
    listed = [sources] if isinstance(sources, str) else sources
    if not isinstance(listed, list) or not all(isinstance(source, str) and source.startswith("/") for source in listed):
        raise Failure(f"publish suite {suite}", "a component is no list of absolute paths", "Write for example main: [/srv/incoming/main]")
    return listed
