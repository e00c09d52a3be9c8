# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a description from elsewhere asks of an image, whichever syntax it was in."""

from __future__ import annotations

import typing as t


class Wishes(t.NamedTuple):
    """repositories: (name, URL). post: a shell script, '' for none."""

    packages: t.Tuple[str, ...]
    repositories: t.Tuple[t.Tuple[str, str], ...]
    post: str
