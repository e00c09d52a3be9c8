# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata of rpm repositories for some of their packages. What dnf makes of it: tests/exact/rpm_rebuild.py."""

from __future__ import annotations

import gzip
import pathlib
import typing as t

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import rpm_primary, rpm_rebuild, rpm_repomd
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Entry, Wanted
from ansible_collections.egi.cmd.plugins.module_utils._mirror.xml_filter import Element, Filter
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives

ALPHA, BETA, GAMMA = (archives.rpm_package(name, name.encode()) for name in ("alpha", "beta", "gamma"))
PRIMARY = archives.primary(ALPHA, BETA, GAMMA)
ENTRIES = {entry.package: entry for entry in rpm_primary.packages([PRIMARY], "primary.xml")}
GROUPS = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Example//DTD Comps info//EN" "comps.dtd">
<comps>
  <environment><id>all</id><grouplist><groupid>one</groupid><groupid>two</groupid><groupid>core</groupid></grouplist>
    <optionlist><groupid default="true">two</groupid></optionlist></environment>
  <environment><id>lonely</id><grouplist><groupid>two</groupid><groupid>core</groupid></grouplist></environment>
  <group><id>one</id><packagelist>
    <packagereq type="mandatory">alpha</packagereq><packagereq type="default">beta</packagereq><packagereq requires="x"> gamma </packagereq>
    <packagereq>bash</packagereq>
  </packagelist></group>
  <group><id>two</id><packagelist><packagereq>beta</packagereq><packagereq>bash</packagereq></packagelist></group>
  <category><id>some</id><grouplist><groupid>one</groupid><groupid>two</groupid></grouplist></category>
  <langpacks><match install="alpha-%s" name="alpha"/><match install='beta>-%s' name="beta"/></langpacks>
</comps>
"""
GROUPS_OF_ALPHA = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Example//DTD Comps info//EN" "comps.dtd">
<comps>
  <environment><id>all</id><grouplist><groupid>one</groupid><groupid>core</groupid></grouplist>
    <optionlist></optionlist></environment>
  <group><id>one</id><packagelist>
    <packagereq type="mandatory">alpha</packagereq>
    <packagereq>bash</packagereq>
  </packagelist></group>
  <category><id>some</id><grouplist><groupid>one</groupid></grouplist></category>
  <langpacks><match install="alpha-%s" name="alpha"/></langpacks>
</comps>
"""
_OF = '<package arch="noarch" epoch="{epoch}" name="{name}" release="{release}" src="x.src.rpm" version="1.0"><filename>x.rpm</filename></package>'
UPDATES = (
    "<updates>\n<update type='security'><id>E-1</id><updated date='2026-01-01'/><description><![CDATA[</update>]]></description><pkglist>"
    f"<collection><name>c</name>{_OF.format(name='alpha', epoch=0, release=1)}\n {_OF.format(name='beta', epoch=0, release=1)}</collection>"
    f"<collection><name>d</name>{_OF.format(name='beta', epoch=0, release=1)}</collection></pkglist></update>\n"
    f"<update><id>E-2</id><pkglist><collection>{_OF.format(name='alpha', epoch=1, release=1)}</collection></pkglist></update>\n"
    f"<update><id>E-3</id><pkglist><collection>{_OF.format(name='alpha', epoch='', release=2)}</collection></pkglist></update>\n</updates>\n"
).encode()
MODULES = b"""---
document: modulemd-defaults
version: 1
data:
  module: tool
  stream: "2"
  profiles:
    1: [common]
...
---
document: modulemd
version: 2
data:
  name: tool
  stream: "1"  # quoted: a number otherwise
  description: >-
    Text with
      name: nonsense
  profiles:
    common:
      rpms:
      - alpha
      - beta
      - bash
    bare:
      rpms: [bash]
    full:
      rpms: [gamma]
  artifacts:
    rpms:
    - alpha-0:1.0-1.noarch
    - beta-0:1.0-1.noarch
    - alpha-0:1.0-1.src
    rpm-map:
      sha256: {}
  xmd: {}
...
---
document: modulemd
version: 2
data:
  name: tool
  stream: 2
  artifacts:
    rpms:
      - beta-0:1.0-1.noarch
...
---
document: modulemd-obsoletes
version: 1
data:
  modified: 2026-01-01T00:00Z
  module: tool
  stream: "2"
  message: gone
...
"""
MODULES_OF_ALPHA = b"""---
document: modulemd-defaults
version: 1
data:
  module: tool
  profiles:
    1: [common]
...
---
document: modulemd
version: 2
data:
  name: tool
  stream: "1"  # quoted: a number otherwise
  description: >-
    Text with
      name: nonsense
  profiles:
    common:
      rpms: [alpha, bash]
    bare:
      rpms: [bash]
    full:
      rpms: []
  artifacts:
    rpms:
    - alpha-0:1.0-1.noarch
  xmd: {}
...
"""


