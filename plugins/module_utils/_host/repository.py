# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One repository of a set as a host takes it: argument spec, typed model, and every refusal that needs no host."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS, KINDS, band_of

_KEY_OPTIONS: t.Dict[str, t.Any] = {
    "fingerprint": {"type": "str"},
    "content": {"type": "str", "no_log": False},
    "url": {"type": "str"},
    "file": {"type": "path"},
}

REPOSITORY_OPTIONS: t.Dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": list(KINDS)},
    "band": {"type": "str", "choices": list(BANDS)},
    "description": {"type": "str"},
    "uris": {"type": "list", "elements": "str", "default": []},
    "suite": {"type": "str"},
    "components": {"type": "list", "elements": "str", "default": []},
    "origin": {"type": "str"},
    "label": {"type": "str"},
    "baseurl": {"type": "list", "elements": "str", "default": []},
    "signed_metadata": {"type": "bool", "default": True},
    "keys": {"type": "list", "elements": "dict", "required": True, "no_log": False, "options": _KEY_OPTIONS},
    "enabled": {"type": "bool", "default": True},
    "opt_in": {"type": "bool", "default": False},
    "priority": {"type": "int"},
    "architectures": {"type": "list", "elements": "str", "default": []},
    "proxy": {"type": "str"},
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "ca_certificate": {"type": "path"},
    "excludes": {"type": "list", "elements": "str", "default": []},
}
"""Argument spec of one resolved repository (docs/architecture.md, "The resolved repository set")."""

SET_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\Z")
"""A set's name becomes part of file names; every character here is one that apt and dnf read in file names."""

_REPOSITORY_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_FINGERPRINT = re.compile(r"(?:[0-9A-F]{40}|[0-9A-F]{64})\Z")
# No flat repositories ("./"): they have no suite that a pin could name.
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~/-]*[A-Za-z0-9+~]\Z|[A-Za-z0-9]\Z")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~/-]*\Z")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_EXCLUDE = re.compile(r"[A-Za-z0-9*?\[\]!][A-Za-z0-9*?\[\]!._+:~^-]*\Z")
# apt_preferences(5): a comma ends a field, *?[] make a glob, a leading slash a regular expression.
_RELEASE_FIELD = re.compile(r"(?![/ ])[^\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029,*?\[\]\"]+(?<! )\Z")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]*\Z")
_PATH = re.compile(r"/[!-~]+\Z")
_WORD = re.compile(r"[!-~]+\Z")
# These would end a string of apt.conf(5) or stand for something else in a .repo file.
_NOT_IN_SETTINGS = re.compile(r"[;\"{}\\<>|]")
_SCHEMES = ("http", "https", "file")


@dataclass(frozen=True)
class KeySource:
    """Where an OpenPGP certificate comes from: exactly one of content, url, file; fingerprint upper case or ''."""

    fingerprint: str
    content: str
    url: str
    file: str

    @property
    def place(self) -> str:
        """How messages call it."""
        return self.url or self.file or "keys content"


@dataclass(frozen=True)
class Key:
    """A certificate that was read: its primary fingerprint (upper-case hex) and its binary packets.

    packets is empty only in check mode, for a key whose URL was not asked.
    """

    fingerprint: str
    packets: bytes


@dataclass(frozen=True)
class Repository:
    """One checked repository; strings are never None, an absent one is ''. No URL here carries credentials."""

    name: str
    kind: str
    band: str
    description: str
    uris: t.Tuple[str, ...]
    suite: str
    components: t.Tuple[str, ...]
    origin: str
    label: str
    baseurl: t.Tuple[str, ...]
    signed_metadata: bool
    keys: t.Tuple[KeySource, ...]
    enabled: bool
    opt_in: bool
    priority: t.Optional[int]
    architectures: t.Tuple[str, ...]
    proxy: str
    client_certificate: str
    client_key: str
    ca_certificate: str
    excludes: t.Tuple[str, ...]
    logins: t.Tuple[t.Tuple[str, str, str], ...] = ()
    """(URL without credentials, user, password) of every uris or baseurl entry that had them."""


