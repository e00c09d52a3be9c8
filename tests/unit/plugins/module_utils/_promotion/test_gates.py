# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.egi.cmd.plugins.module_utils._archive.metadata_check import Finding
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._promotion import conditions, flow, gates
from ansible_collections.egi.cmd.plugins.module_utils._promotion.closure import Offer, Unsolved
from ansible_collections.egi.cmd.plugins.module_utils._promotion.desk import Batch, Report, Waiver
from ansible_collections.egi.cmd.plugins.module_utils._promotion.evidence import Terms
from ansible_collections.egi.cmd.plugins.module_utils._promotion.excuse import unmet
from ansible_collections.egi.cmd.plugins.module_utils._release.routing import Product
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._promotion.wishes import DAY, accepted, item, wish
from ansible_collections.egi.cmd.tests.unit.plugins.module_utils._release.lives import day, living

ACTOR = flow.Actor("A. Packager", "2026-11-19T12:00:00Z")
FINDING = Finding("cloud-api_2.2-1_all.deb", "changelog", "error", "it has no changelog", "Write one")


def names(evidence):
    return [one.name for one in gates.excuses(evidence)]


def rules(evidence):
    return [one.rule for one in gates.excuses(evidence)]


@pytest.mark.parametrize("target", ["proposed", "updates", "security"])
def test_a_batch_with_all_it_needs_has_no_excuse(target):
    assert names(wish(target=target)) == []


def test_base_takes_batches_until_it_is_frozen():
    assert names(wish(target="base", day=day("2026-05-01"))) == []
    assert names(wish(target="base")) == ["lifecycle.base-frozen:2026-11-19"]
    assert rules(wish(target="base", day=day("2026-08-15"))) == ["lifecycle.restricted"]


@pytest.mark.parametrize(("kind", "target"), [("untested", "updates"), ("updates", "security"), ("", "proposed"), ("holdback", "updates")])
def test_no_step_is_left_out(kind, target):
    evidence = wish(target=target)
    moved = evidence.batch._replace(kind=kind)
    found = gates.excuses(evidence._replace(batch=moved, desk=evidence.desk.with_batch(moved)))
    assert [(one.rule, one.waivable) for one in found] == [("flow.order", False)]


def test_a_kind_that_a_platform_does_not_have_takes_nothing():
    assert names(wish(target="security", manifest=living(kinds=["base", "updates", "proposed"]))) == ["flow.nowhere:bookworm", "flow.nowhere:el9"]


def test_a_release_without_a_proposed_repository_promotes_all_the_same():
    assert names(wish(target="proposed", manifest=living(kinds=["base", "updates"]))) == []
    assert names(wish(manifest=living(kinds=["base", "updates"]))) == []


def test_the_calendar_closes_updates():
    assert rules(wish(day=day("2026-08-15"))) == ["lifecycle.closed"]
    assert rules(wish(day=day("2029-12-01"))) == ["lifecycle.closed"]
    friday = [{"days": ["friday"], "reason": "the weekend"}]
    assert names(wish(day=day("2026-11-20"), manifest=living(no_release=friday))) == ["lifecycle.window:2026-11-20"]
    assert names(wish(manifest=living(no_release=friday))) == []


def test_a_window_that_lets_fixes_through_asks_whether_it_is_one():
    manifest = living(kinds=["base", "updates", "proposed"], no_release=[{"days": ["friday"], "reason": "the weekend"}])
    assert names(wish(day=day("2026-11-20"), manifest=manifest)) == ["lifecycle.restricted:2026-11-20"]


@pytest.mark.parametrize(("there", "found"), [
    ("2.1-1~d12+mos1", []), ("2.2-1~d12+mos1", ["version.increasing:bookworm/cloud-api"]), ("2.3-1~d12+mos1", ["version.increasing:bookworm/cloud-api"])])
def test_versions_only_go_up_in_a_repository(there, found):
    other = Batch("other", "updates", (item(there, sha256="cd" * 32),))
    assert names(wish(other)) == found
    assert names(wish(other._replace(kind="proposed"))) == []


@pytest.mark.parametrize(("there", "found"), [("2.2-1~d12+mos1", []), ("2.3-1~d12+mos1", ["version.outranked:bookworm/cloud-api"])])
def test_a_version_below_what_hosts_have_reaches_nobody(there, found):
    other = Batch("other", "security", (item(there, sha256="cd" * 32),))
    assert names(wish(other)) == found
    assert names(wish(other, target="proposed")) == found