def _list(kind: str, *packages: str, count: t.Optional[int] = None) -> bytes:
    elements = "".join(f'<package pkgid="{archives.digest(name.encode())}" name="{name}" arch="noarch"><version/></package>\n' for name in packages)
    return f'<?xml version="1.0"?>\n<{kind} packages="{len(packages) if count is None else count}">\n{elements}</{kind}>'.encode()


def _rebuilt(
    directory: pathlib.Path, kept: t.Sequence[Entry], size: int = 1 << 18, **metadata: bytes,
) -> t.Tuple[rpm_rebuild.Rebuilt, t.Dict[str, bytes]]:
    given = []
    for kind, data in metadata.items():
        def slices(data: bytes = data) -> t.Iterator[bytes]:
            return (data[start:start + size] for start in range(0, len(data), size))

        given.append(rpm_rebuild.Metadata(kind, f"{kind} of the test", slices))
    rebuilt = rpm_rebuild.rebuild(given, kept, archives.NOW, str(directory))
    content = {}
    for file in rebuilt.files:
        data = pathlib.Path(file.local).read_bytes()
        assert file.wanted == Wanted(f"repodata/{archives.digest(data)}-{file.wanted.path.rpartition('-')[2]}", len(data), archives.digest(data))
        content[file.kind] = gzip.decompress(data) if file.wanted.path.endswith(".gz") else data
        assert (file.open_size, file.open_sha256) == (len(content[file.kind]), archives.digest(content[file.kind]))
    return rebuilt, content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.lists(st.sampled_from("abcdefgh"), unique=True), st.integers(1, 700))
def test_exactly_the_kept_packages_are_listed_with_the_upstreams_bytes(tmp_path: pathlib.Path, data: st.DataObject, names: t.List[str], size: int) -> None:
    elements = {name: archives.rpm_package(name, name.encode(), epoch=str(len(name))) for name in names}
    primary = archives.primary(*elements.values())
    kept = [entry for entry in rpm_primary.packages([primary], "primary.xml") if data.draw(st.booleans())]
    rebuilt, content = _rebuilt(tmp_path, kept, size, primary=primary, filelists=_list("filelists", *names), other=_list("otherdata", *names))
    chosen = [entry.package for entry in kept]
    assert list(rpm_primary.packages([content["primary"]], "primary.xml")) == kept
    assert content["primary"] == archives.primary(*(elements[name] for name in chosen))
    assert content["filelists"].split() == _list("filelists", *chosen).split()
    assert content["other"].split() == _list("otherdata", *chosen).split()
    repomd = rpm_repomd.parse(rebuilt.repomd, "repomd.xml")
    assert repomd == rpm_repomd.Repomd(str(archives.NOW), archives.NOW, tuple(
        rpm_repomd.Data(file.kind, file.wanted, file.open_size) for file in rebuilt.files))


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 18])
@pytest.mark.parametrize("kind,before,after", [
    ("group", GROUPS, GROUPS_OF_ALPHA), ("modules", MODULES, MODULES_OF_ALPHA),
    ("updateinfo", UPDATES, UPDATES[:UPDATES.index(b"\n <package")] + b"</collection></pkglist></update>\n</updates>\n"),
])
def test_only_what_names_a_kept_package_is_left(tmp_path: pathlib.Path, size: int, kind: str, before: bytes, after: bytes) -> None:
    _files, content = _rebuilt(tmp_path, [ENTRIES["alpha"]], size, primary=PRIMARY, **{kind: before})
    assert content[kind].decode() == after.decode()


def _stream(module: str, stream: str, package: str, requires: str = "") -> str:
    return (f"---\ndocument: modulemd\nversion: 2\ndata:\n  name: {module}\n  stream: {stream}\n{requires}"
            f"  artifacts:\n    rpms:\n    - {package}-0:1.0-1.noarch\n...\n")


