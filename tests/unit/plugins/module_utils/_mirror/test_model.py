# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one check of untrusted paths: the short way ordinary ones take lets nothing through that the long one would not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import inside

PARTS = st.one_of(st.sampled_from(["", ".", "..", "...", "a", ".a", "a.", "a..b", "~", "-", "a b", "a\\b", "a\nb", "\x7f", "é", "\ud800"]),
                  st.text(max_size=6), st.integers(198, 258).map(lambda count: "x" * count), st.integers(120, 130).map(lambda count: "é" * count))


@given(st.lists(PARTS, min_size=1, max_size=8).map("/".join))
@example("a/" * 511 + "aa")
@example("a/" * 512 + "a")
def test_a_path_is_taken_if_it_stays_where_it_is_put(path: str) -> None:
    good = (
        "\\" not in path
        and not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in path)
        and len(path.encode("utf-8", "replace")) <= 1024
        and all(part not in ("", ".", "..") and len(part.encode("utf-8", "replace")) <= 255 for part in path.split("/"))
    )
    if good:
        assert inside(path) == path
    else:
        with pytest.raises(Failure, match="accept path"):
            inside(path)
