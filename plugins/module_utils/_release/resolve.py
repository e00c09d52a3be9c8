# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A manifest and one host's facts in, the resolved repository set of docs/architecture.md out."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import facts as host_facts
from ansible_collections.egi.cmd.plugins.module_utils._release import layout
from ansible_collections.egi.cmd.plugins.module_utils._release.extra import checked_extras, checked_keys, hold_excludes
from ansible_collections.egi.cmd.plugins.module_utils._release.kinds import BANDS, KINDS, OPT_IN_KINDS, band_of

_SNAPSHOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\Z")
_PASSED_ON = ("proxy", "client_certificate", "client_key", "ca_certificate", "excludes")

Manifest = t.Mapping[str, t.Any]
Repository = t.Dict[str, t.Any]


class Wishes(t.NamedTuple):
    """What a site asks for beyond the manifest; None and empty mean: as the manifest says."""

    opt_in: t.Any = None
    snapshot: t.Any = None
    kinds: t.Any = None
    extra: t.Any = None
    keys: t.Any = None
    platform: t.Any = None
    holds: t.Any = None


_NO_WISHES = Wishes()


def resolve(manifest: Manifest, facts: t.Any, wishes: Wishes = _NO_WISHES) -> t.Dict[str, t.Any]:
    """Return release, platform, format, architecture and repositories, the strongest band first.

    manifest: a checked manifest (manifest.check). facts: the host's ansible_facts. Repositories that have to be opted
    in are part of the set with ``opt_in: false``, so that one wish changes one word and not the shape.
    Raises Failure.
    """
    action = f"resolve release {manifest['name']}"
    host = host_facts.host_from(facts, action)
    platform = _platform(manifest, host, wishes.platform, action)
    chosen = manifest["platforms"][platform]
    action += f" for platform {platform}"
    architecture = host_facts.architecture_of(chosen, host, action)
    described = layout.layout_for(manifest, platform)
    if wishes.keys:
        described["keys"] = checked_keys(wishes.keys, action)
        described["unknown"].pop("keys", None)
    _refuse_unknown(described, chosen["format"], action)
    kinds = _kinds(described["kinds"], wishes.kinds, "kinds", action)
    optional = [kind for kind in described["kinds"] if kind in OPT_IN_KINDS]
    opted_in = _kinds(optional, wishes.opt_in, "opt_in", action) if wishes.opt_in else []
    where = _location(described, chosen["format"], wishes.snapshot, action)
    values = {**layout.release_values(manifest, platform), "snapshot": where.snapshot}
    overlay = [
        _repository(manifest, described, chosen["format"], kind, kind in opted_in, where.field, values) for kind in kinds
    ]
    extras = checked_extras(wishes.extra, chosen["format"], {entry["name"] for entry in overlay}, action)
    hidden = hold_excludes(wishes.holds, platform, action)
    for entry in extras if hidden and chosen["format"] == "rpm" else ():
        if entry.get("band") == "distribution":
            entry["excludes"] = [*entry.get("excludes", ()), *hidden]
    return {
        "release": manifest["name"],
        "platform": platform,
        "format": chosen["format"],
        "architecture": architecture,
        "repositories": sorted(overlay + extras, key=_strength),
    }


def repository_name(release: str, kind: str) -> str:
    """Return the name of a release's repository; dots become hyphens (apt ignores files with dots in their names)."""
    return f"{release}-{kind}".replace(".", "-")


def _platform(manifest: Manifest, host: host_facts.Host, named: t.Any, action: str) -> str:
    if named is None:
        return host_facts.platform_of(manifest, host, action)
    if named not in manifest["platforms"]:
        raise Failure(action, f"there is no platform '{named}'", f"It has {', '.join(manifest['platforms'])}")
    return str(named)


def _refuse_unknown(described: Manifest, family: str, action: str) -> None:
    for field in layout.NEEDED[family]:
        if field in described["unknown"] and layout.lacks(described, field):
            remedy = (
                "Ask the distributor for the fingerprint, verify it, and pass keys=[{'fingerprint': ..., 'url': ...}]"
                if field == "keys" else
                f"Find it out and set {family}.{field} in the manifest, for example with"
                f" combine({{'{family}': {{'{field}': ...}}}}, recursive=true)"
            )
            raise Failure(action, f"the manifest says that {family}.{field} is unknown: {described['unknown'][field]}", remedy)


def _kinds(present: t.Sequence[str], asked: t.Any, argument: str, action: str) -> t.List[str]:
    """Return the present kinds somebody asked for (all when nobody asked), in the order of KINDS."""
    if not asked:
        return sorted(present, key=KINDS.index)
    words = layout.as_list(asked)
    for word in words:
        if word not in present:
            can = ", ".join(present) or "nothing"
            raise Failure(action, f"{argument} names '{word}', which is not among {can}", f"Correct {argument}")
    return sorted(set(words), key=KINDS.index)


class _Location(t.NamedTuple):
    field: str
    snapshot: str


def _location(described: Manifest, family: str, snapshot: t.Any, action: str) -> _Location:
    """Return the field that holds the place, frozen or moving, and the snapshot's name.

    A target file (<release>.target.txt) says snapshots/<name>; that form is understood as well.
    """
    field = layout.LOCATION[family]
    if not snapshot:
        return _Location(field, "")
    name = str(snapshot).strip()
    name = name[len("snapshots/"):] if name.startswith("snapshots/") else name
    if not _SNAPSHOT.match(name):
        raise Failure(action, f"'{snapshot}' is not the name of a snapshot", "Pass it as <release>-<timestamp>")
    field = "snapshot_" + field
    if field not in described:
        raise Failure(action, f"the manifest does not say where snapshots are ({family}.{field})",
                      f"Set {family}.{field} to a URL with {{snapshot}}")
    return _Location(field, name)


def _repository(manifest: Manifest, described: Manifest, family: str, kind: str, opted_in: bool, place: str,
                values: t.Mapping[str, str]) -> Repository:
    title = manifest.get("title") or f"{manifest['distribution']} {manifest['version']}"
    known = {**values, **layout.kind_values(kind, described.get("kind_names", {}))}
    where = [layout.expand(pattern, known) for pattern in layout.as_list(described[place])]
    entry: Repository = {
        "name": repository_name(manifest["name"], kind),
        "kind": kind,
        "description": f"{title} {kind}",
    }
    if family == "deb":
        entry.update(uris=where, suite=layout.expand(described["suite"], known), components=list(described["components"]))
        for field in ("origin", "label"):
            if field in described:
                entry[field] = layout.expand(described[field], known)
    else:
        entry.update(baseurl=where, signed_metadata=described["signed_metadata"])
    entry.update(keys=[dict(key) for key in described["keys"]], enabled=True, opt_in=opted_in)
    entry.update({field: described[field] for field in _PASSED_ON if field in described})
    if kind in described.get("priorities", {}):
        entry["priority"] = described["priorities"][kind]
    return entry


def _strength(entry: Repository) -> t.Tuple[int, int]:
    """Sort key: band, then kind; the sort is stable, so extras of one band stay as they were given, after its kinds."""
    kind = entry.get("kind")
    band = entry.get("band") or band_of(str(kind), entry.get("opt_in", False))
    return BANDS.index(band), KINDS.index(str(kind)) if kind in KINDS and "band" not in entry else len(KINDS)