@pytest.mark.parametrize("requires, streams", [
    ("  dependencies:\n  - buildrequires:\n      lib: [3]\n    requires:\n      lib: [1, \"2\"]\n      platform: [el9]\n", "12"),
    ("  dependencies:\n  - requires:\n      'lib':\n      - 2\n", "2"), ("  dependencies:\n  - requires:\n      lib: []\n", "123"),
    ("  dependencies:\n    - requires:\n        platform: [el9]\n    # or\n    - requires:\n        lib: [-2]\n", "13"),
    ("  dependencies:\n    requires:\n      lib: 3  # version 1\n", "3"), ("  dependencies:\n  - buildrequires:\n      lib: [1]\n", ""),
    ("  dependencies:\n  - requires: {}\n", ""), ("  dependencies:\n  - requires:\n      middle: [x]\n", "2"),
])
def test_streams_a_kept_one_requires_are_kept_without_packages(tmp_path: pathlib.Path, requires: str, streams: str) -> None:
    """dnf offers no package of a stream that requires one it does not know."""
    libs = {name: _stream("lib", name, "beta") for name in "123"}
    middle = _stream("middle", "x", "gamma", "  dependencies:\n  - requires:\n      lib: [2]\n")
    tool = _stream("tool", "1", "alpha", requires)
    _files, content = _rebuilt(tmp_path, [ENTRIES["alpha"]], primary=PRIMARY, modules="".join([*libs.values(), middle, tool]).encode())
    empty = {name: text[:text.index("  artifacts:")] + "...\n" for name, text in libs.items()}
    kept = [empty[name] for name in streams] + ([middle[:middle.index("  artifacts:")] + "...\n"] if "middle" in requires else [])
    assert content["modules"].decode() == "".join([*kept, tool])


def test_what_names_no_kept_package_is_left_out(tmp_path: pathlib.Path) -> None:
    rebuilt, content = _rebuilt(tmp_path, [ENTRIES["gamma"]], primary=PRIMARY, updateinfo=UPDATES, modules=MODULES, group=b"<comps><group/></comps>")
    assert list(content) == ["primary"] and b"updateinfo" not in rebuilt.repomd
    assert [path.name for path in tmp_path.iterdir()] == ["primary"]


def test_equal_input_gives_equal_bytes(tmp_path: pathlib.Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(_rebuilt(tmp_path / name, [ENTRIES["alpha"]], primary=PRIMARY, group=GROUPS, updateinfo=UPDATES, modules=MODULES)[0].repomd)
    assert made[0] == made[1]


def test_types_that_tell_of_other_packages_are_left_out(tmp_path: pathlib.Path) -> None:
    assert list(_rebuilt(tmp_path, [ENTRIES["alpha"]], primary=PRIMARY, primary_db=b"SQLite", prestodelta=b"<prestodelta/>")[1]) == ["primary"]


def test_a_package_at_two_places_is_told_apart_by_its_place(tmp_path: pathlib.Path) -> None:
    here, there = archives.rpm_package("alpha", b"alpha", "a/alpha.rpm"), archives.rpm_package("alpha", b"alpha", "b/alpha.rpm")
    primary = archives.primary(here, there, there)
    kept = [entry for entry in rpm_primary.packages([primary], "x") if entry.wanted.path.startswith("b/")][:1]
    _files, content = _rebuilt(tmp_path, kept, primary=primary, other=_list("otherdata", "alpha", "alpha"))
    assert content["primary"] == archives.primary(there)
    assert content["other"].split() == _list("otherdata", "alpha").split()


@pytest.mark.parametrize("kind,content", [
    ("primary", archives.primary(BETA)), ("primary", PRIMARY.replace(b' packages="3"', b"")), ("primary", PRIMARY[:-20]),
    ("primary", PRIMARY.replace(b"<package ", b'<package type="rpm"><package ', 1).replace(b"</package>", b"</package></package>", 1)),
    ("filelists", _list("filelists", "beta")), ("filelists", b""), ("filelists", b"<!DOCTYPE f [<!ENTITY a 'b'>]>" + _list("filelists", "alpha")),
    ("other", _list("otherdata", "alpha").replace(b"</otherdata>", b"<package>")), ("updateinfo", b"<updates><update></updates>"),
    ("updateinfo", "<updates/>".encode("utf-16")), ("group", GROUPS.replace(b'"comps.dtd"', b'"comps.dtd" [<!ENTITY a "b">]')),
    ("modules", b"data: {name: tool}\ndocument: modulemd\n"), ("modules", b"version: 2\n"), ("modules", b"- a list\nx: y: z\nno key\n"),
    ("modules", MODULES.replace(b"    - alpha-0:1.0-1.noarch", b'    - "alpha\\x2d"')), ("modules", MODULES.replace(b"  name: tool", b"  name: *anchor")),
    ("modules", MODULES.replace(b"    - beta-0:1.0-1.noarch", b"    beta: 1")), ("modules", b"--- {}\n"), ("modules", b"document: modulemd\ndocument: x\n"),
    ("modules", b"\xff"), ("modules", MODULES.replace(b"  artifacts:\n", b"  artifacts: {rpms: [alpha-0:1.0-1.noarch]}\n")),
])
def test_metadata_that_cannot_be_cut_with_certainty_is_refused(tmp_path: pathlib.Path, kind: str, content: bytes) -> None:
    with pytest.raises(Failure, match=f"{kind} of the test"):
        _rebuilt(tmp_path, [ENTRIES["alpha"]], **{"primary": PRIMARY, kind: content})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from([("group", GROUPS), ("updateinfo", UPDATES), ("modules", MODULES), ("filelists", _list("filelists", "alpha"))]))
