# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle's documents and its tar form under any input: what was written comes back, everything else is a refusal."""

from __future__ import annotations

import hashlib
import io
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import bundle as bundles
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle import Bundle, Carried, Files, Inventory, path_of
from ansible_collections.egi.cmd.plugins.module_utils._mirror.bundle_medium import TarStream, tar_header
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Part

DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NUMBERS = st.integers(0, 1 << 61)
TEXTS = st.text(max_size=20)
PARTS = st.builds(Part, TEXTS, TEXTS, TEXTS, TEXTS, NUMBERS, st.just(""), NUMBERS, NUMBERS)
FILES = st.dictionaries(DIGESTS, NUMBERS, max_size=5)
MOMENTS = st.dictionaries(st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5}){0,3}", fullmatch=True), NUMBERS, max_size=3)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5)


@st.composite
def some_bundle(draw: t.Callable[[t.Any], t.Any]) -> Bundle:
    metadata: Files = draw(st.dictionaries(DIGESTS, NUMBERS, min_size=1, max_size=5))
    carried = st.builds(Carried, PARTS, st.sampled_from(sorted(metadata)), MOMENTS)
    sources = draw(st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True), carried, max_size=3))
    return Bundle("set", "set-2026-01-01-000000", draw(NUMBERS), tuple(draw(st.lists(TEXTS, max_size=2))), sources, metadata, draw(FILES))


def archive(contents: t.Mapping[str, bytes]) -> bytes:
    return b"".join(tar_header(path, len(data)) + data + bytes(-len(data) % 512) for path, data in contents.items()) + bytes(1024)


@given(some_bundle())
def test_a_document_comes_back(bundle: Bundle) -> None:
    assert bundles.parse(bundles.encode(bundle)) == bundle


@given(st.lists(TEXTS), st.frozensets(DIGESTS))
def test_an_inventory_comes_back(generations: t.List[str], files: t.FrozenSet[str]) -> None:
    inventory = Inventory(tuple(generations), files)
    assert bundles.parse_inventory(bundles.encode_inventory(inventory), "x") == inventory


@given(some_bundle(), st.data(), JSON)
def test_a_wrong_value_anywhere_is_a_refusal_or_a_bundle(bundle: Bundle, data: st.DataObject, value: t.Any) -> None:
    top = json.loads(bundles.encode(bundle))
    at = top
    key = data.draw(st.sampled_from(sorted(at)))
    while isinstance(at[key], dict) and at[key] and data.draw(st.booleans()):
        at = at[key]
        key = data.draw(st.sampled_from(sorted(at)))
    at[key] = value
    try:
        changed = bundles.parse(json.dumps(top).encode())
    except Failure:
        return
    assert bundles.parse(bundles.encode(changed)) == changed


@given(st.binary(max_size=200))
def test_any_bytes_are_a_refusal(data: bytes) -> None:
    with pytest.raises(Failure):
        bundles.parse(data)


@given(st.lists(st.binary(max_size=1500), max_size=4), st.data())
def test_a_damaged_stream_never_passes_for_another(contents: t.List[bytes], data: st.DataObject) -> None:
    """A flipped byte is in padding or a field nobody reads, or it is refused, or it changes what a SHA-256 finds."""
    files = {hashlib.sha256(content).hexdigest(): content for content in contents}
    whole = archive({"bundle.json": b"{}", "bundle.json.asc": b"s", **{path_of(sha256): content for sha256, content in files.items()}})
    position = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:position] + bytes([whole[position] ^ data.draw(st.integers(1, 255))]) + whole[position + 1:]
    for stream in (damaged, whole[:position]):
        reader = TarStream(io.BytesIO(stream), "x")
        try:
            head = reader.head()
            found = {sha256: b"".join(chunks) for sha256, chunks in reader.contents({sha256: len(content) for sha256, content in files.items()})}
        except Failure:
            continue
        if stream is not damaged:
            # Cut within the second of the two empty blocks that end an archive: nothing is lost.
            assert position >= len(whole) - 512
        assert head[0] != b"{}" or head[1] != b"s" or found.keys() == files.keys()
        assert sum(found[sha256] != files[sha256] for sha256 in files) + (head != (b"{}", b"s")) <= 1
