# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution says which package manager is meant."""

from __future__ import annotations

import pytest

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._host.family import family_name


@pytest.mark.parametrize("text, expected", [
    ("ID=debian\n", "apt"),
    ("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n", "apt"),
    ('ID="linuxmint"\nID_LIKE="ubuntu debian"\n', "apt"),
    ('ID="almalinux"\nID_LIKE="rhel centos fedora"\n', "dnf"),
    ("ID='rocky'\n", "dnf"),
    ("ID=fedora\n", "dnf"),
    ('ID="ol"\nID_LIKE="fedora"\n', "dnf"),
])
def test_a_distribution_has_a_family(text: str, expected: str) -> None:
    assert family_name(text) == expected


@pytest.mark.parametrize("text", ["", "ID=arch\n", "nonsense"])
def test_another_distribution_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="os-release"):
        family_name(text)
