# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Which snapshot of a mirror a repository's address stands for: its own words say it, or the mirror does."""

from __future__ import annotations

import re
import typing as t
import urllib.error
import urllib.request
from urllib.parse import urlsplit, urlunsplit

Fetch = t.Callable[[str], str]
"""URL -> the text behind it; raises HTTPError where there is none, OSError where nobody answers."""

_FROZEN = re.compile(r"/snapshots/([A-Za-z0-9][A-Za-z0-9._-]*)(?:/|\Z)")
_TARGET = re.compile(r"snapshots/([A-Za-z0-9][A-Za-z0-9._-]*)\s*\Z")
_HTTP = ("http", "https")
_PATIENCE, _LONGEST = 5, 4096


def frozen(location: str) -> str:
    """Return the snapshot that an address names; '' for an address that moves on."""
    found = _FROZEN.search(urlsplit(location).path)
    return found.group(1) if found else ""


def asked(location: str, fetch: Fetch) -> str:
    """Return the snapshot that a moving address leads to now, as its mirror says; '' where it says none. Raises OSError if nobody answers.

    A mirror publishes <name>.target.txt beside every name that leads to a snapshot, and the name is one of the directories of the
    address: those are tried, the first one first.
    """
    parts = urlsplit(location)
    if parts.scheme not in _HTTP:
        return ""
    directories = [word for word in parts.path.split("/") if word]
    for count in range(1, len(directories) + 1):
        path = "/" + "/".join(directories[:count]) + ".target.txt"
        try:
            found = _TARGET.match(fetch(urlunsplit((parts.scheme, parts.netloc, path, "", ""))))
        except urllib.error.HTTPError:
            continue
        if found:
            return found.group(1)
    return ""


def server(location: str) -> str:
    """Return scheme and server of an address, which answer or do not answer for all addresses below."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc}"


def fetch(url: str) -> str:
    """Return the text behind a URL, its first 4 KiB, with the environment's proxy. Raises OSError."""
    with urllib.request.build_opener().open(url, timeout=_PATIENCE) as answer:
        text: bytes = answer.read(_LONGEST)
    return text.decode("utf-8", "replace")
