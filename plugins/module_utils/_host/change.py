# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""One change of a repository set on this host: compare, prove, switch. What is written and read is the family's to say."""

from __future__ import annotations

import os
import shutil
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._host import generations, keys, policy, transaction
from ansible_collections.egi.cmd.plugins.module_utils._host.family import HEADER, Family, File, Proof, Run
from ansible_collections.egi.cmd.plugins.module_utils._host.generations import Generation, Memory
from ansible_collections.egi.cmd.plugins.module_utils._host.openpgp import OpenPGPError, certificates
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Repository
from ansible_collections.egi.cmd.plugins.module_utils._host.transaction import Move, Operation, Remove, Write


@dataclass(frozen=True)
class Change:
    """What would change: the live files of the set, the generation that is wanted (None: the set goes), what is remembered."""

    family: Family
    set_name: str
    live: t.Dict[str, File]
    wanted: t.Optional[Generation]
    memory: Memory
    former: t.Optional[Generation]

    @property
    def changed(self) -> bool:
        """Whether anything on the host differs; bytes, modes and the remembered generation decide, no program is run."""
        if self.wanted is None:
            return bool(self.live) or os.path.isdir(generations.directory(self.set_name))
        return self.memory.generation != self.wanted.id or self.stale != [] or self.differing != {}

    @property
    def differing(self) -> t.Dict[str, File]:
        """The wanted files that are not live as they must be."""
        wanted = self.wanted.files if self.wanted else {}
        return {path: file for path, file in wanted.items() if not _same(self.live.get(path), file)}

    @property
    def stale(self) -> t.List[str]:
        """The live files that must go."""
        return sorted(set(self.live) - set(self.wanted.files if self.wanted else ()))

    def diff(self) -> t.List[t.Dict[str, str]]:
        """Return before and after of every file, for people: no secret, no binary."""
        result = []
        for path in sorted([*self.differing, *self.stale]):
            before, after = self.live.get(path), self.differing.get(path)
            result.append({
                "before_header": path if before else f"{path} (absent)", "before": self._shown(path, before),
                "after_header": path if after else f"{path} (absent)", "after": self._shown(path, after),
            })
        return result

    def _shown(self, path: str, file: t.Optional[File]) -> str:
        if file is None:
            return ""
        known = self.former.files.get(path) if self.former else None
        if file.shown is None and known and known.content == file.content:
            file = known
        if file.shown is not None:
            return file.shown
        if not file.mode & stat.S_IROTH:
            return "(not shown: only root may read it)\n"
        return masked(file.content.decode("utf-8", "replace"))


def present(family: Family, set_name: str, repositories: t.Sequence[Repository], online: bool, timeout: int) -> Change:
    """Return the change to a set of these repositories. online: False in check mode; then no key is fetched. Raises Failure."""
    policy.check_order(family.name, set_name, repositories)
    certs = keys.read(repositories, lambda fingerprint: family.key_path(set_name, fingerprint), online, timeout)
    files = family.render(set_name, repositories, certs)
    numbers = {one.name: policy.number(family.name, one) for one in repositories}
    return _change(family, set_name, Generation(files, numbers), generations.remember(set_name))


def reverted(family: Family, set_name: str, identifier: str) -> Change:
    """Return the change back to an earlier generation. Raises Failure."""
    return _change(family, set_name, generations.load(set_name, identifier), generations.remember(set_name))


def absent(family: Family, set_name: str) -> Change:
    """Return the change that removes the set. A damaged memory is no reason to stay. Raises Failure."""
    try:
        memory = generations.remember(set_name)
    except Failure:
        memory = Memory()
    return _change(family, set_name, None, memory)


def prove(change: Change, repositories: t.Sequence[Repository], scratch: str, run: Run, timeout: int) -> Proof:
    """Prove the wanted files in a fresh scratch directory. The caller removes it with clean()."""
    os.makedirs(scratch, 0o755)
    files = change.wanted.files if change.wanted else {}
    return change.family.prove(change.set_name, repositories, files, scratch, run, timeout)


def clean(scratch: str) -> None:
    """Remove the scratch directory, and the directories above it if nothing else is in them."""
    shutil.rmtree(scratch, ignore_errors=True)
    transaction.remove_empty([generations.BASE, os.path.dirname(generations.BASE)])


