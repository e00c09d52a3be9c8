# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which an upstream fails a mirror: one row of the failure matrix each."""

from __future__ import annotations

import functools
import typing as t

import hostile
import signed
from site_under_test import Row, Site

from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import web_server

FAMILIES = ("deb", "rpm")


def rows() -> t.Iterator[t.Tuple[str, Row]]:
    """Name and function of each row; a row gets a site whose first state is mirrored and whose second is offered."""
    for family in FAMILIES:
        for name, row in _OF_BOTH:
            yield f"{family}: {name}", functools.partial(row, family=family)
    yield from _OF_DEB
    yield from _OF_RPM


def rows_of_rebuilt() -> t.Iterator[t.Tuple[str, Row]]:
    """The rows that a mirror which makes its own indices could fail in a way of its own."""
    for name, row in rows():
        if name.partition(": ")[2] in _OF_REBUILT:
            yield f"rebuilt {name}", row


_OF_BOTH: t.Sequence[t.Tuple[str, t.Callable[[Site, str], None]]] = (
    ("package with one wrong bit", signed.damaged(signed.flipped, "package", "is not what is signed for")),
    ("package too short", signed.damaged(lambda content: content[:-1], "package", "that are signed for")),
    ("package too long", signed.damaged(lambda content: content + b"x", "package", "that are signed for")),
    ("package missing", signed.damaged(lambda content: None, "package", "404")),
    ("index with one wrong bit", signed.damaged(signed.flipped, "index", "is not what is signed for")),
    ("index too short", signed.damaged(lambda content: content[:-1], "index", "that are signed for")),
    ("index missing", signed.damaged(lambda content: None, "index", "404")),
    ("signed by a stranger", signed.stranger),
    ("signed text changed", signed.forged),
    ("not signed", signed.unsigned),
    ("older state replayed, rightly signed", signed.older),
    ("changes between the signed file and its signature", signed.changes_before_its_signature),
    ("package goes while the index is read", signed.package_goes),
    ("package path climbs out", hostile.named("../../etc/evil")),
    ("package path climbs out half way", hostile.named("pool/../../../../evil")),
    ("package path absolute", hostile.named("/etc/evil")),
    ("one path for two packages", hostile.contradiction),
    ("package larger than any disk", hostile.too_large_a_package),
    ("signed file without end", hostile.endless_head),
    ("head never answered", hostile.answers(web_server.silent, "head", "did not answer in time|it sent 0 bytes")),
    ("head byte by byte", hostile.answers(web_server.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"), "head", "bytes in 2 s")),
    ("package byte by byte", hostile.answers(web_server.drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"), "package", "bytes in 2 s")),
    ("package never answered", hostile.answers(web_server.silent, "package", "did not answer in time|it sent 0 bytes")),
    ("package cut off every time", hostile.answers(web_server.cut_after(0), "package", "ended 300")),
    ("package refused", hostile.answers(web_server.status(403), "package", "HTTP 403")),
    ("server overloaded", hostile.answers(web_server.status(503), "package", "HTTP 503")),
    ("server speaks something else", hostile.answers(web_server.nonsense, "head", "does not speak HTTP")),
    ("redirected to a local file", hostile.answers(web_server.status(302, Location="file:///etc/passwd"), "package", "not an http or https URL")),
    ("redirected in circles", hostile.answers(hostile.in_circles, "package", "redirect")),
    ("login refused", hostile.login),
    ("link to a secret in place of a package", hostile.link_leads_out),
    ("link to a secret in place of the signed file", hostile.head_leads_out),
    ("link to a device in place of a package", hostile.link_to_a_device),
    ("link to the right content", hostile.link_to_what_is_signed),
)
_OF_DEB: t.Sequence[t.Tuple[str, Row]] = (
    ("nobody answers", hostile.nobody),
    ("deb: expired", signed.expired),
    ("deb: changes while it is read, with by-hash", signed.changes_by_hash),
    ("deb: changes while it is read, without by-hash", signed.changes_without_by_hash),
    ("deb: changes without end", signed.never_rests),
    ("deb: gzip bomb", hostile.bomb(hostile.gzip_bomb, ".gz")),
    ("deb: xz bomb", hostile.bomb(hostile.xz_bomb, ".xz")),
    ("deb: gzip bomb of undeclared size", hostile.bomb_undeclared),
)
_OF_RPM: t.Sequence[t.Tuple[str, Row]] = (
    ("rpm: changes while it is read, named by hash", signed.repository_changes),
    ("rpm: changes while it is read, under the same name", signed.repository_changes_in_place),
    ("rpm: metadata path climbs out", hostile.metadata_elsewhere),
    ("rpm: package at another place", hostile.package_elsewhere),
    ("rpm: gzip bomb", hostile.bomb_rpm),
    ("rpm: entities that multiply", hostile.entities),
)
_OF_REBUILT = (
    "package with one wrong bit", "index with one wrong bit", "signed by a stranger", "older state replayed, rightly signed", "expired",
    "package goes while the index is read", "package path climbs out", "one path for two packages", "changes while it is read, without by-hash",
    "changes while it is read, named by hash", "gzip bomb",
)
