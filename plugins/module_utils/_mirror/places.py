# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Where the sources of a mirror lie in this run: at their URLs, then at those their mirror list or metalink names."""

from __future__ import annotations

import threading
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import mirror_list
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Transport

_LARGEST_LIST = 4 << 20  # bytes; a metalink with 300 mirrors has 60 kB


class _Found(t.NamedTuple):
    """urls: all of a source. sums: what its repomd.xml may be, empty for anything. warning: '' for none."""

    urls: t.Tuple[str, ...]
    sums: t.Tuple[str, ...]
    warning: str


class Places:
    """Reads each list once, when its source is first asked for. Safe for threads that work on different sources."""

    def __init__(self, told: Configuration, stop: threading.Event) -> None:
        self._told, self._stop = told, stop
        self._known: t.Dict[Source, _Found] = {}

    def transport(self, source: Source) -> Transport:
        """The mirrors of a source. Raises Failure when they are nowhere but in a list, and that cannot be read."""
        found = self._found(source)
        return self._open(source._replace(urls=found.urls), content={mirror_list.REPOMD: found.sums} if found.sums else None)

    def warnings(self, source: Source) -> t.List[str]:
        """What a person should know of a source's list, if it was read in this run."""
        found = self._known.get(source)
        return [found.warning] if found and found.warning else []

    def _found(self, source: Source) -> _Found:
        if source not in self._known:
            self._known[source] = self._find(source) if source.metalink or source.mirrorlist else _Found(source.urls, (), "")
        return self._known[source]

    def _find(self, source: Source) -> _Found:
        try:
            listed = self._read(source)
        except Failure as failure:
            if not source.urls or self._stop.is_set():
                raise
            return _Found(source.urls, (), f"{failure} Went on with urls alone.")
        return _Found(tuple(dict.fromkeys([*(url.rstrip("/") for url in source.urls), *listed.urls])), listed.sums, "")

    def _read(self, source: Source) -> mirror_list.MirrorList:
        kind, url = ("metalink", source.metalink) if source.metalink else ("mirror list", source.mirrorlist)
        what = f"the {kind} of source '{source.name}'"
        with self._open(source._replace(urls=(url,)), document=True) as transport:
            answer = transport.get(what, most=_LARGEST_LIST)
        if answer.status != 200:
            raise Failure(f"fetch {what}", f"{answer.url} is not there", f"Check the URL of the {kind}")
        listed = mirror_list.parse(answer.body, what)
        if source.metalink and not listed.sums:
            raise Failure(f"read {what}", "it names no SHA-256 of repomd.xml", "If it is a plain list, give it as mirrorlist")
        return listed.vouched(source.signed_metadata, url)

    def _open(self, source: Source, document: bool = False, content: t.Optional[t.Mapping[str, t.Sequence[str]]] = None) -> Transport:
        told = self._told
        return Transport(source, told.connections, told.limit, told.timeout, told.retries, self._stop, document, content)
