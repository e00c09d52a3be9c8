# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Read the suites of a Debian archive: verified Release, the indices it names, the packages they name."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_indices, deb_release, deb_slicer, freshness, trust, unpack, upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Entry, Snapshot, Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Answer


class _Suite(t.NamedTuple):
    directory: str  # ends in "/", or is empty
    release: deb_release.Release
    head: upstream.Head
    documents: t.List[Document]
    warnings: t.List[str]


def read(
    source: Source, get: upstream.Get, take: upstream.Take, last: t.Optional[t.Mapping[str, t.Any]], now: int, sleep: upstream.Sleep = time.sleep,
) -> t.Optional[Snapshot]:
    """What the source is to hold; None when nothing changed, after one conditional request for each suite.

    get: Transport.get. take: fetches files into the store, returns path -> local path. last: the state of the snapshot
    published last. now: unix time. sleep: waits for an upstream that changes while it is read.
    Raises Failure when anything is unsigned, stale, missing, contradictory or hostile.
    """
    memory = upstream.remembered(last)
    selection, trusted = upstream.asked(source)
    settled = memory is not None and (memory.selection, memory.trust) == (selection, trusted) and set(memory.heads) == set(source.suites)
    answers: t.Dict[str, Answer] = {}
    if memory and settled:
        heads = {suite: upstream.changed(get, directory_of(suite) + memory.heads[suite].name, memory.heads[suite]) for suite in source.suites}
        answers = {suite: answer for suite, answer in heads.items() if answer and memory.heads[suite].name == "InRelease"}
        if not any(heads.values()):
            upstream.still_fresh(source, memory.heads, now)
            return None

    def attempt(number: int) -> Snapshot:
        suites = {suite: _suite(source, suite, get, None if number else answers.get(suite), memory, now) for suite in source.suites}
        return _snapshot(source, suites, take, upstream.Memory(selection, trusted, {name: suite.head for name, suite in suites.items()}))

    return upstream.follow(attempt, sleep)


def directory_of(suite: str) -> str:
    """Where a suite's files lie; a name ending in "/" is a flat archive's directory (sources.list(5))."""
    if not suite.endswith("/"):
        return f"dists/{suite}/"
    flat = suite.strip("/")
    return "" if flat in ("", ".") else f"{flat}/"


def _suite(
    source: Source, name: str, get: upstream.Get, answer: t.Optional[Answer], memory: t.Optional[upstream.Memory], now: int,
) -> _Suite:
    """The suite's verified Release. answer: its InRelease if that was fetched already."""
    directory = directory_of(name)
    what = upstream.named(source, f"{directory}Release")
    inline = answer or get(f"{directory}InRelease", most=upstream.LARGEST_HEAD)
    plain = get(f"{directory}Release", most=upstream.LARGEST_HEAD)
    signature = get(f"{directory}Release.gpg", most=upstream.LARGEST_SIGNATURE)
    warnings: t.List[str] = []
    documents: t.List[Document] = []
    if inline.status == 200:
        text = trust.clearsigned(inline.body, source.keyring, upstream.named(source, f"{directory}InRelease")).text
        documents.append(Document(f"{directory}InRelease", inline.body))
        if plain.status == signature.status == 200 and not _agrees(source, directory, text, plain, signature):
            warnings.append(f"{what} is left out: it is not what InRelease says, or wrongly signed")
            plain = plain._replace(status=404)
    elif plain.status == signature.status == 200:
        text = plain.body
        upstream.signed(source, get, f"{directory}Release", text, signature.body, what)
    else:
        raise Failure(f"mirror {what}", "there is neither InRelease nor Release with Release.gpg", "Check the URL and the suite's name")
    if plain.status == signature.status == 200:
        documents += [Document(f"{directory}Release", plain.body), Document(f"{directory}Release.gpg", signature.body)]
    release = deb_release.parse(text, what)
    accepted = memory.heads[name].date if memory and name in memory.heads else 0
    warnings += freshness.enforce(what, freshness.Dates(release.date, release.valid_until), accepted, now, source.freshness)
    first = "InRelease" if inline.status == 200 else "Release"
    head = upstream.head_of(inline if inline.status == 200 else plain, first, release.date, release.valid_until)
    return _Suite(directory, release, head, documents, warnings)


def _agrees(source: Source, directory: str, text: bytes, plain: Answer, signature: Answer) -> bool:
    """Whether Release and Release.gpg may stand beside an InRelease: a mirror must not offer two truths."""
    def lines(data: bytes) -> t.List[bytes]:
        return [line.rstrip() for line in data.rstrip().split(b"\n")]

    if lines(plain.body) != lines(text):
        return False
    try:
        trust.detached(plain.body, signature.body, source.keyring, upstream.named(source, f"{directory}Release"))
    except Failure:
        return False
    return True


def _snapshot(source: Source, suites: t.Mapping[str, _Suite], take: upstream.Take, memory: upstream.Memory) -> Snapshot:
    large: t.List[Wanted] = []
    to_read: t.List[t.Tuple[_Suite, deb_indices.Index]] = []
    for suite in suites.values():
        for index in deb_indices.chosen(suite.release, source, upstream.named(source, f"{suite.directory}Release")):
            for suffix in index.suffixes:
                large += deb_indices.published(suite.release, suite.directory, index.stem + suffix)
            if index.kind in ("packages", "sources"):
                to_read.append((suite, index))
    local = upstream.taken(take, large)
    entries = upstream.united(source, (entry for suite, index in to_read for entry in _entries(source, suite, index, local)))
    documents = [document for suite in suites.values() for document in suite.documents]
    upstream.check_paths(source, documents, large, entries)
    warnings = tuple(warning for suite in suites.values() for warning in suite.warnings)
    dated = max(suite.release.date for suite in suites.values())
    return Snapshot(documents, list(dict.fromkeys(large)), entries, upstream.identity(memory), dated, upstream.state(memory), warnings)


def _entries(source: Source, suite: _Suite, index: deb_indices.Index, local: t.Mapping[str, str]) -> t.Iterator[Entry]:
    files, what = suite.release.files, upstream.named(source, suite.directory + index.stem)
    path = deb_indices.readable(index, what)
    unpacked = files.get(index.stem)
    slices = unpack.slices(local[files[path].sha256], unpacked.size if unpacked else unpack.UNDECLARED, what)
    return deb_slicer.packages(slices, what) if index.kind == "packages" else deb_slicer.sources(slices, what)
