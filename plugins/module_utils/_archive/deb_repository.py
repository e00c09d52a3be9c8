# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A Debian repository from its declaration: pool, suites, indices, project."""

from __future__ import annotations

import concurrent.futures
import gzip
import hashlib
import lzma
import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_index, generations, intake, ledger, publisher, release_file, signing
from ansible_collections.egi.cmd.plugins.module_utils._archive.deb_package import DebPackage, read_deb
from ansible_collections.egi.cmd.plugins.module_utils._archive.deb_source import SourcePackage, read_dsc
from ansible_collections.egi.cmd.plugins.module_utils._archive.declaration import Change, Declaration, Outcome, Part
from ansible_collections.egi.cmd.plugins.module_utils._archive.pool import Pool

_COMPRESSORS = 4  # threads; zlib and lzma let others work meanwhile
_POINTERS = ("Release.gpg", "Release", "InRelease")
_ENDINGS = (".deb", ".dsc")
_FILE_NAME = re.compile(rb"^Filename: (\S+)$", re.MULTILINE)
_SUM = re.compile(rb"^ ([0-9a-f]{64}) +[0-9]+ (\S+)$", re.MULTILINE)
Found = t.Dict[t.Tuple[str, str], t.List[intake.Found]]
Kept = t.Dict[str, t.List[generations.Generation]]  # suite -> generations once it is published


class _Suite(t.NamedTuple):
    """One suite to be. indices: path below the suite -> bytes, as its Release lists them; pool: its package files;
    overrides: path below the root -> bytes; lines: its packages, for people."""

    release: release_file.Suite
    indices: t.Dict[str, bytes]
    overrides: t.Dict[str, bytes]
    pool: t.List[str]
    lines: t.List[str]

    @property
    def live(self) -> str:
        """Its directory below the root."""
        return f"dists/{self.release.name}"

    def by_hash(self) -> t.Dict[str, bytes]:
        """The same indices under the names that never change their content."""
        return {f"{os.path.dirname(path)}/by-hash/SHA256/{hashlib.sha256(data).hexdigest()}": data for path, data in self.indices.items()}


class _Work(t.NamedTuple):
    """What a run has to do."""

    copies: t.List[publisher.Copy]
    suites: t.List[_Suite]
    files: t.Dict[str, bytes]
    keyring: bool
    removed: t.List[str]


def publish(wanted: Declaration, now: int, check: bool) -> Outcome:
    """Make the repository what the declaration says; check: plan only. now: seconds since 1970.

    Raises Failure, with nothing changed, when a package is refused, a key cannot sign or the disk is too small.
    """
    present = [part for part in wanted.parts if part.present]
    found: Found = {
        (part.name, component): intake.find(sources, wanted.root, _ENDINGS)
        for part in present for component, sources in part.components.items()
    }
    inputs = ledger.digest(wanted, [[list(key), files] for key, files in found.items()])
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
    suites = _suites(wanted, found, pool, cache, refusals)
    kept = {suite.release.name: _generations(wanted, suite, cache) for suite in suites}
    work = _work(wanted, suites, pool, cache, kept, now)
    before = {name: list(known["packages"]) for name, known in cache.parts.items()}
    if site:
        _apply(wanted, work, site, pool, kept, now)
        _remember(wanted, suites, pool, cache, kept, record, inputs)
    changes = [_change(wanted, suite, suite in work.suites) for suite in suites]
    return Outcome(any(work), changes, before, work.removed)


def _suites(wanted: Declaration, found: Found, pool: Pool, cache: ledger.Cache, refusals: intake.Refusals) -> t.List[_Suite]:
    debs: t.Dict[t.Tuple[str, str], t.Dict[str, DebPackage]] = {}
    sources: t.Dict[t.Tuple[str, str], t.Dict[str, SourcePackage]] = {}
    parts = [part for part in wanted.parts if part.present]
    for part in parts:
        for component in part.components:
            files = found[part.name, component]
            debs[part.name, component] = _place_debs(wanted, part, component, files, pool, cache, refusals)
            sources[part.name, component] = _place_sources(component, files, pool, refusals)
    # Building indices of a batch that is refused would be wasted work, and may meet contradicting packages.
    refusals.end()
    return [_suite(wanted, part, debs, sources) for part in parts]


