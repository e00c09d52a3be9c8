# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""repomd.xml, primary.xml and mirror lists: what is read, and what is refused."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import address, mirror_list, rpm_primary, rpm_repomd
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry, Wanted
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives

NOW = archives.NOW
ALPHA = archives.rpm_package("alpha", b"one")
REPOMD = archives.repomd({"primary": ("repodata/p.xml.gz", b"x", 99), "group": ("repodata/comps.xml", b"yy", 2)})


def _packages(data: bytes, size: int = 1 << 18) -> t.List[Entry]:
    return list(rpm_primary.packages((data[start:start + size] for start in range(0, len(data), size)), "primary.xml"))


@given(st.integers(1, 900), st.integers(0, 9))
def test_slices_of_any_size_give_every_package(size: int, count: int) -> None:
    found = _packages(archives.primary(*[archives.rpm_package(f"p{number}", b"x" * number, epoch=str(number)) for number in range(count)]), size)
    assert [(entry.package, entry.version, entry.architecture, entry.wanted.size) for entry in found] == [
        (f"p{number}", f"{number}:1.0-1" if number else "1.0-1", "noarch", number) for number in range(count)
    ]


def test_a_package_is_read_without_what_it_provides() -> None:
    assert _packages(archives.primary(ALPHA)) == [
        Entry(Wanted("Packages/alpha-1.0-1.noarch.rpm", 3, archives.digest(b"one")), "alpha", "1.0-1", "noarch")]


@pytest.mark.parametrize("old,new", [
    ("Packages/alpha", "../alpha"), ("Packages/alpha", "/alpha"), ('href="', 'xml:base="http://example.org/" href="'), ("<name>alpha</name>", ""),
    ("<name>alpha</name>", "<name>alpha</name><name>beta</name>"), ("<name>alpha</name>", "<name></name>"), ('package="3"', 'package="-3"'),
    ('package="3"', ""), ('type="sha256"', 'type="sha"'), (archives.digest(b"one"), "0" * 63), ('packages="1"', 'packages="2"'), ('packages="1"', ""),
    ("</metadata>", ""), ("<metadata", "<!DOCTYPE metadata [<!ENTITY a 'aaaa'>]><metadata"), ("<format>", "<format>" * 80), ("example &amp;", "&undeclared;"),
    ("<location ", '<location href="Packages/other.rpm"/><location '),
])
def test_a_package_that_says_too_much_or_too_little_is_refused(old: str, new: str) -> None:
    text = archives.primary(ALPHA).decode()
    assert text.replace(old, new) != text
    with pytest.raises(Failure):
        _packages(text.replace(old, new).encode())


def test_repomd_is_read() -> None:
    found = rpm_repomd.parse(REPOMD, "repomd.xml")
    assert (found.revision, found.dated) == (str(NOW), NOW)
    assert found.data == (
        rpm_repomd.Data("primary", Wanted("repodata/p.xml.gz", 1, archives.digest(b"x")), 99),
        rpm_repomd.Data("group", Wanted("repodata/comps.xml", 2, archives.digest(b"yy")), 2),
    )
    assert found.one("primary") == found.data[0] and found.one("modules") is None


def test_a_zchunk_is_read_where_there_is_nothing_else() -> None:
    both = archives.repomd({"primary_zck": ("repodata/p.zck", b"z", 99), "primary": ("repodata/p.gz", b"x", 99), "group_zck": ("repodata/g.zck", b"g", 9)})
    found = rpm_repomd.parse(both, "repomd.xml")
    assert [(data.type, data.wanted.path) for data in found.readable(("primary", "filelists", "group"))] == [
        ("primary", "repodata/p.gz"), ("group", "repodata/g.zck")]


@pytest.mark.parametrize("revision", ["1", "", "two words", "9" * 99])
def test_a_revision_that_is_no_time_is_dated_by_its_files(revision: str) -> None:
    assert rpm_repomd.parse(REPOMD.replace(b"<revision>1800000000", f"<revision>{revision}".encode()), "repomd.xml").dated == NOW


@pytest.mark.parametrize("old,new", [
    ('type="sha256"', 'type="sha"'), ("repodata/p.xml.gz", "../p"), ("repodata/p.xml.gz", "http://example.org/p"), ('type="group"', 'type="primary"'),
    ('type="group"', ""), ("<size>1</size>", ""), ("<size>1</size>", "<size>x</size>"), ("<size>1</size>", "<size>1</size><size>2</size>"),
    (' href="repodata/p.xml.gz"', ""), ("<location ", '<location xml:base="http://example.org/" '), ("</repomd>", ""), ("repomd", "metadata"),
    ("<repomd", "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><repomd"), ("<open-size>99", "<open-size>-1"),
])
def test_a_repomd_that_says_too_much_or_too_little_is_refused(old: str, new: str) -> None:
    text = REPOMD.decode()
    assert text.replace(old, new) != text
    with pytest.raises(Failure):
        rpm_repomd.parse(text.replace(old, new).encode(), "repomd.xml")


