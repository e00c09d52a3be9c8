# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The rebuilt sources of a set: selected, closed over what that needs, proved on request, and drafted for signing.

All sources of one format are one world: what is rebuilt may need packages of any of them, and what clients have from
the others is not taken. Nothing here asks an upstream or a key.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.solver import Build
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_rebuild, judge, reread, rpm_draft
from ansible_collections.egi.cmd.plugins.module_utils._mirror.closure import Unresolved, close
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Set
from ansible_collections.egi.cmd.plugins.module_utils._mirror.deb_packages import DebPackage
from ansible_collections.egi.cmd.plugins.module_utils._mirror.draft import Draft
from ansible_collections.egi.cmd.plugins.module_utils._mirror.manifest import Manifest
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Snapshot, Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.select import excluded, require_names, select
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.world import P, Package, World

_TOLD = 20  # demands nothing fits, and packages with conflicts, named in warnings

Upstreams = t.Mapping[str, Snapshot]  # source -> what its upstream holds, verified


class Rebuilt(t.NamedTuple):
    """drafts: by source. warnings: what could not be resolved, or may exclude each other."""

    drafts: t.Dict[str, Draft]
    warnings: t.List[str]


class _Choice(t.NamedTuple):
    """kept: by architecture, packages of the worlds; selected: (architecture, package) of what was asked for."""

    kept: t.Dict[str, t.List[t.Any]]  # no NamedTuple is generic before Python 3.11
    selected: t.List[t.Tuple[str, Package]]
    warnings: t.List[str]


def world_of(of_set: Set, form: str) -> t.List[Source]:
    """The sources that decide what a rebuilt source of this format holds; none if nothing of the format is rebuilt."""
    sources = [source for source in of_set.sources if source.format == form]
    return sources if any(source.mode == "rebuilt" for source in sources) else []


def basis(of_set: Set, sources: t.Sequence[Source], identities: t.Mapping[str, str]) -> str:
    """A digest of all that decides what the rebuilt among the sources hold. identities: of the upstreams' snapshots."""
    told = [of_set.recommends, of_set.prove, of_set.valid_days, of_set.signing.keys]
    asked = [[source.name, source.mode, source.order, source.select, identities[source.name]] for source in sources]
    return hashlib.sha256(json.dumps([told, asked]).encode()).hexdigest()


def rebuild(of_set: Set, sources: t.Sequence[Source], upstreams: Upstreams, store: Store) -> Rebuilt:
    """Draft every rebuilt one of the sources, which are all of the set in one format.

    Raises Failure for a selected name nobody has, and where the set demands proof for what a solver cannot install.
    """
    return (_debs if sources[0].format == "deb" else _rpms)(of_set, sources, upstreams, store)


def again(source: Source, manifest: Manifest, store: Store) -> None:
    """Bring the indices of one rebuilt source into the store again, from what its manifest says it was made of and held."""
    snapshot = reread.kept(store, source, manifest.upstream)
    sums = {entry.wanted.sha256 for entry in manifest.entries}
    if source.format == "deb":
        suites = deb_rebuild.suites(source, snapshot)
        worlds = deb_rebuild.worlds(suites, store)
        kept = {name: [one for one in world.packages if one.field("SHA256") in sums] for name, world in worlds.items()}
        deb_rebuild.draft(source, suites, kept, store, 0, snapshot.dated)
    else:
        rpm_draft.draft(rpm_draft.contents(source, snapshot), sums, store)


def _debs(of_set: Set, sources: t.Sequence[Source], upstreams: Upstreams, store: Store) -> Rebuilt:
    suites = {source.name: deb_rebuild.suites(source, upstreams[source.name]) for source in sources}
    together = [suite for source in sources for suite in suites[source.name]]
    choice = _choose(of_set, sources, deb_rebuild.worlds(together, store))
    valid_for = int(of_set.valid_days * 86400)
    drafts = {
        source.name: deb_rebuild.draft(source, suites[source.name], choice.kept, store, valid_for, upstreams[source.name].dated)
        for source in sources if source.mode == "rebuilt"
    }
    if of_set.prove:
        for architecture, selected in _by_architecture(choice.selected):
            judge.require_installable("deb", architecture, _deb_indices(together, choice.kept[architecture], architecture, store), selected, of_set.name)
    return Rebuilt(drafts, choice.warnings)


