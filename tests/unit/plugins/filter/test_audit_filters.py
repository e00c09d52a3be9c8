# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters about audits: one report of all hosts, and what people and pipelines read of it."""

from __future__ import annotations

import json
import typing as t
from xml.etree import ElementTree

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.egi.cmd.plugins.filter.audit_junit import audit_junit
from ansible_collections.egi.cmd.plugins.filter.audit_lines import audit_lines
from ansible_collections.egi.cmd.plugins.filter.audit_problems import audit_problems
from ansible_collections.egi.cmd.plugins.filter.audit_report import audit_report
from ansible_collections.egi.cmd.plugins.module_utils._host.audit import CATEGORIES, FINDINGS

DAY = "2026-11-20"
Data = t.Dict[str, t.Any]


def hidden(version: str, since: t.Optional[str], security: bool) -> Data:
    return {"version": version, "repository": "os-security", "suite": "security", "security": security, "by": "cmd-os-1-updates", "since": since,
            "evidence": "release_file" if since else "", "age_days": None}


def package(name: str, category: str, findings: t.Sequence[str] = (), **more: t.Any) -> Data:
    return {"name": name, "installed": "1-1", "candidate": "1-1", "category": category, "repository": "cmd-os-1-updates", "origin": "EGI", "priority": 1200,
            "held": "", "release": "1-1", "drift": "", "masked": [], "findings": list(findings), **more}


def result(*packages: Data) -> Data:
    counts = {finding: sum(finding in one["findings"] for one in packages) for finding in FINDINGS}
    divergent = sum(one["category"] in ("upgraded", "holdback", "forbidden_downgrade") for one in packages)
    summary = {"installed": 9, "categories": dict.fromkeys(CATEGORIES, 0), "divergent": divergent, "findings": counts, "oldest_masked_security_days": None}
    return {"changed": False, "family": "apt", "sets": {"cmd-os-1": "0" * 16}, "audit": {"summary": summary, "packages": list(packages)}}


FLEET = {
    "web1": result(package("cloud-api", "forbidden_downgrade", ["forbidden_downgrade"]), package("old", "orphan", ["orphan"], repository="")),
    "web2": result(package("libcrypto", "upgraded", ["masked", "masked_security"], masked=[hidden("2-2", "2026-11-18", True), hidden("2-1", None, False)])),
    "web3": {"unreachable": True, "msg": "no route\x1b to host"},
}


def test_a_report_is_data_and_has_every_host() -> None:
    report = audit_report(FLEET, DAY)
    assert json.loads(json.dumps(report)) == report
    assert [one["audited"] for one in report["hosts"].values()] == [True, True, False]
    fix, other = report["hosts"]["web2"]["packages"][0]["masked"]
    assert (fix["since"], fix["evidence"], fix["age_days"]) == ("2026-11-18", "release_file", 2)
    assert (other["since"], other["evidence"], other["age_days"]) == (DAY, "this_report", 0)
    assert report["hosts"]["web2"]["summary"]["oldest_masked_security_days"] == 2


def test_an_earlier_report_makes_a_fix_older_and_never_younger() -> None:
    first = audit_report(FLEET, "2026-11-01")
    first["hosts"]["web2"]["packages"][0]["masked"][0]["since"] = "2026-11-19"
    fix, other = audit_report(FLEET, DAY, first)["hosts"]["web2"]["packages"][0]["masked"]
    assert (fix["since"], fix["evidence"]) == ("2026-11-18", "release_file")
    assert (other["since"], other["evidence"], other["age_days"]) == ("2026-11-01", "earlier_report", 19)


def test_a_report_does_not_change_what_it_is_made_of() -> None:
    before = json.dumps(FLEET)
    audit_report(FLEET, DAY)
    assert json.dumps(FLEET) == before


def test_only_what_was_asked_to_fail_fails_besides_a_host_without_audit() -> None:
    report = audit_report(FLEET, DAY)
    gone = "web3: not_audited: it was not audited: no route\x1b to host"
    assert audit_problems(report) == [gone]
    assert audit_problems(report, ["orphan"], 0) == [
        "web1: orphan: old 1-1: no repository offers it",
        "web1: divergence_budget: 1 divergent packages, at most 0 are allowed",
        "web2: divergence_budget: 1 divergent packages, at most 0 are allowed", gone]
    assert audit_problems(report, "forbidden_downgrade, masked_security", "1") == [
        "web1: forbidden_downgrade: cloud-api 1-1: cmd-os-1-updates has older software (1-1) than the base",
        "web2: masked_security: libcrypto 1-1: hides security fix 2-2 of os-security, 2 days (cmd-os-1-updates)", gone]


def test_junit_has_a_case_for_everything_and_fails_what_is_a_problem() -> None:
    report = audit_report(FLEET, DAY)
    root = ElementTree.fromstring(audit_junit(report, ["orphan"], 5).partition("\n")[2])
    failed = {(suite.get("name"), case.get("name")) for suite in root for case in suite if case.find("failure") is not None}
    assert failed == {("web1", "orphan"), ("web3", "not_audited")}
    assert [(suite.get("tests"), suite.get("failures")) for suite in root] == [("6", "1"), ("6", "0"), ("1", "1")]


def test_people_read_packages_and_hosts() -> None:
    lines = audit_lines(audit_report(FLEET, DAY))
    assert lines[0].split() == ["HOST", "PACKAGE", "INSTALLED", "CANDIDATE", "CATEGORY", "FROM", "PRIORITY", "REMARKS"]
    assert any(line.split()[:2] == ["web2", "libcrypto"] and "hides security fix 2-2" in line for line in lines)
    assert lines[-1] == "web3 was not audited: no route\x1b to host"
    assert audit_lines(audit_report({}, DAY))[0].startswith("HOST  PACKAGES")


@pytest.mark.parametrize("call, said", [
    (lambda: audit_report([], DAY), "the results are no dictionary"),
    (lambda: audit_report({}, "today"), "'today' is no day"),
    (lambda: audit_report({}, None), "'None' is no day"),
    (lambda: audit_report({}, DAY, {"hosts": []}), "this is none"),
    (lambda: audit_lines("text"), "this is none"),
    (lambda: audit_problems(audit_report({}, DAY), ["nonsense"]), "there is no finding 'nonsense'"),
    (lambda: audit_junit(audit_report({}, DAY), [], "many"), "'many' is no number of packages"),
])
def test_bad_input_is_refused_in_words(call: t.Callable[[], t.Any], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        call()