@pytest.mark.parametrize(("architectures", "meet"), [
    (("amd64", "amd64"), True), (("amd64", "arm64"), False), (("all", "amd64"), True), (("source", "source"), True), (("source", "all"), False)])
def test_versions_of_architectures_that_never_meet_are_not_compared(architectures, meet):
    mine, theirs = (item(architecture=architecture, sha256=letter * 64) for architecture, letter in zip(architectures, "ab"))
    evidence = wish(Batch("other", "updates", (theirs,)), batch=accepted(Batch("wanted", "proposed", (mine,))))
    assert names(evidence) == (["version.increasing:bookworm/cloud-api"] if meet else [])


def test_the_very_same_bytes_are_no_other_version():
    assert names(wish(Batch("other", "updates", (item(),)))) == []


def test_updates_are_not_below_base():
    assert names(wish(Batch("ga", "base", (item("2.3-1~d12+mos1"),)))) == ["version.above-base:bookworm/cloud-api"]


def test_the_release_before_is_not_above():
    assert names(wish(previous={("bookworm", "cloud-api"): [Offer("2.2-1~d12+mos2", False, "2026-11-01")]})) == ["version.no-downgrade:bookworm/cloud-api"]
    assert names(wish(previous={("bookworm", "cloud-api"): [Offer("2.1-1~d12+mos2", False, "2026-11-01")]})) == []


def test_the_grammar_is_asked_with_all_that_is_known():
    offers = {("bookworm", "cloud-api"): [Offer("2.3-1", False, "2026-11-01")]}
    assert "version.no-upstream-downgrade:bookworm/cloud-api" in names(wish(offers=offers))
    assert names(wish(offers=offers, terms=Terms(mos_versions=False))) == []


@pytest.mark.parametrize(("version", "fix", "plain", "hidden"), [
    ("2.2-1~d12+mos1", "2.2-1", None, False),
    ("2.2-1~d12+mos1", "2.2-2", None, True),
    ("2.2-1~d12+mos1", "2.2-1ubuntu4.2", "2.2-1ubuntu4", True),  # nobody can tell which of the two it was built from
    ("2.2-1~d12+mos1", "2.2-1ubuntu4", None, False),
    ("2.2-1~d12+mos1", "2.1-9", None, False),
])
def test_a_hidden_security_fix_is_found(version, fix, plain, hidden):
    offers = [Offer(fix, True, "2026-11-12")] + ([Offer(plain, False, "2026-01-01")] if plain else [])
    batch = accepted(Batch("wanted", "proposed", (item(version),)))
    found = [one for one in gates.excuses(wish(batch=batch, offers={("bookworm", "cloud-api"): offers})) if one.rule == "masking.security"]
    assert bool(found) is hidden
    assert not found or "7 days" in found[0].evidence


def test_without_the_grammar_a_fix_is_compared_with_what_stands_before_the_tilde():
    terms = Terms(mos_versions=False)
    for fix, expected in (("2.2-1", []), ("2.2-1+deb12u1", ["masking.security:bookworm/cloud-api"])):
        assert names(wish(terms=terms, offers={("bookworm", "cloud-api"): [Offer(fix, True, "2026-11-12")]})) == expected


def test_what_the_solver_cannot_do_is_an_excuse():
    broken = (Unsolved("installable.broken", "el9", "cloud-api", "nothing provides libcloud"), Unsolved("upgrade.removes", "el9", "site-tools", "it goes"))
    assert names(wish(unsolved=broken)) == ["installable.broken:el9/cloud-api", "upgrade.removes:el9/site-tools"]
    assert names(wish(proven=frozenset(["el9"]))) == ["installable.unproven:bookworm"]


def test_errors_of_metadata_are_excuses_and_warnings_are_not():
    assert names(wish(findings=(FINDING, FINDING._replace(severity="warning", rule="backport-preference")))) == ["metadata.changelog:cloud-api_2.2-1_all.deb"]


def test_reports_count_for_the_bytes_they_are_about():
    bare = wish().batch._replace(reports=())
    assert names(wish(batch=bare)) == ["report.verification", "report.adopters"]
    assert names(wish(batch=bare, target="security", terms=Terms(adopters=0, verification=False))) == []
    other = [report._replace(digest="ab" * 32) for report in wish().batch.reports]
    assert names(wish(batch=bare._replace(reports=tuple(other)))) == ["report.verification", "report.adopters"]


