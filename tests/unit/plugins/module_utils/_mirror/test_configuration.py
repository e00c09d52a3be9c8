# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake in a configuration file is named with its place and what is expected there."""

from __future__ import annotations

import copy
import json
import pathlib
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import configuration
from ansible_collections.egi.cmd.plugins.module_utils._mirror.model import Selection
from ansible_collections.egi.cmd.plugins.module_utils._mirror.retention import Policy

DEB = {"name": "deb", "format": "deb", "urls": ["http://repo.example.org/apt"], "keyring": "/etc/keys.gpg", "suites": ["os", "os/updates"]}
RPM = {"name": "rpm", "format": "rpm", "urls": ["https://a.example.org/el9", "file:///srv/el9"], "keyring": "/etc/keys.gpg"}
GOOD = {"root": "/srv/mirror/", "sets": {"os-1": {"sources": [DEB, RPM], "keep": {"count": 3, "days": 30}}}}


def _with(place: t.Sequence[t.Any], value: t.Any) -> t.Any:
    data = copy.deepcopy(GOOD)
    inner: t.Any = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return data


def test_a_good_file_becomes_typed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD))
    told = configuration.load(str(path))
    assert told.root == "/srv/mirror" and told.connections == 8 and told.sets["os-1"].publish
    assert told.sets["os-1"].policy == Policy(keep=3, days=30)
    deb, rpm = told.sets["os-1"].sources
    assert deb.suites == ("os", "os/updates") and rpm.urls == ("https://a.example.org/el9", "file:///srv/el9") and rpm.signed_metadata


def test_a_partial_mirror_becomes_typed(tmp_path: pathlib.Path) -> None:
    selection = {"names": ["init"], "fields": {"Tag": "x", "Section": "y"}, "newest": 2}
    rebuilt = {**DEB, "mode": "rebuilt", "order": 10, "select": [selection]}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"root": "/srv", "sets": {"os-1": {"sources": [rebuilt], "signing": {"home": "/srv/keys", "keys": ["A" * 40]}, "prove": True}}}))
    of_set = configuration.load(str(path)).sets["os-1"]
    (source,) = of_set.sources
    assert source.select == (Selection(names=("init",), fields=(("Section", "y"), ("Tag", "x")), newest=2),) and hash(source)
    assert of_set.signing == configuration.Signing("/srv/keys", ("A" * 40,)) and of_set.prove and of_set.valid_days == 30 and not of_set.recommends


