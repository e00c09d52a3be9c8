# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Layouts of repositories: patterns with placeholders, filled in for one kind and read back from a name."""

from __future__ import annotations

import re
import typing as t

PLACEHOLDERS: t.Tuple[str, ...] = (
    "release", "distribution", "version", "platform", "codename", "kind", "suffix", "snapshot",
)
PATTERN_FIELDS: t.Dict[str, t.Tuple[str, ...]] = {
    "deb": ("uri", "suite", "origin", "label", "codename", "snapshot_uri"),
    "rpm": ("baseurl", "snapshot_baseurl"),
}
NEEDED: t.Dict[str, t.Tuple[str, ...]] = {
    "deb": ("uri", "suite", "components", "origin", "keys"),
    "rpm": ("baseurl", "signed_metadata", "keys"),
}
"""Fields without which no repository can be described; origin stands for origin, label or both."""

LOCATION: t.Dict[str, str] = {"deb": "uri", "rpm": "baseurl"}
"""The field that holds the place of the repositories; its frozen twin is ``snapshot_<field>``."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def placeholders(pattern: str) -> t.List[str]:
    """Return the words between braces, in order; a brace without its partner counts as the word it spoils."""
    words = _PLACEHOLDER.findall(pattern)
    rest = _PLACEHOLDER.sub("", pattern)
    return words + [brace for brace in rest if brace in "{}"]


def expand(pattern: str, values: t.Mapping[str, str]) -> str:
    """Fill in every placeholder. Raises KeyError naming the first one that values does not have."""
    return _PLACEHOLDER.sub(lambda found: values[found.group(1)], pattern)


def kind_word(kind: str, kind_names: t.Mapping[str, str]) -> str:
    """Return the word the layout uses for a kind: base may be ``os``, proposed may be ``cr`` or ``testing``."""
    return kind_names.get(kind, kind)


def kind_values(kind: str, kind_names: t.Mapping[str, str]) -> t.Dict[str, str]:
    """Return {kind} and {suffix}: the suffix of base is empty (mos7.0), of the others a hyphen and the word."""
    word = kind_word(kind, kind_names)
    return {"kind": word, "suffix": "" if kind == "base" else "-" + word}


def release_values(manifest: t.Mapping[str, t.Any], platform: str) -> t.Dict[str, str]:
    """Return the placeholders that are the same for every repository of one platform.

    {codename} is absent where the platform states none.
    """
    values = {
        "release": manifest["name"],
        "distribution": manifest["distribution"],
        "version": manifest["version"],
        "platform": platform,
    }
    codename = manifest["platforms"][platform].get("codename")
    if codename:
        values["codename"] = codename
    return values


def layout_for(manifest: t.Mapping[str, t.Any], platform: str) -> t.Dict[str, t.Any]:
    """Return the layout of one platform: the manifest's deb or rpm block with the platform's own words laid over it.

    A field the platform states replaces the whole field; a fact it states is no longer unknown. ``kinds`` and
    ``keys`` fall back to those of the release.
    """
    chosen = manifest["platforms"][platform]
    merged: t.Dict[str, t.Any] = {name: manifest[name] for name in ("kinds", "keys") if name in manifest}
    unknown: t.Dict[str, str] = {}
    for block in (manifest.get(chosen["format"], {}), chosen.get(chosen["format"], {})):
        stated = {name: value for name, value in block.items() if name != "unknown"}
        for name in block.get("unknown", {}):
            merged.pop(name, None)
        unknown.update(block.get("unknown", {}))
        for name in stated:
            unknown.pop(name, None)
        merged.update(stated)
    merged["unknown"] = unknown
    return merged


def lacks(described: t.Mapping[str, t.Any], field: str) -> bool:
    """Return whether a merged layout has no value for a field of NEEDED."""
    return field not in described and not (field == "origin" and "label" in described)


def as_list(value: t.Any) -> t.List[t.Any]:
    """Return a field that may be one word or a list of words as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def recognise(pattern: str, text: str, values: t.Mapping[str, str], kinds: t.Iterable[str],
              kind_names: t.Mapping[str, str]) -> t.Optional[str]:
    """Return the kind whose expansion of pattern is text, or None: the reverse of expand for one release."""
    for kind in kinds:
        if expand(pattern, {**values, **kind_values(kind, kind_names)}) == text:
            return kind
    return None
