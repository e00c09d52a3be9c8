# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""What apt-get update says when it refuses a repository: which one is meant, and what a person does about it."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.apt_view import place_of
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Repository

# Warnings that leave a repository unusable or wrong although apt-get ends with 0 (measured with apt 2.6).
_FATAL_WARNING = re.compile(
    r"W: (Failed to fetch|Some index files failed|Skipping acquire of configured file .* doesn't have the component"
    r"|Conflicting distribution|GPG error|An error occurred during the signature verification|.* is configured multiple times)"
)

# The first that matches: apt calls "not signed" whatever it could not verify, for whichever reason.
_REMEDIES: t.Sequence[t.Tuple[str, str]] = (
    ("  40[137]  ", "Check user, password and client certificate"),
    ("NO_PUBKEY", "Its metadata is signed by another key: add the key that signs it, after comparing its fingerprint with the owner's"),
    ("BADSIG|EXPKEYSIG|REVKEYSIG|EXPSIG|GPG error|invalid signature", "Do not trust it; ask the repository's owner for a good signature or their renewed key"),
    ("does not have a Release file", "Correct uris and suite; the directory dists/<suite> has to be there"),
    ("is expired", "Its Valid-Until has passed: sync the mirror, or ask the repository's owner to sign it again"),
    ("is not valid yet", "Set the clock of this host"),
    ("doesn't have the component", "Correct components"),
    ("Conflicting distribution", "Correct suite, or the Suite field of the repository's Release file"),
    ("Hash Sum mismatch|unexpected size|Mirror sync in progress", "The mirror is half-way through a change or damaged: sync it again, then repeat"),
    ("Could not connect|Connection refused|connection timed out|Could not resolve|Temporary failure|Unable to connect|Network is unreachable",
     "Check the host name, port, proxy and network from this host"),
    ("ertificate|handshake|TLS", "Check ca_certificate, client_certificate and client_key"),
    ("is not signed", "Sign it (InRelease or Release.gpg); nothing unsigned is ever configured"),
    ("No space left|write error|Write error", "Make room below /var"),
)


def fatal_lines(status: int, out: str, err: str) -> t.List[str]:
    """Return the lines that make a run of ``apt-get update`` a failure; none for a good one."""
    lines = [line for line in err.splitlines() if line.startswith("E: ") or _FATAL_WARNING.match(line)]
    if status and not lines:
        lines = [line for line in (err or out).splitlines() if line][-1:] or [f"apt-get ended with {status}"]
    return lines


def refusal(repositories: t.Sequence[Repository], lines: t.Sequence[str], out: str) -> Failure:
    """Return the Failure for fatal_lines(), naming the repository that they speak of."""
    details = [line.strip() for line in out.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    guilty = [one for one in repositories if any(_speaks_of(line, one) for line in lines)]
    names = ", ".join(f"'{one.name}'" for one in guilty or repositories)
    said = "; ".join(dict.fromkeys([line[3:].rstrip(".") for line in lines] + details))
    remedy = next((text for pattern, text in _REMEDIES if re.search(pattern, " \n".join([*lines, *("  " + one for one in details)]))), "")
    return Failure(f"prove repository {names}", f"apt refuses it: {said}", remedy or "Correct what apt names")


def _speaks_of(line: str, repository: Repository) -> bool:
    for uri in repository.uris:
        base, suite = place_of(uri, repository.suite)
        if f"{base} {suite} " in line or f"{base}/dists/{suite}/" in line:
            return True
    return False
