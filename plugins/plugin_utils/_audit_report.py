# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This plugin util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What a fleet's audits make together: one report, and what people, machines and a pipeline read of it. Pure."""

from __future__ import annotations

import collections.abc as c
import copy
import datetime
import re
import typing as t
from xml.etree import ElementTree

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.audit import FINDINGS
from ansible_collections.egi.cmd.plugins.module_utils._rollout.table import lines as table

Report = t.Dict[str, t.Any]
Problem = t.Tuple[str, str, str]
"""(host, what was asked to fail, text)."""

BUDGET = "divergence_budget"
NOT_AUDITED = "not_audited"
_PACKAGE_COLUMNS = ("host", "package", "installed", "candidate", "category", "from", "priority", "remarks")
_HOST_COLUMNS = ("host", "packages", "divergent", *FINDINGS, "oldest fix, days")
# What XML 1.0 cannot hold at all, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report(results: t.Any, day: str, previous: t.Any) -> Report:
    """Return the report of host -> result of repository_set_info; previous: an earlier report, {} for none. Raises Failure.

    A masked version is dated with the earliest day known: the host's own evidence, or the day an earlier report had.
    """
    action = "make a report of audits"
    if not isinstance(results, c.Mapping):
        raise Failure(action, "the results are no dictionary", "Pass host -> registered result of egi.cmd.repository_set_info")
    today = _day(day, action)
    seen = _seen(checked(previous)) if previous else {}
    return {"schema": 1, "day": today.isoformat(), "hosts": {host: _host(host, results[host], today, seen) for host in sorted(results)}}


def checked(value: t.Any) -> Report:
    """Return a value that has the form of report(). Raises Failure."""
    if not isinstance(value, c.Mapping) or value.get("schema") != 1 or not isinstance(value.get("hosts"), c.Mapping):
        raise Failure("read a report of audits", "this is none", "Pass what egi.cmd.audit_report returned")
    return dict(value)


def asked(value: t.Any, fail_on: t.Any, divergent_max: t.Any) -> t.Tuple[Report, t.List[str], t.Optional[int]]:
    """Return a report and what is asked of it, in the form problems() wants; an empty text asks nothing. Raises Failure."""
    words = [word.strip() for word in fail_on.split(",") if word.strip()] if isinstance(fail_on, str) else list(fail_on or ())
    if divergent_max in (None, ""):
        return checked(value), words, None
    if not str(divergent_max).isdigit():
        raise Failure("judge a report of audits", f"'{divergent_max}' is no number of packages", "Give divergent_max as a whole number, or leave it out")
    return checked(value), words, int(divergent_max)


def problems(audits: Report, fail_on: t.Sequence[str], divergent_max: t.Optional[int]) -> t.List[Problem]:
    """Return what of a report was asked to fail; a host without an audit is always a problem. Raises Failure for unknown words."""
    unknown = sorted(set(fail_on) - set(FINDINGS))
    if unknown:
        raise Failure("judge a report of audits", f"there is no finding '{unknown[0]}'", f"Use some of {', '.join(FINDINGS)}")
    return [problem for host, one in audits["hosts"].items() for problem in _problems(host, one, fail_on, divergent_max)]


def lines(audits: Report) -> t.List[str]:
    """Return two tables: the packages that are not plainly the operating system's own, and every host's counts."""
    packages = [_package_row(host, package) for host, one in audits["hosts"].items() for package in one.get("packages", [])
                if package["findings"] or package["category"] != "upstream"]
    hosts = [_host_row(host, one) for host, one in audits["hosts"].items()]
    refused = [f"{host} was not audited: {one['why']}" for host, one in audits["hosts"].items() if not one["audited"]]
    return [*(table(packages, _PACKAGE_COLUMNS) + [""] if packages else []), *table(hosts, _HOST_COLUMNS), *refused]


def junit(audits: Report, fail_on: t.Sequence[str], divergent_max: t.Optional[int]) -> str:
    """Return JUnit XML: a suite for each host, a case for each finding and for the budget."""
    found: t.Dict[t.Tuple[str, str], t.List[str]] = {}
    for host, what, text in problems(audits, fail_on, divergent_max):
        found.setdefault((host, what), []).append(text)
    root = ElementTree.Element("testsuites", name="audit")
    for host, one in audits["hosts"].items():
        cases = [*FINDINGS, BUDGET] if one["audited"] else [NOT_AUDITED]
        failures = sum((host, what) in found for what in cases)
        suite = ElementTree.SubElement(root, "testsuite", name=_xml(host), tests=str(len(cases)), failures=str(failures), errors="0", skipped="0")
        for what in cases:
            case = ElementTree.SubElement(suite, "testcase", classname=_xml(host), name=what)
            texts = found.get((host, what), [])
            if texts:
                ElementTree.SubElement(case, "failure", message=_xml(texts[0])).text = _xml("\n".join(texts))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _day(value: str, action: str) -> datetime.date:
    try:
        return datetime.datetime.strptime(value, "%Y-%m-%d").date()
    except (TypeError, ValueError):
        raise Failure(action, f"'{value}' is no day", "Write it as YYYY-MM-DD") from None


