# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Proves a set on a dnf host before it goes live: the host's own dnf reads, fetches and verifies it in directories of its own."""

from __future__ import annotations

import os
import re
import shutil
import stat
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import dnf_base, dnf_files, dnf_view, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File, Proof
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Repository

_OUTRANKING = ("developer", "holdback", "overlay")
_SECRETS = ("username", "password")

# What dnf or librepo says -> what a person does. The first that matches counts.
_REMEDIES = (
    ("Status code: 401", "Check the user and password of its baseurl"),
    ("Status code: 403", "Check the user, the password and the client certificate of this host"),
    ("signature is not available", "Publish repodata/repomd.xml.asc, or set signed_metadata to false for this repository"),
    ("Status code: 404", "Check its baseurl: nothing is published there"),
    ("GPG signature", "Its metadata was signed with another key than keys names, or changed after it was signed: compare the fingerprints"),
    ("GPG key", "Check the keys of this repository"),
    ("Curl error (6)", "Check the server's name in baseurl, and this host's name service"),
    ("Curl error (7)", "Check that the server runs, and that this host or its proxy reaches it"),
    ("Curl error (28)", "Check the server and the network, or raise timeout"),
    ("Curl error (60)", "Check ca_certificate"),
    ("Curl error (58)", "Check client_certificate and client_key"),
    ("checksum doesn't match", "Its files do not belong together: publish it again"),
    ("parse", "Its metadata is malformed: publish it again"),
    ("Loading repository", "Its metadata is malformed: publish it again"),
)


def prove(set_name: str, repositories: t.Sequence[Repository], files: t.Mapping[str, File], scratch: str, timeout: int) -> Proof:
    """Read, fetch, verify and rank the set; see Family.prove. Raises Failure."""
    proof = _Proof(set_name, repositories, scratch, timeout)
    proof.compare_with_host()
    proof.lay_out(files)
    proof.read()
    try:
        proof.compare_settings()
        proof.fetch()
        return proof.result()
    finally:
        proof.close()


