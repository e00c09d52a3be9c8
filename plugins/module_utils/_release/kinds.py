# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Kinds of repository and the band of precedence each belongs to (docs/architecture.md); no numbers here."""

from __future__ import annotations

import typing as t

BANDS: t.Tuple[str, ...] = ("developer", "holdback", "overlay", "distribution", "proposed")
"""Bands of precedence, the strongest first."""

_BAND_OF: t.Dict[str, str] = {
    "developer": "developer",
    "holdback": "holdback",
    "base": "overlay",
    "updates": "overlay",
    "security": "overlay",
    "proposed": "proposed",
    "candidate": "proposed",
    "untested": "proposed",
    "contrib": "proposed",
}

KINDS: t.Tuple[str, ...] = tuple(_BAND_OF)
"""Every kind of repository, in the order a resolved set lists them."""

OPT_IN_KINDS: t.FrozenSet[str] = frozenset(kind for kind, band in _BAND_OF.items() if band == "proposed")
"""Kinds that stand below the operating system until somebody asks for them by name."""


def band_of(kind: str, opt_in: bool = False) -> str:
    """Return the band of a kind; an opted-in proposed (or candidate ...) repository joins the overlay's own band.

    Raises KeyError for a word that is not in KINDS.
    """
    band = _BAND_OF[kind]
    return "overlay" if opt_in and kind in OPT_IN_KINDS else band
