# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What changed between two drops: images, their digests, and the packages in them. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Json
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_boots import name_of

Versions = t.Dict[str, str]


def between(before: Drop, after: Drop) -> Json:
    """images: those that came, went and changed (name, digests of files before and after); packages: for each image in both,
    those that came, went and changed, with their versions."""
    old, new = ({name_of(image): image for image in drop.images} for drop in (before, after))
    both = [name for name in new if name in old]
    images = [{"name": name, "files": changes} for name in both for changes in [_files(old[name], new[name])] if changes]
    return {
        "from": before.label, "to": after.label, "added": sorted(set(new) - set(old)), "removed": sorted(set(old) - set(new)), "changed": images,
        "packages": {name: changes for name in both for changes in [_packages(old[name], new[name])] if any(changes.values())},
    }


def lines(told: Json) -> t.List[str]:
    """The same for people: + came, - went, ~ changed."""
    found = [f"{told['to']} beside {told['from']}:"]
    found += [f"  + image {name}" for name in told["added"]] + [f"  - image {name}" for name in told["removed"]]
    found += [f"  ~ {file['name']}: {_short(file['before'])} -> {_short(file['after'])}" for image in told["changed"] for file in image["files"]]
    for name, packages in sorted(told["packages"].items()):
        found.append(f"  {name}:")
        found += [f"    + {one['name']} {one['after']}" for one in packages["added"]]
        found += [f"    - {one['name']} {one['before']}" for one in packages["removed"]]
        found += [f"    ~ {one['name']} {one['before']} -> {one['after']}" for one in packages["changed"]]
    return found if len(found) > 1 else [f"{told['to']} is the same as {told['from']}"]


def _files(old: Json, new: Json) -> t.List[Json]:
    before, after = ({file["name"]: file["sha256"] for file in image["files"]} for image in (old, new))
    return [{"name": name, "before": before.get(name), "after": after.get(name)} for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def _packages(old: Json, new: Json) -> Json:
    before, after = _versions(old), _versions(new)
    return {
        "added": [{"name": name, "after": after[name]} for name in sorted(set(after) - set(before))],
        "removed": [{"name": name, "before": before[name]} for name in sorted(set(before) - set(after))],
        "changed": [{"name": name, "before": before[name], "after": after[name]} for name in sorted(set(before) & set(after)) if before[name] != after[name]],
    }


def _versions(image: Json) -> Versions:
    """Package:architecture -> version; kernels and keys are installed in several versions at once."""
    found: t.Dict[str, t.List[str]] = {}
    for package in image["packages"]:
        found.setdefault(f"{package['name']}:{package['architecture']}", []).append(package["version"])
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _short(digest: t.Optional[str]) -> str:
    return digest[:12] if digest else "none"
