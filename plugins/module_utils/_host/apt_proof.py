# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Proves a set on an apt host before it goes live: the host's own apt fetches, verifies and ranks it in a root of its own.

Below scratch everything has the path it has on the host, so apt's messages name the live files once scratch is cut off.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files, apt_messages, apt_policy, apt_view, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.apt_view import Place, Row, place_of
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File, Proof, Run
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Repository
from ansible_collections.egi.cmd.plugins.module_utils._host.transaction import naming

LISTS = "/var/lib/apt/lists"

_NOT_LISTS = ("lock", "partial", "auxfiles")
_RELEASE_FILE = re.compile(r"(?P<start>.*_dists_.*_)(?:InRelease|Release|Release\.gpg)\Z")
_OUTRANKING = ("developer", "holdback", "overlay")
_STAND_IN = "Package: egi-cmd-place-of-an-empty-repository\nVersion: 0\nArchitecture: all\nDescription: stand-in\n\n"

# Read before apt looks for apt.conf.d: the host's settings without the live ones of this set, and with its new ones.
_FIRST = 'Dir::Etc::parts "{scratch}/etc/apt/apt.conf.d";\n'

# Read last, so it wins over the host's settings. Hooks of apt-get update are for the live host, not for a proof.
_LAST = """\
Dir::Etc::sourcelist "{sourcelist}";
Dir::Etc::sourceparts "{sourceparts}";
Dir::Etc::preferencesparts "{scratch}/etc/apt/preferences.d";
Dir::Etc::netrcparts "{scratch}/etc/apt/auth.conf.d";
Dir::State::lists "{scratch}/var/lib/apt/lists";
Dir::Cache "{scratch}/var/cache/apt";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Retries "1";
Acquire::http::Timeout "{patience}";
Acquire::https::Timeout "{patience}";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def prove(set_name: str, repositories: t.Sequence[Repository], files: t.Mapping[str, File], scratch: str, run: Run, timeout: int) -> Proof:
    """Fetch, verify and rank the set; see Family.prove. Raises Failure."""
    proof = _Proof(set_name, repositories, scratch, run, timeout)
    proof.refuse_duplicates()
    proof.lay_out(files)
    proof.fetch()
    proof.compare_releases()
    prefetched = proof.lists()
    priorities = proof.compare_priorities()
    staged = [(f"{scratch}{LISTS}/{name}", f"{LISTS}/{name}") for name in prefetched]
    # A timer's apt-get update that began before would clean away lists that it has not heard of.
    return Proof(priorities, staged, proof.caches(prefetched), [f"{LISTS}/lock"])


class _Proof:
    def __init__(self, set_name: str, repositories: t.Sequence[Repository], scratch: str, run: Run, timeout: int) -> None:
        self.set_name, self.scratch, self.timeout = set_name, scratch, timeout
        self.run = run
        self.enabled = [one for one in repositories if policy.is_enabled("apt", one)]

    def _run(self, argv: t.Sequence[str], **environment: str) -> t.Tuple[int, str, str]:
        """Run apt; what it says names the live paths."""
        status, out, err = self.run(argv, {**apt_view.ENVIRONMENT, **environment})
        return status, out.replace(self.scratch, ""), err.replace(self.scratch, "")

    def _apt(self, phase: str, *argv: str) -> t.Tuple[int, str, str]:
        return self._run([argv[0], "-c", f"{self.scratch}/{phase}.conf", *argv[1:]], APT_CONFIG=f"{self.scratch}/first.conf")

    def refuse_duplicates(self) -> None:
        """One repository in two files: apt warns for ever, or stops when their keys differ."""
        no_cache = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
        status, out, err = self._run(["apt-get", *no_cache, "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(SOURCESENTRY)"])
        if status:
            raise Failure("prove the repositories", f"this host's own apt configuration is already broken: {apt_view.complaint(err)}",
                          "Repair it, until 'apt-get check' is content, then repeat")
        own = {place_of(uri, one.suite): one for one in self.enabled for uri in one.uris}
        for line in out.splitlines():
            uri, suite, entry = line.split(" ", 2)
            path = entry.rpartition(":")[0]
            one = own.get(place_of(uri, suite))
            if one and path != apt_files.sources_path(self.set_name):
                raise Failure(f"add repository '{one.name}'", f"{uri} {suite} is already configured in {path}",
                              "Remove it there, or leave it out of this set: one repository has one owner")

    def lay_out(self, files: t.Mapping[str, File]) -> None:
        """Write the set's files below scratch, and beside them links to everything else that apt reads on this host."""
        for directory in (apt_files.SOURCES, apt_files.PREFERENCES, apt_files.KEYRINGS, apt_files.LOGINS, apt_files.SETTINGS,
                          LISTS, f"{LISTS}/partial", "/var/cache/apt/archives/partial", "/own"):
            os.makedirs(self.scratch + directory, 0o755)
        replaced = set(apt_files.present_paths(self.set_name))
        for directory in (apt_files.SOURCES, apt_files.PREFERENCES, apt_files.LOGINS, apt_files.SETTINGS):
            for name in _names(directory):
                path = f"{directory}/{name}"
                if path not in replaced:
                    os.symlink(path, self.scratch + path)
        for path, file in files.items():
            content = file.content
            if path == apt_files.sources_path(self.set_name):
                content = content.replace(apt_files.KEYRINGS.encode(), (self.scratch + apt_files.KEYRINGS).encode())
            _write(self.scratch + path, content, file.mode)
        sources = apt_files.sources_path(self.set_name)
        os.symlink(self.scratch + sources, f"{self.scratch}/own/{os.path.basename(sources)}")
        # A slow server costs two files (InRelease, Release) of two attempts each before apt names it.
        values = {"scratch": self.scratch, "patience": max(1, self.timeout // 5)}
        _write(f"{self.scratch}/first.conf", _FIRST.format(**values).encode())
        for phase, sourcelist, parts in (("fetch", "/dev/null", "/own"), ("view", "/etc/apt/sources.list", apt_files.SOURCES)):
            text = _LAST.format(sourcelist=sourcelist, sourceparts=self.scratch + parts, **values)
            _write(f"{self.scratch}/{phase}.conf", text.encode())

    def fetch(self) -> None:
        """Let apt fetch and verify the set's own repositories."""
        limit = ["timeout", "--kill-after=5", str(self.timeout)]
        argv = [*limit, "apt-get", "-c", f"{self.scratch}/fetch.conf", "-q", "update"]
        status, out, err = self._run(argv, APT_CONFIG=f"{self.scratch}/first.conf")
        if status in (124, 137):
            names = ", ".join(f"'{one.name}'" for one in self._without_release() or self.enabled)
            raise Failure(f"prove repository {names}", f"no complete answer within {self.timeout} s", "Check the server and the network, or raise timeout")
        lines = apt_messages.fatal_lines(status, out, err)
        if lines:
            raise apt_messages.refusal(self.enabled, lines, out)

    def _without_release(self) -> t.List[Repository]:
        return [one for one in self.enabled if not self._release_text(one)]

    def _release_text(self, repository: Repository) -> str:
        """Return the Release file apt verified for a repository, '' when there is none."""
        for name in _names(self.scratch + LISTS):
            for uri in repository.uris:
                if name in (f"{_list_start(uri, repository.suite)}{kind}" for kind in ("InRelease", "Release")):
                    with open(f"{self.scratch}{LISTS}/{name}", encoding="utf-8", errors="replace") as handle:
                        return handle.read()
        return ""

    def compare_releases(self) -> None:
        """Suite, Origin and Label must be what the pin will match; apt itself accepts any of them."""
        for one in self.enabled:
            says = dict(re.findall(r"^(Suite|Origin|Label): *(.*?) *$", self._release_text(one), re.MULTILINE))
            for field, declared in (("Suite", one.suite), ("Origin", one.origin), ("Label", one.label)):
                if declared and says.get(field) != declared:
                    raise Failure(
                        f"prove repository '{one.name}'",
                        f"its Release file says {field}: {says.get(field, '(nothing)')}, and {declared} was declared, so its pin would match nothing",
                        f"Correct {field.lower()}, or publish the repository with {field}: {declared}",
                    )

    def lists(self) -> t.List[str]:
        """Return the names of the verified lists."""
        return [name for name in _names(self.scratch + LISTS) if name not in _NOT_LISTS]

    def caches(self, prefetched: t.Sequence[str]) -> t.List[str]:
        """Return prefixes of the live lists that belong to the set: its Release files, and below them its components."""
        starts = sorted({match.group("start") for match in map(_RELEASE_FILE.match, prefetched) if match})
        components = sorted({component.replace("/", "_") for one in self.enabled for component in one.components})
        return [f"{LISTS}/{start}{kind}" for start in starts for kind in ("InRelease", "Release", *(f"{one}_" for one in components))]

    def compare_priorities(self) -> t.Dict[str, int]:
        """Ask apt with all of the host's sources and preferences, and compare with what each repository is meant to have."""
        self._fill_empty_repositories()
        for name in _names(LISTS):
            if name not in _NOT_LISTS and not os.path.lexists(f"{self.scratch}{LISTS}/{name}"):
                os.symlink(f"{LISTS}/{name}", f"{self.scratch}{LISTS}/{name}")
        answer = self._policy([])
        rows, pinned = apt_view.rows_of(answer), apt_view.pinned_of(answer)
        intended = {place_of(uri, one.suite): one for one in self.enabled for uri in one.uris}
        seen: t.Dict[str, int] = {}
        for row in rows:
            one = intended.get(row.place)
            if one:
                self._compare(one, row.priority)
                seen[one.name] = row.priority
        for one in self.enabled:
            if one.name not in seen:
                raise Failure(f"prove repository '{one.name}'", "apt does not see it", "Check architectures and components")
        self._compare_foreign([row for row in rows if row.place not in intended])
        if pinned:
            self._compare_pinned(pinned, intended)
        return seen

    def _policy(self, packages: t.Sequence[str]) -> str:
        options = ["-c", f"{self.scratch}/view.conf"]
        return apt_view.ask(self._run_plain, packages, options, {"APT_CONFIG": f"{self.scratch}/first.conf"})

    def _run_plain(self, argv: t.Sequence[str], environment: t.Mapping[str, str]) -> t.Tuple[int, str, str]:
        return self._run(argv, **environment)

    def _fill_empty_repositories(self) -> None:
        """An empty repository has no package file that apt could rank; a stand-in shows what it will have once it has packages."""
        status, out, err = self._apt("fetch", "apt-get", "indextargets", "--no-release-info", "--format",
                                     "$(REPO_URI) $(RELEASE) $(FILENAME)", "Created-By: Packages")
        if status:
            raise Failure("prove the repositories", apt_view.complaint(err), "Correct what apt names")
        targets: t.Dict[Place, t.List[str]] = {}
        for line in out.splitlines():
            uri, suite, path = line.split(" ", 2)
            targets.setdefault(place_of(uri, suite), []).append(path)
        here = self.lists()
        for paths in targets.values():
            if not any(name.startswith(os.path.basename(path)) for path in paths for name in here):
                _write(self.scratch + paths[0], _STAND_IN.encode())

    def _compare(self, repository: Repository, priority: int) -> None:
        intended = policy.number("apt", repository)
        if priority == intended:
            return
        reason = "a pin in /etc/apt/preferences or /etc/apt/preferences.d comes before ours"
        if priority == 990:
            reason = "APT::Default-Release names its suite, and that overrides every general pin"
        raise Failure(f"prove the order of repository '{repository.name}'", f"apt ranks it {priority} and not {intended}: {reason}",
                      "Remove that setting; 'apt-cache policy' and 'apt-config dump APT::Default-Release' show it")

    def _compare_foreign(self, rows: t.Sequence[Row]) -> None:
        """A repository that nobody put in a set must not outrank the overlay."""
        ours = {one.name: policy.number("apt", one) for one in self.enabled if one.band in _OUTRANKING}
        other_sets = apt_view.our_places()
        for row in rows:
            weakest = min(ours, key=lambda name: ours[name], default=None)
            if weakest is not None and row.place not in other_sets and row.priority >= ours[weakest]:
                raise Failure(
                    f"prove the order of repository '{weakest}'",
                    f"{' '.join(row.place)} has priority {row.priority} on this host, and '{weakest}' has {ours[weakest]}",
                    "Lower its pin in /etc/apt/preferences or /etc/apt/preferences.d, or bring it into a set with a band of its own",
                )

    def _compare_pinned(self, packages: t.Sequence[str], intended: t.Mapping[Place, Repository]) -> None:
        """A pin of one package beats all general pins: it must not take a package of ours away."""
        others = apt_view.our_places()
        for name, found in apt_policy.packages(self._policy(packages)).items():
            places = {place for version in found.versions for place in apt_view.places_of(version)}
            ours = [one for place, one in intended.items() if place in places and one.band in _OUTRANKING]
            strongest = max(ours, key=lambda one: policy.number("apt", one), default=None)
            if strongest is None:
                continue
            for version in found.versions:
                ranks = [policy.number("apt", intended[place]) for place in apt_view.places_of(version) if place in intended]
                foreign = [place for place in apt_view.places_of(version) if place not in intended and place not in others]
                if version.priority != max(ranks) if ranks else foreign and version.priority >= policy.number("apt", strongest):
                    raise Failure(
                        f"prove the order of repository '{strongest.name}'",
                        f"a pin for package {name} gives version {version.version} priority {version.priority}, against the order of this set",
                        f"Remove the pin; 'grep -r {name} /etc/apt/preferences /etc/apt/preferences.d' finds it",
                    )


def _list_start(uri: str, suite: str) -> str:
    """Return the beginning of apt's list files of a suite: the address without scheme, "/" as "_" (apt's URItoFileName)."""
    address = f"{uri.split('://', 1)[1].rstrip('/')}/dists/{suite}/"
    quoted = re.sub(r"[\\|{}\[\]<>\"^~_=!@#$%&*]", lambda match: f"%{ord(match.group()):02x}", address)
    return quoted.replace("/", "_")


def _names(directory: str) -> t.List[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _write(path: str, content: bytes, mode: int = 0o644) -> None:
    with naming(path), open(path, "wb") as handle:
        handle.write(content)
        os.fchmod(handle.fileno(), mode)
