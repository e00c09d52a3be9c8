# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What kickstart and TDL files say of an image, added to its definition."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import kickstart, tdl

Data = t.Mapping[str, t.Any]

_LARGEST = 1 << 20


def merged(definition: Data, kickstart_path: t.Optional[str], tdl_path: t.Optional[str], repository_keys: Data) -> t.Dict[str, t.Any]:
    """Return a definition with what a file adds. repository_keys: name of a repository -> its keys. Raises Failure."""
    if kickstart_path:
        wishes = kickstart.read(_text(kickstart_path), kickstart_path)
    elif tdl_path:
        wishes = tdl.read(_text(tdl_path), tdl_path)
    else:
        return dict(definition)
    path = kickstart_path or tdl_path or ""
    if definition.get("post") and wishes.post:
        raise Failure(f"use {path}", "it has a script, and the definition has post", "Leave one of them out")
    result: t.Dict[str, t.Any] = {**definition}
    result["packages"] = sorted({*(definition.get("packages") or ()), *wishes.packages})
    result["post"] = definition.get("post") or wishes.post
    if wishes.repositories:
        base = dict(definition.get("base") or {})
        entries = [_entry(name, url, repository_keys, path) for name, url in wishes.repositories]
        result["base"] = {**base, "repositories": [*(base.get("repositories") or ()), *entries]}
    return result


def _entry(name: str, url: str, keys: Data, path: str) -> t.Dict[str, t.Any]:
    if not keys.get(name):
        raise Failure(f"use repository '{name}' of {path}", "nobody said which keys may sign it", f"Give repository_keys for '{name}'")
    return {"name": name, "baseurl": [url], "keys": keys[name]}


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            text = handle.read(_LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"read {path}", getattr(error, "strerror", None) or "it is not UTF-8 text", "Name a file on the build host") from error
    if len(text) > _LARGEST:
        raise Failure(f"read {path}", "it is larger than 1 MiB", "Name the right file")
    return text