def apply(change: Change, proof: t.Optional[Proof], run: Run, timeout: int = 0) -> None:
    """Make the change live as a whole.

    proof: of a new configuration; None for one that was live before. timeout: seconds to wait for a package manager at work.
    Raises Failure.
    """
    journal = generations.journal(change.set_name)
    # Before the files go: a run that is killed in between is repeated, and knows from them what to forget.
    change.family.distrust(change.stale, run)
    if change.wanted is None:
        gone = [*change.stale, *_matching(generations.caches(change.set_name)), generations.directory(change.set_name)]
        made = sorted(change.memory.made, key=len, reverse=True)
        transaction.apply(journal, [Remove(path) for path in gone], [*made, generations.BASE, os.path.dirname(generations.BASE)])
        return
    wanted = Generation(change.wanted.files, change.wanted.priorities, proof.caches if proof else change.wanted.caches)
    prefetched = proof.prefetched if proof else []
    operations: t.List[Operation] = [Move(live, staged) for staged, live in prefetched]
    operations += [Remove(path) for path in _retired(change.former, wanted, [live for _staged, live in prefetched])]
    operations += [Write(path, file) for path, file in change.differing.items()]
    operations += [Remove(path) for path in change.stale]
    made = transaction.missing_directories([*change.differing, *(live for _staged, live in prefetched)])
    records, old = generations.writes(change.set_name, wanted, made)
    operations += [Write(path, file) for path, file in records.items()]
    operations += [Remove(path) for path in old]
    with transaction.holding(proof.locks if proof else [], timeout, f"change repository set '{change.set_name}'"):
        transaction.apply(journal, operations)


def _change(family: Family, set_name: str, wanted: t.Optional[Generation], memory: Memory) -> Change:
    candidates = sorted({*family.paths(set_name), *(wanted.files if wanted else ())})
    live = {path: file for path, file in ((path, _owned(family, set_name, path)) for path in candidates) if file}
    former = None
    if memory.generation and wanted and wanted.id == memory.generation:
        former = wanted
    elif memory.generation:
        former = _former(set_name, memory.generation)
    return Change(family, set_name, live, wanted, memory, former)


def _former(set_name: str, identifier: str) -> t.Optional[Generation]:
    try:
        return generations.load(set_name, identifier)
    except Failure:
        return None


def _owned(family: Family, set_name: str, path: str) -> t.Optional[File]:
    """Return the live file at path, None when there is none. Raises Failure when it is not this set's to change."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    action = f"change repository set '{set_name}'"
    if not stat.S_ISREG(status.st_mode):
        raise Failure(action, f"{path} is not a regular file", "Remove it: the name belongs to this set")
    with open(path, "rb") as handle:
        content = handle.read()
    first = content.split(b"\n", 1)[0].decode("utf-8", "replace")
    if first.startswith(HEADER):
        if first != HEADER + set_name:
            raise Failure(action, f"{path} says that it belongs to set '{first[len(HEADER):]}'", "Remove that set first, or rename one of them")
        return File(content, stat.S_IMODE(status.st_mode))
    try:
        found = certificates(content)
    except OpenPGPError:
        found = []
    if [path] != [family.key_path(set_name, fingerprint) for fingerprint, _packets in found]:
        raise Failure(action, f"{path} was not written by this module", "Move it away if nobody needs it, or give the set another name")
    return File(content, stat.S_IMODE(status.st_mode), f"OpenPGP certificate {found[0][0]}\n")


def _same(live: t.Optional[File], wanted: File) -> bool:
    return live is not None and live.content == wanted.content and live.mode == wanted.mode


def _retired(former: t.Optional[Generation], wanted: Generation, fresh: t.Sequence[str]) -> t.List[str]:
    """Return cached metadata of repositories that leave the set."""
    prefixes = [prefix for prefix in (former.caches if former else ()) if prefix not in wanted.caches]
    return [path for path in _matching(prefixes) if path not in fresh and not path.startswith(tuple(wanted.caches))]


def _matching(prefixes: t.Iterable[str]) -> t.List[str]:
    found = set()
    for prefix in prefixes:
        directory, start = os.path.split(prefix)
        if start and os.path.isdir(directory):
            found |= {os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(start)}
    return sorted(found)
