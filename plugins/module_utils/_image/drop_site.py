# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What the documents of a stream say beside its drops, and how they are laid out. Pure."""

from __future__ import annotations

import json
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Stream

Json = t.Dict[str, t.Any]
PLAIN, DETACHED, CLEAR, SMIME, KEYS = "plain", "detached", "clear", "smime", "keys"


class Document(t.NamedTuple):
    """A file made from drops. form: PLAIN as it is, DETACHED an armored signature of content, CLEAR content clear-signed,
    SMIME content in a signed message, KEYS the public keys of content, one fingerprint on each line."""

    content: bytes
    form: str = PLAIN


class Endorser(t.NamedTuple):
    """Who signs the image list, as the certificate names them."""

    subject: str
    issuer: str
    email: str


class Site(t.NamedTuple):
    """base_url: of the directory the stream is in, without a slash at its end. valid_days: of the image list."""

    stream: str
    title: str
    base_url: str
    contact: str
    valid_days: int
    keys: t.Tuple[str, ...]
    endorser: t.Optional[Endorser] = None

    @property
    def url(self) -> str:
        """Where readers find the stream."""
        return f"{self.base_url}/{self.stream}"

    @property
    def host(self) -> str:
        """The host readers know."""
        return urlsplit(self.base_url).hostname or "localhost"


def changed(stream: Stream) -> int:
    """When the stream changed last; unix time. No clock: the same stream always gives the same documents."""
    return max(event.time for drop in stream.values() for event in drop.history)


def revision(stream: Stream, drop: Drop) -> int:
    """The how many-th drop of the stream it was: of no two drops the same, and it never changes."""
    return 1 + sorted(one.published for one in stream.values()).index(drop.published)


def text(data: Json) -> bytes:
    """JSON as files have it: the same data always gives the same bytes."""
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def iso(seconds: int) -> str:
    """2026-11-20T12:00:00Z"""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def day(seconds: int) -> str:
    """20261120, in UTC."""
    return time.strftime("%Y%m%d", time.gmtime(seconds))
