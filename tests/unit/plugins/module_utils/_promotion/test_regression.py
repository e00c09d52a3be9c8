# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from a failed system test: commands for package managers, holds, reports."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._promotion import hold, regression
from ansible_collections.egi.cmd.plugins.module_utils._promotion.bisect import FAIL, PASS, Answer, Cause
from ansible_collections.egi.cmd.plugins.module_utils._promotion.trial import Move, Outcome, Trial
from ansible_collections.egi.cmd.plugins.module_utils._promotion.trial_packages import manager_of

APT, DNF = manager_of("ID=ubuntu\n"), manager_of('ID="almalinux"\n')
DAY = datetime.date(2026, 11, 20)


def outcome(*causes: Cause, manager: t.Any = APT, batch: t.Sequence[Move] = ()) -> Outcome:
    """A failed test of a batch, each cause seen in a trial of its own and in that of everything."""
    moves = {move.package: move for move in batch}
    trials = [Trial(1, (), (), PASS, "the test ended with 0", (), 1.0, "1.log")]
    trials.append(Trial(2, tuple(moves), (), FAIL, "the test ended with 1", tuple(batch), 1.0, "2.log"))
    for number, cause in enumerate(causes, start=3):
        changed = tuple(moves[name] for name in cause.packages + cause.dragged)
        trials.append(Trial(number, cause.packages, (), FAIL, "the test ended with 7", changed, 1.0, f"{number}.log"))
    return Outcome(manager, "Example OS 1", Answer("fail", "", causes), {}, tuple(batch), tuple(trials))


BATCH = (Move("libcloud:amd64", "1.0-1", "1:1.1-1"), Move("cloud-api", "2.0-1", "2.1-1"), Move("shell", "1-1", "2-1"))


def test_the_smallest_failing_trial_is_the_evidence() -> None:
    (found,) = regression.regressions(outcome(Cause(("cloud-api",), ("libcloud:amd64",)), batch=BATCH))
    assert [move.package for move in found.guilty] == ["cloud-api"]
    assert [move.package for move in found.dragged] == ["libcloud:amd64"]
    assert found.trial.log == "3.log"


@pytest.mark.parametrize(("manager", "name", "form"), [(APT, "Lib_cloud2:amd64", "deb"), (DNF, "Lib_cloud2.x86_64", "rpm")])
def test_a_proposed_hold_lacks_only_what_people_decide(manager: t.Any, name: str, form: str) -> None:
    tested = outcome(Cause((name,), ()), manager=manager, batch=[Move(name, "1.0-1", "1:1.1~rc+1-1.el9")])
    (proposal,) = regression.proposals(tested, regression.regressions(tested), "site", ["/srv/test", "a b"])
    assert {problem.rule for problem in hold.problems(proposal, {"site": form}, DAY)} == {"hold.no-link", "hold.no-expiry"}
    declared = hold.read({**proposal, "link": "https://bugs.example.org/1", "expires": "2026-12-01", "by": "A. Packager"}, {"site": form}, DAY)
    assert declared.packages == ("Lib_cloud2",)
    assert declared.is_bad(form, "1:1.1~rc+1-1.el9")
    assert not declared.is_bad(form, "1.0-1")


def test_packages_of_one_bad_version_are_held_together_and_others_apart() -> None:
    batch = [Move("liba", "1-1", "2-1"), Move("libb", "1-1", "2-1"), Move("other", "1-1", "3-1")]
    tested = outcome(Cause(("liba", "libb"), ()), Cause(("other",), ()), batch=batch)
    proposals = regression.proposals(tested, regression.regressions(tested), "site", ["test"])
    assert [one["packages"] for one in proposals] == [["liba", "libb"], ["other"]]
    assert [one["name"] for one in proposals] == ["liba-2-1", "other-3-1"]


def test_a_report_says_how_to_see_it_and_keeps_passwords() -> None:
    tested = outcome(Cause(("libcloud:amd64",), ("cloud-api",)), batch=BATCH)
    (found,) = regression.regressions(tested)
    text = regression.report(tested, found, ["cloud-client"], ["/srv/test", "a b"], "one\ntwo http://user:word@os.example.org/\n")
    for part in ("libcloud  1.0-1 -> 1:1.1-1", "with it: cloud-api  2.0-1 -> 2.1-1", "'a b'   # fails", "System: Example OS 1", "libcloud:amd64=1:1.1-1",
                 "the test ended with 7", "http://***@os.example.org/"):
        assert part in text
    assert "word" not in text


def test_apt_is_read_with_the_architecture_where_it_matters() -> None:
    output = "installed libc6:amd64 2.36-9\nconfig-files gone 1-1\nhalf-configured site-mail 1.1-1\n"
    assert APT.installed(output) == {"libc6:amd64": "2.36-9", "site-mail": "1.1-1"}
    assert APT.package("libc6:amd64") == "libc6"


def test_dnf_is_read_without_keys_and_zero_epochs() -> None:
    output = "gpg-pubkey.(none) 0:1-2\nbash.x86_64 0:5.1-1.el9\nbind.x86_64 32:9.16-1.el9\n"
    assert DNF.installed(output) == {"bash.x86_64": "5.1-1.el9", "bind.x86_64": "32:9.16-1.el9"}
    assert DNF.exactly({"bind.x86_64": "32:9.16-1.el9"})[-1] == "bind-32:9.16-1.el9.x86_64"
