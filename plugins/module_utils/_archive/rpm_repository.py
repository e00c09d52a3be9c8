# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""RPM repositories below one root from their declaration: Packages, repodata, RPM-GPG-KEY."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import generations, intake, ledger, publisher, release_file, rpm_index, signing
from ansible_collections.egi.cmd.plugins.module_utils._archive.declaration import Change, Declaration, Outcome, Part
from ansible_collections.egi.cmd.plugins.module_utils._archive.pool import Pool
from ansible_collections.egi.cmd.plugins.module_utils._archive.rpm_package import RpmPackage, read_rpm

_POINTERS = ("repomd.xml.asc", "repomd.xml")
Found = t.Dict[str, t.List[intake.Found]]


class _Repository(t.NamedTuple):
    """One repository to be. packages: path below it -> package."""

    path: str
    packages: t.Dict[str, RpmPackage]

    @property
    def live(self) -> str:
        """Its metadata directory below the root."""
        return f"{self.path}/repodata"

    def pool(self) -> t.List[str]:
        """Its package files below the root."""
        return [f"{self.path}/{name}" for name in sorted(self.packages)]

    def lines(self) -> t.List[str]:
        """Its packages, for people."""
        return sorted(
            f"{package.name} {'' if package.epoch == '0' else package.epoch + ':'}{package.version}-{package.release} {package.architecture}"
            for package in self.packages.values()
        )

    def content(self) -> str:
        """A digest that is equal exactly when the index would be."""
        return ledger.digest(sorted((name, package.sha256) for name, package in self.packages.items()))


class _Work(t.NamedTuple):
    """What a run has to do."""

    copies: t.List[publisher.Copy]
    stale: t.List[_Repository]
    keys: t.List[_Repository]
    removed: t.List[str]


def publish(wanted: Declaration, now: int, check: bool) -> Outcome:
    """Make the repositories what the declaration says; check: plan only. now: seconds since 1970.

    Raises Failure, with nothing changed, when a package is refused, a key cannot sign or the disk is too small.
    """
    found = {part.name: intake.find(part.components[""], wanted.root, (".rpm",)) for part in wanted.parts if part.present}
    inputs = ledger.digest(wanted, found)
    record = ledger.Record(wanted.root, [part.name for part in wanted.parts])
    settled = record.settled(inputs, now)
    if settled is not None:
        return Outcome(False, [Change(*row) for row in settled], {}, [])
    if check:
        return _run(wanted, found, now, None, record, inputs)
    with publisher.open_root(wanted.root) as site:
        return _run(wanted, found, now, site, record, inputs)


def _run(wanted: Declaration, found: Found, now: int, site: t.Optional[publisher.Publisher], record: ledger.Record, inputs: str) -> Outcome:
    cache = ledger.Cache(wanted.root)
    refusals = intake.Refusals(f"publish to {wanted.root}")
    pool = Pool(wanted.root, cache.pool, refusals)
    repositories = [_place(part, found[part.name], pool, cache, refusals) for part in wanted.parts if part.present]
    refusals.end()
    work = _work(wanted, repositories, pool, cache)
    before = {name: list(known["packages"]) for name, known in cache.parts.items()}
    if site:
        earlier = {repository.path: _known_generations(wanted, repository, cache) for repository in repositories}
        _apply(wanted, work, site, pool, cache, now)
        _remember(wanted, repositories, pool, cache, record, inputs, earlier)
    changes = [_change(wanted, repository, repository in work.stale) for repository in repositories]
    return Outcome(any(work), changes, before, work.removed)


def _place(part: Part, files: t.List[intake.Found], pool: Pool, cache: ledger.Cache, refusals: intake.Refusals) -> _Repository:
    chosen = [file for file in files if file.path.endswith(".rpm")]
    known = cache.packages.setdefault("rpm", {})
    packages = {}
    for path, package in intake.inspect(chosen, known, read_rpm, lambda row: RpmPackage(*row), refusals).items():
        if package.architecture not in part.architectures + ("noarch",):
            refusals.add(path, f"its architecture is {package.architecture}, repository {part.name} has {', '.join(part.architectures)}")
        # The epoch is not part of the file name, so two epochs of one version cannot live side by side either.
        elif pool.identify(path, (part.name, package.file_name), package.sha256):
            name = f"Packages/{package.file_name}"
            # createrepo_c writes a file's time into the index: the build time is the same wherever the file lies.
            pool.place(path, f"{part.name}/{name}", package.size, package.sha256, package.build_time * 10**9)
            packages[name] = package
    return _Repository(part.name, packages)


def _work(wanted: Declaration, repositories: t.List[_Repository], pool: Pool, cache: ledger.Cache) -> _Work:
    stale = [repository for repository in repositories if cache.parts.get(repository.path, {}).get("index") != _index_state(wanted, repository)]
    keys = [repository for repository in repositories if cache.parts.get(repository.path, {}).get("key") != _key_state(wanted, repository)]
    return _Work(pool.copies, stale, keys, _removed(wanted, repositories, pool, cache))


def _index_state(wanted: Declaration, repository: _Repository) -> str:
    """What identifies a published index: its packages, its keys and the bytes of all its files."""
    directory = f"{wanted.root}/{repository.live}"
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    files = [[name, hashlib.sha256(publisher.read(f"{directory}/{name}") or b"").hexdigest()] for name in names]
    return ledger.digest(repository.content(), list(wanted.keys), files)


