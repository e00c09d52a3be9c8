# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Bring a desk before its readers: sign its repositories, make a generation of them all, switch one pointer.

Readers see the repositories of every platform and kind as they were, or all of them as they are to be.
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_repository, rpm_repository
from ansible_collections.egi.cmd.plugins.module_utils._archive.declaration import NOT_AUTOMATIC_KINDS, Declaration, Part
from ansible_collections.egi.cmd.plugins.module_utils._mirror import site_key
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Configuration, Set, Signing
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Source
from ansible_collections.egi.cmd.plugins.module_utils._mirror.retention import Policy
from ansible_collections.egi.cmd.plugins.module_utils._mirror.sync import Mirror
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Desk, Item
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk_directory import DeskDirectory
from ansible_collections.egi.cmd.plugins.module_utils._promotion.place import EVERYWHERE, SOURCES, Manifest, Place, places

_GROUPED = {"deb": deb_repository, "rpm": rpm_repository}


class Publication:
    """How one release is published. manifest: a checked one; mirror_root: what the web server serves."""

    def __init__(self, directory: DeskDirectory, manifest: Manifest, mirror_root: str, signing: Signing) -> None:
        self._directory, self._manifest, self._signing = directory, manifest, signing
        self._places = places(manifest)
        self._repositories = os.path.join(directory.path, "repositories")
        self._root = os.path.normpath(mirror_root)

    def seen(self) -> Desk:
        """The desk as readers see it. Reads only: a change that was cut short counts if the pointer leads to it."""
        pending = self._directory.pending()
        return pending if pending is not None and self._leads_to() == pending.generation else self._directory.load()

    def heal(self) -> bool:
        """Bring a change that was cut short to its end: the pointer says whether readers have seen it. Returns whether
        there was one."""
        pending = self._directory.pending()
        if pending is None:
            return False
        self._directory.settle(self._leads_to() == pending.generation)
        return True

    def commit(self, before: Desk, after: Desk) -> Desk:
        """Make after the desk; readers get a new generation if what stands in the repositories is not the same."""
        if before.generation and self.content(before) == self.content(after):
            if after != before:
                self._directory.save(after)
            return after
        return self.publish(after)

    def publish(self, desk: Desk) -> Desk:
        """Let readers see a desk, and make it the desk; returns it with its generation. Raises Failure with nothing
        changed that a reader or the next run sees."""
        self._sign(desk)
        with site_key.public(self._signing) as keyring:
            mirror = Mirror(self._configuration(keyring))
            with mirror.locked():
                outcome = mirror.sync(mirror.configuration.sets[desk.release])
                published = desk._replace(generation=outcome.generation)
                self._directory.announce(published)
                mirror.pointers.publish(desk.release, outcome.generation)
        self._directory.settle(True)
        return published

    def content(self, desk: Desk) -> t.Dict[Place, t.List[Item]]:
        """What each place holds of a desk."""
        return {place: [item for item in desk.items(place.kind, place.platform) if _belongs(item, place)] for place in self._places}

    def _leads_to(self) -> str:
        try:
            return os.path.basename(os.readlink(os.path.join(self._root, self._manifest["name"])))
        except OSError:
            return ""

    def _sign(self, desk: Desk) -> None:
        content = self.content(desk)
        top = self._directory.lay_out({_directory_of(place): items for place, items in content.items()})
        for form, repository in _GROUPED.items():
            chosen = [place for place in self._places if place.format == form]
            if chosen:
                repository.publish(self._declaration(form, chosen, top), int(time.time()), False)

    def _declaration(self, form: str, chosen: t.Sequence[Place], top: str) -> Declaration:
        parts: t.Dict[str, Part] = {}
        for place in chosen:
            sources = [os.path.join(top, _directory_of(place))]
            shared = parts.get(place.name)
            if shared:
                sources += shared.components[place.component]
            architectures = dict.fromkeys([*(shared.architectures if shared else ()), *place.architectures])
            parts[place.name] = Part(
                place.name, True, {place.component: sources}, tuple(architectures), codename=place.codename, label=place.label,
                not_automatic=place.kind in NOT_AUTOMATIC_KINDS,
            )
        name = self._manifest["name"].replace(".", "-")
        root = os.path.join(self._repositories, form)
        return Declaration(root, chosen[0].origin, self._signing.home, self._signing.keys, name, False, True, tuple(parts.values()))

    def _configuration(self, keyring: str) -> Configuration:
        """The mirror that shows the signed repositories."""
        debs = [place for place in self._places if place.format == "deb"]
        sources = [Source("deb", "deb", (f"file://{self._repositories}/deb",), keyring, tuple(dict.fromkeys(place.name for place in debs)),
                          sources=True, contents=True)] if debs else []
        sources += [Source(place.name, "rpm", (f"file://{self._repositories}/rpm/{place.name}",), keyring) for place in self._places if place.format == "rpm"]
        release = self._manifest["name"]
        return Configuration(self._root, {release: Set(release, tuple(sources), False, Policy())})


def _directory_of(place: Place) -> str:
    return f"{place.format}-{place.platform}-{place.kind}-{'-'.join(place.architectures)}"


def _belongs(item: Item, place: Place) -> bool:
    """Whether an item of the place's platform and kind goes there: of several architectures each has its own rpm repository."""
    everywhere = item.architecture in EVERYWHERE + SOURCES
    return item.format == place.format and (place.format == "deb" or everywhere or item.architecture in place.architectures)