def test_no_damage_makes_a_traceback(tmp_path: pathlib.Path, data: st.DataObject, metadata: t.Tuple[str, bytes]) -> None:
    kind, content = metadata
    place, length = data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 9))
    noise = data.draw(st.binary(max_size=4) | st.sampled_from([b"<package>", b"</package>", b"<!--", b"\n---\n", b":\n"]))
    damaged = content[:place] + noise + content[place + length:]
    try:
        _rebuilt(tmp_path, [ENTRIES["alpha"]], 50, **{kind: damaged})
    except Failure:
        pass


_TEXT = st.sampled_from(["", "x", "]]>"[:2], "<!-- <a> </a> -->", "<![CDATA[<a></a>]]>", "<?a <a> ?>", "\n ", "&lt;a&gt;", "é"])
_ATTRIBUTES = st.sampled_from(["", " n='>'", ' n="/>"', " n = 'y'\n", ' n="&lt;/a>"'])


def _tree(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def element(name: str, given: str, before: str, content: str, after: str) -> str:
        return f"<{name}{given}>{before}{content}{after}</{name} >" if content or before else f"<{name}{given}/>"

    return st.builds(element, st.sampled_from("bcd"), _ATTRIBUTES, _TEXT, inner, _TEXT)


@given(st.lists(st.tuples(st.recursive(_TEXT, _tree, max_leaves=6), _ATTRIBUTES, _TEXT)), st.data(), st.integers(1, 60))
def test_an_element_ends_where_xml_says(parts: t.List[t.Tuple[str, str, str]], data: st.DataObject, size: int) -> None:
    """Whatever comments, CDATA, instructions and attributes hold: of the elements <a> some are left out, the rest is as it was."""
    keep = [data.draw(st.booleans()) for _part in parts]
    elements = [f"<a{given}>{inner}</a\n>" if inner else f"<a{given} />" for inner, given, _text in parts]
    document = "<?xml version='1.0'?><r n='5'>|" + "".join(f"{element}{text}|" for element, (_inner, _given, text) in zip(elements, parts)) + "</r>\n"
    expected = "<?xml version='1.0'?><r n=\"7\">|" + "".join(
        f"{element if kept else ''}{text}|" for element, kept, (_inner, _given, text) in zip(elements, keep, parts)) + "</r>\n"
    asked = iter(keep)
    tested = Filter("document", ("a",), lambda element: next(asked), {"n": "7"})
    raw = document.encode()
    assert b"".join(tested.copy(raw[start:start + size] for start in range(0, len(raw), size))).decode() == expected
    assert tested.kept == sum(keep)


def test_an_element_larger_than_memory_is_left_early() -> None:
    taken: t.List[bytes] = []

    def endless() -> t.Iterator[bytes]:
        yield b"<r><a>"
        while len(taken) < 200:
            taken.append(b" " * (1 << 20))
            yield taken[-1]

    with pytest.raises(Failure, match="one of its elements has more than"):
        for _slice in Filter("document", ("a",), lambda element: True).copy(endless()):
            pass
    assert len(taken) < 70


def test_an_element_knows_what_is_directly_below_it() -> None:
    seen: t.List[Element] = []
    document = b"<r><a x='1'> t <b/></a><a><c y='2'>u<d>v</d></c><e><a2/></e></a></r>"
    tested = Filter("document", ("a",), lambda element: not seen.append(element))  # type: ignore[func-returns-value]
    assert b"".join(tested.copy([document])) == document
    assert [(element.attributes, element.given, sorted(element.children)) for element in seen] == [
        ({"x": "1"}, {"b": {}}, ["b"]), ({}, {"c": {"y": "2"}, "e": {}}, ["c", "e"])]