@pytest.mark.parametrize("place, value, said", [
    (("root",), "srv", "root: expected an absolute path"),
    (("roots",), "/srv", "did you mean 'root'"),
    (("sets",), {}, "sets: expected a map"),
    (("connections",), 0, "connections: expected"),
    (("connections",), True, "connections: expected"),
    (("limit",), "10M", "limit: expected bytes per second"),
    (("sets", "snapshots"), {"sources": [DEB]}, "sets.snapshots: expected a name for a set"),
    (("sets", "../x"), {"sources": [DEB]}, "expected a name for a set"),
    (("sets", "os-1", "sources"), [], "sets.os-1.sources: expected a list of sources"),
    (("sets", "os-1", "sources", 0), "deb", "sets.os-1.sources[0]: expected a map, got 'deb'"),
    (("sets", "os-1", "sources", 1, "name"), "deb", "sets.os-1.sources[1].name: expected every name once"),
    (("sets", "os-1", "sources", 0, "name"), "../deb", "sources[0].name: expected a name"),
    (("sets", "os-1", "sources", 0, "format"), "apk", "sources[0].format: expected deb or rpm, got 'apk'"),
    (("sets", "os-1", "sources", 0, "urls"), ["ftp://x"], "sources[0].urls: expected a list of http, https, file or rsync URLs"),
    (("sets", "os-1", "sources", 0, "urls"), ["http://"], "sources[0].urls"),
    (("sets", "os-1", "sources", 0, "suites"), ["../os"], "sources[0].suites: expected a list of suites"),
    (("sets", "os-1", "sources", 0, "component"), ["main"], "did you mean 'components'"),
    (("sets", "os-1", "sources", 0, "mode"), "partial", "sources[0].mode: expected verbatim, rebuilt or elsewhere"),
    (("sets", "os-1", "sources", 0, "mode"), "rebuilt", "sets.os-1.signing: expected who signs"),
    (("sets", "os-1", "sources", 0, "order"), "first", "sources[0].order: expected a whole number"),
    (("sets", "os-1", "sources", 0, "select"), [{"names": ["x"]}], "sources[0].select: expected no select but where mode is rebuilt"),
    (("sets", "os-1", "sources", 0), {**DEB, "mode": "rebuilt", "select": [{"name": ["x"]}]}, "did you mean 'names'"),
    (("sets", "os-1", "sources", 0), {**DEB, "mode": "rebuilt", "select": [{"patterns": ["("]}]}, "select[0].patterns: expected a list of regular"),
    (("sets", "os-1", "sources", 0), {**DEB, "mode": "rebuilt", "select": [{"fields": {"Tag": "*"}}]}, "select[0].fields: expected a map"),
    (("sets", "os-1", "sources", 0), {**DEB, "mode": "rebuilt", "select": [{"newest": 0}]}, "select[0].newest: expected"),
    (("sets", "os-1", "sources", 0), {**DEB, "mode": "elsewhere", "installer": True}, "sources[0].installer: expected no installer but where"),
    (("sets", "os-1", "signing"), {"home": "/srv/keys"}, "sets.os-1.signing.keys: expected a list of fingerprints"),
    (("sets", "os-1", "signing"), {"home": "/srv/keys", "keys": ["ABC"]}, "signing.keys: expected a list of fingerprints"),
    (("sets", "os-1", "signing"), {}, "sets.os-1.signing.keyring: expected an absolute path"),
    (("sets", "os-1", "valid_days"), -1, "valid_days: expected a number of days"),
    (("sets", "os-1", "sources", 0, "signed_metadata"), False, "no signed_metadata of a source of format deb"),
    (("sets", "os-1", "sources", 1, "suites"), ["os"], "no suites of a source of format rpm"),
    (("sets", "os-1", "sources", 1, "keyring"), None, "sources[1].keyring: expected an absolute path"),
    (("sets", "os-1", "sources", 1, "client_key"), "/etc/key", "sources[1].client_certificate: expected the certificate"),
    (("sets", "os-1", "sources", 1, "metalink"), "rsync://x.example.org/list", "sources[1].metalink: expected an http, https or file URL"),
    (("sets", "os-1", "sources", 1, "mirrorlist"), "http:///list", "sources[1].mirrorlist: expected the URL of a list of mirrors"),
    (("sets", "os-1", "sources", 1), {**RPM, "mirrorlist": "http://x/a", "metalink": "http://x/b"}, "metalink: expected mirrorlist or metalink, not both"),
    (("sets", "os-1", "sources", 0, "metalink"), "http://x.example.org/list", "no metalink of a source of format deb"),
    (("sets", "os-1", "sources", 1), {"name": "rpm", "format": "rpm", "keyring": "/k"}, "sources[1].urls: expected a list of"),
    (("sets", "os-1", "keep"), {"most": 2}, "sets.os-1.keep.most: expected a share"),
])
def test_a_mistake_is_named(tmp_path: pathlib.Path, place: t.Sequence[t.Any], value: t.Any, said: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(_with(place, value)))
    with pytest.raises(Failure) as error:
        configuration.load(str(path))
    assert str(path) in str(error.value) and said in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"x"', "{\"root\": \"/x\"}", "\xff"])
def test_what_is_no_configuration_is_refused(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Failure):
        configuration.load(str(path))
    with pytest.raises(Failure):
        configuration.load(str(tmp_path / "absent.json"))


def test_a_source_without_signatures_needs_no_keyring() -> None:
    data = _with(("sets", "os-1", "sources", 1), {"name": "rpm", "format": "rpm", "urls": ["http://x.example.org/"], "signed_metadata": False})
    assert configuration.problems(data) == []


def test_a_list_of_mirrors_stands_in_for_urls(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "config.json"
    listed = {"name": "rpm", "format": "rpm", "keyring": "/k", "metalink": "https://x.example.org/metalink?repo=el9&arch=x86_64"}
    path.write_text(json.dumps(_with(("sets", "os-1", "sources", 1), listed)))
    source = configuration.load(str(path)).sets["os-1"].sources[1]
    assert (source.urls, source.place) == ((), listed["metalink"])
