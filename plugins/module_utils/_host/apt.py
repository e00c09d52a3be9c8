# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The apt family: one object that satisfies family.Family; each part has a file of its own."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._host import apt_files, apt_proof, apt_view, audit_apt, census_apt
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File, Inventory, Proof, Run, Survey, View
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, Repository


class Apt:
    """See family.Family for what each method promises."""

    name = "apt"

    def paths(self, set_name: str) -> t.List[str]:
        return apt_files.present_paths(set_name)

    def key_path(self, set_name: str, fingerprint: str) -> str:
        return apt_files.key_path(set_name, fingerprint)

    def render(self, set_name: str, repositories: t.Sequence[Repository], keys: t.Mapping[str, t.Sequence[Key]]) -> t.Dict[str, File]:
        return apt_files.render(set_name, repositories, keys)

    def prove(self, set_name: str, repositories: t.Sequence[Repository], files: t.Mapping[str, File],
              scratch: str, run: Run, timeout: int) -> Proof:
        return apt_proof.prove(set_name, repositories, files, scratch, run, timeout)

    def distrust(self, leaving: t.Sequence[str], run: Run) -> None:
        """Do nothing: apt trusts a certificate only where Signed-By names its file."""

    def view(self, run: Run, packages: t.Sequence[str]) -> View:
        return apt_view.view(run, packages)

    def survey(self, run: Run, packages: t.Sequence[str]) -> Survey:
        return audit_apt.survey(run, packages)

    def inventory(self, run: Run, packages: t.Sequence[str]) -> Inventory:
        return census_apt.inventory(run, packages)
