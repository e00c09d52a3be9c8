# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What reading a deb and an rpm upstream have in common: the callbacks, what is remembered, rounds, one set of paths."""

from __future__ import annotations

import hashlib
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import freshness, trust
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Entry, Source, Unobtainable, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Answer, Validators

LARGEST_HEAD = 32 << 20  # bytes of InRelease, Release or repomd.xml; Debian's have 150 kB
LARGEST_SIGNATURE = 1 << 20

# How often a changing upstream is followed, and the pauses between: mirrors need seconds to go from one state to the next.
_PAUSES = (2.0, 10.0)

Get = t.Callable[..., Answer]  # Transport.get
Take = t.Callable[[t.Sequence[Wanted]], t.Mapping[str, str]]
Sleep = t.Callable[[float], object]
_T = t.TypeVar("_T")


class Head(t.NamedTuple):
    """The signed file at the head of a suite or repository as it was accepted last.

    name: its file name. date, valid_until: unix times, 0 for none. validators: for the next conditional request.
    """

    name: str
    sha256: str
    date: int
    valid_until: int
    validators: Validators


class Memory(t.NamedTuple):
    """What ``Snapshot.state`` holds. selection and trust: digests of what the source asked for and of whom it trusts."""

    selection: str
    trust: str
    heads: t.Mapping[str, Head]


def remembered(last: t.Optional[t.Mapping[str, t.Any]]) -> t.Optional[Memory]:
    """Memory from the state of the last snapshot; None when there is none."""
    if not last:
        return None
    heads = {}
    try:
        for key, (name, sha256, date, valid_until, validators) in last["heads"].items():
            heads[key] = Head(str(name), str(sha256), int(date), int(valid_until), Validators(*map(str, validators)))
        return Memory(last["selection"], last["trust"], heads)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        remedy = "Restore the file, or remove it: an older state of the upstream would then be taken once"
        raise Failure("read what was accepted from the upstream last", f"it is damaged ({type(error).__name__}: {error})", remedy) from error


def state(memory: Memory) -> t.Dict[str, t.Any]:
    """Memory as plain JSON data."""
    return {
        "selection": memory.selection, "trust": memory.trust,
        "heads": {key: [*head[:4], list(head.validators)] for key, head in memory.heads.items()},
    }


def asked(source: Source) -> t.Tuple[str, str]:
    """Digests of what the source selects, and of whom it trusts: a change of either means reading everything again."""
    chosen = (source.format, source.suites, source.components, source.architectures, source.sources, source.contents, source.languages,
              source.installer, source.mode)
    keys = b""
    if source.keyring:
        try:
            with open(source.keyring, "rb") as file:
                keys = file.read()
        except OSError as error:
            remedy = f"Name the file with the keys of source '{source.name}'"
            raise Failure(f"read the keyring {source.keyring}", error.strerror or str(error), remedy) from error
    return _digest(repr(chosen).encode()), _digest(repr(source.signed_metadata).encode() + keys)


def changed(get: Get, path: str, head: Head) -> t.Optional[Answer]:
    """Ask for the head again; None when it is what was accepted last."""
    answer = get(path, validators=head.validators, most=LARGEST_HEAD)
    if answer.status == 304 or (answer.status == 200 and _digest(answer.body) == head.sha256):
        return None
    return answer


def signed(source: Source, get: Get, path: str, head: bytes, signature: bytes, what: str) -> None:
    """Check the signature that lies beside a head. Raises Failure as trust.detached() does; Unobtainable if the upstream
    has another head by now, for then the two were of two states."""
    try:
        trust.detached(head, signature, source.keyring, what)
    except Failure as failure:
        if get(path, most=LARGEST_HEAD).body == head:
            raise
        raise Unobtainable(failure.action, failure.why, failure.remedy) from failure


def still_fresh(source: Source, heads: t.Mapping[str, Head], now: int) -> t.List[str]:
    """An upstream that stands still expires too: raise Failure or return warnings as freshness.enforce() does."""
    found = []
    for key, head in heads.items():
        found += freshness.enforce(named(source, f"{key} {head.name}".strip()), freshness.Dates(head.date, head.valid_until), 0, now, source.freshness)
    return found


def standing(source: Source, last: t.Optional[t.Mapping[str, t.Any]], now: int) -> t.List[str]:
    """What is to be said in every run about an upstream that did not change since it was read into ``last``."""
    memory = remembered(last)
    return still_fresh(source, memory.heads, now) if memory else []


def head_of(answer: Answer, name: str, date: int, valid_until: int) -> Head:
    """What to remember of an accepted head."""
    return Head(name, _digest(answer.body), date, valid_until, answer.validators)


def identity(memory: Memory) -> str:
    """Digest of the selection and of every signed file."""
    heads = "".join(f"{key}\0{head.name}\0{head.sha256}\n" for key, head in sorted(memory.heads.items()))
    return _digest(f"{memory.selection}\n{heads}".encode())


def follow(attempt: t.Callable[[int], _T], sleep: Sleep = time.sleep) -> _T:
    """Call attempt(round) again while files its head names cannot be had: an upstream may change while it is read.

    Each round reads the head anew. Other failures, a full disk for one, end it at once; so does the last round's.
    """
    for number, pause in enumerate(_PAUSES):
        try:
            return attempt(number)
        except Unobtainable:
            sleep(pause)
    return attempt(len(_PAUSES))


def taken(take: Take, wanted: t.Sequence[Wanted]) -> t.Dict[str, str]:
    """Have files fetched into the store, each content from any of its paths; returns SHA-256 -> local path."""
    paths = take(wanted)
    return {file.sha256: paths[file.path] for file in wanted}


def united(source: Source, entries: t.Iterable[Entry]) -> t.List[Entry]:
    """The entries, each path once. Raises Failure when a path stands for two contents."""
    found: t.Dict[str, Entry] = {}
    for entry in entries:
        other = found.setdefault(entry.wanted.path, entry)
        if other.wanted != entry.wanted:
            raise _contradiction(source, f"its indices name two different files as {entry.wanted.path}")
    return list(found.values())


def check_paths(source: Source, documents: t.Sequence[Document], large: t.Sequence[Wanted], entries: t.Sequence[Entry]) -> None:
    """Raise Failure when a package would lie on a metadata file, or a file where another needs a directory."""
    metadata = {document.path for document in documents} | {file.path for file in large}
    packages = {entry.wanted.path for entry in entries}
    both = metadata & packages
    if both:
        raise _contradiction(source, f"a package has the path of the metadata file {min(both)}")
    waiting = {path.rpartition("/")[0] for paths in (metadata, packages) for path in paths} - {""}
    directories: t.Set[str] = set()
    while waiting:
        directories |= waiting
        waiting = {path.rpartition("/")[0] for path in waiting} - directories - {""}
    both = directories & (metadata | packages)
    if both:
        raise _contradiction(source, f"{min(both)} is both a file and a directory")


def named(source: Source, path: str) -> str:
    """How a file of the source is called in messages."""
    return f"{path} of source '{source.name}'"


def _contradiction(source: Source, why: str) -> Failure:
    return Failure(f"mirror source '{source.name}'", why, "The upstream is wrong or hostile; nothing was used")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
