# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release files and their dates: what is read, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import deb_release, freshness
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._mirror import archives

NOW = archives.NOW
TEXT = archives.release("one", {"main/binary-amd64/Packages.gz": b"x", "main/Contents-amd64": b"yy"})


def test_what_our_own_publishing_writes_is_read() -> None:
    found = deb_release.parse(TEXT, "Release")
    assert (found.origin, found.suite, found.codename, found.date, found.valid_until, found.by_hash) == ("Example", "one", "one", NOW, NOW + 86400, True)
    assert (found.architectures, found.components) == (("amd64", "arm64"), ("main", "contrib"))
    assert found.files["main/Contents-amd64"] == deb_release.File(2, archives.digest(b"yy"), "")


@pytest.mark.parametrize("text", ["Fri, 15 Jan 2027 08:00:00 UTC", "Fri, 15 Jan 2027 08:00:00 GMT", "Fri, 15 Jan 2027 08:00:00", "15 Jan 2027 09:00:00 +0100"])
def test_a_date_without_zone_is_utc_wherever_we_are(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert deb_release.parse(f"Date: {text}\nSHA256:\n".encode(), "Release").date == NOW


def test_sha512_sums_are_joined_to_the_files() -> None:
    text = TEXT + f"SHA512:\n {'a' * 128} 2 main/Contents-amd64\n".encode()
    assert deb_release.parse(text, "Release").files["main/Contents-amd64"].sha512 == "a" * 128
    with pytest.raises(Failure, match="two sizes"):
        deb_release.parse(TEXT + f"SHA512:\n {'a' * 128} 3 main/Contents-amd64\n".encode(), "Release")


SUM = b" " + b"0" * 64


@pytest.mark.parametrize("text", [
    b"", b"Suite: one\n", b"Date: Fri, 15 Jan 2027 08:00:00 UTC\nMD5Sum:\n", TEXT + b"Date: today\n", TEXT.replace(b"Date: ", b"Date: x "), TEXT + b"sha256:\n",
    TEXT + b"no field\n", TEXT + b"\n\nSuite: two\n", TEXT + b"Origin: \xff\n", TEXT.replace(b"Jan 2027", b"Jan 99999"), TEXT.replace(b"Jan 2027", b"Foo 2027"),
    TEXT + SUM + b" 1 ../x\n", TEXT + SUM + b" 1 /x\n", TEXT + SUM + b" -1 x\n", TEXT + SUM + b" 1_0 x\n", TEXT + SUM + b" " + b"9" * 99999 + b" x\n",
    TEXT + SUM + b" 1 x y\n", TEXT + SUM + b" 1\n", TEXT + b" 00 1 x\n", TEXT + SUM + b" 1 main/Contents-amd64\n", TEXT + SUM + b" \xc2\xb2 x\n",
])
def test_what_cannot_be_trusted_to_mean_one_thing_is_refused(text: bytes) -> None:
    with pytest.raises(Failure):
        deb_release.parse(text, "Release")


@given(st.binary(max_size=300))
def test_no_text_makes_a_traceback(text: bytes) -> None:
    for data in (text, TEXT + text, b"Date: " + text.replace(b"\n", b"") + b"\nSHA256:\n"):
        try:
            deb_release.parse(data, "Release")
        except Failure:
            pass


@pytest.mark.parametrize("date,valid_until,accepted,good", [
    (NOW, 0, 0, True), (NOW - 10 ** 9, 0, 0, True), (NOW, NOW, NOW, True), (NOW + freshness.FUTURE, 0, 0, True),
    (NOW, NOW - 1, 0, False), (NOW + freshness.FUTURE + 1, 0, 0, False), (NOW - 1, 0, NOW, False), (10 ** 20, 10 ** 20, 0, False),
])
def test_expired_replayed_and_early_metadata_is_refused_or_warned_about(date: int, valid_until: int, accepted: int, good: bool) -> None:
    dates = freshness.Dates(date, valid_until)
    assert bool(freshness.enforce("it", dates, accepted, NOW, "warn")) is not good
    if good:
        assert freshness.enforce("it", dates, accepted, NOW, "fail") == []
    else:
        with pytest.raises(Failure, match="accept it"):
            freshness.enforce("it", dates, accepted, NOW, "fail")
