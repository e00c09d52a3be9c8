# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Where a desk's repositories are published: one place for each kind of each platform that the release manifest has."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release import layout

Manifest = t.Mapping[str, t.Any]

EVERYWHERE = ("all", "noarch")  # architectures of packages that suit every host of their format
SOURCES = ("source", "src", "nosrc")
_ARCHITECTURES = {"deb": ("amd64",), "rpm": ("x86_64",)}  # of a platform that states none: what every release so far has


class Place(t.NamedTuple):
    """A suite (deb), or the repository of one architecture (rpm), as readers find it.

    name: the suite; for rpm the directory of the repository. Platforms whose layout gives the same suite share it.
    """

    format: str
    platform: str
    kind: str
    name: str
    architectures: t.Tuple[str, ...]
    component: str = ""
    origin: str = ""
    label: str = ""
    codename: str = ""


def places(manifest: Manifest) -> t.List[Place]:
    """Every place of a release, in the manifest's order. Raises Failure where the manifest does not say enough."""
    return [place for platform in manifest["platforms"] for place in _of_platform(manifest, platform)]


def kinds(manifest: Manifest, platform: str) -> t.List[str]:
    """The kinds of repository a platform has."""
    return list(layout.layout_for(manifest, platform)["kinds"])


def architectures_of(manifest: Manifest, platform: str) -> t.Tuple[str, ...]:
    """The architectures of a platform's hosts, in its format's words."""
    chosen = manifest["platforms"][platform]
    return tuple(chosen.get("architectures") or _ARCHITECTURES[chosen["format"]])


def _of_platform(manifest: Manifest, platform: str) -> t.Iterator[Place]:
    chosen, described = manifest["platforms"][platform], layout.layout_for(manifest, platform)
    architectures = architectures_of(manifest, platform)
    for kind in described["kinds"]:
        values = {**layout.release_values(manifest, platform), **layout.kind_values(kind, described.get("kind_names", {}))}
        if chosen["format"] == "deb":
            yield _suite(manifest, platform, kind, described, values, architectures)
        else:
            for architecture in architectures:
                yield Place("rpm", platform, kind, f"{platform}-{values['kind']}-{architecture}", (architecture,))


def _suite(manifest: Manifest, platform: str, kind: str, described: Manifest, values: t.Mapping[str, str], architectures: t.Tuple[str, ...]) -> Place:
    words = {field: layout.expand(described[field], values) for field in ("suite", "origin", "label", "codename") if field in described}
    if "suite" not in words or not ("origin" in words or "label" in words):
        raise Failure(f"publish release {manifest['name']}", f"the manifest lacks suite, or origin and label, of platform {platform}",
                      "Set deb.suite and deb.origin")
    origin = words.get("origin") or words["label"]
    codename = words.get("codename") or values.get("codename") or manifest["name"]
    return Place("deb", platform, kind, words["suite"], architectures, described["components"][0], origin, words.get("label", origin), codename)
