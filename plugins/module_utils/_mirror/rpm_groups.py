# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""comps.xml with some packages only: groups, and the environments, categories and language packs made of them."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_filter import Element, Filter

_NAMES = ("packagereq", "group", "groupid", "category", "environment", "match")


class Groups:
    """Keeps groups that list a kept package, and of everything else what still leads to one. kept: how many."""

    def __init__(self, what: str, packages: t.Collection[str], gone: t.Collection[str]) -> None:
        """packages: the names kept; gone: those the upstream has and of which nothing was kept. Other names, and groups
        that are not in this file, belong to another repository: they stay. what: names the file in the Failure."""
        self.kept = 0
        self._what, self._packages, self._gone = what, packages, gone
        self._here = False  # whether what is read, a group or something made of groups, leads to a kept package
        self._groups: t.Dict[str, bool] = {}  # id -> whether it is kept

    def copy(self, slices: t.Callable[[], t.Iterable[bytes]]) -> t.Iterator[bytes]:
        """The document. slices: begins reading it anew; it is read twice, because an environment may stand before its groups."""
        for _slice in self._filter().copy(slices()):
            pass
        document = self._filter()
        yield from document.copy(slices())
        self.kept = document.kept

    def _filter(self) -> Filter:
        return Filter(self._what, _NAMES, self._keep, doctype=True)

    def _keep(self, element: Element) -> bool:
        if element.name == "packagereq":
            self._here = self._here or element.text in self._packages
            return element.text not in self._gone
        if element.name == "match":  # <langpacks>: to a package the one that holds its translations
            return element.attributes.get("name", "") in self._packages
        if element.name == "groupid":
            self._here = self._here or self._groups.get(element.text, False)
            return self._groups.get(element.text, True)
        kept, self._here = self._here, False
        if element.name == "group":
            self._groups[element.children.get("id", "")] = kept
        return kept
