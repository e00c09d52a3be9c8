# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages and Sources: what is read quickly is what is read line by line, and what lies is refused."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._archive import deb_index
from ansible_collections.egi.cmd.plugins.module_utils._archive.deb_package import DebPackage
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_slicer
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry, Wanted
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives

GOOD = archives.stanza("alpha", b"one")
ALPHA = Entry(Wanted("pool/main/a/alpha/alpha_1.0-1_all.deb", 3, archives.digest(b"one")), "alpha", "1.0-1", "all")


def _packages(text: str, size: int = 1 << 18) -> t.List[Entry]:
    data = text.encode()
    return list(deb_slicer.packages((data[start:start + size] for start in range(0, len(data), size)), "Packages"))


@given(st.lists(st.sampled_from(["alpha", "beta-2", "g++", "lib.d"]), max_size=30), st.integers(1, 700), st.sampled_from(["", "\n", "\n\n\n"]))
def test_slices_of_any_size_give_every_package(names: t.List[str], size: int, end: str) -> None:
    text = "\n".join(archives.stanza(name, str(number).encode(), version=f"{number}:1~x+y-1") for number, name in enumerate(names))
    found = _packages(text + end, size)
    assert [(entry.package, entry.version, entry.wanted.sha256) for entry in found] == [
        (name, f"{number}:1~x+y-1", archives.digest(str(number).encode())) for number, name in enumerate(names)
    ]


@given(st.permutations(["Package: alpha", "Version: 1.0-1", "Architecture: all", f"Filename: {ALPHA.wanted.path}", "Size: 3", f"SHA256: {ALPHA.wanted.sha256}",
                        "Description: x\n Filename: evil\n SHA256: evil", "Sha1: Size: 9"]), st.booleans())
def test_the_order_of_fields_does_not_matter(lines: t.List[str], shout: bool) -> None:
    if shout:
        lines = ["\n".join(line.split(":", 1)[0].upper() + ":" + line.split(":", 1)[1] for line in [item]) for item in lines]
    assert _packages("\n".join(lines) + "\n") == [ALPHA]


@given(st.lists(st.sampled_from([
    "Package: alpha", "Version: 1", "Architecture: all", "Filename: pool/x", "Size: 3", f"SHA256: {'0' * 64}", "Filename: ../x", "Size: x", "SHA256: 0",
    "size: 4", "Package:", "Filename:pool/y", " Filename: z", "", "Version: 2 ", "Tag: x", "no field",
]), max_size=40))
def test_a_quick_look_sees_what_a_slow_one_sees(lines: t.List[str]) -> None:
    """Where the slow reader refuses, the quick one may be content: it looks at what it needs."""
    text = "\n" + "\n".join(["Package: alpha", "Version: 1", "Architecture: all", "Filename: pool/x", "Size: 3", f"SHA256: {'0' * 64}", *lines]) + "\n"
    quick = deb_slicer._quick(text)
    try:
        slow = list(deb_slicer._by_line(text, "Packages", deb_slicer._package))
    except Failure:
        return
    assert quick in ([], slow)


def test_what_our_own_publishing_writes_is_read() -> None:
    control = "Package: alpha\nVersion: 1.0-1\nArchitecture: all\n"
    package = DebPackage("alpha", "1.0-1", "all", "alpha", "net", "optional", control, 3, archives.digest(b"one"), "")
    assert list(deb_slicer.packages([deb_index.packages({ALPHA.wanted.path: package}, "amd64")], "Packages")) == [ALPHA]


def test_a_value_may_be_utf_8_where_it_is_no_path_of_ours_to_judge() -> None:
    assert _packages(archives.stanza("alpha", b"", path="pool/ä_1.deb"))[0].wanted.path == "pool/ä_1.deb"
    assert _packages(archives.stanza("alpha", b"", path="./alpha.deb"))[0].wanted.path == "alpha.deb"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "pool/../../x", "pool//x", "pool/./x", "pool/x/", "..", "pool\\x", "pool/\x01", "pool/\x85", "x" * 300,
                                  "./../x"])
def test_no_path_leaves_the_archive(path: str) -> None:
    with pytest.raises(Failure):
        _packages(f"{GOOD}\n{archives.stanza('beta', b'', path=path)}")


@pytest.mark.parametrize("old,new", [
    ("Filename: ", "Filename: pool/x\nFilename: "),
    ("Size: 3\n", "Size: 3\nSize: 3\n"),
    ("SHA256: ", f"SHA256: {'0' * 64}\nSHA256: "),
    ("Package: ", "Package: \nPackage: "),
    ("Package: alpha\n", ""),
    ("Size: 3\n", ""),
    ("Size: 3", "Size: -3"),
    ("Size: 3", "Size: 3_0"),
    ("Size: 3", "Size: ²"),
    ("Size: 3", "Size: " + "9" * 5000),
    (ALPHA.wanted.sha256, ALPHA.wanted.sha256.upper()),
    (ALPHA.wanted.sha256, ALPHA.wanted.sha256[:-1]),
    (ALPHA.wanted.sha256, "x" * 64),
    ("Version: 1.0-1", "Version:"),
])
def test_a_stanza_that_says_too_much_or_too_little_is_refused(old: str, new: str) -> None:
    assert GOOD.replace(old, new) != GOOD
    with pytest.raises(Failure, match="Failed to read Packages: "):
        _packages(f"{GOOD}\n{GOOD.replace(old, new)}\n{GOOD}")


def test_a_stanza_without_end_does_not_fill_the_memory() -> None:
    with pytest.raises(Failure, match="longer than"):
        list(deb_slicer.packages((b"x" * (1 << 20) for _number in range(1 << 20)), "Packages"))


def test_sources_give_each_file() -> None:
    text = archives.source_stanza("alpha", {"alpha.dsc": b"1", "alpha.tar.gz": b"22"}) + "\n" + archives.source_stanza("beta", {"beta.dsc": b""})
    found = list(deb_slicer.sources([text.encode()], "Sources"))
    assert [(entry.wanted.path, entry.wanted.size, entry.architecture) for entry in found] == [
        ("pool/main/a/alpha/alpha.dsc", 1, "source"), ("pool/main/a/alpha/alpha.tar.gz", 2, "source"), ("pool/main/b/beta/beta.dsc", 0, "source"),
    ]


@pytest.mark.parametrize("name", ["../x", "a/b", "/x", "..", "two words"])
def test_no_source_file_leaves_its_directory(name: str) -> None:
    with pytest.raises(Failure):
        list(deb_slicer.sources([archives.source_stanza("alpha", {name: b""}).encode()], "Sources"))