def _place_debs(wanted: Declaration, part: Part, component: str, files: t.List[intake.Found], pool: Pool,
                cache: ledger.Cache, refusals: intake.Refusals) -> t.Dict[str, DebPackage]:
    chosen = [file for file in files if file.path.endswith(".deb")]
    known = cache.packages.setdefault("deb with files" if wanted.contents else "deb", {})
    stamps = {file.path: file.stamp for file in chosen}
    placed = {}
    taken = intake.inspect(chosen, known, lambda path: read_deb(path, wanted.contents), lambda row: DebPackage(*row), refusals)
    for path, package in taken.items():
        if package.architecture not in part.architectures + ("all",):
            refusals.add(path, f"its architecture is {package.architecture}, suite {part.name} has {', '.join(part.architectures)}")
        elif pool.identify(path, (package.name, package.version, package.architecture), package.sha256):
            target = f"{deb_index.pool_directory(component, package.source)}/{package.file_name}"
            pool.place(path, target, package.size, package.sha256, stamps[path][1])
            placed[target] = package
    return placed


def _place_sources(component: str, files: t.List[intake.Found], pool: Pool, refusals: intake.Refusals) -> t.Dict[str, SourcePackage]:
    chosen = [file for file in files if file.path.endswith(".dsc")]
    placed = {}
    # Not cached: the files a .dsc names are part of it, and may change while it does not.
    for path, package in intake.inspect(chosen, {}, read_dsc, lambda row: SourcePackage(*row), refusals).items():
        directory = deb_index.pool_directory(component, package.name)
        for name, size, _md5, sha256 in package.files:
            source = os.path.join(os.path.dirname(path), name)
            pool.place(source, f"{directory}/{name}", size, sha256, os.stat(source).st_mtime_ns)
        placed[f"{directory}/{package.file_name}"] = package
    return placed


def _suite(wanted: Declaration, part: Part, all_debs: t.Dict[t.Tuple[str, str], t.Dict[str, DebPackage]],
           all_sources: t.Dict[t.Tuple[str, str], t.Dict[str, SourcePackage]]) -> _Suite:
    overrides: t.Dict[str, bytes] = {}
    pool: t.List[str] = []
    lines: t.List[str] = []
    for component in part.components:
        debs, sources = all_debs[part.name, component], all_sources[part.name, component]
        overrides[f"indices/override.{part.name}.{component}"] = deb_index.override(debs)
        overrides[f"indices/override.{part.name}.{component}.src"] = deb_index.override_sources(sources)
        pool += debs
        for path, package in sources.items():
            pool += [f"{os.path.dirname(path)}/{name}" for name, _size, _md5, _sha256 in package.files]
            lines.append(f"{component} {package.name} {package.version} source")
        lines += [f"{component} {package.name} {package.version} {package.architecture}" for package in debs.values()]
    indices = _indices(wanted, part, all_debs, all_sources)
    release = release_file.Suite(
        part.name, wanted.origin, part.label, part.codename, part.version, part.description,
        part.architectures, tuple(part.components), part.not_automatic, part.valid_for,
    )
    return _Suite(release, indices, overrides, sorted(set(pool)), sorted(lines))


def _indices(wanted: Declaration, part: Part, all_debs: t.Mapping[t.Tuple[str, str], t.Dict[str, DebPackage]],
             all_sources: t.Mapping[t.Tuple[str, str], t.Dict[str, SourcePackage]]) -> t.Dict[str, bytes]:
    """Every index of a suite, plain, gz and xz; while one is compressed the next is made."""
    indices: t.Dict[str, bytes] = {}
    compressing: t.Dict[str, concurrent.futures.Future[bytes]] = {}
    live = os.path.join(wanted.root, "dists", part.name)
    named = _named(live)
    with concurrent.futures.ThreadPoolExecutor(_COMPRESSORS) as pool:
        def add(path: str, data: bytes) -> None:
            indices[path] = data
            compressing[f"{path}.xz"] = pool.submit(_xz, path, data, live, named)
            compressing[f"{path}.gz"] = pool.submit(_gzip, data)

        for component in part.components:
            debs = all_debs[part.name, component]
            for architecture in part.architectures:
                add(f"{component}/binary-{architecture}/Packages", deb_index.packages(debs, architecture))
                if wanted.contents:
                    # Plain too: apt looks for the plain name in Release, and takes no compressed one without it (measured).
                    path, data = f"{component}/Contents-{architecture}", deb_index.contents(debs, architecture)
                    indices[path], compressing[f"{path}.gz"] = data, pool.submit(_gzip, data)
            add(f"{component}/source/Sources", deb_index.sources(all_sources[part.name, component]))
    indices.update((path, compressed.result()) for path, compressed in compressing.items())
    return indices


