# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trace of a sync: who, when, what, and what the upstream's own trace said."""

from __future__ import annotations

import email.utils
import pathlib
import re
import signal
import time
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._mirror import trace
from ansible_collections.egi.cmd.plugins.module_utils._mirror.generation import Generation, Part
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import keys
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror.bundle_sites import FINGERPRINTS, Sites

pytestmark = pytest.mark.skipif(keys.MISSING, reason="gpg and gpgv are not installed")


@pytest.fixture(scope="module")
def key() -> t.Iterator[keys.Keys]:
    with keys.throw_away() as made:
        FINGERPRINTS.update({name: made.make(name) for name in ("upstream", "exporter")})
        yield made


@pytest.fixture
def sites(tmp_path: pathlib.Path, key: keys.Keys, capsys: pytest.CaptureFixture[str]) -> t.Iterator[Sites]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Sites(tmp_path, key, capsys.readouterr)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def told(sites: Sites) -> t.Tuple[str, t.Dict[str, t.List[str]]]:
    """The first line of the only trace, and the fields below it."""
    files = list((sites.root("mirror") / "project/trace/set").iterdir())
    assert len(files) == 1
    first, _feed, rest = files[0].read_text().partition("\n")
    fields: t.Dict[str, t.List[str]] = {}
    for line in rest.splitlines():
        field, _colon, value = line.partition(": ")
        fields.setdefault(field, []).append(value)
    return first, fields


def test_every_sync_says_when_it_was_and_what_it_left(sites: Sites) -> None:
    before = int(time.time())
    name = sites.publish(alpha=b"one")
    first, fields = told(sites)
    assert re.fullmatch(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d UTC \d{4}", first)
    began, ended = (email.utils.parsedate_to_datetime(fields[field][0]).timestamp() for field in ("Date-Started", "Date"))
    assert before <= began <= ended <= time.time()
    assert fields["Archive serial"] == fields["Published"] == [name] and fields["Creator"] == [f"cmd-mirror {trace.VERSION}"]
    assert [line.split(" ")[0] for line in fields["Upstream-mirror"]] == ["deb", "rpm"] and "Upstream-trace" not in fields
    time.sleep(1.1)
    sites.run("mirror", "sync")
    assert email.utils.parsedate_to_datetime(told(sites)[1]["Date"][0]).timestamp() > ended, "a sync without news says it was there, too"


def test_a_failed_sync_leaves_the_trace_of_the_last_good_one(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    before = told(sites)[1]
    (sites.work / "upstream/dists/suite/InRelease").unlink()
    time.sleep(1.1)
    sites.run("mirror", "sync", good=1)
    assert told(sites)[1] == before


def test_the_upstreams_trace_is_kept_until_the_upstream_changes(sites: Sites) -> None:
    sites.publish(alpha=b"one")
    master = sites.work / "upstream/project/trace/master"
    master.parent.mkdir(parents=True)
    master.write_bytes(b"Fri Nov 20 02:12:18 UTC 2026\nArchive serial: 2026112001\nEvil: \x1b[2J" + b"x" * 500)
    sites.root("mirror").joinpath("set").unlink()
    sites.sources[0]["components"] = ["main"]  # another selection: the source is read again
    sites.run("mirror", "sync")
    expected = "deb Fri Nov 20 02:12:18 UTC 2026; Archive serial: 2026112001"
    assert told(sites)[1]["Upstream-trace"] == [expected]
    master.unlink()
    sites.run("mirror", "sync")
    assert told(sites)[1]["Upstream-trace"] == [expected]
    sites.publish(alpha=b"one", beta=b"two")
    assert "Upstream-trace" not in told(sites)[1]


def test_a_trace_reads_as_debians_do() -> None:
    text = trace.text("mirror.example.org", Generation("set-1", "set", 0, {"deb": Part("deb", "http://h/", "", "", 86400, "", 0, 0)}), None, {"deb": "x"}, 0, 1)
    assert text == ("Thu Jan  1 00:00:01 UTC 1970\nDate: Thu, 01 Jan 1970 00:00:01 +0000\nDate-Started: Thu, 01 Jan 1970 00:00:00 +0000\n"
                    f"Archive serial: set-1\nPublished: nothing\nCreator: cmd-mirror {trace.VERSION}\nRunning on host: mirror.example.org\n"
                    "Upstream-mirror: deb http://h/\nUpstream-date: deb Fri, 02 Jan 1970 00:00:00 +0000\nUpstream-trace: deb x\n")