class _Proof:
    def __init__(self, set_name: str, repositories: t.Sequence[Repository], scratch: str, timeout: int) -> None:
        self.set_name, self.repositories = set_name, repositories
        self.scratch, self.timeout = scratch, timeout
        self.enabled = [one for one in repositories if policy.is_enabled("dnf", one)]
        self.base: t.Any = None
        self.live_cache = ""

    def compare_with_host(self) -> None:
        """Refuse a repository that another file of the host has already, and one that outranks the set unasked."""
        base = dnf_base.configured()
        try:
            self.live_cache = base.conf.cachedir
            base.read_all_repos()
            others = [one for one in base.repos.values() if one.repofile != dnf_files.repo_path(self.set_name)]
            self._refuse_duplicates(others)
            self._compare_foreign([one for one in others if one.enabled and not dnf_view.set_of(one)])
        finally:
            base.close()

    def _refuse_duplicates(self, others: t.Sequence[t.Any]) -> None:
        files = {one.id: one.repofile for one in others}
        for one in self.repositories:
            if one.name in files:
                raise Failure(f"add repository '{one.name}'", f"{files[one.name]} already has a repository with this id",
                              "Remove it there, or rename one of them: dnf would use only the first")

    def _compare_foreign(self, others: t.Sequence[t.Any]) -> None:
        """dnf takes the strongest repository that has a package; at the same number the newest version decides."""
        ours = {one.name: policy.number("dnf", one) for one in self.enabled if one.band in _OUTRANKING}
        weakest = max(ours, key=lambda name: ours[name], default=None)
        for other in others:
            if weakest is not None and other.priority <= ours[weakest]:
                raise Failure(
                    f"prove the order of repository '{weakest}'",
                    f"repository '{other.id}' of {other.repofile} has priority {other.priority} on this host, and '{weakest}' has {ours[weakest]} (lower wins)",
                    f"Raise its number above {ours[weakest]} in {other.repofile}, or bring it into a set with a band of its own",
                )

    def lay_out(self, files: t.Mapping[str, File]) -> None:
        """Write the set's files below scratch under the paths they will have; the keys are read from there."""
        for directory in (dnf_files.REPOSITORIES, dnf_files.KEYRINGS, "/cache", "/persist", "/log"):
            os.makedirs(self.scratch + directory, 0o755)
        for path, file in files.items():
            content = file.content
            if path == dnf_files.repo_path(self.set_name):
                content = content.replace(dnf_files.KEYRINGS.encode(), (self.scratch + dnf_files.KEYRINGS).encode())
            with open(self.scratch + path, "wb") as handle:
                os.fchmod(handle.fileno(), file.mode)
                handle.write(content)

    def read(self) -> None:
        """Let dnf read the new file with the host's own settings."""
        self.base = base = dnf_base.configured()
        base.conf.reposdir = [self.scratch + dnf_files.REPOSITORIES]
        base.conf.cachedir = f"{self.scratch}/cache"
        base.conf.persistdir = f"{self.scratch}/persist"
        base.conf.logdir = f"{self.scratch}/log"
        base.read_all_repos()
        names = {one.name for one in self.repositories}
        for name in [name for name in base.repos if name not in names]:
            base.repos.pop(name)
        for one in self.repositories:
            if one.name not in base.repos:
                raise Failure(f"prove repository '{one.name}'", "this host's dnf does not read it", "Check its description and baseurl for unusual characters")

    def compare_settings(self) -> None:
        """What dnf understood must be what was meant: it replaces what it cannot parse, and variables, without a word."""
        for one in self.repositories:
            action = f"prove repository '{one.name}'"
            for option, (meant, understood) in _settings(one, self.base.repos[one.name]).items():
                if understood != meant:
                    what = "something else" if option in _SECRETS else f"{understood} and not {meant}"
                    raise Failure(action, f"dnf reads {what} as its {option}", "A $ followed by a name is a variable to dnf: avoid it there")
            if "releasever" not in self.base.conf.substitutions and any(re.search(r"\$\{?releasever\b", url) for url in one.baseurl):
                raise Failure(action, "its baseurl has $releasever, and no installed package of this host provides system-release",
                              "Install the distribution's release package, or write the release number into baseurl")

    def fetch(self) -> None:
        """Fetch and verify each repository by itself, so that the message names the right one; then let the solver read all."""
        import dnf

        for one in self.enabled:
            repo = self.base.repos[one.name]
            # One attempt, and a fifth of the time for each of repomd.xml, its signature and the three files it names.
            repo.timeout, repo.retries = max(1, self.timeout // 5), 1
            try:
                repo.load()
            except (dnf.exceptions.Error, OSError) as error:
                raise self._refusal(one, error) from error
        try:
            self.base.fill_sack(load_system_repo=False)
        except (dnf.exceptions.Error, OSError) as error:
            culprit = next((one for one in self.enabled if f"'{one.name}'" in str(error)), None)
            raise self._refusal(culprit, error) from error

    def _refusal(self, repository: t.Optional[Repository], error: Exception) -> Failure:
        why = dnf_base.reason(error).replace(self.scratch, "")
        remedy = next((remedy for sign, remedy in _REMEDIES if sign.lower() in why.lower()), "Ask the server's keeper, or leave the repository out")
        return Failure(f"prove repository '{repository.name}'" if repository else f"prove repository set '{self.set_name}'", why, remedy)

    def result(self) -> Proof:
        """Return the priorities as dnf reads them, and the verified metadata to go live."""
        pairs: t.List[t.Tuple[str, str]] = []
        for one in self.enabled:
            for path in self._cached(one.name):
                _drop_sockets(path)
                pairs.append((path, self.live_cache + path[len(f"{self.scratch}/cache"):]))
        priorities = {one.name: self.base.repos[one.name].priority for one in self.enabled}
        return Proof(priorities, pairs, [live for _staged, live in pairs])

    def _cached(self, name: str) -> t.List[str]:
        directory = self.base.repos[name]._repo.getCachedir()
        beside = (f"{self.scratch}/cache/{name}{ending}" for ending in (".solv", "-filenames.solvx", "-updateinfo.solvx", "-presto.solvx"))
        return [path for path in (directory, *beside) if os.path.exists(path)]

    def close(self) -> None:
        """Let go of dnf; the caller removes scratch."""
        self.base.close()
        shutil.rmtree(f"{self.scratch}/persist", ignore_errors=True)


def _settings(meant: Repository, understood: t.Any) -> t.Dict[str, t.Tuple[t.Any, t.Any]]:
    """Return option -> (as meant, as dnf understood it)."""
    user, password = next(((user, password) for _url, user, password in meant.logins), ("", ""))
    return {
        "priority": (policy.number("dnf", meant), understood.priority),
        "enabled": (policy.is_enabled("dnf", meant), understood.enabled),
        "gpgcheck": (True, understood.gpgcheck),
        "repo_gpgcheck": (meant.signed_metadata, understood.repo_gpgcheck),
        "excludepkgs": (sorted(meant.excludes), sorted(understood.excludepkgs)),
        "username": (user, understood.username or ""),
        "password": (password, understood.password or ""),
    }


def _drop_sockets(path: str) -> None:
    """Remove the sockets gpg's agent leaves beside a keyring: they cannot be copied, and nobody listens."""
    for directory, _directories, names in os.walk(path):
        for name in names:
            if stat.S_ISSOCK(os.lstat(os.path.join(directory, name)).st_mode):
                os.unlink(os.path.join(directory, name))
