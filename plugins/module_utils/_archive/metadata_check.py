# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Whether a package says who made it, for which release and from what: the rules, and what a package breaks."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._archive import package_metadata
from ansible_collections.egi.cmd.plugins.module_utils._archive.package_metadata import PackageMetadata
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import mos, mos_rules
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import scheme

SEVERITIES = ("error", "warning")

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_URL = re.compile(r"\b(?:https?|git|ssh|svn|ftp|rsync)(?:\+[a-z]+)?://[^\s<>\"')]+")
_PACKAGE_FILE = re.compile(r"\.(?:dsc|diff\.gz|src\.rpm|tar\.(?:gz|bz2|xz|lzma))$")
# A host or folder named after the tool, or its own scheme: enough to tell a repository from a page about it.
_VCS = re.compile(r"^(?:git|ssh|svn)\b|^https?://[^/]*(?:git|svn|hg|salsa)[^/]*/|\.git\b|/(?:c?git|gitweb|svn|hg)/")


class Rule(t.NamedTuple):
    """severity: error refuses the package, warning is for people to read."""

    id: str
    severity: str
    text: str
    remedy: str


class Finding(t.NamedTuple):
    """A rule that a file breaks. why: what was found; remedy: what to do, both without a full stop."""

    file: str
    rule: str
    severity: str
    why: str
    remedy: str


class Policy(t.NamedTuple):
    """What packages shall say. series: release series, ``mos6.1``; maintainer: name and address of the release team.

    backports: names of source packages taken from another release of a base distribution; release, kind: where the
    packages go, for the rules of versions, empty if that is open; mos_versions: whether those rules count.
    """

    series: str
    organisation: str
    maintainer: str
    backports: t.Tuple[str, ...] = ()
    release: str = ""
    kind: str = ""
    mos_versions: bool = True


RULES = (
    Rule("readable", "error", "The file is a whole package, named as it says.", "Fetch or build it again"),
    Rule("trademark", "error", "The version contains no name of a base distribution or its vendor.", "Build it with a version of its own"),
    Rule("changelog", "error", "It has a changelog of its own, and the newest entry can be read.", "Write an entry for this version"),
    Rule("changelog-version", "error", "The newest entry is about this version (deb).", "Write an entry for this version"),
    Rule("series", "error", "The newest entry names the release series.", "Name it as the entry's distribution, or in its text"),
    Rule("organisation", "error", "The newest entry names the organisation.", "Name it in the text, or as its author"),
    Rule("source-commit", "error", "The newest entry has the full id of the source commit.", "Add a line 'Source commit: <40 digits>'"),
    Rule("build-commit", "error", "The newest entry has the full id of the commit of the build scripts.",
         "Add a line 'Build commit: <40 digits>'; if both are in one repository, the same id"),
    Rule("maintainer", "error", "Maintainer (deb) or Packager (rpm) is the release team.", "Set it to the release team; name people in the changelog"),
    Rule("backport-version", "error", "The newest entry of a backport names the exact version it was made from.",
         "Add a line 'Backport of <package> <version> from <URL>'"),
    Rule("backport-source", "error", "The newest entry of a backport has the URL of that version's source.",
         "Add the URL of its repository, else of its pool directory, else of its files"),
    Rule("backport-preference", "warning", "That URL is of a version control repository.", "Name the repository if there is one"),
)
_RULES = {rule.id: rule for rule in RULES}


def check_file(path: str, policy: Policy) -> t.Tuple[t.Optional[PackageMetadata], t.List[Finding]]:
    """Read one file and check it; what cannot be read is a finding too, and has no metadata."""
    try:
        metadata = package_metadata.read(path)
    except Failure as failure:
        return None, [_finding(path, "readable", failure.why)]
    except OSError as error:
        return None, [_finding(path, "readable", error.strerror or str(error))]
    return metadata, check(metadata, policy)