def _xz(path: str, data: bytes, live: str, named: t.Mapping[str, str]) -> bytes:
    """xz is slow, so it is made again only when the index is another one. named: what the published Release names."""
    compressed = publisher.read(f"{live}/{path}.xz") or b""
    same = named.get(path) == hashlib.sha256(data).hexdigest()
    intact = named.get(f"{path}.xz") == hashlib.sha256(compressed).hexdigest()
    return compressed if same and intact else lzma.compress(data)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def _named(live: str) -> t.Dict[str, str]:
    """Index path -> SHA-256 of what the published Release names."""
    release = publisher.read(f"{live}/Release") or b""
    return {path.decode("utf-8", "replace"): digest.decode() for digest, path in _SUM.findall(release)}


def _work(wanted: Declaration, suites: t.List[_Suite], pool: Pool, cache: ledger.Cache, kept: Kept, now: int) -> _Work:
    files: t.Dict[str, bytes] = {}
    for suite in suites:
        files.update({path: data for path, data in suite.overrides.items() if publisher.read(f"{wanted.root}/{path}") != data})
    stale = [suite for suite in suites if not _is_published(wanted, suite, cache, now)]
    keyring = cache.parts.get("", {}).get("keyring") != _keyring_state(wanted)
    return _Work(pool.copies, stale, files, keyring, _removed(wanted, suites, pool, cache, kept))


def _is_published(wanted: Declaration, suite: _Suite, cache: ledger.Cache, now: int) -> bool:
    live = f"{wanted.root}/{suite.live}"
    release = publisher.read(f"{live}/Release")
    if release is None or not release_file.still_good(release, suite.release, suite.indices, now):
        return False
    if any(publisher.read(f"{live}/{path}") != data for path, data in {**suite.indices, **suite.by_hash()}.items()):
        return False
    return cache.parts.get(suite.release.name, {}).get("signatures") == _signatures(live, wanted.keys)


def _signatures(live: str, keys: t.Sequence[str]) -> str:
    """What identifies a suite's signatures: the keys and the signed files' bytes."""
    return ledger.digest(list(keys), [hashlib.sha256(publisher.read(f"{live}/{name}") or b"").hexdigest() for name in _POINTERS])


def _keyring_path(wanted: Declaration) -> str:
    return f"project/{wanted.key_name}-archive-keyring.gpg"


def _keyring_state(wanted: Declaration) -> t.List[t.Any]:
    path = f"{wanted.root}/{_keyring_path(wanted)}"
    return [wanted.key_name, list(wanted.keys), [hashlib.sha256(publisher.read(name) or b"").hexdigest() for name in (path, f"{path[:-4]}.asc")]]


def _removed(wanted: Declaration, suites: t.List[_Suite], pool: Pool, cache: ledger.Cache, kept: Kept) -> t.List[str]:
    """Paths to remove: suites that shall be absent, with purge also undeclared suites and what no generation names."""
    dists = f"{wanted.root}/dists"
    there = set(os.listdir(dists)) if os.path.isdir(dists) else set()
    declared = {part.name for part in wanted.parts if part.present}
    gone = there - declared if wanted.purge else there & {part.name for part in wanted.parts if not part.present}
    removed = [f"dists/{name}" for name in sorted(gone)]
    written = {path for suite in suites for path in suite.overrides}
    recorded = {path for name in gone | declared for path in cache.parts.get(name, {}).get("overrides", [])}
    removed += sorted(path for path in recorded - written if os.path.exists(f"{wanted.root}/{path}"))
    if wanted.purge:
        needed = {path for name in declared for path in generations.files(kept[name], "pool")}
        removed += pool.surplus(["pool"], needed)
    return removed


