# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Reads the certificates of a set from content, file or URL, and takes only those that were named."""

from __future__ import annotations

import base64
import http.client
import ssl
import typing as t
import urllib.error
import urllib.request
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._host.openpgp import OpenPGPError, certificates
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, KeySource, Repository

_LARGEST = 1 << 20
"""Bytes; a distribution's keyring has some tens of kilobytes, and a server must not fill the host."""

Keys = t.Dict[str, t.List[Key]]


def read(repositories: t.Sequence[Repository], key_path: t.Callable[[str], str], online: bool, timeout: int) -> Keys:
    """Return repository name -> its certificates, in the order given.

    key_path: where a fingerprint's certificate lives on this host; one that is there already is not fetched again.
    online: False in check mode; a key that only a URL has is then returned without packets.
    Raises Failure naming the repository and the place of the key.
    """
    fetched: t.Dict[KeySource, Key] = {}
    result: Keys = {}
    for repository in repositories:
        named = {source.fingerprint for source in repository.keys}
        for source in repository.keys:
            if source not in fetched:
                fetched[source] = _key(repository, source, named, key_path, online, timeout)
        result[repository.name] = _once(fetched[source] for source in repository.keys)
    return result


def _once(keys: t.Iterable[Key]) -> t.List[Key]:
    return list({key.fingerprint: key for key in keys}.values())


def _key(repository: Repository, source: KeySource, named: t.AbstractSet[str], key_path: t.Callable[[str], str],
         online: bool, timeout: int) -> Key:
    if source.content:
        return _chosen(repository, source, source.content.encode("utf-8", "replace"), named)
    if source.file:
        return _chosen(repository, source, _from_file(repository, source.file), named)
    installed = _installed(key_path(source.fingerprint), source.fingerprint)
    if installed:
        return installed
    if not online:
        return Key(source.fingerprint, b"")
    return _chosen(repository, source, _fetched(repository, source.url, timeout), named)


def _chosen(repository: Repository, source: KeySource, data: bytes, named: t.AbstractSet[str]) -> Key:
    """Return the certificate the source means; one that nobody named would be trusted without being seen."""
    action = f"read the key of '{repository.name}' from {source.place}"
    try:
        found = dict(certificates(data))
    except OpenPGPError as error:
        raise Failure(action, f"the key {error}", "Give the public key that signs the repository's metadata") from None
    strangers = sorted(set(found) - named)
    if source.fingerprint and source.fingerprint not in found:
        raise Failure(action, f"it holds {', '.join(sorted(found))} and not {source.fingerprint}",
                      "Compare the fingerprint with what the repository's owner publishes, then correct fingerprint or key")
    if not source.fingerprint and len(found) == 1:
        return Key(*next(iter(found.items())))
    if strangers or not source.fingerprint:
        raise Failure(action, f"it holds {len(found)} keys, and nobody named {', '.join(strangers or sorted(found))}",
                      "List every fingerprint that may sign the repository, one keys entry each")
    return Key(source.fingerprint, found[source.fingerprint])


def _from_file(repository: Repository, path: str) -> bytes:
    try:
        with open(path, "rb") as handle:
            return _bounded(repository, path, handle)
    except OSError as error:
        raise Failure(f"read the key of '{repository.name}' from {path}", error.strerror or str(error),
                      "keys.file is a path on the managed host; put the key there, or give content or url") from None


def _installed(path: str, fingerprint: str) -> t.Optional[Key]:
    """Return the certificate that already lies at its place, if it is the one its name says."""
    try:
        with open(path, "rb") as handle:
            found = dict(certificates(handle.read(_LARGEST)))
    except (OSError, OpenPGPError):
        return None
    return Key(fingerprint, found[fingerprint]) if list(found) == [fingerprint] else None


def _bounded(repository: Repository, place: str, handle: t.Any) -> bytes:
    data: bytes = handle.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise Failure(f"read the key of '{repository.name}' from {masked(place)}", "it is larger than 1 MiB", "Give the key alone")
    return data


def _fetched(repository: Repository, url: str, timeout: int) -> bytes:
    """Fetch a key with the repository's own proxy and certificates; without a proxy of its own, the environment's."""
    handlers: t.List[urllib.request.BaseHandler] = []
    if repository.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": repository.proxy, "https": repository.proxy}))
    action = f"fetch the key of '{repository.name}' from {url}"
    try:
        handlers.append(urllib.request.HTTPSHandler(context=_tls(repository)))
        with urllib.request.build_opener(*handlers).open(_request(url), timeout=timeout) as answer:
            return _bounded(repository, url, answer)
    except urllib.error.HTTPError as error:
        raise Failure(action, f"the server says {error.code} {error.reason}", "Correct keys.url, or give the key as content or file") from None
    except urllib.error.URLError as error:
        raise Failure(action, str(error.reason), "Check name, proxy, certificates and network, or give the key as content or file") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Failure(action, str(error) or type(error).__name__, "Check proxy and certificates, or give the key as content or file") from None


def _tls(repository: Repository) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=repository.ca_certificate or None)
    if repository.client_certificate:
        context.load_cert_chain(repository.client_certificate, repository.client_key or None)
    return context


def _request(url: str) -> urllib.request.Request:
    """Return a request; urllib takes no user and password inside a URL, so they become a header."""
    parts = urlsplit(url)
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(login).decode("ascii"))
    return request
