# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The one exception of the collection, and how secrets are kept out of what it says."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/@\s]+@")


def masked(text: str) -> str:
    """Return text with the user part of every URL replaced by ``***`` (RFC 3986, section 3.2.1)."""
    return _USERINFO.sub(r"\g<scheme>***@", text)


class Failure(Exception):
    """A refusal a person can act on: ``Failed to <action>: <why>. <remedy>.``

    action: verb and object, for example ``prove repository 'cmd-os-1-updates'``.
    why: the reason, lower case, without a final full stop.
    remedy: what the reader does next, a sentence; empty only when nothing can be done.
    """

    def __init__(self, action: str, why: str, remedy: str = "") -> None:
        self.action = masked(action)
        self.why = masked(why).rstrip(". \n")
        self.remedy = masked(remedy).rstrip(". \n")
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"Failed to {self.action}: {self.why}."
        return f"{text} {self.remedy}." if self.remedy else text
