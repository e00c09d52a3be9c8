# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt-get and apt-cache print is read in every shape they print it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._host import apt_policy, sync_apt

SOURCES = """\
Package files:
 100 /var/lib/dpkg/status
     release a=now
1300 http://repo.demo.example/cmd-os-1/apt cmd-os-1-holdback/main amd64 Packages
     release o=EGI,a=cmd-os-1-holdback,n=base1,l=CMD-OS,c=main,b=amd64
     origin repo.demo.example
 -10 http://repo.demo.example/odd/apt odd/main/extra i386 Packages
     release o=Example, Inc.,a=odd,n=base1,l=a, b=c,c=main/extra,b=i386
     origin repo.demo.example
 500 file:/srv/flat ./ Packages
     release c=
Pinned packages:
     cloud-api -> 2.2-1 with priority 1001
"""

POLICY = """\
cloud-api:
  Installed: 1:2.5-1
  Candidate: 2.2-1~e1+cmd1
  Version table:
 *** 1:2.5-1 500 (phased 10%)
        500 http://repo.demo.example/base/apt base/main amd64 Packages
        100 /var/lib/dpkg/status
     2.2-1~e1+cmd1 1200
       1200 http://repo.demo.example/cmd-os-1/apt cmd-os-1-updates/main amd64 Packages
     2.1-1~e1+cmd1 -1
         -1 http://repo.demo.example/cmd-os-1/apt cmd-os-1/main amd64 Packages
libcloud:i386:
  Installed: (none)
  Candidate: (none)
  Version table:
"""


def test_sources_have_priority_and_release_fields_even_with_commas_in_them() -> None:
    found = apt_policy.sources(SOURCES)
    holdback = "http://repo.demo.example/cmd-os-1/apt cmd-os-1-holdback/main amd64 Packages"
    odd = "http://repo.demo.example/odd/apt odd/main/extra i386 Packages"
    assert found[holdback] == (1300, {"o": "EGI", "a": "cmd-os-1-holdback", "n": "base1", "l": "CMD-OS", "c": "main", "b": "amd64"})
    assert found[odd][0] == -10
    assert found[odd][1]["a"] == "odd"
    assert found[odd][1]["o"] == "Example, Inc."
    assert [words for words in found if apt_policy.Source.read(words)] == [holdback, odd]


def test_a_policy_has_every_version_with_every_source() -> None:
    found = apt_policy.packages(POLICY)
    api = found["cloud-api"]
    assert (api.installed, api.candidate) == ("1:2.5-1", "2.2-1~e1+cmd1")
    assert [(one.version, one.priority, len(one.sources)) for one in api.versions] == [
        ("1:2.5-1", 500, 2), ("2.2-1~e1+cmd1", 1200, 1), ("2.1-1~e1+cmd1", -1, 1)]
    assert api.versions[0].sources[1] == (100, apt_policy.STATUS_FILE)
    assert found["libcloud:i386"] == apt_policy.Policy(None, None, ())
    assert apt_policy.packages("") == {}


def test_a_source_is_read_from_its_words() -> None:
    assert apt_policy.Source.read("http://a.example/x/ s/main amd64 Packages") == apt_policy.Source("http://a.example/x", "s", "main", "amd64")
    assert apt_policy.Source.read("http://a.example/x s-updates/extra amd64 Packages") == apt_policy.Source("http://a.example/x", "s-updates", "extra", "amd64")
    for words in ("/var/lib/dpkg/status", "file:/srv/flat ./", "x"):
        assert apt_policy.Source.read(words) is None


SIMULATION = """\
Reading package lists...
The following packages will be REMOVED:
  tools
The following packages will be DOWNGRADED:
  cloud-api libcloud
  libcloud:i386
1 upgraded, 1 newly installed, 3 downgraded, 1 to remove and 2 not upgraded.
Remv tools [1.0-1]
Inst cloud-api [1:2.5-1] (2.2-1~e1+cmd1 CMD-OS:cmd-os-1-updates [all])
Inst libcloud [1.0-1] (0.9-1 CMD-OS:cmd-os-1-holdback [amd64]) [libcloud:i386:amd64 ]
Inst libcloud:i386 [1.0-1] (0.9-1 CMD-OS:cmd-os-1-holdback [i386])
Inst cloud-new (1.0-1 CMD-OS:cmd-os-1-updates, Example OS:base [all])
Inst common [1.0-1] (1.1-1 Example OS:base [all])
Conf cloud-api (2.2-1~e1+cmd1 CMD-OS:cmd-os-1-updates [all])
"""


def test_a_simulation_gives_every_change_and_its_direction() -> None:
    assert sync_apt._changes(SIMULATION) == [
        ("tools", "1.0-1", None, False),
        ("cloud-api", "1:2.5-1", "2.2-1~e1+cmd1", True),
        ("libcloud", "1.0-1", "0.9-1", True),
        ("libcloud:i386", "1.0-1", "0.9-1", True),
        ("cloud-new", None, "1.0-1", False),
        ("common", "1.0-1", "1.1-1", False),
    ]
    assert sync_apt._changes("Reading package lists...\n") == []


def test_targets_become_words_that_name_exact_versions() -> None:
    assert sync_apt._words({"g++": "4:12", "old": None, "api": "1-1"}) == ["api=1-1", "g++=4:12", "old-"]


@pytest.mark.parametrize("out, err, words", [
    ("Setting up x (1) ...\n", "boom\ndpkg: error processing package x (--configure):\nErrors were encountered while processing:\n x\n y\n"
     "E: Sub-process /usr/bin/dpkg returned an error code (1)\n", ["x, y could not be set up", "boom"]),
    ("The following packages have unmet dependencies:\n x : Depends: y (>= 2) but 1 is to be installed\n",
     "E: Unable to correct problems, you have held broken packages.\n",
     ["x : Depends: y (>= 2)", "held broken packages"]),
    ("", "E: Failed to fetch http://a.example/x.deb  404  Not Found\n", ["Failed to fetch http://a.example/x.deb"]),
    ("", "", ["it ended with 100"]),
])
def test_a_failure_is_told_in_apts_own_words(out: str, err: str, words: t.Sequence[str]) -> None:
    reason = sync_apt._reason(out, err, 100)
    assert all(word in reason for word in words)


@pytest.mark.parametrize("line", [
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 12 (apt-get)",
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 12 (apt)",
    "E: Unable to lock directory /var/lib/apt/lists/",
    "dpkg: error: dpkg frontend lock was locked by another process with pid 12",
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
])
def test_a_lock_is_recognised(line: str) -> None:
    assert sync_apt._LOCKED.search(f"W: something\n{line}\n")
    assert not sync_apt._LOCKED.search("E: Unable to correct problems, you have held broken packages.\nE: Failed to fetch http://a.example/lock\n")
