# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""The MOS scheme for RPM packages: ``<version>-<release>.<dist>~mos<N>``, then ``.<bundle>`` for security fixes."""

from __future__ import annotations

import re

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._version import rpm
from ansible_collections.egi.cmd.plugins.module_utils._version.mos import MosVersion, without_vendor

_DIST = r"(?:amzn|el|fc|lp|mga)[0-9][A-Za-z0-9._]*"
_BASE = re.compile(_DIST)
_RELEASE = re.compile(rf"(?P<kept>(?:(?!mos)[A-Za-z0-9._+^~])+?)(?:\.(?P<dist>{_DIST}))?~mos(?P<build>0|[1-9][0-9]{{0,8}})(?:\.(?P<bundle>[1-9][0-9]{{0,8}}))?")
_DIST_ON = re.compile(rf"[._]?(?<![A-Za-z]){_DIST}.*", re.DOTALL)


def parse(text: str) -> MosVersion:
    """Return the parts of ``[epoch:]version-release``; raise Failure for what is not in this form."""
    version = rpm.parse(text)
    found = _RELEASE.fullmatch(version.release)
    if not found:
        raise Failure(
            f"read MOS version {text!r}", f"the release {version.release!r} is not <release>.<dist>~mos<N>, such as 1.el7~mos1",
            "Only a security fix adds to it: .<bundle>, a plain number",
        )
    bundle = int(found["bundle"] or 0)
    return MosVersion("rpm", version.epoch, version.version, found["kept"], found["dist"] or "", int(found["build"]), (), bundle)


def divergent(upstream: str) -> MosVersion:
    """Return build 0, without a dist tag, of a package made from the base package of version upstream."""
    version = rpm.parse(upstream)
    kept = without_vendor(_DIST_ON.sub("", version.release)) or "1"
    return MosVersion("rpm", version.epoch, without_vendor(version.version), kept, "", 0)


def specific(software: str) -> MosVersion:
    """Return build 0, without a dist tag, of a package that the base distribution does not have."""
    version = rpm.parse(software)
    if version.release:
        raise Failure(f"take {software!r} for a software version", "it has an RPM release", "Leave the release out")
    return MosVersion("rpm", version.epoch, version.version, "1", "", 0)


def base_tag(base: str) -> str:
    """Return base; raise Failure if it cannot be a dist tag."""
    if not isinstance(base, str) or not _BASE.fullmatch(base):
        raise Failure(f"use base {base!r}", "it is no dist tag", "Write what %{?dist} says without the dot, such as el7")
    return base
