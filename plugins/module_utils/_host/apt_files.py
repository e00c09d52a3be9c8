# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The files of a repository set on an apt host: sources, pins, keys, logins, connection settings. Pure text.

Pins: _pin(). Sources: _source(). Where they lie: see the constants.
"""

from __future__ import annotations

import os
import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure, masked
from ansible_collections.egi.cmd.plugins.module_utils._host import policy
from ansible_collections.egi.cmd.plugins.module_utils._host.family import HEADER, File
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, Repository

SOURCES, PREFERENCES, KEYRINGS = "/etc/apt/sources.list.d", "/etc/apt/preferences.d", "/etc/apt/keyrings"
LOGINS, SETTINGS = "/etc/apt/auth.conf.d", "/etc/apt/apt.conf.d"

_NOTICE = "# Changes here are lost at the next run.\n"
_KEY_NAME = re.compile(r"(?:[0-9A-F]{40}|[0-9A-F]{64})\.gpg\Z")
_REPOSITORY = re.compile(r"^# Repository: (?P<name>[a-z0-9-]+)$", re.MULTILINE)

Keys = t.Mapping[str, t.Sequence[Key]]


def sources_path(set_name: str) -> str:
    """Return where the sources of a set are."""
    return f"{SOURCES}/egi-cmd-{set_name}.sources"


def preferences_path(set_name: str) -> str:
    """Return where the pins of a set are. Without the ending .pref apt would ignore a name with a dot, silently."""
    return f"{PREFERENCES}/egi-cmd-{set_name}.pref"


def logins_path(set_name: str) -> str:
    """Return where users and passwords of a set are."""
    return f"{LOGINS}/egi-cmd-{set_name}.conf"


def settings_path(set_name: str) -> str:
    """Return where proxies and TLS certificates of a set are."""
    return f"{SETTINGS}/egi-cmd-{set_name}.conf"


def key_path(set_name: str, fingerprint: str) -> str:
    """Return where a certificate is."""
    return f"{KEYRINGS}/egi-cmd-{set_name}-{fingerprint}.gpg"


def present_paths(set_name: str) -> t.List[str]:
    """Return the files of this set's names that are on the host now."""
    named = (sources_path(set_name), preferences_path(set_name), logins_path(set_name), settings_path(set_name))
    start = f"egi-cmd-{set_name}-"
    try:
        # Fingerprints are upper case and names of sets are not: the set "a" never takes a key of the set "a-b".
        keys = [name for name in os.listdir(KEYRINGS) if name.startswith(start) and _KEY_NAME.match(name[len(start):])]
    except FileNotFoundError:
        keys = []
    return [path for path in named if os.path.lexists(path)] + [f"{KEYRINGS}/{name}" for name in sorted(keys)]


def render(set_name: str, repositories: t.Sequence[Repository], keys: Keys) -> t.Dict[str, File]:
    """Return every file of the set by path. Raises Failure for settings that apt keeps per server and two repositories give differently."""
    head = f"{HEADER}{set_name}\n{_NOTICE}"
    # apt takes the first record that matches a package file, so the order of records must not weaken a strong one.
    strongest_first = sorted(repositories, key=lambda one: -policy.number("apt", one))
    files = {
        sources_path(set_name): File("\n".join([head, *(_source(set_name, one, keys) for one in repositories)]).encode()),
        preferences_path(set_name): File("\n".join([head, *(_pin(one) for one in strongest_first)]).encode()),
    }
    for one in repositories:
        for key in keys[one.name]:
            shown = f"OpenPGP certificate {key.fingerprint}\n"
            files[key_path(set_name, key.fingerprint)] = File(key.packets, shown=shown)
    logins = _logins(set_name, repositories)
    if logins:
        shown = head + "".join(f"machine {machine} login *** password ***\n" for machine in sorted(logins))
        text = head + "".join(f"machine {machine} login {user} password {password}\n" for machine, (user, password) in sorted(logins.items()))
        files[logins_path(set_name)] = File(text.encode(), 0o600, shown)
    settings = _settings(set_name, repositories)
    if settings:
        text = head + "".join(f'{name} "{value}";\n' for name, value in sorted(settings.items()))
        # A proxy's password must not be world-readable; users then read "Unable to read" from apt-cache, and nothing else changes.
        files[settings_path(set_name)] = File(text.encode(), 0o600 if masked(text) != text else 0o644, masked(text))
    return files


