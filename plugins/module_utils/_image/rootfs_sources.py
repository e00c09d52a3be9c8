# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The repositories of a cell as files, rendered by repository_set's own code: for the image, and for the build with its mirrors.

What an image is given never names a mirror of the build, and what the build uses never reaches the image.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import typing as t
import urllib.error
import urllib.request
from urllib.parse import quote, urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files, dnf_files, keys, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Repository
from ansible_collections.egi.cmd.plugins.module_utils._image.definition_cell import Cell, Set

Files = t.Dict[str, File]

_LARGEST = 16 << 20  # bytes; Debian's InRelease has 200 kB
_FILES = {"apt": apt_files, "dnf": dnf_files}


class Sources(t.NamedTuple):
    """given: files of the image by path. build: files for the build by path, where keys are below the path of keys()."""

    given: Files
    build: Files


def render(cell: Cell, key_cache: str, timeout: int) -> Sources:
    """Render the sets of a cell. key_cache: directory where certificates may lie already. Raises Failure for keys that cannot be read."""
    given: Files = {}
    build: Files = {}
    for one in cell.sets:
        certificates = keys.read(one.sources, lambda fingerprint: f"{key_cache}/{fingerprint}", True, timeout)
        given.update(_rendered(cell.family, one, one.repositories, certificates))
        build.update(_rendered(cell.family, one, one.sources, certificates))
    return Sources(given, build)


def _rendered(family: str, one: Set, repositories: t.Sequence[Repository], certificates: keys.Keys) -> Files:
    files = dict(_FILES[family].render(one.name, repositories, certificates))  # type: ignore[attr-defined]
    if family == "apt" and not one.overlay:
        del files[apt_files.preferences_path(one.name)]
    return files


def key_directory(family: str) -> str:
    """Return where an image has its keys."""
    return apt_files.KEYRINGS if family == "apt" else dnf_files.KEYRINGS


def staged(file: File, family: str, top: str) -> bytes:
    """Return a file of the build whose keys lie below top: apt and dnf read keys of a root they work on from the build host."""
    place = key_directory(family).encode()
    return file.content.replace(place, top.encode() + place) if top else file.content


def state(cell: Cell, timeout: int) -> str:
    """Return a digest of what the sources offer now: it changes when an index does, and not because a date was signed again.

    Nothing is verified here; the build's own apt or dnf does that. Raises Failure when a source does not answer.
    """
    digest = hashlib.sha256()
    for one in cell.sets:
        for repository in one.sources:
            digest.update(f"{repository.name}\0{_offer(repository, cell, timeout)}\0".encode())
    return digest.hexdigest()


def _offer(repository: Repository, cell: Cell, timeout: int) -> str:
    if cell.family == "dnf":
        named = {"$basearch": "i386" if cell.machine == "i686" else cell.machine, "$arch": cell.machine, "$releasever": version(cell)}
        places = [_expanded(url, named).rstrip("/") + "/repodata/repomd.xml" for url in repository.baseurl]
        return hashlib.sha256(_fetched(repository, places, timeout)).hexdigest()
    places = [f"{url.rstrip('/')}/dists/{repository.suite}/InRelease" for url in repository.uris]
    text = _fetched(repository, places, timeout).decode("utf-8", "replace")
    wanted = "|".join(f"{re.escape(component)}/binary-(?:{cell.machine}|all)/Packages" for component in repository.components)
    return "\n".join(sorted(set(re.findall(rf"^ [0-9a-f]{{64}} .*\b(?:{wanted})\S*$", text, re.MULTILINE))))


def version(cell: Cell) -> str:
    """Return what dnf calls $releasever."""
    platform = ((cell.definition.release or {}).get("platforms") or {}).get(cell.definition.platform) or {}
    return str(platform.get("version") or "1")


def _expanded(url: str, variables: t.Mapping[str, str]) -> str:
    for name, value in variables.items():
        url = url.replace(name, value)
    return url


def _fetched(repository: Repository, places: t.Sequence[str], timeout: int) -> bytes:
    """Return the first of several places that answers."""
    complaints = []
    for place in places:
        try:
            with _opener(repository).open(_request(repository, place), timeout=timeout) as answer:
                content: bytes = answer.read(_LARGEST + 1)
            if len(content) <= _LARGEST:
                return content
            complaints.append(f"{place} is larger than {_LARGEST >> 20} MiB")
        except urllib.error.HTTPError as error:
            complaints.append(f"{place}: the server says {error.code} {error.reason}")
        except (OSError, ValueError) as error:
            complaints.append(f"{place}: {getattr(error, 'reason', None) or error}")
    raise Failure(f"read repository '{repository.name}'", masked("; ".join(complaints)), "Check its URL, and mirrors of the image definition")


def _opener(repository: Repository) -> urllib.request.OpenerDirector:
    handlers: t.List[urllib.request.BaseHandler] = []
    if repository.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": repository.proxy, "https": repository.proxy}))
    context = ssl.create_default_context(cafile=repository.ca_certificate or None)
    if repository.client_certificate:
        context.load_cert_chain(repository.client_certificate, repository.client_key or None)
    handlers.append(urllib.request.HTTPSHandler(context=context))
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    for url, user, password in repository.logins:
        passwords.add_password(None, url, user, password, is_authenticated=True)
    handlers.append(urllib.request.HTTPBasicAuthHandler(passwords))
    return urllib.request.build_opener(*handlers)


def _request(repository: Repository, place: str) -> urllib.request.Request:
    parts = urlsplit(place)
    if parts.scheme == "file":
        return urllib.request.Request(f"file://{quote(parts.path)}" if "%" not in parts.path else place)
    # A proxy in between must not answer with what was true before.
    return urllib.request.Request(place, headers={"Cache-Control": "no-cache", "User-Agent": f"egi.cmd image ({repository.name})"})


def locations(cell: Cell) -> t.Dict[t.Tuple[str, str], str]:
    """Return (URL without trailing slash, suite) of every source of the build -> the repository's name; apt tells sources so."""
    return {(uri.rstrip("/"), one.suite): one.name for each in cell.sets for one in each.sources for uri in one.uris}


def shown(cell: Cell) -> t.List[t.Dict[str, t.Any]]:
    """Return what image.json says of the repositories the image is given."""
    return [
        {"name": one.name, "kind": one.kind or "distribution", "uri": masked((one.uris or one.baseurl)[0]), "priority": policy.number(cell.family, one)}
        for each in cell.sets for one in each.repositories
    ]
