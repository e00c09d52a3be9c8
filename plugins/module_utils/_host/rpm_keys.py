# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Certificates in rpm's own database: dnf puts one there at the first install, and rpm then trusts it for every repository."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.dnf_files import KEYRINGS, REPOSITORIES
from ansible_collections.egi.cmd.plugins.module_utils._host.family import Run
from ansible_collections.egi.cmd.plugins.module_utils._host.openpgp import OpenPGPError, certificates

_ENTRY = re.compile(r"^(gpg-pubkey-\S+)$(.*?-----END PGP PUBLIC KEY BLOCK-----)", re.MULTILINE | re.DOTALL)
_LOCAL_KEY = re.compile(r"file://(/\S+)")


def forget(leaving: t.Sequence[str], run: Run) -> None:
    """Remove from rpm's database the certificates of files that leave the host, unless another file still names them.

    leaving: live paths of certificates and other files of a set. Raises Failure when rpm refuses.
    """
    going = {fingerprint for path in leaving if path.startswith(KEYRINGS + "/") for fingerprint in _fingerprints(path)}
    if not going:
        return
    going -= {fingerprint for path in _named_elsewhere(leaving) for fingerprint in _fingerprints(path)}
    packages = [package for package, fingerprints in _imported(run) if fingerprints & going]
    if packages:
        status, _out, err = run(["rpm", "-e", "--allmatches", *packages], {"LC_ALL": "C"})
        if status:
            raise Failure(f"remove {', '.join(packages)} from rpm's database", err.strip() or f"rpm ended with {status}",
                          "Wait for a package manager at work, then repeat")


def _imported(run: Run) -> t.List[t.Tuple[str, t.Set[str]]]:
    """Return (package, fingerprints) of every certificate in rpm's database, which keeps it as the description of a package."""
    # rpm ends with 1 when there is none.
    _status, out, _err = run(["rpm", "-q", "gpg-pubkey", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\n%{DESCRIPTION}\n"], {"LC_ALL": "C"})
    return [(package, _read(block.encode())) for package, block in _ENTRY.findall(out)]


def _named_elsewhere(leaving: t.Sequence[str]) -> t.Set[str]:
    """Return the certificate files of the host that stay: those in the usual place, and those another .repo file names."""
    found = set(_listed(KEYRINGS))
    for path in _listed(REPOSITORIES):
        if path not in leaving and path.endswith(".repo"):
            with open(path, encoding="utf-8", errors="replace") as handle:
                found.update(_LOCAL_KEY.findall(handle.read()))
    return found - set(leaving)


def _listed(directory: str) -> t.List[str]:
    return [path for path in (os.path.join(directory, name) for name in sorted(os.listdir(directory))) if os.path.isfile(path)]


def _fingerprints(path: str) -> t.Set[str]:
    try:
        with open(path, "rb") as handle:
            return _read(handle.read())
    except OSError:
        return set()


def _read(data: bytes) -> t.Set[str]:
    try:
        return {fingerprint for fingerprint, _packets in certificates(data)}
    except OpenPGPError:
        return set()