def test_one_person_is_one_adopter_and_the_last_word_counts():
    batch = wish().batch
    said = [report._replace(by=" a.  ADOPTER") if report.kind == "adopter" else report for report in batch.reports]
    assert names(wish(batch=batch._replace(reports=tuple(said)))) == ["report.adopters"]
    refusal = Report("adopter", "fail", "A. Adopter", str(DAY), batch.digest, "it does not start")
    assert names(wish(batch=batch._replace(reports=(*batch.reports, refusal)))) == ["report.rejected:a. adopter", "report.adopters"]
    again = refusal._replace(verdict="warn")
    assert names(wish(batch=batch._replace(reports=(*batch.reports, refusal, again)))) == []
    silence = refusal._replace(verdict="inconclusive")
    assert names(wish(batch=batch._replace(reports=(*batch.reports, silence)))) == []


def test_what_comes_before_has_to_be_there():
    batch = wish().batch._replace(after=("first",))
    assert names(wish(batch=batch)) == ["prerequisite.unmet:first"]
    for kind, expected in (("proposed", ["prerequisite.unmet:first"]), ("security", []), ("", ["prerequisite.unmet:first"])):
        assert names(wish(Batch("first", kind, (item("1.0-1~d12+mos1", "libcloud"),)), batch=batch)) == expected


def test_a_circle_is_found_and_nobody_can_waive_it():
    batch = wish().batch._replace(after=("first",))
    found = gates.excuses(wish(Batch("first", "updates", (), after=("second",)), Batch("second", "updates", (), after=("wanted",)), batch=batch))
    assert [(one.rule, one.evidence, one.waivable) for one in found] == [("prerequisite.circle", "wanted -> first -> second -> wanted", False)]


def test_products_have_to_be_complete():
    manifest = living(product_tags=["cloud"], platforms_required=["el9", "bookworm"])
    terms = Terms(products=(Product("cloud", ("cloud",), {"el9": "2.2"}),))
    assert names(wish(manifest=manifest, terms=terms)) == ["complete.missing:cloud"]
    assert names(wish(manifest=manifest, terms=terms, target="proposed")) == []


WISHES = st.builds(
    wish,
    target=st.sampled_from(flow.TARGETS),
    batch=st.builds(
        lambda kind, whole, after, words: (accepted if whole else lambda batch: batch)(Batch("wanted", kind, (item(),), after))._replace(waivers=words),
        st.sampled_from(["", "untested", "proposed", "updates", "base"]), st.booleans(), st.sampled_from([(), (), ("missing",)]),
        st.lists(st.sampled_from(["report.verification", "report.adopters", "flow.order", "lifecycle.base-frozen:2026-11-19", "prerequisite.unmet:missing",
                                  "installable.unproven:bookworm", "metadata.changelog:cloud-api_2.2-1_all.deb"])
                 .map(lambda name: Waiver(name, "A", "B", "because", str(DAY))), max_size=5).map(tuple)),
    day=st.sampled_from([DAY, day("2026-05-01"), day("2026-08-15"), DAY + datetime.timedelta(2000)]),
    proven=st.sampled_from([frozenset(["bookworm"]), frozenset(["bookworm"]), frozenset()]),
    findings=st.sampled_from([(), (), (FINDING,)]),
)


@given(WISHES)
def test_a_batch_is_promoted_if_and_only_if_no_excuse_is_left(evidence):
    found = gates.excuses(evidence)
    left = unmet(found, evidence.batch.waivers)
    try:
        desk = flow.promote(evidence.desk, "wanted", evidence.target, found, ACTOR)
    except Failure as failure:
        assert left and all(f"[{one.name}]" in str(failure) for one in left[:10])
        return
    assert not left
    assert desk.batches["wanted"].kind == evidence.target
    assert desk.batches["wanted"].items == evidence.batch.items
    assert gates.excuses(evidence._replace(desk=desk, batch=desk.batches["wanted"])) == []


@given(WISHES)
def test_every_excuse_has_a_condition_and_its_own_name(evidence):
    found = gates.excuses(evidence)
    assert len({one.name for one in found}) == len(found)
    assert all(conditions.condition(one.rule) and one.what and one.evidence and one.who for one in found)
