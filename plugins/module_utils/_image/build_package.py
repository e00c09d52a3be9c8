# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""OVF packages of a cell, made from its VMDK: one OVA file, or the descriptor and the manifest beside the VMDK."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._image import ova, ovf_build
from ansible_collections.egi.cmd.plugins.module_utils._image.ova import Part

PACKAGES = ("ova", "ovf")
VMDK = "vmdk"


def with_vmdk(formats: t.Sequence[str]) -> t.Tuple[str, ...]:
    """Return formats in the order they are made; an OVF package is not whole without the VMDK beside it."""
    plain = [form for form in formats if form not in PACKAGES]
    if "ovf" in formats and VMDK not in plain:
        plain.append(VMDK)
    return (*plain, *(form for form in PACKAGES if form in formats))


def files(stem: str, cell: t.Mapping[str, t.Any], vmdk: str) -> t.List[Part]:
    """Return the parts of the package of a cell in their order. stem: name without ending; cell: as image.json; vmdk: a path."""
    name = f"{stem}.{VMDK}"
    return ova.parts(stem, ovf_build.from_cell(cell, name), {name: vmdk})


def write(form: str, parts: t.Sequence[Part], directory: str, stem: str, epoch: int) -> t.List[str]:
    """Write a package to a directory; return the names of the new files."""
    if form == "ova":
        ova.write(f"{directory}/{stem}.ova", parts, epoch)
        return [f"{stem}.ova"]
    beside = [part for part in parts if not part.name.endswith(f".{VMDK}")]
    ova.write_directory(directory, beside)
    return [part.name for part in beside]
