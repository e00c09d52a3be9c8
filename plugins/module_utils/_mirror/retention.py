# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What may go: old generations by policy, then the files nothing refers to any more.

Never: what a pointer leads to (published, frozen), what was superseded a moment ago (a reader may be half way through
it), and a file a generation names. A file nobody names stays for the grace time too: a sync that was interrupted
fetched it for the next one.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.accepted import Accepted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation, Generations
from ansible_collections.egi.cmd.plugins.module_utils._mirror.pointer import Pointers
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store

_GUARD_FREE = 100  # files: below this, the share says nothing


class Policy(t.NamedTuple):
    """keep: the newest generations of a set that stay anyway; days: those younger stay too; grace: hours after which
    what nobody needs may go; most: share of the store's bytes or files one run may remove."""

    keep: int = 5
    days: float = 0.0
    grace: float = 24.0
    most: float = 0.4


class Freed(t.NamedTuple):
    """What a run removed, or would remove."""

    generations: t.List[str]
    files: int
    size: int


def expired(generations: Generations, pointers: Pointers, of_set: str, policy: Policy, now: float) -> t.List[Generation]:
    """The generations of a set the policy lets go, oldest first. now: unix time."""
    known = generations.all(of_set)
    led_to = {pointer.generation for pointer in pointers.all().values()}
    last_led: t.Dict[str, float] = {}
    for pointer in pointers.all().values():
        for (_at, generation), (until, _next) in zip(pointer.history, pointer.history[1:]):
            last_led[generation] = max(until, last_led.get(generation, 0.0))
    young, half_way = now - policy.days * 86400, now - policy.grace * 3600
    old = known[:-policy.keep] if policy.keep else known
    return [one for one in old if one.name not in led_to and one.created < young and max(one.created, last_led.get(one.name, 0.0)) < half_way]


def prune(store: Store, generations: Generations, pointers: Pointers, policies: t.Mapping[str, Policy], now: float, force: bool = False,
          dry: bool = False) -> Freed:
    """Remove the generations the policy of each set lets go, then what no generation refers to. now: unix time.
    force: past the guard against removing most of the store at once. dry: only say what would go."""
    gone = [one.name for of_set, policy in policies.items() for one in expired(generations, pointers, of_set, policy, now)]
    grace = max((policy.grace for policy in policies.values()), default=Policy().grace)
    most = min((policy.most for policy in policies.values()), default=Policy().most)
    limit = now - grace * 3600
    doomed = _unreferenced(store, generations, gone, limit)
    total = {held.sha256: held.allocated for held in store.files()}
    size = sum(total[sha256] for sha256 in doomed)
    too_many = len(doomed) > _GUARD_FREE and (len(doomed) > most * len(total) or size > most * sum(total.values()))
    if too_many and not force and not dry:
        raise Failure("prune the mirror", f"{len(doomed)} of {len(total)} files would go, more than the {most:.0%} one run may remove",
                      "Look at what would go: cmd-mirror snapshot prune --dry-run; if it is right: cmd-mirror snapshot prune --force")
    if not dry:
        for name in gone:
            generations.delete(name)
        _collect(store, generations, limit)
    return Freed(gone, len(doomed), size)


def delete(generations: Generations, pointers: Pointers, name: str, dry: bool = False) -> None:
    """Remove one generation a person names; refused while a pointer leads to it. dry: only refuse."""
    if not os.path.isdir(generations.path(name)):
        raise Failure(f"delete snapshot {name!r}", "there is none of this name", "List them with: cmd-mirror snapshot list")
    names = [pointer.name for pointer in pointers.all().values() if pointer.generation == name]
    if names:
        raise Failure(f"delete {name}", f"{', '.join(names)} leads to it", "Let the name lead elsewhere first, or delete it")
    if not dry:
        generations.delete(name)


def _unreferenced(store: Store, generations: Generations, gone: t.Collection[str], limit: float) -> t.List[str]:
    """Files no generation but those in gone refers to, no partial mirror is made of, and which arrived before limit."""
    needed = {file.sha256 for one in generations.all() if one.name not in gone for source in one.sources
              for file in generations.manifest(one.name, source).in_store()}
    needed |= Accepted(store.root).files()
    return [held.sha256 for held in store.files() if held.sha256 not in needed and held.arrived < limit]


def _collect(store: Store, generations: Generations, limit: float) -> None:
    """Remove links and files nothing refers to. Links first: no link ever leads nowhere."""
    named: t.Dict[t.Tuple[str, str], t.Set[str]] = {}
    for one in generations.all():
        for source, part in one.sources.items():
            paths = named.setdefault((source, part.tree), set())
            paths.update(entry.wanted.path for entry in generations.manifest(one.name, source).entries)
    linked: t.Set[str] = set()
    for source, name in list(generations.tree.names()):
        linked |= generations.tree.trim(source, name, named.get((source, name), ()), limit)
        if (source, name) not in named:
            generations.tree.forget_if_empty(source, name)
    for sha256 in _unreferenced(store, generations, (), limit):
        if sha256 not in linked:
            store.remove(sha256)
    for name, _size, changed in list(store.partials()):
        if changed < limit:
            store.drop_partial(name)
