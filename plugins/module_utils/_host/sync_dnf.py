# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Synchronisation on dnf hosts, through dnf's own Python interface and the rpm database."""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import dnf_base, dnf_files
from ansible_collections.egi.cmd.plugins.module_utils._host.sync_plan import DOWNGRADE, INSTALL, REMOVE, UPGRADE, Known, Step, Targets

_T = t.TypeVar("_T")


class DnfPackages:
    """The host's dnf. wait: seconds to wait for the locks of another dnf."""

    family = "dnf"

    def __init__(self, set_name: str, wait: int) -> None:
        self._set, self._wait = set_name, wait
        self._opened: t.Optional[t.Any] = None
        self._tolerant = self._ended = False

    @property
    def _repo_file(self) -> str:
        return dnf_files.repo_path(self._set)

    @property
    def _base(self) -> t.Any:
        """The host's dnf with its repositories and the rpm database; after apply() a fresh look at the rpm database alone."""
        if self._opened is None:
            self._opened = self._load_installed() if self._ended else self._load()
        return self._opened

    def require_set(self) -> None:
        """Refuse when the repository set is not configured on this host."""
        if not os.path.exists(self._repo_file):
            raise Failure(f"synchronise with repository set '{self._set}'", f"it is not configured on this host ({self._repo_file} is missing)",
                          "Run egi.cmd.repository_set first")

    def refresh(self, required: bool) -> None:
        """Ask the set's repositories for their index when they are loaded; the others' are as fresh as dnf.conf demands.

        required=False: a repository that does not answer is left out, for going back in an emergency.
        """
        self._tolerant = not required
        self._opened = None

    def mend(self, broken: t.Collection[str]) -> bool:
        """Erase the older versions of packages that are there twice: what the interrupted transaction had left to do.

        rpm installs all new versions before it erases the old ones, so the files on the disk are the newest version's.
        """
        if not broken:
            return False
        import dnf

        base = self._load_installed()
        try:
            installed = self._by_key(base.sack.query().installed().filter(name=_names(broken)))
            for key in broken:
                for package in sorted(installed[key])[:-1]:
                    base.package_remove(package)
            base.resolve()
            self._patient(base.do_transaction)
        except dnf.exceptions.Error as error:
            raise Failure(f"finish what an interrupted dnf left of {', '.join(sorted(broken))}", dnf_base.reason(error),
                          "Run 'dnf remove --duplicates' on the host") from error
        finally:
            base.close()
        self._patient(self._base.fill_sack)
        return True

    def offered(self) -> t.List[str]:
        """Return the installed packages whose candidate comes from the set; never those kept in several versions."""
        ours = self._ours(self._base)
        query = self._base.sack.query()
        installed = self._by_key(query.installed())
        available = self._by_key(query.available().filter(name=[packages[0].name for packages in installed.values()]))
        chosen = {key: dnf_base.ranked(self._base, available[key])[0] for key in installed if key in available}
        side_by_side = self._side_by_side()
        return sorted(key for key, package in chosen.items() if package.reponame in ours and key not in side_by_side)

    def installed(self) -> t.Dict[str, str]:
        """Return every installed package with its version; not those kept in several versions, nor rpm's keys, which are no packages."""
        side_by_side = self._side_by_side()
        return {key: max(packages).evr for key, packages in self._by_key(self._base.sack.query().installed()).items()
                if key not in side_by_side and packages[0].name != "gpg-pubkey"}

    def look(self, names: t.Collection[str]) -> t.Dict[str, Known]:
        """Return what rpm and dnf know; a name without architecture covers every installed architecture of it."""
        query = self._base.sack.query()
        words = _names(names)
        installed = self._by_key(query.installed().filter(name=words))
        available = self._by_key(query.available().filter(name=words))
        keys = {key for name in names for key in [name, *(one for one in installed if one.rpartition(".")[0] == name)]}
        side_by_side = self._side_by_side()
        return {key: self._known(installed.get(key, []), available.get(key, []), key in side_by_side) for key in keys}

    def simulate(self, targets: Targets, action: str) -> t.List[Step]:
        """Let dnf solve for the targets; if that needs removals, return the solution with them, for the plan to refuse."""
        import dnf

        try:
            self._solve(targets, False)
        except dnf.exceptions.DepsolveError as error:
            try:
                self._solve(targets, True)
            except dnf.exceptions.Error:
                raise Failure(action, dnf_base.reason(error), "Correct the repositories or leave out the package; nothing was changed") from error
        except dnf.exceptions.Error as error:
            raise Failure(action, dnf_base.reason(error), "Correct the repositories or leave out the package; nothing was changed") from error
        return sorted(self._steps(), key=lambda step: step.package)

    def apply(self, targets: Targets, action: str, dependencies: t.Collection[str]) -> t.List[str]:  # noqa: ARG002
        """Download, verify and install what simulate() found; rpm's complaints about scripts it does not count as failures come back.

        dependencies: count as installed for another package's sake, for ``dnf autoremove``.
        """
        import dnf
        import libdnf

        scripts = _scripts_heard()
        failed: t.List[str] = []
        why = ""
        try:
            packages = list(self._base.transaction.install_set)
            self._patient(lambda: self._base.download_packages(packages))
            for package in packages:
                self._verify(package, action)
            for item in self._base.transaction:
                if item.action == libdnf.transaction.TransactionItemAction_INSTALL and dnf_base.key_of(self._base, item.pkg) in dependencies:
                    item.reason = libdnf.transaction.TransactionItemReason_DEPENDENCY
            self._patient(lambda: self._base.do_transaction(scripts))
            # A package whose script fails does not make do_transaction() raise: it is only marked.
            failed = sorted(str(item) for item in self._base.transaction if item.action in dnf.transaction.FORWARD_ACTIONS
                            and item.state == libdnf.transaction.TransactionItemState_ERROR)
        except dnf.exceptions.Error as error:
            why = dnf_base.reason(error)
        finally:
            self._close()
            self._ended = True
        if failed or why:
            last = "".join(f"\n  {line}" for line in scripts.heard[-12:])
            why = why or f"{', '.join(failed)} could not be installed"
            raise Failure(action, f"{why}; the last output was:{last}\n" if last else why,
                          "Repair the package, or go back with state=restored and this record; dnf's log is /var/log/dnf.rpm.log")
        return [f"{line} (rpm does not count this as a failure)" for line in scripts.errors]

    def _load(self) -> t.Any:
        import dnf

        base = dnf_base.opened()
        base.conf.install_weak_deps = False
        for repository in base.repos.iter_enabled():
            repository.skip_if_unavailable = self._tolerant or repository.skip_if_unavailable
        for name in self._ours(base):
            base.repos[name].metadata_expire = 0
            base.repos[name].skip_if_unavailable = self._tolerant
        try:
            self._patient(base.fill_sack)
        except dnf.exceptions.Error as error:
            base.close()
            raise Failure(f"fetch the index of the repositories for set '{self._set}'", dnf_base.reason(error),
                          "Check that the repository it names answers, then run this again") from error
        return base

    def _load_installed(self) -> t.Any:
        # dnf loads its plugins once per process, so the repositories are not opened a second time; nobody needs them.
        base = dnf_base.configured()
        base.fill_sack(load_available_repos=False)
        return base

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _ours(self, base: t.Any) -> t.List[str]:
        """Return the enabled repositories of the set; nothing when the set is not configured."""
        return [one.id for one in base.repos.iter_enabled() if one.repofile == self._repo_file]

    def _by_key(self, packages: t.Iterable[t.Any]) -> t.Dict[str, t.List[t.Any]]:
        found: t.Dict[str, t.List[t.Any]] = {}
        for package in packages:
            if package.arch not in ("src", "nosrc"):
                found.setdefault(dnf_base.key_of(self._base, package), []).append(package)
        return found

    def _side_by_side(self) -> t.Set[str]:
        """Return the packages, installed or not, of which dnf keeps several versions: kernels and their like."""
        return set(self._by_key(self._base.sack.query().filter(provides=list(self._base.conf.installonlypkgs))))

    def _known(self, installed: t.Sequence[t.Any], available: t.Sequence[t.Any], side_by_side: bool) -> Known:
        ranked = dnf_base.ranked(self._base, available)
        return Known(
            installed=sorted(installed)[-1].evr if installed else None,
            candidate=ranked[0].evr if ranked else None,
            offers={package.evr: package.reponame for package in reversed(ranked)},
            whole=side_by_side or len(installed) < 2,
            held="dnf keeps several versions of it side by side (installonlypkgs)" if side_by_side else "",
        )

    def _solve(self, targets: Targets, erasing: bool) -> None:
        self._base.reset(goal=True)
        query = self._base.sack.query()
        installed = self._by_key(query.installed().filter(name=_names(targets)))
        available = self._by_key(query.available().filter(name=_names(targets)))
        for key, version in sorted(targets.items()):
            if version is None:
                for package in installed[key]:
                    self._base.package_remove(package)
            else:
                # The exact package, so that dnf neither looks at priorities again nor minds which way the version goes.
                same = [package for package in available[key] if package.evr == version]
                self._base.package_install(dnf_base.ranked(self._base, same)[0])
        self._base.resolve(allow_erasing=erasing)

    def _steps(self) -> t.List[Step]:
        coming = self._by_key(self._base.transaction.install_set)
        going = self._by_key(self._base.transaction.remove_set)
        steps = [Step(key, REMOVE, packages[0].evr, None) for key, packages in going.items() if key not in coming]
        for key, packages in coming.items():
            package = packages[0]
            if key in going:
                kind = DOWNGRADE if package.evr_lt(going[key][0]) else UPGRADE
                steps.append(Step(key, kind, going[key][0].evr, package.evr, package.reponame))
            else:
                steps.append(Step(key, INSTALL, None, package.evr, package.reponame))
        return steps

    def _verify(self, package: t.Any, action: str) -> None:
        """Check a downloaded package against its repository's keys; a key of ``gpgkey`` is imported, as ``dnf -y`` does."""
        verdict, reason = self._base.package_signature_check(package)
        if verdict == 1:
            self._base.package_import_key(package)
            verdict, reason = self._base.package_signature_check(package)
        if verdict:
            raise Failure(action, f"the signature of {package} from {package.reponame} is not good ({dnf_base.reason(reason)})",
                          "Sign the package with a key that the repository's gpgkey names; nothing was changed")

    def _patient(self, call: t.Callable[[], _T]) -> _T:
        """Make a call that takes dnf's locks; while somebody else holds them, wait and try again."""
        import dnf

        deadline = time.monotonic() + self._wait
        while True:
            try:
                return call()
            except dnf.exceptions.LockError as error:
                if time.monotonic() >= deadline:
                    raise Failure("run dnf", f"another package manager is running ({dnf_base.reason(error)})",
                                  f"Wait for it to end, or raise timeout (now {self._wait} s); nothing was changed") from error
            time.sleep(1)


def _names(keys: t.Iterable[str]) -> t.List[str]:
    """Return every rpm name that the keys could mean; names may have dots themselves."""
    return sorted({word for key in keys for word in (key, key.rpartition(".")[0]) if word})


def _scripts_heard() -> t.Any:
    """Return a dnf transaction display that keeps what the packages' scripts said, and rpm's word on which failed."""
    from dnf.yum.rpmtrans import TransactionDisplay

    class Display(TransactionDisplay):
        def __init__(self) -> None:
            super().__init__()
            self.heard: t.List[str] = []
            self.errors: t.List[str] = []

        def scriptout(self, msgs: t.Any) -> None:
            text = msgs.decode("utf-8", "replace") if isinstance(msgs, bytes) else msgs or ""
            self.heard += [line for line in text.splitlines() if line.strip()]

        def error(self, message: str) -> None:
            self.errors.append(message)
            self.heard.append(message)

    return Display()
