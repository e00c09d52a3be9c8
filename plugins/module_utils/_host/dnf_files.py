# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The files of a repository set on a dnf host: one .repo file and its keys. Pure text.

Repositories and their priorities: _section(). Where they lie: see the constants.
"""

from __future__ import annotations

import os
import re
import typing as t
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host import openpgp, policy
from ansible_collections.egi.cmd.plugins.module_utils._host.family import HEADER, File
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, Repository

REPOSITORIES, KEYRINGS = "/etc/yum.repos.d", "/etc/pki/rpm-gpg"

_NOTICE = "# Changes here are lost at the next run.\n"
_KEY_PREFIX = "RPM-GPG-KEY-egi-cmd-"
_FINGERPRINT = re.compile(r"(?:[0-9A-F]{40}|[0-9A-F]{64})\Z")
_SECRET = re.compile(r"^((?:proxy_)?(?:username|password))=.*$", re.MULTILINE)

Keys = t.Mapping[str, t.Sequence[Key]]


def repo_path(set_name: str) -> str:
    """Return where the repositories of a set are."""
    return f"{REPOSITORIES}/egi-cmd-{set_name}.repo"


def key_path(set_name: str, fingerprint: str) -> str:
    """Return where a certificate is."""
    return f"{KEYRINGS}/{_KEY_PREFIX}{set_name}-{fingerprint}"


def present_paths(set_name: str) -> t.List[str]:
    """Return the files of this set's names that are on the host now."""
    start = f"{_KEY_PREFIX}{set_name}-"
    try:
        # Fingerprints are upper case and names of sets are not: the set "a" never takes a key of the set "a-b".
        keys = [name for name in os.listdir(KEYRINGS) if name.startswith(start) and _FINGERPRINT.match(name[len(start):])]
    except FileNotFoundError:
        keys = []
    return [path for path in (repo_path(set_name),) if os.path.lexists(path)] + [f"{KEYRINGS}/{name}" for name in sorted(keys)]


def render(set_name: str, repositories: t.Sequence[Repository], keys: Keys) -> t.Dict[str, File]:
    """Return every file of the set by path. Raises Failure for logins that one dnf repository cannot have."""
    sections = [_section(set_name, one, keys) for one in repositories]
    text = "\n".join([f"{HEADER}{set_name}\n{_NOTICE}", *sections])
    shown = _SECRET.sub(r"\1=***", text)
    # dnf run by a user skips a file it may not read, so only a file with a secret in it is closed to users.
    files = {repo_path(set_name): File(text.encode(), 0o644 if shown == text else 0o600, None if shown == text else shown)}
    for one in repositories:
        for key in keys[one.name]:
            # rpm reads armored keys only. A key that was not fetched, in check mode, has no content yet.
            content = openpgp.armored(key.packets).encode() if key.packets else b""
            files[key_path(set_name, key.fingerprint)] = File(content, shown=f"OpenPGP certificate {key.fingerprint}\n")
    return files


def _section(set_name: str, repository: Repository, keys: Keys) -> str:
    """Return one section of dnf.conf(5), "Repo options".

    Whatever decides which package wins is written out, so that no default of the host's dnf.conf decides instead.
    skip_if_unavailable=0: a repository of the release that does not answer must stop dnf; skipped, the version of a
    weaker repository would be installed. module_hotfixes is left out: it lifts a repository above modular filtering
    and outranks nothing.
    """
    options: t.List[t.Tuple[str, str]] = [
        ("name", repository.description),
        ("baseurl", _list(repository.baseurl)),
        ("enabled", _flag(policy.is_enabled("dnf", repository))),
        ("priority", str(policy.number("dnf", repository))),
        ("gpgcheck", "1"),
        ("repo_gpgcheck", _flag(repository.signed_metadata)),
        ("gpgkey", _list([f"file://{key_path(set_name, key.fingerprint)}" for key in keys[repository.name]])),
        ("skip_if_unavailable", "0"),
        ("excludepkgs", _list(repository.excludes)),
        ("sslcacert", repository.ca_certificate),
        ("sslclientcert", repository.client_certificate),
        ("sslclientkey", repository.client_key),
        *_login(repository),
        *_proxy(repository.proxy),
    ]
    head = f"# {repository.kind or 'extra'}, band {repository.band}\n[{repository.name}]\n"
    return head + "".join(f"{name}={value}\n" for name, value in options if value)


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _list(values: t.Sequence[str]) -> str:
    """Return a list option, one value per line, continued by indentation."""
    return "\n    ".join(values)


def _login(repository: Repository) -> t.List[t.Tuple[str, str]]:
    """Return the login; dnf keeps one per repository and sends it to every baseurl."""
    logins = {(user, password) for _url, user, password in repository.logins}
    if not logins:
        return []
    if len(logins) > 1 or len(repository.logins) != len(repository.baseurl):
        raise Failure(f"configure repository '{repository.name}'", "its baseurls have different logins, and dnf sends one login to all of them",
                      "Give every baseurl the same user and password")
    user, password = logins.pop()
    return [("username", user), ("password", password)]


def _proxy(proxy: str) -> t.List[t.Tuple[str, str]]:
    if not proxy:
        return []
    parts = urlsplit(proxy)
    options = [("proxy", urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))]
    if parts.username is not None:
        options += [("proxy_username", unquote(parts.username)), ("proxy_password", unquote(parts.password or ""))]
    return options
