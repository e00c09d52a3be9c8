# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Where an upstream is: its URL taken apart, and the login that belongs to it."""

from __future__ import annotations

import base64
import netrc
import os
import re
from typing import NamedTuple, Optional
from urllib.parse import quote, unquote, urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import inside

PORTS = {"http": 80, "https": 443}
RSYNC = "rsync"
_RSYNC_PORT = 873
_ACCOUNT = re.compile(r"[A-Za-z0-9._+-]+")
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")


class Origin(NamedTuple):
    """Whom a connection is to. Logins and client certificates never go to another origin (RFC 6454)."""

    scheme: str
    host: str
    port: int


class Account(NamedTuple):
    """A login."""

    user: str
    password: str


class Address(NamedTuple):
    """One URL of an upstream.

    origin: None for file. base: path with a final '/', percent-encoded for http, plain for file; for rsync the path below
    the module, or nothing. authorization: value of that header, or None. shown: the URL without its login. module: the
    URL of an rsync module as its program is told, without the password. account: for rsync, the login.
    document: base is one document's target, query included, and no path is below it.
    """

    origin: Optional[Origin]
    base: str
    authorization: Optional[str]
    shown: str
    module: str = ""
    account: Optional[Account] = None
    document: bool = False

    def target(self, path: str) -> str:
        """Return the request target, or the file's path, of a path below this address."""
        return self.base + ("" if self.document else path if self.origin is None else quote(path))

    def url(self, path: str) -> str:
        """Return the URL of a path below this address, without its login."""
        return self.shown + ("" if self.document else path if self.origin is None or self.module else quote(path))


def parse(url: str, document: bool = False) -> Address:
    """Take the base URL of an upstream apart: http, https, file or rsync (RFC 3986, RFC 5781). document: the URL of one
    document, which may have a query and is not with rsync."""
    action = f"use URL {_without_login(url)!r}"
    remedy = "Write it like https://mirror.example.org/debian/"
    if _UNFIT.search(url):
        raise Failure(action, "it holds a blank, a backslash or a control character", remedy)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:  # its text may quote what follows a colon: a password
        raise Failure(action, "its host or port is not valid", remedy) from error
    if parts.fragment or (parts.query and not document):
        raise Failure(action, "a base URL has no query and no fragment", remedy)
    base = (parts.path or "/") + (f"?{parts.query}" if parts.query else "") if document else parts.path.rstrip("/") + "/"
    if parts.scheme == "file":
        if host not in ("", "localhost"):
            raise Failure(action, f"a file URL cannot name host {host!r}", "Write file:///path")
        return Address(None, unquote(base), None, "file://" + base, document=document)
    if parts.scheme not in PORTS and (parts.scheme != RSYNC or document):
        raise Failure(action, f"its scheme is {parts.scheme or 'missing'!r}, not http, https, file{'' if document else ' or rsync'}", remedy)
    if not host:
        raise Failure(action, "it names no host", remedy)
    if parts.scheme == RSYNC:
        return _rsync(url, host, port, base, action)
    origin = Origin(parts.scheme, host, port or PORTS[parts.scheme])
    account = _login(url, host)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{base}"
    return Address(origin, base, basic(*account) if account else None, shown, document=document)


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def userinfo(url: str) -> Optional[Account]:
    """Return the login a URL itself carries, or None."""
    parts = urlsplit(url)
    return None if parts.username is None else Account(unquote(parts.username), unquote(parts.password or ""))


def _rsync(url: str, host: str, port: Optional[int], base: str, action: str) -> Address:
    """A directory of a daemon's module. The login goes to the program apart from the URL, where others could read it."""
    module, _slash, below = unquote(base)[1:].partition("/")
    if not module:
        raise Failure(action, "it names no module of the daemon", "Write it like rsync://mirror.example.org/debian/")
    if below:
        inside(below[:-1])
    account = _login(url, host)
    if account and not _ACCOUNT.fullmatch(account.user):
        raise Failure(action, "the rsync program cannot be told a user of that name", "Ask for one of letters, digits, '.', '_', '+' and '-'")
    place = f"{urlsplit(url).netloc.rpartition('@')[2]}/{module}/"
    login = f"{account.user}@" if account else ""
    return Address(Origin(RSYNC, host, port or _RSYNC_PORT), below, None, f"{RSYNC}://{place}{below}", f"{RSYNC}://{login}{place}", account)


def _without_login(url: str) -> str:
    """The URL as it may be shown, however malformed: nothing before its last '@'."""
    scheme, mark, rest = url.partition("://")
    return scheme + mark + rest.rpartition("@")[2]


def _login(url: str, host: str) -> Optional[Account]:
    """The URL's own login, else that of the netrc file ($NETRC or ~/.netrc), as curl looks for it."""
    own = userinfo(url)
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    if own is not None or not os.path.isfile(path):
        return own
    try:
        found = netrc.netrc(path).authenticators(host)
    except netrc.NetrcParseError as error:  # its text may quote a password
        raise Failure(f"read logins from {path}", f"line {error.lineno} is not netrc syntax", "Correct it, see netrc(5)") from error
    except (OSError, UnicodeError) as error:
        raise Failure(f"read logins from {path}", getattr(error, "strerror", None) or "it is not text", "Correct it, or remove it") from error
    return Account(found[0] or "", found[2] or "") if found else None
