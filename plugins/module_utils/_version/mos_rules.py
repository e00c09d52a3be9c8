# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The rules of the MOS scheme, each with an id and its reason, and what a single version breaks."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import MosVersion, kind_of, release_key, trademark
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import Scheme, scheme

_MARK = re.compile(r"[.+~]mos[0-9]")


class Rule(t.NamedTuple):
    """families: whom it binds; text: what holds; why: one line."""

    id: str
    families: t.Tuple[str, ...]
    text: str
    why: str


class Problem(t.NamedTuple):
    """A broken rule. why: what was found, lower case, without a full stop."""

    rule: str
    why: str


class Context(t.NamedTuple):
    """What is known about a version besides its text.

    upstream: the base distribution's version, empty if it has no such package, None if not known; release: the overlay
    release it is for, empty if not known; kind: the repository it is for, empty if not known.
    """

    upstream: t.Optional[str] = None
    release: str = ""
    kind: str = ""


_BOTH = ("deb", "rpm")
RULES = (
    Rule("form", _BOTH, "A version is in the form of its family's scheme.",
         "Everything else is read from it: whose package it is, from what, for which release."),
    Rule("trademark", _BOTH, "No name of a base distribution or its vendor in it.",
         "The overlay's build must not pass for the vendor's."),
    Rule("software-version", _BOTH, "The upstream part is the software's version, without a mark of the overlay.",
         "A mark there outweighs the revision, and the base's package of the same software could never take over."),
    Rule("epoch", _BOTH, "The epoch is the base package's; a specific package has none.",
         "A higher one can never be taken back, a lower one breaks `>= 1:...` of other packages."),
    Rule("revision", _BOTH, "The revision is the base package's without vendor names; 1 in a specific package.",
         "It shows what the package was made from, and a new base revision supersedes the old."),
    Rule("zero-tilde", ("deb",), "It is not below the bare software version, as `0~` is.",
         "`Depends: package (>= 1.2)` would refuse it."),
    Rule("counter", ("deb",), "Builds are counted from 1.", "0 is no build."),
    Rule("dist-tag", ("rpm",), "The release has a dist tag.",
         "`1~mos2` is below `1.el7~mos1`: dropping the tag is a downgrade."),
    Rule("security-bundle", ("rpm",), "Only the security repository has a bundle number.",
         "It tells a host's administrator where the build came from; elsewhere N counts on."),
    Rule("below-upstream", _BOTH, "It is below the base's package of the same software version.",
         "When the overlay drops the package, hosts return to the base's by an ordinary upgrade."),
    Rule("no-upstream-downgrade", _BOTH, "Its software is not older than the base's, except in holdback.",
         "The overlay outranks the base, so hosts would go back."),
    Rule("target-release", ("deb",), "Its last step is not for a newer release than the one it is for.",
         "The release's own next update would be below it."),
    Rule("increasing", _BOTH, "In one repository every version is above those before it.",
         "A package manager never offers a lower one."),
    Rule("above-base", _BOTH, "Updates and security are not below the base repository of their release.",
         "It would reach nobody."),
    Rule("no-downgrade", _BOTH, "A release's effective version, the highest of base, updates and security, is not below that of an earlier release.",
         "Hosts that move on would go back. So a fix is published to the newest release first."),
)


class _Subject(t.NamedTuple):
    """A version that could be read, and what is known about it."""

    used: Scheme
    version: MosVersion
    context: Context

    @property
    def source(self) -> t.Optional[MosVersion]:
        """Build 0 of the base package, if the base has it."""
        return self.used.divergent(self.context.upstream) if self.context.upstream else None

    @property
    def twin(self) -> t.Optional[MosVersion]:
        """The same, if it has the same software; an upgraded package carries newer."""
        source = self.source
        same = source and self.used.key(source.versioned_software) == self.used.key(self.version.versioned_software)
        return source if same else None


_NOTHING_KNOWN = Context()


def problems(family: str, text: str, context: Context = _NOTHING_KNOWN) -> t.List[Problem]:
    """Return the rules one version breaks, in the order of RULES; raise Failure for a context that cannot be read."""
    used = scheme(family)
    if context.kind:
        kind_of(context.kind)
    named = trademark(text) if isinstance(text, str) else ""
    found = [Problem("trademark", f"it contains {named!r}")] if named else []
    try:
        version = used.parse(text)
    except Failure as failure:
        return [Problem("form", failure.why), *found]
    for rule in RULES:
        if rule.id in _CHECKS and family in rule.families:
            why = _CHECKS[rule.id](_Subject(used, version, context))
            if why:
                found.append(Problem(rule.id, why))
    return found


def _software_version(subject: _Subject) -> str:
    mark = _MARK.search(subject.version.software)
    return f"the upstream part {subject.version.software!r} contains {mark.group()!r}" if mark else ""


def _epoch(subject: _Subject) -> str:
    if subject.context.upstream is None:
        return ""
    epoch, expected = subject.version.epoch, subject.source.epoch if subject.source else 0
    return f"the epoch is {epoch}, expected {expected}" if epoch != expected else ""


def _revision(subject: _Subject) -> str:
    revision = subject.version.revision
    expected = subject.twin.revision if subject.twin else "1" if subject.context.upstream == "" else revision
    return f"the revision is {revision!r}, expected {expected!r}" if revision != expected else ""


def _zero_tilde(subject: _Subject) -> str:
    bare = subject.version.versioned_software
    return f"it is below {bare}" if subject.used.key(str(subject.version)) < subject.used.key(bare) else ""


def _counter(subject: _Subject) -> str:
    return "the build is 0" if subject.version.build == 0 else ""


def _dist_tag(subject: _Subject) -> str:
    return "" if subject.version.base else f"the release has no dist tag before ~mos{subject.version.build}"


def _security_bundle(subject: _Subject) -> str:
    bundle, kind = subject.version.bundle, subject.context.kind
    return f"it has bundle {bundle} and is for {kind}" if bundle and kind not in ("", "security") else ""


def _below_upstream(subject: _Subject) -> str:
    upstream = subject.context.upstream
    if not subject.twin or subject.used.key(str(subject.version)) < subject.used.key(str(upstream)):
        return ""
    return f"it is not below {upstream}"


def _no_upstream_downgrade(subject: _Subject) -> str:
    if not subject.source or subject.context.kind == "holdback":
        return ""
    ours, theirs = subject.version.versioned_software, subject.source.versioned_software
    return f"its software {ours} is older than {theirs} of the base" if subject.used.key(ours) < subject.used.key(theirs) else ""


def _target_release(subject: _Subject) -> str:
    if not subject.version.steps or not subject.context.release:
        return ""
    made_for = subject.version.steps[-1].release
    newer = release_key(made_for) > release_key(subject.context.release)
    return f"it was made for release {made_for}, which is newer than {subject.context.release}" if newer else ""


_CHECKS: t.Dict[str, t.Callable[[_Subject], str]] = {
    "software-version": _software_version, "epoch": _epoch, "revision": _revision, "zero-tilde": _zero_tilde,
    "counter": _counter, "dist-tag": _dist_tag, "security-bundle": _security_bundle, "below-upstream": _below_upstream,
    "no-upstream-downgrade": _no_upstream_downgrade, "target-release": _target_release,
}