def _deb_indices(suites: t.Sequence[deb_rebuild.Suite], kept: t.Sequence[DebPackage], architecture: str, store: Store) -> t.Iterator[judge.Index]:
    for suite in suites:
        name = suite.repository.name
        if suite.source.mode == "rebuilt":
            yield judge.Index(name, [one.stanza[1:].encode("latin-1") + b"\n" for one in kept if one.repository.name == name])
        else:
            for index in suite.indices:
                if index.kind == "packages" and suite.serves(index, architecture):
                    yield judge.Index(name, suite.slices(index, store))


def _rpms(of_set: Set, sources: t.Sequence[Source], upstreams: Upstreams, store: Store) -> Rebuilt:
    contents = {source.name: rpm_draft.contents(source, upstreams[source.name]) for source in sources}
    choice = _choose(of_set, sources, rpm_draft.worlds(list(contents.values()), store))
    drafts = {}
    for source in sources:
        if source.mode == "rebuilt":
            packages = [one for kept in choice.kept.values() for one in kept if one.repository.name == source.name]
            drafts[source.name] = rpm_draft.draft(contents[source.name], {one.checksum for one in packages}, store)
    if of_set.prove:
        for architecture, selected in _by_architecture(choice.selected):
            judge.require_installable("rpm", architecture, _rpm_indices(contents, drafts, store), selected, of_set.name)
    return Rebuilt(drafts, choice.warnings)


def _rpm_indices(contents: t.Mapping[str, rpm_draft.Contents], drafts: t.Mapping[str, Draft], store: Store) -> t.Iterator[judge.Index]:
    for name, one in contents.items():
        offered = t.cast("rpm_draft.Head", drafts[name].heads[0]).metadata(store) if name in drafts else one.metadata(store)
        given = {metadata.kind: metadata.slices for metadata in offered}
        yield judge.Index(name, given["primary"](), given["filelists"]() if "filelists" in given else None)


def _choose(of_set: Set, sources: t.Sequence[Source], worlds: t.Mapping[str, World[P]]) -> _Choice:
    """What the rebuilt sources are to hold."""
    rebuilt = [source for source in sources if source.mode == "rebuilt"]
    refuses = {source.name: excluded(source.select) for source in rebuilt}

    def refused(package: Package) -> bool:
        name = _source_of(package)
        return name in refuses and refuses[name](package)

    for source in rebuilt:
        require_names(source.select, (one for world in worlds.values() for one in world.packages if _is_of(source.name, one)))
    choice = _Choice({}, [], [])
    unresolved: t.List[Unresolved] = []
    unproven: t.List[Package] = []
    for architecture, world in worlds.items():
        selected = [one for source in rebuilt for one in select(source.select, world, functools.partial(_is_of, source.name))]
        closure = close(world, selected, of_set.recommends, refused)
        choice.kept[architecture] = closure.packages
        choice.selected.extend((architecture, one) for one in selected)
        unresolved += closure.unresolved
        unproven += closure.unproven
    choice.warnings.extend(_few([str(one) for one in unresolved]))
    if not of_set.prove:
        choice.warnings.extend(_few([f"{one} may not be installable, others exclude it: prove: true lets a solver tell" for one in unproven]))
    return choice


def _source_of(package: Package) -> str:
    """The name of the source a package comes from: a repository is called after it, and its suite if it has any."""
    return package.repository.name.partition("/")[0]


def _is_of(name: str, package: Package) -> bool:
    return _source_of(package) == name


def _few(texts: t.Sequence[str]) -> t.List[str]:
    texts = list(dict.fromkeys(texts))
    return [*texts[:_TOLD], *([f"and {len(texts) - _TOLD} more"] if len(texts) > _TOLD else [])]


def _by_architecture(selected: t.Sequence[t.Tuple[str, Package]]) -> t.Iterator[t.Tuple[str, t.List[Build]]]:
    for architecture, group in itertools.groupby(selected, key=lambda pair: pair[0]):
        yield architecture, [Build(one.name, one.version, one.architecture, one.repository.name) for _architecture, one in group]
