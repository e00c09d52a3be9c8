# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Rules of a release manifest that a schema cannot say: fields that belong together, patterns, places."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._release import calendar_rules, layout
from ansible_collections.egi.cmd.plugins.module_utils._release.facts import ARCHITECTURES
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import (
    Problem,
    dotted,
    missing_problem,
    near_miss,
    shown,
    value_problem,
)

_EXPECTED: t.Dict[str, str] = {
    "uri": "a URL or a list of URLs",
    "suite": "a suite pattern",
    "components": "a list of components",
    "origin": "origin, label or both: pins match them besides the suite",
    "baseurl": "a URL or a list of URLs",
    "signed_metadata": "true or false",
    "keys": "a list of keys",
}
"""What to say where a field of layout.NEEDED is missing."""

Manifest = t.Mapping[str, t.Any]


def problems(manifest: Manifest) -> t.List[Problem]:
    """Return what is wrong with a manifest that satisfies the schema, most telling first."""
    found = list(itertools.chain(
        _key_sources(manifest), _required_platforms(manifest), _platforms(manifest), _twins(manifest),
        _patterns(manifest), calendar_rules.problems(manifest),
    ))
    if not found:
        found = list(itertools.chain.from_iterable(_layout(manifest, name) for name in manifest["platforms"]))
    return sorted(set(found))


def _blocks(manifest: Manifest) -> t.Iterator[t.Tuple[t.List[str], str, Manifest]]:
    """Yield path, family and content of every deb and rpm block."""
    for family in ("deb", "rpm"):
        if family in manifest:
            yield [family], family, manifest[family]
        for name, platform in manifest["platforms"].items():
            if family in platform:
                yield ["platforms", name, family], family, platform[family]


def _key_sources(manifest: Manifest) -> t.Iterator[Problem]:
    places: t.List[t.Tuple[t.List[str], Manifest]] = [([], manifest)]
    places += [(path, block) for path, _unused, block in _blocks(manifest)]
    for path, holder in places:
        for index, key in enumerate(holder.get("keys", [])):
            given = [name for name in ("url", "file", "content") if name in key]
            if len(given) != 1:
                yield value_problem(dotted([*path, "keys", index]), "exactly one of url, file and content",
                                    " and ".join(given) or "none")


def _required_platforms(manifest: Manifest) -> t.Iterator[Problem]:
    for index, name in enumerate(manifest.get("platforms_required", [])):
        if name not in manifest["platforms"]:
            known = ", ".join(manifest["platforms"])
            yield value_problem(dotted(["platforms_required", index]), f"one of the platforms {known}",
                                shown(name) + near_miss(name, manifest["platforms"]))


def _platforms(manifest: Manifest) -> t.Iterator[Problem]:
    for name, platform in manifest["platforms"].items():
        path, family = ["platforms", name], platform["format"]
        if "version" not in platform and "codename" not in platform:
            yield missing_problem(dotted([*path, "version"]), "version, codename or both")
        for index, word in enumerate(platform.get("architectures", [])):
            if word not in ARCHITECTURES[family].values():
                right = ARCHITECTURES[family].get(word)
                yield value_problem(dotted([*path, "architectures", index]), f"{family}'s own word for it",
                                    shown(word) + (f" (did you mean '{right}'?)" if right else ""))
        other = "rpm" if family == "deb" else "deb"
        if other in platform:
            yield value_problem(dotted([*path, other]), f"only {family} on a platform of format {family}", shown(other))
        if family not in platform and family not in manifest:
            yield missing_problem(family, f"a map that describes {family} repositories, because platform {name} is one")


def _twins(manifest: Manifest) -> t.Iterator[Problem]:
    """Two platforms that the same host satisfies equally well cannot be told apart."""
    for (one, first), (two, second) in itertools.combinations(manifest["platforms"].items(), 2):
        same = all(first.get(word) == second.get(word) for word in ("version", "codename"))
        kinds = [set(p.get("architectures", ARCHITECTURES[p["format"]].values())) for p in (first, second)]
        if same and set(first["os"]) & set(second["os"]) and kinds[0] & kinds[1]:
            yield value_problem(dotted(["platforms", two]), "an operating system no other platform claims",
                                f"that of platform {one}")


def _patterns(manifest: Manifest) -> t.Iterator[Problem]:
    """Every word between braces must be a placeholder, and {snapshot} belongs into snapshot patterns."""
    for path, family, block in _blocks(manifest):
        for field in layout.PATTERN_FIELDS[family]:
            frozen = field.startswith("snapshot_")
            allowed = [word for word in layout.PLACEHOLDERS if frozen or word != "snapshot"]
            for pattern in layout.as_list(block.get(field, [])):
                words = layout.placeholders(pattern)
                for word in words:
                    if word not in allowed:
                        yield value_problem(dotted([*path, field]),
                                            f"placeholders among {', '.join('{' + name + '}' for name in allowed)}",
                                            f"'{{{word}}}'" + near_miss(word, allowed))
                if frozen and "snapshot" not in words:
                    yield value_problem(dotted([*path, field]), "a pattern with {snapshot}", shown(pattern))


def _layout(manifest: Manifest, platform: str) -> t.Iterator[Problem]:
    """Check the merged layout of one platform: complete, expandable, and a place of its own for every kind."""
    family = manifest["platforms"][platform]["format"]
    described = layout.layout_for(manifest, platform)
    for field in layout.NEEDED[family]:
        if field in described["unknown"] or not layout.lacks(described, field):
            continue
        if field == "keys":  # usually one list for all platforms, so one complaint
            yield missing_problem("keys", _EXPECTED[field])
        else:
            yield missing_problem(f"{family}.{field}", f"{_EXPECTED[field]} (platform {platform})")
    yield from _places(manifest, platform, family, described)


def _places(manifest: Manifest, platform: str, family: str, described: Manifest) -> t.Iterator[Problem]:
    """Expand the places of every kind; the first that cannot be expanded, or is taken already, is a problem."""
    values = layout.release_values(manifest, platform)
    for field in layout.PATTERN_FIELDS[family]:
        words = [word for pattern in layout.as_list(described.get(field, [])) for word in layout.placeholders(pattern)]
        if "codename" in words and "codename" not in values:
            yield missing_problem(f"platforms.{platform}.codename", f"a codename, because {family}.{field} uses it")
            return
    for location in (layout.LOCATION[family], f"snapshot_{layout.LOCATION[family]}"):
        fields = (location, "suite") if family == "deb" else (location,)
        if any(field not in described for field in fields):
            continue
        places: t.Dict[t.Tuple[str, ...], str] = {}
        for kind in described["kinds"]:
            expanded = {**values, **layout.kind_values(kind, described.get("kind_names", {})), "snapshot": "{snapshot}"}
            place = tuple(layout.expand(layout.as_list(described[field])[0], expanded) for field in fields)
            if place in places:
                yield value_problem(f"{family}.{fields[-1]}", f"a place of its own for {kind}",
                                    f"that of {places[place]}: {' '.join(place)} (platform {platform});"
                                    " use {kind} or {suffix}")
                return
            places[place] = kind