def _generations(wanted: Declaration, suite: _Suite, cache: ledger.Cache) -> t.List[generations.Generation]:
    """The suite's generations once it is published; what an interrupted run published unrecorded is one of them."""
    known = cache.parts.get(suite.release.name, {}).get("generations", [])
    live = f"{wanted.root}/{suite.live}"
    index = [f"{os.path.dirname(path)}/by-hash/SHA256/{digest}" for path, digest in _named(live).items()]
    names = [name.decode("utf-8", "replace") for path in _named(live) if path.endswith("/Packages")
             for name in _FILE_NAME.findall(publisher.read(f"{live}/{path}") or b"")]
    if index:
        known = generations.after(known, index, names) if not known or known[0]["index"] != sorted(index) else known
    return generations.after(known, suite.by_hash(), suite.pool)


def _apply(wanted: Declaration, work: _Work, site: publisher.Publisher, pool: Pool, kept: Kept, now: int) -> None:
    """Sign first, for a key that cannot sign must not leave half a publication; then packages, then indices."""
    trees: t.List[publisher.Tree] = []
    files = dict(work.files)
    if work.suites or work.keyring:
        with signing.open_home(wanted.key_home) as keyring:
            keyring.check(wanted.keys)
            if work.keyring:
                path = _keyring_path(wanted)
                files[path] = b"".join(keyring.export(key, armored=False) for key in wanted.keys)
                files[f"{path[:-4]}.asc"] = b"".join(keyring.export(key, armored=True) for key in wanted.keys)
            trees = [_tree(wanted, suite, keyring, kept, now) for suite in work.suites]
    size = sum(item.size for item in pool.copies) + sum(len(data) for tree in trees for data in tree.files.values())
    site.require_space(size, len(pool.copies) + sum(len(tree.files) for tree in trees))
    site.copy(pool.copies)
    site.write(files)
    site.switch(trees)
    site.remove(work.removed)
    pool.forget(work.removed)


def _tree(wanted: Declaration, suite: _Suite, keyring: signing.Keyring, kept: Kept, now: int) -> publisher.Tree:
    previous, _valid_until = release_file.dates(publisher.read(f"{wanted.root}/{suite.live}/Release") or b"")
    date = release_file.next_date(previous, now)
    release = release_file.render(suite.release, suite.indices, date)
    by_hash = suite.by_hash()
    files = {
        **suite.indices, **by_hash,
        "Release": release, "Release.gpg": keyring.detach(release, wanted.keys), "InRelease": keyring.clearsign(release, wanted.keys),
    }
    earlier = generations.files(kept[suite.release.name], "index") - set(by_hash)
    return publisher.Tree(suite.live, files, sorted(earlier), _POINTERS, date)


def _change(wanted: Declaration, suite: _Suite, changed: bool) -> Change:
    date, valid_until = release_file.dates(publisher.read(f"{wanted.root}/{suite.live}/Release") or b"")
    return Change(suite.release.name, changed, suite.lines, date, valid_until)


def _remember(wanted: Declaration, suites: t.List[_Suite], pool: Pool, cache: ledger.Cache, kept: Kept,
              record: ledger.Record, inputs: str) -> None:
    renewals = []
    outputs = set(pool.targets())
    for suite in suites:
        name = suite.release.name
        cache.parts[name] = {
            "packages": suite.lines,
            "overrides": sorted(suite.overrides),
            "generations": kept[name],
            "signatures": _signatures(f"{wanted.root}/{suite.live}", wanted.keys),
        }
        outputs |= {f"{suite.live}/{path}" for path in (*suite.indices, *suite.by_hash(), *_POINTERS)} | set(suite.overrides)
        if suite.release.valid_for:
            renewals.append(_change(wanted, suite, False).valid_until - suite.release.valid_for // 2)
    for name in [name for name in cache.parts if name and not os.path.isdir(f"{wanted.root}/dists/{name}")]:
        del cache.parts[name]
    cache.parts[""] = {"packages": [], "keyring": _keyring_state(wanted)}
    outputs |= {_keyring_path(wanted), f"{_keyring_path(wanted)[:-4]}.asc"}
    pool.remember()
    cache.save()
    record.save(inputs, min(renewals, default=0), outputs, [_change(wanted, suite, False) for suite in suites])
