# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""SHA256SUMS, SHA512SUMS, and CHECKSUM in the BSD form. Pure.

They are about what never changes below a label, so that neither do they: images and their bills of materials.
"""

from __future__ import annotations

import hashlib
import typing as t

Sums = t.Dict[str, t.Tuple[str, str]]


def sums(images: t.Iterable[t.Mapping[str, t.Any]], bills: t.Mapping[str, bytes]) -> Sums:
    """File name -> SHA-256 and SHA-512."""
    found = {file["name"]: (file["sha256"], file["sha512"]) for image in images for file in image["files"]}
    return {**found, **{name: (hashlib.sha256(text).hexdigest(), hashlib.sha512(text).hexdigest()) for name, text in bills.items()}}


def sha256sums(told: Sums) -> bytes:
    """What ``sha256sum -c`` reads; two spaces, the form every reader knows."""
    return "".join(f"{told[name][0]}  {name}\n" for name in sorted(told)).encode()


def sha512sums(told: Sums) -> bytes:
    """What ``sha512sum -c`` reads."""
    return "".join(f"{told[name][1]}  {name}\n" for name in sorted(told)).encode()


def checksum(told: Sums, sizes: t.Mapping[str, int]) -> bytes:
    """What ``sha256sum -c`` reads too, with sizes for people."""
    return "".join(f"# {name}: {sizes[name]} bytes\nSHA256 ({name}) = {told[name][0]}\n" for name in sorted(told)).encode()
