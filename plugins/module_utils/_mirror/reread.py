# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""An upstream's metadata read again from this mirror's disk as if that were the upstream: every signature and index is checked.

How old it is does not matter here: what is kept is meant to be old.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import families, site_key, upstream
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Signing
from ansible_collections.egi.cmd.plugins.module_utils._mirror.manifest import Manifest
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Snapshot, Source, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.store import Store
from ansible_collections.egi.cmd.plugins.module_utils._mirror.transport import Answer, Transport, Validators


def published(store: Store, source: Source, top: str, told: Signing) -> Snapshot:
    """What a directory holds that is laid out as readers see it, its large metadata in the store. told: the site's keys,
    which sign what is rebuilt."""
    with contextlib.ExitStack() as stack:
        if source.mode == "rebuilt":
            source = by_site(source, stack.enter_context(site_key.public(told)))
        here = source._replace(urls=(f"file://{top}",), proxy=None)
        transport = stack.enter_context(Transport(here, connections=1, retries=0))
        found = _read(store, here, transport.get)
        if source.installer:
            from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_installer

            return deb_installer.with_images(here, found, store.path, transport.sizes)
        return found


def unvouched(store: Store, source: Source, manifest: Manifest) -> t.List[Wanted]:
    """The packages of a rebuilt source that the upstream's own signature, which is kept beside them, does not cover."""
    known = {entry.wanted for entry in kept(store, source, manifest.upstream).entries}
    return [entry.wanted for entry in manifest.entries if entry.wanted not in known]


def by_site(source: Source, keyring: str) -> Source:
    """A rebuilt source as its readers see it: whole, and signed by the site. keyring: with the site's public keys."""
    return source._replace(mode="verbatim", select=(), keyring=keyring, signed_metadata=True)


def kept(store: Store, source: Source, files: t.Sequence[Wanted]) -> Snapshot:
    """What the store holds of an upstream. files: its metadata, documents included."""
    places = {file.path: file for file in files}

    def get(path: str, validators: t.Optional[Validators] = None, most: int = 0) -> Answer:  # noqa: ARG001  a Transport's
        if path not in places:
            return Answer(404, b"", Validators(), "")
        try:
            with open(store.path(places[path].sha256), "rb") as file:
                return Answer(200, file.read(), Validators(), "")
        except OSError as error:
            raise Failure(f"read {upstream.named(source, path)}", error.strerror or str(error), "Run: cmd-mirror verify --repair") from error

    return _read(store, source, get)


def _read(store: Store, source: Source, get: upstream.Get) -> Snapshot:
    def take(wanted: t.Sequence[Wanted]) -> t.Dict[str, str]:
        return {file.path: store.path(file.sha256) for file in wanted}

    # Only a read that remembers an earlier one can say that nothing changed.
    return t.cast("Snapshot", families.family(source).read(source._replace(freshness="warn"), get, take, None, int(time.time())))
