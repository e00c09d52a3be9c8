# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The next free version of a package, from its history: generated in the form of the scheme, then judged as any other.

Nothing here trusts the form to be safe. Whatever was generated is compared with every version a host may have, by the
package manager's own order, and refused if it would be a downgrade for one of them (docs/mos-versions.md has the cases).
"""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import mos_history, mos_rules
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import EFFECTIVE, KINDS, MosVersion, Step, kind_of, release_key
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_history import History, Release
from ansible_collections.egi.cmd.plugins.module_utils._version.mos_scheme import Scheme, scheme

FORMS = ("build", "update", "security", "port")

_REMEDY = "docs/mos-versions.md says what each rule is for"
# A native 1.2 leaves no room: what satisfies >= 1.2 is not below it. A person decides which of the two to give up.
_REMEDIES = {"below-upstream": "Package newer software; or name it as software, and the base's package will not take over by itself"}


class Wish(t.NamedTuple):
    """What a version is wanted for.

    form: build = made anew from upstream or software; update = some changes to what the release has; security = the same
    for a security fix; port = the effective version of release source, whole. kind: repository it goes to.
    upstream: version of the base package it is made from; software: version of what the base does not have; one of the
    two, for a build. base: tag of the base distribution, for a build. at_least: lowest build number, for
    an rpm of OpenStack its commits since the tag.
    """

    release: str
    form: str
    kind: str = "updates"
    base: str = ""
    upstream: str = ""
    software: str = ""
    source: str = ""
    at_least: t.Optional[int] = None


def propose(family: str, history: History, wish: Wish) -> str:
    """Return the next free version; raise Failure if none keeps every rule, saying which rule and what stands in the way."""
    used = scheme(family)
    release = mos_history.named(history, wish.release)
    kind_of(wish.kind)
    if wish.form not in FORMS:
        raise _refusal(wish, f"there is no form {wish.form!r}", f"Choose one of {', '.join(FORMS)}")
    make = {"build": _build, "update": _update, "security": _security, "port": _port}[wish.form]
    version = str(make(used, history, release, wish))
    _check(used, history, wish, version)
    return version


def _build(used: Scheme, history: History, release: Release, wish: Wish) -> MosVersion:
    """Count on where the stem stays the same, even if what was cut off it (ubuntu4, ubuntu5) does not; else begin again."""
    if bool(wish.upstream) == bool(wish.software):
        raise _refusal(wish, "a build is made from either upstream or software", "Name one of the two")
    first = 1 if wish.at_least is None else wish.at_least
    if not isinstance(first, int) or not 0 <= first < 10**9:
        raise _refusal(wish, f"at_least is {first!r}", "Write a number from 0 to 999999999")
    fresh = used.divergent(wish.upstream) if wish.upstream else used.specific(wish.software)
    fresh = fresh._replace(base=used.base_tag(wish.base))
    before = history[: history.index(release) + 1]
    first = max([first, *(version.build + 1 for version in _siblings(used, before, fresh))])
    return fresh._replace(build=_free(first, (version.build for version in _siblings(used, history, fresh))))


def _update(used: Scheme, history: History, release: Release, wish: Wish) -> MosVersion:
    """A deb says for which release it was updated; an rpm has only its build number to count on."""
    newest = _newest(used, release, wish)
    if used.family == "rpm":
        return newest._replace(build=_free(newest.build + 1, (version.build for version in _siblings(used, history, newest))), bundle=0)
    if newest.steps and newest.steps[-1].release == release.name:
        # The line keeps its form: mos1+mos6.1+K would be below the backport mos2~mos6.1+1 that hosts have already.
        last = newest.steps[-1]
        return newest._replace(steps=(*newest.steps[:-1], last._replace(update=last.update + 1)))
    return newest._replace(steps=(*newest.steps, Step("+", release.name, 1)))


def _security(used: Scheme, history: History, release: Release, wish: Wish) -> MosVersion:
    """Debian packages count security fixes with the updates, so that each is above the other whichever came last."""
    if used.family == "deb":
        return _update(used, history, release, wish)
    newest = _newest(used, release, wish)
    bundles = (version.bundle for version in _siblings(used, history, newest) if version.build == newest.build)
    return newest._replace(bundle=_free(newest.bundle + 1, bundles))


def _port(used: Scheme, history: History, release: Release, wish: Wish) -> MosVersion:
    """A newer release's version goes below itself with a tilde, an older one's above itself with a plus."""
    if used.family == "rpm":
        raise _refusal(wish, "the rpm scheme has no form for a port", "Copy the package itself, or build it for this release")
    source = mos_history.named(history, wish.source)
    if source is release:
        raise _refusal(wish, "source is the release itself", "Name the release to take the version from")
    text = mos_history.effective(used, source)
    if not text:
        raise _refusal(wish, f"release {source.name} has no version in {', '.join(EFFECTIVE)}", "Publish it there first")
    version = used.parse(text)
    form = "~" if release_key(source.name) > release_key(release.name) else "+"
    updates = [
        other.steps[-1].update for other in _of_scheme(used, (release,))
        if other.steps and other.steps[-1][:2] == (form, release.name) and other._replace(steps=other.steps[:-1]) == version
    ]
    return version._replace(steps=(*version.steps, Step(form, release.name, max(updates, default=0) + 1)))


def _newest(used: Scheme, release: Release, wish: Wish) -> MosVersion:
    """The highest version anywhere in the release: proposed counts, for hosts that opted in have it."""
    versions = release.of(*(kind for kind in KINDS if kind != "holdback"))
    if not versions:
        raise _refusal(wish, f"release {release.name} has no version of the package to update", "Choose the form build or port")
    return used.parse(max(versions, key=used.key))


def _siblings(used: Scheme, history: History, version: MosVersion) -> t.List[MosVersion]:
    """Every version with the same stem: the same number after it would be the same version for other content."""
    return [other for other in _of_scheme(used, history) if used.key(other.stem) == used.key(version.stem)]


def _free(first: int, taken: t.Iterable[int]) -> int:
    """The lowest number from first on that is not taken."""
    numbers = set(taken)
    while first in numbers:
        first += 1
    return first


def _of_scheme(used: Scheme, history: History) -> t.Iterator[MosVersion]:
    """Every version of the history that is in the scheme; holdback may have the base's own."""
    for release in history:
        for text in release.of(*KINDS):
            try:
                yield used.parse(text)
            except Failure:
                continue