def _key(host: str, package: t.Mapping[str, t.Any], masked: t.Mapping[str, t.Any]) -> t.Tuple[str, ...]:
    return host, package["name"], masked["version"], masked["repository"]


def _seen(previous: t.Mapping[str, t.Any]) -> t.Dict[t.Tuple[str, ...], str]:
    return {_key(host, package, masked): masked["since"] for host, one in previous["hosts"].items()
            for package in one.get("packages", []) for masked in package["masked"]}


def _host(host: str, result: t.Any, today: datetime.date, seen: t.Mapping[t.Tuple[str, ...], str]) -> t.Dict[str, t.Any]:
    audited = result.get("audit") if isinstance(result, c.Mapping) else None
    if not audited:
        return {"audited": False, "why": str(result.get("msg") or "it gave no audit") if isinstance(result, c.Mapping) else "it gave no result"}
    packages = copy.deepcopy(list(audited["packages"]))
    for package in packages:
        for masked in package["masked"]:
            _date(masked, today, seen.get(_key(host, package, masked)))
    ages = [masked["age_days"] for package in packages for masked in package["masked"] if masked["security"]]
    summary = {**audited["summary"], "oldest_masked_security_days": max(ages, default=None)}
    return {"audited": True, "family": result["family"], "sets": result["sets"], "summary": summary, "packages": packages}


def _date(masked: t.Dict[str, t.Any], today: datetime.date, earlier: t.Optional[str]) -> None:
    if masked["since"] is None:
        masked.update(since=today.isoformat(), evidence="this_report")
    if earlier is not None and earlier < masked["since"]:
        masked.update(since=earlier, evidence="earlier_report")
    masked["age_days"] = max(0, (today - datetime.date.fromisoformat(masked["since"])).days)


def _problems(host: str, one: t.Mapping[str, t.Any], fail_on: t.Sequence[str], divergent_max: t.Optional[int]) -> t.Iterator[Problem]:
    if not one["audited"]:
        yield host, NOT_AUDITED, f"it was not audited: {one['why']}"
        return
    for package in one["packages"]:
        for finding in package["findings"]:
            if finding in fail_on:
                yield host, finding, f"{package['name']} {package['installed'] or package['candidate']}: {_explained(finding, package)}"
    divergent = one["summary"]["divergent"]
    if divergent_max is not None and divergent > divergent_max:
        yield host, BUDGET, f"{divergent} divergent packages, at most {divergent_max} are allowed"


def _explained(finding: str, package: t.Mapping[str, t.Any]) -> str:
    if finding == "forbidden_downgrade":
        return f"{package['repository']} has older software ({package['candidate']}) than the base"
    if finding == "orphan":
        return "no repository offers it"
    if finding == "drift":
        return f"{package['drift']} than the release, which has {package['release']}"
    return "; ".join(_hidden(masked) for masked in package["masked"] if masked["security"] or finding == "masked")


def _hidden(masked: t.Mapping[str, t.Any]) -> str:
    kind = "security fix " if masked["security"] else ""
    return f"hides {kind}{masked['version']} of {masked['repository']}, {masked['age_days']} days ({masked['by']})"


def _package_row(host: str, package: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    drift = [f"{package['drift']} than the release"] if package["drift"] else []
    remarks = [*([package["held"]] if package["held"] else []), *drift, *(_hidden(masked) for masked in package["masked"])]
    return {"host": host, "package": package["name"], "installed": package["installed"], "candidate": package["candidate"],
            "category": package["category"], "from": package["repository"], "priority": package["priority"], "remarks": "; ".join(remarks)}


def _host_row(host: str, one: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    if not one["audited"]:
        return {"host": host, "packages": "not audited"}
    summary, oldest = one["summary"], one["summary"]["oldest_masked_security_days"]
    return {"host": host, "packages": summary["installed"], "divergent": str(summary["divergent"]),
            **{finding: str(summary["findings"][finding]) for finding in FINDINGS}, "oldest fix, days": None if oldest is None else str(oldest)}


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)
