# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Mirror lists and metalinks: where else a repository lies. Pure.

What they say is not signed. They may only add places to ask; what comes from there is verified like everything else.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_stream import Reader

_URL = re.compile(r"(?:https?)://[^\s\x00-\x1f\x7f@]+")
_REPOMD = "repodata/repomd.xml"
_MOST = 1000
_REMEDY = "Check the URL of the mirror list"


def parse(content: bytes, what: str) -> t.List[str]:
    """Base URLs, the preferred first, of a metalink (RFC 5854 or version 3) or a plain list, one URL a line.

    what: names it in the Failure, raised when it holds no http or https URL. URLs with a login in them are left out.
    """
    text = content.lstrip()
    urls = _metalink(content, what) if text.startswith(b"<") else _plain(content)
    unique = list(dict.fromkeys(url for url in urls if _URL.fullmatch(url)))[:_MOST]
    if not unique:
        raise Failure(f"read {what}", "it holds no http or https URL", _REMEDY)
    return unique


def _plain(content: bytes) -> t.List[str]:
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return [_base(line) for line in lines if line and not line.startswith("#")]


def _metalink(content: bytes, what: str) -> t.List[str]:
    found: t.List[t.Tuple[int, int, str]] = []
    attributes: t.Dict[str, str] = {}

    def start(name: str, own: t.Dict[str, str]) -> None:
        attributes.clear()
        if name == "url":
            attributes.update(own)

    def end(name: str) -> None:
        if name == "url":
            found.append((_rank(attributes), len(found), _base(reader.text())))

    reader = Reader(what, start, end)
    for _slice in reader.feed([content]):
        pass
    return [url for _order, _place, url in sorted(found)]


def _rank(attributes: t.Mapping[str, str]) -> int:
    """Version 3 prefers the highest preference (100), RFC 5854 the lowest priority (1)."""
    priority, preference = attributes.get("priority", ""), attributes.get("preference", "")
    if re.fullmatch("[0-9]{1,6}", priority):
        return int(priority)
    return 1000 - int(preference) if re.fullmatch("[0-9]{1,3}", preference) else 1000


def _base(url: str) -> str:
    """The repository's URL; a metalink names its repomd.xml."""
    return url[:-len(_REPOMD)].rstrip("/") if url.endswith("/" + _REPOMD) else url.rstrip("/")
