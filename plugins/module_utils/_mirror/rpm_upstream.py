# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Read an rpm repository: verified repomd.xml, every metadata file it names, the packages its primary names."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import freshness, rpm_primary, rpm_rebuild, rpm_repomd, unpack, upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Snapshot, Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Answer

_HEAD = "repodata/repomd.xml"
_SIGNATURE = f"{_HEAD}.asc"
_READ = {"rebuilt": rpm_rebuild.KINDS, "elsewhere": ("primary", "filelists")}


def read(
    source: Source, get: upstream.Get, take: upstream.Take, last: t.Optional[t.Mapping[str, t.Any]], now: int, sleep: upstream.Sleep = time.sleep,
) -> t.Optional[Snapshot]:
    """What the source is to hold; None when nothing changed, after one conditional request.

    The parameters and the Failures are those of deb_upstream.read().
    """
    memory = upstream.remembered(last)
    selection, trusted = upstream.asked(source)
    answer: t.Optional[Answer] = None
    if memory and (memory.selection, memory.trust) == (selection, trusted) and "" in memory.heads:
        answer = upstream.changed(get, _HEAD, memory.heads[""])
        if answer is None:
            upstream.still_fresh(source, memory.heads, now)
            return None
    accepted = memory.heads[""].date if memory and "" in memory.heads else 0

    def attempt(number: int) -> Snapshot:
        first = answer if answer and number == 0 else get(_HEAD, most=upstream.LARGEST_HEAD)
        return _snapshot(source, get, take, first, accepted, now, (selection, trusted))

    return upstream.follow(attempt, sleep)


def _snapshot(
    source: Source, get: upstream.Get, take: upstream.Take, answer: Answer, accepted: int, now: int, asked: t.Tuple[str, str],
) -> Snapshot:
    what = upstream.named(source, _HEAD)
    if answer.status != 200:
        raise Failure(f"mirror {what}", "there is no such file", "Check the URL: it names the directory that holds repodata/")
    documents = [Document(_HEAD, answer.body), *_signature(source, get, answer.body, what)]
    repomd = rpm_repomd.parse(answer.body, what)
    warnings = freshness.enforce(what, freshness.Dates(repomd.dated, 0), accepted, now, source.freshness)
    primary = repomd.one("primary")
    if primary is None:
        raise Failure(f"mirror {what}", "it names no primary metadata", "The upstream is damaged; nothing was used")
    # What is not passed on is only read: databases, deltas and chunked files are not.
    large = [data.wanted for data in (repomd.readable(_READ[source.mode]) if source.mode in _READ else repomd.data)]
    local = upstream.taken(take, large)
    name = upstream.named(source, primary.wanted.path)
    slices = unpack.slices(local[primary.wanted.sha256], primary.open_size or unpack.UNDECLARED, name)
    entries = upstream.united(source, rpm_primary.packages(slices, name))
    upstream.check_paths(source, documents, large, entries)
    memory = upstream.Memory(*asked, heads={"": upstream.head_of(answer, "repomd.xml", repomd.dated, 0)})
    return Snapshot(documents, large, entries, upstream.identity(memory), repomd.dated, upstream.state(memory), tuple(warnings))


def _signature(source: Source, get: upstream.Get, repomd: bytes, what: str) -> t.List[Document]:
    """The signature beside repomd.xml. Where none is demanded, one that is there is passed on for the clients to judge."""
    answer = get(_SIGNATURE, most=upstream.LARGEST_SIGNATURE)
    if answer.status == 200:
        if source.signed_metadata:
            upstream.signed(source, get, _HEAD, repomd, answer.body, what)
        return [Document(_SIGNATURE, answer.body)]
    if source.signed_metadata:
        raise Failure(f"verify {what}", "it is not signed", "If the upstream does not sign its metadata, set signed_metadata: false for this source")
    return []
