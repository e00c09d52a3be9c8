# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What dnf says of every installed package, for an audit, through its own Python interface."""

from __future__ import annotations

import datetime
import functools
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._host import dnf_base, dnf_view, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.audit import Known, Offer, Since, Version
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Survey

_EXCLUDED = "excluded by the host's dnf"


def survey(packages: t.Sequence[str]) -> Survey:
    """Return what dnf says of every installed package and of packages; it fetches metadata that is out of date. Raises Failure."""
    with dnf_view.asked() as base:
        base.fill_sack()
        reading = _Reading(base)
        return Survey(dnf_view.view_of(base, packages), reading.known(packages), reading.dated)


class _Reading:
    """One reading of the packages of an opened dnf."""

    def __init__(self, base: t.Any) -> None:
        self._base = base
        self._sets = {one.id: dnf_view.set_of(one) for one in base.repos.iter_enabled()}
        self._since: t.Dict[t.Tuple[str, str, str], Since] = {}

    def dated(self, package: str, version: str, offer: Offer) -> t.Optional[Since]:
        """Answer audit.Dated with the date of the advisory about a version; without one, with that of its repository's metadata."""
        return self._since.get((package, version, offer.repository))

    def known(self, names: t.Sequence[str]) -> t.Dict[str, Known]:
        """Return every installed package, and those of names that dnf knows."""
        import hawkey

        sack = self._base.sack
        # Excludes hide packages even where they are installed, and just that an audit is to find. What belongs to a
        # module stream that is not enabled stays away: nobody would install it.
        everything = hawkey.IGNORE_REGULAR_EXCLUDES
        installed = self._by_key(sack.query(flags=everything).installed())
        words = sorted({packages[0].name for packages in installed.values()} | {name.rpartition(".")[0] or name for name in names} | set(names))
        offered = self._by_key(sack.query(flags=everything).available().filter(name=words))
        visible = self._by_key(sack.query().available().filter(name=words))
        keys = {*installed, *(name for name in names if name in offered)}
        return {key: self._known(key, installed.get(key, []), offered.get(key, []), visible.get(key, [])) for key in keys}

    def _known(self, key: str, installed: t.Sequence[t.Any], offered: t.Sequence[t.Any], visible: t.Sequence[t.Any]) -> Known:
        # Of a kernel several versions may be installed; the newest is the one that counts.
        here = sorted(installed)[-1] if installed else None
        ranked = dnf_base.ranked(self._base, visible)
        candidate = ranked[0].evr if ranked else here.evr if here else None
        held = "excluded by the host's dnf" if here and offered and not visible else ""
        lowest = min([*ranked[:1], *([here] if here else [])], default=None)
        return Known(here.evr if here else None, candidate, tuple(self._versions(key, here, offered, lowest)), held)

    def _versions(self, key: str, here: t.Any, offered: t.Sequence[t.Any], lowest: t.Any) -> t.Iterator[Version]:
        """Yield the versions, the newest first, with their offers, the strongest first. lowest: the lower of installed and candidate."""
        found: t.Dict[str, t.List[t.Any]] = {here.evr: []} if here else {}
        for package in dnf_base.ranked(self._base, offered):
            found.setdefault(package.evr, []).append(package)
        example = {evr: packages[0] if packages else here for evr, packages in found.items()}

        def newest_first(one: str, other: str) -> int:
            return int(example[other].evr_cmp(example[one]))

        for evr in sorted(found, key=functools.cmp_to_key(newest_first)):
            yield Version(evr, tuple(self._offer(key, package, lowest is None or package.evr_cmp(lowest) > 0) for package in found[evr]))

    def _offer(self, key: str, package: t.Any, newer: bool) -> Offer:
        """Return who offers a package; advisories are looked up only for what may be hidden."""
        repository = self._base.repos[package.reponame]
        advisory = _security_advisory(package) if newer else None
        if newer:
            self._since[key, package.evr, package.reponame] = _since(repository, advisory)
        security = advisory is not None or "security" in package.reponame
        return Offer(repository.id, self._sets[repository.id], repository.priority, policy.band("dnf", repository.priority), security=security)

    def _by_key(self, packages: t.Iterable[t.Any]) -> t.Dict[str, t.List[t.Any]]:
        found: t.Dict[str, t.List[t.Any]] = {}
        for package in packages:
            # rpm keeps the keys it trusts as packages called gpg-pubkey.
            if package.arch not in ("src", "nosrc") and package.name != "gpg-pubkey":
                found.setdefault(dnf_base.key_of(self._base, package), []).append(package)
        return found


def _security_advisory(package: t.Any) -> t.Any:
    import hawkey

    return next((one for one in package.get_advisories(hawkey.EQ) if one.type == hawkey.ADVISORY_SECURITY), None)


def _since(repository: t.Any, advisory: t.Any) -> Since:
    if advisory is not None:
        return Since(advisory.updated.date(), "advisory")
    # The newest time stamp of repomd.xml: the repository was written then.
    return Since(datetime.datetime.fromtimestamp(repository._repo.getMaxTimestamp(), datetime.timezone.utc).date(), "repository")
