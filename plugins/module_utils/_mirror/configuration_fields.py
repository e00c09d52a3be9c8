# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What each field of a mirror host's configuration has to be, in words and as a test."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import inside

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~-]*")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Field(t.NamedTuple):
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
    return isinstance(value, str) and value.startswith(("http://", "https://", "file://", "rsync://"))


def _expression(value: t.Any) -> bool:
    try:
        re.compile(value)
    except (TypeError, re.error):
        return False
    return True


_ABSOLUTE = Field("an absolute path", _absolute)
_DOCUMENT = Field("an http, https or file URL", lambda value: _url(value) and not value.startswith("rsync:"))
_WORDS = Field("a list of words", _list_of(_word))
_BOOLEAN = Field("true or false", _boolean)
_TEXTS = Field("a list of texts", _list_of(_text))
_EXPRESSIONS = Field("a list of regular expressions for whole names", _list_of(lambda value: _text(value) and _expression(value)))

TOP = {
    "root": Field("an absolute path: the directory a web server serves", _absolute),
    "sets": Field("a map from the name of a set to its sources", lambda value: isinstance(value, dict) and value != {}),
    "connections": Field("a number of connections, 1 to 64", lambda value: _whole(1)(value) and value <= 64),
    "limit": Field("bytes per second, at least 1024", _whole(1024)),
    "timeout": Field("seconds", lambda value: _number(value) and value > 0),
    "retries": Field("a number of attempts, 0 or more", _whole(0)),
    "margin": Field("bytes to leave free", _whole(0)),
    "metrics": _ABSOLUTE,
    "report": _ABSOLUTE,
    "host": Field("the name readers know this mirror by", _word),
}
SET = {
    "sources": Field("a list of sources, at least one", lambda value: isinstance(value, list) and value != []),
    "publish": _BOOLEAN,
    "keep": Field("a map of count, days, grace_hours and most", lambda value: isinstance(value, dict)),
    "signing": Field("a map of home and keys, or keyring", lambda value: isinstance(value, dict)),
    "valid_days": Field("a number of days, 0 for no end", _number),
    "recommends": _BOOLEAN,
    "prove": _BOOLEAN,
}
SIGNING = {
    "home": Field("an absolute path of a GnuPG home", _absolute),
    "keys": Field("a list of fingerprints, 40 upper-case hexadecimal digits each, at least one",
                  lambda value: _list_of(lambda one: isinstance(one, str) and _FINGERPRINT.fullmatch(one) is not None)(value) and value != []),
    "keyring": Field("an absolute path to a binary OpenPGP keyring with the site's public keys", _absolute),
}
KEEP = {
    "count": Field("a number of snapshots, 1 or more", _whole(1)),
    "days": Field("a number of days", _number),
    "grace_hours": Field("a number of hours", _number),
    "most": Field("a share between 0 and 1", lambda value: _number(value) and value <= 1),
}
SOURCE = {
    "name": Field("a name of [a-z0-9._-], a directory below the set", lambda value: isinstance(value, str) and _SOURCE_NAME.fullmatch(value) is not None),
    "format": Field("deb or rpm", lambda value: value in ("deb", "rpm")),
    "urls": Field("a list of http, https, file or rsync URLs, at least one", lambda value: _list_of(_url)(value) and value != []),
    "mirrorlist": _DOCUMENT,
    "metalink": _DOCUMENT,
    "keyring": Field("an absolute path to a binary OpenPGP keyring", _absolute),
    "suites": Field("a list of suites, at least one", lambda value: _list_of(_suite)(value) and value != []),
    "components": Field("a list of components", _list_of(_relative)),
    "architectures": _WORDS,
    "sources": _BOOLEAN,
    "contents": _BOOLEAN,
    "languages": _WORDS,
    "installer": _BOOLEAN,
    "proxy": Field("a URL", lambda value: isinstance(value, str) and value.startswith(("http://", "https://"))),
    "client_certificate": _ABSOLUTE,
    "client_key": _ABSOLUTE,
    "ca_certificate": _ABSOLUTE,
    "freshness": Field("fail or warn", lambda value: value in ("fail", "warn")),
    "signed_metadata": _BOOLEAN,
    "mode": Field("verbatim, rebuilt or elsewhere", lambda value: value in ("verbatim", "rebuilt", "elsewhere")),
    "order": Field("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "select": Field("a list of selections, empty for only what other packages need", _list_of(lambda value: isinstance(value, dict))),
}
SELECTION = {
    "components": Field("a list of components", _list_of(_relative)),
    "architectures": _WORDS,
    "priorities": _WORDS,
    "sections": _TEXTS,
    "fields": Field("a map from a field's name to a regular expression found in its value",
                    lambda value: isinstance(value, dict) and all(_text(name) and _text(one) and _expression(one) for name, one in value.items())),
    "names": _TEXTS,
    "patterns": _EXPRESSIONS,
    "newest": Field("a number of versions, 1 or more", _whole(1)),
    "exclude": _EXPRESSIONS,
}
ONLY_DEB = ("suites", "components", "sources", "contents", "languages", "installer")
ONLY_RPM = ("signed_metadata", "metalink")
OPTIONAL_NULL = ("limit", "metrics", "report", "host", "proxy", "client_certificate", "client_key", "ca_certificate")
