# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The site's own keys: who signs what is rebuilt, and with what a reader verifies it."""

from __future__ import annotations

import contextlib
import tempfile
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import signing
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import trust
from ansible_collections.egi.cmd.plugins.module_utils._mirror.configuration import Signing


@contextlib.contextmanager
def public(told: Signing) -> t.Iterator[str]:
    """Path of a keyring with the public keys: the one that is named, or all keys of the home, for older snapshots are
    signed by older keys."""
    if told.keyring:
        yield told.keyring
        return
    with tempfile.NamedTemporaryFile(prefix="egi-site-keys-") as file:
        with signing.open_home(told.home) as home:
            for key in home.keys():
                file.write(home.export(key.fingerprint, armored=False))
        file.flush()
        yield file.name


@contextlib.contextmanager
def secret(told: Signing, what: str) -> t.Iterator[signing.Keyring]:
    """The home, open, when its keys can sign today. what: is to be signed."""
    if not told.home:
        raise Failure(f"sign {what}", "the set's signing has a keyring and no home", "Give it home and keys, or import bundles here instead of syncing")
    with signing.open_home(told.home) as home:
        home.check(told.keys)
        yield home


def signed_by(told: Signing, keyring: str, text: bytes, signature: bytes) -> bool:
    """Whether text is signed, still validly, by exactly the keys that would sign it now."""
    try:
        return set(trust.detached(text, signature, keyring, "what is published")) == set(told.keys)
    except Failure:
        return False
