# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The two families of the MOS scheme under one interface, and what a version is and means in words."""

from __future__ import annotations

import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import deb, mos_deb, mos_rpm, rpm
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import MosVersion

CLASSES = ("specific", "divergent", "specific_or_divergent", "subset_update", "whole_backport", "port", "security")


class Scheme(t.NamedTuple):
    """family: deb or rpm; key: the package manager's exact order; parse: text to parts; divergent, specific: build 0 of a new package;
    base_tag: checks the tag it then gets.
    """

    family: str
    key: t.Callable[[str], t.Any]
    parse: t.Callable[[str], MosVersion]
    divergent: t.Callable[[str], MosVersion]
    specific: t.Callable[[str], MosVersion]
    base_tag: t.Callable[[str], str]


_SCHEMES = {
    "deb": Scheme("deb", deb.key, mos_deb.parse, mos_deb.divergent, mos_deb.specific, mos_deb.base_tag),
    "rpm": Scheme("rpm", rpm.key, mos_rpm.parse, mos_rpm.divergent, mos_rpm.specific, mos_rpm.base_tag),
}


def scheme(family: str) -> Scheme:
    """Return the scheme of ``deb`` or ``rpm``; raise Failure for another word."""
    if family not in ("deb", "rpm"):
        raise Failure(f"use package format {family!r}", "only deb and rpm have MOS versions", "Write deb or rpm")
    return _SCHEMES[family]


def classify(version: MosVersion, upstream: t.Optional[str] = None, release: str = "") -> str:
    """Return one of CLASSES.

    upstream: the base distribution's version of the package, empty if it has none, None if that is not known; only then
    a revision of 1 may be either. release: where the version was found; one made for another release is a port.
    """
    if version.bundle:
        return "security"
    if version.steps:
        last, before = version.steps[-1], version.steps[:-1]
        if release and last.release != release:
            return "port"
        if last.form == "~":
            return "whole_backport"
        return "port" if before and before[-1].release != last.release else "subset_update"
    if upstream is None:
        return "specific_or_divergent" if version.revision == "1" else "divergent"
    return "divergent" if upstream else "specific"


def explain(version: MosVersion, upstream: t.Optional[str] = None, release: str = "") -> str:
    """Return what the version says, as one sentence; the arguments are those of ``classify``."""
    where = f" for {version.base}" if version.base else ", for no named base"
    words = [f"software {version.versioned_software}", f"revision {version.revision}{where}", f"build {version.build}"]
    for step in version.steps:
        what = "with changes for" if step.form == "+" else "brought back whole to"
        words.append(f"{what} release {step.release}, update {step.update}")
    if version.bundle:
        words.append(f"security bundle {version.bundle}")
    return f"{', '.join(words)}: {classify(version, upstream, release).replace('_', ' ')}"
