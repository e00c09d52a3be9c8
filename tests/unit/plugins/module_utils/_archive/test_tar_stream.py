# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forward reader sees what Python's own tar reader sees."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._archive import tar_stream
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._archive import packages

_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F, blacklist_characters="/\x7f"), min_size=1, max_size=180)


@settings(deadline=None)  # a busy machine is no failure
@given(st.dictionaries(_NAMES, st.binary(max_size=1500), max_size=6), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_names_and_contents_are_those_of_tarfile(files: dict, form: int) -> None:
    """Long names, other alphabets, empty files, both formats dpkg can read."""
    raw = packages.tar({f"./d/{name}": data for name, data in files.items()}, "none", form)
    seen = {entry.name: entry.read() for entry in tar_stream.entries(io.BytesIO(raw))}
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        assert seen == {member.name: archive.extractfile(member).read() for member in archive}


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(min_size=512, max_size=2048))
def test_junk_is_refused(junk: bytes) -> None:
    """Whatever it is, it is no archive and no crash."""
    with pytest.raises((ValueError, EOFError)):
        list(tar_stream.entries(io.BytesIO(b"x" + junk)))


def test_an_archive_that_ends_early_is_refused() -> None:
    """In the middle of a file, and before the end marker."""
    raw = packages.tar({"./a": bytes(2000)}, "none")
    for end in (700, 512 + 2048):
        with pytest.raises(EOFError):
            list(tar_stream.entries(io.BytesIO(raw[:end])))