def _key_path(wanted: Declaration, repository: _Repository) -> str:
    return f"{repository.path}/RPM-GPG-KEY-{wanted.key_name}"


def _key_state(wanted: Declaration, repository: _Repository) -> t.List[t.Any]:
    data = publisher.read(f"{wanted.root}/{_key_path(wanted, repository)}") or b""
    return [list(wanted.keys), hashlib.sha256(data).hexdigest()]


def _removed(wanted: Declaration, repositories: t.List[_Repository], pool: Pool, cache: ledger.Cache) -> t.List[str]:
    """Paths to remove: absent repositories, with purge also recorded but undeclared ones and what no generation names."""
    declared = {repository.path for repository in repositories}
    gone = set(cache.parts) - declared if wanted.purge else set()
    gone |= {part.name for part in wanted.parts if not part.present}
    # The index first, and only what is ours: another repository may lie below the same path.
    ours = [f"{path}/{name}" for path in sorted(gone) for name in ("repodata", "Packages", f"RPM-GPG-KEY-{wanted.key_name}")]
    removed = [path for path in ours if os.path.lexists(f"{wanted.root}/{path}")]
    if wanted.purge:
        kept: t.Set[str] = set()
        for repository in repositories:
            known = _known_generations(wanted, repository, cache)
            kept |= {f"{repository.path}/{name}" for name in generations.files(known, "pool")}
        removed += pool.surplus([f"{repository.path}/Packages" for repository in repositories], kept)
    return removed


def _apply(wanted: Declaration, work: _Work, site: publisher.Publisher, pool: Pool, cache: ledger.Cache, now: int) -> None:
    """Keys and tools first, for they fail most; then packages, then indices, which readers see last."""
    site.require_space(sum(item.size for item in pool.copies), len(pool.copies))
    if work.stale or work.keys:
        rpm_index.find_program()
        with signing.open_home(wanted.key_home) as keyring:
            keyring.check(wanted.keys)
            # One armored block for each key: rpm --import reads only the first key of a block.
            key = b"".join(keyring.export(fingerprint, armored=True) for fingerprint in wanted.keys)
            site.copy(pool.copies)
            site.write({_key_path(wanted, repository): key for repository in work.keys})
            site.switch([_tree(wanted, repository, number, keyring, site, cache, now) for number, repository in enumerate(work.stale)])
    else:
        site.copy(pool.copies)
    site.remove(work.removed)
    pool.forget(work.removed)


def _tree(wanted: Declaration, repository: _Repository, number: int, keyring: signing.Keyring, site: publisher.Publisher,
          cache: ledger.Cache, now: int) -> publisher.Tree:
    directory = f"{wanted.root}/{repository.path}"
    date = release_file.next_date(rpm_index.revision_of(publisher.read(f"{directory}/repodata/repomd.xml") or b""), now)
    files = rpm_index.create(directory, sorted(repository.packages), os.path.join(site.staging, f"repodata{number}"), date)
    known = _known_generations(wanted, repository, cache)
    kept = generations.files(generations.after(known, _index_names(files), []), "index") - set(files)
    files["repomd.xml.asc"] = keyring.detach(files["repomd.xml"], wanted.keys)
    return publisher.Tree(repository.live, files, sorted(kept), _POINTERS, date)


def _known_generations(wanted: Declaration, repository: _Repository, cache: ledger.Cache) -> t.List[generations.Generation]:
    """The generations published so far, newest first; what an interrupted run published unrecorded is one of them."""
    known = cache.parts.get(repository.path, {}).get("generations", [])
    live = f"{wanted.root}/{repository.live}"
    index = rpm_index.named(publisher.read(f"{live}/repomd.xml") or b"")
    if index and (not known or known[0]["index"] != index):
        return generations.after(known, index, sorted(rpm_index.listed(live)))
    return known


def _index_names(names: t.Iterable[str]) -> t.List[str]:
    return sorted(name for name in names if name not in _POINTERS)


def _change(wanted: Declaration, repository: _Repository, changed: bool) -> Change:
    date = rpm_index.revision_of(publisher.read(f"{wanted.root}/{repository.live}/repomd.xml") or b"")
    return Change(repository.path, changed, repository.lines(), date, 0)


def _remember(wanted: Declaration, repositories: t.List[_Repository], pool: Pool, cache: ledger.Cache, record: ledger.Record, inputs: str,
              earlier: t.Dict[str, t.List[generations.Generation]]) -> None:
    outputs = set(pool.targets())
    for repository in repositories:
        live = f"{wanted.root}/{repository.live}"
        named = rpm_index.named(publisher.read(f"{live}/repomd.xml") or b"")
        cache.parts[repository.path] = {
            "packages": repository.lines(),
            "generations": generations.after(earlier[repository.path], named, sorted(repository.packages)),
            "index": _index_state(wanted, repository),
            "key": _key_state(wanted, repository),
        }
        outputs |= {f"{repository.live}/{name}" for name in (*named, *_POINTERS)} | {_key_path(wanted, repository)}
    for path in set(cache.parts) - {repository.path for repository in repositories}:
        if wanted.purge or any(part.name == path for part in wanted.parts):
            del cache.parts[path]
    pool.remember()
    cache.save()
    record.save(inputs, 0, outputs, [_change(wanted, repository, False) for repository in repositories])
