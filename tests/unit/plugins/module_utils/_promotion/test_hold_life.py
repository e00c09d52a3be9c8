# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import json
import pathlib
import sys

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import desk as desks
from ansible_collections.egi.cmd.plugins.module_utils._promotion import hold, hold_record, hold_review
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Desk
from ansible_collections.egi.cmd.plugins.module_utils._promotion.hold_record import Record, Verdict

DAY = datetime.date(2026, 11, 20)
FORMATS = {"jammy": "deb", "el9": "rpm"}
DECLARED = {
    "name": "lib-2", "packages": ["lib"], "platforms": ["jammy", "el9"], "bad": {"deb": ">= 2-1, << 3-1", "rpm": ">= 2-1, << 3-1"}, "reason": "it breaks",
    "link": "https://bugs.example.org/1", "expires": "2026-12-20", "by": "release team", "test": ["/bin/true"],
}
VERSIONS = {"jammy": {"lib": "3-1"}, "el9": {"lib": "3-1"}}


def record(**changes):
    return Record(hold.read({**DECLARED, **changes}, FORMATS, DAY), {"jammy": {"lib": "1-1"}, "el9": {"lib": "1-1"}}, {"el9": ["lib-2-1.noarch"]})


def judge(one, offered=None, said=None, tester=None):
    return hold_review.review(one, VERSIONS if offered is None else offered, FORMATS, DAY, said, tester)


def passes(_hold, _versions):
    return "pass", "all well"


def test_a_hold_is_the_same_after_the_desk_was_written_and_read():
    desk = hold_record.with_record(Desk("cmd-os-1", {}), record()._replace(verdicts=(Verdict(VERSIONS, "fail", "2026-11-20", "no"),)))
    again = desks.from_text(desks.to_text(desk), "desk.json")
    assert again == desk and hold_record.records(again) == hold_record.records(desk)
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(pathlib.Path(desks.__file__).with_name("desk.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(desks.to_text(desk)), schema)


def test_a_damaged_hold_is_refused_by_name():
    with pytest.raises(Failure, match="hold 'lib-2'.*damaged"):
        hold_record.records(Desk("cmd-os-1", {}, holds={"lib-2": {"hold": {}}}))


def test_builds_to_hide_are_those_of_open_holds():
    desk = hold_record.with_record(Desk("cmd-os-1", {}), record())
    assert hold_record.excludes(desk) == [{"platform": "el9", "excludes": ["lib-2-1.noarch"]}]
    assert hold_record.excludes(hold_record.with_record(desk, record()._replace(lifted="2026-11-20"))) == []


@pytest.mark.parametrize(("days", "state", "words"), [(0, "active", "30 days left"), (30, "active", "0 days left"), (31, "expired", "EXPIRED 1 days ago")])
def test_a_table_says_how_long_it_lasts(days, state, words):
    row = hold_record.row(record(), DAY + datetime.timedelta(days))
    assert row["state"] == state and words in hold_record.table([row])


def test_who_needs_somebody_comes_first():
    rows = [hold_record.row(record(name=name, expires=expires), datetime.date(2026, 11, 20)) for name, expires in (("b", "2026-12-20"), ("a", "2026-11-21"))]
    late = [hold_record.row(record(name="c"), datetime.date(2026, 12, 30)), hold_record.row(record(name="d")._replace(lifted="2026-11-20"), DAY)]
    assert [line.split(":")[0] for line in hold_record.table([*rows, *late]).splitlines()] == ["c", "a", "b", "d"]


@pytest.mark.parametrize(("offered", "words", "alarm"), [
    ({"jammy": {"lib": "3-1"}, "el9": {"lib": "2.5-1"}}, "lib 2.5-1, which is bad", False),
    ({"jammy": {"lib": None}, "el9": {"lib": "3-1"}}, "no lib any more", True),
])
def test_a_hold_stays_while_a_platform_is_not_good(offered, words, alarm):
    review, after = judge(record(), offered, tester=passes)
    assert not review.lifts and words in review.why and review.alarm is alarm and after == record()


def test_a_good_version_that_passes_lifts():
    review, after = judge(record(), tester=passes)
    assert review.lifts and after.verdicts == (Verdict(VERSIONS, "pass", "2026-11-20", "all well"),)


def test_a_verdict_is_asked_for_once_for_each_state_of_the_base():
    review, after = judge(record(), tester=lambda _hold, _versions: ("fail", "no"))
    assert not review.lifts and review.alarm
    again, same = judge(after, tester=passes)
    assert not again.lifts and same == after, "the same versions are not tested again"
    fixed = {platform: {"lib": "3-2"} for platform in VERSIONS}
    assert judge(after, fixed, tester=passes)[0].lifts


def test_somebodys_verdict_overrules_the_test():
    _review, failed = judge(record(), tester=lambda _hold, _versions: ("fail", "no"))
    assert judge(failed, said=("pass", "tried by hand"))[0].lifts


def test_without_test_or_verdict_somebody_has_to_act():
    review, after = judge(record(test=[]))
    assert not review.lifts and review.alarm and "give a verdict" in review.why and after.verdicts == ()


def test_no_verdict_is_none():
    review, after = judge(record(), tester=lambda _hold, _versions: ("inconclusive", "killed"))
    assert not review.lifts and review.alarm and after.verdicts == ()


@pytest.mark.parametrize(("script", "verdict", "words"), [
    ("print('fine')", "pass", "fine"), ("import sys; sys.exit('broken')", "fail", "broken"), ("import time; time.sleep(60)", "inconclusive", "1 seconds"),
])
def test_a_test_is_run_with_what_it_is_about(script, verdict, words):
    told = "import os; assert os.environ['CMD_HOLD'] == 'lib-2' and os.environ['CMD_PACKAGES'] == 'lib=3-1'; "
    seconds = 1 if verdict == "inconclusive" else 30
    found, text = hold_review.run_test(record(test=[sys.executable, "-c", told + script]).hold, VERSIONS, seconds)
    assert found == verdict and words in text


def test_a_test_that_is_not_there_comes_to_no_verdict():
    assert hold_review.run_test(record(test=["/no/such/test"]).hold, VERSIONS, 30)[0] == "inconclusive"
