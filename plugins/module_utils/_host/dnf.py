# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The dnf family: one object that satisfies family.Family; each part has a file of its own."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._host import audit_dnf, census_dnf, dnf_files, dnf_proof, dnf_view, rpm_keys
from ansible_collections.egi.cmd.plugins.module_utils._host.family import File, Inventory, Proof, Run, Survey, View
from ansible_collections.egi.cmd.plugins.module_utils._host.repository import Key, Repository


class Dnf:
    """See family.Family for what each method promises. dnf is asked through its bindings; only rpm is run."""

    name = "dnf"

    def paths(self, set_name: str) -> t.List[str]:
        return dnf_files.present_paths(set_name)

    def key_path(self, set_name: str, fingerprint: str) -> str:
        return dnf_files.key_path(set_name, fingerprint)

    def render(self, set_name: str, repositories: t.Sequence[Repository], keys: t.Mapping[str, t.Sequence[Key]]) -> t.Dict[str, File]:
        return dnf_files.render(set_name, repositories, keys)

    def prove(self, set_name: str, repositories: t.Sequence[Repository], files: t.Mapping[str, File],
              scratch: str, run: Run, timeout: int) -> Proof:  # noqa: ARG002
        return dnf_proof.prove(set_name, repositories, files, scratch, timeout)

    def distrust(self, leaving: t.Sequence[str], run: Run) -> None:
        rpm_keys.forget(leaving, run)

    def view(self, run: Run, packages: t.Sequence[str]) -> View:  # noqa: ARG002
        return dnf_view.view(packages)

    def survey(self, run: Run, packages: t.Sequence[str]) -> Survey:  # noqa: ARG002
        return audit_dnf.survey(packages)

    def inventory(self, run: Run, packages: t.Sequence[str]) -> Inventory:
        return census_dnf.inventory(run, packages)