def check(metadata: PackageMetadata, policy: Policy) -> t.List[Finding]:
    """Return every rule the package breaks; rules of versions (``_version/mos_rules.py``) come first."""
    found = [*_version(metadata, policy), *_maintainer(metadata, policy)]
    if metadata.entry is None:
        return [*found, _finding(metadata.file, "changelog", "it has no changelog of its own that begins with an entry")]
    for rule, why in _entry(metadata, metadata.entry.text, policy):
        found.append(_finding(metadata.file, rule, why))
    return found


def _version(metadata: PackageMetadata, policy: Policy) -> t.Iterator[Finding]:
    if policy.mos_versions:
        context = mos_rules.Context(None, policy.release, policy.kind)
        for problem in mos_rules.problems(metadata.family, metadata.version, context):
            remedy = "docs/mos-versions.md has the rule; the filter egi.cmd.mos_version_next proposes a version"
            yield Finding(metadata.file, problem.rule, "error", f"version {metadata.version}: {problem.why}", remedy)
    elif mos.trademark(metadata.version):
        yield _finding(metadata.file, "trademark", f"version {metadata.version} contains {mos.trademark(metadata.version)!r}")


def _maintainer(metadata: PackageMetadata, policy: Policy) -> t.Iterator[Finding]:
    if metadata.maintainer.split() != policy.maintainer.split():
        field = "Maintainer" if metadata.family == "deb" else "Packager"
        yield _finding(metadata.file, "maintainer", f"{field} is {metadata.maintainer!r}, expected {policy.maintainer!r}")


def _entry(metadata: PackageMetadata, text: str, policy: Policy) -> t.Iterator[t.Tuple[str, str]]:
    """Yield (rule, why) for what the newest entry lacks."""
    written = metadata.entry.version if metadata.entry else ""
    if written and written != metadata.version:
        yield "changelog-version", f"the newest entry is about {written}, the package is {metadata.version}"
    # Not inside a version, and not the beginning of a longer series; mos6.1-updates is of the series mos6.1.
    if not re.search(rf"(?<![\w.+~-]){re.escape(policy.series)}(?!\w|\.\w)", text):
        yield "series", f"the newest entry does not name {policy.series}"
    if policy.organisation.lower() not in text.lower():
        yield "organisation", f"the newest entry does not name {policy.organisation}"
    for rule, label in (("source-commit", "Source commit"), ("build-commit", "Build commit")):
        line = re.search(rf"^\W*{label}:[ \t]*(\S*)", text, re.IGNORECASE | re.MULTILINE)
        if not line:
            yield rule, f"the newest entry has no line '{label}:'"
        elif not _COMMIT.fullmatch(line[1]):
            yield rule, f"{line[1]!r} is no full commit id: 40 or 64 hexadecimal digits"
    if metadata.source in policy.backports or re.search(rf"\bbackport of {re.escape(metadata.source)} ", text, re.IGNORECASE):
        yield from _backport(metadata, text)


def _backport(metadata: PackageMetadata, text: str) -> t.Iterator[t.Tuple[str, str]]:
    urls = _URL.findall(text)
    if not any(_is_base_version(metadata, word) for word in text.split()):
        yield "backport-version", "the newest entry names no version of the base package with the same software"
    if not urls:
        yield "backport-source", "the newest entry has no URL"
    elif not any(_VCS.search(url) for url in urls):
        url = urls[0].rstrip(".,;")
        kind = "a file" if _PACKAGE_FILE.search(url) else "a directory" if url.endswith("/") or "/pool/" in url else "a page"
        yield "backport-preference", f"{url} is {kind}"


def _is_base_version(metadata: PackageMetadata, word: str) -> bool:
    """Whether a word is a version another package was made with from the same software: not ours, and with a revision."""
    used = scheme(metadata.family)
    word = word.strip("()[],;:")
    if "-" not in word or word == metadata.version or "mos" in word:
        return False
    try:
        return used.divergent(word).software == used.divergent(metadata.version).software
    except Failure:
        return False


def _finding(file: str, rule: str, why: str) -> Finding:
    return Finding(file, rule, _RULES[rule].severity, why, _RULES[rule].remedy)
