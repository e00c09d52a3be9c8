# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a solver says about selected packages. libsolv is a package of the system's: where it is missing, that is said."""

from __future__ import annotations

import importlib.util

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._archive.solver import Build
from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._mirror import judge

_MISSING = importlib.util.find_spec("solv") is None
_APP = b"Package: app\nVersion: 1:2-1\nArchitecture: amd64\nDepends: lib (>= 2)\n\n"


@pytest.mark.skipif(not _MISSING, reason="libsolv is here")
def test_who_wants_proof_is_told_what_to_install() -> None:
    with pytest.raises(Failure, match="Install python3-solv"):
        judge.require_installable("deb", "amd64", [], [], "os-1")


@pytest.mark.skipif(_MISSING, reason="libsolv is not here")
def test_what_cannot_be_installed_is_named_with_the_reason() -> None:
    build = Build("app", "1:2-1", "amd64", "overlay/suite")
    for version, good in ((b"2", True), (b"1", False)):
        indices = [judge.Index("overlay/suite", [_APP]), judge.Index("base/suite", [b"Package: lib\nVersion: %s\nArchitecture: all\n\n" % version])]
        if good:
            judge.require_installable("deb", "amd64", indices, [build], "os-1")
            continue
        with pytest.raises(Failure, match=r"cannot install app 1:2-1 \(.*lib"):
            judge.require_installable("deb", "amd64", indices, [build], "os-1")
        with pytest.raises(Failure, match=r"gone 1 \(no index has it\)"):
            judge.require_installable("deb", "amd64", indices, [Build("gone", "1", "all", "base/suite")], "os-1")