def parse(entries: t.Sequence[t.Mapping[str, t.Any]], family: str, set_name: str) -> t.List[Repository]:
    """Return the checked repositories of a set, in the order given.

    entries: as REPOSITORY_OPTIONS describes. family: apt or dnf. Raises Failure naming the entry that is wrong.
    """
    action = f"use repository set '{set_name}'"
    check_set_name(set_name)
    if not entries:
        raise Failure(action, "it has no repositories", "Give repositories, or state=absent to remove the set")
    repositories = []
    seen: t.Dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = str(entry.get("name"))
        place = f"repositories[{index}] ({name})"
        if name in seen:
            raise Failure(action, f"{place}: repositories[{seen[name]}] has the same name", "Rename one of them")
        seen[name] = index
        repositories.append(_Reader(entry, family, action, place).repository())
    return repositories


def check_set_name(set_name: str) -> None:
    """Refuse a name that cannot be part of file names. Raises Failure."""
    if not SET_NAME.match(set_name):
        raise Failure(f"use repository set '{set_name}'", "its name is not made of lower-case letters, digits, dots and hyphens", "Rename it")


def secrets_in(entries: t.Iterable[t.Mapping[str, t.Any]]) -> t.Set[str]:
    """Return what no output may show: the ``user:password`` of every URL as it stands there, and keys that nobody should have given."""
    urls: t.List[t.Any] = []
    found: t.Set[str] = set()
    for entry in entries:
        keys = entry.get("keys") or ()
        urls += [*(entry.get("uris") or ()), *(entry.get("baseurl") or ()), entry.get("proxy"), *(key.get("url") for key in keys)]
        found |= {key["content"] for key in keys if "PRIVATE KEY" in (key.get("content") or "")}
    logins = (re.match(r"[^/]*//([^/@]*)@", str(url)) for url in urls)
    return found | {match.group(1) for match in logins if match}


