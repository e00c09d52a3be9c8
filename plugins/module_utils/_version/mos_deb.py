# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The MOS scheme for Debian packages: ``<software>-<revision>~<base>+mos<N>``, then a step for each update or port."""

from __future__ import annotations

import re

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import deb
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import RELEASE_NAME, MosVersion, Step, without_vendor

_STEP = re.compile(rf"([+~])mos({RELEASE_NAME.pattern})\+([1-9][0-9]{{0,8}})")
_BASE = re.compile(r"(?!mos)[a-z]+[0-9]+(?:\.[0-9]+)*")
_REVISION = re.compile(
    rf"(?P<kept>(?:(?!mos)[A-Za-z0-9.+~])+?)~(?P<base>{_BASE.pattern})"
    rf"\+mos(?P<build>0|[1-9][0-9]{{0,8}})(?P<steps>(?:[+~]mos{RELEASE_NAME.pattern}\+[1-9][0-9]{{0,8}})*)"
)
# A rebuild without change: of the vendor (1build1) or of one architecture (1+b1). Neither is part of the source's revision.
_REBUILD = re.compile(r"(?:build[0-9.]+|\+b[0-9]+)$")


def parse(text: str) -> MosVersion:
    """Return the parts of a version; raise Failure for one that dpkg refuses or that is not in this form."""
    version = deb.parse(text)
    found = _REVISION.fullmatch(version.revision)
    if not found:
        raise Failure(
            f"read MOS version {text!r}", f"the revision {version.revision!r} is not <revision>~<base>+mos<N>, such as 1~u14.04+mos1",
            "Only updates add to it: +mos<release>+<K>, or ~mos<release>+<K> for a whole backport",
        )
    steps = tuple(Step(form, release, int(update)) for form, release, update in _STEP.findall(found["steps"]))
    return MosVersion("deb", version.epoch, version.upstream, found["kept"], found["base"], int(found["build"]), steps)


def divergent(upstream: str) -> MosVersion:
    """Return build 0, without a base tag, of a package made from the base package of version upstream.

    Epoch and repack suffixes stay, vendors' names go. ``0ubuntu3`` becomes ``0u``, because ``0~`` would be below the
    bare version that others depend on. A native package, which has no revision, gets revision 1.
    """
    version = deb.parse(upstream)
    kept = without_vendor(_REBUILD.sub("", version.revision))
    if not version.revision:
        kept = "1"
    elif not kept.strip("0"):
        kept = "0u"
    return MosVersion("deb", version.epoch, without_vendor(version.upstream), kept, "", 0)


def specific(software: str) -> MosVersion:
    """Return build 0, without a base tag, of a package that the base distribution does not have."""
    version = deb.parse(software)
    if version.revision:
        raise Failure(f"take {software!r} for a software version", "it has a Debian revision", "Leave the revision out")
    return MosVersion("deb", version.epoch, version.upstream, "1", "", 0)


def base_tag(base: str) -> str:
    """Return base; raise Failure if it cannot be the tag of a base distribution."""
    if not isinstance(base, str) or not _BASE.fullmatch(base):
        raise Failure(f"use base {base!r}", "it is not letters and a number", "Write the base distribution's tag, such as u14.04 or d12")
    return base
