# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Earlier indices: kept for readers who fetched the pointer file before a change and the indices after it."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive.declaration import GENERATIONS

Generation = t.Dict[str, t.List[str]]


def after(known: t.List[Generation], index: t.Iterable[str], pool: t.Iterable[str]) -> t.List[Generation]:
    """The generations once these index and package files are published, newest first. The same index is no new one."""
    newest = {"index": sorted(index), "pool": sorted(pool)}
    if known and known[0]["index"] == newest["index"]:
        return [newest, *known[1:]]
    return [newest, *known][: GENERATIONS + 1]


def files(generations: t.Iterable[Generation], what: str) -> t.Set[str]:
    """All files of one kind, "index" or "pool", that some generation names."""
    return {path for generation in generations for path in generation[what]}
