# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""A source's metadata after it was cut down to some of its packages, and before it is signed."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._mirror.accepted import Built
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Document, Entry, Wanted

if t.TYPE_CHECKING:
    from ansible_collections.egi.cmd.plugins.module_utils._archive.signing import Keyring

Held = t.Mapping[str, bytes]  # path -> content of the documents that are published now


class Head(t.Protocol):
    """What is to be signed: one suite's Release, or a repository's repomd.xml."""

    @property
    def key(self) -> str:
        """The suite, empty for a repository."""

    @property
    def documents(self) -> t.Tuple[str, ...]:
        """Paths of its documents, the one first that readers ask for first."""

    @property
    def signed(self) -> t.Tuple[str, str]:
        """Paths of the text and of the detached signature beside it."""

    def good(self, held: Held, now: int) -> bool:
        """Whether what is published says the same and lasts. now: unix time."""

    def sign(self, held: Held, now: int, keyring: Keyring, keys: t.Sequence[str]) -> t.List[Document]:
        """The documents, signed by keys, in the order of ``documents``."""


class Draft(t.NamedTuple):
    """large: the metadata the heads name, in the store already; dated: what the upstream says of its own, unix time."""

    heads: t.Sequence[Head]
    large: t.List[Wanted]
    entries: t.List[Entry]
    dated: int


class Work(t.NamedTuple):
    """What there is to do, and to remember. drafts: what has to be signed, by source. kept: metadata in the store of each
    upstream that was read and is not published. built: of each rebuilt source that was looked at; what is signed later
    has no identity yet. warnings: what could not be resolved, now or when it was looked at last."""

    drafts: t.Dict[str, Draft]
    kept: t.Dict[str, t.Tuple[Wanted, ...]]
    built: t.Dict[str, Built]
    warnings: t.List[str]