class _Reader:
    """Reads one entry; every complaint starts with its place in the list."""

    def __init__(self, entry: t.Mapping[str, t.Any], family: str, action: str, place: str) -> None:
        self.entry, self.family, self.action, self.place = entry, family, action, place

    def repository(self) -> Repository:
        name = self._text("name", _REPOSITORY_NAME, "made of lower-case letters, digits and hyphens")
        kind = str(self.entry.get("kind") or "")
        opt_in = bool(self.entry.get("opt_in"))
        band = str(self.entry.get("band") or (band_of(kind, opt_in) if kind else ""))
        if not band:
            self._refuse("it has neither kind nor band", f"Set kind, or for an extra repository band: {', '.join(BANDS)}")
        logins: t.List[t.Tuple[str, str, str]] = []
        repository = Repository(
            name=name, kind=kind, band=band, opt_in=opt_in,
            description=self._text("description", _ONE_LINE, "one line") or name,
            uris=self._locations("uris", logins), suite=self._text("suite", _SUITE, "the name of a directory below dists/"),
            components=self._texts("components", _COMPONENT, "a component"),
            origin=self._text("origin", _RELEASE_FIELD, "a plain text (no comma, quote, *, ?, [ or ], no leading /)"),
            label=self._text("label", _RELEASE_FIELD, "a plain text (no comma, quote, *, ?, [ or ], no leading /)"),
            baseurl=self._locations("baseurl", logins), signed_metadata=bool(self.entry.get("signed_metadata", True)),
            keys=self._keys(), enabled=bool(self.entry.get("enabled", True)), priority=self._priority(),
            architectures=self._texts("architectures", _ARCHITECTURE, "an architecture"),
            proxy=self._proxy(),
            client_certificate=self._path("client_certificate"), client_key=self._path("client_key"),
            ca_certificate=self._path("ca_certificate"),
            excludes=self._texts("excludes", _EXCLUDE, "a package name or glob"), logins=tuple(logins),
        )
        self._belongs_to_family(repository)
        return repository

    def _refuse(self, why: str, remedy: str) -> t.NoReturn:
        raise Failure(self.action, f"{self.place}: {why}", remedy)

    def _text(self, field: str, pattern: t.Pattern[str], expected: str) -> str:
        value = str(self.entry.get(field) or "")
        if value and not pattern.match(value):
            self._refuse(f"{field} '{value}' is not {expected}", f"Correct {field}")
        return value

    def _texts(self, field: str, pattern: t.Pattern[str], expected: str) -> t.Tuple[str, ...]:
        values = tuple(str(value) for value in self.entry.get(field) or ())
        for value in values:
            if not pattern.match(value):
                self._refuse(f"{field} has '{value}', which is not {expected}", f"Correct {field}")
        if len(set(values)) != len(values):
            self._refuse(f"{field} names something twice", f"Correct {field}")
        return values

    def _path(self, field: str) -> str:
        value = self._text(field, _PATH, "an absolute path in printable ASCII without blanks")
        if _NOT_IN_SETTINGS.search(value):
            self._refuse(f"{field} '{value}' has a quote, brace, semicolon or bracket", f"Rename the file of {field}")
        return value

    def _priority(self) -> t.Optional[int]:
        value = self.entry.get("priority")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            self._refuse(f"priority {value!r} is not a whole number", "Correct priority, or leave it out")
        return value

    def _proxy(self) -> str:
        value = str(self.entry.get("proxy") or "")
        if value:
            self._url("proxy", value, ("http", "https"))
        return value

    def _url(self, field: str, value: str, schemes: t.Tuple[str, ...]) -> t.Any:
        if not _WORD.match(value) or _NOT_IN_SETTINGS.search(value):
            self._refuse(f"{field} has a character that a URL may not have", f"Percent-encode it in {field}")
        try:
            parts = urlsplit(value)
            host = parts.hostname
            parts.port  # noqa: B018  # pylint: disable=pointless-statement  # raises ValueError for a port that is no number
        except ValueError as error:
            self._refuse(f"{field} is not a URL ({error})", f"Correct {field}")
        if parts.scheme not in schemes or not (host or parts.scheme == "file" and parts.path.startswith("/")):
            self._refuse(f"{field} '{value}' is not a URL that starts with {', '.join(scheme + '://' for scheme in schemes)}",
                         f"Correct {field}")
        if parts.query or parts.fragment:
            self._refuse(f"{field} '{value}' has a query or a fragment", f"Give {field} as a plain directory")
        return parts

    def _locations(self, field: str, logins: t.List[t.Tuple[str, str, str]]) -> t.Tuple[str, ...]:
        plain = []
        for value in self.entry.get(field) or ():
            parts = self._url(field, str(value), _SCHEMES)
            bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
            if parts.username is not None:
                login = (bare, unquote(parts.username), unquote(parts.password or ""))
                if not all(_WORD.match(word) for word in login[1:]):
                    self._refuse(f"the user or password in {field} is empty or has characters outside ASCII", "Use printable ASCII without blanks")
                logins.append(login)
            plain.append(bare)
        return tuple(plain)

    def _keys(self) -> t.Tuple[KeySource, ...]:
        entries = self.entry.get("keys") or ()
        if not entries:
            self._refuse("it has no keys", "Give at least one key: nothing unsigned is ever configured")
        return tuple(self._key(index, entry) for index, entry in enumerate(entries))

    def _key(self, index: int, entry: t.Mapping[str, t.Any]) -> KeySource:
        fingerprint = str(entry.get("fingerprint") or "").replace(" ", "").upper()
        given = [field for field in ("content", "url", "file") if entry.get(field)]
        if len(given) != 1:
            self._refuse(f"keys[{index}] needs exactly one of content, url and file", "Say where the key is")
        if fingerprint and not _FINGERPRINT.match(fingerprint):
            self._refuse(f"keys[{index}].fingerprint is not a full fingerprint", "Give 40 or 64 hexadecimal digits")
        if given == ["url"]:
            if not fingerprint:
                self._refuse(f"keys[{index}] has a URL and no fingerprint", "Add the fingerprint that its owner publishes")
            self._url(f"keys[{index}].url", str(entry["url"]), _SCHEMES)
        return KeySource(fingerprint, *(str(entry.get(field) or "") for field in ("content", "url", "file")))

    def _belongs_to_family(self, repository: Repository) -> None:
        if self.family == "apt":
            needed: t.Dict[str, t.Any] = {
                "uris": repository.uris, "suite": repository.suite, "components": repository.components,
                "origin or label": repository.origin or repository.label,
            }
            foreign: t.Dict[str, t.Any] = {"baseurl": repository.baseurl, "excludes": repository.excludes}
        else:
            needed = {"baseurl": repository.baseurl}
            foreign = {"uris": repository.uris, "suite": repository.suite, "components": repository.components}
        for field, value in needed.items():
            if not value:
                self._refuse(f"it has no {field}", f"This is an {self.family} host: give {', '.join(needed)}")
        for field, value in foreign.items():
            if value:
                self._refuse(f"{field} has no meaning on this host", f"It is an {self.family} host: pass it repositories of its own family")