def _check(used: Scheme, history: History, wish: Wish, version: str) -> None:
    """Raise Failure unless version is above all that hosts may have and breaks no rule that held before."""
    for release, kind, other in _before(history, wish):
        if used.key(version) <= used.key(other):
            raise _refusal(
                wish, f"rule increasing: {version} is not above {other}, which hosts have from {kind} of release {release}",
                "Base it on newer software or a newer base revision, or port the version that is higher",
            )
    upstream = wish.upstream if wish.form == "build" else None
    context = mos_rules.Context(upstream, wish.release, wish.kind)
    broken = mos_rules.problems(used.family, version, context)
    if broken:
        raise _refusal(wish, f"rule {broken[0].rule}: {version}: {broken[0].why}", _REMEDIES.get(broken[0].rule, _REMEDY))
    after = mos_history.problems(used, mos_history.with_version(history, wish.release, wish.kind, version))
    new = [problem for problem in after if problem not in mos_history.problems(used, history)]
    if new:
        remedy = "Publish to the newest release first" if new[0].rule == "no-downgrade" else "Choose another repository"
        raise _refusal(wish, f"rule {new[0].rule}: with {version}, {new[0].why}", remedy)


def _before(history: History, wish: Wish) -> t.Iterator[t.Tuple[str, str, str]]:
    """Yield (release, kind, version) of all that hosts may have when they are offered the new one.

    A holdback is a downgrade by intent: only the holdback repository itself has to go forward.
    """
    for release in history:
        for kind, versions in release.versions:
            if wish.kind != "holdback" or (kind, release.name) == ("holdback", wish.release):
                for version in versions:
                    yield release.name, kind, version
        if release.name == wish.release:
            return


def _refusal(wish: Wish, why: str, remedy: str) -> Failure:
    return Failure(f"propose a version for {wish.kind} of release {wish.release}", why, remedy)