def repository_names(text: str) -> t.Iterator[t.Tuple[str, t.List[str], str]]:
    """Yield (repository, URIs, suite) of every stanza of a sources file that render() made; one that somebody broke since is left out."""
    for stanza in text.split("\n\n"):
        match = _REPOSITORY.search(stanza)
        if match:
            fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith("#"))
            if fields.get("URIs", "").split() and "Suites" in fields:
                yield match.group("name"), fields["URIs"].split(), fields["Suites"]


def _source(set_name: str, repository: Repository, keys: Keys) -> str:
    """Return one stanza of sources.list(5). Every repository trusts its own keys and no others."""
    lines = [
        f"# Repository: {repository.name}",
        f"# {repository.description}",
        "Types: deb",
        f"URIs: {' '.join(repository.uris)}",
        f"Suites: {repository.suite}",
        f"Components: {' '.join(repository.components)}",
    ]
    if repository.architectures:
        lines.append(f"Architectures: {' '.join(repository.architectures)}")
    if not policy.is_enabled("apt", repository):
        lines.append("Enabled: no")
    lines.append("Signed-By: " + " ".join(key_path(set_name, key.fingerprint) for key in keys[repository.name]))
    return "\n".join(lines) + "\n"


def _pin(repository: Repository) -> str:
    """Return one record of apt_preferences(5).

    The general form covers every architecture. Suite (a) and origin or label, never the codename (n): all suites of a
    release share it, so a pin by codename takes proposed packages too.
    """
    fields = [("a", repository.suite), ("o", repository.origin), ("l", repository.label)]
    reach = {"distribution": "as the operating system", "proposed": "below the operating system, taken only by name"}
    lines = [
        f"Explanation: {repository.name}: {repository.kind or 'extra'}, band {repository.band}",
        f"Explanation: {reach.get(repository.band, 'above the operating system, also where that means a downgrade')}",
        "Package: *",
        "Pin: release " + ",".join(f"{field}={value}" for field, value in fields if value),
        f"Pin-Priority: {policy.number('apt', repository)}",
    ]
    return "\n".join(lines) + "\n"


def _logins(set_name: str, repositories: t.Sequence[Repository]) -> t.Dict[str, t.Tuple[str, str]]:
    """Return (user, password) by machine of apt_auth.conf(5). The scheme is part of it, or apt would not send them over http."""
    logins: t.Dict[str, t.Tuple[str, str]] = {}
    for repository in repositories:
        for url, user, password in repository.logins:
            if logins.setdefault(url, (user, password)) != (user, password):
                _differ(set_name, repository, f"another login for {url}")
    return logins


def _settings(set_name: str, repositories: t.Sequence[Repository]) -> t.Dict[str, str]:
    """Return apt.conf(5) settings. apt keeps them per server, so repositories on one server must agree."""
    settings: t.Dict[str, str] = {}
    for repository in repositories:
        for uri in repository.uris:
            scheme, host = urlsplit(uri).scheme, urlsplit(uri).hostname or ""
            wanted = {
                f"Acquire::{scheme}::Proxy::{host}": repository.proxy,
                f"Acquire::https::{host}::CaInfo": repository.ca_certificate,
                f"Acquire::https::{host}::SslCert": repository.client_certificate,
                f"Acquire::https::{host}::SslKey": repository.client_key,
            }
            for name, value in wanted.items():
                if scheme != "file" and settings.setdefault(name, value) != value:
                    _differ(set_name, repository, f"another value for {name}")
    return {name: value for name, value in settings.items() if value}


def _differ(set_name: str, repository: Repository, what: str) -> t.NoReturn:
    raise Failure(f"configure repository set '{set_name}'", f"'{repository.name}' has {what} than a repository before it, and apt keeps one per server",
                  "Give all repositories on one server the same login, proxy and certificates")