@given(st.binary(max_size=200))
def test_no_bytes_make_a_traceback(data: bytes) -> None:
    readers: t.Tuple[t.Callable[[bytes], object], ...] = (
        lambda text: rpm_repomd.parse(text, "x"), lambda text: list(rpm_primary.packages([text], "x")), lambda text: mirror_list.parse(text, "x"))
    for read in readers:
        for text in (data, REPOMD[:300] + data, b"<metalink>" + data):
            try:
                read(text)
            except Failure:
                pass


def test_a_mirror_list_keeps_its_order() -> None:
    lines = [b"# repo = example", b"http://one.example.org/el9/", b"", b"https://two.example.org/el9", b"ftp://no.example.org/",
             b"http://user:pass@three.example.org/", b"http://one.example.org/el9"]
    text = b"\n".join(lines)
    assert mirror_list.parse(text, "list") == (("http://one.example.org/el9", "https://two.example.org/el9"), ())


def test_a_metalink_is_ordered_by_its_own_measure() -> None:
    old = b"""<?xml version="1.0"?><metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="repomd.xml"><resources>
      <url protocol="rsync" preference="100">rsync://a.example.org/el9/repodata/repomd.xml</url>
      <url protocol="http" preference="50">http://b.example.org/el9/repodata/repomd.xml</url>
      <url protocol="https" preference="99">https://c.example.org/el9/repodata/repomd.xml</url></resources></file></files></metalink>"""
    new = b"""<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="repomd.xml"><url priority="2">http://b.example.org/repodata/repomd.xml</url>
      <url priority="1">http://a.example.org/repodata/repomd.xml</url></file></metalink>"""
    assert mirror_list.parse(old, "metalink").urls == ("https://c.example.org/el9", "http://b.example.org/el9")
    assert mirror_list.parse(new, "metalink").urls == ("http://a.example.org", "http://b.example.org")


def test_a_metalink_names_the_states_of_one_file_the_latest_first() -> None:
    def state(letter: str, time: int) -> str:
        return (f"<mm0:timestamp>{time}</mm0:timestamp><size>1</size><verification><hash type='md5'>{letter * 32}</hash>"
                f"<hash type='sha256'>{letter * 64}</hash></verification>")

    text = (
        "<metalink version='3.0' xmlns:mm0='urn:mm'><files><file name='other.xml'><verification><hash type='sha256'>" + "f" * 64
        + "</hash></verification><url>http://f.example.org/</url></file>"
        f"<file name='repomd.xml'>{state('A', 5)}<mm0:alternates><mm0:alternate>{state('b', 2)}</mm0:alternate><mm0:alternate>{state('c', 4)}</mm0:alternate>"
        f"<mm0:alternate>{state('a', 1)}</mm0:alternate></mm0:alternates><resources><url preference='1'>http://a.example.org/repodata/repomd.xml</url>"
        "</resources></file></files></metalink>"
    )
    found = mirror_list.parse(text.encode(), "metalink")
    assert found == (("http://a.example.org",), ("a" * 64, "c" * 64, "b" * 64))


def test_where_only_tls_vouches_it_does_not_end_at_the_list() -> None:
    listed = mirror_list.MirrorList(("http://a.example.org", "https://b.example.org"), ())
    assert listed.vouched(False, "https://x.example.org/list").urls == ("https://b.example.org",)
    assert listed.vouched(True, "https://x.example.org/list") == listed.vouched(False, "http://x.example.org/list") == listed
    summed = listed._replace(sums=("a" * 64,))
    assert summed.vouched(False, "https://x.example.org/list") == summed
    with pytest.raises(Failure, match=r"use https://\*\*\*@x.example.org/list: it names no https mirror"):
        listed._replace(urls=listed.urls[:1]).vouched(False, "https://x:y@x.example.org/list")


@given(st.lists(st.text(st.sampled_from("htps:/[]@.:09aé%?#\\ \t-_"), max_size=12)))
def test_every_mirror_of_a_list_can_be_asked(ends: t.List[str]) -> None:
    content = "\n".join(["http://good.example.org", *(f"http://{end}" for end in ends), "http://[::1", "http://a:99999/", "https:///r"])
    for url in mirror_list.parse(content.encode(), "list").urls:
        address.parse(url)


def test_of_a_long_list_the_preferred_are_taken() -> None:
    lines = "".join(f"http://m{number}.example.org/\n" for number in range(300))
    assert mirror_list.parse(lines.encode(), "list").urls == tuple(f"http://m{number}.example.org" for number in range(20))


@pytest.mark.parametrize("text", [b"", b"# nothing\n", b"<html>not here</html>", b"<metalink>", b"\xff\xfe"])
def test_a_list_without_a_mirror_is_refused(text: bytes) -> None:
    with pytest.raises(Failure, match="read list"):
        mirror_list.parse(text, "list")
