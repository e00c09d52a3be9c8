# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kickstart and TDL: packages, repositories and the script come over; what means nothing for an image is refused by name."""

from __future__ import annotations

import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._image import definition_input, kickstart, tdl

KEYS = {"site": [{"file": "/etc/keys/site.asc"}], "install": [{"file": "/etc/keys/os.asc"}]}
KICKSTART = """\
# an image of ours
text
url --url=http://os.example.org/9/
repo --name=Site --baseurl=http://repo.example.org/el9/
%packages
vim-minimal
cloud-client
%end
%post
echo ready >/etc/motd
%end
"""
TEMPLATE = """\
<template>
  <name>site</name>
  <os><name>Fedora</name><version>9</version><arch>x86_64</arch><install type='url'><url>http://os.example.org/</url></install></os>
  <packages><package name='vim-minimal'/><package name='cloud-client'/></packages>
  <repositories><repository name='Site'><url>http://repo.example.org/el9/</url><signed>yes</signed></repository></repositories>
  <commands><command name='motd'>echo ready &gt;/etc/motd</command></commands>
</template>
"""


def test_a_template_becomes_wishes() -> None:
    wishes = tdl.read(TEMPLATE, "site.tdl")
    assert wishes.packages == ("cloud-client", "vim-minimal")
    assert wishes.repositories == (("site", "http://repo.example.org/el9/"),)
    assert wishes.post == "echo ready >/etc/motd\n"


@pytest.mark.parametrize(("old", "new", "words"), [
    ("<name>site</name>", "<name>site</name><files/>", "<files>"),
    ("<signed>yes</signed>", "<signed>no</signed>", "not signed"),
    ("<command name='motd'>", "<command name='motd' type='base64'>", "of type base64"),
    ("<package name='vim-minimal'/>", "<package/>", "has no name"),
    ("<package name='vim-minimal'/>", "<package name='vim-minimal'><file name='/x'/></package>", "<file> in <package>"),
    ("<template>", "<!DOCTYPE template [<!ENTITY a 'b'>]><template>", "document type or an entity"),
    ("</template>", "", "no element found"),
    ("template>", "domain>", "<domain>"),
])
def test_a_template_is_refused_by_name(old: str, new: str, words: str) -> None:
    with pytest.raises(Failure, match=words):
        tdl.read(TEMPLATE.replace(old, new), "site.tdl")


@given(st.text(alphabet="<>/=' abcdefgtpl&;!", max_size=60))
def test_no_text_gives_a_traceback(text: str) -> None:
    with pytest.raises(Failure):
        tdl.read("<template>" + text, "site.tdl")


def test_a_kickstart_becomes_wishes() -> None:
    pytest.importorskip("pykickstart")
    wishes = kickstart.read(KICKSTART, "site.ks")
    assert wishes.packages == ("cloud-client", "vim-minimal")
    assert wishes.repositories == (("install", "http://os.example.org/9/"), ("site", "http://repo.example.org/el9/"))
    assert wishes.post == "echo ready >/etc/motd\n"


@pytest.mark.parametrize(("old", "new", "words"), [
    ("text\n", "lang en_US\nrootpw --lock\n", "lang, rootpw mean nothing"),
    ("vim-minimal", "@core", "group @core"),
    ("vim-minimal", "-vim-minimal", "exclusion -vim-minimal"),
    ("%post", "%post --nochroot", "outside the image"),
    ("%post", "%post --interpreter=/usr/bin/python3", "in /usr/bin/python3"),
    ("%post", "%pre", "not %post"),
    ("text\n", "%include /tmp/more.ks\n", "%include"),
    ("text\n", "frobnicate\n", "Unknown command"),
    ("--baseurl=", "--mirrorlist=", "no URL of its own"),
])
def test_a_kickstart_is_refused_by_name(old: str, new: str, words: str) -> None:
    pytest.importorskip("pykickstart")
    with pytest.raises(Failure, match=words):
        kickstart.read(KICKSTART.replace(old, new), "site.ks")


def test_wishes_are_added_to_a_definition(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "site.tdl"
    path.write_text(TEMPLATE)
    given_definition = {"name": "site-cloud", "packages": ["sudo"], "base": {"name": "el", "repositories": [{"name": "os"}]}}
    merged = definition_input.merged(given_definition, None, str(path), KEYS)
    assert merged["packages"] == ["cloud-client", "sudo", "vim-minimal"]
    assert [one["name"] for one in merged["base"]["repositories"]] == ["os", "site"]
    assert merged["base"]["repositories"][1]["keys"] == KEYS["site"]
    assert given_definition["packages"] == ["sudo"]


def test_two_scripts_or_a_repository_without_keys_are_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "site.tdl"
    path.write_text(TEMPLATE)
    with pytest.raises(Failure, match="the definition has post"):
        definition_input.merged({"post": "true"}, None, str(path), KEYS)
    with pytest.raises(Failure, match="repository_keys for 'site'"):
        definition_input.merged({}, None, str(path), {})
    with pytest.raises(Failure, match="No such file"):
        definition_input.merged({}, str(tmp_path / "none.ks"), None, {})
